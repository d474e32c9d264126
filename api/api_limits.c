#include "api/api_limits.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

enum {
    TICK_MS = 10,
    COUNTED_MAX = 16 << 20, /* of one object */
    STALLED_MS = 1000,      /* a flight that has not moved for so long no longer leads */
    FAIR_SHARES = 16,
    LOGINS = 16, /* of an address or account: a second of a worker */
    TOTAL_DICOM = 1,
    TOTAL_HTTP = 2,
    TOTAL_BYTES = 3,
    TOTAL_HELD = 4,
    HELD_LITTLE = 1 << 20,
    HELD_MIN = 128 << 20,
    HELD_SHARES = 4, /* of max-bytes-in-flight */
};

struct api_limits {
    struct api_limits_config config;
    struct base_quota_row *dicom;
    struct base_quota_row *http;
    struct base_quota_row *bytes;
    struct base_quota_row *held; /* its bytes: of files that are kept whole */
    struct loop_timer *timer;    /* runs while anything waits */
    bool ticking;
    struct api_rest *rests;
    struct api_flight *flights; /* oldest first */
    struct api_flight **tail;
};

static void on_tick(void *arg);

enum base_err api_limits_new(const struct api_limits_config *config, struct api_limits **out)
{
    struct api_limits *l = calloc(1, sizeof *l);
    if (!l)
        return BASE_ENOMEM;
    l->config = *config;
    l->tail = &l->flights;
    enum base_err err = loop_timer_new(config->loop, on_tick, l, &l->timer);
    if (err) {
        free(l);
        return err;
    }
    loop_timer_unref(l->timer);
    l->dicom = api_limits_join(l, BASE_QUOTA_TOTAL, TOTAL_DICOM);
    l->http = api_limits_join(l, BASE_QUOTA_TOTAL, TOTAL_HTTP);
    l->bytes = api_limits_join(l, BASE_QUOTA_TOTAL, TOTAL_BYTES);
    l->held = api_limits_join(l, BASE_QUOTA_TOTAL, TOTAL_HELD);
    *out = l;
    return BASE_OK;
}

void api_limits_free(struct api_limits *l)
{
    if (!l)
        return;
    api_limits_leave(l, l->dicom);
    api_limits_leave(l, l->http);
    api_limits_leave(l, l->bytes);
    api_limits_leave(l, l->held);
    loop_timer_free(l->timer);
    free(l);
}

/* ---- who ---- */

struct api_share api_limits_session(const struct api_limits *l)
{
    const struct base_conf *conf = l->config.conf;
    return (struct api_share){.rate = conf->http_session_max_rate,
                              .bytes = (int64_t)conf->http_session_max_bytes};
}

struct base_quota_row *api_limits_join(struct api_limits *l, enum base_quota_kind kind, int64_t id)
{
    return base_quota_join(l->config.quota, l->config.slot, kind, id);
}

void api_limits_leave(struct api_limits *l, struct base_quota_row *row)
{
    if (row)
        base_quota_leave(row, l->config.slot);
}

static bool seat(struct api_limits *l, struct base_quota_row *row, int64_t limit)
{
    return base_quota_take(l->config.quota, row, l->config.slot, BASE_QUOTA_SEATS, 1, limit);
}

bool api_limits_seat_total(struct api_limits *l)
{
    return seat(l, l->dicom, l->config.conf->dicom_max_associations);
}

void api_limits_unseat_total(struct api_limits *l)
{
    api_limits_unseat(l, l->dicom);
}

bool api_limits_seat(struct api_limits *l, struct base_quota_row *row,
                     const struct api_share *share)
{
    return seat(l, row, share->associations);
}

void api_limits_unseat(struct api_limits *l, struct base_quota_row *row)
{
    base_quota_give(row, l->config.slot, BASE_QUOTA_SEATS, 1);
}

