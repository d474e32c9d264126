#include "report/report_job.h"

#include "base/clock.h"
#include "base/json.h"
#include "dicom/dicom_part10.h"
#include "model/model_provenance.h"
#include "report/report_content.h"
#include "report/report_pdf.h"
#include "report/report_sr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL = 2, MOST_SECONDS = 120, POLL_MS = 1000, EVIDENCE_MAX = 100000 };

enum file { FILE_SR, FILE_PDF_OBJECT, FILE_PDF, FILE_COUNT };

struct render {
    const struct report_job_config *config;
    struct model_job *job;
    struct loop_job pool;
    struct report_content content;
    struct shim_reference *shown;
    size_t shown_n;
    struct shim_reference predecessor;
    enum base_err err;
    struct base_error error;
    struct base_buf bytes[FILE_COUNT];
    struct store_object objects[FILE_COUNT];
    bool stored[FILE_COUNT];
    char sop_class[FILE_COUNT][DICOM_UID_SIZE];
    unsigned storing;
};

static void render_free(struct render *r)
{
    for (int i = 0; i < FILE_COUNT; i++)
        base_buf_deinit(&r->bytes[i]);
    free(r->shown);
    free(r);
}

/* Files that no row names are removed, unless perhaps a row does name them. */
static void give_up(struct render *r, const char *error, bool keep_files)
{
    struct model_job *job = r->job;
    for (int i = 0; i < FILE_COUNT && !keep_files; i++)
        if (r->stored[i] && store_remove(r->config->store, r->objects[i].location, NULL, NULL))
            continue; /* the sweep finds it */
    model_job_failed(job, error);
    render_free(r);
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static enum report_status status_of(const char *state)
{
    return state && strcmp(state, "amended") == 0 ? REPORT_AMENDED : REPORT_FINAL;
}

static void fill_content(struct render *r, const json_t *in)
{
    const json_t *patient = json_object_get(in, "patient");
    r->content = (struct report_content){
        .hospital_name = text_of(in, "hospital"),
        .centre_name = text_of(in, "centre"),
        .line = text_of(in, "line"),
        .patient_id = text_of(patient, "id"),
        .patient_name = text_of(patient, "name"),
        .patient_sex = text_of(patient, "sex"),
        .patient_birth_date = text_of(patient, "birth_date"),
        .study_uid = text_of(in, "study_uid"),
        .study_id = text_of(in, "study_id"),
        .accession = text_of(in, "accession"),
        .study_description = text_of(in, "description"),
        .modality = text_of(in, "modality"),
        .study_date = text_of(in, "study_date"),
        .study_time = text_of(in, "study_time"),
        .exam_id = json_integer_value(json_object_get(in, "exam")),
        .findings = text_of(in, "findings"),
        .impression = text_of(in, "impression"),
        .damaged = json_is_true(json_object_get(in, "damaged")),
        .version = (uint32_t)json_integer_value(json_object_get(in, "version")),
        .status = status_of(text_of(in, "state")),
        .author_name = text_of(in, "author"),
        .signer_name = text_of(in, "signer"),
        .signed_at_us = json_integer_value(json_object_get(in, "signed_at_us")),
        .utc_offset_minutes = (int)json_integer_value(json_object_get(in, "utc_offset_minutes")),
        .sha256_hex = text_of(in, "content_sha256"),
    };
}

static enum base_err fill_evidence(struct render *r, const json_t *in)
{
    const json_t *evidence = json_object_get(in, "evidence");
    size_t n = json_array_size(evidence);
    if (n > EVIDENCE_MAX)
        return BASE_ELIMIT;
    r->shown = calloc(n ? n : 1, sizeof *r->shown);
    if (!r->shown)
        return BASE_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_array_get(evidence, i);
        r->shown[i] = (struct shim_reference){.study_uid = r->content.study_uid,
                                              .series_uid = text_of(e, "series_uid"),
                                              .sop_class_uid = text_of(e, "sop_class"),
                                              .sop_instance_uid = text_of(e, "sop_uid")};
    }
    r->shown_n = n;
    return BASE_OK;
}

