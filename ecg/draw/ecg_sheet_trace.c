/* Paper, calibration pulses, leads. */
#include "ecg/draw/ecg_sheet.h"

#include "ecg/ecg_derive.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 3, COLUMNS = 4, STRIPS_MAX = 6 };

static const struct sheet_colour ink = {0.05, 0.05, 0.08};
static const struct sheet_colour fine = {0.98, 0.82, 0.82};
static const struct sheet_colour coarse = {0.93, 0.62, 0.62};

static void set_colour(struct sheet *s, struct sheet_colour c)
{
    cairo_set_source_rgb(s->cr, c.r, c.g, c.b);
}

/* Lines in pixels lie on pixels, so that the grid is even and sharp. */
static void grid_lines(struct sheet *s, double step, double width, struct sheet_colour colour)
{
    double shift = s->pixel > 0 && fmod(width, 2 * s->pixel) > s->pixel / 2 ? s->pixel / 2 : 0;
    set_colour(s, colour);
    cairo_set_line_width(s->cr, width);
    for (double x = GRID_LEFT; x < GRID_RIGHT + step / 2; x += step) {
        cairo_move_to(s->cr, x + shift, GRID_TOP);
        cairo_line_to(s->cr, x + shift, GRID_BOTTOM);
    }
    for (double y = GRID_TOP; y < GRID_BOTTOM + step / 2; y += step) {
        cairo_move_to(s->cr, GRID_LEFT, y + shift);
        cairo_line_to(s->cr, GRID_RIGHT, y + shift);
    }
    cairo_stroke(s->cr);
}

static void draw_paper(struct sheet *s)
{
    double hair = s->pixel > 0 ? s->pixel : 0.1;
    cairo_save(s->cr);
    cairo_set_line_cap(s->cr, CAIRO_LINE_CAP_SQUARE);
    grid_lines(s, 1, hair, fine);
    grid_lines(s, 5, s->pixel > 0 ? 2 * s->pixel : 0.22, coarse);
    cairo_restore(s->cr);
}

