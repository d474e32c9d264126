/* A long recording: the hours in figures, the day in curves, its extremes as strips. */
#include "ecg/draw/ecg_sheet.h"

#include <math.h>

enum { BINS = 25, COLUMNS = 260, EVENTS = 12, EVENTS_PAGE = 5, SMOOTH = 8 };

static const double table_right = 136;
static const double curves_left = 156;
static const double event_s = 10;

struct bin {
    size_t beats;
    size_t pvc;
    size_t pac;
    size_t v_runs;   /* of three or more, by their first beat */
    double slow_bpm; /* least and most of SMOOTH intervals */
    double fast_bpm;
    double sum_s; /* of intervals */
    size_t intervals;
    double longest_s;
};

static bool is_v(const struct ecg_beats *b, size_t i)
{
    return b->beat[i].code == ECG_CODE_PVC;
}

/* Beats of the ventricular run that begins here; 0 when none does. */
static size_t run_from(const struct ecg_beats *b, size_t i)
{
    size_t n = 0;
    if (i > 0 && is_v(b, i - 1))
        return 0;
    while (i + n < b->n && is_v(b, i + n))
        n++;
    return n;
}

/* Rate over the SMOOTH intervals that end with this beat; NAN: there are fewer, or a gap. */
static double smooth_bpm(const struct ecg_beats *b, size_t i)
{
    if (i < SMOOTH)
        return (double)NAN;
    for (size_t k = 0; k < SMOOTH; k++)
        if (b->beat[i - k].after_gap)
            return (double)NAN;
    return 60 * SMOOTH / fmax(b->beat[i].at_s - b->beat[i - SMOOTH].at_s, 1e-3);
}

/* ---- bins ---- */

struct bins {
    struct bin of[BINS];
    size_t n;
    double width_s;
    double first_s; /* where the first begins, on a round time of the clock: <= 0 */
};

static void choose_bins(const struct sheet *s, double seconds, struct bins *out)
{
    static const double widths[] = {60, 120, 300, 600, 900, 1800, 3600, 7200, 14400};
    const struct ecg_time *t = &s->r->start;
    double clock =
        t->date.year && t->has_time ? t->hour * 3600.0 + t->minute * 60.0 + t->second : 0;
    size_t i = 0;
    while (i < sizeof widths / sizeof *widths - 1 && seconds / widths[i] > BINS - 1)
        i++;
    out->width_s = fmax(widths[i], seconds / (BINS - 1));
    out->first_s = -fmod(clock, out->width_s);
    double n = ceil((seconds - out->first_s) / out->width_s - 1e-6);
    out->n = n < 1 ? 1 : n < BINS ? (size_t)n : BINS;
}

static struct bin *bin_at(struct bins *all, double at_s)
{
    double i = floor((at_s - all->first_s) / all->width_s);
    return &all->of[i < 0 ? 0 : i < (double)all->n ? (size_t)i : all->n - 1];
}

static void fill_bins(const struct ecg_beats *b, struct bins *all)
{
    for (size_t i = 0; i < b->n; i++) {
        struct bin *bin = bin_at(all, b->beat[i].at_s);
        double bpm = smooth_bpm(b, i);
        bin->beats++;
        bin->pvc += is_v(b, i);
        bin->pac += b->beat[i].code == ECG_CODE_ATRIAL_PREMATURE;
        bin->v_runs += run_from(b, i) >= 3;
        if (!isnan(bpm)) {
            bin->slow_bpm = bin->slow_bpm > 0 ? fmin(bin->slow_bpm, bpm) : bpm;
            bin->fast_bpm = fmax(bin->fast_bpm, bpm);
        }
        if (i == 0 || b->beat[i].after_gap)
            continue;
        double rr = b->beat[i].at_s - b->beat[i - 1].at_s;
        bin->sum_s += rr;
        bin->intervals++;
        bin->longest_s = fmax(bin->longest_s, rr);
    }
}

/* ---- table ---- */

enum { CELLS = 9 };
/* Of the first the left. */
static const double cell_right[CELLS] = {11, 50, 61, 72, 83, 96, 108, 119, table_right};