/* On the CPU pool. */
static void render_files(void *arg)
{
    struct render *r = arg;
    const json_t *in = r->job->input;
    const json_t *previous = json_object_get(in, "previous");
    struct report_evidence evidence = {.shown = r->shown, .shown_n = r->shown_n};
    struct report_object sr = {text_of(in, "sr_series_uid"), text_of(in, "sr_uid"),
                               9000 + r->content.version, r->content.version};
    struct report_object pdf = {text_of(in, "pdf_series_uid"), text_of(in, "pdf_uid"),
                                9500 + r->content.version, r->content.version};
    if (json_is_object(previous)) {
        r->predecessor = (struct shim_reference){
            .study_uid = r->content.study_uid,
            .series_uid = text_of(previous, "sr_series_uid"),
            .sop_class_uid = text_of(previous, "sr_class"),
            .sop_instance_uid = text_of(previous, "sr_uid"),
        };
        evidence.predecessor = &r->predecessor;
    }
    r->err = report_pdf_render(&r->content, &r->bytes[FILE_PDF], &r->error);
    if (!r->err)
        r->err = report_sr_render(&r->content, &sr, &evidence, &r->bytes[FILE_SR], &r->error);
    if (!r->err)
        r->err =
            report_sr_wrap_pdf(&r->content, &pdf, &evidence, base_buf_bytes(&r->bytes[FILE_PDF]),
                               &r->bytes[FILE_PDF_OBJECT], &r->error);
}

static void write_object(const struct render *r, enum file file, struct base_buf *out)
{
    const struct store_object *o = &r->objects[file];
    assert(r->stored[file]);
    char hex[BASE_SHA256_HEX];
    struct base_json j;
    base_hex(o->sha256, sizeof o->sha256, hex);
    base_json_init(&j, out);
    base_json_open_object(&j);
    base_json_member_string(&j, "location", o->location);
    base_json_member_string(&j, "sha256", hex);
    base_json_member_int(&j, "size", (int64_t)o->size);
    base_json_member_string(&j, "media",
                            file == FILE_PDF ? "application/pdf" : "application/dicom");
    base_json_member_string(&j, "sop_class", r->sop_class[file]);
    base_json_close_object(&j);
}

static void on_noted(void *arg, const struct db_outcome *outcome)
{
    struct render *r = arg;
    if (outcome->err) {
        model_job_excuse(r->job, outcome->err);
        give_up(r, base_err_text(outcome->err), outcome->err == BASE_EUNKNOWN);
        return;
    }
    model_job_done(r->job);
    render_free(r);
}

static void note(struct render *r)
{
    struct base_buf json[FILE_COUNT] = {0};
    for (int i = 0; i < FILE_COUNT; i++)
        write_object(r, (enum file)i, &json[i]);
    struct db_param params[] = {db_int(r->job->id), db_int(r->job->subject), db_buf(&json[FILE_SR]),
                                db_buf(&json[FILE_PDF_OBJECT]), db_buf(&json[FILE_PDF])};
    enum base_err err = db_call(r->config->db, DB_Q_REPORT_RENDERED, params, 5, on_noted, r);
    for (int i = 0; i < FILE_COUNT; i++)
        base_buf_deinit(&json[i]);
    if (err) {
        model_job_excuse(r->job, err);
        give_up(r, base_err_text(err), false);
    }
}

static void file_ended(struct render *r, enum base_err err)
{
    assert(r->storing > 0);
    if (err)
        r->err = err;
    if (--r->storing)
        return;
    if (r->err)
        give_up(r, base_err_text(r->err), false);
    else
        note(r);
}

static void on_stored(struct render *r, enum file file, enum base_err err,
                      const struct store_object *object)
{
    assert(!r->stored[file]);
    if (!err) {
        r->objects[file] = *object;
        r->stored[file] = true;
    }
    file_ended(r, err);
}

