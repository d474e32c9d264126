/* Rows of traces: their levels and places, calibration pulses, leads, names. */
#include "ecg/draw/ecg_sheet.h"

#include <math.h>
#include <stdlib.h>

static const double trace_width = 0.28;
static const double label_size = 3.8;

static void trace_pen(struct sheet *s)
{
    ecg_draw_colour(s, ecg_draw_ink);
    cairo_set_line_width(s->cr, trace_width);
    cairo_set_line_join(s->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(s->cr, CAIRO_LINE_CAP_ROUND);
}

/* ---- samples ---- */

struct span {
    size_t first;
    size_t last; /* after it */
};

static struct span span_of(const struct ecg_lead *lead, double from, double to)
{
    double first = ceil((from - lead->start_s) * lead->rate_hz - 1e-6);
    double last = ceil((to - lead->start_s) * lead->rate_hz - 1e-6);
    first = first > 0 ? first : 0;
    last = last < (double)lead->samples ? last : (double)lead->samples;
    if (!(first < last) || !(lead->rate_hz > 0) || !isfinite(lead->rate_hz))
        return (struct span){0, 0};
    return (struct span){(size_t)first, (size_t)last};
}

static double value_of(const struct ecg_lead *lead, int32_t count)
{
    return count * lead->uv_per_count + lead->offset_uv;
}

static double y_of(const struct sheet_piece *p, int32_t count)
{
    const double off_paper = 1000; /* mm */
    double up = (value_of(p->lead, count) - p->level) * p->mm_per_unit;
    if (!(fabs(up) < off_paper))
        up = up < 0 ? -off_paper : off_paper;
    return p->base - up;
}

/* More samples than these to a mm are drawn as their extremes. */
static size_t step_of(const struct sheet *s, const struct ecg_lead *lead)
{
    const double points_per_mm = 40;
    double per_mm = fmin(lead->rate_hz / s->mm_per_s, 1e9);
    return per_mm > points_per_mm ? (size_t)(per_mm / points_per_mm) : 1;
}

static bool extremes(const struct ecg_lead *lead, size_t from, size_t to, int32_t *low,
                     int32_t *high)
{
    *low = INT32_MAX;
    *high = ECG_SAMPLE_NONE;
    for (size_t k = from; k < to; k++) {
        int32_t v = ecg_lead_sample(lead, k);
        if (v == ECG_SAMPLE_NONE)
            continue;
        *low = v < *low ? v : *low;
        *high = v > *high ? v : *high;
    }
    return *high != ECG_SAMPLE_NONE;
}

/* ---- level and extent ---- */

int ecg_draw_by_value(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Values of up to that many samples of the span, in order of size; how many. */
enum { SORTED = 2048 };
static size_t sorted_values(const struct ecg_lead *lead, struct span w, float out[SORTED])
{
    size_t step = (w.last - w.first) / SORTED + 1;
    size_t n = 0;
    for (size_t i = w.first; i < w.last; i += step) {
        int32_t v = ecg_lead_sample(lead, i);
        double value = v == ECG_SAMPLE_NONE ? (double)NAN : value_of(lead, v);
        if (isfinite(value))
            out[n++] = (float)value;
    }
    qsort(out, n, sizeof *out, ecg_draw_by_value);
    return n;
}

/* The line that a lead rests on: a cardiograph is coupled by capacitors, so the level
 * itself says nothing. */
static double level_of(const struct sheet_row *row, const struct ecg_lead *lead)
{
    float v[SORTED];
    size_t n = sorted_values(lead, span_of(lead, row->from, row->to), v);
    return n ? (double)v[n / 2] : 0;
}

/* How far a trace goes up and down from its base. */
static void set_extent(struct sheet_piece *p)
{
    const double most = 60;
    struct span w = span_of(p->lead, p->from, p->to);
    int32_t low;
    int32_t high;
    p->up = p->down = p->base = 0;
    if (w.first == w.last || !extremes(p->lead, w.first, w.last, &low, &high))
        return;
    double a = p->base - y_of(p, low);
    double b = p->base - y_of(p, high);
    p->up = fmax(0, fmin(most, fmax(a, b)));
    p->down = fmax(0, fmin(most, -fmin(a, b)));
}

/* Of a channel that is no voltage: 1, 2 or 5 units per mm so that it has room; its
 * level is a line with a round number. */
static void scale_channel(const struct sheet_row *row, struct sheet_piece *p)
{
    const double room = 20;
    static const double steps[] = {1, 2, 5, 10};
    float v[SORTED];
    size_t n = sorted_values(p->lead, span_of(p->lead, row->from, row->to), v);
    double low = n ? (double)v[0] : 0;
    double range = n ? (double)v[n - 1] - low : 0;
    double least = fmax(range / room, 1e-9);
    double decade = pow(10, floor(log10(least)));
    size_t i = 0;
    while (i < 3 && steps[i] * decade < least * (1 - 1e-9))
        i++;
    double per_mm = range > 0 ? steps[i] * decade : 1;
    p->mm_per_unit = 1 / per_mm;
    p->level = floor(low / (5 * per_mm)) * 5 * per_mm;
}

void ecg_draw_measure_row(struct sheet *s, struct sheet_row *row)
{
    row->up = row->down = 0;
    for (size_t i = 0; i < row->n; i++) {
        struct sheet_piece *p = &row->piece[i];
        if (!p->lead)
            continue;
        if (row->is_channel) {
            scale_channel(row, p);
        } else {
            double sign = p->mm_per_unit < 0 ? -1 : 1;
            p->level = level_of(row, p->lead);
            p->mm_per_unit = sign * s->mm_per_mv / 1000;
        }
        set_extent(p);
        if (row->is_channel)
            p->up = fmax(p->up, 20);
        row->up = fmax(row->up, p->up);
        row->down = fmax(row->down, p->down);
    }
}

/* ---- drawing ---- */

void ecg_draw_pulse(struct sheet *s, double base)
{
    double w = 0.2 * s->mm_per_s;
    double x = (PAPER_LEFT + TRACE_LEFT) / 2 - w / 2;
    double tail = fmin(2, x - PAPER_LEFT - 0.5);
    const double line[][2] = {{x - tail, base},
                              {x, base},
                              {x, base - s->mm_per_mv},
                              {x + w, base - s->mm_per_mv},
                              {x + w, base},
                              {x + w + tail, base}};
    trace_pen(s);
    for (size_t i = 0; i < sizeof line / sizeof *line; i++) {
        cairo_line_to(s->cr, line[i][0], line[i][1]);
        if (i)
            ecg_draw_use(s, line[i - 1][0], line[i - 1][1], line[i][0], line[i][1]);
    }
    cairo_stroke(s->cr);
}

/* The next point of a path; without a point before it the path begins. */
static void add_point(struct sheet *s, double x, double y, bool *down, double before[2])
{
    s->clipped |= y < s->paper.top - 0.5 || y > s->paper.bottom + 0.5;
    if (*down) {
        cairo_line_to(s->cr, x, y);
        ecg_draw_use(s, before[0], before[1], x, y);
    } else {
        cairo_move_to(s->cr, x, y);
        /* A sample between missing ones is a dot. */
        cairo_line_to(s->cr, x, y);
    }
    before[0] = x;
    before[1] = y;
    *down = true;
}

static void draw_piece(struct sheet *s, const struct sheet_piece *p)
{
    const struct ecg_lead *lead = p->lead;
    struct span w = span_of(lead, p->from, p->to);
    size_t step = step_of(s, lead);
    double before[2];
    bool down = false;
    ecg_draw_clip(s);
    trace_pen(s);
    for (size_t i = w.first; i < w.last; i += step) {
        int32_t low;
        int32_t high;
        double t = lead->start_s + (double)i / lead->rate_hz;
        double x = p->x + (t - p->from) * s->mm_per_s;
        if (!extremes(lead, i, i + step < w.last ? i + step : w.last, &low, &high)) {
            down = false;
            continue;
        }
        add_point(s, x, y_of(p, low), &down, before);
        if (high != low)
            add_point(s, x, y_of(p, high), &down, before);
    }
    cairo_stroke(s->cr);
    cairo_restore(s->cr);
}

/* In place of a pulse: what the large squares are. */
static void draw_axis(struct sheet *s, const struct sheet_row *row)
{
    const struct sheet_piece *p = &row->piece[0];
    char text[48];
    for (double up = 0; up < row->up + 0.5; up += 10) {
        snprintf(text, sizeof text, "%g", p->level + up / p->mm_per_unit);
        ecg_draw_text(s, TRACE_LEFT - 1.5, row->base - up - 1.5, 0, 2.6, false, SHEET_RIGHT,
                      ecg_draw_ink, text);
        ecg_draw_line(s, TRACE_LEFT - 1, row->base - up, TRACE_LEFT, row->base - up, 0.2,
                      ecg_draw_ink);
    }
}

static void draw_tick(struct sheet *s, double x, double base)
{
    ecg_draw_line(s, x, base - 4, x, base - 2, trace_width, ecg_draw_ink);
    ecg_draw_line(s, x, base + 2, x, base + 4, trace_width, ecg_draw_ink);
    ecg_draw_use(s, x, base - 4, x, base + 4);
}

static void draw_row(struct sheet *s, const struct sheet_row *row, bool pulse)
{
    if (s->o->marks)
        ecg_draw_bands(s, row);
    if (row->is_channel)
        draw_axis(s, row);
    else if (pulse)
        ecg_draw_pulse(s, row->base);
    for (size_t i = 0; i < row->n; i++) {
        if (i > 0)
            draw_tick(s, row->piece[i].x, row->base);
        if (row->piece[i].lead)
            draw_piece(s, &row->piece[i]);
    }
}

/* above: the base line of the row above. A name stands between that and its own, so that no
 * reader takes it for that of another trace, and is smaller where they are near each other. */
static void draw_names(struct sheet *s, const struct sheet_row *row, double above, double pitch)
{
    for (size_t i = 0; i < row->n; i++) {
        const struct sheet_piece *p = &row->piece[i];
        char text[80];
        if (!p->lead)
            continue;
        double size = fmin(label_size, fmax(3, (row->base - above) / 2));
        bool unit = row->is_channel && strcmp(p->lead->unit, "1") != 0;
        double y = row->base - fmin(11, pitch * 0.45);
        snprintf(text, sizeof text, "%s%s%s", p->name, unit ? "  " : "", unit ? p->lead->unit : "");
        double end = ecg_draw_label(s, p->x + 1, y - size / 2, above + 0.5, row->base + 1,
                                    SHEET_NEAR, size, ecg_draw_ink, text);
        if (i == 0 && row->note[0])
            ecg_draw_label(s, end + 3, y - 1.2, above + 0.5, row->base + 1, SHEET_IN_ROW, 2.8,
                           ecg_draw_grey, row->note);
    }
}

/* ---- places of rows ---- */

/* What a piece of row a and one of row b that stand over each other need between their
 * base lines. */
static double distance(const struct sheet_row *a, const struct sheet_row *b)
{
    const double gap = 1.5;
    const double least = 6;
    double need = least;
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < b->n; k++) {
            const struct sheet_piece *p = &a->piece[i];
            const struct sheet_piece *q = &b->piece[k];
            double p_end = p->x + p->width;
            double q_end = q->x + q->width;
            if (p->x < q_end - 0.1 && q->x < p_end - 0.1)
                need = fmax(need, p->down + q->up + b->above + gap);
        }
    }
    return need;
}