static void table_line(struct sheet *s, double y, bool bold, const char *const cells[CELLS])
{
    for (size_t i = 0; i < CELLS; i++)
        ecg_draw_text(s, cell_right[i], y, 0, bold ? 2.6 : 3, bold, i ? SHEET_RIGHT : SHEET_LEFT,
                      bold ? ecg_draw_grey : ecg_draw_ink, cells[i]);
}

/* Nothing for nothing. */
static void count_text(char *out, size_t size, double v, int digits, const char *unit)
{
    out[0] = '\0';
    if (v > 0)
        snprintf(out, size, "%.*f%s", digits, v, unit);
}

static void bin_line(struct sheet *s, double y, const char *when, const struct bin *b)
{
    char cell[CELLS][32];
    const char *cells[CELLS];
    snprintf(cell[0], sizeof cell[0], "%s", when);
    count_text(cell[1], sizeof cell[1], (double)b->beats, 0, "");
    count_text(cell[2], sizeof cell[2], b->slow_bpm, 0, "");
    count_text(cell[3], sizeof cell[3], b->sum_s > 0 ? 60 * (double)b->intervals / b->sum_s : 0, 0,
               "");
    count_text(cell[4], sizeof cell[4], b->fast_bpm, 0, "");
    snprintf(cell[5], sizeof cell[5], "%zu", b->pvc);
    snprintf(cell[6], sizeof cell[6], "%zu", b->pac);
    snprintf(cell[7], sizeof cell[7], "%zu", b->v_runs);
    count_text(cell[8], sizeof cell[8], b->longest_s, 2, " s");
    for (size_t i = 0; i < CELLS; i++)
        cells[i] = cell[i];
    table_line(s, y, false, cells);
}

static struct bin total_of(const struct bins *all)
{
    struct bin sum = {0};
    for (size_t i = 0; i < all->n; i++) {
        const struct bin *b = &all->of[i];
        sum.beats += b->beats;
        sum.pvc += b->pvc;
        sum.pac += b->pac;
        sum.v_runs += b->v_runs;
        sum.sum_s += b->sum_s;
        sum.intervals += b->intervals;
        sum.longest_s = fmax(sum.longest_s, b->longest_s);
        sum.fast_bpm = fmax(sum.fast_bpm, b->fast_bpm);
        if (b->slow_bpm > 0)
            sum.slow_bpm = sum.slow_bpm > 0 ? fmin(sum.slow_bpm, b->slow_bpm) : b->slow_bpm;
    }
    return sum;
}

static void draw_burden(struct sheet *s, double y, const struct bin *sum)
{
    const struct ecg_trend *t = s->o->analysis->trend;
    char text[240];
    double n = sum->beats ? (double)sum->beats : 1;
    int used = snprintf(text, sizeof text, "室早负荷 PVC %.2f %%    房早负荷 PAC %.2f %%",
                        100 * (double)sum->pvc / n, 100 * (double)sum->pac / n);
    if (t && t->known_s > 0)
        snprintf(text + used, sizeof text - (size_t)used, "    房颤负荷 AF %.1f %%",
                 100 * t->af_s / t->known_s);
    ecg_draw_text(s, PAPER_LEFT, y, table_right - PAPER_LEFT, 3.2, true, SHEET_LEFT, ecg_draw_ink,
                  text);
}

