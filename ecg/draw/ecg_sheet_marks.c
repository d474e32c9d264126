/* What was found, on the traces: waves as bands, beats with classes and intervals. */
#include "ecg/draw/ecg_sheet.h"

#include "ecg/analysis/ecg_gap.h"

#include <math.h>

static const struct {
    enum ecg_point from;
    enum ecg_point to;
    struct sheet_colour colour;
} waves[] = {{ECG_POINT_P_ON, ECG_POINT_P_OFF, {0.25, 0.45, 0.95}},
             {ECG_POINT_QRS_ON, ECG_POINT_QRS_OFF, {0.95, 0.55, 0.05}},
             {ECG_POINT_T_ON, ECG_POINT_T_OFF, {0.20, 0.65, 0.30}}};

/* The first beat not before this time. */
static size_t beat_from(const struct ecg_beats *b, double at_s)
{
    size_t low = 0;
    size_t high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->beat[middle].at_s < at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void draw_band(struct sheet *s, const struct sheet_row *row, const struct sheet_piece *p,
                      double from, double to, struct sheet_colour c)
{
    double a = fmax(from, p->from);
    double b = fmin(to, p->to);
    if (isnan(from) || isnan(to) || !(a < b))
        return;
    double half = fmin(7, 0.4 * row->pitch);
    double top = row->base - half;
    double bottom = row->base + half;
    cairo_set_source_rgba(s->cr, c.r, c.g, c.b, 0.2);
    cairo_rectangle(s->cr, p->x + (a - p->from) * s->mm_per_s, top, (b - a) * s->mm_per_s,
                    bottom - top);
    cairo_fill(s->cr);
}

void ecg_draw_bands(struct sheet *s, const struct sheet_row *row)
{
    const struct ecg_draw_analysis *a = s->o->analysis;
    const double around_s = 2;
    if (!a || !a->beats || !a->waves)
        return;
    ecg_draw_clip(s);
    for (size_t k = 0; k < row->n; k++) {
        const struct sheet_piece *p = &row->piece[k];
        for (size_t i = beat_from(a->beats, p->from - around_s);
             p->lead && i < a->beats->n && a->beats->beat[i].at_s < p->to + around_s; i++)
            for (size_t w = 0; w < sizeof waves / sizeof *waves &&
                               ecg_gap_has_sample(p->lead, a->beats->beat[i].at_s);
                 w++)
                draw_band(s, row, p, a->waves[i].at_s[waves[w].from], a->waves[i].at_s[waves[w].to],
                          waves[w].colour);
    }
    cairo_restore(s->cr);
}

/* A short stroke below the trace. */
static void draw_spike(struct sheet *s, const struct sheet_row *row, double at_s)
{
    const double mm = 2.2;
    double y = fmin(row->base + row->down + 1, s->paper.bottom - mm - 0.3);
    for (size_t k = 0; k < row->n; k++) {
        const struct sheet_piece *p = &row->piece[k];
        if (!(at_s >= p->from && at_s < p->to))
            continue;
        double x = p->x + (at_s - p->from) * s->mm_per_s;
        ecg_draw_line(s, x, y, x, y + mm, 0.3, ecg_draw_blue);
        ecg_draw_use(s, x, y, x, y + mm);
    }
}

/* As the device marked them, else as they were found. */
static void draw_spikes(struct sheet *s, const struct sheet_row *row)
{
    const struct ecg_draw_analysis *a = s->o->analysis;
    for (size_t i = 0; i < s->r->nmarks; i++)
        if (s->r->marks[i].kind == ECG_MARK_PACE && !s->r->marks[i].on_median)
            draw_spike(s, row, s->r->marks[i].at_s);
    for (size_t i = 0; a && i < a->nspikes; i++)
        draw_spike(s, row, a->spike_s[i]);
}

/* "N", "V" above a beat, and the interval since the one before. */
static void draw_beat(struct sheet *s, const struct ecg_beat *beat, double x, double y,
                      double before_mm)
{
    const double least_mm = 11; /* that a number needs */
    char text[24];
    bool odd = beat->code != ECG_CODE_NORMAL;
    ecg_draw_label(s, x - 1, y, s->paper.top, s->paper.bottom, SHEET_NEAR, 2.8,
                   odd ? ecg_draw_red : ecg_draw_blue, ecg_code_mnemonic(beat->code));
    if (before_mm < least_mm)
        return;
    snprintf(text, sizeof text, "%.0f", before_mm / s->mm_per_s * 1000);
    ecg_draw_label(s, x - before_mm / 2 - 2, y + 0.3, s->paper.top, s->paper.bottom, SHEET_NEAR,
                   2.4, ecg_draw_grey, text);
}

static void draw_beats(struct sheet *s, const struct sheet_row *row)
{
    const struct ecg_beats *b = s->o->analysis->beats;
    for (size_t k = 0; k < row->n; k++) {
        const struct sheet_piece *p = &row->piece[k];
        for (size_t i = beat_from(b, p->from); i < b->n && b->beat[i].at_s < p->to; i++) {
            bool alone = i == 0 || b->beat[i].after_gap || b->beat[i - 1].at_s < p->from;
            double before = alone ? 0 : b->beat[i].at_s - b->beat[i - 1].at_s;
            draw_beat(s, &b->beat[i], p->x + (b->beat[i].at_s - p->from) * s->mm_per_s,
                      row->base - row->up - 4.2, before * s->mm_per_s);
        }
    }
}

void ecg_draw_beat_marks(struct sheet *s, const struct sheet_row *row)
{
    if (!row->is_strip)
        return;
    draw_spikes(s, row);
    if (s->o->marks && s->o->analysis && s->o->analysis->beats)
        draw_beats(s, row);
}