struct base_quota_row *api_limits_login(struct api_limits *l, enum base_quota_kind kind, int64_t id)
{
    struct base_quota_row *row = api_limits_join(l, kind, id);
    if (seat(l, row, LOGINS))
        return row;
    api_limits_leave(l, row);
    return NULL;
}

void api_limits_login_end(struct api_limits *l, struct base_quota_row *row)
{
    if (!row)
        return;
    api_limits_unseat(l, row);
    api_limits_leave(l, row);
}

/* ---- rates ---- */

int64_t api_limits_dimse(struct api_limits *l, struct base_quota_row *row,
                         const struct api_share *share)
{
    int64_t now_us = base_clock_mono_ms() * 1000;
    int64_t most_us = API_LIMITS_PATIENCE_MS * (int64_t)1000;
    int64_t own = base_quota_reserve(row, share->rate, now_us, most_us);
    if (own < 0)
        return -1;
    int64_t all = base_quota_reserve(l->dicom, l->config.conf->dicom_max_rate, now_us, most_us);
    if (all < 0)
        return -1;
    int64_t us = own > all ? own : all;
    if (us)
        base_count(&l->config.counters->requests_delayed_total, 1);
    return (us + 999) / 1000;
}

int64_t api_limits_http(struct api_limits *l, struct base_quota_row *row,
                        const struct api_share *share)
{
    const struct base_conf *conf = l->config.conf;
    int64_t now_us = base_clock_mono_ms() * 1000;
    int64_t owner = atomic_load(&row->owner);
    int64_t wait = base_quota_reserve(row, share->rate, now_us, 0);
    if (!wait && owner && conf->http_organisation_max_rate) {
        struct base_quota_row *org = api_limits_join(l, BASE_QUOTA_ORGANISATION, owner);
        wait = base_quota_reserve(org, conf->http_organisation_max_rate, now_us, 0);
        api_limits_leave(l, org);
    }
    if (!wait)
        wait = base_quota_reserve(l->http, conf->http_max_rate, now_us, 0);
    return wait ? 1 : 0; /* after a second there is room for a second's worth again */
}

/* ---- the clock of those who wait ---- */

static void tick_while_needed(struct api_limits *l, bool needed)
{
    if (needed && !l->ticking)
        loop_timer_start(l->timer, TICK_MS, TICK_MS);
    else if (!needed && l->ticking)
        loop_timer_stop(l->timer);
    l->ticking = needed;
}

void api_rest_begin(struct api_limits *l, struct api_rest *rest, int64_t ms, void (*fn)(void *arg),
                    void *arg)
{
    assert(!rest->link);
    *rest = (struct api_rest){.next = l->rests,
                              .link = &l->rests,
                              .due_ms = base_clock_mono_ms() + ms,
                              .fn = fn,
                              .arg = arg};
    if (rest->next)
        rest->next->link = &rest->next;
    l->rests = rest;
    tick_while_needed(l, true);
}

bool api_rest_end(struct api_rest *rest)
{
    if (!rest->link)
        return false;
    *rest->link = rest->next;
    if (rest->next)
        rest->next->link = rest->link;
    rest->link = NULL;
    return true;
}

/* ---- files that are kept whole ---- */

bool api_limits_hold(struct api_limits *l, size_t *held, size_t n)
{
    const struct base_quota *q = l->config.quota;
    int64_t most = (int64_t)l->config.conf->max_bytes_in_flight / HELD_SHARES;
    int64_t own = (int64_t)*held;
    int64_t others = base_quota_held(q, l->held, BASE_QUOTA_BYTES) - own;
    if (most && most < HELD_MIN)
        most = HELD_MIN;
    if (n > HELD_LITTLE && others && most && others + (int64_t)n > most)
        return false;
    *held = n;
    return base_quota_take(q, l->held, l->config.slot, BASE_QUOTA_BYTES, (int64_t)n - own, 0);
}

void api_limits_unhold(struct api_limits *l, size_t *held)
{
    base_quota_give(l->held, l->config.slot, BASE_QUOTA_BYTES, (int64_t)*held);
    *held = 0;
}

