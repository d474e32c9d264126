#include "ingest/ingest_arrival.h"

#include "ecg/ecg_open.h"
#include "ingest/ingest_ecg.h"
#include "ingest/ingest_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SNIFF_BYTES = 4096,      /* enough to recognise nearly any file */
    SNIFF_MAX = 256 * 1024,  /* as long as a meta group may be */
    ECG_FILE_MAX = 64 << 20, /* of a file that is read whole */
};

struct ingest_arrival {
    struct ingest *g;
    struct ingest_arrival_options options;
    char centre_code[INGEST_CENTRE_CODE];
    struct base_buf head;         /* until recognised; of an ECG file: all of it */
    size_t held;                  /* of it, also while it is converted */
    struct ingest_object *object; /* DICOM, from when it was recognised to finish */
    size_t look_at;               /* bytes of head at which to try to recognise it again */
    bool is_ecg;
    bool is_part;                 /* may be one of several files of an ECG: kept whole */
    struct base_error unlike;     /* why it is not a DICOM file */
    struct ingest_result refusal; /* err is set once it is refused */
    void (*on_room)(void *arg);
    void *on_room_arg;
    ingest_object_fn *fn;
    void *arg;
};

int ingest_http_status(enum base_err err)
{
    switch ((int)err) {
    case BASE_EFORMAT:
    case BASE_EINVAL:
        return 422;
    case BASE_EUNSUPPORTED:
        return 415;
    case BASE_ELIMIT:
        return 413;
    case BASE_ENOSPC:
        return 507;
    default:
        return 503;
    }
}

enum base_err ingest_arrival_new(struct ingest *g, const struct ingest_arrival_options *options,
                                 struct ingest_arrival **out)
{
    struct ingest_arrival *f = calloc(1, sizeof *f);
    if (!f)
        return BASE_ENOMEM;
    f->g = g;
    f->options = *options;
    snprintf(f->centre_code, sizeof f->centre_code, "%s",
             options->source.centre_code ? options->source.centre_code : "");
    f->options.source.centre_code = f->centre_code;
    f->look_at = SNIFF_BYTES;
    base_buf_init(&f->head, ECG_FILE_MAX);
    *out = f;
    return BASE_OK;
}

static void file_free(struct ingest_arrival *f)
{
    api_limits_unhold(f->g->config->limits, &f->held);
    base_buf_deinit(&f->head);
    free(f);
}

static void refuse(struct ingest_arrival *f, enum base_err err, const char *message)
{
    assert(!f->object);
    f->refusal.err = err;
    snprintf(f->refusal.message, sizeof f->refusal.message, "%s", message);
    base_buf_deinit(&f->head);
}

/* ZIP within another one, gzip, RAR, 7z. */
static bool is_packed(struct base_bytes b)
{
    static const char *const magic[] = {"PK\x03\x04", "\x1f\x8b", "Rar!", "7z\xbc\xaf"};
    for (size_t i = 0; i < sizeof magic / sizeof magic[0]; i++)
        if (b.n >= strlen(magic[i]) && memcmp(b.p, magic[i], strlen(magic[i])) == 0)
            return true;
    return false;
}

static void refuse_unknown(struct ingest_arrival *f)
{
    if (f->unlike.code == BASE_EUNSUPPORTED ||
        (f->unlike.code && dicom_part10_has_preamble(base_buf_bytes(&f->head))))
        refuse(f, f->unlike.code, f->unlike.msg);
    else if (f->options.dicom_only)
        refuse(f, BASE_EFORMAT, "it is not a DICOM file");
    else if (is_packed(base_buf_bytes(&f->head)))
        refuse(f, BASE_EUNSUPPORTED,
               "it is an archive, or compressed: unpack it, or send its files in one ZIP archive");
    else
        refuse(f, BASE_EUNSUPPORTED,
               "it is neither DICOM nor an ECG format that rdc reads; send a DICOM file, or an "
               "SCP-ECG, HL7 aECG, GE MUSE or Philips XML, EDF, MFER, ISHNE or WFDB file, as the "
               "device exported it");
}

/* A file that is not DICOM may still be the signals of a recording of several files. */
static void refuse_or_keep(struct ingest_arrival *f)
{
    f->is_part = f->options.parts && !dicom_part10_has_preamble(base_buf_bytes(&f->head));
    if (!f->is_part)
        refuse_unknown(f);
}

/* ---- recognition ---- */

static void on_room(void *arg)
{
    struct ingest_arrival *f = arg;
    if (f->on_room)
        f->on_room(f->on_room_arg);
}

