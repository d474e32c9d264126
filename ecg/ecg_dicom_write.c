#include "ecg/ecg_dicom_write.h"

#include "base/digest.h"
#include "base/utf8.h"
#include "dicom/dicom_dataset.h"
#include "dicom/dicom_part10.h"
#include "ecg/ecg_dicom_priv.h"
#include "ecg/ecg_dicom_write_priv.h"
#include "ecg/ecg_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PADDING = -32768 };

struct job {
    const struct ecg_record *r;
    const struct ecg_dicom_options *o;
    struct dicom_writer w;
    struct ecg_dicom_written ids;
    struct ecg_dicom_layout layout;
    char date[9];
    char clock[16]; /* "" when only the date is known */
    char zone[8];   /* "+0800", or "" */
};

static enum base_err lay_out(struct job *j, struct base_error *err)
{
    size_t most = j->o->samples ? j->o->samples : ecg_limits_default.samples;
    enum base_err e = ecg_dicom_lay_out(j->r, most, &j->layout, err);
    if (e)
        return e;
    j->ids.sop_class = j->layout.sop_class;
    j->ids.medians = j->layout.medians;
    memcpy(j->ids.left_out, j->layout.left_out, sizeof j->ids.left_out);
    return BASE_OK;
}

static enum base_err make_uid(const struct job *j, const char *given, const char *kind,
                              char out[DICOM_UID_SIZE], struct base_error *err)
{
    if (given && given[0]) {
        if (!dicom_uid_valid(given))
            return base_fail(err, BASE_EINVAL, BASE_NOPOS, "%s UID \"%s\" is no UID", kind, given);
        memcpy(out, given, strlen(given) + 1);
        return BASE_OK;
    }
    if (!j->o->seed) {
        base_uid_new(out);
        return BASE_OK;
    }
    struct base_buf seed = {0};
    base_buf_printf(&seed, "ecg %s %s", kind, j->o->seed);
    enum base_err e = seed.err;
    if (e)
        base_fail(err, e, BASE_NOPOS, "out of memory");
    else
        base_uid_derive(base_buf_bytes(&seed), out);
    base_buf_deinit(&seed);
    return e;
}

static enum base_err make_uids(struct job *j, struct base_error *err)
{
    const struct ecg_dicom_options *o = j->o;
    const char *own = dicom_uid_valid(j->r->study_uid) ? j->r->study_uid : NULL;
    enum base_err e =
        make_uid(j, o->study_uid ? o->study_uid : own, "study", j->ids.study_uid, err);
    if (!e)
        e = make_uid(j, o->series_uid, "series", j->ids.series_uid, err);
    if (!e)
        e = make_uid(j, o->instance_uid, "instance", j->ids.instance_uid, err);
    return e;
}

