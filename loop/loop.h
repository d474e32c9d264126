/*
 * The event loop of a process, and the thread pools beside it.
 *
 * A loop belongs to the thread that made it; every function here must be
 * called on that thread, except loop_post. Only whole messages cross
 * threads: a job given to a pool belongs to the pool thread until its done
 * callback runs on the loop again.
 *
 * Callers free what they made (timers, signals) before loop_free.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct uv_loop_s;

struct loop_options {
    unsigned disk_threads;   /* 0 = no disk pool */
    unsigned cpu_threads;    /* 0 = no CPU pool */
    unsigned folder_threads; /* 0 = no pool for other people's folders */
    unsigned login_threads;  /* 0 = no pool for passwords */
};

/* options NULL: 4 disk threads and one CPU thread per processor. Ignores
 * SIGPIPE for the process, since a write to a closed socket is an error here,
 * not a signal. BASE_ENOMEM, BASE_EIO (no thread or descriptor left). */
enum base_err loop_new(const struct loop_options *options, struct loop **out) BASE_MUST_CHECK;
/* Cancels queued jobs, waits for running ones, delivers their done callbacks,
 * and frees. Takes NULL. */
void loop_free(struct loop *l);

/* Runs until loop_stop, or until nothing is left to wait for. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* For the folders that may include uv.h. */
struct uv_loop_s *loop_uv(struct loop *l);

/* ---- timers ---- */

struct loop_timer;
typedef void loop_timer_fn(void *arg);

enum base_err loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg,
                             struct loop_timer **out) BASE_MUST_CHECK;
/* Fires after ms milliseconds, then every repeat_ms (0 = once). Starting again
 * restarts it. */
void loop_timer_start(struct loop_timer *t, uint64_t ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
/* A timer that is not counted does not keep loop_run going. */
void loop_timer_unref(struct loop_timer *t);
/* Stops and frees; may be called from its own callback. Takes NULL. */
void loop_timer_free(struct loop_timer *t);

/* ---- signals ---- */

struct loop_signal;
typedef void loop_signal_fn(void *arg, int signum);

/* A signal watcher does not keep loop_run going. */
enum base_err loop_signal_new(struct loop *l, int signum, loop_signal_fn *fn, void *arg,
                              struct loop_signal **out) BASE_MUST_CHECK;
void loop_signal_free(struct loop_signal *s);

/* ---- calls from other threads, and for later ---- */

typedef void loop_call_fn(void *arg);

/* Embedded by the caller, so that posting cannot fail. Its fields belong to
 * loop/ from loop_post until fn is called. */
struct loop_call {
    struct loop_call *next;
    loop_call_fn *fn;
    void *arg;
    bool counted;
};

/* Calls fn on the loop thread. From any thread; those of one run in the order of
 * posting. A call posted on the loop thread itself runs when the loop has next looked
 * for events and handled them, and keeps loop_run going until then. */
void loop_post(struct loop *l, struct loop_call *call, loop_call_fn *fn, void *arg);
/* Runs what other threads have posted, the ends of jobs above all, which else wait until all
 * sockets of a turn are read: 3 ms where many devices send. The last that a callback of a socket
 * does, with nothing of ours below it. */
void loop_catch_up(struct loop *l);
/* Whether there is such a call: then a long computation on the loop leaves its rest to the next
 * turn. */
bool loop_is_awaited(struct loop *l);

/* ---- work on the pools ---- */

/* LOOP_FOLDER is for folders that are not ours, so that a network share that hangs stops nothing
 * else; LOOP_LOGIN for passwords, which anyone may ask to check and which take long on purpose. */
enum loop_pool { LOOP_DISK, LOOP_CPU, LOOP_FOLDER, LOOP_LOGIN, LOOP_POOL_COUNT };
/* STAT goes first; every 16th job is an ordinary one all the same, so that a
 * stream of STAT jobs cannot hold up the rest for ever. */
enum loop_class { LOOP_STAT, LOOP_ORDINARY, LOOP_CLASS_COUNT };

typedef void loop_work_fn(void *arg);
typedef void loop_done_fn(void *arg, bool cancelled);

/* Embedded by the caller, so that queueing cannot fail. Need not be
 * initialised. Belongs to loop/ from loop_work until done is called, which may
 * free it. */
struct loop_job {
    struct loop_call call;
    struct loop_job *next;
    struct loop *loop;
    loop_work_fn *work;
    loop_done_fn *done;
    void *arg;
    bool cancelled; /* it waited when the loop was freed: work never ran */
};

/* Runs work(arg) on a thread of the pool, then done(arg, false) on the loop.
 * The pool must exist. done runs exactly once, never before loop_work returns. */
void loop_work(struct loop *l, struct loop_job *job, enum loop_pool pool, enum loop_class class,
               loop_work_fn *work, loop_done_fn *done, void *arg);

#endif
