#include "delivery/delivery.h"

#include "base/log.h"
#include "delivery/delivery_send.h"
#include "model/model_answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

enum {
    PARALLEL = 8, /* destinations that this worker sends to at a time */
    POLL_MS = 1000,
    /* Renewed while it is being sent: what a machine took with it goes again within a minute. */
    LEASE_SECONDS = 60,
    RENEW_MS = LEASE_SECONDS * 1000 / 3,
};

struct delivery {
    const struct delivery_config *config;
    struct loop_timer *timer;
    struct loop_timer *renewing;
    struct claimed *under_way;
    unsigned sending;
    bool claiming;
    bool draining;
};

/* A delivery under way: the row's id and the lease that entitles us to end it. */
struct claimed {
    struct delivery *d;
    json_t *row;
    int64_t id;
    int64_t lease;
    struct claimed *next; /* under way */
};

static void claim(struct delivery *d);

static void on_tick(void *arg)
{
    claim(arg);
}

static void claimed_free(struct claimed *c)
{
    struct claimed **at = &c->d->under_way;
    while (*at != c) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = c->next;
    assert(c->d->sending > 0);
    c->d->sending--;
    json_decref(c->row);
    free(c);
}

static void on_noted(void *arg, const struct db_outcome *outcome)
{
    struct claimed *c = arg;
    struct delivery *d = c->d;
    /* If this could not be noted, the lease runs out and it is sent again, with the
     * same UIDs. */
    if (outcome->err)
        BASE_LOG(WARN, "delivery_not_noted", LOG_I("delivery", c->id),
                 LOG_S("error", base_err_text(outcome->err)));
    claimed_free(c);
    claim(d);
}

static void on_renewed(void *arg, const struct db_outcome *outcome)
{
    (void)arg;
    if (outcome->err && outcome->err != BASE_ECANCELED)
        BASE_LOG(WARN, "delivery_not_renewed", LOG_S("error", base_err_text(outcome->err)));
}

static void on_renewing(void *arg)
{
    struct delivery *d = arg;
    int64_t ids[PARALLEL], leases[PARALLEL];
    size_t n = 0;
    for (const struct claimed *c = d->under_way; c; c = c->next) {
        assert(n < PARALLEL);
        ids[n] = c->id;
        leases[n++] = c->lease;
    }
    if (n == 0)
        return;
    struct base_buf id_text = {0}, lease_text = {0};
    struct db_param params[] = {db_int_array(&id_text, ids, n),
                                db_int_array(&lease_text, leases, n), db_int(LEASE_SECONDS)};
    if (db_call(d->config->db, DB_Q_DELIVERY_RENEW, params, 3, on_renewed, NULL))
        BASE_LOG(WARN, "delivery_not_renewed", LOG_I("n", (int64_t)n));
    base_buf_deinit(&id_text);
    base_buf_deinit(&lease_text);
}

static const char *outcome_name(enum delivery_outcome outcome)
{
    switch (outcome) {
    case DELIVERY_OK:
        return "ok";
    case DELIVERY_PERMANENT:
        return "permanent";
    case DELIVERY_RETRY:
        break;
    }
    return "retry";
}

static void on_sent(void *arg, enum delivery_outcome outcome, const char *message)
{
    struct claimed *c = arg;
    const struct delivery_config *config = c->d->config;
    const char *destination = json_string_value(json_object_get(c->row, "destination"));
    bool ok = outcome == DELIVERY_OK;
    base_count(
        ok ? &config->counters->deliveries_total : &config->counters->delivery_failures_total, 1);
    if (ok)
        BASE_LOG(INFO, "delivered", LOG_I("delivery", c->id), LOG_S("destination", destination));
    else
        BASE_LOG(WARN, "delivery_failed", LOG_I("delivery", c->id),
                 LOG_S("destination", destination), LOG_S("outcome", outcome_name(outcome)),
                 LOG_S("cause", message));
    struct db_param params[] = {db_int(c->id),
                                db_int(c->lease),
                                db_text(outcome_name(outcome)),
                                db_text(message),
                                db_int(config->conf->delivery_retry_min_seconds),
                                db_int(config->conf->delivery_retry_max_seconds)};
    if (db_call(config->db, DB_Q_DELIVERY_DONE, params, 6, on_noted, c))
        claimed_free(c);
}

static void begin(struct delivery *d, json_t *row)
{
    assert(d->sending < PARALLEL);
    struct claimed *c = calloc(1, sizeof *c);
    if (!c)
        return; /* its lease runs out */
    c->d = d;
    c->row = json_incref(row);
    c->id = json_integer_value(json_object_get(row, "id"));
    c->lease = json_integer_value(json_object_get(row, "lease"));
    c->next = d->under_way;
    d->under_way = c;
    d->sending++;
    delivery_send(d->config, row, on_sent, c);
}

static void on_claimed(void *arg, const struct db_outcome *outcome)
{
    struct delivery *d = arg;
    d->claiming = false;
    if (outcome->err) {
        if (outcome->err != BASE_ECANCELED)
            BASE_LOG(WARN, "delivery_claim_failed", LOG_S("sqlstate", outcome->sqlstate),
                     LOG_S("error", base_err_text(outcome->err)));
        return;
    }
    json_t *rows = model_answer(outcome, 0);
    for (size_t i = 0; i < json_array_size(rows); i++)
        begin(d, json_array_get(rows, i));
    json_decref(rows);
}

static void claim(struct delivery *d)
{
    if (d->draining || d->claiming || d->sending >= PARALLEL)
        return;
    struct db_param params[] = {db_int(PARALLEL - d->sending), db_int(LEASE_SECONDS)};
    d->claiming = db_call(d->config->db, DB_Q_DELIVERY_CLAIM, params, 2, on_claimed, d) == BASE_OK;
}

enum base_err delivery_start(const struct delivery_config *config, struct delivery **out)
{
    struct delivery *d = calloc(1, sizeof *d);
    if (!d)
        return BASE_ENOMEM;
    d->config = config;
    enum base_err err = loop_timer_new(config->loop, on_tick, d, &d->timer);
    if (!err)
        err = loop_timer_new(config->loop, on_renewing, d, &d->renewing);
    if (err) {
        delivery_free(d);
        return err;
    }
    loop_timer_start(d->timer, 1, POLL_MS);
    loop_timer_start(d->renewing, RENEW_MS, RENEW_MS);
    *out = d;
    return BASE_OK;
}

void delivery_drain(struct delivery *d)
{
    d->draining = true;
    loop_timer_stop(d->timer);
}

unsigned delivery_busy(const struct delivery *d)
{
    return d->sending + d->claiming;
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    loop_timer_free(d->timer);
    loop_timer_free(d->renewing);
    free(d);
}
