#include "dicom/dicom_header.h"
#include "base/utf8.h"
#include "dicom/dicom_charset.h"

#include <stdio.h>

enum { INFLATED_MAX = 1 << 20, TEXT_MAX = 4096 };

enum kind {
    FIELD_CODE, /* text without a character set: UI CS DA TM DT AS, first value */
    FIELD_TEXT, /* by Specific Character Set, the whole value */
    FIELD_INT   /* first value */
};

struct field {
    uint32_t tag;
    enum kind kind;
    size_t offset;
    size_t size;
};

#define FIELD(kind, tag, member)                                                                   \
    {                                                                                              \
        DICOM_TAG_##tag, FIELD_##kind, offsetof(struct dicom_header, member),                      \
            sizeof(((struct dicom_header *)0)->member)                                             \
    }

/* Ascending, as in a data set. */
static const struct field fields[] = {
    FIELD(CODE, SOPClassUID, sop_class),
    FIELD(CODE, SOPInstanceUID, sop_instance),
    FIELD(CODE, StudyDate, study_date),
    FIELD(CODE, SeriesDate, series_date),
    FIELD(CODE, AcquisitionDate, acquisition_date),
    FIELD(CODE, ContentDate, content_date),
    FIELD(CODE, AcquisitionDateTime, acquisition_datetime),
    FIELD(CODE, StudyTime, study_time),
    FIELD(CODE, SeriesTime, series_time),
    FIELD(CODE, AcquisitionTime, acquisition_time),
    FIELD(CODE, ContentTime, content_time),
    FIELD(TEXT, AccessionNumber, accession_number),
    FIELD(CODE, Modality, modality),
    FIELD(TEXT, Manufacturer, manufacturer),
    FIELD(TEXT, InstitutionName, institution),
    FIELD(TEXT, ReferringPhysicianName, referring_physician),
    FIELD(CODE, TimezoneOffsetFromUTC, timezone),
    FIELD(TEXT, StationName, station),
    FIELD(TEXT, StudyDescription, study_description),
    FIELD(TEXT, SeriesDescription, series_description),
    FIELD(TEXT, ManufacturerModelName, model),
    FIELD(TEXT, PatientName, patient_name),
    FIELD(TEXT, PatientID, patient_id),
    FIELD(TEXT, IssuerOfPatientID, issuer_of_patient_id),
    FIELD(CODE, PatientBirthDate, patient_birth_date),
    FIELD(CODE, PatientSex, patient_sex),
    FIELD(CODE, PatientAge, patient_age),
    FIELD(CODE, BodyPartExamined, body_part),
    FIELD(TEXT, DeviceSerialNumber, device_serial),
    FIELD(TEXT, ProtocolName, protocol_name),
    FIELD(CODE, StudyInstanceUID, study_uid),
    FIELD(CODE, SeriesInstanceUID, series_uid),
    FIELD(TEXT, StudyID, study_id),
    FIELD(INT, SeriesNumber, series_number),
    FIELD(INT, InstanceNumber, instance_number),
    FIELD(CODE, Laterality, laterality),
    FIELD(INT, NumberOfFrames, frames),
    FIELD(INT, Rows, rows),
    FIELD(INT, Columns, columns),
    FIELD(INT, BitsAllocated, bits_allocated),
    FIELD(CODE, RequestedProcedurePriority, requested_priority),
};

/* The last one wanted. */
enum { LAST_WANTED = DICOM_TAG_RequestedProcedurePriority };

struct scan {
    struct dicom_header *h;
    struct dicom_charset charset;
    struct base_buf text;
    enum base_err err;
};

static void copy_cut(struct scan *s, const char *from, size_t n, char *to, size_t size)
{
    if (n >= size) {
        s->h->cut = true;
        size_t fits = 0;
        for (size_t k; fits < n && (k = base_utf8_sequence(from + fits, n - fits)) > 0;) {
            if (fits + k >= size)
                break;
            fits += k;
        }
        n = fits;
    }
    memcpy(to, from, n);
    to[n] = 0;
}

static void take_text(struct scan *s, struct base_bytes value, char *to, size_t size)
{
    if (value.n > TEXT_MAX) { /* no VR of our fields allows so much */
        s->h->cut = true;
        value.n = TEXT_MAX;
    }
    base_buf_reset(&s->text);
    enum base_err err = dicom_charset_to_utf8(&s->charset, value, &s->text, &s->h->guessed);
    if (err) {
        s->err = s->err ? s->err : err;
        return;
    }
    const char *p = base_buf_cstr(&s->text);
    size_t n = s->text.n;
    while (n && *p == ' ') {
        p++;
        n--;
    }
    copy_cut(s, p, n, to, size);
}

