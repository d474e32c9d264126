/* An instance as a picture: the database finds it and notes the access, the helper draws it. */
#include "viewer-export/viewer_priv.h"

#include "base/log.h"
#include "dicom/dicom_uid.h"
#include "model/model_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The request's parameters, checked; texts for the helper's arguments. In the
 * request's arena. */
struct rendering {
    struct viewer *viewer;
    struct net_http_request *req;
    const char *frame, *max_side, *window; /* NULL = absent */
    const char *sheet;                     /* the first parameter that is for ECGs only */
    const char *media;                     /* of the answer */
};

/* Parameters for ECGs, and the helper's options for them, which check the values. */
static const char *const sheet_options[][2] = {
    {"type", "--type"},       {"page", "--page"},       {"format", "--format"},
    {"cabrera", "--cabrera"}, {"marks", "--marks"},     {"device_beats", "--device-beats"},
    {"speed", "--speed"},     {"gain", "--gain"},       {"lead", "--lead"},
    {"from", "--from"},       {"seconds", "--seconds"}, {"number", "--number"},
    {"dpi", "--dpi"},
};
enum { SHEET_OPTIONS = sizeof sheet_options / sizeof *sheet_options, VALUE_MAX = 64 };

static bool is_number(const char *s, size_t digits_max)
{
    size_t n = strlen(s);
    return n >= 1 && n <= digits_max && strspn(s, "0123456789") == n && s[0] != '0';
}

static bool is_window(const char *s)
{
    double center, width;
    int used = 0;
    return strlen(s) <= 40 && sscanf(s, "%lf,%lf%n", &center, &width, &used) == 2 && !s[used] &&
           isfinite(center) && isfinite(width) && width >= 1;
}

/* The media type for type=…; NULL: unknown. */
static const char *media_of(const char *type)
{
    static const char *const media[][2] = {
        {"png", "image/png"}, {"pdf", "application/pdf"}, {"svg", "image/svg+xml"}};
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (strcmp(media[i][0], type) == 0)
            return media[i][1];
    return NULL;
}

/* What is wrong with the parameters of a sheet, or NULL. */
static const char *read_sheet(struct rendering *r)
{
    const char *type = net_http_query(r->req, "type");
    r->media = type ? media_of(type) : "image/png";
    if (!r->media)
        return "type is png, pdf or svg";
    for (size_t i = 0; i < SHEET_OPTIONS; i++) {
        const char *value = net_http_query(r->req, sheet_options[i][0]);
        if (!value)
            continue;
        r->sheet = sheet_options[i][0];
        if (strlen(value) > VALUE_MAX)
            return "a value is too long";
    }
    return NULL;
}

/* False: answered already. */
static bool read_query(struct rendering *r)
{
    r->frame = net_http_query(r->req, "frame");
    r->max_side = net_http_query(r->req, "max_side");
    r->window = net_http_query(r->req, "window");
    const char *wrong = NULL;
    if (r->frame && !is_number(r->frame, 9))
        wrong = "frame is a number from 1";
    else if (r->max_side && (!is_number(r->max_side, 5) || atoi(r->max_side) > 65535))
        wrong = "max_side is a number of pixels from 1 to 65535";
    else if (r->window && !is_window(r->window))
        wrong = "window is CENTER,WIDTH, such as 40,400; the width is at least 1";
    else
        wrong = read_sheet(r);
    if (wrong)
        net_http_problem(r->req, 400, "the query cannot be used", wrong);
    return wrong == NULL;
}

/* The answer when the helper did not draw. */
static void refuse(struct rendering *r, enum base_err err, const char *message)
{
    switch ((int)err) { /* all others are the object's fault */
    case BASE_ENOTFOUND:
        net_http_problem(r->req, 404, "no such frame", message);
        return;
    case BASE_EINVAL:
        net_http_problem(r->req, 400, "the query cannot be used", message);
        return;
    case BASE_ECANCELED:
    case BASE_EUNAVAILABLE:
        net_http_reply_header(r->req, "Retry-After", "2");
        net_http_problem(r->req, 503, "too much is being rendered", "try again in a few seconds");
        return;
    case BASE_EIO:
        BASE_LOG(ERROR, "object_unreadable", LOG_S("error", message));
        net_http_problem(r->req, 500, "the stored object cannot be read", NULL);
        return;
    default:
        net_http_problem(r->req, 422, "this object cannot be rendered", message);
        return;
    }
}