/* What identifies is never cut short. */
static enum base_err check_options(const struct ecg_dicom_options *o, struct base_error *err)
{
    const struct {
        const char *name;
        const char *value;
        size_t most;
    } rows[] = {
        {"patient id", o->patient_id, 64},      {"issuer of the patient id", o->issuer, 64},
        {"accession number", o->accession, 16}, {"study id", o->study_id, 16},
        {"birth date", o->patient_birth, 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value && strlen(rows[i].value) > rows[i].most)
            return base_fail(err, BASE_EINVAL, BASE_NOPOS,
                             "%s is longer than the %zu characters "
                             "that DICOM allows",
                             rows[i].name, rows[i].most);
    return BASE_OK;
}

static void settle_time(struct job *j)
{
    const struct ecg_time *t = &j->r->start;
    bool zoned = t->has_zone || j->o->has_zone;
    int zone = t->has_zone ? t->zone_min : j->o->zone_min;
    if (t->date.year > 0) {
        snprintf(j->date, sizeof j->date, "%04u%02u%02u", (unsigned)t->date.year % 10000,
                 (unsigned)t->date.month % 100, (unsigned)t->date.day % 100);
        if (t->has_time && t->usec > 0)
            snprintf(j->clock, sizeof j->clock, "%02u%02u%02u.%06u", (unsigned)t->hour % 100,
                     (unsigned)t->minute % 100, (unsigned)t->second % 100,
                     (unsigned)t->usec % 1000000);
        else if (t->has_time)
            snprintf(j->clock, sizeof j->clock, "%02u%02u%02u", (unsigned)t->hour % 100,
                     (unsigned)t->minute % 100, (unsigned)t->second % 100);
    } else {
        struct tm tm;
        time_t now = (time_t)(j->o->now_us / 1000000 + (zoned ? zone * 60 : 0));
        gmtime_r(&now, &tm);
        strftime(j->date, sizeof j->date, "%Y%m%d", &tm);
        strftime(j->clock, sizeof j->clock, "%H%M%S", &tm);
    }
    if (zoned && zone > -1440 && zone < 1440)
        snprintf(j->zone, sizeof j->zone, "%c%02u%02u", zone < 0 ? '-' : '+',
                 (unsigned)abs(zone) / 60 % 24, (unsigned)abs(zone) % 60);
}

/* The attribute's keyword behind those of the list, as far as there is room. */
static void add_keyword(char *list, size_t size, uint32_t tag)
{
    const char *keyword = dicom_tag_keyword(tag);
    size_t n = strlen(list);
    if (!strstr(list, keyword))
        snprintf(list + n, size - n, "%s%s", n ? ", " : "", keyword);
}

/* At most so many characters of a text, without what DICOM forbids in it. */
static void write_limited(struct job *j, uint32_t tag, const char *s, size_t most, bool identifies)
{
    struct base_buf text = {0};
    size_t n = strlen(s);
    size_t i = 0;
    for (; i < n && most; most--) {
        size_t step = base_utf8_sequence(s + i, n - i);
        step = step ? step : 1;
        if (step == 1 && (uint8_t)s[i] < ' ')
            base_buf_add_byte(&text, ' ');
        else if (s[i] == '\\')
            base_buf_add_byte(&text, '/');
        else
            base_buf_add(&text, s + i, step);
        i += step;
    }
    if (i < n && identifies) {
        add_keyword(j->ids.too_long, sizeof j->ids.too_long, tag);
        base_buf_reset(&text);
    } else if (i < n) {
        add_keyword(j->ids.shortened, sizeof j->ids.shortened, tag);
    }
    if (text.err && !j->w.out->err)
        j->w.out->err = text.err;
    dicom_write_text(&j->w, tag, base_buf_cstr(&text));
    base_buf_deinit(&text);
}

static void write_clean(struct job *j, uint32_t tag, const char *s, size_t most)
{
    write_limited(j, tag, s, most, false);
}

/* Cut short it would be another's. */
static void write_identity(struct job *j, uint32_t tag, const char *s, size_t most)
{
    write_limited(j, tag, s, most, true);
}

static void write_optional(struct job *j, uint32_t tag, const char *s, size_t most)
{
    if (s && s[0])
        write_clean(j, tag, s, most);
}

static const char *either(const char *given, const char *own)
{
    return given ? given : own;
}

static void write_study(struct job *j)
{
    enum { LO = 64, SH = 16, PN = 64 };
    const struct ecg_record *r = j->r;
    struct dicom_writer *w = &j->w;
    char moment[48];
    dicom_write_text(w, DICOM_TAG_SpecificCharacterSet, "ISO_IR 192");
    dicom_write_text(w, DICOM_TAG_SOPClassUID, j->ids.sop_class);
    dicom_write_text(w, DICOM_TAG_SOPInstanceUID, j->ids.instance_uid);
    dicom_write_text(w, DICOM_TAG_StudyDate, j->date);
    dicom_write_text(w, DICOM_TAG_ContentDate, j->date);
    snprintf(moment, sizeof moment, "%s%s%s", j->date, j->clock, j->zone);
    dicom_write_text(w, DICOM_TAG_AcquisitionDateTime, moment);
    dicom_write_text(w, DICOM_TAG_StudyTime, j->clock);
    /* Type 1: there must be one. The others say that it is not known. */
    dicom_write_text(w, DICOM_TAG_ContentTime, j->clock[0] ? j->clock : "000000");
    write_identity(j, DICOM_TAG_AccessionNumber, either(j->o->accession, r->accession), SH);
    dicom_write_text(w, DICOM_TAG_Modality, "ECG");
    write_clean(j, DICOM_TAG_Manufacturer, r->device.manufacturer, LO);
    write_optional(j, DICOM_TAG_InstitutionName, either(j->o->institution, r->device.institution),
                   LO);
    write_clean(j, DICOM_TAG_ReferringPhysicianName, r->device.referring, PN);
    if (j->zone[0])
        dicom_write_text(w, DICOM_TAG_TimezoneOffsetFromUTC, j->zone);
    write_optional(j, DICOM_TAG_StudyDescription, j->o->study_description, LO);
    write_optional(j, DICOM_TAG_InstitutionalDepartmentName, r->device.department, LO);
    write_optional(j, DICOM_TAG_OperatorsName, r->device.technician, PN);
    write_optional(j, DICOM_TAG_ManufacturerModelName, r->device.model, LO);
}

static void write_patient(struct job *j)
{
    enum { LO = 64, PN = 64 * 3 };
    const struct ecg_patient *p = &j->r->patient;
    struct dicom_writer *w = &j->w;
    char birth[9] = "";
    char sex[2] = {p->sex, '\0'};
    write_clean(j, DICOM_TAG_PatientName, either(j->o->patient_name, p->name.utf8), PN);
    write_identity(j, DICOM_TAG_PatientID, either(j->o->patient_id, p->id.utf8), LO);
    write_optional(j, DICOM_TAG_IssuerOfPatientID, j->o->issuer, LO);
    if (p->birth.year > 0)
        snprintf(birth, sizeof birth, "%04u%02u%02u", (unsigned)p->birth.year % 10000,
                 (unsigned)p->birth.month % 100, (unsigned)p->birth.day % 100);
    dicom_write_text(w, DICOM_TAG_PatientBirthDate, either(j->o->patient_birth, birth));
    dicom_write_text(w, DICOM_TAG_PatientSex, either(j->o->patient_sex, sex));
    if (p->age > 0 && p->age < 1000 && strchr("YMWD", p->age_unit)) {
        char age[8];
        snprintf(age, sizeof age, "%03u%c", (unsigned)p->age % 1000, p->age_unit);
        dicom_write_text(w, DICOM_TAG_PatientAge, age);
    }
    if (p->height_cm > 0)
        dicom_write_double(w, DICOM_TAG_PatientSize, p->height_cm / 100);
    if (p->weight_kg > 0)
        dicom_write_double(w, DICOM_TAG_PatientWeight, p->weight_kg);
    write_optional(j, DICOM_TAG_DeviceSerialNumber, j->r->device.serial, LO);
    write_optional(j, DICOM_TAG_SoftwareVersions, j->r->device.software, LO);
    ecg_dicom_write_notes(w, j->r, j->ids.left_out);
}

/* TID 3401 says where the electrodes were; we know it only of the standard leads. */
static void write_context(struct job *j)
{
    struct dicom_writer *w = &j->w;
    bool standard = true;
    for (int id = ECG_LEAD_I; id <= ECG_LEAD_V6; id++)
        standard &= ecg_record_lead(j->r, id) != NULL;
    if (!standard) {
        dicom_write_seq_open(w, DICOM_TAG_AcquisitionContextSequence);
        dicom_write_seq_close(w);
        return;
    }
    dicom_write_seq_open(w, DICOM_TAG_AcquisitionContextSequence);
    dicom_write_item_open(w);
    dicom_write_text(w, DICOM_TAG_ValueType, "CODE");
    dicom_write_code(w, DICOM_TAG_ConceptNameCodeSequence, "10:11345", "MDC", NULL, "Lead System");
    dicom_write_code(w, DICOM_TAG_ConceptCodeSequence, "10:11265", "MDC", NULL,
                     "Standard 12-lead positions, electrodes placed individually");
    dicom_write_item_close(w);
    dicom_write_seq_close(w);
}

static void write_unit(struct dicom_writer *w, const char *unit)
{
    static const char *const rows[][3] = {
        {"ms", "ms", "millisecond"},
        {"uV", "uV", "microvolt"},
        {"deg", "deg", "degree"},
        {"bpm", "{H.B.}/min", "Heart beat per minute"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], unit) == 0)
            dicom_write_code(w, DICOM_TAG_MeasurementUnitsCodeSequence, rows[i][1], "UCUM", NULL,
                             rows[i][2]);
}

