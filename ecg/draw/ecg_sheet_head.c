/* The words on the sheet. What the device says, what we propose and what somebody
 * confirmed are told apart. */
#include "ecg/draw/ecg_sheet.h"

#include "base/utf8.h"

#include <math.h>

static const double line_mm = 4.5;
static const double text_mm = 3.2;
static const double small_mm = 2.8;
static const double values_mm = 20.5; /* of a column of measurements */

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

/* What was put together; where memory was short the sheet is none. */
static const char *whole(struct sheet *s, const struct base_buf *text)
{
    s->short_of = text->err ? text->err : s->short_of;
    return base_buf_cstr(text);
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
        base_buf_add_str(b, "男 M");
    else if (p->sex == 'F')
        base_buf_add_str(b, "女 F");
    const char *unit = p->age ? strchr(units, p->age_unit) : NULL;
    if (unit && *unit)
        base_buf_printf(b, "   %d %s", p->age, words[unit - units]);
    if (p->birth.year)
        base_buf_printf(b, "   出生 born %04d-%02d-%02d", p->birth.year, p->birth.month,
                        p->birth.day);
}

static void add_time(struct base_buf *b, const struct ecg_time *t)
{
    if (!t->date.year)
        return;
    base_buf_printf(b, "记录 recorded  %04d-%02d-%02d", t->date.year, t->date.month, t->date.day);
    if (t->has_time)
        base_buf_printf(b, " %02d:%02d:%02d", t->hour, t->minute, t->second);
}

/* ---- patient ---- */

enum { PATIENT_LINES = 7 };

static void patient_line(struct sheet *s, size_t *n, struct base_buf *line)
{
    const double width = 82;
    if (line->n > 0 && *n < PATIENT_LINES) {
        ecg_draw_fitted(s, PAPER_LEFT, 14.2 + line_mm * (double)*n, width, text_mm, false,
                        SHEET_LEFT, ecg_draw_ink, base_buf_cstr(line));
        ++*n;
    }
    base_buf_reset(line);
}

static void add_pair(struct base_buf *b, const char *label, const char *value)
{
    if (value[0])
        base_buf_printf(b, "%s%s%s%s", b->n ? "   " : "", label, label[0] ? " " : "", value);
}

static void draw_patient(struct sheet *s)
{
    const struct ecg_record *r = s->r;
    struct base_buf line = {0};
    size_t n = 0;
    add_person(&line, either(s->o->patient_name, r->patient.name.utf8));
    ecg_draw_fitted(s, PAPER_LEFT, 6.5, 82, 5.8, true, SHEET_LEFT, ecg_draw_ink, whole(s, &line));
    base_buf_reset(&line);
    add_pair(&line, "病历号 ID", either(s->o->patient_id, r->patient.id.utf8));
    patient_line(s, &n, &line);
    add_sex_and_age(&line, &r->patient);
    patient_line(s, &n, &line);
    add_time(&line, &r->start);
    patient_line(s, &n, &line);
    add_pair(&line, "检查号 accession", either(s->o->accession, r->accession));
    patient_line(s, &n, &line);
    add_pair(&line, "", either(s->o->institution, r->device.institution));
    add_pair(&line, "", r->device.department);
    patient_line(s, &n, &line);
    add_pair(&line, "操作 by", r->device.technician);
    add_pair(&line, "申请 for", r->device.referring);
    patient_line(s, &n, &line);
    base_buf_deinit(&line);
}

/* ---- measurements ---- */

enum { VALUES = 3 };

struct measured_row {
    const char *label;
    const char *unit;
    double device[VALUES];
    double ours[VALUES];
    size_t n;
};

static double device_value(const struct sheet *s, enum ecg_measure what)
{
    const struct ecg_measurement *m = ecg_record_measurement(s->r, what);
    return m && fabs(m->value) < 1e6 ? m->value : (double)NAN;
}

static bool any(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(v[i]))
            return true;
    return false;
}

