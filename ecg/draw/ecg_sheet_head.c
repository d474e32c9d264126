/* The words on the sheet. What the device says is marked as the device's. */
#include "ecg/draw/ecg_sheet.h"

#include "base/utf8.h"

#include <math.h>

#define FONT "WenQuanYi Zen Hei"

static const struct sheet_colour black = {0.05, 0.05, 0.08};
static const struct sheet_colour grey = {0.38, 0.38, 0.42};
static const struct sheet_colour red = {0.78, 0.08, 0.08};

double ecg_draw_text(struct sheet *s, double x, double y, double width, double size, bool bold,
                     enum sheet_align align, struct sheet_colour colour, const char *text)
{
    /* Text is laid out in units of 1/20 mm, as pango thinks in whole ones. */
    const double units = 20;
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
    double w = area.width / units / PANGO_SCALE;
    double left = align == SHEET_LEFT ? x : align == SHEET_RIGHT ? x - w : x - w / 2;
    cairo_save(s->cr);
    cairo_set_source_rgb(s->cr, colour.r, colour.g, colour.b);
    cairo_move_to(s->cr, left, y);
    cairo_scale(s->cr, 1 / units, 1 / units);
    pango_cairo_show_layout(s->cr, s->text);
    cairo_restore(s->cr);
    return w;
}

/* A person name as people write it: without the carets of "family^given", in
 * Chinese without a space, in its ideographic form (PS3.5 6.2.1) if it has one. */
static void add_person(struct base_buf *b, const char *name)
{
    const char *ideographic = strchr(name, '=');
    if (ideographic && ideographic[1] && ideographic[1] != '=')
        name = ideographic + 1;
    for (const char *c = name; *c && *c != '='; c++) {
        bool chinese = c > name && (uint8_t)c[-1] >= 0x80 && (uint8_t)c[1] >= 0x80;
        if (*c != '^')
            base_buf_add_byte(b, (uint8_t)*c);
        else if (!chinese)
            base_buf_add_byte(b, ' ');
    }
}

static const char *either(const char *given, const char *own)
{
    return given ? given : own;
}

static void add_sex_and_age(struct base_buf *b, const struct ecg_patient *p)
{
    static const char units[] = "YMWDH";
    static const char *const words[] = {"岁 y", "月 mo", "周 wk", "天 d", "小时 h"};
    if (p->sex == 'M')
        base_buf_add_str(b, "   男 M");
    else if (p->sex == 'F')
        base_buf_add_str(b, "   女 F");
    const char *unit = p->age ? strchr(units, p->age_unit) : NULL;
    if (unit && *unit)
        base_buf_printf(b, "   %d %s", p->age, words[unit - units]);
    if (p->birth.year)
        base_buf_printf(b, "   %04d-%02d-%02d", p->birth.year, p->birth.month, p->birth.day);
}

static void add_time(struct base_buf *b, const struct ecg_time *t)
{
    if (!t->date.year)
        return;
    base_buf_printf(b, "记录 recorded  %04d-%02d-%02d", t->date.year, t->date.month, t->date.day);
    if (t->has_time)
        base_buf_printf(b, " %02d:%02d:%02d", t->hour, t->minute, t->second);
}

static void draw_patient(struct sheet *s)
{
    const double x = GRID_LEFT;
    const double w = 100;
    const struct ecg_record *r = s->r;
    struct base_buf line = {0};
    add_person(&line, either(s->o->patient_name, r->patient.name.utf8));
    ecg_draw_text(s, x, 8, w, 6, true, SHEET_LEFT, black, base_buf_cstr(&line));
    base_buf_reset(&line);
    base_buf_printf(&line, "ID %s", either(s->o->patient_id, r->patient.id.utf8));
    add_sex_and_age(&line, &r->patient);
    ecg_draw_text(s, x, 16.5, w, 3.6, false, SHEET_LEFT, black, base_buf_cstr(&line));
    base_buf_reset(&line);
    add_time(&line, &r->start);
    ecg_draw_text(s, x, 22, w, 3.6, false, SHEET_LEFT, black, base_buf_cstr(&line));
    base_buf_reset(&line);
    const char *accession = either(s->o->accession, r->accession);
    if (accession[0])
        base_buf_printf(&line, "检查号 accession  %s", accession);
    ecg_draw_text(s, x, 27.5, w, 3.6, false, SHEET_LEFT, black, base_buf_cstr(&line));
    ecg_draw_text(s, x, 33, w, 3.6, false, SHEET_LEFT, grey,
                  either(s->o->institution, r->device.institution));
    base_buf_deinit(&line);
}

static void add_value(struct base_buf *b, const struct ecg_record *r, enum ecg_measure what)
{
    const struct ecg_measurement *m = ecg_record_measurement(r, what);
    if (m && fabs(m->value) < 1e6)
        base_buf_printf(b, "%.0f", m->value);
    else
        base_buf_add_str(b, "–");
}

/* "446 / 443 ms"; false when the device measured none of them. */
static bool format_values(struct base_buf *b, const struct ecg_record *r,
                          const enum ecg_measure *what, size_t n, const char *unit)
{
    bool any = false;
    base_buf_reset(b);
    for (size_t i = 0; i < n; i++) {
        any |= ecg_record_measurement(r, what[i]) != NULL;
        if (i)
            base_buf_add_str(b, " / ");
        add_value(b, r, what[i]);
    }
    base_buf_printf(b, " %s", unit);
    return any;
}

