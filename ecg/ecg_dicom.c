/*
 * DICOM waveform objects (PS3.3 A.34, C.10.9): the file and the attributes of
 * patient, study and equipment.
 */
#include "ecg/ecg_dicom_priv.h"

#include "dicom/dicom_part10.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool ecg_dicom_probe(struct base_bytes file)
{
    enum { PREAMBLE = 128, MAGIC = 4 };
    if (file.n >= PREAMBLE + MAGIC && memcmp(file.p + PREAMBLE, "DICM", MAGIC) == 0)
        return true;
    /* Without a preamble: a first element of group 0002 or 0008 that is sound, behind the
     * magic word or without it. */
    if (file.n < 16)
        return false;
    if (memcmp(file.p, "DICM", MAGIC) == 0)
        return true;
    unsigned group = base_load_le16(file.p);
    unsigned element = base_load_le16(file.p + 2);
    if ((group != 0x0002 && group != 0x0008) || element > 0x0018)
        return false;
    bool is_vr = file.p[4] >= 'A' && file.p[4] <= 'Z' && file.p[5] >= 'A' && file.p[5] <= 'Z';
    return is_vr || base_load_le32(file.p + 4) <= 256;
}

const char *ecg_dicom_text(struct ecg_dicom_reader *d, struct base_bytes value)
{
    bool guessed;
    return ecg_text_utf8(d->rec, dicom_value_text(value), &d->charset, &guessed);
}

bool ecg_dicom_number(const struct dicom_element *e, double *out)
{
    double v;
    if (!dicom_value_double(e, 0, &v) || !isfinite(v))
        return false;
    *out = v;
    return true;
}

void ecg_dicom_read_code(struct dicom_cursor *c, struct ecg_dicom_code *out)
{
    struct dicom_element e;
    *out = (struct ecg_dicom_code){0};
    if (!dicom_cursor_can_enter(c))
        return;
    dicom_cursor_enter(c);
    if (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        dicom_cursor_enter(c);
        while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
            if (e.tag == DICOM_TAG_CodeValue)
                out->value = dicom_value_text(e.value);
            else if (e.tag == DICOM_TAG_CodingSchemeDesignator)
                out->scheme = dicom_value_text(e.value);
            else if (e.tag == DICOM_TAG_CodeMeaning)
                out->meaning = e.value;
        }
        dicom_cursor_leave(c);
    }
    dicom_cursor_leave(c);
}

/* Fixed numbers of digits: "YYYYMMDD". */
static bool digits(struct base_bytes b, size_t at, size_t n, int *out)
{
    int v = 0;
    if (at + n > b.n)
        return false;
    for (size_t i = at; i < at + n; i++) {
        if (b.p[i] < '0' || b.p[i] > '9')
            return false;
        v = 10 * v + (b.p[i] - '0');
    }
    *out = v;
    return true;
}

/* YYYYMMDD, or YYYY.MM.DD, as before DICOM (PS3.5 6.2, DA). */
static bool read_date(struct base_bytes v, struct ecg_date *out)
{
    struct ecg_date d;
    size_t sign = v.n > 4 && v.p[4] == '.';
    if (!digits(v, 0, 4, &d.year) || !digits(v, 4 + sign, 2, &d.month) ||
        !digits(v, 6 + 2 * sign, 2, &d.day))
        return false;
    if (!ecg_date_is_real(d.year, d.month, d.day))
        return false;
    *out = d;
    return true;
}

/* HH[MM[SS[.FFFFFF]]], or with colons, as before DICOM. */
static bool read_clock(struct base_bytes v, struct ecg_time *t)
{
    int part[3] = {0};
    size_t sign = v.n > 2 && v.p[2] == ':';
    for (size_t i = 0; i < 3; i++)
        if (!digits(v, (2 + sign) * i, 2, &part[i]) && i == 0)
            return false;
    if (!ecg_time_set(t, part[0], part[1], part[2]))
        return false;
    size_t point = 6 + 2 * sign;
    if (v.n > point && v.p[point] == '.') {
        int scale = 100000;
        for (size_t i = point + 1; i < v.n && scale && v.p[i] >= '0' && v.p[i] <= '9';
             i++, scale /= 10)
            t->usec += (v.p[i] - '0') * scale;
    }
    return true;
}