static void draw_values(struct sheet *s, double x, double y, const double *v, size_t n)
{
    struct base_buf text = {0};
    if (!any(v, n))
        return;
    for (size_t i = 0; i < n; i++) {
        if (isnan(v[i]))
            base_buf_printf(&text, "%s–", i ? " / " : "");
        else
            base_buf_printf(&text, "%s%.0f", i ? " / " : "", round(v[i]) + 0.0); /* no "-0" */
    }
    /* A sign that lay under what stands to the left would be lost. */
    ecg_draw_fitted(s, x, y, values_mm, text_mm, false, SHEET_RIGHT, ecg_draw_ink, whole(s, &text));
    base_buf_deinit(&text);
}

/* Columns: what the device measured, what we propose. */
static void draw_measured(struct sheet *s, const struct measured_row *rows, size_t n)
{
    const double x = 95;
    double right[2] = {x + 46, x + 68};
    bool has[2] = {false, false};
    for (size_t i = 0; i < n; i++) {
        has[0] |= any(rows[i].device, rows[i].n);
        has[1] |= any(rows[i].ours, rows[i].n);
    }
    if (!has[0] && !has[1])
        return;
    right[1] = has[0] ? right[1] : right[0];
    if (has[0])
        ecg_draw_text(s, right[0], 8.5, 0, small_mm, true, SHEET_RIGHT, ecg_draw_grey,
                      "设备 device");
    if (has[1])
        ecg_draw_text(s, right[1], 8.5, 0, small_mm, true, SHEET_RIGHT, ecg_draw_grey,
                      "建议 proposed");
    double y = 13;
    for (size_t i = 0; i < n; i++) {
        if (!any(rows[i].device, rows[i].n) && !any(rows[i].ours, rows[i].n))
            continue;
        ecg_draw_text(s, x, y, 0, text_mm, false, SHEET_LEFT, ecg_draw_grey, rows[i].label);
        draw_values(s, right[0], y, rows[i].device, rows[i].n);
        draw_values(s, right[1], y, rows[i].ours, rows[i].n);
        ecg_draw_text(s, right[has[1]] + 1.5, y, 0, small_mm, false, SHEET_LEFT, ecg_draw_grey,
                      rows[i].unit);
        y += line_mm;
    }
}

static void draw_measurements(struct sheet *s)
{
    const struct ecg_figures *f = s->o->analysis ? s->o->analysis->figures : NULL;
    const double none = (double)NAN;
    const struct measured_row rows[] = {
        {"心率 rate",
         "/min",
         {device_value(s, ECG_MEASURE_HEART_RATE)},
         {f && f->rate.beats > 1 ? f->rate.hr_bpm : none},
         1},
        {"P", "ms", {device_value(s, ECG_MEASURE_P_DURATION)}, {f ? (double)f->p_ms : none}, 1},
        {"PR", "ms", {device_value(s, ECG_MEASURE_PR)}, {f ? (double)f->pr_ms : none}, 1},
        {"QRS", "ms", {device_value(s, ECG_MEASURE_QRS)}, {f ? (double)f->qrs_ms : none}, 1},
        {"QT / QTc",
         "ms",
         {device_value(s, ECG_MEASURE_QT), device_value(s, ECG_MEASURE_QTC)},
         {f ? (double)f->qt_ms : none, f ? (double)f->qtc_bazett_ms : none},
         2},
        {"P / QRS / T 电轴",
         "°",
         {device_value(s, ECG_MEASURE_P_AXIS), device_value(s, ECG_MEASURE_QRS_AXIS),
          device_value(s, ECG_MEASURE_T_AXIS)},
         {f ? (double)f->p_axis_deg : none, f ? (double)f->qrs_axis_deg : none,
          f ? (double)f->t_axis_deg : none},
         3},
    };
    draw_measured(s, rows, sizeof rows / sizeof *rows);
}

/* ---- statements ---- */

#define STATEMENT_LEFT 174.0
enum { STATEMENT_LINES = 7, STATEMENTS = 128 };

struct statement {
    const char *source;
    struct sheet_colour colour;
    char text[256];
};

struct statements {
    struct statement of[STATEMENTS];
    size_t n;
};

static void add_statement(struct statements *all, const char *source, struct sheet_colour colour,
                          const char *text)
{
    if (all->n == STATEMENTS)
        return;
    struct statement *st = &all->of[all->n++];
    *st = (struct statement){.source = source, .colour = colour};
    size_t n = base_utf8_cut(text, strlen(text), sizeof st->text - sizeof "…");
    snprintf(st->text, sizeof st->text, "%.*s%s", (int)n, text, text[n] ? "…" : "");
}

