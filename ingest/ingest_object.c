#include "ingest/ingest_object.h"

#include "base/clock.h"
#include "base/log.h"
#include "dicom/dicom_json.h"
#include "ingest/ingest_duplicate.h"
#include "ingest/ingest_measure.h"
#include "ingest/ingest_priv.h"
#include "model/model_provenance.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREFIX_MAX = 1 << 20,    /* the most that the header scan sees; few need more than kilobytes */
    METADATA_AT = 192 << 10, /* bytes of a larger object at which its metadata are read */
    ASK_AGAIN_MAX = 2,       /* times, when the stored object is damaged */
};

struct ingest_object {
    struct ingest *g;
    struct ingest_source source; /* its strings point below */
    char centre_code[40];
    char aet[DICOM_AET_SIZE];
    char priority[16];
    char sop_class[DICOM_UID_SIZE];
    char sop_instance[DICOM_UID_SIZE];
    char study_uid[DICOM_UID_SIZE];
    char patient_id[257];
    char patient_name[773];
    char accession[65];
    struct store_object original;
    struct dicom_header header;
    struct base_buf prefix; /* until the header is known */
    size_t scan_at;         /* bytes of prefix at which to scan again */
    struct base_buf metadata;
    uint64_t metadata_end; /* valid if the data set ends here; 0 = none */
    bool looked;           /* reading the metadata was tried */
    size_t meta_size;      /* of our meta group */
    struct store_put *put; /* from then on, until it is durable */
    uint64_t bytes;
    struct store_object object;
    struct ingest_entry *entry;        /* in the batch, from when the object is being synced */
    enum base_err batch_err;           /* why it has none */
    unsigned asked_again;              /* times, since the stored object was damaged */
    char duplicate_of[DICOM_UID_SIZE]; /* the study */
    void (*on_room)(void *arg);
    void *on_room_arg;
    ingest_object_fn *fn;
    void *arg;
    struct ingest_result result; /* err is that of the first thing that was wrong */
};

static const char *keep(char *to, size_t size, const char *from)
{
    if (!from)
        return NULL;
    snprintf(to, size, "%s", from);
    return to;
}

enum base_err ingest_object_new(struct ingest *g, const struct ingest_source *source,
                                struct ingest_object **out)
{
    struct ingest_object *o = calloc(1, sizeof *o);
    if (!o)
        return BASE_ENOMEM;
    o->g = g;
    o->source = *source;
    o->source.centre_code = keep(o->centre_code, sizeof o->centre_code, source->centre_code);
    o->source.aet = keep(o->aet, sizeof o->aet, source->aet);
    o->source.priority = keep(o->priority, sizeof o->priority, source->priority);
    o->source.sop_class = keep(o->sop_class, sizeof o->sop_class, source->sop_class);
    o->source.sop_instance = keep(o->sop_instance, sizeof o->sop_instance, source->sop_instance);
    o->source.study_uid = keep(o->study_uid, sizeof o->study_uid, source->study_uid);
    o->source.patient_id = keep(o->patient_id, sizeof o->patient_id, source->patient_id);
    o->source.patient_name = keep(o->patient_name, sizeof o->patient_name, source->patient_name);
    o->source.accession = keep(o->accession, sizeof o->accession, source->accession);
    if (source->original) {
        o->original = *source->original;
        o->source.original = &o->original;
    }
    base_buf_init(&o->prefix, PREFIX_MAX);
    g->objects++;
    *out = o;
    return BASE_OK;
}

static void object_free(struct ingest_object *o)
{
    o->g->object_at = base_clock_mono_ms();
    if (--o->g->objects == 0)
        model_jobs_resume(ingest_check_jobs(o->g->check));
    base_buf_deinit(&o->prefix);
    base_buf_deinit(&o->metadata);
    free(o);
}

static void drop_put(struct ingest_object *o)
{
    store_put_abort(o->put);
    o->put = NULL;
}

/* Keeps the first error; nothing more is stored. */
static void fail(struct ingest_object *o, enum base_err err, const char *message)
{
    if (o->result.err)
        return;
    o->result.err = err;
    snprintf(o->result.message, sizeof o->result.message, "%s", message);
    drop_put(o);
    base_buf_deinit(&o->prefix);
}