static void read_zone(struct base_bytes v, struct ecg_record *r)
{
    int hour;
    int minute;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != '+' && v.p[i] != '-')
            continue;
        int sign = v.p[i] == '-' ? -1 : 1;
        if (!digits(v, i + 1, 2, &hour) || !digits(v, i + 3, 2, &minute) ||
            !ecg_time_set_zone(&r->start, sign * (60 * hour + minute)))
            ecg_record_note(r, BASE_NOPOS, "DICOM: the time zone is none that there is");
        return;
    }
}

/* "042Y", or "42Y". */
static bool read_age(struct base_bytes v, struct ecg_patient *p)
{
    static const char units[] = "YMWDymwd";
    size_t n = 0;
    int age;
    while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9')
        n++;
    if (n < 1 || n > 3 || !digits(v, 0, n, &age))
        return false;
    n += n < v.n && v.p[n] == ' ';
    const char *unit = n + 1 == v.n && v.p[n] ? strchr(units, v.p[n]) : NULL;
    if (!unit)
        return false;
    p->age = age;
    p->age_unit = units[(unit - units) % 4];
    return true;
}

static void read_number(const struct dicom_element *e, double scale, double *out)
{
    double v;
    if (dicom_value_double(e, 0, &v) && v > 0)
        *out = v * scale;
}

/* Times of falling worth: acquisition, content, study. */
enum { TIMES = 3 };
struct times {
    struct base_bytes acquired;
    struct base_bytes date[TIMES];
    struct base_bytes clock[TIMES];
    struct base_bytes zone;
};

static bool take_time(const struct dicom_element *e, struct times *t)
{
    struct base_bytes v = dicom_value_text(e->value);
    switch (e->tag) {
    case DICOM_TAG_AcquisitionDateTime:
        t->acquired = v;
        return true;
    case DICOM_TAG_AcquisitionDate:
        t->date[0] = v;
        return true;
    case DICOM_TAG_AcquisitionTime:
        t->clock[0] = v;
        return true;
    case DICOM_TAG_ContentDate:
        t->date[1] = v;
        return true;
    case DICOM_TAG_ContentTime:
        t->clock[1] = v;
        return true;
    case DICOM_TAG_StudyDate:
        t->date[2] = v;
        return true;
    case DICOM_TAG_StudyTime:
        t->clock[2] = v;
        return true;
    case DICOM_TAG_TimezoneOffsetFromUTC:
        t->zone = v;
        return true;
    default:
        return false;
    }
}

static bool take_patient(struct ecg_dicom_reader *d, const struct dicom_element *e)
{
    struct ecg_patient *p = &d->rec->patient;
    struct base_bytes v = dicom_value_text(e->value);
    switch (e->tag) {
    case DICOM_TAG_PatientName:
        p->name = ecg_text_of(d->rec, v, &d->charset);
        return true;
    case DICOM_TAG_PatientID:
        p->id = ecg_text_of(d->rec, v, &d->charset);
        return true;
    case DICOM_TAG_PatientBirthDate:
        if (v.n && !read_date(v, &p->birth))
            ecg_record_note(d->rec, d->offset + e->offset, "DICOM: birth date is no date");
        return true;
    case DICOM_TAG_PatientSex:
        p->sex = v.n && v.p[0] && strchr("MFOmfo", v.p[0]) ? (char)(v.p[0] & ~0x20) : 0;
        return true;
    case DICOM_TAG_PatientAge:
        if (v.n && !read_age(v, p))
            ecg_record_note(d->rec, d->offset + e->offset, "DICOM: the age is none");
        return true;
    case DICOM_TAG_PatientSize:
        read_number(e, 100, &p->height_cm);
        return true;
    case DICOM_TAG_PatientWeight:
        read_number(e, 1, &p->weight_kg);
        return true;
    default:
        return false;
    }
}

