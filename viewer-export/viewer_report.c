/*
 * The PDF of a signed report, as it was made at its signing. Rendering is a job that
 * follows the signature; a request that comes before it is done waits a little.
 */
#include "viewer-export/viewer_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/model_answer.h"

#include <stdio.h>
#include <string.h>

enum { PDF_MAX = 64 << 20, ASK_AGAIN_MS = 100 };

/* In the request's arena. */
struct reading {
    struct viewer *viewer;
    struct net_http_request *req;
    int64_t exam;
    struct db_param version; /* borrows from the request */
    int64_t give_up_at;
    struct loop_timer *timer; /* while the report is being rendered */
};

static void ask(struct reading *r);

static void on_read(void *arg, enum base_err err, struct base_buf *buf)
{
    struct reading *r = arg;
    char name[64];
    viewer_read_done(r->viewer);
    if (err) {
        BASE_LOG(ERROR, "object_unreadable", LOG_I("exam", r->exam),
                 LOG_S("error", base_err_text(err)));
        net_http_problem(r->req, 500, "the stored report cannot be read", NULL);
        return;
    }
    snprintf(name, sizeof name, "inline; filename=\"report-%lld.pdf\"", (long long)r->exam);
    net_http_reply_header(r->req, "Content-Disposition", name);
    net_http_reply_buf(r->req, 200, "application/pdf", buf);
}

static void on_timer(void *arg)
{
    struct reading *r = arg;
    struct viewer *v = r->viewer;
    loop_timer_free(r->timer);
    r->timer = NULL;
    ask(r);
    viewer_read_done(v);
}

static void answer_not_rendered(struct reading *r)
{
    struct viewer *v = r->viewer;
    if (!net_http_is_gone(r->req) && base_clock_mono_ms() < r->give_up_at &&
        loop_timer_new(v->config.loop, on_timer, r, &r->timer) == BASE_OK) {
        viewer_reading(v);
        loop_timer_start(r->timer, ASK_AGAIN_MS, 0);
        return;
    }
    net_http_reply_header(r->req, "Retry-After", "1");
    net_http_problem(r->req, 503, "the report is being rendered", "try again in a second");
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    struct reading *r = arg;
    if (outcome->err) {
        api_problem(r->req, outcome);
        return;
    }
    api_note_session(r->req, outcome);
    json_t *file = model_answer(outcome, 1);
    const char *location = json_string_value(json_object_get(file, "location"));
    if (json_is_true(json_object_get(file, "failed"))) {
        net_http_problem(r->req, 500, "the report could not be made",
                         "what was signed is kept; tell the operator, whom rdc fsck tells why");
    } else if (!location) {
        answer_not_rendered(r);
    } else {
        viewer_reading(r->viewer);
        enum base_err err =
            store_read_all(r->viewer->config.store, location, PDF_MAX, LOOP_STAT, on_read, r);
        if (err)
            on_read(r, err, NULL);
    }
    json_decref(file);
}

/* ?version=N; the newest without it. False: answered already. */
static bool read_version(struct net_http_request *req, struct db_param *out)
{
    const char *text = net_http_query(req, "version");
    *out = db_null();
    if (!text)
        return true;
    size_t n = strlen(text);
    if (n >= 1 && n <= 9 && strspn(text, "0123456789") == n) {
        *out = db_text(text);
        return true;
    }
    net_http_problem(req, 400, "the query cannot be used", "version is a number from 1");
    return false;
}

static void ask(struct reading *r)
{
    struct db_tx *tx = api_begin(r->viewer->config.api, r->req);
    if (!tx)
        return;
    db_tx_add(tx, DB_Q_REPORT_FILE, (struct db_param[]){db_int(r->exam), r->version}, 2);
    db_tx_add(tx, DB_Q_AUDIT_READ, (struct db_param[]){db_text("report"), db_int(r->exam)}, 2);
    enum base_err err = db_tx_submit(tx, on_found, r);
    if (err)
        api_problem_err(r->req, err);
}

void viewer_get_report(struct net_http_request *req, void *arg)
{
    struct viewer *v = arg;
    int64_t id;
    struct db_param version;
    if (!api_path_id(req, "id", &id) || !read_version(req, &version))
        return;
    struct reading *r = base_arena_alloc(net_http_arena(req), sizeof *r);
    if (!r) {
        net_http_problem(req, 503, NULL, NULL);
        return;
    }
    *r = (struct reading){
        .viewer = v,
        .req = req,
        .exam = id,
        .version = version,
        .give_up_at = base_clock_mono_ms() + (int64_t)v->config.report_wait_ms,
    };
    ask(r);
}
