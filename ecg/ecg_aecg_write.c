/*
 * Writes HL7 aECG: one rhythm series, a sequence set for all leads of one rate and
 * start, what the device measured, stated and marked as annotations, and the median
 * beat as a derived series.
 */
#include "ecg/ecg_aecg_priv.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_number.h"

#include "base/digest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MDC      " codeSystem=\"2.16.840.1.113883.6.24\" codeSystemName=\"MDC\""
#define ACT_CODE " codeSystem=\"2.16.840.1.113883.5.4\" codeSystemName=\"ActCode\""

struct job {
    const struct ecg_record *r;
    const struct ecg_write_options *o;
    struct ecg_outputs *out;
    struct base_buf *b;
    bool dated; /* it is known when it starts, to the second */
    bool *done; /* per mark: written with the one that begins its wave */
    size_t unwritten;
};

static void put(struct job *j, const char *xml)
{
    base_buf_add_str(j->b, xml);
}

/* Text, also within quotes; control characters are not allowed in XML 1.0. */
static void put_text(struct job *j, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            put(j, "&amp;");
            break;
        case '<':
            put(j, "&lt;");
            break;
        case '>':
            put(j, "&gt;");
            break;
        case '"':
            put(j, "&quot;");
            break;
        default:
            base_buf_add_byte(j->b, (uint8_t)((uint8_t)*s < ' ' && *s != '\n' ? ' ' : *s));
        }
}

static void put_element(struct job *j, const char *name, const char *text)
{
    base_buf_printf(j->b, "<%s>", name);
    put_text(j, text);
    base_buf_printf(j->b, "</%s>", name);
}

/* An OID of the kind that identifies this part of this recording. */
static void put_id(struct job *j, const char *part)
{
    char uid[BASE_UID];
    struct base_buf seed = {0};
    if (j->o->seed) {
        base_buf_printf(&seed, "aecg %s %s", part, j->o->seed);
        base_uid_derive(base_buf_bytes(&seed), uid);
    } else {
        base_uid_new(uid);
    }
    if (seed.err && !j->b->err)
        j->b->err = seed.err;
    base_buf_deinit(&seed);
    base_buf_printf(j->b, "<id root=\"%s\"/>", uid);
}

/* The record's start and so many seconds, as HL7 writes times: with three digits of the fraction,
 * or six where it has more. */
static void put_time(struct job *j, double after_s)
{
    const struct ecg_time *t = &j->r->start;
    double us = round((ecg_time_seconds(t) + after_s) * 1e6);
    time_t whole = (time_t)floor(us / 1e6);
    int rest = (int)(us - 1e6 * (double)whole);
    struct tm tm;
    gmtime_r(&whole, &tm);
    base_buf_printf(j->b, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                    tm.tm_hour, tm.tm_min, tm.tm_sec);
    base_buf_printf(j->b, rest % 1000 ? ".%06d" : ".%03d", rest % 1000 ? rest : rest / 1000);
    if (t->has_zone)
        base_buf_printf(j->b, "%c%02d%02d", t->zone_min < 0 ? '-' : '+', abs(t->zone_min) / 60,
                        abs(t->zone_min) % 60);
}

static void put_period(struct job *j)
{
    const struct ecg_date *d = &j->r->start.date;
    if (!j->dated && d->year > 0)
        base_buf_printf(j->b, "<effectiveTime><low value=\"%04d%02d%02d\"/></effectiveTime>\n",
                        d->year, d->month, d->day);
    if (!j->dated)
        return;
    put(j, "<effectiveTime><low value=\"");
    put_time(j, 0);
    put(j, "\"/><high value=\"");
    put_time(j, ecg_record_seconds(j->r));
    put(j, "\"/></effectiveTime>\n");
}

/* ---- patient ---- */

static void put_name(struct job *j, const char *name)
{
    const char *given = strchr(name, '^');
    if (!name[0])
        return;
    if (!given) {
        put_element(j, "name", name);
        return;
    }
    put(j, "<name><family>");
    struct base_buf family = {0};
    base_buf_printf(&family, "%.*s", (int)(given - name), name);
    put_text(j, base_buf_cstr(&family));
    enum base_err lost = family.err;
    base_buf_deinit(&family);
    put(j, "</family>");
    while (*given == '^') { /* the second one and what follows are given names too */
        struct base_buf part = {0};
        size_t n = strcspn(++given, "^");
        base_buf_printf(&part, "%.*s", (int)n, given);
        put_element(j, "given", base_buf_cstr(&part));
        lost = lost ? lost : part.err;
        base_buf_deinit(&part);
        given += n;
    }
    put(j, "</name>");
    if (lost && !j->b->err)
        j->b->err = lost;
}

