#include "ingest/ingest_ecg.h"

#include "base/clock.h"
#include "ecg/ecg_dicom_write.h"
#include "ecg/ecg_info.h"
#include "ecg/ecg_open.h"
#include "ingest/ingest_pack.h"
#include "ingest/ingest_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conversion {
    struct ingest *g;
    struct ingest_source source;
    char centre_code[40];
    enum loop_class class;
    struct ingest_ecg_part *parts; /* of a recording of several files; else n_parts = 0 */
    size_t n_parts;
    struct base_buf file;   /* the original, to be kept */
    struct base_buf dicom;  /* Part 10 */
    struct base_buf damage; /* what of the file could not be read or kept, a line each */
    enum ecg_format format;
    struct ingest_pack pack;
    struct loop_job pool;
    struct store_object original;
    enum base_err err;
    struct base_error error;
    ingest_ecg_fn *fn;
    void *arg;
};

static void end(struct conversion *c, enum base_err err, const struct ingest_result *result,
                const char *message)
{
    c->fn(c->arg, err, result, message);
    for (size_t i = 0; i < c->n_parts; i++)
        base_buf_deinit(&c->parts[i].bytes);
    free(c->parts);
    base_buf_deinit(&c->file);
    base_buf_deinit(&c->dicom);
    base_buf_deinit(&c->damage);
    free(c);
}

static bool is_given(const char *text)
{
    return text && text[0];
}

/* The sender's word on the patient takes precedence over the file's. */
/* Of an ECG as it is read, and as it is written: twelve leads of a day; more than a sender may
 * make a worker hold. */
enum { SAMPLES = 64 << 20 };

