/* Waveform Annotation Sequence (0040,B020), PS3.3 C.10.10: statements,
 * measurements and marks of the device. */
#include "ecg/ecg_dicom_priv.h"

#include <math.h>
#include <stdlib.h>

enum { POSITIONS_MAX = 4096 };

struct annotation {
    const char *text;
    struct ecg_dicom_code concept;
    struct ecg_dicom_code coded;
    struct ecg_dicom_code unit;
    bool has_number;
    double number;
    unsigned group; /* 1-based; 0 = none */
    unsigned channel;
    struct dicom_element positions;
    bool has_positions;
};

static void read_item(struct ecg_dicom_reader *d, struct dicom_cursor *c, struct annotation *a)
{
    struct dicom_element e;
    int64_t v;
    dicom_cursor_enter(c);
    while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        switch (e.tag) {
        case DICOM_TAG_MeasurementUnitsCodeSequence:
            ecg_dicom_read_code(c, &a->unit);
            break;
        case DICOM_TAG_ConceptNameCodeSequence:
            ecg_dicom_read_code(c, &a->concept);
            break;
        case DICOM_TAG_ConceptCodeSequence:
            ecg_dicom_read_code(c, &a->coded);
            break;
        case DICOM_TAG_ReferencedWaveformChannels:
            a->group = dicom_value_int(&e, 0, &v) ? (unsigned)v : 0;
            a->channel = dicom_value_int(&e, 1, &v) ? (unsigned)v : 0;
            break;
        case DICOM_TAG_ReferencedSamplePositions:
            a->positions = e;
            a->has_positions = true;
            break;
        case DICOM_TAG_NumericValue:
            a->has_number = dicom_value_double(&e, 0, &a->number) && isfinite(a->number);
            break;
        case DICOM_TAG_UnformattedTextValue:
            a->text = ecg_dicom_text(d, e.value);
            break;
        default:
            break;
        }
    }
    dicom_cursor_leave(c);
}

static const struct ecg_dicom_group *group_of(const struct ecg_dicom_reader *d,
                                              const struct annotation *a)
{
    return a->group >= 1 && a->group <= d->ngroups ? &d->groups[a->group - 1] : NULL;
}

/* 0 when the annotation is of the whole group. */
static int lead_of(const struct ecg_dicom_reader *d, const struct annotation *a)
{
    const struct ecg_dicom_group *g = group_of(d, a);
    if (!g || a->channel < 1 || a->channel > g->channels)
        return 0;
    return g->lead_ids[a->channel - 1];
}

static enum ecg_mark_kind mark_of(const struct ecg_dicom_code *code)
{
    static const struct {
        const char *scheme;
        const char *code;
        enum ecg_mark_kind kind;
    } rows[] = {
        {"SCPECG", "5.10.3-1", ECG_MARK_P_ON},   {"SCPECG", "5.10.3-2", ECG_MARK_P_OFF},
        {"SCPECG", "5.10.3-3", ECG_MARK_QRS_ON}, {"SCPECG", "5.10.3-4", ECG_MARK_QRS_OFF},
        {"SCPECG", "5.10.3-5", ECG_MARK_T_OFF},  {"SCPECG", "5.7.1-3", ECG_MARK_BEAT},
        {"MDC", "10:512", ECG_MARK_BEAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(code->scheme, rows[i].scheme) == 0 && strcmp(code->value, rows[i].code) == 0)
            return rows[i].kind;
    return ECG_MARK_OTHER;
}

/* PS3.3 C.10.10.1.2: sample positions are 1-based. */
static void add_marks(struct ecg_dicom_reader *d, const struct annotation *a)
{
    const struct ecg_dicom_group *g = group_of(d, a);
    if (!g)
        return;
    const char *text = a->text[0] ? a->text : ecg_dicom_text(d, a->concept.meaning);
    uint32_t n = dicom_value_count(&a->positions);
    for (uint32_t i = 0; i < n && i < POSITIONS_MAX; i++) {
        int64_t sample;
        if (!dicom_value_int(&a->positions, i, &sample) || sample < 1 ||
            (size_t)sample > g->samples)
            continue;
        double at = g->start_s + (double)(sample - 1) / g->rate_hz;
        struct ecg_mark mark = {.kind = mark_of(&a->concept),
                                .on_median = g->median,
                                .lead_id = lead_of(d, a),
                                .at_s = at,
                                .from_s = at,
                                .to_s = at,
                                .text = text};
        ecg_record_add_mark(d->rec, mark);
    }
}

/* The table's units are ms and uV. */
static double to_table_unit(const char *unit, const char *table, double v)
{
    if (strcmp(table, "ms") == 0 && strcmp(unit, "s") == 0)
        return v * 1000;
    if (strcmp(table, "uV") == 0 && strcmp(unit, "mV") == 0)
        return v * 1000;
    return v;
}

static void add_measurement(struct ecg_dicom_reader *d, const struct annotation *a)
{
    enum ecg_measure what = ecg_measure_by_code(a->concept.scheme, a->concept.value);
    const struct ecg_measure_row *row = ecg_measure_row(what);
    if (what != ECG_MEASURE_OTHER) {
        ecg_record_add_measurement(d->rec, what, lead_of(d, a),
                                   to_table_unit(a->unit.value, row->unit, a->number), NULL, NULL);
        return;
    }
    const char *unit = ecg_record_text(d->rec, a->unit.value, strlen(a->unit.value));
    ecg_record_add_measurement(d->rec, what, lead_of(d, a), a->number,
                               ecg_dicom_text(d, a->concept.meaning), unit);
}

static void add(struct ecg_dicom_reader *d, const struct annotation *a)
{
    if (a->has_positions) {
        add_marks(d, a);
    } else if (a->has_number) {
        add_measurement(d, a);
    } else if (a->text[0]) {
        ecg_record_add_statement(d->rec, a->text, "");
    } else {
        const char *coded = ecg_dicom_text(d, a->coded.meaning);
        const char *value = ecg_record_text(d->rec, a->coded.value, strlen(a->coded.value));
        if (coded[0])
            ecg_record_add_statement(d->rec, coded, value);
    }
}

void ecg_dicom_annotations(struct ecg_dicom_reader *d, struct dicom_cursor *c)
{
    struct dicom_element item;
    dicom_cursor_enter(c);
    while (!d->rec->err && dicom_cursor_next(c, &item) == DICOM_ELEMENT) {
        struct annotation a = {.text = ""};
        read_item(d, c, &a);
        add(d, &a);
    }
    dicom_cursor_leave(c);
}
