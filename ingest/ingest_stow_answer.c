#include "ingest/ingest_stow_answer.h"

#include "base/json.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COMMENT_MAX = 64 /* characters of an LO (PS3.5 6.2) */ };

/* ---- which form ---- */

/* RFC 9110 12.4.2, in thousandths. */
static unsigned weight_of(const char *range, size_t n)
{
    const char *q = memmem(range, n, ";q=", 3);
    if (!q)
        q = memmem(range, n, "; q=", 4);
    if (!q)
        return 1000;
    q = strchr(q, '=') + 1;
    double v = strtod(q, NULL);
    return v > 0 && v <= 1 ? (unsigned)(v * 1000) : 0;
}

static bool is_range(const char *range, const char *type)
{
    size_t n = strlen(type);
    return strncasecmp(range, type, n) == 0 && (strchr(" \t;,", range[n]) || !range[n]);
}

enum ingest_stow_form ingest_stow_form_of(const char *accept)
{
    unsigned best[2] = {0, 0};
    bool exact[2] = {false, false};
    static const char *const types[2][2] = {{"application/dicom+json", "application/json"},
                                            {"application/dicom+xml", "application/xml"}};
    if (!accept)
        return INGEST_STOW_JSON;
    for (const char *s = accept; *s; s += strcspn(s, ","), s += *s == ',') {
        s += strspn(s, " \t");
        size_t n = strcspn(s, ",");
        bool any = is_range(s, "*/*") || is_range(s, "application/*");
        for (size_t form = 0; form < 2; form++) {
            bool named = is_range(s, types[form][0]) || is_range(s, types[form][1]);
            /* RFC 9110 12.5.1: what names the type goes before a range. */
            if (named || (any && !exact[form]))
                best[form] = weight_of(s, n);
            exact[form] |= named;
        }
    }
    if (!best[0] && !best[1])
        return INGEST_STOW_NEITHER;
    return best[1] > best[0] ? INGEST_STOW_XML : INGEST_STOW_JSON;
}

const char *ingest_stow_type(enum ingest_stow_form form)
{
    return form == INGEST_STOW_XML ? "application/dicom+xml" : "application/dicom+json";
}

/* ---- attributes in both forms ---- */

struct writer {
    enum ingest_stow_form form;
    struct base_buf *out;
    struct base_json json;
    const char *origin;
};

struct known {
    const char *tag;
    const char *vr;
    const char *keyword;
};

static const struct known CLASS = {"00081150", "UI", "ReferencedSOPClassUID"},
                          INSTANCE = {"00081155", "UI", "ReferencedSOPInstanceUID"},
                          REASON = {"00081197", "US", "FailureReason"},
                          COMMENT = {"00000902", "LO", "ErrorComment"},
                          URL = {"00081190", "UR", "RetrieveURL"};
static const struct known sequences[] = {{"00081198", "SQ", "FailedSOPSequence"},
                                         {"00081199", "SQ", "ReferencedSOPSequence"},
                                         {"0008119A", "SQ", "OtherFailuresSequence"}};

static void escape(struct base_buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (s[i]) {
        case '<':
            base_buf_add_str(out, "&lt;");
            break;
        case '>':
            base_buf_add_str(out, "&gt;");
            break;
        case '&':
            base_buf_add_str(out, "&amp;");
            break;
        default:
            base_buf_add_byte(out, (uint8_t)s[i] < ' ' ? ' ' : (uint8_t)s[i]);
        }
    }
}

static void open_attribute(struct writer *w, const struct known *k)
{
    if (w->form == INGEST_STOW_XML) {
        base_buf_printf(w->out, "<DicomAttribute tag=\"%s\" vr=\"%s\" keyword=\"%s\">", k->tag,
                        k->vr, k->keyword);
        return;
    }
    base_json_member_object(&w->json, k->tag);
    base_json_member_string(&w->json, "vr", k->vr);
    base_json_member_array(&w->json, "Value");
}

static void close_attribute(struct writer *w)
{
    if (w->form == INGEST_STOW_XML) {
        base_buf_add_str(w->out, "</DicomAttribute>");
        return;
    }
    base_json_close_array(&w->json);
    base_json_close_object(&w->json);
}

/* number: the text is one (JSON has no quotes then). */
static void write_value(struct writer *w, const struct known *k, const char *s, size_t n,
                        bool number)
{
    if (n == 0)
        return;
    open_attribute(w, k);
    if (w->form == INGEST_STOW_XML) {
        base_buf_add_str(w->out, "<Value number=\"1\">");
        escape(w->out, s, n);
        base_buf_add_str(w->out, "</Value>");
    } else if (number) {
        base_json_raw(&w->json, s, n);
    } else {
        base_json_string_n(&w->json, s, n);
    }
    close_attribute(w);
}

static void write_text(struct writer *w, const struct known *k, const char *s)
{
    write_value(w, k, s, strlen(s), false);
}

