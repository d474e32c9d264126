#include "ingest/ingest_urgent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 1000, ORDERS_MAX = 4096, NUMBER_SIZE = 65, ACCESSION = 1, STUDY = 2 };

/* An accession number or Study Instance UID by which an object names its order. */
struct number {
    int64_t centre_id;
    int kind;
    char text[NUMBER_SIZE];
};

struct ingest_urgent {
    struct db *db;
    struct base_counters *counters;
    struct loop_timer *timer;
    bool asking;
    struct number *numbers; /* in the order of compare() */
    size_t n;
};

static int compare(const void *a, const void *b)
{
    const struct number *x = a;
    const struct number *y = b;
    if (x->centre_id != y->centre_id)
        return x->centre_id < y->centre_id ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind - y->kind;
    return strcmp(x->text, y->text);
}

static void add(struct number *to, int64_t centre_id, int kind, const char *text)
{
    *to = (struct number){.centre_id = centre_id, .kind = kind};
    snprintf(to->text, sizeof to->text, "%s", text);
}

static void on_orders(void *arg, const struct db_outcome *outcome)
{
    struct ingest_urgent *u = arg;
    u->asking = false;
    if (outcome->err)
        return;
    const struct db_rows *rows = db_outcome_rows(outcome, 0);
    size_t orders = db_rows_count(rows);
    struct number *numbers = orders ? calloc(2 * orders, sizeof *numbers) : NULL;
    if (orders && !numbers)
        return;
    for (size_t i = 0; i < orders; i++) {
        int64_t centre_id = db_rows_int(rows, i, 0);
        add(&numbers[2 * i], centre_id, ACCESSION, db_rows_text(rows, i, 1));
        add(&numbers[2 * i + 1], centre_id, STUDY, db_rows_text(rows, i, 2));
    }
    if (numbers)
        qsort(numbers, 2 * orders, sizeof *numbers, compare);
    free(u->numbers);
    u->numbers = numbers;
    u->n = 2 * orders;
    atomic_store(&u->counters->stat_orders_known, (int64_t)orders);
}

static void on_timer(void *arg)
{
    struct ingest_urgent *u = arg;
    if (!u->asking)
        u->asking = db_call(u->db, DB_Q_ORDER_STAT, (struct db_param[]){db_int(ORDERS_MAX)}, 1,
                            on_orders, u) == BASE_OK;
}

enum base_err ingest_urgent_start(struct loop *loop, struct db *db, struct base_counters *counters,
                                  struct ingest_urgent **out)
{
    struct ingest_urgent *u = calloc(1, sizeof *u);
    if (!u)
        return BASE_ENOMEM;
    u->db = db;
    u->counters = counters;
    enum base_err err = loop_timer_new(loop, on_timer, u, &u->timer);
    if (err) {
        free(u);
        return err;
    }
    loop_timer_start(u->timer, 0, POLL_MS);
    loop_timer_unref(u->timer);
    *out = u;
    return BASE_OK;
}

void ingest_urgent_stop(struct ingest_urgent *u)
{
    loop_timer_stop(u->timer);
}

void ingest_urgent_free(struct ingest_urgent *u)
{
    if (!u)
        return;
    loop_timer_free(u->timer);
    free(u->numbers);
    free(u);
}

static bool has(const struct ingest_urgent *u, int64_t centre_id, int kind, const char *text)
{
    struct number key;
    if (u->n == 0 || !text || !text[0])
        return false;
    add(&key, centre_id, kind, text);
    return bsearch(&key, u->numbers, u->n, sizeof key, compare) != NULL;
}

bool ingest_urgent_has(const struct ingest_urgent *u, int64_t centre_id, const char *accession,
                       const char *study_uid)
{
    return has(u, centre_id, ACCESSION, accession) || has(u, centre_id, STUDY, study_uid);
}

enum loop_class ingest_urgent_class(const char *priority)
{
    return priority && strcmp(priority, "stat") == 0 ? LOOP_STAT : LOOP_ORDINARY;
}
