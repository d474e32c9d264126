#include "ecg/ecg_xml.h"

#include "base/utf8.h"
#include "ecg/ecg_text.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { PIECE = 16 * 1024, PROBE = 64 * 1024 };

struct ecg_xml {
    xmlParserCtxtPtr parser;
    struct ecg_record *r;
    const struct ecg_xml_handler *handler;
    void *arg;
    const char *what;
    const char *open[ECG_XML_DEPTH]; /* names, of the parser's dictionary */
    size_t depth;
    const xmlChar **attributes; /* in start only */
    int nattributes;
    struct base_buf text;
    struct base_buf raw; /* scratch: text as the bytes of the file */
    bool bytewise;       /* the text is the file's bytes as if of ISO 8859-1 */
    bool windows;        /* declared as Windows-1252, or as the set it extends */
    bool text_cut;
    bool ended;          /* the parser knows that nothing follows */
    bool odd;            /* something in it is no XML, and was left out */
    size_t passed;       /* bytes that the parser did not see, */
    unsigned passed_eol; /* and the line ends among them */
    unsigned vain;       /* times in a row that it was looked for them in vain */
    bool guessed;        /* the set, which was declared otherwise */
    struct dicom_charset charset;
    struct base_error failure; /* the first thing that is wrong */
};

/* ---- what kind of bytes ---- */

/* 1 or 2 bytes per character; *first: the offset of the one that has ASCII. */
static size_t width_of(struct base_bytes b, size_t *first, bool *big)
{
    *first = 0;
    *big = false;
    if (b.n < 4)
        return 1;
    if ((b.p[0] == 0xff && b.p[1] == 0xfe) || (b.p[0] && b.p[1] == 0 && b.p[2] && b.p[3] == 0))
        return 2;
    if ((b.p[0] == 0xfe && b.p[1] == 0xff) || (b.p[0] == 0 && b.p[1] && b.p[2] == 0 && b.p[3])) {
        *first = 1;
        *big = true;
        return 2;
    }
    return 1;
}