static void draw_table(struct sheet *s, const struct bins *all, double seconds)
{
    static const char *const zh[CELLS] = {"时间", "搏动数", "最慢", "平均",  "最快",
                                          "室早", "房早",   "室速", "最长RR"};
    static const char *const en[CELLS] = {"time", "beats", "min",    "mean",      "max",
                                          "PVC",  "PAC",   "V runs", "longest RR"};
    const double top = PAPER_TOP + 1;
    double pitch = fmin(6, (PAPER_BOTTOM - top - 24) / (double)all->n);
    table_line(s, top, true, zh);
    table_line(s, top + 3.4, true, en);
    double y = top + 8;
    for (size_t i = 0; i < all->n; i++, y += pitch) {
        char from[32];
        char when[80];
        char to[32];
        double a = fmax(0, all->first_s + (double)i * all->width_s);
        double b = fmin(seconds, all->first_s + (double)(i + 1) * all->width_s);
        ecg_draw_minute(s, a, from, sizeof from);
        ecg_draw_minute(s, b, to, sizeof to);
        snprintf(when, sizeof when, "%s–%s", from, to);
        ecg_draw_line(s, PAPER_LEFT, y - 0.4, table_right, y - 0.4, 0.05, ecg_draw_grey);
        bin_line(s, y, when, &all->of[i]);
    }
    struct bin sum = total_of(all);
    ecg_draw_line(s, PAPER_LEFT, y - 0.4, table_right, y - 0.4, 0.3, ecg_draw_ink);
    bin_line(s, y, "合计 total", &sum);
    draw_burden(s, y + 6, &sum);
}

/* ---- curves ---- */

struct curve {
    double low[COLUMNS];
    double high[COLUMNS];
    double mean[COLUMNS];
    size_t n[COLUMNS];
};

static void fill_curve(const struct ecg_beats *b, double seconds, struct curve *c)
{
    for (size_t i = 0; i < b->n; i++) {
        double bpm = smooth_bpm(b, i);
        size_t at = (size_t)fmin(b->beat[i].at_s / seconds * COLUMNS, COLUMNS - 1);
        if (isnan(bpm))
            continue;
        c->low[at] = c->n[at] ? fmin(c->low[at], bpm) : bpm;
        c->high[at] = c->n[at] ? fmax(c->high[at], bpm) : bpm;
        c->mean[at] += bpm;
        c->n[at]++;
    }
}

/* The mean as a line in the band from least to most. */
static void draw_rate(struct sheet *s, const struct ecg_beats *b, const struct sheet_axes *a)
{
    struct curve c = {.n = {0}};
    double step = (a->right - a->left) / COLUMNS;
    bool down = false;
    fill_curve(b, a->seconds, &c);
    for (size_t i = 0; i < COLUMNS; i++) {
        double x = a->left + step * (double)i;
        if (!c.n[i])
            continue;
        cairo_set_source_rgb(s->cr, 0.72, 0.80, 0.92);
        cairo_rectangle(s->cr, x, ecg_draw_axes_y(a, c.high[i]), step,
                        fmax(ecg_draw_axes_y(a, c.low[i]) - ecg_draw_axes_y(a, c.high[i]), 0.2));
        cairo_fill(s->cr);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        double x = a->left + step * ((double)i + 0.5);
        if (c.n[i] && down)
            cairo_line_to(s->cr, x, ecg_draw_axes_y(a, c.mean[i] / (double)c.n[i]));
        else if (c.n[i])
            cairo_move_to(s->cr, x, ecg_draw_axes_y(a, c.mean[i] / (double)c.n[i]));
        down = c.n[i] > 0;
    }
    ecg_draw_colour(s, ecg_draw_blue);
    cairo_set_line_width(s->cr, 0.3);
    cairo_stroke(s->cr);
}

static void draw_bars(struct sheet *s, const struct bins *all, const struct sheet_axes *given,
                      bool pvc, const char *title)
{
    struct sheet_axes a = *given;
    double most = 1;
    for (size_t i = 0; i < all->n; i++)
        most = fmax(most, (double)(pvc ? all->of[i].pvc : all->of[i].pac));
    double step = ecg_draw_round_step(most);
    a.low = 0;
    a.high = ceil(most / step) * step;
    ecg_draw_axes(s, &a, title, step);
    for (size_t i = 0; i < all->n; i++) {
        double from = fmax(0, all->first_s + (double)i * all->width_s);
        double to = fmin(a.seconds, all->first_s + (double)(i + 1) * all->width_s);
        double x = a.left + from / a.seconds * (a.right - a.left);
        double w = (to - from) / a.seconds * (a.right - a.left);
        double y = ecg_draw_axes_y(&a, (double)(pvc ? all->of[i].pvc : all->of[i].pac));
        ecg_draw_colour(s, pvc ? ecg_draw_red : ecg_draw_blue);
        cairo_rectangle(s->cr, x + 0.2, y, fmax(w - 0.4, 0.1), a.bottom - y);
        cairo_fill(s->cr);
    }
    ecg_draw_axes_times(s, &a);
}

