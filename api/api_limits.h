/*
 * The limits that all workers of the machine share (base/quota.h), as one worker
 * applies them: associations, requests per second, and bytes of objects not answered
 * yet (in flight); for the machine, and for each device or session. A peer that asks
 * too fast or sends too much is not read for a while; one connection too many is
 * refused with the reason.
 *
 * Bytes: at most the first 16 MiB of an object count, since the store has written
 * all but its last few. When a device is over its limit, its oldest object that is
 * still moving goes on: so each object ends in turn, and none waits for ever for one
 * whose sender has stopped. When the machine is over its limit, only devices and
 * sessions that hold more than a sixteenth of it wait.
 *
 * Everything runs on the loop thread of its worker.
 */
#ifndef API_LIMITS_H
#define API_LIMITS_H

#include "base/conf.h"
#include "base/quota.h"
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
/* When no rest or flight is left. Takes NULL. */
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

/* A seat for a DICOM association, of the machine's and of the device's. False: none is free. */
bool api_limits_seat_total(struct api_limits *l) BASE_MUST_CHECK;
void api_limits_unseat_total(struct api_limits *l);
bool api_limits_seat(struct api_limits *l, struct base_quota_row *row,
                     const struct api_share *share) BASE_MUST_CHECK;
void api_limits_unseat(struct api_limits *l, struct base_quota_row *row);

/* A seat among the logins of this address or account that wait to be checked; NULL: its share of
 * the queue is taken. */
struct base_quota_row *api_limits_login(struct api_limits *l, enum base_quota_kind kind,
                                        int64_t id);
/* Takes NULL. */
void api_limits_login_end(struct api_limits *l, struct base_quota_row *row);

/* Memory for files that are kept whole: those that are not DICOM, of which an archive may inflate
 * to a thousand times what was sent. *held is what the caller holds, n what it would hold. False:
 * together with the others this exceeds a quarter of max-bytes-in-flight, or of 512 MiB if that is
 * more. A little is always allowed, and any amount to a caller that is alone. */
bool api_limits_hold(struct api_limits *l, size_t *held, size_t n) BASE_MUST_CHECK;
void api_limits_unhold(struct api_limits *l, size_t *held);

/* ---- rates ---- */

enum { API_LIMITS_PATIENCE_MS = 30000 };

/* Milliseconds after which a DIMSE request of this device may go on. -1: longer than
 * API_LIMITS_PATIENCE_MS; the request was not counted. */
int64_t api_limits_dimse(struct api_limits *l, struct base_quota_row *row,
                         const struct api_share *share);
/* The same for an HTTP request, which does not wait: seconds after which it may be
 * tried again, 0 = now. */
int64_t api_limits_http(struct api_limits *l, struct base_quota_row *row,
                        const struct api_share *share);

/* A pause that ends by itself. Embedded by its owner, zeroed at first; fn must not end
 * another pause. */
struct api_rest {
    struct api_rest *next;
    struct api_rest **link; /* NULL: not resting */
    int64_t due_ms;
    void (*fn)(void *arg);
    void *arg;
};
void api_rest_begin(struct api_limits *l, struct api_rest *rest, int64_t ms, void (*fn)(void *arg),
                    void *arg);
/* True: it was resting; fn does not run any more. */
bool api_rest_end(struct api_rest *rest);

/* ---- bytes ---- */

/* An object, or another body, in flight: from its first byte to its answer. Embedded by
 * its owner, zeroed at first. */
struct api_flight {
    struct api_flight *next;
    struct api_flight **link; /* NULL: not in flight */
    struct base_quota_row *row;
    int64_t limit; /* of the row */
    int64_t counted;
    int64_t moved_ms;
    bool urgent; /* its bytes count, but it never waits; may be set at any time */
    bool waiting;
    void (*fn)(void *arg);
    void *arg;
};
/* fn runs when it may go on after a wait; fn must not end another flight. */
void api_flight_begin(struct api_limits *l, struct api_flight *f, struct base_quota_row *row,
                      const struct api_share *share, void (*fn)(void *arg), void *arg);
/* n bytes arrived. False: read no more until fn has run. */
bool api_flight_add(struct api_limits *l, struct api_flight *f, size_t n) BASE_MUST_CHECK;
/* Answered, or broken off. True: it was waiting, and fn will not run. Does nothing for
 * one that is not in flight. */
bool api_flight_end(struct api_limits *l, struct api_flight *f);

#endif