/* Moves rows apart, as little as possible from where they are. Where there is not enough room they
 * meet, but each has its part; at the edges, where traces would be cut, half a row first. */
static void part_rows(struct sheet_row *rows, size_t n, double top, double bottom)
{
    double need[SHEET_ROWS] = {0};
    double sum = 0;
    double pitch = (bottom - top) / (double)n;
    double up = fmin(fmax(rows[0].up + rows[0].above + 1, 4), 2 * pitch);
    double down = fmin(fmax(rows[n - 1].down + 1, 3), pitch);
    for (size_t i = 1; i < n; i++)
        sum += need[i] = fmin(distance(&rows[i - 1], &rows[i]), 2 * pitch);
    double first = fmin(up, pitch / 2);
    double last = fmin(down, pitch / 2);
    double rest = up - first + sum + down - last;
    double squeeze = rest > 0 ? fmin(1, (bottom - top - first - last) / rest) : 1;
    up = first + squeeze * (up - first);
    down = last + squeeze * (down - last);
    double at = top + up;
    for (size_t i = 0; i < n; i++) {
        at += i ? squeeze * need[i] : 0;
        at = rows[i].base = fmax(rows[i].base, at);
    }
    at = bottom - down;
    for (size_t i = n; i-- > 0;) {
        at = rows[i].base = fmin(rows[i].base, at);
        at -= squeeze * need[i];
    }
}