/* The first bytes, as ASCII. */
static size_t head_of(struct base_bytes b, char *out, size_t size)
{
    size_t first;
    bool big;
    size_t width = width_of(b, &first, &big);
    size_t n = 0;
    for (size_t i = 0; i + width <= b.n && n < size; i += width) {
        bool high = width == 2 && b.p[i + 1 - first] != 0;
        out[n++] = (char)(high ? 0xff : b.p[i + first]);
    }
    return n;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

/* Behind the mark-up at i that is no element: a comment, a declaration. */
static size_t pass_over(const char *s, size_t n, size_t i)
{
    bool comment = n - i >= 4 && memcmp(s + i, "<!--", 4) == 0;
    int brackets = 0;
    for (; i < n; i++) {
        if (comment && n - i >= 3 && memcmp(s + i, "-->", 3) == 0)
            return i + 3;
        brackets += !comment && s[i] == '[' ? 1 : 0;
        brackets -= !comment && s[i] == ']' ? 1 : 0;
        if (!comment && s[i] == '>' && brackets <= 0)
            return i + 1;
    }
    return n;
}

/* The name of the root element; false when these characters end before it does. */
static bool find_root(const char *s, size_t n, char *out, size_t size)
{
    for (size_t i = 0; i < n;) {
        if (s[i] != '<') {
            i++;
        } else if (i + 1 < n && (s[i + 1] == '?' || s[i + 1] == '!')) {
            i = pass_over(s, n, i);
        } else {
            size_t from = ++i;
            for (; i < n && is_name(s[i]); i++)
                from = s[i] == ':' ? i + 1 : from;
            if (i < n && i - from < size)
                snprintf(out, size, "%.*s", (int)(i - from), s + from);
            return i < n;
        }
    }
    return false;
}

void ecg_xml_root(struct base_bytes file, char *out, size_t size)
{
    out[0] = '\0';
    size_t at = file.n >= 3 && memcmp(file.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    /* Most files are no XML: that shows in the first few bytes. */
    char s[PROBE];
    size_t n = head_of(base_bytes_of(file.p + at, file.n - at), s, 64);
    size_t i = 0;
    while (i < n && (s[i] == '\xff' || strchr(" \t\r\n\xfe", s[i])))
        i++;
    if (i == n || s[i] != '<')
        return;
    /* Nor do most have long comments in front. */
    bool found = false;
    for (size_t head = 1024; head <= sizeof s && !found; head *= 8) {
        n = head_of(base_bytes_of(file.p + at, file.n - at), s, head);
        found = find_root(s, n, out, size) || n < head;
    }
}

/* What the declaration says: encoding="…"; "" without one. */
static void declared(struct base_bytes file, char *out, size_t size)
{
    char s[256];
    size_t n = head_of(file, s, sizeof s - 1);
    s[n] = '\0';
    out[0] = '\0';
    char *end = strstr(s, "?>");
    const char *at = strstr(s, "encoding");
    if (!end || !at || at > end)
        return;
    at += strcspn(at, "\"'>");
    size_t len = *at == '>' ? 0 : strcspn(at + 1, "\"'>");
    if (len && len < size)
        snprintf(out, size, "%.*s", (int)len, at + 1);
}

static bool is_ascii(struct base_bytes b)
{
    uint64_t any = 0;
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= b.n; i += sizeof word) {
        memcpy(&word, b.p + i, sizeof word);
        any |= word;
    }
    for (; i < b.n; i++)
        any |= b.p[i];
    return !(any & UINT64_C(0x8080808080808080));
}

/* GBK with a common hanzi (GB 2312 rows 16 to 55), all of it: single names are too
 * short to tell, some are UTF-8 by chance. */
static bool is_gbk(struct base_bytes b)
{
    size_t common = 0;
    for (size_t i = 0; i < b.n; i++) {
        uint8_t lead = b.p[i];
        uint8_t trail = i + 1 < b.n ? b.p[i + 1] : 0;
        if (lead < 0x80)
            continue;
        if (lead == 0x80 || lead == 0xff || trail < 0x40 || trail == 0x7f || trail == 0xff)
            return false;
        common += lead >= 0xb0 && lead <= 0xd7 && trail >= 0xa1;
        i++;
    }
    return common > 0;
}

/* Chooses how the bytes are fed, and how texts are decoded. */
static const char *choose_encoding(struct ecg_xml *x, struct base_bytes file)
{
    static const struct {
        const char *name;
        const char *term; /* PS3.3 C.12.1.1.2 */
    } sets[] = {{"GB18030", "GB18030"},
                {"GBK", "GBK"},
                {"GB2312", "GBK"},
                {"CP936", "GBK"},
                {"ISO-8859-1", "ISO_IR 100"},
                {"Windows-1252", "ISO_IR 100"},
                {"CP1252", "ISO_IR 100"},
                {"ISO-8859-2", "ISO_IR 101"},
                {"ISO-8859-5", "ISO_IR 144"},
                {"ISO-8859-9", "ISO_IR 148"}};
    char name[40];
    size_t first;
    bool big;
    const char *term = "ISO_IR 192";
    bool wide = width_of(file, &first, &big) == 2;
    declared(file, name, sizeof name);
    if (!wide && !is_ascii(file)) {
        x->bytewise = !base_utf8_valid((const char *)file.p, file.n);
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
            if (strcasecmp(sets[i].name, name) == 0) {
                term = sets[i].term;
                x->bytewise = true;
            }
    }
    bool chinese = term[0] == 'G';
    x->guessed =
        x->bytewise && !chinese && !base_utf8_valid((const char *)file.p, file.n) && is_gbk(file);
    if (x->guessed)
        term = "GBK";
    x->windows = x->bytewise && strcmp(term, "ISO_IR 100") == 0;
    dicom_charset_parse(&x->charset, base_bytes_str(term));
    return x->bytewise ? "ISO-8859-1" : "UTF-8";
}

/* ---- SAX ---- */

/* The first thing that is wrong stands, and ends the reading. */
static void BASE_PRINTF(3, 4) fail(struct ecg_xml *x, enum base_err code, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    if (x->failure.code)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    long at = x->parser ? xmlByteConsumed(x->parser) : -1;
    (void)base_fail(&x->failure, code, at >= 0 ? (uint64_t)at + x->passed : BASE_NOPOS,
                    "%s, line %u: %s", x->what, ecg_xml_line(x), text);
    xmlStopParser(x->parser);
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n, int n_defaulted,
                     const xmlChar **list)
{
    struct ecg_xml *x = arg;
    (void)prefix, (void)uri, (void)n_namespaces, (void)namespaces, (void)n_defaulted;
    if (x->failure.code)
        return;
    if (x->depth == ECG_XML_DEPTH) {
        fail(x, BASE_EFORMAT, "elements are nested more than %d deep", ECG_XML_DEPTH);
        return;
    }
    x->open[x->depth++] = (const char *)name;
    x->attributes = list;
    x->nattributes = n;
    base_buf_reset(&x->text);
    x->handler->start(x->arg, x, (const char *)name);
    x->attributes = NULL;
    x->nattributes = 0;
    if (x->r->err)
        fail(x, x->r->err, "%s", base_err_text(x->r->err));
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct ecg_xml *x = arg;
    (void)prefix, (void)uri;
    if (x->failure.code || x->depth == 0)
        return;
    x->handler->end(x->arg, x, (const char *)name);
    base_buf_reset(&x->text);
    x->depth--;
    if (x->r->err)
        fail(x, x->r->err, "%s", base_err_text(x->r->err));
}

static void on_text(void *arg, const xmlChar *text, int n)
{
    struct ecg_xml *x = arg;
    if (x->failure.code || x->depth == 0)
        return;
    if (x->handler->text && x->handler->text(x->arg, x, (const char *)text, (size_t)n)) {
        if (x->r->err)
            fail(x, x->r->err, "%s", base_err_text(x->r->err));
        return;
    }
    size_t room = ECG_XML_TEXT - x->text.n;
    size_t take = (size_t)n < room ? (size_t)n : room;
    if (take < (size_t)n && !x->text_cut) {
        ecg_record_note(x->r, BASE_NOPOS, "%s, line %u: a text of more than %d bytes is cut",
                        x->what, ecg_xml_line(x), ECG_XML_TEXT);
        x->text_cut = true;
    }
    base_buf_add(&x->text, text, take);
    if (x->text.err)
        fail(x, BASE_ENOMEM, "out of memory");
}

/* What carts write into names, of which libxml2 leaves the one character or reference out. */
static bool is_left_out(int code)
{
    return code == XML_ERR_INVALID_CHAR || code == XML_ERR_INVALID_CHARREF ||
           code == XML_ERR_INVALID_DEC_CHARREF || code == XML_ERR_INVALID_HEX_CHARREF ||
           code == XML_ERR_NAME_REQUIRED || code == XML_ERR_ENTITYREF_SEMICOL_MISSING ||
           code == XML_ERR_UNDECLARED_ENTITY;
}

/* libxml2's messages quote the text: theirs is not passed on. */
static void on_error(void *arg, xmlErrorPtr error)
{
    struct ecg_xml *x = arg;
    if (error->level != XML_ERR_FATAL)
        return;
    if (is_left_out(error->code)) {
        if (!x->odd)
            ecg_record_note(x->r, BASE_NOPOS,
                            "%s, line %u: a character or reference that XML does not know is left "
                            "out (libxml2 error %d), and any after it",
                            x->what, ecg_xml_line(x), error->code);
        x->odd = true;
    } else if (error->code == XML_ERR_DOCUMENT_END || error->code == XML_ERR_TAG_NOT_FINISHED ||
               (x->ended && error->code != XML_ERR_NO_MEMORY)) {
        fail(x, BASE_EFORMAT, "the XML ends before its last element does: the file is cut");
    } else {
        fail(x, error->code == XML_ERR_NO_MEMORY ? BASE_ENOMEM : BASE_EFORMAT,
             "the XML is damaged (libxml2 error %d)", error->code);
    }
}

static size_t mark_of(struct base_bytes b)
{
    if (b.n >= 3 && memcmp(b.p, "\xef\xbb\xbf", 3) == 0)
        return 3;
    return b.n >= 2 && (memcmp(b.p, "\xff\xfe", 2) == 0 || memcmp(b.p, "\xfe\xff", 2) == 0) ? 2 : 0;
}

static void feed_piece(struct ecg_xml *x, const void *p, size_t n, bool last)
{
    int code = xmlParseChunk(x->parser, p, (int)n, false);
    /* What is found wrong only now is wrong because nothing follows. */
    x->ended = last;
    if (last && !x->failure.code)
        code = xmlParseChunk(x->parser, "", 0, true);
    if (code && !x->failure.code && !x->odd)
        fail(x, BASE_EFORMAT, "this is no XML");
    /* What the parser keeps back is one tag or comment that has not ended. */
    if (!x->failure.code && x->parser->input &&
        x->parser->input->end - x->parser->input->cur > ECG_XML_TAG)
        fail(x, BASE_ELIMIT, "a tag or comment of more than %d bytes", ECG_XML_TAG);
}

/* UTF-16 to UTF-8 by ourselves: libxml2 tells of damage on stderr, with the text. */
static void feed_wide(struct ecg_xml *x, struct base_bytes b, bool big)
{
    char out[PIECE];
    size_t n = 0;
    for (size_t at = 0; at + 2 <= b.n && !x->failure.code;) {
        n += base_utf8_put(base_utf16_next(b, big, &at), out + n);
        if (n + 4 > sizeof out) {
            feed_piece(x, out, n, false);
            n = 0;
        }
    }
    if (!x->failure.code)
        feed_piece(x, out, n, true);
}

/* Behind the tag in these bytes that begins an element of which the handler takes text as it
 * stands; all of them without one. */
static size_t cut_at_plain(const struct ecg_xml *x, const uint8_t *p, size_t n)
{
    enum { VAIN_MAX = 64 /* a document that has such tags without such text is not cut up */ };
    const char *name = x->handler->plain_name;
    const uint8_t *at = p;
    while (name && x->vain < VAIN_MAX &&
           (at = memmem(at, n - (size_t)(at - p), name, strlen(name))) != NULL) {
        bool begins = at > p && (at[-1] == '<' || at[-1] == ':');
        const uint8_t *end = begins ? memchr(at, '>', n - (size_t)(at - p)) : NULL;
        if (end)
            return (size_t)(end - p) + 1;
        at++;
    }
    return n;
}

/* Text from here on that the handler takes as it stands, when the parser has seen all before:
 * how many bytes. */
static size_t take_plain(struct ecg_xml *x, const uint8_t *p, size_t n)
{
    const char *name = x->handler->plain_name;
    const xmlParserInput *input = x->parser->input;
    if (!name || !x->depth || !input || input->cur != input->end ||
        strcmp(x->open[x->depth - 1], name) != 0)
        return 0;
    size_t took = x->handler->plain(x->arg, x, (const char *)p, n < PIECE ? n : PIECE);
    x->vain = took ? 0 : x->vain + 1;
    x->passed += took;
    for (size_t i = 0; i < took;) {
        size_t end = took - i < UINT8_MAX ? took : i + UINT8_MAX;
        uint8_t lines = 0; /* so narrow, vectors count them */
        for (; i < end; i++)
            lines = (uint8_t)(lines + (p[i] == '\n'));
        x->passed_eol += lines;
    }
    if (x->r->err)
        fail(x, x->r->err, "%s", base_err_text(x->r->err));
    return took;
}

static void feed_narrow(struct ecg_xml *x, struct base_bytes b)
{
    for (size_t at = 0; at < b.n && !x->failure.code;) {
        size_t n = take_plain(x, b.p + at, b.n - at);
        if (n == 0) {
            n = cut_at_plain(x, b.p + at, b.n - at < PIECE ? b.n - at : PIECE);
            feed_piece(x, b.p + at, n, at + n == b.n);
        } else if (at + n == b.n && !x->failure.code) {
            feed_piece(x, "", 0, true);
        }
        at += n;
    }
}

static void feed(struct ecg_xml *x, struct base_bytes file)
{
    /* The byte order mark has done its work. */
    size_t at = mark_of(file);
    size_t first;
    bool big;
    if (width_of(file, &first, &big) == 2)
        feed_wide(x, base_bytes_of(file.p + at, file.n - at), big);
    else
        feed_narrow(x, base_bytes_of(file.p + at, file.n - at));
    if (!x->failure.code && x->depth)
        fail(x, BASE_EFORMAT, "the document breaks off in <%.40s>", x->open[x->depth - 1]);
}

static enum base_err run(struct ecg_xml *x, struct base_bytes file, struct base_error *err)
{
    static const xmlSAXHandler prototype = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_text,
        .serror = on_error,
    };
    xmlSAXHandler sax = prototype;
    x->parser = xmlCreatePushParserCtxt(&sax, x, NULL, 0, NULL);
    const char *encoding = choose_encoding(x, file);
    if (!x->parser || xmlCtxtResetPush(x->parser, NULL, 0, NULL, encoding) ||
        xmlCtxtUseOptions(x->parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_RECOVER))
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "%s: out of memory", x->what);
    feed(x, file);
    if (!x->failure.code)
        return BASE_OK;
    /* A document that was one at its beginning gives what was read. */
    if (x->failure.code == BASE_EFORMAT && x->r->err == BASE_OK && x->depth > 0) {
        ecg_record_damage(x->r, x->failure.pos, "%s; what follows is lost", x->failure.msg);
        for (; x->depth > 0; x->depth--) {
            base_buf_reset(&x->text);
            x->handler->end(x->arg, x, x->open[x->depth - 1]);
        }
        return BASE_OK;
    }
    if (err)
        *err = x->failure;
    return x->failure.code;
}