static void on_put_room(void *arg)
{
    struct ingest_object *o = arg;
    if (o->on_room)
        o->on_room(o->on_room_arg);
}

/* At most 64 characters: devices show it as Error Comment (0000,0902), an LO. */
static const char *why_not_stored(enum base_err err)
{
    switch ((int)err) {
    case BASE_ENOSPC:
        return "the server's disk is full; tell its operator, send again later";
    case BASE_EDENIED:
        return "the server cannot write to its store; tell its operator";
    case BASE_ENOMEM:
        return "the server is out of memory; send again later";
    case BASE_EUNAVAILABLE:
    case BASE_EUNKNOWN:
    case BASE_ETIMEOUT:
    case BASE_ELIMIT:
        return "the database of the server does not answer; send again later";
    default:
        return "the server could not store the object; send again later";
    }
}

/* The object's own UIDs must be those that the command announced (PS3.4 B.2.3:
 * A900 otherwise). */
static bool is_as_announced(struct ingest_object *o)
{
    const struct ingest_source *s = &o->source;
    if (s->sop_class && strcmp(s->sop_class, o->header.sop_class) != 0)
        fail(o, BASE_EINVAL, "the SOP Class UID in the data set is not that of the command");
    else if (s->sop_instance && strcmp(s->sop_instance, o->header.sop_instance) != 0)
        fail(o, BASE_EINVAL, "the SOP Instance UID in the data set is not that of the command");
    else if (s->study_uid && strcmp(s->study_uid, o->header.study_uid) != 0)
        fail(o, BASE_EINVAL, "it belongs to another study than the one in the address");
    return o->result.err == BASE_OK;
}

static void fill_in(char *field, size_t size, const char *value)
{
    if (!field[0] && value)
        snprintf(field, size, "%s", value);
}

/* An ECG at rest is a whole exam: one recording is one object, of the class that holds its rate and
 * channels, and what comes after it is shown as well. Of a Holter or a catheter there may be many.
 */
static bool is_single(const struct ingest_object *o)
{
    static const char *const classes[] = {DICOM_UID_TWELVE_LEAD_ECG, DICOM_UID_GENERAL_ECG,
                                          DICOM_UID_GENERAL_32BIT_ECG};
    bool is = o->source.single;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        is = is || strcmp(o->header.sop_class, classes[i]) == 0;
    return is;
}

static void write_provenance(const struct ingest_object *o, struct base_buf *out)
{
    char hex[BASE_SHA256_HEX];
    struct model_provenance p = {
        .centre = o->source.centre_code,
        .device = o->source.aet,
        .received_us = base_clock_wall_us(),
        .quiet_seconds = o->source.quiet_seconds,
        .priority = o->source.priority,
        .single = is_single(o),
        .charset_guessed = o->source.charset_guessed,
        .patient_id = o->source.patient_id,
        .patient_name = o->source.patient_name,
        .accession = o->source.accession,
    };
    if (o->source.original) {
        base_hex(o->original.sha256, sizeof o->original.sha256, hex);
        p.original_location = o->original.location;
        p.original_sha256 = hex;
        p.original_media = o->source.original_media;
        p.original_size = (int64_t)o->original.size;
    }
    model_provenance_write(&p, out);
}

/* The sender's priority takes precedence over the object's own, and a STAT order over
 * both. PS3.3 C.4.11: STAT, HIGH, ROUTINE, MEDIUM, LOW. */
static void find_priority(struct ingest_object *o)
{
    const struct dicom_header *h = &o->header;
    if (!o->source.priority && strcmp(h->requested_priority, "STAT") == 0)
        o->source.priority = "stat";
    else if (!o->source.priority && strcmp(h->requested_priority, "HIGH") == 0)
        o->source.priority = "urgent";
    if (ingest_urgent_has(o->g->urgent, o->source.centre_id, h->accession_number, h->study_uid))
        o->source.priority = "stat";
}

enum loop_class ingest_object_class(const struct ingest_object *o)
{
    return ingest_urgent_class(o->source.priority);
}

