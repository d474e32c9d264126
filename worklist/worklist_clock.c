#include "worklist/worklist.h"

#include "base/log.h"
#include "model/model_pinyin.h"

#include <stdlib.h>

enum { TICK_MS = 500 };

struct worklist_clock {
    struct db *db; /* as rdc_ingest */
    struct loop_timer *timer;
    struct loop_job pinyin; /* compiles the tables before somebody waits for them */
    bool warming;
    unsigned under_way;
    bool stopped;
};

static void free_when_idle(struct worklist_clock *c)
{
    if (c->stopped && c->under_way == 0 && !c->warming)
        free(c);
}

static void on_done(void *arg, const struct db_outcome *outcome)
{
    struct worklist_clock *c = arg;
    c->under_way--;
    if (outcome->err && outcome->err != BASE_ECANCELED)
        BASE_LOG(WARN, "worklist_clock_failed", LOG_S("sqlstate", outcome->sqlstate),
                 LOG_S("error", base_err_text(outcome->err)));
    free_when_idle(c);
}

static void warm(void *arg)
{
    (void)arg;
    model_pinyin_warm();
}

static void on_warm(void *arg, bool cancelled)
{
    struct worklist_clock *c = arg;
    (void)cancelled;
    c->warming = false;
    free_when_idle(c);
}

static void call(struct worklist_clock *c, enum db_query query)
{
    if (db_call(c->db, query, NULL, 0, on_done, c) == BASE_OK)
        c->under_way++;
}

static void on_tick(void *arg)
{
    struct worklist_clock *c = arg;
    if (c->under_way)
        return;
    call(c, DB_Q_EXAM_COMPLETE_DUE);
    call(c, DB_Q_EXAM_EXPIRE_DUE);
}

enum base_err worklist_clock_start(struct loop *loop, struct db *db, struct worklist_clock **out)
{
    struct worklist_clock *c = calloc(1, sizeof *c);
    if (!c)
        return BASE_ENOMEM;
    c->db = db;
    enum base_err err = loop_timer_new(loop, on_tick, c, &c->timer);
    if (err) {
        free(c);
        return err;
    }
    loop_timer_start(c->timer, TICK_MS, TICK_MS);
    c->warming = true;
    loop_work(loop, &c->pinyin, LOOP_CPU, LOOP_ORDINARY, warm, on_warm, c);
    *out = c;
    return BASE_OK;
}

void worklist_clock_stop(struct worklist_clock *c)
{
    if (!c)
        return;
    loop_timer_free(c->timer);
    c->stopped = true;
    free_when_idle(c);
}
