/*
 * HL7 aECG (annotated ECG, urn:hl7-org:v3): rhythm series, derived series of the
 * representative beat, patient, device and filters. Samples are decoded while the
 * document is read; a sequence becomes a lead when it ends, its time when its
 * sequence set ends.
 */
#include "ecg/ecg_aecg_priv.h"
#include "ecg/ecg_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool ecg_aecg_probe(struct base_bytes file)
{
    char root[40];
    ecg_xml_root(file, root, sizeof root);
    return strcmp(root, "AnnotatedECG") == 0;
}

double ecg_aecg_unit_in_s(const char *unit)
{
    if (strcmp(unit, "s") == 0 || unit[0] == '\0')
        return 1;
    return strcmp(unit, "ms") == 0 ? 1e-3 : strcmp(unit, "us") == 0 ? 1e-6 : 0;
}

double ecg_aecg_time(const struct aecg *a, const char *value, const char *unit)
{
    struct ecg_time t;
    double number;
    if (unit[0] == '\0' && ecg_hl7_time_parse(value, &t))
        return isnan(a->start_s) ? (double)NAN : ecg_time_seconds(&t) - a->start_s;
    if (!ecg_text_number(value, &number))
        return (double)NAN;
    return number * ecg_aecg_unit_in_s(unit) + (a->derived ? 0 : a->series_s);
}

/* ---- sequences ---- */

/* The record begins where its first series does. */
static void set_start(struct aecg *a, const char *value)
{
    struct ecg_time t;
    if (!isnan(a->start_s) || !ecg_hl7_time_parse(value, &t))
        return;
    a->r->start = t;
    a->start_s = ecg_time_seconds(&t);
}

/* A further series begins at a time of its own: before the first one, or years later, it hardly
 * does. */
static void set_series_start(struct aecg *a, const char *value)
{
    static const double MOST_S = 1e6;
    struct ecg_time t;
    set_start(a, value);
    double after_s = ecg_hl7_time_parse(value, &t) ? ecg_time_seconds(&t) - a->start_s : 0;
    a->series_s = after_s > 0 && after_s < MOST_S ? after_s : 0;
}

static void begin_sequence(struct aecg *a)
{
    a->code[0] = '\0';
    a->is_mlii = false;
    a->origin = 0;
    a->scale = (double)NAN;
    a->origin_unit[0] = a->scale_unit[0] = '\0';
    a->has_digits = a->in_digits = false;
}

static void begin_set(struct aecg *a)
{
    a->first_lead = a->derived ? a->r->nmedians : a->r->nleads;
    a->head_s = 0;
    a->is_absolute = false;
    a->increment_s = (double)NAN;
}

static void sequence_value(struct aecg *a, const char *name)
{
    char value[64];
    char unit[16];
    double number;
    struct ecg_time t;
    ecg_xml_attribute(a->x, "value", value, sizeof value);
    ecg_xml_attribute(a->x, "unit", unit, sizeof unit);
    bool is_number = ecg_text_number(value, &number);
    if (strcmp(name, "head") == 0 && strcmp(a->code, "TIME_ABSOLUTE") == 0) {
        if (ecg_hl7_time_parse(value, &t)) {
            /* The first of them is more exact than what the series said. */
            if (a->r->nleads == 0 && !a->derived)
                a->start_s = (double)NAN;
            set_start(a, value);
            a->is_absolute = true;
            a->head_s = ecg_time_seconds(&t) - a->start_s;
        }
    } else if (strcmp(name, "head") == 0) {
        a->head_s = is_number ? number * ecg_aecg_unit_in_s(unit) : 0;
    } else if (strcmp(name, "increment") == 0) {
        a->increment_s = is_number ? number * ecg_aecg_unit_in_s(unit) : (double)NAN;
    } else if (strcmp(name, "origin") == 0 && is_number) {
        a->origin = number;
        memcpy(a->origin_unit, unit, sizeof unit);
    } else if (strcmp(name, "scale") == 0) {
        a->scale = is_number ? number : (double)NAN;
        memcpy(a->scale_unit, unit, sizeof unit);
    }
}

static void describe(struct aecg *a, struct ecg_lead *lead)
{
    static const char prefix[] = "MDC_ECG_LEAD_";
    const char *label = a->code;
    lead->is_ecg = strncmp(label, prefix, sizeof prefix - 1) == 0;
    if (lead->is_ecg)
        label += sizeof prefix - 1;
    double uv = ecg_unit_uv(base_bytes_str(a->scale_unit));
    double origin_uv = ecg_unit_uv(base_bytes_str(a->origin_unit));
    ecg_text_name_lead(a->r, base_bytes_str(label), lead);
    if (lead->id == ECG_LEAD_ML && a->is_mlii)
        lead->name = "MLII";
    lead->uv_per_count = a->scale * uv;
    lead->offset_uv = a->origin * (origin_uv > 0 ? origin_uv : uv);
}