static void trace_pen(struct sheet *s)
{
    set_colour(s, ink);
    cairo_set_line_width(s->cr, 0.28);
    cairo_set_line_join(s->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(s->cr, CAIRO_LINE_CAP_ROUND);
}

/* 1 mV for 0.2 s. */
static void draw_pulse(struct sheet *s, double base)
{
    const double x = GRID_LEFT + 5;
    trace_pen(s);
    cairo_move_to(s->cr, x - 2, base);
    cairo_line_to(s->cr, x, base);
    cairo_line_to(s->cr, x, base - MM_PER_MV);
    cairo_line_to(s->cr, x + 0.2 * MM_PER_S, base - MM_PER_MV);
    cairo_line_to(s->cr, x + 0.2 * MM_PER_S, base);
    cairo_line_to(s->cr, x + 0.2 * MM_PER_S + 2, base);
    cairo_stroke(s->cr);
}

/* What of a lead is drawn: from and to in s of the record; from stands at x. */
struct piece {
    const struct ecg_lead *lead;
    double from;
    double to;
    double x;
    double base;
};

static double y_of(const struct piece *p, int32_t count)
{
    const double off_paper = 100; /* mV */
    double mv = (count * p->lead->uv_per_count + p->lead->offset_uv) / 1000;
    if (!(fabs(mv) < off_paper))
        mv = mv < 0 ? -off_paper : off_paper;
    return p->base - mv * MM_PER_MV;
}

/* Samples first to last; more than `step` to a point are drawn as their extremes. */
static void add_path(struct sheet *s, const struct piece *p, size_t first, size_t last, size_t step)
{
    const struct ecg_lead *lead = p->lead;
    bool down = false;
    for (size_t i = first; i < last; i += step) {
        int32_t low = INT32_MAX;
        int32_t high = ECG_SAMPLE_NONE;
        for (size_t k = i; k < i + step && k < last; k++) {
            int32_t v = ecg_lead_sample(lead, k);
            if (v == ECG_SAMPLE_NONE)
                continue;
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        if (high == ECG_SAMPLE_NONE) {
            down = false;
            continue;
        }
        double t = lead->start_s + (double)i / lead->rate_hz;
        double x = p->x + (t - p->from) * MM_PER_S;
        if (down)
            cairo_line_to(s->cr, x, y_of(p, low));
        else
            cairo_move_to(s->cr, x, y_of(p, low));
        if (high != low)
            cairo_line_to(s->cr, x, y_of(p, high));
        down = true;
    }
}

static void draw_piece(struct sheet *s, const struct piece *p)
{
    const double points_per_mm = 40;
    const struct ecg_lead *lead = p->lead;
    double first = ceil((p->from - lead->start_s) * lead->rate_hz - 1e-6);
    double last = ceil((p->to - lead->start_s) * lead->rate_hz - 1e-6);
    first = first > 0 ? first : 0;
    last = last < (double)lead->samples ? last : (double)lead->samples;
    if (!(first < last))
        return;
    double per_mm = lead->rate_hz / MM_PER_S;
    size_t step = per_mm > points_per_mm ? (size_t)(per_mm / points_per_mm) : 1;
    cairo_save(s->cr);
    cairo_rectangle(s->cr, GRID_LEFT, GRID_TOP, GRID_RIGHT - GRID_LEFT, GRID_BOTTOM - GRID_TOP);
    cairo_clip(s->cr);
    trace_pen(s);
    add_path(s, p, (size_t)first, (size_t)last, step);
    cairo_stroke(s->cr);
    cairo_restore(s->cr);
}

static void draw_name(struct sheet *s, double x, double y, const char *name)
{
    ecg_draw_text(s, x + 1, y, 0, 4, true, SHEET_LEFT, ink, name);
}

static void draw_tick(struct sheet *s, double x, double base)
{
    set_colour(s, ink);
    cairo_set_line_width(s->cr, 0.28);
    cairo_move_to(s->cr, x, base - 4);
    cairo_line_to(s->cr, x, base - 2);
    cairo_move_to(s->cr, x, base + 2);
    cairo_line_to(s->cr, x, base + 4);
    cairo_stroke(s->cr);
}

/* The twelve places of the standard sheet, column by column. */
struct places {
    struct ecg_lead made[4]; /* derived; data are ours */
    size_t nmade;
    const struct ecg_lead *lead[ROWS * COLUMNS];
};

static bool is_limb(int id)
{
    return id == ECG_LEAD_I || id == ECG_LEAD_II || (id >= ECG_LEAD_III && id <= ECG_LEAD_AVF);
}

static enum base_err place_limbs(struct sheet *s, struct places *p)
{
    static const int order[] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_III,
                                ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        p->lead[i] = ecg_record_lead(s->r, order[i]);
        if (p->lead[i] || i < 2)
            continue;
        struct ecg_lead *made = &p->made[p->nmade];
        enum base_err e = ecg_derive(s->r->leads, s->r->nleads, order[i], made);
        if (e == BASE_ENOMEM)
            return e;
        if (e)
            continue;
        p->lead[i] = made;
        p->nmade++;
        s->derived = true;
    }
    return BASE_OK;
}

static void not_shown(struct sheet *s, const char *name)
{
    base_buf_printf(&s->unshown, "%s%s", s->unshown.n ? " " : "", name);
}

/* V1 to V6 where they are all there; else the other leads in their order. */
static void place_chest(struct sheet *s, struct places *p)
{
    bool standard = true;
    for (int id = ECG_LEAD_V1; id <= ECG_LEAD_V6; id++)
        standard &= ecg_record_lead(s->r, id) != NULL;
    size_t at = 6;
    for (size_t i = 0; i < s->r->nleads; i++) {
        const struct ecg_lead *lead = &s->r->leads[i];
        if (is_limb(lead->id) || lead->samples == 0)
            continue;
        bool v1_to_v6 = lead->id >= ECG_LEAD_V1 && lead->id <= ECG_LEAD_V6;
        if (standard && v1_to_v6)
            p->lead[6 + lead->id - ECG_LEAD_V1] = lead;
        else if (!standard && at < ROWS * COLUMNS)
            p->lead[at++] = lead;
        else
            not_shown(s, lead->name);
    }
}

static void draw_places(struct sheet *s, const struct places *p)
{
    static const double bases[ROWS] = {GRID_TOP + 20, GRID_TOP + 55, GRID_TOP + 90};
    const double width = SECONDS_SHOWN / COLUMNS;
    for (size_t row = 0; row < ROWS; row++) {
        draw_pulse(s, bases[row]);
        for (size_t col = 0; col < COLUMNS; col++) {
            const struct ecg_lead *lead = p->lead[col * ROWS + row];
            double x = TRACE_LEFT + (double)col * width * MM_PER_S;
            double from = s->o->from_s + (double)col * width;
            if (col > 0)
                draw_tick(s, x, bases[row]);
            if (!lead)
                continue;
            draw_piece(s, &(struct piece){lead, from, from + width, x, bases[row]});
            draw_name(s, x, bases[row] - 17, lead->name);
        }
    }
}

static void draw_strip(struct sheet *s, const struct ecg_lead *lead, double base)
{
    double from = s->o->from_s;
    draw_pulse(s, base);
    draw_piece(s, &(struct piece){lead, from, from + SECONDS_SHOWN, TRACE_LEFT, base});
    draw_name(s, TRACE_LEFT, base - 15, lead->name);
}

static enum base_err draw_standard(struct sheet *s)
{
    struct places p = {0};
    enum base_err e = place_limbs(s, &p);
    if (!e) {
        place_chest(s, &p);
        draw_places(s, &p);
        draw_strip(s, p.lead[1] ? p.lead[1] : p.lead[0], GRID_TOP + 130);
    }
    for (size_t i = 0; i < p.nmade; i++)
        free(p.made[i].i32);
    return e;
}

/* Recordings of few or other leads: one under the other. */
static void draw_strips(struct sheet *s)
{
    size_t shown = 0;
    size_t there = 0;
    for (size_t i = 0; i < s->r->nleads; i++)
        there += s->r->leads[i].samples > 0;
    there = there < STRIPS_MAX ? there : STRIPS_MAX;
    for (size_t i = 0; i < s->r->nleads; i++) {
        const struct ecg_lead *lead = &s->r->leads[i];
        if (lead->samples == 0)
            continue;
        /* On a large square: its lines are what one measures against. */
        double base = GRID_TOP + 5 * round((double)(2 * shown + 1) * 15 / (double)there);
        if (shown < STRIPS_MAX)
            draw_strip(s, lead, base);
        else
            not_shown(s, lead->name);
        shown++;
    }
}

enum base_err ecg_draw_traces(struct sheet *s)
{
    enum base_err e = BASE_OK;
    draw_paper(s);
    if (s->r->nleads > STRIPS_MAX && ecg_record_lead(s->r, ECG_LEAD_I))
        e = draw_standard(s);
    else
        draw_strips(s);
    return e ? e : s->unshown.err;
}