/* All annotations are of the whole first group: channel 0 stands for all. */
static void write_scope(struct dicom_writer *w)
{
    const uint16_t scope[] = {1, 0};
    dicom_write_u16(w, DICOM_TAG_ReferencedWaveformChannels, DICOM_VR_US, scope, 2);
}

static bool is_written(const struct ecg_measurement *m)
{
    return m->lead_id == 0 && ecg_measure_row(m->what)->code[0];
}

static void write_measurement(struct dicom_writer *w, const struct ecg_measurement *m)
{
    const struct ecg_measure_row *row = ecg_measure_row(m->what);
    dicom_write_item_open(w);
    write_unit(w, row->unit);
    dicom_write_code(w, DICOM_TAG_ConceptNameCodeSequence, row->code, "MDC", NULL, row->meaning);
    write_scope(w);
    dicom_write_int(w, DICOM_TAG_AnnotationGroupNumber, 1);
    dicom_write_double(w, DICOM_TAG_NumericValue, m->value);
    dicom_write_item_close(w);
}

static void write_annotations(struct job *j)
{
    enum { ST = 1024 };
    const struct ecg_record *r = j->r;
    struct dicom_writer *w = &j->w;
    for (size_t i = 0; i < r->nmeasurements; i++)
        j->ids.measurements += is_written(&r->measurements[i]);
    if (r->nstatements + j->ids.measurements == 0)
        return;
    dicom_write_seq_open(w, DICOM_TAG_WaveformAnnotationSequence);
    for (size_t i = 0; i < r->nstatements; i++) {
        dicom_write_item_open(w);
        write_scope(w);
        dicom_write_int(w, DICOM_TAG_AnnotationGroupNumber, 0);
        write_clean(j, DICOM_TAG_UnformattedTextValue, r->statements[i].text, ST);
        dicom_write_item_close(w);
    }
    for (size_t i = 0; i < r->nmeasurements; i++)
        if (is_written(&r->measurements[i]))
            write_measurement(w, &r->measurements[i]);
    dicom_write_seq_close(w);
}