/* Codes are ASCII; anything else would be damage, and is left out. */
static void take_code(struct scan *s, struct base_bytes value, char *to, size_t size)
{
    struct base_bytes part;
    if (!dicom_value_part(value, 0, &part))
        return;
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] < 0x20 || part.p[i] > 0x7E)
            return;
    copy_cut(s, (const char *)part.p, part.n, to, size);
}

static void take_int(const struct dicom_element *e, int32_t *to)
{
    int64_t v;
    if (dicom_value_int(e, 0, &v) && v > INT32_MIN && v <= INT32_MAX)
        *to = (int32_t)v;
}

static void take_raw_name(struct scan *s, struct base_bytes value)
{
    struct base_bytes text = dicom_value_text(value);
    size_t n = text.n;
    if (n > sizeof s->h->patient_name_raw) {
        s->h->cut = true;
        n = sizeof s->h->patient_name_raw;
    }
    if (n)
        memcpy(s->h->patient_name_raw, text.p, n);
    s->h->patient_name_raw_n = (uint16_t)n;
}

static void take_charset(struct scan *s, struct base_bytes value)
{
    struct base_bytes text = dicom_value_text(value);
    dicom_charset_parse(&s->charset, text);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] > 0x7E)
            return;
    copy_cut(s, (const char *)text.p, text.n, s->h->charset, sizeof s->h->charset);
}

static void take_field(struct scan *s, const struct field *field, const struct dicom_element *e)
{
    char *to = (char *)s->h + field->offset;
    if (field->kind == FIELD_TEXT)
        take_text(s, e->value, to, field->size);
    else if (field->kind == FIELD_CODE)
        take_code(s, e->value, to, field->size);
    else
        take_int(e, (int32_t *)(void *)to);
}

/* The wanted attributes of the first item of a sequence. */
static void take_item(struct scan *s, struct dicom_cursor *c, const struct field *wanted, size_t n)
{
    struct dicom_element e;
    if (!dicom_cursor_can_enter(c))
        return;
    dicom_cursor_enter(c);
    if (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        dicom_cursor_enter(c);
        for (size_t i = 0; i < n; i++)
            if (dicom_cursor_find(c, wanted[i].tag, &e) == DICOM_ELEMENT && !e.partial)
                take_field(s, &wanted[i], &e);
        dicom_cursor_leave(c);
    }
    dicom_cursor_leave(c);
}

static void take_element(struct scan *s, struct dicom_cursor *c, const struct dicom_element *e)
{
    static const struct field pps[] = {FIELD(CODE, ReferencedSOPInstanceUID, pps_uid)};
    static const struct field request[] = {
        FIELD(TEXT, ScheduledProcedureStepID, sps_id),
        FIELD(TEXT, RequestedProcedureID, requested_procedure_id),
        FIELD(CODE, RequestedProcedurePriority, requested_priority),
    };
    if (e->tag == DICOM_TAG_SpecificCharacterSet)
        take_charset(s, e->value);
    else if (e->tag == DICOM_TAG_ReferencedPerformedProcedureStepSequence)
        take_item(s, c, pps, 1);
    else if (e->tag == DICOM_TAG_RequestAttributesSequence)
        take_item(s, c, request, 3);
    else if (e->tag == DICOM_TAG_PatientName)
        take_raw_name(s, e->value);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].tag == e->tag)
            take_field(s, &fields[i], e);
}

/* Reads up to the last wanted tag; the cursor's state says how it ended. */
static enum dicom_step scan_elements(struct scan *s, struct dicom_cursor *c)
{
    struct dicom_element e;
    enum dicom_step step;
    while ((step = dicom_cursor_next(c, &e)) == DICOM_ELEMENT) {
        if (e.tag > LAST_WANTED)
            return DICOM_END;
        if (!e.partial)
            take_element(s, c, &e);
        if (c->state != DICOM_ELEMENT)
            return c->state;
    }
    return step;
}

enum base_err dicom_header_check(const struct dicom_header *h, struct base_error *error)
{
    const struct {
        const char *uid;
        uint32_t tag;
    } required[] = {
        {h->sop_class, DICOM_TAG_SOPClassUID},
        {h->sop_instance, DICOM_TAG_SOPInstanceUID},
        {h->study_uid, DICOM_TAG_StudyInstanceUID},
        {h->series_uid, DICOM_TAG_SeriesInstanceUID},
    };
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        char text[DICOM_TAG_TEXT_SIZE];
        if (dicom_uid_usable(required[i].uid))
            continue;
        if (!*required[i].uid)
            return base_fail(error, BASE_EFORMAT, BASE_NOPOS, "%s %s is missing",
                             dicom_tag_keyword(required[i].tag),
                             dicom_tag_text(required[i].tag, text));
        return base_fail(error, BASE_EFORMAT, BASE_NOPOS, "%s %s is not a UID: \"%s\"",
                         dicom_tag_keyword(required[i].tag), dicom_tag_text(required[i].tag, text),
                         required[i].uid);
    }
    return BASE_OK;
}