/* Evenly spaced on lines of the paper where traces do not meet so. */
static void place_rows(struct sheet *s, struct sheet_row *rows, size_t n)
{
    const struct sheet_area *paper = &s->paper;
    double pitch = (paper->bottom - paper->top) / (double)n;
    double line = pitch >= 20 ? 5 : 1;
    for (size_t i = 0; i < n; i++)
        rows[i].base = paper->top + line * round(pitch * ((double)i + 0.56) / line);
    part_rows(rows, n, paper->top, paper->bottom);
    for (size_t i = 0; i < n; i++)
        rows[i].base = paper->top + round(rows[i].base - paper->top);
}

void ecg_draw_rows(struct sheet *s, struct sheet_row *rows, size_t n)
{
    double pitch = (s->paper.bottom - s->paper.top) / (double)n;
    double pulse_above = s->paper.top - 1; /* up to where the column of pulses is taken */
    for (size_t i = 0; i < n; i++) {
        rows[i].above = rows[i].is_channel ? 3 : rows[i].is_strip && s->o->marks ? 5 : 0;
        rows[i].pitch = pitch;
    }
    place_rows(s, rows, n);
    for (size_t i = 0; i < n; i++) {
        bool pulse = rows[i].base - s->mm_per_mv >= pulse_above;
        pulse_above = pulse ? rows[i].base + 1 : pulse_above;
        for (size_t k = 0; k < rows[i].n; k++)
            rows[i].piece[k].base = rows[i].base;
        draw_row(s, &rows[i], pulse);
    }
    for (size_t i = 0; i < n; i++)
        ecg_draw_beat_marks(s, &rows[i]);
    for (size_t i = 0; i < n; i++)
        draw_names(s, &rows[i], i ? rows[i - 1].base : s->paper.top, pitch);
}
