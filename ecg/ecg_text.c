#include "ecg/ecg_text.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <iconv.h>

static bool is_ascii(struct base_bytes b)
{
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] >= 0x80)
            return false;
    return true;
}

/* GBK pairs throughout, and most of them in the area of GB 2312 hanzi: in
 * Latin text a letter with accent is followed by a plain one. */
static bool looks_like_gbk(struct base_bytes b)
{
    size_t pairs = 0;
    size_t hanzi = 0;
    for (size_t i = 0; i < b.n;) {
        if (b.p[i] < 0x80) {
            i++;
            continue;
        }
        if (i + 1 >= b.n || b.p[i] == 0x80 || b.p[i] == 0xff || b.p[i + 1] < 0x40 ||
            b.p[i + 1] == 0x7f || b.p[i + 1] == 0xff)
            return false;
        pairs++;
        if (b.p[i] >= 0xb0 && b.p[i] <= 0xf7 && b.p[i + 1] >= 0xa1)
            hanzi++;
        i += 2;
    }
    return hanzi * 2 > pairs;
}

static void convert(struct base_buf *out, struct base_bytes raw, const char *from)
{
    iconv_t cd = iconv_open("UTF-8", from);
    if (cd == (iconv_t)-1) {
        for (size_t i = 0; i < raw.n; i++)
            if (raw.p[i] < 0x80)
                base_buf_add_byte(out, raw.p[i]);
            else
                base_buf_add_str(out, "\xef\xbf\xbd");
        return;
    }
    /* iconv's type predates const; it does not write there. */
    char *in = (char *)(uintptr_t)raw.p;
    size_t left = raw.n;
    while (left && !out->err) {
        char piece[256];
        char *to = piece;
        size_t room = sizeof piece;
        size_t before = left;
        iconv(cd, &in, &left, &to, &room);
        base_buf_add(out, piece, (size_t)(to - piece));
        if (left == before && to == piece) {
            base_buf_add_str(out, "\xef\xbf\xbd");
            in++;
            left--;
        }
    }
    iconv_close(cd);
}

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

const char *ecg_text_utf8(struct ecg_record *r, struct base_bytes raw, const char *declared,
                          bool *guessed)
{
    struct base_buf out;
    base_buf_init(&out, r->limits->text);
    raw = trim(raw);
    *guessed = false;
    if (is_ascii(raw)) {
        base_buf_add(&out, raw.p, raw.n);
    } else if (base_utf8_valid((const char *)raw.p, raw.n)) {
        *guessed = !declared || strcmp(declared, "UTF-8") != 0;
        base_buf_add(&out, raw.p, raw.n);
    } else if (looks_like_gbk(raw)) {
        *guessed = !declared || strncmp(declared, "GB", 2) != 0;
        convert(&out, raw, "GB18030");
    } else {
        *guessed = !declared;
        convert(&out, raw, declared ? declared : "ISO-8859-1");
    }
    for (size_t i = 0; i < out.n; i++)
        if (out.p[i] < ' ' && out.p[i] != '\n')
            out.p[i] = ' ';
    if (out.err && !r->err)
        r->err = out.err;
    const char *text = ecg_record_text(r, base_buf_cstr(&out), out.n);
    base_buf_deinit(&out);
    return text;
}

struct ecg_text ecg_text_of(struct ecg_record *r, struct base_bytes raw, const char *declared)
{
    struct ecg_text t = {0};
    t.utf8 = ecg_text_utf8(r, raw, declared, &t.guessed);
    t.raw = ecg_record_bytes(r, raw);
    return t;
}