static void on_drawn(void *arg, enum base_err err, const char *message, struct base_bytes picture)
{
    struct rendering *r = arg;
    if (err)
        refuse(r, err, message);
    else
        net_http_reply(r->req, 200, r->media, picture);
}

static void add_arg(const char **args, size_t *n, const char *name, const char *value)
{
    if (!value)
        return;
    args[(*n)++] = name;
    args[(*n)++] = value;
}

/* Of ECGs. confirmed_by: who signed the report, NULL = nobody yet. earlier: an ECG to compare with,
 * NULL = none. */
static void draw(struct rendering *r, const char *path, bool ecg, const char *confirmed_by,
                 const char *earlier)
{
    const char *args[VIEWER_HELPER_ARGS + 1] = {NULL};
    size_t n = 0;
    add_arg(args, &n, "--kind", ecg ? "ecg" : "image");
    add_arg(args, &n, "--file", path);
    add_arg(args, &n, "--frame", r->frame);
    add_arg(args, &n, "--max-side", r->max_side);
    add_arg(args, &n, "--window", r->window);
    for (size_t i = 0; i < SHEET_OPTIONS && ecg; i++)
        add_arg(args, &n, sheet_options[i][1], net_http_query(r->req, sheet_options[i][0]));
    if (ecg) {
        add_arg(args, &n, "--confirmed-by", confirmed_by);
        add_arg(args, &n, "--earlier", earlier);
    }
    enum base_err err = viewer_helper_run(r->viewer->helper, LOOP_ORDINARY, args, on_drawn, r);
    if (err)
        refuse(r, err, base_err_text(err));
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    struct rendering *r = arg;
    if (outcome->err) {
        api_problem(r->req, outcome);
        return;
    }
    api_note_session(r->req, outcome);
    json_t *file = model_answer(outcome, 1);
    const char *location = json_string_value(json_object_get(file, "location"));
    const char *sop_class = json_string_value(json_object_get(file, "sop_class"));
    const char *compared = json_string_value(json_object_get(file, "earlier"));
    struct base_buf path = {0};
    struct base_buf earlier = {0};
    enum base_err err = location ? store_path(r->viewer->config.store, location, &path) : BASE_EIO;
    bool ecg = (dicom_sop_flags_of(sop_class) & DICOM_SOP_ECG) != 0;
    if (err)
        refuse(r, BASE_EIO, "no location");
    else if (r->sheet && !ecg)
        refuse(r, BASE_EINVAL, "this is no ECG: frame, max_side and window are for images");
    else
        draw(r, base_buf_cstr(&path), ecg, json_string_value(json_object_get(file, "confirmed_by")),
             compared && !store_path(r->viewer->config.store, compared, &earlier)
                 ? base_buf_cstr(&earlier)
                 : NULL);
    base_buf_deinit(&path);
    base_buf_deinit(&earlier);
    json_decref(file);
}

void viewer_get_rendered(struct net_http_request *req, void *arg)
{
    struct viewer *v = arg;
    struct rendering *r = base_arena_alloc(net_http_arena(req), sizeof *r);
    if (!r) {
        net_http_problem(req, 503, NULL, NULL);
        return;
    }
    *r = (struct rendering){.viewer = v, .req = req};
    if (!read_query(r))
        return;
    struct db_tx *tx = api_begin(v->config.api, req);
    if (!tx)
        return;
    struct db_param uid = db_text(net_http_param(req, "uid"));
    db_tx_add(tx, DB_Q_INSTANCE_FILE, &uid, 1);
    db_tx_add(tx, DB_Q_INSTANCE_AUDIT, &uid, 1);
    enum base_err err = db_tx_submit(tx, on_found, r);
    if (err)
        api_problem_err(req, err);
}