enum base_err ecg_xml_read(struct base_bytes file, const char *what,
                           const struct ecg_xml_handler *handler, void *arg, struct ecg_record *r,
                           struct base_error *err)
{
    struct ecg_xml *x = calloc(1, sizeof *x);
    if (!x)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "%s: out of memory", what);
    x->r = r;
    x->handler = handler;
    x->arg = arg;
    x->what = what;
    base_buf_init(&x->text, ECG_XML_TEXT);
    base_buf_init(&x->raw, ECG_XML_TEXT);
    enum base_err e = run(x, file, err);
    /* Where libxml2 keeps entities that a DOCTYPE declares, which nothing reads. */
    if (x->parser && x->parser->myDoc)
        xmlFreeDoc(x->parser->myDoc);
    xmlFreeParserCtxt(x->parser);
    xmlResetLastError(); /* it has words of the file */
    base_buf_deinit(&x->text);
    base_buf_deinit(&x->raw);
    free(x);
    return e;
}

/* ---- for handlers ---- */

bool ecg_xml_is_broken(struct ecg_xml *x)
{
    return x->failure.code != BASE_OK;
}

unsigned ecg_xml_line(struct ecg_xml *x)
{
    int line = x->parser ? xmlSAX2GetLineNumber(x->parser) : 0;
    return (line > 0 ? (unsigned)line : 1) + x->passed_eol;
}