static void write_dicom(struct conversion *c, const struct ecg_record *record,
                        struct ecg_dicom_written *written)
{
    uint8_t sha[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    char seed[40 + BASE_SHA256_HEX + 1];
    base_sha256_once(c->file.p, c->file.n, sha);
    base_hex(sha, sizeof sha, hex);
    snprintf(seed, sizeof seed, "%s/%s", c->centre_code, hex);
    struct ecg_dicom_options options = {
        .seed = seed,
        .patient_id = c->source.patient_id,
        .patient_name = c->source.patient_name,
        .accession = c->source.accession,
        .now_us = base_clock_wall_us(),
        .samples = SAMPLES,
    };
    c->source.charset_guessed = (!is_given(c->source.patient_id) && record->patient.id.guessed) ||
                                (!is_given(c->source.patient_name) && record->patient.name.guessed);
    c->err = ecg_dicom_write(record, &options, &c->dicom, written, &c->error);
}

static void list_damage(const struct ecg_record *r, const struct ecg_dicom_written *written,
                        struct base_buf *out)
{
    enum { LINES = 20 };
    size_t n = 0;
    for (size_t i = 0; i < r->nnotes; i++) {
        if (!r->notes[i].is_damage || n++ >= LINES)
            continue;
        if (n > 1)
            base_buf_add_byte(out, '\n');
        ecg_info_note(&r->notes[i], out);
    }
    if (n > LINES)
        base_buf_printf(out, "\n%zu more", n - LINES);
    if (written->left_out[0])
        base_buf_printf(out, "%sDICOM has no place for leads: %s", out->n ? "\n" : "",
                        written->left_out);
    if (written->too_long[0])
        base_buf_printf(out, "%sleft out, being longer than DICOM allows: %s", out->n ? "\n" : "",
                        written->too_long);
}

static enum base_err open_parts(struct conversion *c, const struct ecg_limits *limits,
                                struct ecg_record **record)
{
    struct ecg_input *inputs = calloc(c->n_parts, sizeof *inputs);
    if (!inputs)
        return base_fail(&c->error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t i = 0; i < c->n_parts; i++)
        inputs[i] = (struct ecg_input){c->parts[i].name, base_buf_bytes(&c->parts[i].bytes)};
    c->format = ecg_detect(inputs[0].bytes);
    enum base_err e = ecg_open_all(inputs, c->n_parts, limits, record, &c->error);
    for (size_t i = 0; i < c->n_parts && !e; i++)
        ingest_pack_add(&c->pack, inputs[i].name, inputs[i].bytes);
    ingest_pack_end(&c->pack);
    c->file = c->pack.zip;
    c->pack.zip = (struct base_buf){0};
    free(inputs);
    if (!e && c->file.err)
        e = base_fail(&c->error, c->file.err, BASE_NOPOS, "%s", base_err_text(c->file.err));
    return e;
}

/* On the CPU pool. */
static void convert(void *arg)
{
    struct conversion *c = arg;
    struct ecg_limits limits = ecg_limits_default;
    limits.bytes = (size_t)256 << 20;
    limits.samples = SAMPLES;
    struct ecg_input input = {.name = "", .bytes = base_buf_bytes(&c->file)};
    struct ecg_record *record = NULL;
    if (c->n_parts) {
        c->err = open_parts(c, &limits, &record);
    } else {
        c->format = ecg_detect(input.bytes);
        c->err = ecg_open(&input, 1, &limits, NULL, &record, &c->error);
    }
    struct ecg_dicom_written written;
    if (!c->err)
        write_dicom(c, record, &written);
    if (!c->err)
        list_damage(record, &written, &c->damage);
    ecg_record_free(record);
}

static void on_ingested(void *arg, const struct ingest_result *result)
{
    struct conversion *c = arg;
    struct ingest_result told = *result;
    told.damage = c->damage.n && !c->damage.err ? base_buf_cstr(&c->damage) : NULL;
    end(c, BASE_OK, &told, "");
}

static void on_original(void *arg, enum base_err err, const struct store_object *original)
{
    struct conversion *c = arg;
    struct dicom_part10 part10;
    struct ingest_object *object = NULL;
    struct base_bytes dicom = base_buf_bytes(&c->dicom);
    if (err) {
        end(c, err, NULL, "the file could not be stored; send it again later");
        return;
    }
    c->original = *original;
    c->source.original = &c->original;
    c->source.original_media = c->n_parts ? "application/zip" : ecg_format_media(c->format);
    if (dicom_part10_read(dicom, true, &part10, &c->error) != DICOM_SCAN_DONE) {
        end(c, BASE_EINTERNAL, NULL, "the ECG could not be written as DICOM");
        return;
    }
    c->source.syntax = part10.syntax;
    if (ingest_object_new(c->g, &c->source, &object)) {
        end(c, BASE_ENOMEM, NULL, "out of memory; send the file again later");
        return;
    }
    ingest_object_write(object, base_bytes_of(dicom.p + part10.dataset, dicom.n - part10.dataset));
    ingest_object_finish(object, on_ingested, c);
}

enum { ENDING = 8 };

/* By which the original is known when it is exported. */
static const char *ending_of(const struct conversion *c, char out[ENDING + 1])
{
    const char *usual = ecg_format_extensions(c->format);
    bool is_xml = strcmp(ecg_format_media(c->format), "application/xml") == 0;
    if (c->n_parts)
        usual = "zip";
    else if (is_xml)
        usual = "xml";
    snprintf(out, ENDING + 1, "%.*s", (int)strcspn(usual, " "), usual);
    return out;
}

static void on_converted(void *arg, bool cancelled)
{
    char ending[ENDING + 1];
    struct conversion *c = arg;
    if (cancelled || c->err) {
        end(c, cancelled ? BASE_ECANCELED : c->err, NULL,
            cancelled ? "rdc is stopping; send the file again" : c->error.msg);
        return;
    }
    c->err = store_put_mem(c->g->config->store, ending_of(c, ending), c->class,
                           base_bytes_of(NULL, 0), base_buf_bytes(&c->file), on_original, c);
    if (c->err)
        end(c, c->err, NULL, "the file could not be stored; send it again later");
}

static struct conversion *begin(struct ingest *g, const struct ingest_source *source,
                                const char *centre_code, ingest_ecg_fn *fn, void *arg)
{
    struct conversion *c = calloc(1, sizeof *c);
    if (!c) {
        fn(arg, BASE_ENOMEM, NULL, "out of memory; send the file again later");
        return NULL;
    }
    c->g = g;
    c->source = *source;
    snprintf(c->centre_code, sizeof c->centre_code, "%s", centre_code);
    c->fn = fn;
    c->arg = arg;
    c->class = ingest_urgent_has(g->urgent, source->centre_id, source->accession, NULL)
                   ? LOOP_STAT
                   : ingest_urgent_class(source->priority);
    return c;
}

static void start(struct conversion *c)
{
    loop_work(c->g->config->loop, &c->pool, LOOP_CPU, c->class, convert, on_converted, c);
}

void ingest_ecg_take(struct ingest *g, const struct ingest_source *source, const char *centre_code,
                     struct base_buf *file, ingest_ecg_fn *fn, void *arg)
{
    struct conversion *c = begin(g, source, centre_code, fn, arg);
    if (!c)
        return;
    c->file = *file;
    *file = (struct base_buf){0};
    start(c);
}

void ingest_ecg_take_set(struct ingest *g, const struct ingest_source *source,
                         const char *centre_code, struct ingest_ecg_part *parts, size_t n,
                         ingest_ecg_fn *fn, void *arg)
{
    struct conversion *c = begin(g, source, centre_code, fn, arg);
    if (!c)
        return;
    c->parts = calloc(n, sizeof *c->parts);
    if (!c->parts) {
        end(c, BASE_ENOMEM, NULL, "out of memory; send the files again later");
        return;
    }
    c->n_parts = n;
    for (size_t i = 0; i < n; i++) {
        c->parts[i] = parts[i];
        parts[i].bytes = (struct base_buf){0};
    }
    start(c);
}
