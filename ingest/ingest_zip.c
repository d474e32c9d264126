#include "ingest/ingest_zip.h"

#include "base/utf8.h"
#include "dicom/dicom_charset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL = 0x04034b50,      /* local file header */
    CENTRAL = 0x02014b50,    /* central directory header */
    END_RECORD = 0x06054b50, /* end of central directory */
    EXTRA = 0x08064b50,      /* archive extra data record */
    END64 = 0x06064b50,      /* ZIP64 end of central directory */
    LOCATOR = 0x07064b50,    /* of the record before */
    SIGNED = 0x05054b50,     /* digital signature */
    DESCRIPTOR = 0x08074b50,
    HEADER = 30,
    CENTRAL_HEADER = 46, /* the longest fixed part of a record */
    NAME_MAX_BYTES = 1024,
    OUTPUT = 64 * 1024,
    FREE_BYTES = 64 << 20, /* before the ratio counts */
    RATIO_MAX = 300,
};

/*
 *  SIGNATURE ─LOCAL─► FIXED ─► NAMES ─► CONTENT ─► [DESCRIPTOR…] ─► SIGNATURE
 *      └─ any other record ─► RECORD ─► REST ─► RECORD_SIGNATURE ─► RECORD …
 *                                        └─ of the last ─► AFTER ─LOCAL─► FIXED
 *                                                            └─ anything else ─► DONE
 */
enum zip_state {
    SIGNATURE,
    FIXED,
    NAMES,
    CONTENT,
    TRAILER_SIGNATURE,
    TRAILER,
    /* the central directory and what belongs to it */
    RECORD_SIGNATURE,
    RECORD,
    REST,
    AFTER,
    DONE,
    BAD
};

struct ingest_zip {
    enum zip_state state;
    uint8_t head[CENTRAL_HEADER];
    size_t head_n;
    uint8_t names[2 * 65535]; /* name and extra field */
    size_t names_n;
    size_t name_len;
    size_t extra_len;
    char name[NAME_MAX_BYTES + 1];
    uint16_t flags;
    uint16_t method;
    bool deflated; /* and its end has not come */
    bool sized;    /* the header has size and CRC */
    bool zip64;    /* a descriptor has 8-byte sizes */
    bool told;     /* the entry was announced: it is not a folder */
    uint32_t want; /* CRC */
    uint32_t crc;
    uint64_t left;  /* compressed bytes to come, if sized or stored; of a record, to pass over */
    uint64_t seen;  /* entries that came */
    uint64_t named; /* by central directories */
    size_t trailer_want;
    z_stream stream;
    uint64_t in;
    uint64_t out;
    uint64_t max_total;
    enum base_err err;
    const char *cause;
    uint8_t output[OUTPUT];
};

enum base_err ingest_zip_new(uint64_t max_total, struct ingest_zip **out)
{
    struct ingest_zip *z = calloc(1, sizeof *z);
    if (!z)
        return BASE_ENOMEM;
    /* Negative: raw deflate, without zlib's header. */
    if (inflateInit2(&z->stream, -MAX_WBITS) != Z_OK) {
        free(z);
        return BASE_ENOMEM;
    }
    z->max_total = max_total;
    *out = z;
    return BASE_OK;
}

void ingest_zip_free(struct ingest_zip *z)
{
    if (!z)
        return;
    inflateEnd(&z->stream);
    free(z);
}

bool ingest_zip_is(struct base_bytes head)
{
    if (head.n < 4)
        return false;
    uint32_t signature = base_load_le32(head.p);
    return signature == LOCAL || signature == END_RECORD;
}

bool ingest_zip_complete(const struct ingest_zip *z)
{
    return z->state >= RECORD_SIGNATURE && z->state != BAD;
}

const char *ingest_zip_name(const struct ingest_zip *z)
{
    return z->name;
}

enum base_err ingest_zip_error(const struct ingest_zip *z, const char **cause)
{
    *cause = z->cause ? z->cause : "";
    return z->err;
}

static enum ingest_zip_event refuse(struct ingest_zip *z, enum base_err err, const char *cause)
{
    z->state = BAD;
    z->err = err;
    z->cause = cause;
    return INGEST_ZIP_REFUSED;
}