/* ---- bytes ---- */

/* Is it the flight of its row that goes on in any case? */
static bool leads(const struct api_limits *l, const struct api_flight *f, int64_t now_ms)
{
    for (const struct api_flight *o = l->flights; o != f; o = o->next)
        if (o->row == f->row && (o->waiting || now_ms - o->moved_ms < STALLED_MS))
            return false;
    return true;
}

static bool may_go_on(const struct api_limits *l, const struct api_flight *f, int64_t now_ms)
{
    if (f->urgent)
        return true;
    const struct base_quota *q = l->config.quota;
    int64_t most = (int64_t)l->config.conf->max_bytes_in_flight;
    int64_t own = base_quota_held(q, f->row, BASE_QUOTA_BYTES);
    bool over = f->limit && own > f->limit;
    if (!over && most && own > most / FAIR_SHARES)
        over = base_quota_held(q, l->bytes, BASE_QUOTA_BYTES) > most;
    return !over || leads(l, f, now_ms);
}

void api_flight_begin(struct api_limits *l, struct api_flight *f, struct base_quota_row *row,
                      const struct api_share *share, void (*fn)(void *arg), void *arg)
{
    assert(!f->link);
    *f = (struct api_flight){.link = l->tail,
                             .row = row,
                             .limit = share->bytes,
                             .moved_ms = base_clock_mono_ms(),
                             .fn = fn,
                             .arg = arg};
    *l->tail = f;
    l->tail = &f->next;
}

bool api_flight_add(struct api_limits *l, struct api_flight *f, size_t n)
{
    assert(f->link);
    int64_t now_ms = base_clock_mono_ms();
    int64_t room = COUNTED_MAX - f->counted;
    int64_t more = (int64_t)n < room ? (int64_t)n : room;
    unsigned slot = l->config.slot;
    f->moved_ms = now_ms;
    f->counted += more;
    /* Without a limit it always succeeds. */
    bool taken = base_quota_take(l->config.quota, f->row, slot, BASE_QUOTA_BYTES, more, 0) &&
                 base_quota_take(l->config.quota, l->bytes, slot, BASE_QUOTA_BYTES, more, 0);
    f->waiting = !taken || !may_go_on(l, f, now_ms);
    if (f->waiting) {
        base_count(&l->config.counters->bodies_paused_total, 1);
        tick_while_needed(l, true);
    }
    return !f->waiting;
}

bool api_flight_end(struct api_limits *l, struct api_flight *f)
{
    if (!f->link)
        return false;
    base_quota_give(f->row, l->config.slot, BASE_QUOTA_BYTES, f->counted);
    base_quota_give(l->bytes, l->config.slot, BASE_QUOTA_BYTES, f->counted);
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    else
        l->tail = f->link;
    f->link = NULL;
    return f->waiting;
}

static bool wake_rests(struct api_limits *l, int64_t now_ms)
{
    for (struct api_rest *r = l->rests, *next; r; r = next) {
        next = r->next;
        if (r->due_ms <= now_ms && api_rest_end(r))
            r->fn(r->arg);
    }
    return l->rests != NULL;
}

static bool wake_flights(struct api_limits *l, int64_t now_ms)
{
    bool waits = false;
    for (struct api_flight *f = l->flights, *next; f; f = next) {
        next = f->next;
        if (!f->waiting)
            continue;
        if (may_go_on(l, f, now_ms)) {
            f->waiting = false;
            f->moved_ms = now_ms;
            f->fn(f->arg);
        }
        waits |= f->waiting;
    }
    return waits;
}

static void on_tick(void *arg)
{
    struct api_limits *l = arg;
    int64_t now_ms = base_clock_mono_ms();
    bool rest = wake_rests(l, now_ms);
    bool flights = wake_flights(l, now_ms);
    tick_while_needed(l, rest || flights);
}