static void add_findings(struct statements *all, const struct ecg_findings *f,
                         enum ecg_finding_kind kind, const char *source, struct sheet_colour colour)
{
    for (size_t i = 0; f && i < f->n; i++) {
        const struct ecg_finding_row *row = ecg_finding_row(f->of[i].code);
        char text[256];
        if (row->kind != kind || f->of[i].code == ECG_FINDING_RETAKE_DAMAGED)
            continue;
        snprintf(text, sizeof text, "%s  %s%s%s%s", row->zh, row->en,
                 f->of[i].figures[0] ? " (" : "", f->of[i].figures, f->of[i].figures[0] ? ")" : "");
        add_statement(all, source, colour, text);
    }
}

/* First of all, and also of what was not analysed: whoever reads on must know. */
static void add_damage(struct statements *all, const struct ecg_record *r)
{
    struct ecg_findings f;
    char text[256];
    ecg_findings_of_file(r, &f);
    if (f.n == 0)
        return;
    const struct ecg_finding_row *row = ecg_finding_row(f.of[0].code);
    snprintf(text, sizeof text, "%s  %s (%s)", row->zh, row->en, f.of[0].figures);
    add_statement(all, "损坏", ecg_draw_red, text);
}

/* Returns where it begins. */
static double draw_confirmation(struct sheet *s)
{
    const double width = 78;
    struct base_buf text = {0};
    const char *by = s->o->confirmed_by;
    if (by)
        base_buf_printf(&text, "已确认 confirmed: %s", by);
    else
        base_buf_add_str(&text, "未确认 unconfirmed");
    double w = ecg_draw_text(s, PAPER_RIGHT, by ? 7.5 : 6.5, width, by ? 3.4 : 4.2, true,
                             SHEET_RIGHT, by ? ecg_draw_ink : ecg_draw_red, whole(s, &text));
    base_buf_deinit(&text);
    return PAPER_RIGHT - w;
}

/* *spare: lines that are free; what is too long for one takes of them. */
static double statement_lines(struct sheet *s, double y, const struct statement *st, size_t *spare)
{
    const double tab = 9;
    const double width = PAPER_RIGHT - STATEMENT_LEFT - tab;
    size_t starts[STATEMENT_LINES + 1];
    size_t n = ecg_draw_wrap(s, width, text_mm, st->text, 1 + *spare, starts);
    *spare -= n - 1;
    ecg_draw_text(s, STATEMENT_LEFT, y + 0.3, 0, small_mm, false, SHEET_LEFT, ecg_draw_grey,
                  st->source);
    for (size_t i = 0; i < n; i++) {
        char line[sizeof st->text];
        size_t end = i + 1 < n ? starts[i + 1] : strlen(st->text);
        snprintf(line, sizeof line, "%.*s", (int)(end - starts[i]), st->text + starts[i]);
        /* Of a line that goes on the blank at its end takes no width; only the last is cut. */
        ecg_draw_text(s, STATEMENT_LEFT + tab, y, i + 1 < n ? 0 : width, text_mm, false, SHEET_LEFT,
                      st->colour, line);
        y += line_mm;
    }
    return y;
}