static void draw_measurements(struct sheet *s)
{
    static const struct {
        const char *label;
        enum ecg_measure what[3];
        size_t n;
        const char *unit;
    } rows[] = {
        {"心率 rate", {ECG_MEASURE_HEART_RATE}, 1, "bpm"},
        {"PR", {ECG_MEASURE_PR}, 1, "ms"},
        {"QRS", {ECG_MEASURE_QRS}, 1, "ms"},
        {"QT / QTc", {ECG_MEASURE_QT, ECG_MEASURE_QTC}, 2, "ms"},
        {"P / QRS / T 电轴",
         {ECG_MEASURE_P_AXIS, ECG_MEASURE_QRS_AXIS, ECG_MEASURE_T_AXIS},
         3,
         "°"},
    };
    const double x = 116;
    double y = 13.5;
    struct base_buf value = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!format_values(&value, s->r, rows[i].what, rows[i].n, rows[i].unit))
            continue;
        ecg_draw_text(s, x, y, 0, 3.4, false, SHEET_LEFT, grey, rows[i].label);
        ecg_draw_text(s, x + 27, y, 0, 3.4, false, SHEET_LEFT, black, base_buf_cstr(&value));
        y += 5;
    }
    ecg_draw_text(s, x, 8, 0, 3, true, SHEET_LEFT, grey,
                  y > 14 ? "设备测量值 measured by the device" : "设备无测量值 no device values");
    base_buf_deinit(&value);
}

static void draw_statements(struct sheet *s)
{
    enum { LINES = 6 };
    const double x = 182;
    const struct ecg_record *r = s->r;
    double y = 13.5;
    if (r->nstatements == 0)
        return;
    ecg_draw_text(s, x, 8, 0, 3, true, SHEET_LEFT, grey, "设备诊断 stated by the device");
    size_t shown = r->nstatements <= LINES ? r->nstatements : LINES - 1;
    for (size_t i = 0; i < shown; i++, y += 5)
        ecg_draw_text(s, x, y, GRID_RIGHT - x, 3.4, false, SHEET_LEFT, black,
                      r->statements[i].text);
    if (shown < r->nstatements) {
        struct base_buf more = {0};
        base_buf_printf(&more, "… + %zu", r->nstatements - shown);
        ecg_draw_text(s, x, y, 0, 3.4, false, SHEET_LEFT, grey, base_buf_cstr(&more));
        base_buf_deinit(&more);
    }
}

static void draw_confirmation(struct sheet *s)
{
    const double x = GRID_RIGHT;
    const double y = 7;
    struct base_buf text = {0};
    bool confirmed = s->o->confirmed_by != NULL;
    if (confirmed)
        base_buf_printf(&text, "已确认 confirmed: %s", s->o->confirmed_by);
    else
        base_buf_add_str(&text, "未确认 unconfirmed");
    ecg_draw_text(s, x, y, 0, 4.2, true, SHEET_RIGHT, confirmed ? black : red,
                  base_buf_cstr(&text));
    base_buf_deinit(&text);
}

static void add_filters(struct base_buf *b, const struct ecg_filters *x)
{
    if (x->high_pass_hz > 0)
        base_buf_printf(b, "    高通 HP %g Hz", x->high_pass_hz);
    if (x->low_pass_hz > 0)
        base_buf_printf(b, "    低通 LP %g Hz", x->low_pass_hz);
    if (x->notch_hz > 0)
        base_buf_printf(b, "    陷波 notch %g Hz", x->notch_hz);
}

static void draw_foot(struct sheet *s)
{
    const double y = GRID_BOTTOM + 1.5;
    const struct ecg_record *r = s->r;
    struct base_buf line = {0};
    base_buf_add_str(&line, "25 mm/s    10 mm/mV");
    add_filters(&line, &r->filters);
    if (s->o->from_s > 0)
        base_buf_printf(&line, "    自 from %g s", s->o->from_s);
    double w =
        ecg_draw_text(s, GRID_LEFT, y, 150, 3.4, false, SHEET_LEFT, black, base_buf_cstr(&line));
    base_buf_reset(&line);
    base_buf_printf(&line, "%s%s%s    %s    %g Hz", r->device.manufacturer,
                    r->device.manufacturer[0] && r->device.model[0] ? " " : "", r->device.model,
                    r->format, r->leads[0].rate_hz);
    ecg_draw_text(s, GRID_RIGHT, y, GRID_RIGHT - GRID_LEFT - w - 10, 3.4, false, SHEET_RIGHT, grey,
                  base_buf_cstr(&line));
    base_buf_reset(&line);
    if (s->derived)
        base_buf_add_str(&line,
                         "未存储的肢体导联由 I、II 导联计算 limb leads that were not stored are "
                         "calculated from I and II    ");
    if (s->unshown.n)
        base_buf_printf(&line, "未显示 not shown: %s", base_buf_cstr(&s->unshown));
    ecg_draw_text(s, GRID_LEFT, y + 5, GRID_RIGHT - GRID_LEFT, 2.8, false, SHEET_LEFT, grey,
                  base_buf_cstr(&line));
    base_buf_deinit(&line);
}

void ecg_draw_head(struct sheet *s)
{
    draw_patient(s);
    draw_measurements(s);
    draw_statements(s);
    draw_confirmation(s);
    draw_foot(s);
}
