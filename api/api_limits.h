/*
 * The limits that all workers of the machine keep together (base/base_quota.h), as
 * a worker applies them: how many associations, how many requests in a second, and
 * how many bytes of objects that are not answered yet; for the machine, and for each
 * device or session. Who asks too fast or sends too much is not read for a
 * while; who is one too many is told so.
 *
 * Bytes: of one object at most the first 16 MiB count, since the store has
 * written what came before the last few. Where a limit is reached, one object of each
 * device that is over it goes on, the oldest that still moves: so each comes to its end,
 * and nobody waits for ever for one who has stopped sending. Where the machine's
 * limit is reached, only those wait who hold more than a sixteenth of it.
 *
 * Everything runs on the loop thread of its worker.
 */
#ifndef API_LIMITS_H
#define API_LIMITS_H

#include "base/base_conf.h"
#include "base/base_quota.h"
#include "base/counters.h"
#include "loop/loop.h"

struct api_limits;

struct api_limits_config {
    struct loop *loop;
    const struct base_conf *conf;
    struct base_counters *counters;
    struct base_quota *quota;
    unsigned slot; /* of this worker */
};

/* Copies config, borrows what it points to. BASE_ENOMEM. */
enum base_err api_limits_new(const struct api_limits_config *config,
                             struct api_limits **out) BASE_MUST_CHECK;
/* When nothing waits or flies any more. Takes NULL. */
void api_limits_free(struct api_limits *l);

/* ---- who ---- */

/* What one device or session may have; 0 = no limit. */
struct api_share {
    int64_t associations;
    int64_t rate;
    int64_t bytes;
};

/* Of an HTTP session, as configured. */
struct api_share api_limits_session(const struct api_limits *l);

struct base_quota_row *api_limits_join(struct api_limits *l, enum base_quota_kind kind, int64_t id);
/* Takes NULL. */
void api_limits_leave(struct api_limits *l, struct base_quota_row *row);

/* A place of the machine for a DICOM association; and one of its device. */
bool api_limits_seat_total(struct api_limits *l) BASE_MUST_CHECK;
void api_limits_unseat_total(struct api_limits *l);
bool api_limits_seat(struct api_limits *l, struct base_quota_row *row,
                     const struct api_share *share) BASE_MUST_CHECK;
void api_limits_unseat(struct api_limits *l, struct base_quota_row *row);

/* Memory for files that are kept whole: those that are no DICOM, of which an archive may hold a
 * thousand times what came over the line. *held is what its owner holds, n what it would. False:
 * with all that others hold this is more than a quarter of max-bytes-in-flight, or of 512 MiB where
 * that is more. Little is always allowed, and anything to who is alone. */
bool api_limits_hold(struct api_limits *l, size_t *held, size_t n) BASE_MUST_CHECK;
void api_limits_unhold(struct api_limits *l, size_t *held);

/* ---- rates ---- */

enum { API_LIMITS_PATIENCE_MS = 30000 };

/* Milliseconds after which a DIMSE request of this device may go on. -1: more than
 * API_LIMITS_PATIENCE_MS wait already; it was not counted. */
int64_t api_limits_dimse(struct api_limits *l, struct base_quota_row *row,
                         const struct api_share *share);
/* The same for an HTTP request, which does not wait: seconds after which it may be
 * tried again, 0 = now. */
int64_t api_limits_http(struct api_limits *l, struct base_quota_row *row,
                        const struct api_share *share);

/* A pause that ends by itself. Zeroed, its owner's; fn must end no other pause. */
struct api_rest {
    struct api_rest *next;
    struct api_rest **link; /* NULL: it does not rest */
    int64_t due_ms;
    void (*fn)(void *arg);
    void *arg;
};
void api_rest_begin(struct api_limits *l, struct api_rest *rest, int64_t ms, void (*fn)(void *arg),
                    void *arg);
/* True: it was resting; fn does not run any more. */
bool api_rest_end(struct api_rest *rest);

/* ---- bytes ---- */

/* An object, or another body, from its first byte to its answer. Zeroed, its
 * owner's. */
struct api_flight {
    struct api_flight *next;
    struct api_flight **link; /* NULL: it does not fly */
    struct base_quota_row *row;
    int64_t limit; /* of the row */
    int64_t counted;
    int64_t moved_ms;
    bool urgent; /* counts, but waits for nobody; may be set at any time */
    bool waiting;
    void (*fn)(void *arg);
    void *arg;
};
/* fn runs when it may go on after a wait; it must end no other flight. */
void api_flight_begin(struct api_limits *l, struct api_flight *f, struct base_quota_row *row,
                      const struct api_share *share, void (*fn)(void *arg), void *arg);
/* So many bytes came. False: no more is to be read until fn has run. */
bool api_flight_add(struct api_limits *l, struct api_flight *f, size_t n) BASE_MUST_CHECK;
/* Answered, or broken off. True: it was waiting; fn does not run any more. Also for
 * one that does not fly. */
bool api_flight_end(struct api_limits *l, struct api_flight *f);

#endif