static void put_subject(struct job *j)
{
    const struct ecg_patient *p = &j->r->patient;
    const char *sex = p->sex == 'M' ? "M" : p->sex == 'F' ? "F" : p->sex == 'O' ? "UN" : NULL;
    put(j, "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>\n"
           "<id extension=\"");
    put_text(j, j->o->patient_id ? j->o->patient_id : p->id.utf8);
    put(j, "\"/>\n<subjectDemographicPerson>");
    put_name(j, j->o->patient_name ? j->o->patient_name : p->name.utf8);
    if (sex)
        base_buf_printf(j->b,
                        "<administrativeGenderCode code=\"%s\" "
                        "codeSystem=\"2.16.840.1.113883.5.1\"/>",
                        sex);
    if (p->birth.year > 0)
        base_buf_printf(j->b, "<birthTime value=\"%04u%02u%02u\"/>",
                        (unsigned)p->birth.year % 10000, (unsigned)p->birth.month % 100,
                        (unsigned)p->birth.day % 100);
    put(j,
        "</subjectDemographicPerson>\n</trialSubject></subject></subjectAssignment></componentOf>"
        "</timepointEvent></componentOf>\n");
    if (p->age > 0 && p->age_unit == 'Y')
        base_buf_printf(j->b,
                        "<controlVariable><relatedObservation><code code=\"21612-7\" "
                        "codeSystem=\"2.16.840.1.113883.6.1\" codeSystemName=\"LOINC\"/>"
                        "<value xsi:type=\"PQ\" value=\"%d\" unit=\"a\"/>"
                        "</relatedObservation></controlVariable>\n",
                        p->age);
    if (j->r->comment[0]) {
        put(j, "<pertainsTo><subjectFindingComment>");
        put_element(j, "text", j->r->comment);
        put(j, "</subjectFindingComment></pertainsTo>\n");
    }
}

/* ---- series ---- */

static void put_device(struct job *j)
{
    const struct ecg_device *d = &j->r->device;
    put(j, "<author><seriesAuthor><manufacturedSeriesDevice><id extension=\"");
    put_text(j, d->serial);
    put(j, "\"/>");
    put_element(j, "manufacturerModelName", d->model);
    put_element(j, "softwareName", d->software);
    put(j, "</manufacturedSeriesDevice><manufacturerOrganization>");
    put_element(j, "name", d->manufacturer);
    put(j, "</manufacturerOrganization></seriesAuthor></author>\n");
    if (!d->technician[0])
        return;
    put(j, "<secondaryPerformer><seriesPerformer><assignedPerson>");
    put_element(j, "name", d->technician);
    put(j, "</assignedPerson></seriesPerformer></secondaryPerformer>\n");
}

static void put_filter(struct job *j, const char *kind, const char *what, double hz)
{
    if (hz > 0)
        base_buf_printf(j->b,
                        "<controlVariable><controlVariable><code "
                        "code=\"MDC_ECG_CTL_VBL_ATTR_FILTER_%s\"" MDC "/>"
                        "<component><controlVariable><code "
                        "code=\"MDC_ECG_CTL_VBL_ATTR_FILTER_%s\"" MDC "/>"
                        "<value xsi:type=\"PQ\" value=\"%.15g\" unit=\"Hz\"/></controlVariable>"
                        "</component></controlVariable></controlVariable>\n",
                        kind, what, hz);
}

static void put_lead_code(struct job *j, int id, const char *name)
{
    const char *standard = ecg_lead_name(id);
    put(j, "<code code=\"");
    if (id >= ECG_LEAD_AVR && id <= ECG_LEAD_AVF)
        base_buf_printf(j->b, "MDC_ECG_LEAD_AV%c\"" MDC "/>", standard[2]);
    else if (standard)
        /* ML is what the codes know of MLII. */
        base_buf_printf(j->b, "MDC_ECG_LEAD_%s\"" MDC "%s/>", standard,
                        strcmp(name, "MLII") == 0 ? " displayName=\"MLII\"" : "");
    else {
        put_text(j, name);
        put(j, "\"/>");
    }
}

