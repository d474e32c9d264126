#include "ingest/ingest_duplicate.h"

#include "ingest/ingest_commitment_check.h"

#include <stdlib.h>

struct duplicate {
    struct ingest *g;
    json_t *have;
    ingest_duplicate_fn *fn;
    void *arg;
};

static void end(struct duplicate *d, enum base_err err)
{
    d->g->objects--;
    json_decref(d->have);
    d->fn(d->arg, err);
    free(d);
}

static void on_marked(void *arg, const struct db_outcome *outcome)
{
    end(arg, outcome->err ? outcome->err : BASE_ENOTFOUND);
}

static void on_checked(void *arg, const uint16_t *failures, size_t n)
{
    struct duplicate *d = arg;
    json_t *damaged = json_array();
    for (size_t i = 0; failures && i < n; i++)
        if (failures[i])
            json_array_append(damaged, json_object_get(json_array_get(d->have, i), "location"));
    char *text = json_dumps(damaged, JSON_COMPACT);
    enum base_err err = !failures ? BASE_ECANCELED : text ? BASE_OK : BASE_ENOMEM;
    bool whole = json_array_size(damaged) == 0;
    if (!err && !whole)
        err = db_call(d->g->config->db, DB_Q_OBJECT_DAMAGED, (struct db_param[]){db_text(text)}, 1,
                      on_marked, d);
    json_decref(damaged);
    free(text);
    if (err || whole)
        end(d, err);
}

enum base_err ingest_duplicate_check(struct ingest *g, const json_t *have, enum loop_class class,
                                     ingest_duplicate_fn *fn, void *arg)
{
    struct duplicate *d = malloc(sizeof *d);
    if (!d)
        return BASE_ENOMEM;
    *d = (struct duplicate){.g = g, .have = json_deep_copy(have), .fn = fn, .arg = arg};
    enum base_err err =
        d->have ? ingest_commitment_check(g->config, d->have, class, on_checked, d) : BASE_ENOMEM;
    if (err) {
        json_decref(d->have);
        free(d);
        return err;
    }
    g->objects++;
    return BASE_OK;
}