/* By what the values must be divided to fit 16 bits: 1 nearly always. */
static int32_t divisor(const struct ecg_lead *lead, bool padded)
{
    int64_t most = 0;
    for (size_t i = 0; i < lead->samples; i++) {
        int64_t v = ecg_lead_sample(lead, i);
        if (v == ECG_SAMPLE_NONE)
            continue;
        /* -32768 fits, unless it is the padding. */
        v = v < 0 ? -v - !padded : v;
        most = v > most ? v : most;
    }
    return (int32_t)(most / INT16_MAX + (most % INT16_MAX != 0));
}

static void write_channel(struct job *j, const struct ecg_dicom_multiplex *g, size_t i,
                          int32_t divide)
{
    const struct ecg_lead *lead = g->lead[i];
    const struct ecg_filters *x = &j->r->filters;
    struct dicom_writer *w = &j->w;
    char code[16];
    const char *meaning = ecg_lead_meaning(lead->id);
    snprintf(code, sizeof code, "2:%d", meaning ? lead->id : 0);
    dicom_write_item_open(w);
    dicom_write_int(w, DICOM_TAG_WaveformChannelNumber, (int64_t)i + 1);
    write_optional(j, DICOM_TAG_ChannelLabel, lead->name, 16);
    dicom_write_code(w, DICOM_TAG_ChannelSourceSequence, code, "MDC", NULL,
                     meaning ? meaning : "Unspecified lead");
    dicom_write_double(w, DICOM_TAG_ChannelSensitivity, lead->uv_per_count * divide);
    dicom_write_code(w, DICOM_TAG_ChannelSensitivityUnitsSequence, "uV", "UCUM", NULL, "microvolt");
    dicom_write_double(w, DICOM_TAG_ChannelSensitivityCorrectionFactor, 1);
    dicom_write_double(w, DICOM_TAG_ChannelBaseline, lead->offset_uv);
    dicom_write_double(w, DICOM_TAG_ChannelSampleSkew, 0);
    dicom_write_int(w, DICOM_TAG_WaveformBitsStored, j->layout.bits);
    if (x->high_pass_hz > 0)
        dicom_write_double(w, DICOM_TAG_FilterLowFrequency, x->high_pass_hz);
    if (x->low_pass_hz > 0)
        dicom_write_double(w, DICOM_TAG_FilterHighFrequency, x->low_pass_hz);
    if (x->notch_hz > 0)
        dicom_write_double(w, DICOM_TAG_NotchFilterFrequency, x->notch_hz);
    dicom_write_item_close(w);
}