/* The data set of a DICOM file goes on to the store. */
static bool begin_dicom(struct ingest_arrival *f, bool complete)
{
    struct dicom_part10 file;
    struct base_bytes head = base_buf_bytes(&f->head);
    if (dicom_part10_read(head, complete, &file, &f->unlike) != DICOM_SCAN_DONE)
        return false;
    if (strcmp(file.sop_class, DICOM_UID_MEDIA_DIRECTORY) == 0) {
        refuse(f, BASE_EFORMAT,
               "it is a DICOMDIR, the list of the files on a medium; send those files");
        return true;
    }
    f->options.source.syntax = file.syntax;
    if (ingest_object_new(f->g, &f->options.source, &f->object)) {
        refuse(f, BASE_ENOMEM, "the server is out of memory; send it again later");
        return true;
    }
    ingest_object_on_room(f->object, on_room, f);
    ingest_object_write(f->object, base_bytes_of(head.p + file.dataset, head.n - file.dataset));
    base_buf_deinit(&f->head);
    return true;
}

/* By the first bytes of the file, or all of them. */
static bool recognise(struct ingest_arrival *f, bool complete)
{
    struct base_bytes head = base_buf_bytes(&f->head);
    enum ecg_format format = f->options.dicom_only || dicom_part10_has_preamble(head)
                                 ? ECG_FORMAT_UNKNOWN
                                 : ecg_detect(head);
    if (f->options.parts && ecg_format_has_files(format))
        f->is_part = true;
    else if (ecg_format_is_foreign(format))
        f->is_ecg = true;
    return f->is_ecg || f->is_part || begin_dicom(f, complete);
}

/* Looks at all of the head each time, at growing lengths, so that a sender of single bytes costs no
 * more. */
static void look(struct ingest_arrival *f)
{
    size_t n = f->head.n;
    f->look_at = n + n / 4 < SNIFF_MAX ? n + n / 4 : SNIFF_MAX;
    if (!recognise(f, false) && n >= SNIFF_MAX)
        refuse_or_keep(f);
}

void ingest_arrival_write(struct ingest_arrival *f, struct base_bytes bytes)
{
    if (f->refusal.err)
        return;
    if (f->object) {
        ingest_object_write(f->object, bytes);
        return;
    }
    base_buf_add(&f->head, bytes.p, bytes.n);
    if (f->head.err)
        refuse(f, BASE_ELIMIT, "it is too large: an ECG file may have 64 MiB");
    else if (!f->is_ecg && !f->is_part && f->head.n >= f->look_at)
        look(f);
    if ((f->is_ecg || f->is_part) && !f->refusal.err &&
        !api_limits_hold(f->g->config->limits, &f->held, f->head.n))
        refuse(f, BASE_EUNAVAILABLE, INGEST_MUCH_HELD);
}

bool ingest_arrival_is_refused(const struct ingest_arrival *f)
{
    return f->refusal.err != BASE_OK;
}

bool ingest_arrival_room(struct ingest_arrival *f)
{
    return !f->object || ingest_object_room(f->object);
}

void ingest_arrival_on_room(struct ingest_arrival *f, void (*fn)(void *arg), void *arg)
{
    f->on_room = fn;
    f->on_room_arg = arg;
}

/* ---- the end ---- */

static void on_result(void *arg, const struct ingest_result *result)
{
    struct ingest_arrival *f = arg;
    f->fn(f->arg, result);
    file_free(f);
}

static void on_ecg_result(void *arg, enum base_err err, const struct ingest_result *result,
                          const char *message)
{
    struct ingest_arrival *f = arg;
    if (err)
        refuse(f, err, message);
    on_result(f, err ? &f->refusal : result);
}

static void recognise_whole(struct ingest_arrival *f)
{
    if (f->refusal.err || f->object || f->is_ecg || f->is_part)
        return;
    if (f->head.n == 0)
        refuse(f, BASE_EFORMAT, "it is empty");
    else if (!recognise(f, true))
        refuse_or_keep(f);
}

bool ingest_arrival_part(struct ingest_arrival *f, struct base_buf *out)
{
    recognise_whole(f);
    if (!f->is_part || f->refusal.err)
        return false;
    *out = f->head;
    f->head = (struct base_buf){0};
    file_free(f);
    return true;
}

void ingest_arrival_finish(struct ingest_arrival *f, ingest_object_fn *fn, void *arg)
{
    assert(!f->fn);
    f->fn = fn;
    f->arg = arg;
    f->on_room = NULL;
    recognise_whole(f);
    if (f->refusal.err) {
        on_result(f, &f->refusal);
    } else if (f->is_ecg) {
        ingest_ecg_take(f->g, &f->options.source, f->centre_code, &f->head, on_ecg_result, f);
    } else {
        struct ingest_object *o = f->object;
        assert(o && !f->is_part); /* a part that was not refused is taken by ingest_arrival_part */
        f->object = NULL;
        ingest_object_finish(o, on_result, f);
    }
}

void ingest_arrival_abort(struct ingest_arrival *f)
{
    if (!f)
        return;
    assert(!f->fn);
    ingest_object_abort(f->object);
    file_free(f);
}