/* Preamble and our meta group. */
static void write_meta(const struct ingest_object *o, struct base_buf *out)
{
    struct base_buf provenance = {0};
    write_provenance(o, &provenance);
    struct dicom_part10_meta meta = {
        .sop_class = o->header.sop_class,
        .sop_instance = o->header.sop_instance,
        .syntax_uid = o->source.syntax->uid,
        .source_aet = o->source.aet,
        .private_information = base_buf_bytes(&provenance),
    };
    dicom_part10_write(out, &meta);
    if (provenance.err)
        out->err = provenance.err;
    base_buf_deinit(&provenance);
}

/* Most metadata are in the first bytes, and a small object is wholly in memory when it
 * ends: then no job has to read it again. */
static void read_metadata(struct ingest_object *o, bool ended)
{
    struct base_bytes view = store_put_view(o->put);
    if (view.n <= o->meta_size)
        return;
    view = base_bytes_of(view.p + o->meta_size, view.n - o->meta_size);
    bool complete = ended && view.n == o->bytes;
    if (o->looked && !complete)
        return;
    o->looked = true;
    base_buf_reset(&o->metadata);
    if (dicom_json_write(view, complete, o->source.syntax, &o->metadata, &o->metadata_end) !=
        DICOM_SCAN_DONE)
        o->metadata_end = 0;
}

/* The header is known: stores our meta group and what has arrived so far. */
static void begin_file(struct ingest_object *o, struct base_bytes seen)
{
    struct dicom_header *h = &o->header;
    struct base_buf meta = {0};
    assert(!o->put);
    if (!is_as_announced(o))
        return;
    if (h->damaged)
        BASE_LOG(WARN, "object_irregular", LOG_S("aet", o->aet),
                 LOG_S("sop_instance", h->sop_instance), LOG_S("cause", h->damage));
    h->guessed |= o->source.charset_guessed;
    fill_in(h->patient_id, sizeof h->patient_id, o->source.patient_id);
    fill_in(h->patient_name, sizeof h->patient_name, o->source.patient_name);
    fill_in(h->accession_number, sizeof h->accession_number, o->source.accession);
    find_priority(o);
    write_meta(o, &meta);
    enum base_err err =
        meta.err ? meta.err
                 : store_put_new(o->g->config->store, "dcm", ingest_object_class(o), &o->put);
    if (!err) {
        store_put_on_room(o->put, on_put_room, o);
        o->meta_size = meta.n;
        store_put_header(o->put, meta.n);
        err = store_put_write(o->put, meta.p, meta.n);
    }
    if (!err)
        err = store_put_write(o->put, seen.p, seen.n);
    if (err)
        fail(o, err, why_not_stored(err));
    base_buf_deinit(&o->prefix);
    base_buf_deinit(&meta);
}

/* seen: the data set, as far as it has come. */
static void scan(struct ingest_object *o, struct base_bytes seen, bool complete)
{
    struct base_error error = {0};
    enum dicom_scan step = dicom_header_scan(seen, complete, o->source.syntax, &o->header, &error);
    if (step == DICOM_SCAN_MORE && !complete && seen.n < PREFIX_MAX)
        return;
    /* With the UIDs, attributes that were not reached are just left out. */
    if (step == DICOM_SCAN_BAD ||
        (step == DICOM_SCAN_MORE && dicom_header_check(&o->header, &error)))
        fail(o, BASE_EFORMAT, error.msg);
    else
        begin_file(o, seen);
}

/* Looks for the header. Usually it comes in one piece, and nothing is copied. */
static void write_prefix(struct ingest_object *o, struct base_bytes *bytes)
{
    size_t room = PREFIX_MAX - o->prefix.n;
    size_t n = bytes->n < room ? bytes->n : room;
    bool first = o->prefix.n == 0;
    if (first)
        scan(o, base_bytes_of(bytes->p, n), false);
    if (!o->result.err && !o->put) {
        base_buf_add(&o->prefix, bytes->p, n);
        if (o->prefix.err)
            fail(o, BASE_ENOMEM, why_not_stored(BASE_ENOMEM));
        else if (!first && (o->prefix.n >= o->scan_at || o->prefix.n == PREFIX_MAX))
            scan(o, base_buf_bytes(&o->prefix), false);
        /* Scans from the start each time, at growing lengths, so that a sender of single bytes
         * costs no more. */
        if (first || o->prefix.n >= o->scan_at)
            o->scan_at = o->prefix.n + o->prefix.n / 4;
    }
    *bytes = base_bytes_of(bytes->p + n, bytes->n - n);
}