static void take_device(struct ecg_dicom_reader *d, const struct dicom_element *e)
{
    struct ecg_record *r = d->rec;
    const char **to = NULL;
    switch (e->tag) {
    case DICOM_TAG_Manufacturer:
        to = &r->device.manufacturer;
        break;
    case DICOM_TAG_ManufacturerModelName:
        to = &r->device.model;
        break;
    case DICOM_TAG_DeviceSerialNumber:
        to = &r->device.serial;
        break;
    case DICOM_TAG_SoftwareVersions:
        to = &r->device.software;
        break;
    case DICOM_TAG_InstitutionName:
        to = &r->device.institution;
        break;
    case DICOM_TAG_InstitutionalDepartmentName:
        to = &r->device.department;
        break;
    case DICOM_TAG_OperatorsName:
        to = &r->device.technician;
        break;
    case DICOM_TAG_ReferringPhysicianName:
        to = &r->device.referring;
        break;
    case DICOM_TAG_AccessionNumber:
        to = &r->accession;
        break;
    case DICOM_TAG_StudyInstanceUID:
        to = &r->study_uid;
        break;
    default:
        return;
    }
    *to = ecg_dicom_text(d, e->value);
}

static void settle_time(struct ecg_record *r, const struct times *t)
{
    struct ecg_time *start = &r->start;
    if (t->acquired.n && read_date(t->acquired, &start->date)) {
        struct base_bytes clock = {t->acquired.p + 8, t->acquired.n - 8};
        read_clock(clock, start);
        read_zone(clock, r);
    }
    for (unsigned i = 0; i < TIMES && !start->date.year; i++)
        if (read_date(t->date[i], &start->date))
            read_clock(t->clock[i], start);
    if (!start->has_zone)
        read_zone(t->zone, r);
}

static enum base_err cursor_error(struct ecg_dicom_reader *d, const struct dicom_cursor *c)
{
    uint64_t pos = c->error.pos == BASE_NOPOS ? BASE_NOPOS : d->offset + c->error.pos;
    return base_fail(d->err, c->error.code ? c->error.code : BASE_EFORMAT, pos, "DICOM: %s",
                     c->error.msg);
}

/* What came of the waveforms; where the data set is damaged behind what was read of them, what is
 * behind that is lost. */
static enum base_err end_waves(struct ecg_dicom_reader *d, const struct dicom_cursor *c,
                               enum base_err e)
{
    enum dicom_step state = dicom_cursor_state(c);
    bool is_bad = state == DICOM_BAD;
    bool is_unread = e == BASE_EFORMAT || e == BASE_EUNSUPPORTED;
    if (is_unread && is_bad)
        return cursor_error(d, c);
    if (is_unread && state == DICOM_MORE)
        return base_fail(d->err, BASE_EFORMAT, d->offset + d->dataset.n,
                         "DICOM: the file is cut within the waveforms, in front of their samples");
    if (!e && is_bad)
        ecg_record_damage(d->rec,
                          c->error.pos == BASE_NOPOS ? BASE_NOPOS : d->offset + c->error.pos,
                          "DICOM: %s; what follows is lost", c->error.msg);
    if (!e && state == DICOM_MORE)
        ecg_record_damage(d->rec, d->offset + d->dataset.n,
                          "DICOM: the file is cut within the waveforms");
    return e;
}

/* Why there are none. */
static enum base_err no_waves(struct ecg_dicom_reader *d, const struct dicom_cursor *c,
                              const char *class)
{
    if (dicom_cursor_state(c) == DICOM_BAD)
        return cursor_error(d, c);
    char tag[DICOM_TAG_TEXT_SIZE];
    if (c->pos != d->dataset.n)
        return base_fail(d->err, BASE_EFORMAT, d->offset + d->dataset.n,
                         "DICOM: the file is cut in front of the waveforms, at element %s %s",
                         dicom_tag_text(c->last.tag, tag), dicom_tag_keyword(c->last.tag));
    return base_fail(d->err, BASE_EUNSUPPORTED, BASE_NOPOS,
                     "DICOM: this object (%s) holds no waveform",
                     class[0] ? dicom_uid_name(class) : "class not stated");
}

