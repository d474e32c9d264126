#include "ecg/ecg_text.h"

#include "base/buf.h"

static struct base_bytes trim(struct base_bytes raw)
{
    const uint8_t *end = raw.n ? memchr(raw.p, 0, raw.n) : NULL;
    if (end)
        raw.n = (size_t)(end - raw.p);
    while (raw.n && raw.p[raw.n - 1] <= ' ')
        raw.n--;
    while (raw.n && raw.p[0] <= ' ') {
        raw.p++;
        raw.n--;
    }
    return raw;
}

const char *ecg_text_utf8(struct ecg_record *r, struct base_bytes raw,
                          const struct dicom_charset *declared, bool *guessed)
{
    struct base_buf out;
    base_buf_init(&out, r->arena.limit);
    *guessed = false;
    enum base_err e = dicom_charset_to_utf8(declared, trim(raw), &out, guessed);
    for (size_t i = 0; i < out.n; i++)
        if (out.p[i] < ' ' && out.p[i] != '\n')
            out.p[i] = ' ';
    if (e && !r->err)
        r->err = e;
    const char *text = ecg_record_text(r, base_buf_cstr(&out), out.n);
    base_buf_deinit(&out);
    return text;
}

struct ecg_text ecg_text_of(struct ecg_record *r, struct base_bytes raw,
                            const struct dicom_charset *declared)
{
    struct ecg_text t = {0};
    t.utf8 = ecg_text_utf8(r, raw, declared, &t.guessed);
    t.raw = ecg_record_bytes(r, raw);
    return t;
}
