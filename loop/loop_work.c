/* The thread pools: libuv's own is one global queue shared with DNS. */
#include "loop/loop_priv.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

enum { STAT_RUN_MAX = 15 };

static void queue_add(struct loop_queue *q, struct loop_job *j)
{
    j->next = NULL;
    if (q->first)
        q->last->next = j;
    else
        q->first = j;
    q->last = j;
}

static struct loop_job *queue_take(struct loop_queue *q)
{
    struct loop_job *j = q->first;
    if (j)
        q->first = j->next;
    return j;
}

/* The next job, NULL when none waits. Under the lock. */
static struct loop_job *take(struct loop_threads *p)
{
    struct loop_queue *stat = &p->queue[LOOP_STAT];
    struct loop_queue *ordinary = &p->queue[LOOP_ORDINARY];
    bool skip_stat = p->stat_run >= STAT_RUN_MAX && ordinary->first;
    struct loop_queue *q = stat->first && !skip_stat ? stat : ordinary;
    if (!q->first)
        return NULL;
    p->stat_run = q == stat ? p->stat_run + 1 : 0;
    return queue_take(q);
}

static void *thread_main(void *arg)
{
    struct loop_threads *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct loop_job *j = take(p);
        if (j) {
            pthread_mutex_unlock(&p->lock);
            j->work(j->arg);
            loop_post_counted(j->loop, &j->call);
            pthread_mutex_lock(&p->lock);
        } else if (p->stopping) {
            break;
        } else {
            pthread_cond_wait(&p->wake, &p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum base_err loop_threads_start(struct loop_threads *p, unsigned n)
{
    if (n == 0)
        return BASE_OK;
    p->threads = calloc(n, sizeof *p->threads);
    if (!p->threads)
        return BASE_ENOMEM;
    /* Signals are the loop thread's business. */
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = 0;
    while (p->n < n && r == 0) {
        r = pthread_create(&p->threads[p->n], NULL, thread_main, p);
        p->n += r == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r ? BASE_EIO : BASE_OK;
}

void loop_threads_stop(struct loop_threads *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    for (int c = 0; c < LOOP_CLASS_COUNT; c++) {
        for (struct loop_job *j; (j = queue_take(&p->queue[c]));) {
            j->cancelled = true;
            loop_post_counted(j->loop, &j->call);
        }
    }
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n; i++)
        pthread_join(p->threads[i], NULL);
    free(p->threads);
    p->threads = NULL;
    p->n = 0;
}

static void on_job_done(void *arg)
{
    struct loop_job *j = arg;
    j->done(j->arg, j->cancelled);
}

void loop_work(struct loop *l, struct loop_job *job, enum loop_pool pool, enum loop_class class,
               loop_work_fn *work, loop_done_fn *done, void *arg)
{
    struct loop_threads *p = &l->pools[pool];
    assert(pthread_equal(pthread_self(), l->thread));
    *job = (struct loop_job){
        .call = {.fn = on_job_done, .arg = job, .counted = true},
        .loop = l,
        .work = work,
        .done = done,
        .arg = arg,
    };
    loop_count(l, 1);
    pthread_mutex_lock(&p->lock);
    assert(p->n > 0 || p->stopping);
    if (p->stopping) {
        job->cancelled = true;
        loop_post_counted(l, &job->call);
    } else {
        queue_add(&p->queue[class], job);
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
}