static double statement_line(struct sheet *s, double y, const struct statement *st)
{
    size_t none = 0;
    return statement_lines(s, y, st, &none);
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- an earlier recording ---- */

static const struct ecg_changes *changes_of(const struct sheet *s)
{
    return s->o->analysis ? s->o->analysis->changes : NULL;
}

/* What it takes of the lines: a heading and the changes, as far as the statements leave room, but
 * two of them at least. */
static size_t comparison_lines(const struct sheet *s, size_t statements)
{
    enum { LEAST = 3 };
    const struct ecg_changes *c = changes_of(s);
    size_t rest = statements < STATEMENT_LINES ? STATEMENT_LINES - statements : 0;
    return c ? least_of(1 + c->n, rest > LEAST ? rest : LEAST) : 0;
}

static void draw_comparison(struct sheet *s, double y, size_t lines)
{
    const struct ecg_changes *c = changes_of(s);
    const struct ecg_time *t = s->o->analysis->earlier;
    struct statement line = {.source = "比较", .colour = ecg_draw_grey};
    char when[40] = "较早记录";
    char found[64] = "未见明显变化 nothing of note changed";
    if (t && t->date.year)
        snprintf(when, sizeof when, "%04u-%02u-%02u", (unsigned)t->date.year % 10000,
                 (unsigned)t->date.month % 100, (unsigned)t->date.day % 100);
    if (c->n)
        snprintf(found, sizeof found, "%zu 项变化 changes", c->n);
    snprintf(line.text, sizeof line.text, "与 %s 相比 since then: %s, 建议 proposed", when, found);
    y = statement_line(s, y, &line);
    for (size_t i = 0; i + 1 < lines; i++) {
        const struct ecg_change_row *row = ecg_change_row(c->of[i].code);
        const struct ecg_finding_row *what =
            c->of[i].finding < ECG_FINDING_COUNT ? ecg_finding_row(c->of[i].finding) : NULL;
        line = (struct statement){.source = "", .colour = ecg_draw_ink};
        if (what)
            snprintf(line.text, sizeof line.text, "%s:%s  %s: %s (%s)", row->zh, what->zh, row->en,
                     what->en, c->of[i].figures);
        else
            snprintf(line.text, sizeof line.text, "%s  %s (%s)", row->zh, row->en,
                     c->of[i].figures);
        y = statement_line(s, y, &line);
    }
}

/* Damage and alarms first, then what the device says, what to record again, which all else depends
 * on, and our proposals. Where there are too many, the device and we have half of the lines each.
 */
static void draw_statements(struct sheet *s, double confirmation)
{
    const struct ecg_findings *f = s->o->analysis ? s->o->analysis->findings : NULL;
    struct statements all = {.n = 0};
    add_damage(&all, s->r);
    add_findings(&all, f, ECG_FINDING_ALARM, "危急", ecg_draw_red);
    size_t alarms = all.n;
    for (size_t i = 0; i < s->r->nstatements; i++)
        if (s->r->statements[i].text[0])
            add_statement(&all, "设备", ecg_draw_ink, s->r->statements[i].text);
    size_t device = all.n - alarms;
    add_findings(&all, f, ECG_FINDING_RETAKE, "重采", ecg_draw_ink);
    add_findings(&all, f, ECG_FINDING_STATEMENT, "建议", ecg_draw_ink);
    size_t ours = all.n - alarms - device;
    size_t compared = comparison_lines(s, all.n);
    size_t most = STATEMENT_LINES - compared;
    if (all.n == 0 && compared == 0)
        return;
    ecg_draw_text(s, STATEMENT_LEFT, 8.5, confirmation - STATEMENT_LEFT - 2, small_mm, true,
                  SHEET_LEFT, ecg_draw_grey,
                  device == 0                        ? "建议 proposed"
                  : device == all.n && compared == 0 ? "设备 device"
                                                     : "设备 device · 建议 proposed");
    size_t lines = all.n <= most ? most : most - 1;
    size_t show_alarms = least_of(alarms, lines);
    size_t rest = lines - show_alarms;
    size_t show_ours = least_of(ours, rest - least_of(device, (rest + 1) / 2));
    size_t show_device = least_of(device, rest - show_ours);
    size_t shown = show_alarms + show_device + show_ours;
    size_t hidden = all.n - shown;
    size_t spare = hidden ? 0 : most - shown;
    double y = 13;
    for (size_t i = 0; i < show_alarms; i++)
        y = statement_lines(s, y, &all.of[i], &spare);
    for (size_t i = 0; i < show_device; i++)
        y = statement_lines(s, y, &all.of[alarms + i], &spare);
    for (size_t i = 0; i < show_ours; i++)
        y = statement_lines(s, y, &all.of[alarms + device + i], &spare);
    if (hidden) {
        char more[48];
        snprintf(more, sizeof more, "… 另有 %zu 条 more", hidden);
        ecg_draw_text(s, STATEMENT_LEFT + 9, y, 0, text_mm, false, SHEET_LEFT, ecg_draw_grey, more);
        y += line_mm;
    }
    if (compared)
        draw_comparison(s, y, compared);
}

/* ---- foot ---- */

/* The recorder's; we apply none. */
static void add_filters(struct base_buf *b, const struct ecg_filters *x)
{
    base_buf_add_str(b, "滤波 filter");
    if (x->high_pass_hz > 0 && x->low_pass_hz > 0)
        base_buf_printf(b, " %g–%g Hz", x->high_pass_hz, x->low_pass_hz);
    else if (x->high_pass_hz > 0)
        base_buf_printf(b, " > %g Hz", x->high_pass_hz);
    else if (x->low_pass_hz > 0)
        base_buf_printf(b, " < %g Hz", x->low_pass_hz);
    else if (x->notch_hz <= 0)
        base_buf_add_str(b, " 未注明 not stated");
    if (x->notch_hz > 0)
        base_buf_printf(b, " 陷波 notch %g Hz", x->notch_hz);
}

static void draw_source(struct sheet *s, double width)
{
    const struct ecg_device *d = &s->r->device;
    struct base_buf line = {0};
    base_buf_printf(&line, "%s%s%s%s%s    %s %s    %g Hz", d->manufacturer,
                    d->manufacturer[0] && d->model[0] ? " " : "", d->model,
                    d->software[0] ? " " : "", d->software, s->r->format, s->r->version,
                    s->r->nleads    ? s->r->leads[0].rate_hz
                    : s->r->nothers ? s->r->others[0].rate_hz
                                    : 0);
    ecg_draw_text(s, PAPER_RIGHT, PAPER_BOTTOM + 1.5, width, text_mm, false, SHEET_RIGHT,
                  ecg_draw_grey, whole(s, &line));
    base_buf_deinit(&line);
}

static void draw_notes(struct sheet *s)
{
    struct base_buf line = {0};
    const double y = PAPER_BOTTOM + 6;
    double w = 0;
    if (s->pages > 1) {
        base_buf_printf(&line, "第 %u / %u 页 page", s->number + 1, s->pages);
        w = ecg_draw_text(s, PAPER_RIGHT, y, 0, small_mm, false, SHEET_RIGHT, ecg_draw_grey,
                          whole(s, &line));
        base_buf_reset(&line);
    }
    if (s->o->analysis && s->o->analysis->figures)
        base_buf_printf(&line, "分析 analysis: rdc %s, QTc: Bazett, 未经确认的建议 a proposal    ",
                        s->o->analysis->version ? s->o->analysis->version : "");
    if (s->derived)
        base_buf_add_str(&line,
                         "未存储的肢体导联由 I、II 计算 limb leads not stored: from I and II    ");
    if (s->together)
        base_buf_add_str(&line, "各列为同一时段 columns show the same time    ");
    if (s->clipped)
        base_buf_add_str(&line, "波形超出图纸 a trace leaves the paper    ");
    if (s->missing.n)
        base_buf_printf(&line, "缺少 missing: %s    ", base_buf_cstr(&s->missing));
    if (s->unshown.n)
        base_buf_printf(&line, "未显示 not shown: %s", base_buf_cstr(&s->unshown));
    ecg_draw_text(s, PAPER_LEFT, y, PAPER_RIGHT - PAPER_LEFT - w - 4, small_mm, false, SHEET_LEFT,
                  ecg_draw_grey, whole(s, &line));
    base_buf_deinit(&line);
}

static void draw_foot(struct sheet *s)
{
    struct base_buf line = {0};
    if (!s->is_chart)
        base_buf_printf(&line, "%g mm/s    %g mm/mV    ", s->mm_per_s, s->mm_per_mv);
    add_filters(&line, &s->r->filters);
    if (s->what[0])
        base_buf_printf(&line, "    %s", s->what);
    double seconds = ecg_record_seconds(s->r);
    if (s->to_s > 0 && (s->from_s > 0 || s->to_s < seconds - 0.05))
        base_buf_printf(&line, "    %g–%g s / %.1f s", s->from_s, fmin(s->to_s, seconds), seconds);
    double w = ecg_draw_text(s, PAPER_LEFT, PAPER_BOTTOM + 1.5, 180, text_mm, false, SHEET_LEFT,
                             ecg_draw_ink, whole(s, &line));
    base_buf_deinit(&line);
    draw_source(s, PAPER_RIGHT - PAPER_LEFT - w - 8);
    draw_notes(s);
}

void ecg_draw_head(struct sheet *s)
{
    draw_patient(s);
    draw_measurements(s);
    draw_statements(s, draw_confirmation(s));
    draw_foot(s);
}
