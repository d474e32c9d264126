/*
 * A child process on the loop: bytes in, bytes out, a deadline and a cap on
 * what it may print.
 *
 * struct loop_process is valid from loop_process_spawn until its exit callback
 * returns, which runs exactly once, after the last output; it then frees
 * itself. Standard error is inherited.
 */
#ifndef LOOP_PROCESS_H
#define LOOP_PROCESS_H

#include "base/bytes.h"
#include "base/err.h"
#include "loop/loop.h"

struct loop_process;

enum loop_process_cause {
    LOOP_PROCESS_EXITED,  /* by itself, or by a signal from elsewhere */
    LOOP_PROCESS_TIMEOUT, /* killed by us at its deadline */
    LOOP_PROCESS_OUTPUT   /* killed by us for printing too much */
};

struct loop_process_exit {
    int status; /* exit status; meaningless when signum is set */
    int signum; /* the signal that ended it, or 0 */
    enum loop_process_cause cause;
};

/* Borrowed bytes, valid during the call. */
typedef void loop_process_output_fn(void *arg, struct base_bytes bytes);
typedef void loop_process_exit_fn(void *arg, const struct loop_process_exit *exit);

struct loop_process_options {
    const char *const *argv;           /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;            /* NULL-terminated "K=V"; NULL = ours */
    const int *fds;                    /* become descriptors 3, 4, … of the child */
    size_t fd_count;                   /* up to 16 */
    bool input;                        /* a pipe as standard input; else /dev/null */
    loop_process_output_fn *on_output; /* NULL: standard output is inherited */
    uint64_t output_max;               /* bytes on standard output; 0 = no limit */
    uint64_t timeout_ms;               /* until SIGKILL; 0 = none */
    loop_process_exit_fn *on_exit;     /* must be set */
    void *arg;
};

enum base_err loop_process_spawn(struct loop *l, const struct loop_process_options *o,
                                 struct loop_process **out) BASE_MUST_CHECK;
/* Queues a copy of the bytes for standard input. A child that does not read is
 * ended by its deadline. BASE_ENOMEM, BASE_ECLOSED. */
enum base_err loop_process_write(struct loop_process *p, struct base_bytes bytes) BASE_MUST_CHECK;
/* Closes the child's standard input after what was written. */
void loop_process_end_input(struct loop_process *p);
/* Sets the deadline and the output cap anew, for a child that serves many
 * requests; counts from now. 0 = none. */
void loop_process_rearm(struct loop_process *p, uint64_t timeout_ms, uint64_t output_max);
void loop_process_kill(struct loop_process *p, int signum);

#endif