/* aECG has no missing samples: they get the lowest value that occurs. */
static void put_digits(struct job *j, const struct ecg_lead *lead)
{
    int32_t sign = lead->uv_per_count < 0 ? -1 : 1;
    int32_t least = INT32_MAX;
    size_t missing = 0;
    for (size_t i = 0; i < lead->samples; i++) {
        int32_t v = ecg_lead_sample(lead, i);
        missing += v == ECG_SAMPLE_NONE;
        if (v != ECG_SAMPLE_NONE && sign * v < least)
            least = sign * v;
    }
    least = least == INT32_MAX ? 0 : least;
    for (size_t i = 0; i < lead->samples; i++) {
        int32_t v = ecg_lead_sample(lead, i);
        v = v == ECG_SAMPLE_NONE ? least : sign * v;
        uint8_t *to = base_buf_reserve(j->b, 1 + ECG_NUMBER_TEXT);
        if (!to)
            break;
        *to = i % 25 ? ' ' : '\n';
        j->b->n += 1 + ecg_number_whole(v, to + 1);
    }
    if (missing)
        ecg_outputs_lose(j->out,
                         "lead %s: that %zu samples are missing; they have the lowest value",
                         lead->name, missing);
}

static void put_sequence(struct job *j, const struct ecg_lead *lead)
{
    put(j, "<component><sequence>");
    put_lead_code(j, lead->id, lead->name);
    base_buf_printf(j->b,
                    "<value xsi:type=\"SLIST_PQ\"><origin value=\"%.15g\" unit=\"uV\"/>"
                    "<scale value=\"%.15g\" unit=\"uV\"/><digits>",
                    lead->offset_uv, fabs(lead->uv_per_count));
    put_digits(j, lead);
    put(j, "</digits></value></sequence></component>\n");
}

static void put_clock(struct job *j, const struct ecg_lead *lead, bool absolute)
{
    base_buf_printf(j->b, "<component><sequence><code code=\"%s\"" ACT_CODE "/>",
                    absolute ? "TIME_ABSOLUTE" : "TIME_RELATIVE");
    if (absolute) {
        put(j, "<value xsi:type=\"GLIST_TS\"><head value=\"");
        put_time(j, lead->start_s);
        put(j, "\"/>");
    } else {
        base_buf_printf(j->b, "<value xsi:type=\"GLIST_PQ\"><head value=\"%.15g\" unit=\"s\"/>",
                        lead->start_s);
    }
    base_buf_printf(j->b,
                    "<increment value=\"%.15g\" unit=\"s\"/></value></sequence></component>\n",
                    1 / lead->rate_hz);
}

static bool same_clock(const struct ecg_lead *a, const struct ecg_lead *b)
{
    return a->rate_hz == b->rate_hz && fabs(a->start_s - b->start_s) * a->rate_hz < 1e-3;
}

/* A set for each rate and start, in the order of the leads. */
static void put_sets(struct job *j, const struct ecg_lead *leads, size_t n, bool absolute)
{
    for (size_t i = 0; i < n; i++) {
        bool begun = leads[i].samples == 0;
        for (size_t k = 0; k < i && !begun; k++)
            begun = leads[k].samples && same_clock(&leads[k], &leads[i]);
        if (begun)
            continue;
        put(j, "<component><sequenceSet>\n");
        put_clock(j, &leads[i], absolute);
        for (size_t k = i; k < n; k++)
            if (leads[k].samples && same_clock(&leads[i], &leads[k]))
                put_sequence(j, &leads[k]);
        put(j, "</sequenceSet></component>\n");
    }
}

/* ---- annotations ---- */

static void put_point(struct job *j, const char *name, double s)
{
    base_buf_printf(j->b, "<%s value=\"%.9g\" unit=\"s\"/>", name, s);
}

