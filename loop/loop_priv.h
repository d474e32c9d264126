/* Inside struct loop; only for loop/. */
#ifndef LOOP_PRIV_H
#define LOOP_PRIV_H

#include "loop/loop.h"

#include <pthread.h>
#include <uv.h>

struct loop_queue {
    struct loop_job *first;
    struct loop_job *last;
};

struct loop_threads {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct loop_queue queue[LOOP_CLASS_COUNT];
    unsigned stat_run; /* STAT jobs taken since the last ordinary one */
    bool stopping;
    unsigned n;
    pthread_t *threads;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    bool wake_open;
    pthread_t thread;
    size_t counted; /* calls and jobs that keep loop_run going */
    pthread_mutex_t lock;
    struct loop_call *first; /* posted, under lock */
    struct loop_call *last;
    struct loop_threads pools[LOOP_POOL_COUNT];
};

enum base_err loop_threads_start(struct loop_threads *p, unsigned n) BASE_MUST_CHECK;
/* Cancels what waits, joins the threads. */
void loop_threads_stop(struct loop_threads *p);
/* One more or one fewer reason to keep loop_run going. */
void loop_count(struct loop *l, int change);
/* Queues a call whose counted field is set already. */
void loop_post_counted(struct loop *l, struct loop_call *call);

#endif