/* Collects up to n bytes into head; true when they are there. */
static bool collect(struct ingest_zip *z, struct base_bytes *in, size_t n)
{
    assert(z->head_n <= n && n <= sizeof z->head);
    size_t take = n - z->head_n < in->n ? n - z->head_n : in->n;
    if (take)
        memcpy(z->head + z->head_n, in->p, take);
    z->head_n += take;
    *in = base_bytes_of(in->p + take, in->n - take);
    return z->head_n == n;
}

static void expect(struct ingest_zip *z, enum zip_state state)
{
    z->state = state;
    z->head_n = 0;
}

/* ---- headers ---- */

static enum ingest_zip_event on_signature(struct ingest_zip *z)
{
    switch (base_load_le32(z->head)) {
    case LOCAL:
        z->state = FIXED;
        return INGEST_ZIP_MORE;
    case CENTRAL:
    case END_RECORD:
    case EXTRA:
    case END64:
        z->state = RECORD;
        return INGEST_ZIP_END;
    default:
        return refuse(z, BASE_EFORMAT, "the archive is damaged: no header where one should be");
    }
}

/* APPNOTE 4.3.7 */
static enum ingest_zip_event on_fixed(struct ingest_zip *z)
{
    z->flags = base_load_le16(z->head + 6);
    z->method = base_load_le16(z->head + 8);
    z->deflated = z->method == 8;
    z->sized = !(z->flags & 8);
    z->want = base_load_le32(z->head + 14);
    z->left = base_load_le32(z->head + 18);
    z->name_len = base_load_le16(z->head + 26);
    z->extra_len = base_load_le16(z->head + 28);
    z->names_n = 0;
    z->zip64 = false;
    z->seen++;
    z->state = NAMES;
    return INGEST_ZIP_MORE;
}

/* APPNOTE 4.5.3: sizes of 8 bytes, the original one first. */
static void read_zip64(struct ingest_zip *z)
{
    const uint8_t *p = z->names + z->name_len;
    for (size_t left = z->extra_len; left >= 4;) {
        size_t n = base_load_le16(p + 2);
        if (n > left - 4)
            return;
        if (base_load_le16(p) == 1) {
            z->zip64 = true;
            if (n >= 16 && z->left == UINT32_MAX)
                z->left = base_load_le64(p + 12);
        }
        p += 4 + n;
        left -= 4 + n;
    }
}

/* Bit 11 of the flags says that it is UTF-8, but what is UTF-8 is known without it too; else the
 * set is that of the system that made the archive, here mostly GBK. */
static enum base_err read_name(struct ingest_zip *z)
{
    const struct dicom_charset none = {0};
    struct base_buf text = {0};
    bool guessed = false;
    enum base_err err =
        dicom_charset_to_utf8(&none, base_bytes_of(z->names, z->name_len), &text, &guessed);
    size_t n = base_utf8_cut(base_buf_cstr(&text), text.n, NAME_MAX_BYTES);
    if (!err)
        memcpy(z->name, base_buf_cstr(&text), n);
    z->name[err ? 0 : n] = '\0';
    base_buf_deinit(&text);
    return err;
}

static enum ingest_zip_event on_names(struct ingest_zip *z)
{
    if (read_name(z))
        return refuse(z, BASE_ENOMEM, "out of memory");
    if (z->flags & 0x2041)
        return refuse(z, BASE_EUNSUPPORTED, "the archive is encrypted: make it without a password");
    if (z->method != 0 && z->method != 8)
        return refuse(
            z, BASE_EUNSUPPORTED,
            "an entry is compressed by another method than deflate: make an ordinary ZIP");
    read_zip64(z);
    z->told = z->name_len == 0 || z->names[z->name_len - 1] != '/';
    /* Who writes to a pipe may know the size, but not the CRC. */
    if (!z->sized && !z->deflated && z->left == 0 && z->told)
        return refuse(z, BASE_EUNSUPPORTED,
                      "a stored entry has no size in its header: make an ordinary ZIP");
    z->crc = (uint32_t)crc32(0, NULL, 0);
    if (inflateReset(&z->stream) != Z_OK)
        return refuse(z, BASE_ENOMEM, "out of memory");
    z->state = CONTENT;
    return z->told ? INGEST_ZIP_ENTRY : INGEST_ZIP_MORE;
}

/* ---- content ---- */

static enum ingest_zip_event end_entry(struct ingest_zip *z)
{
    expect(z, SIGNATURE);
    if (!z->told)
        return INGEST_ZIP_MORE;
    return z->crc == z->want ? INGEST_ZIP_ENTRY_END : INGEST_ZIP_ENTRY_BAD;
}

