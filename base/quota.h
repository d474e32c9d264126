/*
 * What the workers of a machine use together: for the machine, each device, session,
 * organisation, address and account, how much of a limited resource is held now, and when
 * the next request may go on. Lives in memory that all workers share.
 *
 * Each worker has its own column in every row, and a row holds the sum of its
 * columns; so zeroing the column of a killed worker gives back what it held. A rate
 * is kept as one moment in time, which passes by itself.
 *
 * All workers may call everything at the same time. The lock for finding rows
 * survives the death of its holder.
 */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { BASE_QUOTA_SLOTS = 64, BASE_QUOTA_ROWS = 4096 };

/* What a row is about; ids are unique within a kind. */
enum base_quota_kind {
    BASE_QUOTA_REST, /* id 0 only: shared by all that found no row of their own */
    BASE_QUOTA_TOTAL,
    BASE_QUOTA_DEVICE,
    BASE_QUOTA_SESSION,
    BASE_QUOTA_ORGANISATION,
    BASE_QUOTA_ADDRESS, /* that logs in */
    BASE_QUOTA_ACCOUNT
};

/* Seats: of a device its associations, of an address or account its logins under way. */
enum base_quota_thing { BASE_QUOTA_SEATS, BASE_QUOTA_BYTES, BASE_QUOTA_THINGS };

struct base_quota_row {
    _Atomic int64_t held[BASE_QUOTA_THINGS][BASE_QUOTA_SLOTS];
    _Atomic int32_t users[BASE_QUOTA_SLOTS];
    /* Monotonic µs at which the rate has caught up with all requests let through. */
    _Atomic int64_t paid;
    _Atomic int64_t owner; /* of a session: its organisation; 0 = not known yet */
};

struct base_quota {
    pthread_mutex_t lock; /* of keys, and of the step from no user to the first */
    unsigned slots;
    _Atomic unsigned used; /* rows from this index on were never taken */
    int64_t keys[BASE_QUOTA_ROWS];
    struct base_quota_row rows[BASE_QUOTA_ROWS];
};

/* q is zeroed and, for several processes, shared memory. slots: number of workers.
 * BASE_EINTERNAL when the system has no robust process-shared locks. */
enum base_err base_quota_init(struct base_quota *q, unsigned slots) BASE_MUST_CHECK;
/* Gives back all that this slot holds: its worker is gone. */
void base_quota_give_back(struct base_quota *q, unsigned slot);

/* The row of this kind and id, until leave; never NULL. When all rows are in use it
 * is BASE_QUOTA_REST, whose users share one limit. */
struct base_quota_row *base_quota_join(struct base_quota *q, unsigned slot,
                                       enum base_quota_kind kind, int64_t id);
void base_quota_leave(struct base_quota_row *row, unsigned slot);

/* Sum over all slots. */
int64_t base_quota_held(const struct base_quota *q, const struct base_quota_row *row,
                        enum base_quota_thing thing);
/* Takes n. False, and takes nothing, when that would exceed limit (0 = no limit). Two
 * callers that take the last at the same time may both be refused, but never both
 * succeed. */
bool base_quota_take(const struct base_quota *q, struct base_quota_row *row, unsigned slot,
                     enum base_quota_thing thing, int64_t n, int64_t limit) BASE_MUST_CHECK;
void base_quota_give(struct base_quota_row *row, unsigned slot, enum base_quota_thing thing,
                     int64_t n);

/* Counts one request against rate per second (0 = no limit; a second's worth may come
 * at once); returns the microseconds after which it may go on. -1, without counting
 * it, when that is more than most_us. */
int64_t base_quota_reserve(struct base_quota_row *row, int64_t rate, int64_t now_us,
                           int64_t most_us);

#endif
