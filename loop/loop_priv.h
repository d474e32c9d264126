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

struct loop_calls {
    struct loop_call *first;
    struct loop_call *last;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_idle_t awake;   /* while calls are there for later */
    uv_check_t polled; /* which runs them */
    unsigned open;     /* of these three */
    pthread_t thread;
    size_t counted; /* jobs that keep loop_run going */
    pthread_mutex_t lock;
    struct loop_calls posted; /* by other threads, under lock */
    struct loop_calls later;  /* by our own */
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
