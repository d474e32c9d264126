#include "base/quota.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SECOND_US = 1000000, KIND_SHIFT = 56 };

enum base_err base_quota_init(struct base_quota *q, unsigned slots)
{
    pthread_mutexattr_t a;
    assert(slots > 0 && slots <= BASE_QUOTA_SLOTS);
    if (pthread_mutexattr_init(&a))
        return BASE_EINTERNAL;
    bool ok = !pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) &&
              !pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) &&
              !pthread_mutex_init(&q->lock, &a);
    pthread_mutexattr_destroy(&a);
    q->slots = slots;
    atomic_store(&q->used, 1); /* the row of the rest */
    return ok ? BASE_OK : BASE_EINTERNAL;
}

/* If the last holder died inside, nothing half done matters: a key without users is a
 * free row. */
static void enter(struct base_quota *q)
{
    if (pthread_mutex_lock(&q->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&q->lock);
}

void base_quota_give_back(struct base_quota *q, unsigned slot)
{
    unsigned used = atomic_load(&q->used);
    for (unsigned i = 0; i < used; i++) {
        for (int thing = 0; thing < BASE_QUOTA_THINGS; thing++)
            atomic_store(&q->rows[i].held[thing][slot], 0);
        atomic_store(&q->rows[i].users[slot], 0);
    }
}

/* ---- rows ---- */

static bool is_free(const struct base_quota *q, const struct base_quota_row *row, int64_t now_us)
{
    for (unsigned s = 0; s < q->slots; s++)
        if (atomic_load(&row->users[s]))
            return false;
    return atomic_load(&row->paid) <= now_us; /* else a client could leave to escape its rate */
}

/* Clears the row for its new key, which is set last. */
static void make_new(struct base_quota *q, unsigned i, int64_t key)
{
    struct base_quota_row *row = &q->rows[i];
    assert(i > 0 && i < BASE_QUOTA_ROWS && key != 0);
    q->keys[i] = 0;
    for (unsigned s = 0; s < q->slots; s++)
        for (int thing = 0; thing < BASE_QUOTA_THINGS; thing++)
            atomic_store(&row->held[thing][s], 0);
    atomic_store(&row->paid, 0);
    atomic_store(&row->owner, 0);
    q->keys[i] = key;
}

/* Under the lock. 0 = the row of the rest. */
static unsigned find(struct base_quota *q, int64_t key)
{
    unsigned used = atomic_load(&q->used);
    for (unsigned i = 1; i < used; i++)
        if (q->keys[i] == key)
            return i;
    int64_t now_us = base_clock_mono_ms() * 1000;
    unsigned i = 1;
    while (i < used && !is_free(q, &q->rows[i], now_us))
        i++;
    assert(used >= 1 && i <= used && used <= BASE_QUOTA_ROWS);
    if (i == BASE_QUOTA_ROWS)
        return 0;
    make_new(q, i, key);
    if (i == used)
        atomic_store(&q->used, used + 1);
    return i;
}

struct base_quota_row *base_quota_join(struct base_quota *q, unsigned slot,
                                       enum base_quota_kind kind, int64_t id)
{
    int64_t within = id & (((int64_t)1 << KIND_SHIFT) - 1);
    enter(q);
    struct base_quota_row *row = &q->rows[find(q, (int64_t)kind << KIND_SHIFT | within)];
    atomic_fetch_add(&row->users[slot], 1);
    pthread_mutex_unlock(&q->lock);
    return row;
}

void base_quota_leave(struct base_quota_row *row, unsigned slot)
{
    int32_t before = atomic_fetch_sub(&row->users[slot], 1);
    assert(before > 0);
    (void)before;
}

/* ---- what is held ---- */

int64_t base_quota_held(const struct base_quota *q, const struct base_quota_row *row,
                        enum base_quota_thing thing)
{
    int64_t sum = 0;
    for (unsigned s = 0; s < q->slots; s++)
        sum += atomic_load(&row->held[thing][s]);
    return sum;
}

bool base_quota_take(const struct base_quota *q, struct base_quota_row *row, unsigned slot,
                     enum base_quota_thing thing, int64_t n, int64_t limit)
{
    atomic_fetch_add(&row->held[thing][slot], n);
    if (limit == 0 || base_quota_held(q, row, thing) <= limit)
        return true;
    base_quota_give(row, slot, thing, n);
    return false;
}

void base_quota_give(struct base_quota_row *row, unsigned slot, enum base_quota_thing thing,
                     int64_t n)
{
    int64_t before = atomic_fetch_sub(&row->held[thing][slot], n);
    assert(before >= n);
    (void)before;
}

/* ---- rates ---- */

/* The generic cell rate algorithm (ITU-T I.371): each request moves `paid` by 1/rate,
 * and `paid` may be ahead of the clock by less than a second. */
int64_t base_quota_reserve(struct base_quota_row *row, int64_t rate, int64_t now_us,
                           int64_t most_us)
{
    if (rate == 0)
        return 0;
    int64_t price = SECOND_US / rate > 0 ? SECOND_US / rate : 1;
    int64_t paid = atomic_load(&row->paid);
    for (;;) {
        int64_t next = (paid > now_us ? paid : now_us) + price;
        int64_t wait = next - SECOND_US - now_us;
        if (wait > most_us)
            return -1;
        if (atomic_compare_exchange_weak(&row->paid, &paid, next))
            return wait > 0 ? wait : 0;
    }
}