static int16_t to_word(int32_t v, int32_t divide)
{
    if (v == ECG_SAMPLE_NONE)
        return PADDING;
    if (divide == 1)
        return (int16_t)v;
    int64_t half = v < 0 ? -divide / 2 : divide / 2;
    return (int16_t)((v + half) / divide);
}

/* Of 32 bits in Little Endian: the lower half first. */
static void put_long(uint16_t words[2], int32_t v)
{
    words[0] = (uint16_t)((uint32_t)v & 0xffff);
    words[1] = (uint16_t)((uint32_t)v >> 16);
}

static void write_samples(struct job *j, const struct ecg_dicom_multiplex *g, const int32_t *divide)
{
    bool is_long = j->layout.bits == 32;
    size_t nwords = g->n * g->samples * (is_long ? 2 : 1);
    uint16_t *words = malloc(nwords * sizeof *words);
    if (!words) {
        if (!j->w.out->err)
            j->w.out->err = BASE_ENOMEM;
        return;
    }
    for (size_t k = 0; k < g->n; k++) {
        const struct ecg_lead *lead = g->lead[k];
        for (size_t i = 0; i < g->samples; i++) {
            int32_t v = ecg_write_sample(lead, (int64_t)i);
            if (is_long)
                put_long(words + 2 * (i * g->n + k), v);
            else
                words[i * g->n + k] = (uint16_t)to_word(v, divide[k]);
        }
    }
    dicom_write_u16(&j->w, DICOM_TAG_WaveformData, DICOM_VR_OW, words, nwords);
    free(words);
}

static void write_padding(struct dicom_writer *w, bool is_long)
{
    uint16_t padding[2] = {(uint16_t)PADDING};
    if (is_long)
        put_long(padding, ECG_SAMPLE_NONE);
    dicom_write_u16(w, DICOM_TAG_WaveformPaddingValue, DICOM_VR_OW, padding, is_long ? 2 : 1);
}

static void write_group(struct job *j, const struct ecg_dicom_multiplex *g)
{
    struct dicom_writer *w = &j->w;
    bool is_long = j->layout.bits == 32;
    int32_t divide[ECG_DICOM_CHANNELS_MAX];
    for (size_t i = 0; i < g->n; i++) {
        divide[i] = is_long ? 1 : divisor(g->lead[i], g->padded);
        divide[i] = divide[i] ? divide[i] : 1;
        j->ids.coarse += divide[i] > 1;
    }
    dicom_write_item_open(w);
    dicom_write_text(w, DICOM_TAG_WaveformOriginality, g->median ? "DERIVED" : "ORIGINAL");
    dicom_write_int(w, DICOM_TAG_NumberOfWaveformChannels, (int64_t)g->n);
    dicom_write_int(w, DICOM_TAG_NumberOfWaveformSamples, (int64_t)g->samples);
    dicom_write_double(w, DICOM_TAG_SamplingFrequency, g->rate);
    dicom_write_text(w, DICOM_TAG_MultiplexGroupLabel, g->median ? "MEDIAN BEAT" : "RHYTHM");
    dicom_write_seq_open(w, DICOM_TAG_ChannelDefinitionSequence);
    for (size_t i = 0; i < g->n; i++)
        write_channel(j, g, i, divide[i]);
    dicom_write_seq_close(w);
    dicom_write_int(w, DICOM_TAG_WaveformBitsAllocated, j->layout.bits);
    dicom_write_text(w, DICOM_TAG_WaveformSampleInterpretation, is_long ? "SL" : "SS");
    if (g->padded)
        write_padding(w, is_long);
    write_samples(j, g, divide);
    dicom_write_item_close(w);
}

