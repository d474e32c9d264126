/* The mean beats of all leads with where their waves are, and what each lead measures. */
#include "ecg/draw/ecg_sheet.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 3, LINES = 3 };

static const double cells_bottom = PAPER_TOP + 105;

/* A beat of one lead, in uV about its level. */
struct beat {
    int id;
    const char *name;
    float *uv; /* owned */
    size_t n;
    double rate_hz;
    double before_s; /* its first sample before the fiducial point */
    const struct ecg_points *points;
    const struct ecg_figures_lead *figures;
};

struct beats {
    struct beat of[SHEET_ROWS];
    size_t n;
    double line_s[2 * LINES]; /* over all leads, after the fiducial; NAN = none */
};

static bool add_beat(struct beats *all, struct beat b)
{
    if (all->n == SHEET_ROWS)
        return true;
    b.uv = malloc((b.n ? b.n : 1) * sizeof *b.uv);
    if (b.uv)
        all->of[all->n++] = b;
    return b.uv != NULL;
}

static void free_beats(struct beats *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->of[i].uv);
}

/* ---- ours ---- */

static double line_of(int at)
{
    return at == ECG_POINT_NONE ? (double)NAN : (double)(at - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ;
}

static bool take_ours(const struct ecg_figures *f, struct beats *all)
{
    static const enum ecg_point lines[2 * LINES] = {ECG_POINT_P_ON,   ECG_POINT_P_OFF,
                                                    ECG_POINT_QRS_ON, ECG_POINT_QRS_OFF,
                                                    ECG_POINT_T_ON,   ECG_POINT_T_OFF};
    for (size_t i = 0; i < 2 * LINES; i++)
        all->line_s[i] = line_of(f->waves.all.at[lines[i]]);
    for (size_t i = 0; i < f->nleads; i++) {
        struct beat b = {.id = f->lead[i].id,
                         .name = f->lead[i].name,
                         .n = ECG_WINDOW,
                         .rate_hz = ECG_WINDOW_HZ,
                         .before_s = (double)ECG_WINDOW_BEFORE / ECG_WINDOW_HZ,
                         .points = &f->waves.lead[i],
                         .figures = &f->lead[i]};
        if (!add_beat(all, b))
            return false;
        memcpy(all->of[i].uv, f->mean.x[i], sizeof f->mean.x[i]);
        if (all->n == SHEET_ROWS)
            break;
    }
    return true;
}

/* ---- the device's ---- */

/* About the value that it rests at. */
static bool level(float *uv, size_t n)
{
    float *sorted = malloc((n ? n : 1) * sizeof *sorted);
    size_t k = 0;
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        if (isfinite(uv[i]))
            sorted[k++] = uv[i];
    qsort(sorted, k, sizeof *sorted, ecg_draw_by_value);
    for (size_t i = 0; i < n && k > 0; i++)
        uv[i] -= sorted[k / 2];
    free(sorted);
    return true;
}

static void take_lines(const struct ecg_record *r, double fiducial_s, struct beats *all)
{
    static const enum ecg_mark_kind kinds[2 * LINES] = {ECG_MARK_P_ON,   ECG_MARK_P_OFF,
                                                        ECG_MARK_QRS_ON, ECG_MARK_QRS_OFF,
                                                        ECG_MARK_T_ON,   ECG_MARK_T_OFF};
    for (size_t k = 0; k < 2 * LINES; k++)
        all->line_s[k] = (double)NAN;
    for (size_t i = 0; i < r->nmarks; i++)
        for (size_t k = 0; k < 2 * LINES; k++)
            if (r->marks[i].on_median && r->marks[i].lead_id == 0 && r->marks[i].kind == kinds[k])
                all->line_s[k] = r->marks[i].at_s - fiducial_s;
}

static bool take_device(const struct ecg_record *r, struct beats *all)
{
    const size_t samples_max = 1 << 20; /* no beat has as many */
    double fiducial_s = r->median_fiducial_s >= 0 ? r->median_fiducial_s : 0.4;
    take_lines(r, fiducial_s, all);
    for (size_t i = 0; i < r->nmedians && all->n < SHEET_ROWS; i++) {
        const struct ecg_lead *lead = &r->medians[i];
        struct beat b = {.id = lead->id,
                         .name = lead->name,
                         .n = lead->samples < samples_max ? lead->samples : samples_max,
                         .rate_hz = lead->rate_hz,
                         .before_s = fiducial_s - lead->start_s};
        if (b.n == 0 || !(b.rate_hz > 0))
            continue;
        if (!add_beat(all, b))
            return false;
        ecg_lead_read_uv(lead, 0, b.n, all->of[all->n - 1].uv);
        if (!level(all->of[all->n - 1].uv, b.n))
            return false;
    }
    return true;
}

/* ---- order ---- */

static int rank_of(int id, bool cabrera)
{
    static const int usual[] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_III,
                                ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    static const int other[] = {ECG_LEAD_AVL, ECG_LEAD_I,   ECG_LEAD_AVR,
                                ECG_LEAD_II,  ECG_LEAD_AVF, ECG_LEAD_III};
    for (int i = 0; i < 6; i++)
        if ((cabrera ? other : usual)[i] == id)
            return i;
    return id >= ECG_LEAD_V1 && id <= ECG_LEAD_V6 ? 6 + id - ECG_LEAD_V1 : 100;
}

/* Insertion keeps the order of those that have no place of their own. */
static void sort_beats(struct beats *all, bool cabrera)
{
    for (size_t i = 1; i < all->n; i++) {
        struct beat b = all->of[i];
        size_t at = i;
        for (; at > 0 && rank_of(all->of[at - 1].id, cabrera) > rank_of(b.id, cabrera); at--)
            all->of[at] = all->of[at - 1];
        all->of[at] = b;
    }
}

/* ---- drawing ---- */

static const struct sheet_colour colours[LINES] = {
    {0.25, 0.45, 0.95}, {0.90, 0.50, 0.05}, {0.20, 0.60, 0.30}};

struct cell {
    double left;
    double right;
    double top;
    double bottom;
    double base;
    double fiducial; /* x of it */
};

/* Where each wave is in this lead, and the limits over all leads. */
static void draw_limits(struct sheet *s, const struct beats *all, const struct beat *b,
                        const struct cell *c)
{
    static const enum ecg_point points[2 * LINES] = {ECG_POINT_P_ON,   ECG_POINT_P_OFF,
                                                     ECG_POINT_QRS_ON, ECG_POINT_QRS_OFF,
                                                     ECG_POINT_T_ON,   ECG_POINT_T_OFF};
    const double dash[] = {0.8, 0.8};
    for (size_t i = 0; i < LINES && b->points; i++) {
        double from = line_of(b->points->at[points[2 * i]]);
        double to = line_of(b->points->at[points[2 * i + 1]]);
        if (isnan(from) || isnan(to))
            continue;
        cairo_set_source_rgba(s->cr, colours[i].r, colours[i].g, colours[i].b, 0.2);
        cairo_rectangle(s->cr, c->fiducial + from * s->mm_per_s, c->base - 7,
                        (to - from) * s->mm_per_s, 14);
        cairo_fill(s->cr);
    }
    cairo_set_dash(s->cr, dash, 2, 0);
    for (size_t i = 0; i < 2 * LINES; i++) {
        double x = c->fiducial + all->line_s[i] * s->mm_per_s;
        if (x > c->left && x < c->right && i != 4)
            ecg_draw_line(s, x, c->top + 1, x, c->bottom - 1, 0.15, colours[i / 2]);
    }
    cairo_set_dash(s->cr, NULL, 0, 0);
}

static void draw_trace(struct sheet *s, const struct beat *b, const struct cell *c, double sign)
{
    bool down = false;
    double before[2] = {0, 0};
    ecg_draw_colour(s, ecg_draw_ink);
    cairo_set_line_width(s->cr, 0.3);
    cairo_set_line_join(s->cr, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < b->n; i++) {
        double x = c->fiducial + ((double)i / b->rate_hz - b->before_s) * s->mm_per_s;
        double y = c->base - sign * (double)b->uv[i] / 1000 * s->mm_per_mv;
        if (x < c->left || x > c->right || !(fabs(y) < 1000)) {
            down = false;
            continue;
        }
        if (down)
            cairo_line_to(s->cr, x, y);
        else
            cairo_move_to(s->cr, x, y);
        if (down)
            ecg_draw_use(s, before[0], before[1], x, y);
        s->clipped |= y < s->paper.top || y > s->paper.bottom;
        before[0] = x;
        before[1] = y;
        down = true;
    }
    cairo_stroke(s->cr);
}

static bool is_turned(const struct sheet *s, const struct beat *b)
{
    return s->o->cabrera && b->id == ECG_LEAD_AVR;
}

/* Below the top of a row, so that its largest waves have room. */
static double base_of(const struct sheet *s, const struct beats *all, size_t row, double height)
{
    double up = s->mm_per_mv + 1;
    double down = 3;
    for (size_t i = row; i < all->n; i += ROWS) {
        const struct beat *b = &all->of[i];
        for (size_t k = 0; k < b->n; k++) {
            double mm = (double)b->uv[k] / 1000 * s->mm_per_mv * (is_turned(s, b) ? -1 : 1);
            up = fmax(up, mm + 1);
            down = fmax(down, 1 - mm);
        }
    }
    return round(fmax(fmin(0.57 * height, height - down), fmin(up, 0.57 * height)));
}

static void draw_cells(struct sheet *s, const struct beats *all)
{
    size_t columns = (all->n + ROWS - 1) / ROWS;
    double width = TRACE_WIDTH / (double)(columns < 2 ? 2 : columns);
    double height = (s->paper.bottom - s->paper.top) / ROWS;
    double before = fmin(0.5 * s->mm_per_s, 0.4 * width);
    struct cell cells[SHEET_ROWS];
    ecg_draw_clip(s);
    for (size_t i = 0; i < all->n; i++) {
        struct cell *c = &cells[i];
        c->left = TRACE_LEFT + (double)(i / ROWS) * width;
        c->right = c->left + width - 1;
        c->top = s->paper.top + (double)(i % ROWS) * height;
        c->bottom = c->top + height;
        c->base = c->top + base_of(s, all, i % ROWS, height);
        c->fiducial = c->left + 1 + before;
        draw_limits(s, all, &all->of[i], c);
        if (i < ROWS)
            ecg_draw_pulse(s, c->base);
    }
    for (size_t i = 0; i < all->n; i++) {
        draw_trace(s, &all->of[i], &cells[i], is_turned(s, &all->of[i]) ? -1 : 1);
    }
    cairo_restore(s->cr);
    for (size_t i = 0; i < all->n; i++) {
        ecg_draw_label(s, cells[i].left + 1, cells[i].base - 13, s->paper.top, s->paper.bottom,
                       SHEET_NEAR, 3.8, ecg_draw_ink,
                       is_turned(s, &all->of[i]) ? "−aVR" : all->of[i].name);
    }
}

static const struct {
    const char *label;
    size_t offset;
} table[] = {
    {"P  µV", offsetof(struct ecg_figures_lead, p_uv)},
    {"Q  µV", offsetof(struct ecg_figures_lead, q_uv)},
    {"R  µV", offsetof(struct ecg_figures_lead, r_uv)},
    {"S  µV", offsetof(struct ecg_figures_lead, s_uv)},
    {"R′  µV", offsetof(struct ecg_figures_lead, r2_uv)},
    {"T  µV", offsetof(struct ecg_figures_lead, t_uv)},
    {"J  µV", offsetof(struct ecg_figures_lead, st_uv)},
    {"J+40 ms  µV", offsetof(struct ecg_figures_lead, st_uv) + 2 * sizeof(float)},
    {"J+60 ms  µV", offsetof(struct ecg_figures_lead, st_uv) + 3 * sizeof(float)},
    {"J+80 ms  µV", offsetof(struct ecg_figures_lead, st_uv) + 4 * sizeof(float)},
    {"Q  ms", offsetof(struct ecg_figures_lead, q_ms)},
    {"R  ms", offsetof(struct ecg_figures_lead, r_ms)},
};
enum { TABLE_ROWS = sizeof table / sizeof *table };

static void draw_table(struct sheet *s, const struct beats *all)
{
    const double top = cells_bottom + 2;
    const double pitch = (PAPER_BOTTOM - top) / (TABLE_ROWS + 1);
    const double left = PAPER_LEFT + 28;
    double column = fmin(20, (PAPER_RIGHT - left) / (double)all->n);
    for (size_t row = 0; row < TABLE_ROWS; row++) {
        double y = top + pitch * (double)(row + 1);
        ecg_draw_text(s, PAPER_LEFT, y, 0, 2.7, false, SHEET_LEFT, ecg_draw_grey, table[row].label);
        ecg_draw_line(s, PAPER_LEFT, y - 0.1, left + column * (double)all->n, y - 0.1, 0.05,
                      ecg_draw_grey);
        for (size_t i = 0; i < all->n; i++) {
            const char *base = (const char *)all->of[i].figures;
            float v = *(const float *)(const void *)(base + table[row].offset);
            char text[16];
            snprintf(text, sizeof text, "%.0f", round((double)v) + 0.0); /* no "-0" */
            if (!isnan(v))
                ecg_draw_text(s, left + column * (double)(i + 1) - 2, y, 0, 2.7, false, SHEET_RIGHT,
                              ecg_draw_ink, text);
        }
    }
    for (size_t i = 0; i < all->n; i++)
        ecg_draw_text(s, left + column * (double)(i + 1) - 2, top, 0, 2.8, true, SHEET_RIGHT,
                      ecg_draw_ink, all->of[i].name);
}

enum base_err ecg_draw_beats(struct sheet *s)
{
    const struct ecg_figures *f = s->o->analysis ? s->o->analysis->figures : NULL;
    bool device = s->o->device_beats;
    struct beats all = {.n = 0};
    if (device && s->r->nmedians == 0)
        return base_fail(s->err, BASE_EUNSUPPORTED, BASE_NOPOS, "the device stored no mean beats");
    if (!device && (!f || f->in_mean == 0))
        return base_fail(s->err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "no beats were found to take a mean of");
    bool ok = device ? take_device(s->r, &all) : take_ours(f, &all);
    if (ok) {
        sort_beats(&all, s->o->cabrera);
        s->paper.bottom = device ? PAPER_BOTTOM : cells_bottom;
        ecg_draw_paper(s);
        draw_cells(s, &all);
        if (!device)
            draw_table(s, &all);
        if (device)
            snprintf(s->what, sizeof s->what, "设备的平均搏动 mean beats of the device");
        else
            snprintf(s->what, sizeof s->what, "%zu 个搏动的平均 mean of %zu beats", f->in_mean,
                     f->in_mean);
    }
    free_beats(&all);
    return ok ? BASE_OK : BASE_ENOMEM;
}
