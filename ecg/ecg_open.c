#include "ecg/ecg_open.h"

#include "ecg/ecg_format.h"

struct format_row {
    const char *name;
    bool (*probe)(struct base_bytes file);
    enum base_err (*parse)(struct base_bytes file, struct ecg_record *r, struct base_error *err);
};

static const struct format_row formats[ECG_FORMAT_COUNT] = {
    [ECG_FORMAT_UNKNOWN] = {"unknown", NULL, NULL},
    [ECG_FORMAT_SCP] = {"SCP-ECG", ecg_scp_probe, ecg_scp_parse},
    [ECG_FORMAT_DICOM] = {"DICOM", ecg_dicom_probe, ecg_dicom_parse},
};

const char *ecg_format_name(enum ecg_format format)
{
    return formats[(unsigned)format < ECG_FORMAT_COUNT ? format : ECG_FORMAT_UNKNOWN].name;
}

enum ecg_format ecg_detect(struct base_bytes file)
{
    for (unsigned i = ECG_FORMAT_UNKNOWN + 1; i < ECG_FORMAT_COUNT; i++)
        if (formats[i].probe(file))
            return (enum ecg_format)i;
    return ECG_FORMAT_UNKNOWN;
}

/* What people send by mistake, so that the message can say so. */
static const char *mistaken_for(struct base_bytes b)
{
    static const struct {
        const char *magic;
        const char *what;
    } rows[] = {
        {"%PDF", "a PDF document"},         {"\x89PNG", "a PNG picture"},
        {"\xff\xd8\xff", "a JPEG picture"}, {"PK\x03\x04", "a ZIP archive"},
        {"<?xml", "an XML file"},           {"MZ", "a Windows program"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].magic);
        if (b.n >= n && memcmp(b.p, rows[i].magic, n) == 0)
            return rows[i].what;
    }
    return NULL;
}

static enum base_err refuse(struct base_bytes file, struct base_error *err)
{
    if (file.n == 0)
        return base_fail(err, BASE_EFORMAT, 0, "the file is empty");
    const char *what = mistaken_for(file);
    if (what)
        return base_fail(err, BASE_EUNSUPPORTED, 0,
                         "this is %s, not an ECG recording that rdc reads; export it from the "
                         "recorder as SCP-ECG or DICOM",
                         what);
    return base_fail(err, BASE_EUNSUPPORTED, 0,
                     "not an ECG recording that rdc reads (SCP-ECG, DICOM)");
}

enum base_err ecg_open(const struct ecg_input *files, size_t n, const struct ecg_limits *limits,
                       struct ecg_record **out, struct base_error *err)
{
    if (!limits)
        limits = &ecg_limits_default;
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (files[i].bytes.n > limits->bytes - total)
            return base_fail(err, BASE_ELIMIT, BASE_NOPOS, "over the limit of %zu bytes",
                             limits->bytes);
        total += files[i].bytes.n;
    }
    if (n == 0)
        return base_fail(err, BASE_EINVAL, BASE_NOPOS, "no file given");
    enum ecg_format format = ecg_detect(files[0].bytes);
    if (format == ECG_FORMAT_UNKNOWN)
        return refuse(files[0].bytes, err);
    struct ecg_record *r = ecg_record_new(limits);
    if (!r)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    r->format = formats[format].name;
    enum base_err e = formats[format].parse(files[0].bytes, r, err);
    if (!e && r->err)
        e = base_fail(err, r->err, BASE_NOPOS, "%s: %s", formats[format].name,
                      r->err == BASE_ELIMIT ? "more text or items than the limit allows"
                                            : base_err_text(r->err));
    if (e) {
        ecg_record_free(r);
        return e;
    }
    r->limits = &ecg_limits_default;
    *out = r;
    return BASE_OK;
}
