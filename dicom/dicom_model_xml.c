/*
 * The Native DICOM Model (PS3.19 A.1), read by SAX into the shape of the JSON
 * model, which has one builder for both.
 *
 *   NativeDicomModel ─► DicomAttribute ─► Value
 *                            │         ─► PersonName ─► Alphabetic … ─► FamilyName …
 *                            │         ─► InlineBinary, BulkData
 *                            └─ Item ─► DicomAttribute …
 */
#include "base/bytes.h"
#include "dicom/dicom_model_priv.h"

#include <libxml/parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NESTED_MAX = 4 * DICOM_MODEL_DEPTH,
    PIECE = 4096,
    VALUES_MAX = 1 << 20,
    LEFT_OUT_MAX = 1 << 20, /* of a document */
    CREATOR = 64 * 4 + 1,   /* an LO */
};

enum node { DOCUMENT, DATASET, ATTRIBUTE, ITEM, VALUE, PERSON, GROUP, PART, BINARY, BULK };

/* An element that is open. */
struct open {
    enum node node;
    json_t *json; /* DATASET and ITEM, ATTRIBUTE, PERSON: borrowed from the tree */
};

struct reader {
    xmlParserCtxtPtr parser;
    struct base_error *error;
    enum base_err err;
    json_t *root;
    struct open open[NESTED_MAX + 1];
    unsigned depth;
    struct base_buf text;     /* of the innermost VALUE, PART or BINARY */
    struct base_buf parts[5]; /* of a GROUP: family, given, middle, prefix, suffix */
    unsigned part;
    size_t left_out; /* values whose numbers were passed over */
    char group[16];
};

/* PS3.19 A.1.6: what may stand in what. */
static const struct {
    enum node parent;
    const char *name;
    enum node node;
} grammar[] = {
    {DOCUMENT, "NativeDicomModel", DATASET},
    {DATASET, "DicomAttribute", ATTRIBUTE},
    {ITEM, "DicomAttribute", ATTRIBUTE},
    {ATTRIBUTE, "Item", ITEM},
    {ATTRIBUTE, "Value", VALUE},
    {ATTRIBUTE, "PersonName", PERSON},
    {ATTRIBUTE, "InlineBinary", BINARY},
    {ATTRIBUTE, "BulkData", BULK},
    {PERSON, "Alphabetic", GROUP},
    {PERSON, "Ideographic", GROUP},
    {PERSON, "Phonetic", GROUP},
    {GROUP, "FamilyName", PART},
    {GROUP, "GivenName", PART},
    {GROUP, "MiddleName", PART},
    {GROUP, "NamePrefix", PART},
    {GROUP, "NameSuffix", PART},
};
enum { FIRST_PART = 11 /* FamilyName */ };

/* The first thing that is wrong stands. */
static void BASE_PRINTF(3, 4) fail(struct reader *r, enum base_err err, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    if (r->err)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int line = xmlSAX2GetLineNumber(r->parser);
    r->err = base_fail(r->error, err, line > 0 ? (uint64_t)line : 0, "line %d: %s", line, text);
    xmlStopParser(r->parser);
}

static struct open *top(struct reader *r)
{
    return &r->open[r->depth];
}

/* ---- attributes of elements ---- */

/* libxml2 leaves an ampersand of an attribute as the reference "&#38;". */
static void copy_value(const xmlChar *from, size_t n, char *out)
{
    static const char ampersand[] = "&#38;";
    for (size_t i = 0; i < n; i++, out++) {
        *out = (char)from[i];
        if (n - i >= 5 && memcmp(from + i, ampersand, 5) == 0)
            i += 4;
    }
    *out = '\0';
}

/* libxml2 gives five pointers for each: name, prefix, namespace, value, its end. */
static bool attribute(struct reader *r, const xmlChar **list, int n, const char *name, char *out,
                      size_t size)
{
    for (int i = 0; i < n; i++) {
        const xmlChar *const *a = list + (size_t)i * 5;
        size_t len = (size_t)(a[4] - a[3]);
        if (strcmp((const char *)a[0], name) != 0)
            continue;
        if (len >= size) {
            fail(r, BASE_EFORMAT, "%s has more than %zu bytes", name, size - 1);
            break;
        }
        copy_value(a[3], len, out);
        return true;
    }
    out[0] = '\0';
    return false;
}

