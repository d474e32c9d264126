#include "ecg/ecg_xml.h"

#include "base/utf8.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_xml_charset.h"

#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 16 * 1024 /* that is fed at once */ };

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
    bool text_cut;
    bool ended;          /* the parser knows that nothing follows */
    bool odd;            /* something in it is no XML, and was left out */
    xmlEntity entity;    /* what on_entity() gave last, */
    char character[5];   /* and its text */
    size_t passed;       /* bytes that the parser did not see, */
    unsigned passed_eol; /* and the line ends among them */
    unsigned vain;       /* times in a row that it was looked for them in vain */
    struct ecg_xml_charset charset;
    struct base_error failure; /* the first thing that is wrong */
};

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

/* HTML's names of characters: who makes XML of a web page writes them (&uuml;, &nbsp;). No others
 * are known, whatever a DOCTYPE declares. */
static xmlEntityPtr on_entity(void *arg, const xmlChar *name)
{
    enum { NO_BREAK_SPACE = 0xa0 };
    struct ecg_xml *x = arg;
    const htmlEntityDesc *known = htmlEntityLookup(name);
    if (!known)
        return NULL;
    unsigned c = known->value == NO_BREAK_SPACE ? ' ' : known->value;
    x->character[base_utf8_put(c, x->character)] = '\0';
    x->entity = (xmlEntity){.type = XML_ENTITY_DECL,
                            .name = name,
                            .content = (xmlChar *)x->character,
                            .etype = XML_INTERNAL_PREDEFINED_ENTITY};
    return &x->entity;
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
    size_t at = ecg_xml_lead(file);
    bool big;
    x->passed = at;
    for (size_t i = 0; i < at; i++)
        x->passed_eol += file.p[i] == '\n';
    if (ecg_xml_is_wide(file, &big))
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
        .getEntity = on_entity,
        .serror = on_error,
    };
    xmlSAXHandler sax = prototype;
    x->parser = xmlCreatePushParserCtxt(&sax, x, NULL, 0, NULL);
    const char *encoding = ecg_xml_charset_choose(&x->charset, file);
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
    base_buf_init(&x->charset.raw, ECG_XML_TEXT);
    enum base_err e = run(x, file, err);
    /* Where libxml2 keeps entities that a DOCTYPE declares, which nothing reads. */
    if (x->parser && x->parser->myDoc)
        xmlFreeDoc(x->parser->myDoc);
    xmlFreeParserCtxt(x->parser);
    xmlResetLastError(); /* it has words of the file */
    base_buf_deinit(&x->text);
    base_buf_deinit(&x->charset.raw);
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

const char *ecg_xml_attribute_text(struct ecg_xml *x, const char *name)
{
    struct base_bytes value;
    struct base_bytes raw;
    bool guessed;
    return find_attribute(x, name, &value)
               ? ecg_xml_charset_text(&x->charset, x->r, value, &raw, &guessed)
               : "";
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

const char *ecg_xml_text_of_name(struct ecg_xml *x, bool *guessed)
{
    struct ecg_text t = ecg_xml_text_raw(x);
    *guessed |= t.guessed;
    return t.utf8;
}

struct ecg_text ecg_xml_text_raw(struct ecg_xml *x)
{
    struct ecg_text t = {0};
    struct base_bytes raw;
    t.utf8 = ecg_xml_charset_text(&x->charset, x->r, base_buf_bytes(&x->text), &raw, &t.guessed);
    t.raw = ecg_record_bytes(x->r, raw);
    return t;
}

bool ecg_xml_number(struct ecg_xml *x, double *out)
{
    return ecg_text_number(ecg_xml_bytes(x), out);
}