static enum dicom_scan finish(struct scan *s, const struct dicom_cursor *c, enum dicom_step step,
                              struct base_error *error)
{
    char text[DICOM_TAG_TEXT_SIZE];
    if (s->err) {
        base_fail(error, s->err, BASE_NOPOS, "header scan: %s", base_err_text(s->err));
        return DICOM_SCAN_BAD;
    }
    if (step == DICOM_MORE) {
        base_fail(error, BASE_EUNAVAILABLE, c->pos, "the first %zu bytes end at or after %s",
                  c->bytes.n, dicom_tag_text(c->last.tag, text));
        return DICOM_SCAN_MORE;
    }
    struct base_error missing = {.code = BASE_OK};
    enum base_err err = dicom_header_check(s->h, &missing);
    if (step == DICOM_BAD) {
        /* What is damaged behind the identity is still somebody's study. */
        s->h->damaged = true;
        snprintf(s->h->damage, sizeof s->h->damage, "%.150s", c->error.msg);
        if (err) {
            if (error)
                *error = c->error;
            return DICOM_SCAN_BAD;
        }
    }
    if (err && error)
        *error = missing;
    return err ? DICOM_SCAN_BAD : DICOM_SCAN_DONE;
}

static enum dicom_scan scan_bytes(struct base_bytes prefix, bool complete,
                                  const struct dicom_syntax *syntax, struct dicom_header *h,
                                  struct base_error *error)
{
    struct scan s = {.h = h};
    struct dicom_cursor c;
    enum dicom_encoding encoding = dicom_part10_encoding(prefix, syntax);
    if (encoding != syntax->encoding) {
        h->damaged = true;
        snprintf(h->damage, sizeof h->damage,
                 "the data set is in %s VR, its transfer syntax is not",
                 encoding == DICOM_EXPLICIT_LE ? "explicit" : "implicit");
    }
    base_buf_init(&s.text, 4 * TEXT_MAX);
    dicom_cursor_init(&c, prefix, encoding, complete);
    enum dicom_step step = scan_elements(&s, &c);
    base_buf_deinit(&s.text);
    return finish(&s, &c, step, error);
}

/* PS3.5 7.1: group 0002 is not that of data sets. Behind the meta group that we put in front,
 * nobody could tell where the data set begins. */
static bool begins_with_meta(struct base_bytes prefix)
{
    return prefix.n >= 2 && base_load_le16(prefix.p) == 2;
}

enum dicom_scan dicom_header_scan(struct base_bytes prefix, bool complete,
                                  const struct dicom_syntax *syntax, struct dicom_header *h,
                                  struct base_error *error)
{
    *h = (struct dicom_header){
        .series_number = DICOM_NO_NUMBER,
        .instance_number = DICOM_NO_NUMBER,
        .rows = DICOM_NO_NUMBER,
        .columns = DICOM_NO_NUMBER,
        .frames = DICOM_NO_NUMBER,
        .bits_allocated = DICOM_NO_NUMBER,
    };
    if (begins_with_meta(prefix)) {
        base_fail(error, BASE_EFORMAT, 0, "the data set begins with a file meta group (0002)");
        return DICOM_SCAN_BAD;
    }
    struct base_buf inflated = {0};
    bool ended = false;
    enum base_err err = BASE_OK;
    enum dicom_scan result = DICOM_SCAN_BAD;
    if (!(syntax->flags & DICOM_TS_DEFLATED))
        result = scan_bytes(prefix, complete, syntax, h, error);
    else
        err = dicom_inflate(prefix, INFLATED_MAX, &inflated, &ended);
    if (result == DICOM_SCAN_BAD && dicom_part10_has_preamble(prefix))
        base_fail(error, BASE_EFORMAT, 0, "a file with its preamble was sent as the data set");
    else if (err)
        base_fail(error, err, BASE_NOPOS, "the deflated data set cannot be inflated");
    else if (syntax->flags & DICOM_TS_DEFLATED)
        result = scan_bytes(base_buf_bytes(&inflated), ended, syntax, h, error);
    base_buf_deinit(&inflated);
    return result;
}
