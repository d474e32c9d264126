#include "worklist/worklist.h"

#include "base/log.h"
#include "model/model_pinyin.h"

#include <assert.h>
#include <stdlib.h>

enum { TICK_MS = 500, SPELL_TICKS = 4, SPELL_NAMES = 20 };

struct worklist_clock {
    struct db *db; /* as rdc_ingest */
    struct loop_timer *timer;
    struct loop_job pinyin; /* compiles ICU's rules before anybody waits for them */
    bool warming;
    unsigned ticks;
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
    assert(c->under_way > 0);
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

/* Writes the pinyin of patient names that devices sent to the database. A name without
 * any gets an empty text, so that it does not come up again. */
static void on_unspelled(void *arg, const struct db_outcome *outcome)
{
    struct worklist_clock *c = arg;
    const struct db_rows *rows = outcome->err ? NULL : db_outcome_rows(outcome, 0);
    size_t n = rows ? db_rows_count(rows) : 0;
    int64_t ids[SPELL_NAMES];
    struct base_buf names[SPELL_NAMES] = {0};
    const char *texts[SPELL_NAMES];
    struct base_buf scratch[2] = {0};
    n = n < SPELL_NAMES ? n : SPELL_NAMES;
    for (size_t i = 0; i < n; i++) {
        struct base_bytes name = db_rows_view(rows, i, 1);
        ids[i] = db_rows_int(rows, i, 0);
        if (model_pinyin_name((const char *)name.p, name.n, &names[i]))
            names[i].n = 0;
        texts[i] = base_buf_cstr(&names[i]);
    }
    if (n > 0 && !c->stopped) {
        struct db_param params[] = {db_int_array(&scratch[0], ids, n),
                                    db_text_array(&scratch[1], texts, n)};
        if (db_call(c->db, DB_Q_PATIENT_SPELL, params, 2, on_done, c) == BASE_OK)
            c->under_way++;
    }
    for (size_t i = 0; i < n; i++)
        base_buf_deinit(&names[i]);
    base_buf_deinit(&scratch[0]);
    base_buf_deinit(&scratch[1]);
    on_done(c, outcome);
}

static void on_tick(void *arg)
{
    struct worklist_clock *c = arg;
    if (c->under_way)
        return;
    if (++c->ticks % SPELL_TICKS == 0 && !c->warming &&
        db_call(c->db, DB_Q_PATIENT_UNSPELLED, (struct db_param[]){db_int(SPELL_NAMES)}, 1,
                on_unspelled, c) == BASE_OK)
        c->under_way++;
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
