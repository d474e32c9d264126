/* How a long recording goes: where the atria fibrillate, and ST of some leads. */
#include "ecg/draw/ecg_sheet.h"

#include <math.h>

enum { LEADS = 3 };
static const double band_mm = 3;

static const struct ecg_trend *trend_of(const struct sheet *s)
{
    return s->o->analysis->trend;
}

static void af_colour(struct sheet *s, const struct ecg_trend_piece *p)
{
    if (p->is_af)
        ecg_draw_colour(s, ecg_draw_red);
    else if (p->is_known)
        cairo_set_source_rgb(s->cr, 0.90, 0.94, 0.90);
    else
        cairo_set_source_rgb(s->cr, 1, 1, 1);
}

/* Where a piece stands; returns its right end. */
static double place(const struct ecg_trend *t, const struct sheet_axes *a, size_t i, double *left)
{
    double mm_per_s = (a->right - a->left) / a->seconds;
    *left = a->left + (double)i * t->width_s * mm_per_s;
    return fmin(a->right, *left + t->width_s * mm_per_s);
}

void ecg_draw_trend_af(struct sheet *s, const struct sheet_axes *a)
{
    const struct ecg_trend *t = trend_of(s);
    double y = a->bottom - band_mm;
    /* Those that are alike in one, without seams. */
    for (size_t i = 0, next; i < t->n; i = next) {
        const struct ecg_trend_piece *p = &t->piece[i];
        double left, unused;
        for (next = i + 1; next < t->n && t->piece[next].is_af == p->is_af &&
                           t->piece[next].is_known == p->is_known;)
            next++;
        (void)place(t, a, i, &left);
        double right = place(t, a, next - 1, &unused);
        af_colour(s, p);
        cairo_rectangle(s->cr, left, y, right - left, band_mm);
        cairo_fill(s->cr);
    }
    ecg_draw_line(s, a->left, y, a->right, y, 0.08, ecg_draw_grey);
    ecg_draw_line(s, a->left, a->bottom, a->right, a->bottom, 0.08, ecg_draw_grey);
    ecg_draw_text(s, a->left - 1.5, y, 0, 2.4, true, SHEET_RIGHT, ecg_draw_grey, "房颤 AF");
}

/* ---- ST ---- */

/* The middle one of three pieces, in mV; NAN where the piece has none. */
static double st_mv(const struct ecg_trend *t, size_t i, size_t lead)
{
    double v[3];
    size_t n = 0;
    if (isnan(t->piece[i].st_uv[lead]))
        return (double)NAN;
    for (size_t k = i ? i - 1 : 0; k < t->n && k <= i + 1; k++) {
        double x = (double)t->piece[k].st_uv[lead] / 1000;
        size_t at = n;
        if (isnan(x))
            continue;
        for (; at > 0 && v[at - 1] > x; at--)
            v[at] = v[at - 1];
        v[at] = x;
        n++;
    }
    return n == 2 ? (v[0] + v[1]) / 2 : v[n / 2];
}

/* Those of the strips, and where these are fewer others, that have a trend. */
static enum base_err choose(struct sheet *s, const struct ecg_lead *lead[LEADS],
                            size_t number[LEADS], size_t *n)
{
    const struct ecg_trend *t = trend_of(s);
    const struct ecg_lead *all[SHEET_STRIPS];
    size_t strips = 0;
    enum base_err e = ecg_draw_strip_leads(s, all, LEADS, &strips);
    *n = 0;
    for (size_t i = 0; i < s->r->nleads && strips < LEADS && !s->o->leads && !e; i++) {
        bool is_there = false;
        for (size_t k = 0; k < strips; k++)
            is_there |= all[k] == &s->r->leads[i];
        if (!is_there)
            all[strips++] = &s->r->leads[i];
    }
    for (size_t k = 0; k < strips && !e; k++)
        for (size_t i = 0; i < t->nleads; i++)
            if (strcmp(t->name[i], all[k]->name) == 0) {
                lead[*n] = all[k];
                number[(*n)++] = i;
                break;
            }
    return e;
}