static enum ingest_zip_event end_content(struct ingest_zip *z)
{
    if (z->sized)
        return end_entry(z);
    expect(z, TRAILER_SIGNATURE);
    return INGEST_ZIP_MORE;
}

static enum ingest_zip_event give(struct ingest_zip *z, const uint8_t *p, size_t n,
                                  struct base_bytes *data)
{
    z->crc = (uint32_t)crc32(z->crc, p, (uInt)n);
    z->out += n;
    if (z->out > z->max_total)
        return refuse(z, BASE_ELIMIT, "the archive holds more than the server takes at once");
    if (z->out > FREE_BYTES && z->out / RATIO_MAX > z->in)
        return refuse(z, BASE_ELIMIT,
                      "the archive grows out of all proportion when it is unpacked");
    *data = base_bytes_of(p, n);
    return z->told ? INGEST_ZIP_DATA : INGEST_ZIP_MORE;
}

static enum ingest_zip_event stored(struct ingest_zip *z, struct base_bytes *in,
                                    struct base_bytes *data)
{
    size_t n = z->left < in->n ? (size_t)z->left : in->n;
    if (z->left == 0)
        return end_content(z);
    if (n > OUTPUT)
        n = OUTPUT;
    const uint8_t *p = in->p;
    z->left -= n;
    *in = base_bytes_of(in->p + n, in->n - n);
    return n ? give(z, p, n, data) : INGEST_ZIP_MORE;
}

static enum ingest_zip_event inflated(struct ingest_zip *z, struct base_bytes *in,
                                      struct base_bytes *data)
{
    size_t n = in->n < OUTPUT ? in->n : OUTPUT;
    if (z->sized && z->left < n)
        n = (size_t)z->left;
    z->stream.next_in = (Bytef *)(uintptr_t)in->p; /* zlib does not write to it */
    z->stream.avail_in = (uInt)n;
    z->stream.next_out = z->output;
    z->stream.avail_out = OUTPUT;
    int code = inflate(&z->stream, Z_NO_FLUSH);
    size_t used = n - z->stream.avail_in;
    size_t made = OUTPUT - z->stream.avail_out;
    z->left -= z->sized ? used : 0;
    *in = base_bytes_of(in->p + used, in->n - used);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return refuse(z, code == Z_MEM_ERROR ? BASE_ENOMEM : BASE_EFORMAT,
                      "the archive is damaged: an entry cannot be unpacked");
    if (code == Z_STREAM_END) {
        if (z->sized && z->left)
            return refuse(z, BASE_EFORMAT, "the archive is damaged: an entry ends too early");
        z->stream.next_in = NULL;
        z->deflated = false; /* the end is reported next, as for a stored one */
        z->left = 0;
    } else if (z->sized && z->left == 0 && made == 0) {
        return refuse(z, BASE_EFORMAT, "the archive is damaged: an entry does not end");
    }
    return made ? give(z, z->output, made, data) : INGEST_ZIP_MORE;
}

/* ---- data descriptors: APPNOTE 4.3.9, the signature may be missing ---- */

static enum ingest_zip_event on_trailer_signature(struct ingest_zip *z)
{
    uint32_t signature = base_load_le32(z->head);
    bool has_signature = signature == DESCRIPTOR;
    /* Of a folder, whose CRC would be 0, it may be left out. */
    if (!z->told && !has_signature && signature != 0)
        return on_signature(z);
    z->trailer_want = (has_signature ? 4U : 0U) + 4U + (z->zip64 ? 16U : 8U);
    z->state = TRAILER;
    return INGEST_ZIP_MORE;
}

static enum ingest_zip_event on_trailer(struct ingest_zip *z)
{
    bool has_signature = z->trailer_want % 8 == 0;
    z->want = base_load_le32(z->head + (has_signature ? 4 : 0));
    return end_entry(z);
}

/* ---- central directories: APPNOTE 4.3.12 to 4.3.16 ---- */

/* The length of a record's fixed part; 0: it is none. */
static size_t record_size(uint32_t signature)
{
    switch (signature) {
    case CENTRAL:
        return CENTRAL_HEADER;
    case EXTRA:
        return 8;
    case SIGNED:
        return 6;
    case END64:
        return 12;
    case LOCATOR:
        return 20;
    case END_RECORD:
        return 22;
    default:
        return 0;
    }
}

