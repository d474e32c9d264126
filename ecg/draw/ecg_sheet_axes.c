/* Axes of the curves of a long recording. */
#include "ecg/draw/ecg_sheet.h"

#include <math.h>

void ecg_draw_minute(const struct sheet *s, double at_s, char *out, size_t size)
{
    const struct ecg_time *t = &s->r->start;
    ecg_draw_time(s, at_s, out, size);
    size_t n = strlen(out);
    if (t->date.year && t->has_time && n > 3)
        out[n - 3] = '\0';
}

double ecg_draw_axes_y(const struct sheet_axes *a, double v)
{
    double share = fmin(fmax((v - a->low) / (a->high - a->low), 0), 1);
    return a->bottom - share * (a->bottom - a->top);
}

void ecg_draw_axes(struct sheet *s, const struct sheet_axes *a, const char *title, double step)
{
    char text[32];
    ecg_draw_text(s, a->left, a->top - 4.6, 0, 2.8, true, SHEET_LEFT, ecg_draw_grey, title);
    for (double v = a->low; v <= a->high + step / 100; v += step) {
        double y = ecg_draw_axes_y(a, v);
        ecg_draw_line(s, a->left, y, a->right, y, 0.08, ecg_draw_grey);
        snprintf(text, sizeof text, "%g", v);
        ecg_draw_text(s, a->left - 1.5, y - 1.6, 0, 2.5, false, SHEET_RIGHT, ecg_draw_grey, text);
    }
}

void ecg_draw_axes_times(struct sheet *s, const struct sheet_axes *a)
{
    static const double steps[] = {60, 300, 600, 1800, 3600, 10800, 14400, 21600, 43200, 86400};
    size_t i = 0;
    while (i < sizeof steps / sizeof *steps - 1 && a->seconds / steps[i] > 6)
        i++;
    const struct ecg_time *t = &s->r->start;
    double start =
        t->date.year && t->has_time ? t->hour * 3600.0 + t->minute * 60.0 + t->second : 0;
    double days = ceil(a->seconds / 6 / 86400);
    double step = days > 1 ? days * 86400 : steps[i];
    for (double at = ceil(start / step) * step - start; at <= a->seconds; at += step) {
        char text[32];
        double x = a->left + at / a->seconds * (a->right - a->left);
        ecg_draw_line(s, x, a->bottom, x, a->bottom + 1, 0.15, ecg_draw_grey);
        ecg_draw_minute(s, at, text, sizeof text);
        ecg_draw_text(s, x, a->bottom + 1.2, 0, 2.4, false, SHEET_CENTRE, ecg_draw_grey, text);
    }
}

double ecg_draw_round_step(double most)
{
    double decade = pow(10, floor(log10(fmax(most / 5, 1))));
    for (double k = 1; k < 10; k = k < 2 ? 2 : k < 5 ? 5 : 10)
        if (most / (k * decade) <= 5)
            return k * decade;
    return 10 * decade;
}
