/* Lines, paper and words. */
#include "ecg/draw/ecg_sheet.h"

#include "base/utf8.h"

#include <math.h>

#define FONT "WenQuanYi Zen Hei"

const struct sheet_colour ecg_draw_ink = {0.05, 0.05, 0.08};
const struct sheet_colour ecg_draw_grey = {0.38, 0.38, 0.42};
const struct sheet_colour ecg_draw_red = {0.78, 0.08, 0.08};
const struct sheet_colour ecg_draw_blue = {0.10, 0.30, 0.62};
static const struct sheet_colour fine = {0.98, 0.84, 0.84};
static const struct sheet_colour coarse = {0.93, 0.64, 0.64};

/* Text is laid out in units of 1/20 mm, as pango thinks in whole ones. */
static const double units = 20;

static double lay_out(struct sheet *s, double width, double size, bool bold, const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || !base_utf8_valid(text, n))
        return 0;
    PangoFontDescription *font = pango_font_description_from_string(FONT);
    pango_font_description_set_absolute_size(font, size * units * PANGO_SCALE);
    pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(s->text, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(s->text, TRUE);
    pango_layout_set_ellipsize(s->text, width > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_width(s->text, width > 0 ? (int)(width * units * PANGO_SCALE) : -1);
    pango_layout_set_text(s->text, text, (int)n);
    PangoRectangle area;
    pango_layout_get_extents(s->text, NULL, &area);
    return area.width / units / PANGO_SCALE;
}

static void show(struct sheet *s, double left, double y, struct sheet_colour colour)
{
    cairo_save(s->cr);
    ecg_draw_colour(s, colour);
    cairo_move_to(s->cr, left, y);
    cairo_scale(s->cr, 1 / units, 1 / units);
    pango_cairo_show_layout(s->cr, s->text);
    cairo_restore(s->cr);
}

double ecg_draw_text(struct sheet *s, double x, double y, double width, double size, bool bold,
                     enum sheet_align align, struct sheet_colour colour, const char *text)
{
    double w = lay_out(s, width, size, bold, text);
    if (w > 0)
        show(s, align == SHEET_LEFT ? x : align == SHEET_RIGHT ? x - w : x - w / 2, y, colour);
    return w;
}

void ecg_draw_fitted(struct sheet *s, double x, double y, double width, double size, bool bold,
                     enum sheet_align align, struct sheet_colour colour, const char *text)
{
    double w = lay_out(s, 0, size, bold, text);
    double small = w > width ? fmax(size * width / w * 0.99, size / 2) : size;
    ecg_draw_text(s, x, y + (size - small) / 2, width, small, bold, align, colour, text);
}

size_t ecg_draw_wrap(struct sheet *s, double width, double size, const char *text, size_t most,
                     size_t *starts)
{
    starts[0] = 0;
    if (most < 2 || lay_out(s, 0, size, false, text) <= width)
        return 1;
    pango_layout_set_wrap(s->text, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_width(s->text, (int)(width * units * PANGO_SCALE));
    size_t lines = (size_t)pango_layout_get_line_count(s->text);
    lines = lines < most ? lines : most;
    for (size_t i = 1; i < lines; i++)
        starts[i] = (size_t)pango_layout_get_line_readonly(s->text, (int)i)->start_index;
    return lines;
}

static long cell_of(double mm, long most)
{
    double cell = floor(mm / USED_CELL);
    return cell < 0 ? 0 : cell >= (double)most ? most - 1 : (long)cell;
}

void ecg_draw_use(struct sheet *s, double x0, double y0, double x1, double y1)
{
    double far = fmax(fabs(x1 - x0), fabs(y1 - y0));
    if (!(far < SHEET_WIDTH + SHEET_HEIGHT))
        return;
    size_t steps = (size_t)(far / USED_CELL) + 1;
    for (size_t i = 0; i <= steps; i++) {
        double at = (double)i / (double)steps;
        long col = cell_of(x0 + at * (x1 - x0), USED_COLUMNS);
        long row = cell_of(y0 + at * (y1 - y0), USED_ROWS);
        s->used[row * USED_COLUMNS + col] = 1;
    }
}

static size_t count_used(const struct sheet *s, double x, double y, double w, double h, bool set)
{
    size_t n = 0;
    long right = cell_of(x + w, USED_COLUMNS);
    long bottom = cell_of(y + h, USED_ROWS);
    for (long row = cell_of(y, USED_ROWS); row <= bottom; row++)
        for (long col = cell_of(x, USED_COLUMNS); col <= right; col++) {
            n += s->used[row * USED_COLUMNS + col];
            if (set)
                s->used[row * USED_COLUMNS + col] = 1;
        }
    return n;
}

double ecg_draw_label(struct sheet *s, double x, double y, double top, double bottom, double right,
                      double size, struct sheet_colour colour, const char *text)
{
    /* Nearest first. Above is better than below, as most traces are drawn. */
    static const double up[] = {0, 1, 2, -1, 3, -2, 4, 5, -3, 6, 7, 8, -4, 9, 10, 12};
    static const double parts[] = {0, 2.0 / 13, 4.0 / 13, 7.0 / 13, 10.0 / 13, 1};
    double w = lay_out(s, 0, size, size >= 3, text);
    top = fmax(top, s->paper.top + 0.3);
    bottom = fmin(bottom, s->paper.bottom);
    y = fmax(fmin(y, bottom - size - 0.3), top + 0.2);
    double best_x = x;
    double best_y = y;
    size_t least = SIZE_MAX;
    for (size_t k = 0; k < sizeof parts / sizeof *parts && least > 0; k++) {
        for (size_t i = 0; i < sizeof up / sizeof *up && least > 0; i++) {
            double at = y - up[i];
            if (at < top || at + size > bottom)
                continue;
            size_t n = count_used(s, x + right * parts[k] - 0.5, at, w + 1, size + 0.8, false);
            if (n < least) {
                least = n;
                best_x = x + right * parts[k];
                best_y = at;
            }
        }
    }
    (void)count_used(s, best_x, best_y, w, size, true);
    if (w > 0)
        show(s, best_x, best_y, colour);
    return best_x + w;
}

void ecg_draw_colour(struct sheet *s, struct sheet_colour c)
{
    cairo_set_source_rgb(s->cr, c.r, c.g, c.b);
}

void ecg_draw_line(struct sheet *s, double x0, double y0, double x1, double y1, double width,
                   struct sheet_colour c)
{
    ecg_draw_colour(s, c);
    cairo_set_line_width(s->cr, width);
    cairo_move_to(s->cr, x0, y0);
    cairo_line_to(s->cr, x1, y1);
    cairo_stroke(s->cr);
}

/* Lines in pixels lie on pixels, so that each is as sharp as the next. */
static double on_pixel(const struct sheet *s, double mm, double width)
{
    if (s->pixel <= 0)
        return mm;
    double pixels = round(width / s->pixel);
    double edge = round((mm - width / 2) / s->pixel);
    return (edge + pixels / 2) * s->pixel;
}

static void grid_lines(struct sheet *s, double step, double width, struct sheet_colour colour)
{
    const struct sheet_area *p = &s->paper;
    ecg_draw_colour(s, colour);
    cairo_set_line_width(s->cr, width);
    for (double x = p->left; x < p->right + step / 2; x += step) {
        cairo_move_to(s->cr, on_pixel(s, x, width), p->top);
        cairo_line_to(s->cr, on_pixel(s, x, width), p->bottom);
    }
    for (double y = p->top; y < p->bottom + step / 2; y += step) {
        cairo_move_to(s->cr, p->left, on_pixel(s, y, width));
        cairo_line_to(s->cr, p->right, on_pixel(s, y, width));
    }
    cairo_stroke(s->cr);
}

/* Whole pixels, at least one. */
static double line_width(const struct sheet *s, double mm)
{
    return s->pixel > 0 ? fmax(1, round(mm / s->pixel)) * s->pixel : mm;
}

void ecg_draw_paper(struct sheet *s)
{
    cairo_save(s->cr);
    cairo_set_line_cap(s->cr, CAIRO_LINE_CAP_SQUARE);
    /* A pixel beside a pixel would be a surface, no grid. */
    if (s->pixel < 0.4)
        grid_lines(s, 1, line_width(s, 0.1), fine);
    grid_lines(s, 5, line_width(s, 0.22), coarse);
    cairo_restore(s->cr);
}

void ecg_draw_clip(struct sheet *s)
{
    const struct sheet_area *p = &s->paper;
    cairo_save(s->cr);
    cairo_rectangle(s->cr, p->left, p->top, p->right - p->left, p->bottom - p->top);
    cairo_clip(s->cr);
}