/* ---- what opens ---- */

/* PS3.19 Table A.1.5-2: the creator of a private block may be named at its
 * attributes only, and the block's number left out. */
static bool place_private(json_t *dataset, char tag[16], const char *creator)
{
    char key[16];
    unsigned long number = strtoul(tag, NULL, 16);
    unsigned block = (number & 0xFF00) ? (unsigned)(number >> 8 & 0xFF) : 0x10;
    for (; block >= 0x10 && block <= 0xFF; block++) {
        snprintf(key, sizeof key, "%04lX%04X", number >> 16 & 0xFFFF, block);
        json_t *there = json_object_get(dataset, key);
        const char *name = json_string_value(json_array_get(json_object_get(there, "Value"), 0));
        if (!there)
            json_object_set_new(dataset, key,
                                json_pack("{s:s, s:[s]}", "vr", "LO", "Value", creator));
        else if (!name || strcmp(name, creator) != 0) {
            if (number & 0xFF00)
                return false;
            continue;
        }
        snprintf(tag, 16, "%04lX%02X%02lX", number >> 16 & 0xFFFF, block, number & 0xFF);
        return true;
    }
    return false;
}

static void open_attribute(struct reader *r, json_t *dataset, const xmlChar **list, int n)
{
    char tag[16];
    char vr[8];
    char creator[CREATOR];
    if (!attribute(r, list, n, "tag", tag, sizeof tag) || strlen(tag) != 8 ||
        strspn(tag, "0123456789abcdefABCDEF") != 8) {
        fail(r, BASE_EFORMAT, "DicomAttribute has no tag of 8 digits");
        return;
    }
    for (char *c = tag; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    attribute(r, list, n, "vr", vr, sizeof vr);
    attribute(r, list, n, "privateCreator", creator, sizeof creator);
    if (creator[0] && !place_private(dataset, tag, creator)) {
        fail(r, BASE_EFORMAT, "%s has another private creator than its block", tag);
        return;
    }
    json_t *json = vr[0] ? json_pack("{s:s}", "vr", vr) : json_object();
    if (json_object_get(dataset, tag)) {
        json_decref(json);
        fail(r, BASE_EFORMAT, "%s stands there twice", tag);
    } else if (json_object_set_new(dataset, tag, json)) {
        fail(r, BASE_ENOMEM, "out of memory, or the text is not UTF-8");
    }
    top(r)->json = json;
}

/* Puts a value where its number says, behind those there are. */
static json_t *add_value(struct reader *r, json_t *attr, json_t *value, const xmlChar **list, int n)
{
    char number[12];
    json_t *values = json_object_get(attr, "Value");
    if (!values) {
        values = json_array();
        json_object_set_new(attr, "Value", values);
    }
    attribute(r, list, n, "number", number, sizeof number);
    unsigned long at = strtoul(number, NULL, 10);
    if (at <= json_array_size(values) || at > VALUES_MAX || !value) {
        json_decref(value);
        fail(r, BASE_EFORMAT, "number is missing, or not rising from 1");
        return NULL;
    }
    /* No memory is taken that the text has not paid for. */
    r->left_out += at - 1 - json_array_size(values);
    if (r->left_out > LEFT_OUT_MAX) {
        json_decref(value);
        fail(r, BASE_EFORMAT, "more than %d values are left out by their numbers", LEFT_OUT_MAX);
        return NULL;
    }
    while (json_array_size(values) + 1 < at)
        json_array_append_new(values, json_null());
    if (json_array_append_new(values, value)) {
        fail(r, BASE_ENOMEM, "out of memory");
        return NULL;
    }
    return value;
}

static void open_bulk(struct reader *r, json_t *attr, const xmlChar **list, int n)
{
    char uri[1024];
    if (!attribute(r, list, n, "uri", uri, sizeof uri) &&
        !attribute(r, list, n, "URI", uri, sizeof uri) &&
        !attribute(r, list, n, "uuid", uri, sizeof uri))
        fail(r, BASE_EFORMAT, "BulkData has no uri");
    else if (json_object_set_new(attr, "BulkDataURI", json_string(uri)))
        fail(r, BASE_ENOMEM, "out of memory, or the text is not UTF-8");
}

/* Its parent is one below the top already. */
static void begin_node(struct reader *r, size_t rule, const xmlChar **list, int n)
{
    struct open *here = top(r);
    json_t *parent = r->depth > 1 ? here[-1].json : NULL;
    base_buf_reset(&r->text);
    if (here->node == DATASET) {
        here->json = r->root;
    } else if (here->node == ATTRIBUTE) {
        open_attribute(r, parent, list, n);
    } else if (here->node == ITEM || here->node == PERSON) {
        here->json = add_value(r, parent, json_object(), list, n);
    } else if (here->node == VALUE) {
        here->json = NULL;
        /* its text comes later, its place is now */
        (void)add_value(r, parent, json_null(), list, n);
    } else if (here->node == GROUP) {
        here->json = parent;
        snprintf(r->group, sizeof r->group, "%s", grammar[rule].name);
        for (size_t i = 0; i < 5; i++)
            base_buf_reset(&r->parts[i]);
    } else if (here->node == PART) {
        r->part = (unsigned)(rule - FIRST_PART);
    } else if (here->node == BULK) {
        open_bulk(r, parent, list, n);
    }
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n, int n_defaulted,
                     const xmlChar **list)
{
    struct reader *r = arg;
    size_t rule = 0;
    (void)prefix, (void)uri, (void)n_namespaces, (void)namespaces, (void)n_defaulted;
    while (rule < sizeof grammar / sizeof grammar[0] &&
           (grammar[rule].parent != top(r)->node ||
            strcmp(grammar[rule].name, (const char *)name) != 0))
        rule++;
    if (r->err)
        return;
    if (rule == sizeof grammar / sizeof grammar[0]) {
        fail(r, BASE_EFORMAT, "%.40s does not belong here", (const char *)name);
    } else if (r->depth == NESTED_MAX) {
        fail(r, BASE_EFORMAT, "sequences are nested more than %d deep", DICOM_MODEL_DEPTH);
    } else {
        r->depth++;
        *top(r) = (struct open){.node = grammar[rule].node};
        begin_node(r, rule, list, n);
    }
}

/* ---- what closes ---- */

static void close_value(struct reader *r, json_t *attr)
{
    json_t *values = json_object_get(attr, "Value");
    if (r->text.n && json_array_set_new(values, json_array_size(values) - 1,
                                        json_stringn(base_buf_cstr(&r->text), r->text.n)))
        fail(r, BASE_EFORMAT, "a value is not UTF-8");
}

/* PS3.5 6.2.1: family ^ given ^ middle ^ prefix ^ suffix, carets at the end left out. */
static void close_group(struct reader *r, json_t *person)
{
    struct base_buf all = {0};
    size_t last = 0;
    for (size_t i = 0; i < 5; i++)
        if (r->parts[i].n)
            last = i + 1;
    for (size_t i = 0; i < last; i++) {
        if (i)
            base_buf_add_byte(&all, '^');
        base_buf_add(&all, r->parts[i].p, r->parts[i].n);
    }
    if (all.err)
        fail(r, all.err, "out of memory");
    else if (all.n &&
             json_object_set_new(person, r->group, json_stringn(base_buf_cstr(&all), all.n)))
        fail(r, BASE_EFORMAT, "a name is not UTF-8");
    base_buf_deinit(&all);
}

static void close_part(struct reader *r)
{
    if (memchr(base_buf_cstr(&r->text), '^', r->text.n))
        fail(r, BASE_EFORMAT, "a part of a name has a ^ in it");
    base_buf_reset(&r->parts[r->part]);
    base_buf_add(&r->parts[r->part], r->text.p, r->text.n);
    if (r->parts[r->part].err)
        fail(r, r->parts[r->part].err, "out of memory");
}

static void close_binary(struct reader *r, json_t *attr)
{
    if (json_object_set_new(attr, "InlineBinary", json_stringn(base_buf_cstr(&r->text), r->text.n)))
        fail(r, BASE_EFORMAT, "InlineBinary is no Base64");
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct reader *r = arg;
    (void)name, (void)prefix, (void)uri;
    if (r->err)
        return;
    struct open *here = top(r);
    json_t *parent = r->depth > 1 ? here[-1].json : NULL;
    if (r->text.err)
        fail(r, r->text.err, "out of memory");
    else if (here->node == VALUE)
        close_value(r, parent);
    else if (here->node == PART)
        close_part(r);
    else if (here->node == GROUP)
        close_group(r, parent);
    else if (here->node == BINARY)
        close_binary(r, parent);
    base_buf_reset(&r->text);
    r->depth--;
}

static void on_text(void *arg, const xmlChar *text, int n)
{
    struct reader *r = arg;
    enum node node = top(r)->node;
    if (r->err)
        return;
    if (node == VALUE || node == PART || node == BINARY)
        base_buf_add(&r->text, text, (size_t)n);
    else
        for (int i = 0; i < n && !r->err; i++)
            if (!memchr(" \t\r\n", text[i], 4))
                fail(r, BASE_EFORMAT, "text where an element was expected");
}

/* ---- what must not be ---- */

/* Entities and files of others come with a DTD, and the model has none. */
static void on_dtd(void *arg, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name, (void)id, (void)system;
    fail(arg, BASE_EFORMAT, "a document type is not allowed");
}

static void on_reference(void *arg, const xmlChar *name)
{
    (void)name;
    fail(arg, BASE_EFORMAT, "an entity is not allowed");
}

/* libxml2's messages quote the text: theirs is not passed on. */
static void on_error(void *arg, xmlErrorPtr error)
{
    if (error->level == XML_ERR_FATAL)
        fail(arg, error->code == XML_ERR_NO_MEMORY ? BASE_ENOMEM : BASE_EFORMAT,
             "no XML (libxml2 error %d)", error->code);
}

static void parse(struct reader *r, struct base_bytes xml)
{
    for (size_t at = 0; at < xml.n && !r->err; at += PIECE) {
        size_t n = xml.n - at < PIECE ? xml.n - at : PIECE;
        if (xmlParseChunk(r->parser, (const char *)xml.p + at, (int)n, at + n == xml.n) && !r->err)
            fail(r, BASE_EFORMAT, "no XML");
    }
    if (xml.n == 0)
        fail(r, BASE_EFORMAT, "the metadata are empty");
    if (!r->err && r->depth)
        fail(r, BASE_EFORMAT, "the document is incomplete");
}

enum base_err dicom_model_read_xml(struct base_bytes xml, struct dicom_model *out,
                                   struct base_error *error)
{
    static const xmlSAXHandler prototype = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .internalSubset = on_dtd,
        .reference = on_reference,
        .serror = on_error,
    };
    xmlSAXHandler sax = prototype;
    struct reader *r = calloc(1, sizeof *r);
    memset(out, 0, sizeof *out);
    if (!r)
        return base_fail(error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    r->error = error;
    r->root = json_object();
    base_buf_init(&r->text, DICOM_MODEL_TEXT_MAX);
    r->parser = xmlCreatePushParserCtxt(&sax, r, NULL, 0, NULL);
    if (!r->parser || !r->root)
        r->err = base_fail(error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    else if (xml.n > DICOM_MODEL_TEXT_MAX)
        fail(r, BASE_ELIMIT, "the metadata of an instance may have %d MiB",
             DICOM_MODEL_TEXT_MAX >> 20);
    else if (xmlCtxtUseOptions(r->parser, XML_PARSE_NONET))
        fail(r, BASE_EINTERNAL, "libxml2 has no option NONET");
    else
        parse(r, xml);
    enum base_err err = r->err ? r->err : dicom_model_build(r->root, out, error);
    for (size_t i = 0; i < 5; i++)
        base_buf_deinit(&r->parts[i]);
    base_buf_deinit(&r->text);
    xmlFreeParserCtxt(r->parser);
    json_decref(r->root);
    free(r);
    return err;
}
