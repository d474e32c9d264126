/* Waveform Annotation Sequence (0040,B020), PS3.3 C.10.10: statements,
 * measurements and marks of the device. */
#include "ecg/ecg_dicom_priv.h"

#include <math.h>
#include <stdlib.h>

enum { POSITIONS_MAX = 4096, KEPT_MAX = 256 };

/* Its texts and codes are views of the data set. */
struct annotation {
    struct base_bytes text;
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

/* The first ones as read, so that the sequence, often of more elements than all else, is walked
 * once; what comes after them is read when the record takes them, so that no file makes this
 * large. */
struct ecg_dicom_annotations {
    size_t n;
    bool more;
    struct dicom_cursor rest; /* at the first item that is not kept */
    struct annotation kept[KEPT_MAX];
};

static void read_item(struct dicom_cursor *c, struct annotation *a)
{
    struct dicom_element e;
    int64_t v;
    memset(a, 0, sizeof *a);
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
            a->text = e.value;
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
        if (base_bytes_are(code->value, rows[i].code) &&
            base_bytes_are(code->scheme, rows[i].scheme))
            return rows[i].kind;
    return ECG_MARK_OTHER;
}

/* PS3.3 C.10.10.1.2: sample positions are 1-based. */
static void add_marks(struct ecg_dicom_reader *d, const struct annotation *a)
{
    const enum ecg_mark_kind kind = mark_of(&a->concept);
    const struct ecg_dicom_group *g = group_of(d, a);
    if (!g || !(g->rate_hz > 0)) /* one without a rate is left out, and told */
        return;
    const char *text = ecg_dicom_text(d, a->text);
    if (!text[0])
        text = ecg_dicom_text(d, a->concept.meaning);
    uint32_t n = dicom_value_count(&a->positions);
    for (uint32_t i = 0; i < n && i < POSITIONS_MAX; i++) {
        int64_t sample;
        if (!dicom_value_int(&a->positions, i, &sample) || sample < 1 ||
            (size_t)sample > g->samples)
            continue;
        double at = g->start_s + (double)(sample - 1) / g->rate_hz;
        struct ecg_mark mark = {.kind = kind,
                                .on_median = g->median,
                                .lead_id = lead_of(d, a),
                                .at_s = at,
                                .from_s = at,
                                .to_s = at,
                                .text = text};
        ecg_record_add_mark(d->rec, mark);
    }
}

/* Into the unit of the table. False when it is one of something else: the code is not what the
 * value is of. */
static bool to_table_unit(struct base_bytes unit, const char *table, double *v)
{
    static const struct {
        const char *unit;
        const char *table;
        double factor;
    } rows[] = {{"s", "ms", 1e3},  {"ms", "ms", 1}, {"us", "ms", 1e-3}, {"V", "uV", 1e6},
                {"mV", "uV", 1e3}, {"uV", "uV", 1}, {"nV", "uV", 1e-3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!base_bytes_are(unit, rows[i].unit))
            continue;
        *v *= rows[i].factor;
        return strcmp(table, rows[i].table) == 0;
    }
    return true;
}

static void add_measurement(struct ecg_dicom_reader *d, const struct annotation *a)
{
    enum ecg_measure what = ecg_measure_by_code(a->concept.scheme, a->concept.value);
    double v = a->number;
    if (what != ECG_MEASURE_OTHER &&
        to_table_unit(a->unit.value, ecg_measure_row(what)->unit, &v)) {
        ecg_record_add_measurement(d->rec, what, lead_of(d, a), v, NULL, NULL);
        return;
    }
    ecg_record_add_measurement(d->rec, ECG_MEASURE_OTHER, lead_of(d, a), a->number,
                               ecg_dicom_text(d, a->concept.meaning),
                               ecg_dicom_text(d, a->unit.value));
}

static void add_statement(struct ecg_dicom_reader *d, const struct annotation *a)
{
    const char *text = ecg_dicom_text(d, a->text);
    if (text[0]) {
        ecg_record_add_statement(d->rec, text, "");
        return;
    }
    text = ecg_dicom_text(d, a->coded.meaning);
    if (text[0])
        ecg_record_add_statement(d->rec, text, ecg_dicom_text(d, a->coded.value));
}

static void add(struct ecg_dicom_reader *d, const struct annotation *a)
{
    if (a->has_positions)
        add_marks(d, a);
    else if (a->has_number)
        add_measurement(d, a);
    else
        add_statement(d, a);
}

/* On a cursor of its own: what is damaged in a sequence that the data set can be read past, by its
 * length, ends the annotations and not the file. */
static void keep(struct ecg_dicom_annotations *all, struct dicom_cursor *c)
{
    struct dicom_element item;
    dicom_cursor_enter(c);
    while (!all->more && dicom_cursor_next(c, &item) == DICOM_ELEMENT) {
        all->more = all->n == KEPT_MAX;
        if (all->more)
            all->rest = *c;
        else
            read_item(c, &all->kept[all->n++]);
    }
    dicom_cursor_leave(c);
}

enum base_err ecg_dicom_keep_annotations(struct ecg_dicom_reader *d, struct dicom_cursor *c)
{
    struct dicom_cursor own = *c;
    free(d->annotations);
    d->annotations = NULL;
    if (!dicom_cursor_can_enter(c))
        return BASE_OK;
    d->annotations = malloc(sizeof *d->annotations);
    if (!d->annotations)
        return base_fail(d->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    d->annotations->n = 0;
    d->annotations->more = false;
    keep(d->annotations, &own);
    if (dicom_cursor_state(&own) == DICOM_ELEMENT)
        *c = own;
    return BASE_OK;
}

void ecg_dicom_add_annotations(struct ecg_dicom_reader *d)
{
    struct ecg_dicom_annotations *all = d->annotations;
    struct dicom_element item;
    struct annotation a;
    for (size_t i = 0; all && i < all->n && !d->rec->err; i++)
        add(d, &all->kept[i]);
    if (!all || !all->more)
        return;
    do {
        read_item(&all->rest, &a);
        add(d, &a);
    } while (!d->rec->err && dicom_cursor_next(&all->rest, &item) == DICOM_ELEMENT);
}