static void note(struct aecg *a, const char *what)
{
    ecg_record_damage(a->r, BASE_NOPOS, "HL7 aECG, line %u: %s %s", a->digits_line,
                      a->code[0] ? a->code : "a sequence without a code", what);
}

/* </sequence>: the digits become a lead. */
static void end_sequence(struct aecg *a)
{
    if (ecg_xml_is_broken(a->x))
        a->digits.open = false; /* a number that may be cut */
    ecg_digits_end(&a->digits);
    if (!a->has_digits || a->passed_over || a->digits.n == 0) {
        if (a->digits.bad && !a->passed_over)
            note(a, "begins with something else than a whole number: it is left out");
        a->digits.n = 0;
        a->digits.bad = a->digits.open = a->digits.wide = false;
        return;
    }
    bool usable = a->scale > 0 && ecg_unit_uv(base_bytes_str(a->scale_unit)) > 0;
    if (a->digits.bad)
        note(a, "has something else than whole numbers among its digits: the rest is lost");
    if (!usable)
        note(a, "has no scale in V, mV, uV or nV: it is left out");
    struct ecg_lead dropped = {.name = "", .unit = ""};
    struct ecg_lead *lead = &dropped;
    if (usable)
        lead = a->derived ? ecg_record_add_median(a->r) : ecg_record_add_lead(a->r);
    if (!lead)
        return;
    if (!usable) {
        struct ecg_digits empty = {.v = a->digits.v, .size = a->digits.size};
        a->digits = empty;
        return;
    }
    describe(a, lead);
    enum base_err e = ecg_digits_place(&a->digits, a->r, lead);
    ecg_record_fail(a->r, e);
}

/* </sequenceSet>: its leads get their time. */
static void end_set(struct aecg *a)
{
    struct ecg_lead *leads = a->derived ? a->r->medians : a->r->leads;
    size_t n = a->derived ? a->r->nmedians : a->r->nleads;
    double rate = a->increment_s > 0 ? 1 / a->increment_s : (double)NAN;
    /* 1/0.002 is not 500 to the last bit. */
    if (fabs(rate - round(rate)) < 1e-6 * rate)
        rate = round(rate);
    if (n > a->first_lead && !(rate > 0 && rate <= 1e6)) {
        a->digits_line = ecg_xml_line(a->x);
        a->code[0] = '\0';
        ecg_record_damage(a->r, BASE_NOPOS,
                          "HL7 aECG, line %u: the sequences have no time increment, 500 Hz assumed",
                          a->digits_line);
        rate = 500;
    }
    /* Relative times are after their own series'. */
    double head_s = a->head_s + (a->is_absolute ? 0 : a->series_s);
    for (size_t i = a->first_lead; i < n; i++) {
        leads[i].rate_hz = rate;
        leads[i].start_s = !a->derived && isfinite(head_s) ? head_s : 0;
    }
    a->first_lead = n;
}

/* ---- the rest ---- */

static void control_value(struct aecg *a)
{
    struct ecg_filters *f = &a->r->filters;
    char value[32];
    char unit[16];
    double hz;
    ecg_xml_attribute(a->x, "value", value, sizeof value);
    ecg_xml_attribute(a->x, "unit", unit, sizeof unit);
    if (!ecg_text_number(value, &hz) || hz <= 0 || hz > 1e6 || a->derived)
        return;
    if (strstr(a->control, "_FILTER_NOTCH"))
        f->notch_hz = hz;
    else if (strstr(a->control, "_CUTOFF_FREQ") && strstr(a->filter, "_FILTER_LOW_PASS"))
        f->low_pass_hz = hz;
    else if (strstr(a->control, "_CUTOFF_FREQ") && strstr(a->filter, "_FILTER_HIGH_PASS"))
        f->high_pass_hz = hz;
    else if (strcmp(a->control, "21612-7") == 0 && strcmp(unit, "a") == 0 && hz < 150) {
        a->r->patient.age = (int)hz; /* LOINC: reported age, in years */
        a->r->patient.age_unit = 'Y';
    }
}