/* As much of it as is valid UTF-8, up to so many characters. */
static size_t fitting(const char *s, size_t most)
{
    size_t n = strlen(s);
    size_t at = 0;
    for (size_t length; most && at < n && (length = base_utf8_sequence(s + at, n - at)) > 0; most--)
        at += length;
    return at;
}

/* ---- the data set ---- */

/* PS3.18 Table I.2-2 */
static unsigned failure_reason(enum base_err err)
{
    switch ((int)err) {
    case BASE_EINVAL:
        return 0xA900;
    case BASE_EFORMAT:
        return 0xC000;
    case BASE_EUNSUPPORTED:
        return 0xC122;
    default:
        return 0xA700;
    }
}

enum kind { FAILED, REFERENCED, OTHER_FAILURE, KINDS };

static enum kind kind_of(const struct ingest_many_item *item)
{
    if (!item->err)
        return REFERENCED;
    return item->sop_instance[0] ? FAILED : OTHER_FAILURE;
}

/* Of a study, or of an instance where its series is known (PS3.18 Table I.2-1). */
static void write_url(struct writer *w, const char *study, const char *series, const char *instance)
{
    struct base_buf url = {0};
    base_buf_printf(&url, "%s/dicom-web/studies/%s", w->origin, study);
    if (instance && series[0])
        base_buf_printf(&url, "/series/%s/instances/%s", series, instance);
    if (!url.err && (!instance || series[0]))
        write_text(w, &URL, base_buf_cstr(&url));
    base_buf_deinit(&url);
}

static void write_item(struct writer *w, const struct ingest_many_item *item, unsigned number)
{
    char reason[8];
    if (w->form == INGEST_STOW_XML)
        base_buf_printf(w->out, "<Item number=\"%u\">", number);
    else
        base_json_open_object(&w->json);
    if (item->err) /* beyond Table I.2-1, in the place where DIMSE has it (PS3.7 C) */
        write_value(w, &COMMENT, item->message, fitting(item->message, COMMENT_MAX), false);
    if (item->sop_instance[0]) {
        write_text(w, &CLASS, item->sop_class);
        write_text(w, &INSTANCE, item->sop_instance);
    }
    if (!item->err)
        write_url(w, item->stored.study_uid, item->series, item->sop_instance);
    if (item->err) {
        int n = snprintf(reason, sizeof reason, "%u", failure_reason(item->err));
        write_value(w, &REASON, reason, (size_t)n, true);
    }
    if (w->form == INGEST_STOW_XML)
        base_buf_add_str(w->out, "</Item>");
    else
        base_json_close_object(&w->json);
}

static void write_sequence(struct writer *w, enum kind kind, struct ingest_many_item *const *items,
                           size_t n)
{
    unsigned number = 0;
    open_attribute(w, &sequences[kind]);
    for (size_t i = 0; i < n; i++)
        if (kind_of(items[i]) == kind)
            write_item(w, items[i], ++number);
    close_attribute(w);
}

/* The study of all that was stored; NULL when there are several. */
static const char *common_study(struct ingest_many_item *const *items, size_t n)
{
    const char *study = NULL;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->err)
            continue;
        if (study && strcmp(study, items[i]->stored.study_uid) != 0)
            return NULL;
        study = items[i]->stored.study_uid;
    }
    return study;
}

/* PS3.18 Table 10.5.3-1 */
static int status_of(struct ingest_many_item *const *items, size_t n, const size_t counts[KINDS])
{
    if (counts[REFERENCED] == n)
        return 200;
    if (counts[REFERENCED])
        return 202;
    for (size_t i = 0; i < n; i++)
        if (failure_reason(items[i]->err) != 0xA700)
            return 409;
    return 503;
}

int ingest_stow_answer(enum ingest_stow_form form, const char *origin,
                       struct ingest_many_item *const *items, size_t n, struct base_buf *out)
{
    struct writer w = {.form = form, .out = out, .origin = origin};
    size_t counts[KINDS] = {0};
    const char *study = common_study(items, n);
    for (size_t i = 0; i < n; i++)
        counts[kind_of(items[i])]++;
    if (form == INGEST_STOW_XML) {
        base_buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<NativeDicomModel "
                              "xmlns=\"http://dicom.nema.org/PS3.19/models/NativeDICOM\" "
                              "xml:space=\"preserve\">");
    } else {
        base_json_init(&w.json, out);
        base_json_open_object(&w.json);
    }
    if (study)
        write_url(&w, study, "", NULL);
    for (int kind = 0; kind < KINDS; kind++)
        if (counts[kind])
            write_sequence(&w, (enum kind)kind, items, n);
    if (form == INGEST_STOW_XML)
        base_buf_add_str(out, "</NativeDicomModel>\n");
    else
        base_json_close_object(&w.json);
    return status_of(items, n, counts);
}