bool ecg_xml_in(struct ecg_xml *x, const char *name)
{
    for (size_t i = 0; i < x->depth; i++)
        if (x->open[i][0] == name[0] && strcmp(x->open[i], name) == 0)
            return true;
    return false;
}

const char *ecg_xml_above(struct ecg_xml *x, size_t up)
{
    return up < x->depth ? x->open[x->depth - 1 - up] : "";
}

/* libxml2 gives five pointers for each: name, prefix, namespace, value, its end. */
static bool find_attribute(struct ecg_xml *x, const char *name, struct base_bytes *out)
{
    for (int i = 0; i < x->nattributes; i++) {
        const xmlChar *const *a = x->attributes + (size_t)i * 5;
        if (strcmp((const char *)a[0], name) == 0) {
            *out = base_bytes_of(a[3], (size_t)(a[4] - a[3]));
            return true;
        }
    }
    return false;
}

bool ecg_xml_attribute(struct ecg_xml *x, const char *name, char *out, size_t size)
{
    struct base_bytes value;
    out[0] = '\0';
    if (!find_attribute(x, name, &value) || value.n >= size)
        return false;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    return true;
}

/* ---- text ---- */

/* The file's bytes of a text that was fed as ISO 8859-1. Characters that were
 * written as references (&#x4F60;) are none of its bytes: *mixed. */