static void patient_start(struct aecg *a, const char *name)
{
    struct ecg_patient *p = &a->r->patient;
    char value[64];
    struct ecg_time t;
    if (strcmp(name, "id") == 0 && strcmp(ecg_xml_above(a->x, 1), "trialSubject") == 0) {
        /* Without an extension the root alone is the identifier (HL7 v3, II). */
        const char *extension = ecg_xml_attribute_text(a->x, "extension");
        if (extension[0])
            p->id.utf8 = extension;
        else if (!p->id.utf8[0])
            p->id.utf8 = ecg_xml_attribute_text(a->x, "root");
    } else if (strcmp(name, "administrativeGenderCode") == 0 &&
               ecg_xml_attribute(a->x, "code", value, sizeof value)) {
        /* HL7 AdministrativeGender */
        p->sex = strcmp(value, "UN") == 0 ? 'O' : ecg_text_sex(value);
    } else if (strcmp(name, "birthTime") == 0 &&
               ecg_xml_attribute(a->x, "value", value, sizeof value) &&
               ecg_hl7_time_parse(value, &t)) {
        p->birth = t.date;
    }
}

static void take_start(struct aecg *a, const char *name)
{
    char value[64];
    if ((strcmp(name, "low") != 0 && strcmp(name, "center") != 0 &&
         strcmp(name, "effectiveTime") != 0) ||
        a->derived || !ecg_xml_attribute(a->x, "value", value, sizeof value))
        return;
    const char *owner = ecg_xml_above(a->x, strcmp(name, "effectiveTime") == 0 ? 1 : 2);
    struct ecg_time t;
    bool is_series = strcmp(owner, "series") == 0;
    /* Of the whole only for want of a better one: see finish. */
    if (is_series)
        set_series_start(a, value);
    else if (strcmp(owner, "AnnotatedECG") == 0 && !a->r->start.date.year &&
             ecg_hl7_time_parse(value, &t))
        a->r->start = t;
}

static void on_start(void *arg, struct ecg_xml *x, const char *name)
{
    struct aecg *a = arg;
    const char *parent = ecg_xml_above(x, 1);
    a->x = x;
    if (strcmp(name, "annotation") == 0 || a->depth) {
        ecg_aecg_annotation_start(a, name);
    } else if (strcmp(name, "sequenceSet") == 0) {
        begin_set(a);
    } else if (strcmp(name, "sequence") == 0) {
        begin_sequence(a);
    } else if (strcmp(name, "digits") == 0) {
        a->has_digits = a->in_digits = true;
        a->digits_line = ecg_xml_line(x);
    } else if (strcmp(name, "series") == 0) {
        a->series_s = 0;
    } else if (strcmp(name, "derivedSeries") == 0) {
        a->derived = true;
    } else if (strcmp(name, "code") == 0) {
        if (strcmp(parent, "sequence") == 0) {
            char shown[8];
            ecg_xml_attribute(x, "code", a->code, sizeof a->code);
            ecg_xml_attribute(x, "displayName", shown, sizeof shown);
            a->is_mlii = strcmp(shown, "MLII") == 0;
        } else if (strcmp(parent, "series") == 0) {
            /* Some have it beside the rhythm, not derived from it. */
            ecg_xml_attribute(x, "code", a->code, sizeof a->code);
            a->derived = a->beat_series = strcmp(a->code, "REPRESENTATIVE_BEAT") == 0;
        } else if (strcmp(parent, "derivedSeries") == 0) {
            ecg_xml_attribute(x, "code", a->code, sizeof a->code);
            a->passed_over = strcmp(a->code, "REPRESENTATIVE_BEAT") != 0;
        } else if (strcmp(parent, "controlVariable") == 0 ||
                   strcmp(parent, "relatedObservation") == 0) {
            ecg_xml_attribute(x, "code", a->control, sizeof a->control);
            if (strstr(a->control, "_FILTER_") && !strstr(a->control, "_FREQ"))
                memcpy(a->filter, a->control, sizeof a->filter);
        }
    } else if (strcmp(name, "value") == 0 && ecg_xml_in(x, "controlVariable")) {
        control_value(a);
    } else if (ecg_xml_in(x, "sequence")) {
        sequence_value(a, name);
    } else if (ecg_xml_in(x, "trialSubject")) {
        patient_start(a, name);
    } else if (strcmp(name, "id") == 0 && strcmp(parent, "manufacturedSeriesDevice") == 0) {
        a->r->device.serial = ecg_xml_attribute_text(x, "extension");
    } else {
        take_start(a, name);
    }
}

static bool on_text(void *arg, struct ecg_xml *x, const char *s, size_t n)
{
    struct aecg *a = arg;
    enum base_err err = BASE_OK;
    (void)x;
    if (!a->in_digits)
        return false;
    size_t most = a->r->limits->samples - a->r->samples_used;
    if (!ecg_digits_add(a->level, &a->digits, s, n, most, &err))
        ecg_record_fail(a->r, err);
    return true;
}