static enum base_err read_attributes(struct ecg_dicom_reader *d)
{
    struct dicom_cursor c;
    struct dicom_element e;
    struct times times = {0};
    bool waves = false;
    char class[DICOM_UID_SIZE] = "";
    enum base_err error = BASE_OK;
    /* As a prefix: so the element within which a file is cut is given as far as it is there. */
    dicom_cursor_init(&c, d->dataset, d->encoding, false);
    while (!waves && !error && dicom_cursor_next(&c, &e) == DICOM_ELEMENT) {
        if (e.tag == DICOM_TAG_SpecificCharacterSet) {
            dicom_charset_parse(&d->charset, e.value);
        } else if (e.tag == DICOM_TAG_SOPClassUID) {
            dicom_value_copy(e.value, class, sizeof class);
        } else if (e.tag == DICOM_TAG_WaveformAnnotationSequence) {
            error = ecg_dicom_keep_annotations(d, &c);
        } else if (e.tag == DICOM_TAG_WaveformSequence && dicom_cursor_can_enter(&c)) {
            waves = true;
            error = end_waves(d, &c, ecg_dicom_waves(d, &c));
        } else if (e.tag == DICOM_TAG_ContributingEquipmentSequence) {
            ecg_dicom_read_notes(d, &c);
        } else if (!take_time(&e, &times) && !take_patient(d, &e)) {
            take_device(d, &e);
        }
    }
    if (error)
        return error;
    if (!waves)
        return no_waves(d, &c, class);
    settle_time(d->rec, &times);
    return BASE_OK;
}

static enum base_err read_dataset(struct ecg_dicom_reader *d, bool deflated)
{
    struct base_buf plain;
    bool ended = false;
    base_buf_init(&plain, d->rec->limits->bytes);
    if (deflated) {
        enum base_err e = dicom_inflate(d->dataset, d->rec->limits->bytes, &plain, &ended);
        bool is_full = plain.n >= d->rec->limits->bytes;
        if ((e && e != BASE_EFORMAT) || plain.n == 0 || (!ended && is_full)) {
            base_buf_deinit(&plain);
            return base_fail(d->err, e ? e : BASE_ELIMIT, d->offset,
                             "DICOM: the deflated data set cannot be inflated");
        }
        if (e || !ended)
            ecg_record_damage(d->rec, d->offset,
                              "DICOM: the deflated data set is damaged after %zu bytes", plain.n);
        d->dataset = base_buf_bytes(&plain);
        d->offset = 0;
    }
    enum base_err e = read_attributes(d);
    if (!e)
        ecg_dicom_add_annotations(d);
    free(d->annotations);
    base_buf_deinit(&plain);
    return e;
}

enum base_err ecg_dicom_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    struct dicom_part10 part10;
    struct base_error why = {.pos = BASE_NOPOS};
    if (dicom_part10_read(file, true, &part10, &why) != DICOM_SCAN_DONE)
        return base_fail(err, why.code ? why.code : BASE_EFORMAT, why.pos, "DICOM: %s",
                         why.msg[0] ? why.msg : "the file is cut");
    struct ecg_dicom_reader *d = calloc(1, sizeof *d);
    if (!d)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    d->rec = r;
    d->err = err;
    d->offset = part10.dataset;
    d->dataset = base_bytes_of(file.p + part10.dataset, file.n - part10.dataset);
    d->encoding = part10.syntax->encoding;
    enum base_err e = read_dataset(d, part10.syntax->flags & DICOM_TS_DEFLATED);
    free(d);
    return e;
}
