/* What Philips XML says about the recording: measurements and statements. */
#include "ecg/ecg_philips_priv.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const struct {
    const char *name;
    enum ecg_measure what;
} globals[] = {
    {"heartrate", ECG_MEASURE_HEART_RATE},
    {"meanventrate", ECG_MEASURE_HEART_RATE},
    {"atrialrate", ECG_MEASURE_ATRIAL_RATE},
    {"rrint", ECG_MEASURE_RR},
    {"pdur", ECG_MEASURE_P_DURATION},
    {"print", ECG_MEASURE_PR},
    {"meanprint", ECG_MEASURE_PR},
    {"qrsdur", ECG_MEASURE_QRS},
    {"meanqrsdur", ECG_MEASURE_QRS},
    {"qtint", ECG_MEASURE_QT},
    {"meanqtint", ECG_MEASURE_QT},
    {"qtcb", ECG_MEASURE_QTC},
    {"meanqtc", ECG_MEASURE_QTC},
    {"pfrontaxis", ECG_MEASURE_P_AXIS},
    {"qrsfrontaxis", ECG_MEASURE_QRS_AXIS},
    {"tfrontaxis", ECG_MEASURE_T_AXIS},
};

/* zero: 0 is a value, and not a wave that is absent. */
static const struct {
    const char *name;
    enum ecg_measure above;
    enum ecg_measure below; /* for values under 0 */
    bool zero;
} leads[] = {
    {"pamp", ECG_MEASURE_P_MAX, ECG_MEASURE_P_MIN, false},
    {"pdur", ECG_MEASURE_P_DURATION, ECG_MEASURE_OTHER, false},
    {"print", ECG_MEASURE_PR, ECG_MEASURE_OTHER, false},
    {"qrsdur", ECG_MEASURE_QRS, ECG_MEASURE_OTHER, false},
    {"qtint", ECG_MEASURE_QT, ECG_MEASURE_OTHER, false},
    {"qamp", ECG_MEASURE_Q_AMPLITUDE, ECG_MEASURE_Q_AMPLITUDE, false},
    {"qdur", ECG_MEASURE_Q_DURATION, ECG_MEASURE_OTHER, false},
    {"ramp", ECG_MEASURE_R_AMPLITUDE, ECG_MEASURE_R_AMPLITUDE, false},
    {"rdur", ECG_MEASURE_R_DURATION, ECG_MEASURE_OTHER, false},
    {"samp", ECG_MEASURE_S_AMPLITUDE, ECG_MEASURE_S_AMPLITUDE, false},
    {"sdur", ECG_MEASURE_S_DURATION, ECG_MEASURE_OTHER, false},
    {"rpamp", ECG_MEASURE_R2_AMPLITUDE, ECG_MEASURE_R2_AMPLITUDE, false},
    {"rpdur", ECG_MEASURE_R2_DURATION, ECG_MEASURE_OTHER, false},
    {"spamp", ECG_MEASURE_S2_AMPLITUDE, ECG_MEASURE_S2_AMPLITUDE, false},
    {"spdur", ECG_MEASURE_S2_DURATION, ECG_MEASURE_OTHER, false},
    {"vat", ECG_MEASURE_INTRINSICOID, ECG_MEASURE_OTHER, false},
    {"ston", ECG_MEASURE_J_AMPLITUDE, ECG_MEASURE_J_AMPLITUDE, true},
    {"st80", ECG_MEASURE_ST80, ECG_MEASURE_ST80, true},
    {"tamp", ECG_MEASURE_T_MAX, ECG_MEASURE_T_MIN, false},
};

/* Those of the interpretation are what is printed, and may be edited. */
static void global(struct philips *p, const char *name)
{
    double v;
    bool interpreted = ecg_xml_in(p->x, "interpretation");
    if (!ecg_xml_number(p->x, &v)) /* "Failed", "Indeterminate" */
        return;
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        enum ecg_measure what = globals[i].what;
        if (!is(name, globals[i].name) || (p->interpreted[what] && !interpreted))
            continue;
        p->measured[what] = v;
        p->interpreted[what] = interpreted;
    }
}