static enum base_err draw_curves(struct sheet *s, const struct ecg_beats *b, const struct bins *all,
                                 double seconds)
{
    const double right = PAPER_RIGHT - 2;
    struct bin sum = total_of(all);
    double high = fmin(300, ceil(fmax(sum.fast_bpm, 60) / 20) * 20);
    double low = fmin(40, floor((sum.slow_bpm > 0 ? sum.slow_bpm : 40) / 20) * 20);
    struct sheet_axes rate = {curves_left, right, PAPER_TOP + 5, PAPER_TOP + 43,
                              low,         high,  seconds};
    ecg_draw_axes(s, &rate, "心率 heart rate /min (8 个间期 of 8 intervals: 最慢–最快, 平均)", 20);
    draw_rate(s, b, &rate);
    rate.bottom += 4;
    if (s->o->analysis->trend)
        ecg_draw_trend_af(s, &rate);
    ecg_draw_axes_times(s, &rate);
    struct sheet_axes bars = {curves_left, right, PAPER_TOP + 60, PAPER_TOP + 79, 0, 1, seconds};
    draw_bars(s, all, &bars, true, "室性早搏 PVC");
    bars.top = PAPER_TOP + 92;
    bars.bottom = PAPER_TOP + 111;
    draw_bars(s, all, &bars, false, "房性早搏 PAC");
    bars.top = PAPER_TOP + 124;
    bars.bottom = PAPER_TOP + 145;
    return s->o->analysis->trend ? ecg_draw_trend_st(s, &bars) : BASE_OK;
}

/* ---- extremes ---- */

static void add_event(struct sheet_event *events, size_t *n, double at_s, const char *what,
                      double v, int digits, const char *unit)
{
    struct sheet_event *e = &events[(*n)++];
    e->at_s = at_s;
    e->lead = NULL;
    snprintf(e->text, sizeof e->text, "%s %.*f %s", what, digits, v, unit);
}

static void add_rates(const struct ecg_beats *b, struct sheet_event *events, size_t *n)
{
    size_t fast = 0;
    size_t slow = 0;
    size_t pause = 0;
    for (size_t i = SMOOTH; i < b->n; i++) {
        if (isnan(smooth_bpm(b, i)))
            continue;
        fast = !fast || smooth_bpm(b, i) > smooth_bpm(b, fast) ? i : fast;
        slow = !slow || smooth_bpm(b, i) < smooth_bpm(b, slow) ? i : slow;
    }
    if (fast) {
        add_event(events, n, b->beat[fast - SMOOTH / 2].at_s, "最快心率 fastest",
                  smooth_bpm(b, fast), 0, "/min");
        add_event(events, n, b->beat[slow - SMOOTH / 2].at_s, "最慢心率 slowest",
                  smooth_bpm(b, slow), 0, "/min");
    }
    for (size_t i = 1; i < b->n; i++)
        if (!b->beat[i].after_gap && (!pause || b->beat[i].at_s - b->beat[i - 1].at_s >
                                                    b->beat[pause].at_s - b->beat[pause - 1].at_s))
            pause = i;
    if (pause)
        add_event(events, n, (b->beat[pause].at_s + b->beat[pause - 1].at_s) / 2,
                  "最长间期 longest RR", b->beat[pause].at_s - b->beat[pause - 1].at_s, 2, "s");
}