static struct base_bytes bytes_of(struct ecg_xml *x, struct base_bytes text, bool *mixed)
{
    *mixed = false;
    if (!x->bytewise)
        return text;
    base_buf_reset(&x->raw);
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c < 0x80) {
            base_buf_add_byte(&x->raw, c);
        } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.n) {
            base_buf_add_byte(&x->raw, (uint8_t)((c & 3) << 6 | (text.p[++i] & 0x3f)));
        } else {
            *mixed = true;
            base_buf_add_byte(&x->raw, c);
        }
    }
    return base_buf_bytes(&x->raw);
}

/* Windows-1252 has characters where ISO 8859-1 has control codes. */
static const char *from_windows(struct ecg_record *r, struct base_bytes raw)
{
    static const uint16_t high[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    struct base_buf out = {0};
    struct dicom_charset utf8;
    bool guessed;
    dicom_charset_parse(&utf8, base_bytes_str("ISO_IR 192"));
    for (size_t i = 0; i < raw.n; i++) {
        char c[4];
        bool special = raw.p[i] >= 0x80 && raw.p[i] < 0xa0;
        base_buf_add(&out, c, base_utf8_put(special ? high[raw.p[i] - 0x80] : raw.p[i], c));
    }
    if (out.err && !r->err)
        r->err = out.err;
    const char *text = ecg_text_utf8(r, base_buf_bytes(&out), &utf8, &guessed);
    base_buf_deinit(&out);
    return text;
}

static const char *decode(struct ecg_xml *x, struct base_bytes text, struct base_bytes *raw,
                          bool *guessed)
{
    struct dicom_charset utf8;
    bool mixed;
    bool special = false;
    *raw = bytes_of(x, text, &mixed);
    if (mixed) {
        *raw = text;
        dicom_charset_parse(&utf8, base_bytes_str("ISO_IR 192"));
        return ecg_text_utf8(x->r, text, &utf8, guessed);
    }
    for (size_t i = 0; i < raw->n; i++)
        special |= raw->p[i] >= 0x80 && raw->p[i] < 0xa0;
    const char *out = ecg_text_utf8(x->r, *raw, &x->charset, guessed);
    for (size_t i = 0; i < raw->n && x->guessed; i++)
        *guessed |= raw->p[i] >= 0x80;
    return x->windows && special && !*guessed ? from_windows(x->r, *raw) : out;
}

const char *ecg_xml_attribute_text(struct ecg_xml *x, const char *name)
{
    struct base_bytes value;
    struct base_bytes raw;
    bool guessed;
    return find_attribute(x, name, &value) ? decode(x, value, &raw, &guessed) : "";
}

const char *ecg_xml_bytes(struct ecg_xml *x)
{
    char *s = (char *)x->text.p;
    if (!s)
        return "";
    while (x->text.n && (uint8_t)s[x->text.n - 1] <= ' ')
        s[--x->text.n] = '\0';
    return s + strspn(s, " \t\r\n");
}

const char *ecg_xml_text(struct ecg_xml *x)
{
    return ecg_xml_text_raw(x).utf8;
}

struct ecg_text ecg_xml_text_raw(struct ecg_xml *x)
{
    struct ecg_text t = {0};
    struct base_bytes raw;
    t.utf8 = decode(x, base_buf_bytes(&x->text), &raw, &t.guessed);
    t.raw = ecg_record_bytes(x->r, raw);
    return t;
}

/* ---- numbers and times ---- */

bool ecg_xml_number(struct ecg_xml *x, double *out)
{
    return ecg_text_number(ecg_xml_bytes(x), out);
}

/* n digits; false when there are fewer. */
static bool take_digits(const char **s, int n, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if ((*s)[i] < '0' || (*s)[i] > '9')
            return false;
        value = value * 10 + ((*s)[i] - '0');
    }
    *s += n;
    *out = value;
    return true;
}

