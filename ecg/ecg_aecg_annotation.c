/*
 * Annotations of HL7 aECG: what the device or a reader measured, stated and marked.
 * They nest: a beat has waves, a wave its peak, an interpretation its statements.
 */
#include "ecg/ecg_aecg_priv.h"

#include <math.h>
#include <stdio.h>

/* What carts of Mindray call what they measure: over all leads, and lead by lead. */
static const struct ecg_aecg_measure own_names[] = {
    {ECG_MEASURE_P_AXIS, "MINDRAY_ECG_P_AXIS"},
    {ECG_MEASURE_QRS_AXIS, "MINDRAY_ECG_QRS_AXIS"},
    {ECG_MEASURE_T_AXIS, "MINDRAY_ECG_T_AXIS"},
    {ECG_MEASURE_QTC, "MINDRAY_ECG_TIME_PD_QTcH"}, /* Hodges, where the standard one is 0 */
    {ECG_MEASURE_P_DURATION, "MINDRAY_P_DUR"},
    {ECG_MEASURE_QRS, "MINDRAY_QRS_DURATION"},
    {ECG_MEASURE_Q_DURATION, "MINDRAY_Q_DUR"},
    {ECG_MEASURE_R_DURATION, "MINDRAY_R_DUR"},
    {ECG_MEASURE_S_DURATION, "MINDRAY_S_DUR"},
    {ECG_MEASURE_Q_AMPLITUDE, "MINDRAY_Q_AMP"},
    {ECG_MEASURE_R_AMPLITUDE, "MINDRAY_R_AMP"},
    {ECG_MEASURE_S_AMPLITUDE, "MINDRAY_S_AMP"},
};

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void begin(struct aecg *a)
{
    if (a->depth >= AECG_NESTED) {
        a->depth++; /* counted, and passed over */
        return;
    }
    struct aecg_annotation *n = &a->nested[a->depth++];
    *n = (struct aecg_annotation){.value_text = "",
                                  .value = (double)NAN,
                                  .at_s = (double)NAN,
                                  .from_s = (double)NAN,
                                  .to_s = (double)NAN,
                                  .qrs_s = (double)NAN,
                                  .peak_s = (double)NAN};
    /* What is measured within an annotation of a lead is of that lead. */
    if (n != a->nested)
        memcpy(n->lead, n[-1].lead, sizeof n->lead);
}

static void boundary_start(struct aecg *a, struct aecg_annotation *n, const char *name)
{
    char value[64];
    char unit[16];
    char code[AECG_CODE];
    if (is(name, "code")) {
        ecg_xml_attribute(a->x, "code", code, sizeof code);
        if (strncmp(code, "MDC_ECG_LEAD_", 13) == 0)
            memcpy(n->lead, code, sizeof code);
        return;
    }
    if (!ecg_xml_attribute(a->x, "value", value, sizeof value))
        return;
    ecg_xml_attribute(a->x, "unit", unit, sizeof unit);
    double at = ecg_aecg_time(a, value, unit);
    if (is(name, "low"))
        n->from_s = at;
    else if (is(name, "high"))
        n->to_s = at;
    else if (is(name, "value") || is(name, "center"))
        n->at_s = at;
}

void ecg_aecg_annotation_start(struct aecg *a, const char *name)
{
    if (is(name, "annotation")) {
        begin(a);
        return;
    }
    if (a->depth > AECG_NESTED)
        return;
    struct aecg_annotation *n = &a->nested[a->depth - 1];
    char value[64];
    const char *parent = ecg_xml_above(a->x, 1);
    if (ecg_xml_in(a->x, "boundary")) {
        boundary_start(a, n, name);
    } else if (is(parent, "annotation") && is(name, "code")) {
        ecg_xml_attribute(a->x, "code", n->code, sizeof n->code);
    } else if (is(parent, "annotation") && is(name, "value")) {
        ecg_xml_attribute(a->x, "code", n->value_code, sizeof n->value_code);
        ecg_xml_attribute(a->x, "value", value, sizeof value);
        ecg_xml_attribute(a->x, "unit", n->unit, sizeof n->unit);
        if (!ecg_text_number(value, &n->value))
            n->value = (double)NAN;
        n->value_text = ecg_xml_attribute_text(a->x, "displayName");
    }
}

/* ---- what they become ---- */

static int lead_of(const struct aecg_annotation *n)
{
    return n->lead[0] ? ecg_lead_by_name(n->lead + 13, strlen(n->lead + 13)) : ECG_LEAD_NONE;
}

static void mark(struct aecg *a, const struct aecg_annotation *n, enum ecg_mark_kind kind,
                 double at)
{
    if (kind != ECG_MARK_OTHER && isfinite(at))
        ecg_record_add_mark(a->r, (struct ecg_mark){.kind = kind,
                                                    .lead_id = lead_of(n),
                                                    .on_median = a->derived,
                                                    .at_s = at,
                                                    .from_s = at,
                                                    .to_s = at});
}