/* The longest run, of those alike the fastest; else a pair, else a single one. */
static void add_ventricular(const struct ecg_beats *b, struct sheet_event *events, size_t *n)
{
    size_t at = b->n;
    size_t most = 0;
    for (size_t i = 0; i < b->n; i++) {
        size_t k = run_from(b, i);
        bool faster =
            k == most && k > 1 &&
            b->beat[i + k - 1].at_s - b->beat[i].at_s < b->beat[at + k - 1].at_s - b->beat[at].at_s;
        if (k > most || faster) {
            at = i;
            most = k;
        }
    }
    if (most >= 2) {
        add_event(events, n, (b->beat[at].at_s + b->beat[at + most - 1].at_s) / 2,
                  most > 2 ? "最长室性连发 longest V run" : "成对室早 V pair", (double)most, 0,
                  "搏 beats");
    } else if (most == 1) {
        add_event(events, n, b->beat[at].at_s, "室性早搏 PVC, 前间期 after",
                  at ? b->beat[at].at_s - b->beat[at - 1].at_s : 0, 2, "s");
    }
}

static void add_atrial(const struct ecg_beats *b, struct sheet_event *events, size_t *n)
{
    size_t best = 0;
    for (size_t i = 1; i < b->n; i++)
        if (b->beat[i].code == ECG_CODE_ATRIAL_PREMATURE &&
            (!best || b->beat[i].certainty > b->beat[best].certainty))
            best = i;
    if (best)
        add_event(events, n, b->beat[best].at_s, "房性早搏 PAC, 前间期 after",
                  b->beat[best].at_s - b->beat[best - 1].at_s, 2, "s");
}

static size_t find_events(struct sheet *s, const struct ecg_beats *b,
                          struct sheet_event events[EVENTS])
{
    size_t n = 0;
    add_rates(b, events, &n);
    add_ventricular(b, events, &n);
    add_atrial(b, events, &n);
    if (s->o->analysis->trend)
        n += ecg_draw_trend_events(s, events + n);
    return n;
}

static const struct ecg_beats *beats_of(const struct sheet *s)
{
    const struct ecg_beats *b = s->o->analysis ? s->o->analysis->beats : NULL;
    return b && b->n >= 2 ? b : NULL;
}

unsigned ecg_draw_holter_pages(struct sheet *s)
{
    struct sheet_event events[EVENTS];
    const struct ecg_beats *b = beats_of(s);
    size_t n = b ? find_events(s, b, events) : 0;
    return 1 + (unsigned)((n + EVENTS_PAGE - 1) / EVENTS_PAGE);
}

static enum base_err draw_events(struct sheet *s, const struct ecg_beats *b, double seconds)
{
    struct sheet_event events[EVENTS];
    struct sheet_row rows[EVENTS_PAGE] = {0};
    const struct ecg_lead *lead;
    size_t nleads = 0;
    size_t n = find_events(s, b, events);
    size_t first = (s->number - 1) * EVENTS_PAGE;
    size_t shown = 0;
    double row_s = fmin(event_s, ecg_draw_row_seconds(s));
    enum base_err e = ecg_draw_strip_leads(s, &lead, 1, &nleads);
    if (e)
        return e;
    for (size_t i = first; i < n && shown < EVENTS_PAGE; i++, shown++) {
        char when[32];
        double from = fmax(0, fmin(events[i].at_s - row_s / 2, seconds - row_s));
        ecg_draw_time(s, from, when, sizeof when);
        snprintf(rows[shown].note, sizeof rows[shown].note, "%s    %s", when, events[i].text);
        rows[shown].is_strip = true;
        ecg_draw_set_strip(s, &rows[shown], events[i].lead ? events[i].lead : lead, from,
                           from + row_s);
    }
    ecg_draw_paper(s);
    ecg_draw_rows(s, rows, shown);
    snprintf(s->what, sizeof s->what, "极值片段 extremes");
    return BASE_OK;
}

enum base_err ecg_draw_holter(struct sheet *s)
{
    const struct ecg_beats *b = beats_of(s);
    double seconds = ecg_record_seconds(s->r);
    struct bins all = {.n = 0};
    if (!b)
        return base_fail(s->err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "an overview needs beats, and fewer than two were found");
    if (s->number > 0)
        return draw_events(s, b, seconds);
    choose_bins(s, seconds, &all);
    fill_bins(b, &all);
    draw_table(s, &all, seconds);
    enum base_err e = draw_curves(s, b, &all, seconds);
    s->is_chart = true;
    snprintf(s->what, sizeof s->what, "长程概览 overview, 未确认 unconfirmed");
    return e;
}
