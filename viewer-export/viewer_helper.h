/*
 * Runs helper processes (`rdc render`) for a worker: a few at a time, the rest
 * in a queue, each with a deadline and a cap on what it may print. The helper
 * limits its own memory and processor time.
 *
 * Everything runs on the loop thread.
 */
#ifndef VIEWER_HELPER_H
#define VIEWER_HELPER_H

#include "base/bytes.h"
#include "base/err.h"
#include "loop/loop.h"

/* Exit status of a helper that refused: this + enum base_err, and one line
 * {"error": …, "message": …} on its standard output. */
enum { VIEWER_HELPER_FAILED = 64 };

struct viewer_helper;

struct viewer_helper_config {
    struct loop *loop;
    const char *program; /* borrowed; NULL = this program itself */
    unsigned parallel;   /* helpers at a time; 0 = 2 */
    unsigned waiting;    /* most requests in the queue; 0 = 64 */
    uint64_t timeout_ms; /* of one helper; 0 = 30 s */
    uint64_t memory_mib; /* of one helper; 0 = 2048 */
    uint64_t output_max; /* bytes of its result; 0 = 256 MiB */
};

enum { VIEWER_HELPER_ARGS = 40 };

/* On BASE_OK result is the helper's output, borrowed during the call, and
 * message is "". Else message says why: BASE_ETIMEOUT, BASE_ELIMIT (too much
 * output), BASE_ECANCELED (viewer_helper_free), BASE_EINTERNAL (it crashed), or
 * what the helper itself answered. */
typedef void viewer_helper_fn(void *arg, enum base_err err, const char *message,
                              struct base_bytes result);

enum base_err viewer_helper_new(const struct viewer_helper_config *config,
                                struct viewer_helper **out) BASE_MUST_CHECK;
/* Kills what runs and drops what waits: their callbacks come with
 * BASE_ECANCELED, those of the queue inside this call, the others from the
 * loop, after which the memory is freed. Takes NULL. */
void viewer_helper_free(struct viewer_helper *h);

/* Queues `program render ARGS…`; args (copied) end with NULL, up to
 * VIEWER_HELPER_ARGS. fn runs once, never inside this call. STAT goes first.
 * BASE_EUNAVAILABLE: the queue is full; BASE_ENOMEM; BASE_ELIMIT: too many args. */
enum base_err viewer_helper_run(struct viewer_helper *h, enum loop_class class,
                                const char *const *args, viewer_helper_fn *fn,
                                void *arg) BASE_MUST_CHECK;
/* Helpers running, and requests waiting. */
unsigned viewer_helper_running(const struct viewer_helper *h);
unsigned viewer_helper_waiting(const struct viewer_helper *h);

#endif