/* Where and on which lead: a region of interest. NAN: not that point. */
static void put_region(struct job *j, int lead_id, double from, double at, double to)
{
    put(j, "<support><supportingROI><component><boundary><code code=\"TIME_RELATIVE\"" ACT_CODE
           "/><value xsi:type=\"IVL_PQ\">");
    if (isfinite(from))
        put_point(j, "low", from);
    if (isfinite(at))
        put_point(j, "center", at);
    if (isfinite(to))
        put_point(j, "high", to);
    put(j, "</value></boundary></component>");
    if (ecg_lead_name(lead_id)) {
        put(j, "<component><boundary>");
        put_lead_code(j, lead_id, "");
        put(j, "</boundary></component>");
    }
    put(j, "</supportingROI></support>");
}

/* The next mark of this kind on the same lead, soon after: NULL when there is none. */
static const struct ecg_mark *partner(const struct job *j, size_t i, enum ecg_mark_kind kind)
{
    enum { LOOK = 16 };
    const double longest_s = 1;
    const struct ecg_mark *m = &j->r->marks[i];
    for (size_t k = i + 1; k < j->r->nmarks && k <= i + LOOK; k++) {
        const struct ecg_mark *x = &j->r->marks[k];
        if (x->kind == kind && x->on_median == m->on_median && x->lead_id == m->lead_id &&
            !j->done[k] && x->at_s >= m->at_s && x->at_s - m->at_s < longest_s) {
            j->done[k] = true;
            return x;
        }
    }
    return NULL;
}

static bool put_wave(struct job *j, size_t i)
{
    const struct ecg_mark *m = &j->r->marks[i];
    for (const struct ecg_aecg_wave *w = ecg_aecg_waves; w->code; w++) {
        bool on = w->on == m->kind;
        bool off = w->off == m->kind;
        if (!on && !off && w->peak != m->kind)
            continue;
        const struct ecg_mark *end = on ? partner(j, i, w->off) : NULL;
        const struct ecg_mark *peak = on ? partner(j, i, w->peak) : NULL;
        double none = (double)NAN;
        base_buf_printf(j->b,
                        "<component><annotation><code code=\"MDC_ECG_WAVC\"" MDC
                        "/><value xsi:type=\"CE\" code=\"%s\"" MDC "/>",
                        w->code);
        put_region(j, m->lead_id, on ? m->at_s : none,
                   peak        ? peak->at_s
                   : on || off ? none
                               : m->at_s,
                   end   ? end->at_s
                   : off ? m->at_s
                         : none);
        put(j, "</annotation></component>\n");
        return true;
    }
    return false;
}

static void put_beat(struct job *j, const struct ecg_mark *m)
{
    const char *code = ecg_code_mdc(m->code);
    bool zone = m->to_s > m->from_s;
    put(j, "<component><annotation><code code=\"MDC_ECG_BEAT\"" MDC "/><value xsi:type=\"CE\"");
    if (code[0])
        base_buf_printf(j->b, " code=\"%s\"" MDC, code);
    put(j, "/>");
    put_region(j, m->lead_id, zone ? m->from_s : (double)NAN, m->at_s,
               zone ? m->to_s : (double)NAN);
    put(j, "</annotation></component>\n");
}

static void put_marks(struct job *j, bool on_median)
{
    for (size_t i = 0; i < j->r->nmarks && !j->b->err; i++) {
        const struct ecg_mark *m = &j->r->marks[i];
        if (m->on_median != on_median || j->done[i] || !(fabs(m->at_s) < 1e9))
            continue;
        j->done[i] = true;
        if (m->kind == ECG_MARK_BEAT)
            put_beat(j, m);
        else if (m->kind == ECG_MARK_OTHER || !put_wave(j, i))
            j->unwritten++;
    }
}

static const char *measure_code(enum ecg_measure what)
{
    for (const struct ecg_aecg_measure *m = ecg_aecg_measures; m->code; m++)
        if (m->what == what)
            return m->code;
    return NULL;
}

static void put_measurements(struct job *j)
{
    size_t left = 0;
    for (size_t i = 0; i < j->r->nmeasurements; i++) {
        const struct ecg_measurement *m = &j->r->measurements[i];
        const char *code = measure_code(m->what);
        left += code == NULL;
        if (!code)
            continue;
        base_buf_printf(j->b,
                        "<component><annotation><code code=\"%s\"" MDC "/>"
                        "<value xsi:type=\"PQ\" value=\"%.15g\" unit=\"%s\"/>",
                        code, m->value, ecg_measure_row(m->what)->unit);
        if (ecg_lead_name(m->lead_id)) {
            put(j, "<support><supportingROI><component><boundary>");
            put_lead_code(j, m->lead_id, "");
            put(j, "</boundary></component></supportingROI></support>");
        }
        put(j, "</annotation></component>\n");
    }
    if (left)
        ecg_outputs_lose(j->out, "%zu measurements of the device", left);
}