static void draw_line_of(struct sheet *s, const struct sheet_axes *a, size_t lead,
                         struct sheet_colour colour)
{
    const struct ecg_trend *t = trend_of(s);
    bool down = false;
    for (size_t i = 0; i < t->n; i++) {
        double left, v = st_mv(t, i, lead);
        double right = place(t, a, i, &left);
        if (isnan(v)) {
            down = false;
            continue;
        }
        double y = ecg_draw_axes_y(a, v);
        if (down)
            cairo_line_to(s->cr, left, y);
        else
            cairo_move_to(s->cr, left, y);
        cairo_line_to(s->cr, right, y);
        down = true;
    }
    ecg_draw_colour(s, colour);
    cairo_set_line_width(s->cr, 0.3);
    cairo_stroke(s->cr);
}

enum base_err ecg_draw_trend_st(struct sheet *s, const struct sheet_axes *given)
{
    const struct ecg_trend *t = trend_of(s);
    const struct sheet_colour colours[LEADS] = {ecg_draw_blue, ecg_draw_red, ecg_draw_ink};
    const struct ecg_lead *lead[LEADS];
    size_t number[LEADS];
    size_t n;
    struct sheet_axes a = *given;
    double most = 0.2;
    enum base_err e = choose(s, lead, number, &n);
    for (size_t k = 0; k < n && !e; k++)
        for (size_t i = 0; i < t->n; i++)
            most = fmax(most, fabs(st_mv(t, i, number[k]))); /* of NAN the other */
    if (e)
        return e;
    /* Half a millivolt is more than any ST that is one; beyond, a lead is off. */
    double step = most > 0.4 ? 0.5 : most > 0.2 ? 0.2 : 0.1;
    a.high = fmin(1, ceil(most / step - 1e-6) * step);
    a.low = -a.high;
    ecg_draw_axes(s, &a, "ST 段趋势 ST at J+60 ms, mV:", step);
    double x = a.left + 40;
    for (size_t k = 0; k < n; k++) {
        x += 3 +
             ecg_draw_text(s, x, a.top - 4.6, 0, 2.8, true, SHEET_LEFT, colours[k], lead[k]->name);
        draw_line_of(s, &a, number[k], colours[k]);
    }
    ecg_draw_line(s, a.left, ecg_draw_axes_y(&a, 0), a.right, ecg_draw_axes_y(&a, 0), 0.15,
                  ecg_draw_grey);
    ecg_draw_axes_times(s, &a);
    return BASE_OK;
}

/* ---- extremes ---- */

static size_t add_af(const struct ecg_trend *t, struct sheet_event *e)
{
    size_t best = 0, most = 0, run = 0;
    for (size_t i = 0; i < t->n; i++) {
        run = t->piece[i].is_af ? run + 1 : 0;
        if (run > most) {
            most = run;
            best = i + 1 - run;
        }
    }
    if (most == 0)
        return 0;
    *e = (struct sheet_event){.at_s = ((double)best + (double)most / 2) * t->width_s};
    snprintf(e->text, sizeof e->text, "最长房颤 longest AF %.0f min",
             (double)most * t->width_s / 60);
    return 1;
}

static size_t add_st(struct sheet *s, const struct ecg_trend *t, struct sheet_event *e)
{
    const struct ecg_lead *lead[LEADS];
    size_t number[LEADS];
    size_t n, at = 0, which = LEADS;
    double most = 0;
    if (choose(s, lead, number, &n))
        return 0; /* the page with the strips says why not */
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < t->n; i++)
            if (fabs(st_mv(t, i, number[k])) > fabs(most)) {
                most = st_mv(t, i, number[k]);
                which = k;
                at = i;
            }
    if (which == LEADS)
        return 0;
    *e = (struct sheet_event){.at_s = ((double)at + 0.5) * t->width_s, .lead = lead[which]};
    snprintf(e->text, sizeof e->text, "ST 最大偏移 largest ST %+.2f mV", most);
    return 1;
}

size_t ecg_draw_trend_events(struct sheet *s, struct sheet_event events[SHEET_TREND_EVENTS])
{
    const struct ecg_trend *t = trend_of(s);
    size_t n = add_af(t, events);
    return n + add_st(s, t, events + n);
}