void ingest_object_write(struct ingest_object *o, struct base_bytes bytes)
{
    assert(!o->fn);
    o->bytes += bytes.n;
    if (o->bytes > o->g->config->conf->upload_max_bytes)
        fail(o, BASE_ELIMIT, "the object is larger than upload.max-bytes");
    while (bytes.n && !o->result.err && !o->put)
        write_prefix(o, &bytes);
    if (o->result.err || !o->put)
        return;
    enum base_err err = store_put_write(o->put, bytes.p, bytes.n);
    if (err)
        fail(o, err, why_not_stored(err));
    else if (!o->looked && o->bytes >= METADATA_AT)
        read_metadata(o, false);
}

size_t ingest_object_space(struct ingest_object *o, uint8_t **to)
{
    return o->put && !o->result.err ? store_put_space(o->put, to) : 0;
}

bool ingest_object_room(struct ingest_object *o)
{
    return !o->put || store_put_room(o->put);
}

void ingest_object_on_room(struct ingest_object *o, void (*fn)(void *arg), void *arg)
{
    o->on_room = fn;
    o->on_room_arg = arg;
}

static void count(const struct ingest_object *o)
{
    struct base_counters *c = o->g->config->counters;
    if (o->result.err) {
        base_count(&c->objects_refused_total, 1);
        return;
    }
    base_count(o->result.stored.outcome == INGEST_DUPLICATE ? &c->objects_duplicate_total
                                                            : &c->objects_stored_total,
               1);
    base_count(&c->object_bytes_total, (int64_t)o->bytes);
}

static void end(struct ingest_object *o)
{
    assert(o->fn && !o->put);
    count(o);
    if (o->result.err)
        BASE_LOG(WARN, "object_refused", LOG_S("aet", o->aet),
                 LOG_S("sop_instance", o->header.sop_instance),
                 LOG_S("error", base_err_text(o->result.err)), LOG_S("cause", o->result.message));
    o->result.sop_class = o->header.sop_class;
    o->result.sop_instance = o->header.sop_instance;
    o->result.series = o->header.series_uid;
    o->fn(o->arg, &o->result);
    object_free(o);
}

/* Removes a file that no row names. */
static void remove_file(struct ingest_object *o, const char *location)
{
    if (location[0] && store_remove(o->g->config->store, location, NULL, NULL))
        BASE_LOG(WARN, "object_not_removed", LOG_S("location", location));
}

static void remove_files(struct ingest_object *o)
{
    remove_file(o, o->object.location);
    if (o->source.original)
        remove_file(o, o->original.location);
}

/* Starts the jobs that follow right now: a technician waits for the advice. */
static void begin_jobs(const struct ingest_object *o, const struct ingest_stored *stored)
{
    enum loop_class class = ingest_object_class(o);
    if (stored->job)
        model_jobs_poke(strcmp(stored->job, "check") == 0 ? ingest_check_jobs(o->g->check)
                                                          : o->g->metadata,
                        class);
    if (dicom_sop_flags_of(o->header.sop_class) & DICOM_SOP_ECG)
        ingest_measure_poke(o->g->measure, class);
    else if (o->source.syntax->flags & DICOM_TS_ENCAPSULATED)
        ingest_measure_poke(o->g->pixels, class);
}

static void on_committed(void *arg, enum base_err err, const struct ingest_stored *stored);

static enum base_err add_to_batch(struct ingest_object *o)
{
    struct ingest_record record = {
        .centre_id = o->source.centre_id,
        .device_id = o->source.device_id,
        .quiet_seconds = o->source.quiet_seconds,
        .priority = o->source.priority,
        .single = is_single(o),
        .transfer_syntax = o->source.syntax->uid,
        .header = &o->header,
        .object = &o->object,
        .original = o->source.original,
        .original_media = o->source.original_media,
        .metadata =
            o->metadata_end == o->bytes ? base_buf_bytes(&o->metadata) : base_bytes_of(NULL, 0),
    };
    return ingest_batch_add(o->g->batch, &record, on_committed, o, &o->entry);
}