static void put_statements(struct job *j)
{
    if (j->r->nstatements == 0)
        return;
    put(j, "<component><annotation><code code=\"MDC_ECG_INTERPRETATION\"" MDC "/>\n");
    for (size_t i = 0; i < j->r->nstatements; i++) {
        put(j, "<component><annotation><code code=\"MDC_ECG_INTERPRETATION_STATEMENT\"" MDC
               "/><value xsi:type=\"ST\">");
        put_text(j, j->r->statements[i].text);
        put(j, "</value></annotation></component>\n");
    }
    put(j, "</annotation></component>\n");
}

static void put_annotations(struct job *j, bool on_median)
{
    size_t here = 0;
    for (size_t i = 0; i < j->r->nmarks; i++)
        here += j->r->marks[i].on_median == on_median;
    if (!on_median)
        here += j->r->nmeasurements + j->r->nstatements;
    if (here == 0)
        return;
    put(j, "<subjectOf><annotationSet>\n");
    if (!on_median) {
        put_measurements(j);
        put_statements(j);
    }
    put_marks(j, on_median);
    put(j, "</annotationSet></subjectOf>\n");
}

/* ---- the whole ---- */

static void put_median(struct job *j)
{
    if (j->r->nmedians == 0)
        return;
    put(j, "<derivation><derivedSeries>");
    put_id(j, "median");
    put(j, "<code code=\"REPRESENTATIVE_BEAT\"" ACT_CODE "/>\n");
    put_sets(j, j->r->medians, j->r->nmedians, false);
    put_annotations(j, true);
    put(j, "</derivedSeries></derivation>\n");
}

static void put_document(struct job *j)
{
    const struct ecg_filters *f = &j->r->filters;
    put(j, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<AnnotatedECG xmlns=\"urn:hl7-org:v3\" "
           "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" type=\"Observation\">\n");
    put_id(j, "document");
    put(j, "<code code=\"93000\" codeSystem=\"2.16.840.1.113883.6.12\" "
           "codeSystemName=\"CPT-4\"/>\n");
    put_period(j);
    put_subject(j);
    put(j, "<component><series>");
    put_id(j, "series");
    put(j, "<code code=\"RHYTHM\"" ACT_CODE "/>\n");
    put_period(j);
    put_device(j);
    put_filter(j, "LOW_PASS", "CUTOFF_FREQ", f->low_pass_hz);
    put_filter(j, "HIGH_PASS", "CUTOFF_FREQ", f->high_pass_hz);
    put_filter(j, "NOTCH", "NOTCH_FREQ", f->notch_hz);
    put_sets(j, j->r->leads, j->r->nleads, j->dated);
    put_annotations(j, false);
    put_median(j);
    put(j, "</series></component>\n</AnnotatedECG>\n");
}

enum base_err ecg_aecg_write_row(const struct ecg_record *r,
                                 const struct ecg_write_options *options, struct ecg_outputs *out,
                                 struct base_error *err)
{
    if (!ecg_record_has_leads(r))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "the record has no samples of an ECG lead");
    struct job j = {
        .r = r, .o = options, .out = out, .dated = r->start.date.year > 0 && r->start.has_time};
    j.done = calloc(r->nmarks + 1, sizeof *j.done);
    if (!j.done)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    j.b = ecg_outputs_add(out, options, "xml");
    put_document(&j);
    free(j.done);
    if (j.unwritten)
        ecg_outputs_lose(out, "%zu annotations that are neither beats nor waves", j.unwritten);
    ecg_outputs_lose_all_but(out, r,
                             ECG_HOLDS_MEDIANS | ECG_HOLDS_MEASUREMENTS | ECG_HOLDS_STATEMENTS |
                                 ECG_HOLDS_MARKS | ECG_HOLDS_PATIENT | ECG_HOLDS_TIME |
                                 ECG_HOLDS_ZONE);
    return BASE_OK;
}