static bool take_zone(const char *s, struct ecg_time *t)
{
    int hours = 0;
    int minutes = 0;
    bool minus = *s == '-';
    if (*s == 'Z') {
        t->has_zone = true;
        return true;
    }
    if (*s != '+' && *s != '-')
        return *s == '\0';
    s++;
    if (!take_digits(&s, 2, &hours))
        return false;
    s += *s == ':';
    if (*s && !take_digits(&s, 2, &minutes))
        return false;
    t->has_zone = true;
    t->zone_min = (minus ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool ecg_xml_parse_time(const char *s, struct ecg_time *out)
{
    struct ecg_time t = {0};
    s += strspn(s, " \t\r\n");
    if (!take_digits(&s, 4, &t.date.year))
        return false;
    t.date.month = t.date.day = 1;
    if (take_digits(&s, 2, &t.date.month) && take_digits(&s, 2, &t.date.day) &&
        take_digits(&s, 2, &t.hour)) {
        t.has_time = true;
        if (take_digits(&s, 2, &t.minute))
            (void)take_digits(&s, 2, &t.second);
    }
    if (*s == '.' || *s == ',') {
        s++;
        for (int unit = 100000; *s >= '0' && *s <= '9'; s++, unit /= 10)
            t.usec += (*s - '0') * unit;
    }
    (void)take_zone(s, &t);
    if (!ecg_date_is_real(t.date.year, t.date.month, t.date.day) || t.hour > 23 || t.minute > 59 ||
        t.second > 60)
        return false;
    *out = t;
    return true;
}

double ecg_xml_seconds(const struct ecg_time *t)
{
    if (!t->date.year)
        return (double)NAN;
    /* Days of the proleptic Gregorian calendar, years beginning in March. */
    int y = t->date.year - (t->date.month <= 2);
    int era = y / 400;
    int of_era = y - era * 400;
    int of_year = (153 * (t->date.month + (t->date.month > 2 ? -3 : 9)) + 2) / 5 + t->date.day - 1;
    int days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return days * 86400.0 + t->hour * 3600.0 + t->minute * 60.0 + t->second + t->usec / 1e6;
}