static void of_lead(struct philips *p, const char *name)
{
    double v;
    if (p->lead_id == ECG_LEAD_NONE || !ecg_xml_number(p->x, &v))
        return;
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        enum ecg_measure what = v < 0 ? leads[i].below : leads[i].above;
        if (is(name, leads[i].name) && what != ECG_MEASURE_OTHER && (v != 0 || leads[i].zero))
            ecg_record_add_measurement(p->r, what, p->lead_id, v, NULL, NULL);
    }
}

static void end_statement(struct philips *p)
{
    if (p->left[0] && p->right[0]) {
        ecg_record_add_statement(p->r, ecg_record_printf(p->r, "%s (%s)", p->left, p->right),
                                 p->code);
    } else if (p->left[0] || p->right[0]) {
        ecg_record_add_statement(p->r, p->left[0] ? p->left : p->right, p->code);
    }
    p->left = p->right = p->code = "";
}

void ecg_philips_interpretation(struct philips *p)
{
    char date[24];
    char time[24];
    char at[sizeof p->interpreted_at];
    ecg_xml_attribute(p->x, "date", date, sizeof date);
    ecg_xml_attribute(p->x, "time", time, sizeof time);
    snprintf(at, sizeof at, "%s %s", date, time);
    if (p->interpreted_at[0])
        ecg_record_note(p->r, BASE_NOPOS,
                        "Philips XML, line %u: an earlier interpretation is passed over for a "
                        "later one",
                        ecg_xml_line(p->x));
    p->is_earlier = strcmp(at, p->interpreted_at) < 0;
    if (p->is_earlier)
        return;
    memcpy(p->interpreted_at, at, sizeof at);
    p->r->nstatements = 0;
    p->r->confirmed = ECG_CONFIRMED_UNSTATED;
    for (unsigned i = 0; i < ECG_MEASURE_COUNT; i++)
        p->interpreted[i] = false;
}

bool ecg_philips_is_elsewhere(struct philips *p)
{
    return ecg_xml_in(p->x, "previousecg") || ecg_xml_in(p->x, "otherECGs");
}

static void in_interpretation(struct philips *p, const char *name)
{
    const char *s = ecg_xml_bytes(p->x);
    if (is(name, "statementcode"))
        p->code = ecg_xml_text(p->x);
    else if (is(name, "leftstatement"))
        p->left = ecg_xml_text(p->x);
    else if (is(name, "rightstatement"))
        p->right = ecg_xml_text(p->x);
    else if (is(name, "statement"))
        end_statement(p);
    else if (is(name, "severity") && *s)
        ecg_record_add_statement(p->r, ecg_xml_text(p->x), p->code);
    else if (is(name, "mdsignatureline") && *s)
        p->r->confirmed =
            strncasecmp(s, "confirmed", 9) == 0 ? ECG_CONFIRMED_YES : ECG_CONFIRMED_NO;
    else
        global(p, name);
}

void ecg_philips_finding(struct philips *p, const char *name)
{
    bool is_interpretation = ecg_xml_in(p->x, "interpretation");
    if (ecg_philips_is_elsewhere(p) || (is_interpretation && p->is_earlier))
        return;
    if (ecg_xml_in(p->x, "leadmeasurement"))
        of_lead(p, name);
    else if (is_interpretation)
        in_interpretation(p, name);
    else if (ecg_xml_in(p->x, "globalmeasurements") || ecg_xml_in(p->x, "crossleadmeasurements"))
        global(p, name);
}

void ecg_philips_findings_end(struct philips *p)
{
    for (unsigned i = 0; i < ECG_MEASURE_COUNT; i++)
        if (isfinite(p->measured[i]))
            ecg_record_add_measurement(p->r, (enum ecg_measure)i, 0, p->measured[i], NULL, NULL);
}