static void write_all(struct job *j, struct base_buf *out)
{
    struct dicom_writer *w = &j->w;
    dicom_part10_write_meta(out, j->ids.sop_class, j->ids.instance_uid, DICOM_UID_EXPLICIT_LE,
                            NULL);
    dicom_writer_init(w, out, DICOM_EXPLICIT_LE);
    write_study(j);
    write_patient(j);
    dicom_write_text(w, DICOM_TAG_StudyInstanceUID, j->ids.study_uid);
    dicom_write_text(w, DICOM_TAG_SeriesInstanceUID, j->ids.series_uid);
    write_clean(j, DICOM_TAG_StudyID, either(j->o->study_id, ""), 16);
    dicom_write_int(w, DICOM_TAG_SeriesNumber, 1);
    dicom_write_int(w, DICOM_TAG_InstanceNumber, 1);
    write_context(j);
    write_annotations(j);
    dicom_write_seq_open(w, DICOM_TAG_WaveformSequence);
    for (size_t i = 0; i < j->layout.n; i++)
        write_group(j, &j->layout.of[i]);
    dicom_write_seq_close(w);
}

enum base_err ecg_dicom_write(const struct ecg_record *r, const struct ecg_dicom_options *options,
                              struct base_buf *out, struct ecg_dicom_written *written,
                              struct base_error *err)
{
    static const struct ecg_dicom_options none;
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    j->r = r;
    j->o = options ? options : &none;
    enum base_err e = check_options(j->o, err);
    if (!e)
        e = lay_out(j, err);
    if (!e)
        e = make_uids(j, err);
    if (!e) {
        settle_time(j);
        write_all(j, out);
        e = out->err;
        if (e)
            base_fail(err, e, BASE_NOPOS, "the DICOM object cannot be written: %s",
                      base_err_text(e));
    }
    if (!e && written)
        *written = j->ids;
    free(j);
    return e;
}

enum base_err ecg_dicom_write_row(const struct ecg_record *r,
                                  const struct ecg_write_options *options, struct ecg_outputs *out,
                                  struct base_error *err)
{
    struct ecg_dicom_options o = {.seed = options->seed,
                                  .patient_id = options->patient_id,
                                  .patient_name = options->patient_name,
                                  .accession = options->accession,
                                  .now_us = options->now_us};
    struct ecg_dicom_written written;
    enum base_err e = ecg_dicom_write(r, &o, ecg_outputs_add(out, options, "dcm"), &written, err);
    if (e)
        return e;
    ecg_outputs_lose_all_but(out, r,
                             ECG_HOLDS_MEASUREMENTS | ECG_HOLDS_STATEMENTS | ECG_HOLDS_PATIENT |
                                 ECG_HOLDS_TIME | ECG_HOLDS_ZONE |
                                 (written.medians ? ECG_HOLDS_MEDIANS : 0));
    if (written.left_out[0])
        ecg_outputs_lose(out, "leads: %s", written.left_out);
    if (r->nmeasurements > written.measurements)
        ecg_outputs_lose(out, "%zu measurements of the device",
                         r->nmeasurements - written.measurements);
    if (r->start.date.year == 0)
        ecg_outputs_lose(out, "that the time of the start is not known: it is that of writing");
    if (written.too_long[0])
        ecg_outputs_lose(out, "%s: longer than DICOM allows", written.too_long);
    if (written.shortened[0])
        ecg_outputs_lose(out, "the end of %s", written.shortened);
    if (written.coarse)
        ecg_outputs_lose(out, "%zu leads: more than 16 bits; written in larger steps",
                         written.coarse);
    return BASE_OK;
}