static enum ingest_zip_event on_record(struct ingest_zip *z)
{
    const uint8_t *p = z->head;
    z->left = 0;
    switch (base_load_le32(p)) {
    case CENTRAL:
        z->named++;
        z->left =
            (uint64_t)base_load_le16(p + 28) + base_load_le16(p + 30) + base_load_le16(p + 32);
        break;
    case EXTRA:
        z->left = base_load_le32(p + 4);
        break;
    case SIGNED:
        z->left = base_load_le16(p + 4);
        break;
    case END64:
        z->left = base_load_le64(p + 4);
        break;
    case END_RECORD:
        z->left = base_load_le16(p + 20);
        /* What is hidden in another entry, or was cut out. More than it names may have come: who
         * deletes from an archive may leave the content. */
        if (z->named > z->seen)
            return refuse(z, BASE_EFORMAT,
                          "the archive is damaged: its directory names files that are not there");
        break;
    default:
        break;
    }
    z->state = REST;
    return INGEST_ZIP_MORE;
}

static enum ingest_zip_event pass_rest(struct ingest_zip *z, struct base_bytes *in)
{
    size_t n = z->left < in->n ? (size_t)z->left : in->n;
    z->left -= n;
    *in = base_bytes_of(in->p + n, in->n - n);
    if (z->left == 0)
        expect(z, base_load_le32(z->head) == END_RECORD ? AFTER : RECORD_SIGNATURE);
    return INGEST_ZIP_MORE;
}

/* One step; MORE when it took what it needed and another step may follow. */
static enum ingest_zip_event step(struct ingest_zip *z, struct base_bytes *in,
                                  struct base_bytes *data)
{
    switch (z->state) {
    case SIGNATURE:
        z->name[0] = '\0'; /* what is wrong here is no entry's */
        return collect(z, in, 4) ? on_signature(z) : INGEST_ZIP_MORE;
    case FIXED:
        return collect(z, in, HEADER) ? on_fixed(z) : INGEST_ZIP_MORE;
    case NAMES: {
        assert(z->names_n <= z->name_len + z->extra_len);
        size_t want = z->name_len + z->extra_len - z->names_n;
        size_t n = want < in->n ? want : in->n;
        if (n)
            memcpy(z->names + z->names_n, in->p, n);
        z->names_n += n;
        *in = base_bytes_of(in->p + n, in->n - n);
        return n == want ? on_names(z) : INGEST_ZIP_MORE;
    }
    case CONTENT:
        return z->deflated ? inflated(z, in, data) : stored(z, in, data);
    case TRAILER_SIGNATURE:
        return collect(z, in, 4) ? on_trailer_signature(z) : INGEST_ZIP_MORE;
    case TRAILER:
        return collect(z, in, z->trailer_want) ? on_trailer(z) : INGEST_ZIP_MORE;
    case RECORD_SIGNATURE:
        if (collect(z, in, 4))
            z->state = record_size(base_load_le32(z->head)) ? RECORD : DONE;
        return INGEST_ZIP_MORE;
    case RECORD:
        return collect(z, in, record_size(base_load_le32(z->head))) ? on_record(z)
                                                                    : INGEST_ZIP_MORE;
    case REST:
        return pass_rest(z, in);
    case AFTER: /* another archive may have been put behind it */
        if (collect(z, in, 4))
            z->state = base_load_le32(z->head) == LOCAL ? FIXED : DONE;
        return INGEST_ZIP_MORE;
    case DONE:
        *in = base_bytes_of(in->p + in->n, 0);
        return INGEST_ZIP_MORE;
    case BAD:
    default:
        return INGEST_ZIP_REFUSED;
    }
}

size_t ingest_zip_parse(struct ingest_zip *z, struct base_bytes in, enum ingest_zip_event *event,
                        struct base_bytes *data)
{
    size_t n = in.n;
    assert(z->state != BAD);
    *data = base_bytes_of(NULL, 0);
    for (;;) {
        enum zip_state state = z->state;
        bool deflated = z->deflated;
        size_t before = in.n;
        *event = step(z, &in, data);
        z->in += before - in.n;
        /* Something may still come without input: inflated bytes, an empty entry's end. */
        bool moved = before != in.n || state != z->state || deflated != z->deflated;
        if (*event != INGEST_ZIP_MORE || !moved)
            return n - in.n;
    }
}
