#include "ingest/ingest_manifest.h"

#include "base/json.h"
#include "base/log.h"
#include "ingest/ingest_priv.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- is it one? ---- */

static const char *check_study(const json_t *study, size_t *instances)
{
    const char *uid = json_string_value(json_object_get(study, "study_uid"));
    const json_t *list = json_object_get(study, "instances");
    const json_t *count = json_object_get(study, "count");
    size_t i;
    json_t *v;
    if (!uid || !dicom_uid_usable(uid))
        return "study_uid is missing, or no UID";
    if ((list != NULL) == (count != NULL))
        return "a study has either instances or count";
    if (count && (!json_is_integer(count) || json_integer_value(count) < 1 ||
                  json_integer_value(count) > INGEST_MANIFEST_INSTANCES))
        return "count is no number from 1 to 50000";
    if (list && json_array_size(list) == 0)
        return "instances is no array, or empty";
    *instances += json_array_size(list);
    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v) || !dicom_uid_usable(json_string_value(v)))
            return "an instance is no SOP Instance UID";
    }
    return NULL;
}

static const char *check(const json_t *manifest)
{
    const json_t *studies = json_object_get(manifest, "studies");
    size_t instances = 0;
    size_t i;
    json_t *v;
    if (json_array_size(studies) == 0)
        return "studies is no array, or empty";
    if (json_array_size(studies) > INGEST_MANIFEST_STUDIES)
        return "more than 1000 studies";
    json_array_foreach(studies, i, v)
    {
        const char *cause = check_study(v, &instances);
        if (cause)
            return cause;
    }
    return instances > INGEST_MANIFEST_INSTANCES ? "more than 50000 instances" : NULL;
}

bool ingest_manifest_check(struct base_bytes json, const char **cause)
{
    json_t *manifest = json.n <= INGEST_MANIFEST_BYTES
                           ? json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL)
                           : NULL;
    *cause = manifest ? check(manifest) : "the manifest is no JSON, or longer than 4 MiB";
    json_decref(manifest);
    return *cause == NULL;
}

/* ---- by itself ---- */

void ingest_manifest_post(struct net_http_request *req, void *arg)
{
    struct ingest *g = arg;
    const char *cause;
    struct base_bytes body = net_http_body(req);
    if (!ingest_manifest_check(body, &cause)) {
        net_http_problem(req, 422, "the manifest was not taken", cause);
        return;
    }
    api_run(g->config->api, req, DB_Q_MANIFEST_PUT,
            (struct db_param[]){db_text_n((const char *)body.p, body.n)}, 1);
}

/* ---- of a request ---- */

static int by_study(const void *a, const void *b)
{
    const struct ingest_many_item *x = *(struct ingest_many_item *const *)a;
    const struct ingest_many_item *y = *(struct ingest_many_item *const *)b;
    int c = strcmp(x->stored.study_uid, y->stored.study_uid);
    return c ? c : strcmp(x->sop_instance, y->sop_instance);
}

static void write_studies(struct base_json *j, struct ingest_many_item **taken, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || strcmp(taken[i]->stored.study_uid, taken[i - 1]->stored.study_uid);
        if (first && i) {
            base_json_close_array(j);
            base_json_close_object(j);
        }
        if (first) {
            base_json_open_object(j);
            base_json_member_string(j, "study_uid", taken[i]->stored.study_uid);
            base_json_member_array(j, "instances");
        }
        base_json_string(j, taken[i]->sop_instance);
    }
}

void ingest_manifest_of(struct ingest_many_item *const *items, size_t n, struct base_buf *out)
{
    struct base_json j;
    struct ingest_many_item **taken = n ? calloc(n, sizeof *taken) : NULL;
    size_t k = 0;
    for (size_t i = 0; taken && i < n; i++)
        if (!items[i]->err && items[i]->sop_instance[0])
            taken[k++] = items[i];
    if (k) {
        qsort(taken, k, sizeof *taken, by_study);
        bool one = strcmp(taken[0]->stored.study_uid, taken[k - 1]->stored.study_uid) == 0;
        base_json_init(&j, out);
        base_json_open_object(&j);
        base_json_member_array(&j, "studies");
        write_studies(&j, taken, k);
        for (size_t i = 0; one && i < n; i++)
            if (items[i]->err && dicom_uid_usable(items[i]->sop_instance))
                base_json_string(&j, items[i]->sop_instance);
        base_json_close_array(&j);
        base_json_close_object(&j);
        base_json_close_array(&j);
        base_json_close_object(&j);
    }
    free(taken);
}

/* ---- with an upload ---- */

struct taking {
    void (*fn)(void *arg);
    void *arg;
};

static void on_taken(void *arg, const struct db_outcome *outcome)
{
    struct taking t = *(struct taking *)arg;
    free(arg);
    if (outcome->err)
        BASE_LOG(WARN, "manifest_not_noted", LOG_S("error", base_err_text(outcome->err)));
    t.fn(t.arg);
}

void ingest_manifest_take(struct ingest *g, int64_t centre_id, struct base_bytes json,
                          void (*fn)(void *arg), void *arg)
{
    struct taking *t = malloc(sizeof *t);
    struct db_param params[] = {db_int(centre_id), db_text_n((const char *)json.p, json.n)};
    if (t) {
        *t = (struct taking){fn, arg};
        if (!db_call(g->config->db, DB_Q_MANIFEST_TAKE, params, 2, on_taken, t))
            return;
    }
    free(t);
    BASE_LOG(WARN, "manifest_not_noted", LOG_S("error", "the server is busy"));
    fn(arg);
}