static void on_sr_stored(void *arg, enum base_err err, const struct store_object *object)
{
    on_stored(arg, FILE_SR, err, object);
}

static void on_pdf_object_stored(void *arg, enum base_err err, const struct store_object *object)
{
    on_stored(arg, FILE_PDF_OBJECT, err, object);
}

static void on_pdf_stored(void *arg, enum base_err err, const struct store_object *object)
{
    on_stored(arg, FILE_PDF, err, object);
}

/* Preamble and meta group with where it comes from: whose exam, and ours. */
static void write_meta(const struct render *r, const struct dicom_part10 *p, struct base_buf *out)
{
    struct base_buf text = {0};
    struct model_provenance provenance = {.centre = text_of(r->job->input, "centre_code"),
                                          .received_us = base_clock_wall_us(),
                                          .own = true};
    model_provenance_write(&provenance, &text);
    dicom_part10_write(out, &(struct dicom_part10_meta){
                                .sop_class = p->sop_class,
                                .sop_instance = p->sop_instance,
                                .syntax_uid = p->syntax->uid,
                                .private_information = base_buf_bytes(&text),
                            });
    if (text.err)
        out->err = text.err;
    base_buf_deinit(&text);
}

static enum base_err store_dicom(struct render *r, enum file file, store_put_fn *done)
{
    struct dicom_part10 p;
    struct base_bytes bytes = base_buf_bytes(&r->bytes[file]);
    struct base_buf meta = {0};
    if (dicom_part10_read(bytes, true, &p, &r->error) != DICOM_SCAN_DONE)
        return BASE_EINTERNAL;
    memcpy(r->sop_class[file], p.sop_class, sizeof p.sop_class);
    write_meta(r, &p, &meta);
    enum base_err err = meta.err;
    if (!err)
        err = store_put_mem(r->config->store, "dcm", LOOP_STAT, base_buf_bytes(&meta),
                            base_bytes_of(bytes.p + p.dataset, bytes.n - p.dataset), done, r);
    base_buf_deinit(&meta);
    return err;
}

static enum base_err store_file(struct render *r, enum file file)
{
    static store_put_fn *const done[] = {on_sr_stored, on_pdf_object_stored, on_pdf_stored};
    if (file != FILE_PDF)
        return store_dicom(r, file, done[file]);
    return store_put_mem(r->config->store, "pdf", LOOP_STAT, base_bytes_of(NULL, 0),
                         base_buf_bytes(&r->bytes[file]), done[file], r);
}

static void on_rendered(void *arg, bool cancelled)
{
    struct render *r = arg;
    if (cancelled || r->err) {
        give_up(r, cancelled ? "stopped" : r->error.msg, false);
        return;
    }
    /* One more, so that r lives until the loop is through. */
    r->storing = FILE_COUNT + 1;
    for (int i = 0; i < FILE_COUNT; i++) {
        enum base_err err = store_file(r, (enum file)i);
        if (err)
            file_ended(r, err);
    }
    file_ended(r, BASE_OK);
}

static void run(void *arg, struct model_job *job)
{
    const struct report_job_config *config = arg;
    struct render *r = calloc(1, sizeof *r);
    if (!r) {
        model_job_failed(job, "out of memory");
        return;
    }
    r->config = config;
    r->job = job;
    fill_content(r, job->input);
    enum base_err err = fill_evidence(r, job->input);
    if (err) {
        give_up(r, base_err_text(err), false);
        return;
    }
    loop_work(config->loop, &r->pool, LOOP_CPU, LOOP_STAT, render_files, on_rendered, r);
}

enum base_err report_job_start(const struct report_job_config *config, struct model_jobs **out)
{
    struct model_jobs_config jobs = {
        .loop = config->loop,
        .db = config->db,
        .counters = config->counters,
        .kind = "render",
        .parallel = PARALLEL,
        .most_seconds = MOST_SECONDS,
        .poll_ms = POLL_MS,
        .run = run,
        .arg = (void *)(uintptr_t)config,
    };
    return model_jobs_start(&jobs, out);
}