static void end_unstored(struct ingest_object *o, enum base_err err)
{
    fail(o, err, why_not_stored(err));
    if (err != BASE_EUNKNOWN)
        remove_files(o);
    end(o);
}

/* The stored object was read back. If it is damaged, asks the index again, which now takes the new
 * file in its place. */
static void on_duplicate_checked(void *arg, enum base_err err)
{
    struct ingest_object *o = arg;
    if (err == BASE_ENOTFOUND && o->asked_again++ < ASK_AGAIN_MAX) {
        err = add_to_batch(o);
        if (!err) {
            ingest_batch_settle(o->entry, BASE_OK);
            return;
        }
    }
    if (err) {
        end_unstored(o, err == BASE_ENOTFOUND ? BASE_EIO : err);
        return;
    }
    remove_files(o);
    end(o);
}

static void take_duplicate(struct ingest_object *o, const struct ingest_stored *stored)
{
    snprintf(o->duplicate_of, sizeof o->duplicate_of, "%s", stored->study_uid);
    o->result.stored = (struct ingest_stored){
        .outcome = INGEST_DUPLICATE, .exam = stored->exam, .study_uid = o->duplicate_of};
    enum base_err err =
        ingest_duplicate_check(o->g, stored->have, ingest_object_class(o), on_duplicate_checked, o);
    if (err)
        end_unstored(o, err);
}

static void on_committed(void *arg, enum base_err err, const struct ingest_stored *stored)
{
    struct ingest_object *o = arg;
    assert(!o->put && !o->result.err); /* it was settled, and is durable unless err says so */
    if (err) {
        end_unstored(o, err);
        return;
    }
    if (stored->outcome == INGEST_DUPLICATE && json_is_array(stored->have)) {
        take_duplicate(o, stored);
        return;
    }
    if (stored->outcome == INGEST_REFUSED) {
        fail(o, BASE_EFORMAT, "the index cannot take a value of the object's header");
        remove_files(o);
        end(o);
        return;
    }
    o->result.stored = *stored;
    for (size_t i = 0; i < 2; i++)
        remove_file(o, stored->replaced[i] ? stored->replaced[i] : "");
    if (stored->replaced[0])
        BASE_LOG(INFO, stored->outcome == INGEST_DUPLICATE ? "object_replaced" : "object_healed",
                 LOG_S("location", o->object.location));
    if (stored->outcome != INGEST_DUPLICATE)
        begin_jobs(o, stored);
    else if (!stored->replaced[0])
        remove_files(o);
    end(o);
}

/* Its rows go to the database while the sync runs. */
static void on_written(void *arg, enum base_err err, const struct store_object *object)
{
    struct ingest_object *o = arg;
    (void)err;
    assert(!o->entry);
    o->object = *object;
    o->batch_err = add_to_batch(o);
}

static void on_durable(void *arg, enum base_err err, const struct store_object *object)
{
    struct ingest_object *o = arg;
    (void)object;
    o->put = NULL;
    if (err)
        o->object.location[0] = 0; /* the store has removed it */
    if (o->entry) {
        ingest_batch_settle(o->entry, err);
        return;
    }
    err = err ? err : o->batch_err;
    assert(err); /* without an entry it was either not written, or not added */
    remove_files(o);
    fail(o, err, why_not_stored(err));
    end(o);
}

void ingest_object_finish(struct ingest_object *o, ingest_object_fn *fn, void *arg)
{
    assert(!o->fn);
    o->fn = fn;
    o->arg = arg;
    o->on_room = NULL;
    if (!o->result.err && !o->put)
        scan(o, base_buf_bytes(&o->prefix), true);
    if (o->result.err) {
        if (o->source.original)
            remove_file(o, o->original.location);
        end(o);
        return;
    }
    assert(o->put); /* a whole scan begins the file or fails */
    read_metadata(o, true);
    store_put_finish(o->put, on_written, on_durable, o);
}

void ingest_object_abort(struct ingest_object *o)
{
    if (!o)
        return;
    assert(!o->fn);
    drop_put(o);
    object_free(o);
}