static void end_wave(struct aecg *a, struct aecg_annotation *n, struct aecg_annotation *outer)
{
    for (const struct ecg_aecg_wave *w = ecg_aecg_waves; w->code; w++)
        if (is(w->code, n->value_code)) {
            mark(a, n, w->on, n->from_s);
            mark(a, n, w->off, n->to_s);
            mark(a, n, w->peak, isfinite(n->peak_s) ? n->peak_s : n->at_s);
            if (outer && w->on == ECG_MARK_QRS_ON)
                outer->qrs_s = n->from_s;
            if (outer && w->peak == ECG_MARK_QRS_PEAK && isfinite(n->peak_s))
                outer->peak_s = n->peak_s;
        }
    /* The peak belongs to the wave around it, which may not name the lead itself. */
    if (outer && is(n->value_code, "MDC_ECG_WAVC_PEAK")) {
        outer->peak_s = isfinite(n->at_s) ? n->at_s : n->from_s;
        if (!outer->lead[0])
            memcpy(outer->lead, n->lead, sizeof outer->lead);
    }
}

static void end_beat(struct aecg *a, const struct aecg_annotation *n)
{
    const double points[] = {n->peak_s, n->at_s, n->qrs_s, n->from_s};
    double at = (double)NAN;
    for (size_t i = 0; i < 4 && !isfinite(at); i++)
        at = points[i];
    if (!isfinite(at))
        return;
    enum ecg_code code = ecg_code_by_name(n->value_code, strlen(n->value_code));
    const char *text = code ? "" : ecg_record_text(a->r, n->value_code, strlen(n->value_code));
    ecg_record_add_mark(a->r, (struct ecg_mark){.kind = ECG_MARK_BEAT,
                                                .code = code,
                                                .lead_id = lead_of(n),
                                                .on_median = a->derived,
                                                .at_s = at,
                                                .from_s = isfinite(n->from_s) ? n->from_s : at,
                                                .to_s = isfinite(n->to_s) ? n->to_s : at,
                                                .text = text});
}

static void end_text(struct aecg *a, const struct aecg_annotation *n)
{
    const char *code = ecg_record_text(a->r, n->value_code, strlen(n->value_code));
    const char *text = n->value_text[0] ? n->value_text : code;
    if (!text[0])
        return;
    ecg_record_add_statement(a->r, text, code);
    if (is(n->code, "MDC_ECG_RHY") && isfinite(n->from_s))
        ecg_record_add_mark(a->r, (struct ecg_mark){.kind = ECG_MARK_RHYTHM,
                                                    .code = ECG_CODE_RHYTHM,
                                                    .at_s = n->from_s,
                                                    .from_s = n->from_s,
                                                    .to_s = isfinite(n->to_s) ? n->to_s : n->from_s,
                                                    .text = text});
}

/* Each annotation set repeats what is global: once is enough. */
static bool is_known(const struct ecg_record *r, enum ecg_measure what, int lead_id, double value)
{
    for (size_t i = 0; i < r->nmeasurements; i++)
        if (r->measurements[i].what == what && r->measurements[i].lead_id == lead_id &&
            r->measurements[i].value == value)
            return true;
    return false;
}

static enum ecg_measure measure_by_name(const char *code)
{
    for (const struct ecg_aecg_measure *m = ecg_aecg_measures; m->code; m++)
        if (is(m->code, code))
            return m->what;
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++)
        if (is(own_names[i].code, code))
            return own_names[i].what;
    return ECG_MEASURE_OTHER;
}

static void end_measurement(struct aecg *a, const struct aecg_annotation *n)
{
    double value = n->value;
    if (!isfinite(value))
        return;
    enum ecg_measure what = measure_by_name(n->code);
    if (what == ECG_MEASURE_OTHER) {
        ecg_record_add_measurement(a->r, what, lead_of(n), value,
                                   ecg_record_text(a->r, n->code, strlen(n->code)),
                                   ecg_record_text(a->r, n->unit, strlen(n->unit)));
        return;
    }
    const char *unit = ecg_measure_row(what)->unit;
    double uv = ecg_unit_uv(base_bytes_str(n->unit));
    if (is(unit, "ms") && n->unit[0] && ecg_aecg_unit_in_s(n->unit) > 0)
        value *= ecg_aecg_unit_in_s(n->unit) * 1e3;
    else if (is(unit, "uV") && uv > 0)
        value *= uv;
    if (!is_known(a->r, what, lead_of(n), value))
        ecg_record_add_measurement(a->r, what, lead_of(n), value, NULL, NULL);
}

void ecg_aecg_annotation_end(struct aecg *a, const char *name)
{
    if (!is(name, "annotation")) {
        if (a->depth <= AECG_NESTED && is(name, "value") &&
            is(ecg_xml_above(a->x, 1), "annotation") && ecg_xml_bytes(a->x)[0])
            a->nested[a->depth - 1].value_text = ecg_xml_text(a->x);
        return;
    }
    a->depth--;
    if (a->depth >= AECG_NESTED || a->passed_over)
        return;
    struct aecg_annotation *n = &a->nested[a->depth];
    struct aecg_annotation *outer = a->depth ? n - 1 : NULL;
    if (strncmp(n->code, "MDC_ECG_WAVC", 12) == 0)
        end_wave(a, n, outer);
    else if (is(n->code, "MDC_ECG_BEAT"))
        end_beat(a, n);
    else if (is(n->code, "MDC_ECG_RHY") || strstr(n->code, "INTERPRETATION"))
        end_text(a, n);
    else
        end_measurement(a, n);
}