static size_t on_plain(void *arg, struct ecg_xml *x, const char *s, size_t n)
{
    struct aecg *a = arg;
    enum base_err err = BASE_OK;
    (void)x;
    if (!a->in_digits)
        return 0;
    size_t most = a->r->limits->samples - a->r->samples_used;
    size_t took = ecg_digits_add_plain(a->level, &a->digits, s, n, most, &err);
    ecg_record_fail(a->r, err);
    return took;
}

/* A name of parts becomes family^given; one without is kept as it is. PatientID and Age,
 * and SerialNumber below, are what carts of Mindray add to the standard's. */
static void patient_end(struct aecg *a, const char *name)
{
    double age;
    if (strcmp(name, "family") == 0) {
        a->family = ecg_xml_text_of_name(a->x, &a->r->patient.name.guessed);
    } else if (strcmp(name, "given") == 0) {
        const char *given = ecg_xml_text_of_name(a->x, &a->r->patient.name.guessed);
        a->given = a->given[0] ? ecg_record_printf(a->r, "%s^%s", a->given, given) : given;
    } else if (strcmp(name, "name") == 0 && (a->family[0] || a->given[0])) {
        a->r->patient.name.utf8 = ecg_record_printf(a->r, "%s^%s", a->family, a->given);
    } else if (strcmp(name, "name") == 0) {
        a->r->patient.name = ecg_xml_text_raw(a->x);
    } else if (strcmp(name, "PatientID") == 0 && !a->r->patient.id.utf8[0]) {
        a->r->patient.id = ecg_xml_text_raw(a->x);
    } else if (strcmp(name, "Age") == 0 && ecg_xml_number(a->x, &age) && age > 0 && age < 150) {
        a->r->patient.age = (int)age;
        a->r->patient.age_unit = 'Y';
    }
}

static void text_end(struct aecg *a, const char *name)
{
    struct ecg_device *d = &a->r->device;
    const char *parent = ecg_xml_above(a->x, 1);
    const char **to = NULL;
    if (a->derived)
        return;
    if (strcmp(name, "manufacturerModelName") == 0)
        to = &d->model;
    else if (strcmp(name, "softwareName") == 0)
        to = &d->software;
    else if (strcmp(name, "SerialNumber") == 0)
        to = &d->serial;
    else if (strcmp(name, "text") == 0 && strcmp(parent, "subjectFindingComment") == 0)
        to = &a->r->comment;
    else if (strcmp(name, "name") != 0)
        return;
    else if (strcmp(parent, "manufacturerOrganization") == 0)
        to = &d->manufacturer;
    else if (ecg_xml_in(a->x, "seriesPerformer"))
        to = &d->technician;
    else if (ecg_xml_in(a->x, "testingSite") || ecg_xml_in(a->x, "trialSite"))
        to = &d->institution;
    if (to && !(*to)[0])
        *to = ecg_xml_text(a->x);
}

static void on_end(void *arg, struct ecg_xml *x, const char *name)
{
    struct aecg *a = arg;
    a->x = x;
    if (a->depth) {
        ecg_aecg_annotation_end(a, name);
    } else if (strcmp(name, "digits") == 0) {
        a->in_digits = false;
    } else if (strcmp(name, "sequence") == 0) {
        end_sequence(a);
    } else if (strcmp(name, "sequenceSet") == 0) {
        end_set(a);
    } else if (strcmp(name, "derivedSeries") == 0) {
        a->derived = a->beat_series;
        a->passed_over = false;
    } else if (strcmp(name, "series") == 0) {
        a->derived = a->beat_series = false;
    } else if (ecg_xml_in(x, "subjectDemographicPerson")) {
        patient_end(a, name);
    } else {
        text_end(a, name);
    }
}

enum base_err ecg_aecg_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    static const struct ecg_xml_handler handler = {.start = on_start,
                                                   .end = on_end,
                                                   .text = on_text,
                                                   .plain_name = "digits",
                                                   .plain = on_plain};
    struct aecg *a = calloc(1, sizeof *a);
    if (!a)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "HL7 aECG: out of memory");
    a->r = r;
    a->level = ecg_simd_level();
    a->start_s = (double)NAN;
    a->family = a->given = "";
    r->format = "HL7 aECG";
    r->median_fiducial_s = -1;
    enum base_err e = ecg_xml_read(file, "HL7 aECG", &handler, a, r, err);
    if (!e && r->err)
        e = base_fail(err, r->err, BASE_NOPOS, "HL7 aECG: %s", base_err_text(r->err));
    if (!e && r->nleads == 0)
        e = base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                      "HL7 aECG: the document has no rhythm series with a sequence of samples; "
                      "export the recording with its waveforms");
    ecg_digits_free(&a->digits);
    free(a);
    return e;
}
