#include "report/report_pdf.h"

#include "base/utf8.h"
#include "report/report_sr.h"

#include <assert.h>
#include <cairo-pdf.h>
#include <pango/pangocairo.h>
#include <stdio.h>
#include <time.h>

/* Points (1/72 inch); A4 is 210 × 297 mm. */
#define PAGE_W   595.276
#define PAGE_H   841.890
#define MARGIN   50.0
#define WIDTH    (PAGE_W - 2 * MARGIN)
#define TOP      46.0
#define FOOT_Y   (PAGE_H - 58.0) /* the rule above the footer */
#define SIGN_H   62.0            /* the signature block at the end of the last page */
#define MAX_PAGE 1200 /* more than the longest report that can be signed, all empty lines */
#define FONT     "WenQuanYi Zen Hei, sans"

struct colour {
    double r, g, b;
};
static const struct colour ink = {0.10, 0.11, 0.13};
static const struct colour grey = {0.42, 0.45, 0.49};
static const struct colour accent = {0.07, 0.31, 0.47};
static const struct colour warn = {0.75, 0.11, 0.11};
static const struct colour hairline = {0.78, 0.80, 0.83};

enum align { LEFT, CENTRE, RIGHT };

/*
 * The document is laid out twice by the same code: first without drawing, to
 * learn the number of pages, then for real. y is where the next thing goes.
 */
struct sheet {
    const struct report_content *c;
    cairo_t *cr;
    double y;
    int page, pages; /* from 1; pages = 0 while counting */
    bool draw;
    bool overflow;         /* more than MAX_PAGE pages */
    struct base_buf clean; /* one text made safe for pango */
};

/* Valid UTF-8 without control characters; lines end with \n. Borrowed until the next call. */
static const char *clean_text(struct sheet *s, const char *text)
{
    base_buf_reset(&s->clean);
    size_t n = text ? strlen(text) : 0;
    while (n > 0) {
        size_t k = base_utf8_sequence(text, n);
        unsigned char first = (unsigned char)*text;
        if (k == 0)
            base_buf_add_str(&s->clean, "\xef\xbf\xbd");
        else if (first >= 0x20 || first == '\n' || first == '\t')
            base_buf_add(&s->clean, text, k);
        else if (first == '\r' && !(n > 1 && text[1] == '\n'))
            base_buf_add_byte(&s->clean, '\n');
        k = k ? k : 1;
        text += k;
        n -= k;
    }
    while (s->clean.n && s->clean.p[s->clean.n - 1] == '\n')
        s->clean.p[--s->clean.n] = 0;
    return base_buf_cstr(&s->clean);
}

/* A layout of width points (0 = one line as long as it is). Free with g_object_unref. */
static PangoLayout *layout_new(struct sheet *s, const char *text, double size, double width)
{
    PangoLayout *l = pango_cairo_create_layout(s->cr);
    PangoFontDescription *font = pango_font_description_from_string(FONT);
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_layout_set_font_description(l, font);
    pango_font_description_free(font);
    if (width > 0) {
        pango_layout_set_width(l, (int)(width * PANGO_SCALE));
        pango_layout_set_wrap(l, PANGO_WRAP_WORD_CHAR);
    }
    pango_layout_set_text(l, clean_text(s, text), -1);
    return l;
}

static void set_colour(struct sheet *s, struct colour c)
{
    cairo_set_source_rgb(s->cr, c.r, c.g, c.b);
}

/* Puts text at x, y within width, wrapped; returns its height. */
static double put(struct sheet *s, double x, double y, double width, enum align align, double size,
                  struct colour colour, const char *text)
{
    int h = 0;
    PangoLayout *l = layout_new(s, text, size, width);
    pango_layout_set_alignment(l, align == LEFT     ? PANGO_ALIGN_LEFT
                                  : align == CENTRE ? PANGO_ALIGN_CENTER
                                                    : PANGO_ALIGN_RIGHT);
    pango_layout_get_size(l, NULL, &h);
    if (s->draw) {
        set_colour(s, colour);
        cairo_move_to(s->cr, x, y);
        pango_cairo_show_layout(s->cr, l);
    }
    g_object_unref(l);
    return (double)h / PANGO_SCALE;
}

static double text_width(struct sheet *s, double size, const char *text)
{
    int w = 0;
    PangoLayout *l = layout_new(s, text, size, 0);
    pango_layout_get_size(l, &w, NULL);
    g_object_unref(l);
    return (double)w / PANGO_SCALE;
}

static void rule(struct sheet *s, double y, double thickness, struct colour colour)
{
    if (!s->draw)
        return;
    set_colour(s, colour);
    cairo_set_line_width(s->cr, thickness);
    cairo_move_to(s->cr, MARGIN, y);
    cairo_line_to(s->cr, PAGE_W - MARGIN, y);
    cairo_stroke(s->cr);
}

static void box(struct sheet *s, double x, double y, double w, double h, struct colour colour,
                double alpha)
{
    if (!s->draw)
        return;
    cairo_set_source_rgba(s->cr, colour.r, colour.g, colour.b, alpha);
    cairo_rectangle(s->cr, x, y, w, h);
    cairo_fill(s->cr);
}

static const char *status_word(enum report_status status)
{
    switch (status) {
    case REPORT_DRAFT:
        return "草稿";
    case REPORT_PRELIMINARY:
        return "未审核";
    case REPORT_FINAL:
        return "已审核";
    case REPORT_AMENDED:
        return "已审核（修订）";
    case REPORT_RETRACTED:
        return "已撤销";
    }
    return "";
}

static const char *sex_word(const char *sex)
{
    if (!sex || !sex[0])
        return "";
    return strcmp(sex, "M") == 0 ? "男" : strcmp(sex, "F") == 0 ? "女" : "其他";
}

enum { WORD = 64, NAME = 800 };

static bool is_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

/* YYYYMMDD and HHMM… as "2026-01-31 08:00"; anything else as it is. */
static void date_word(const char *date, const char *time, char out[WORD])
{
    out[0] = 0;
    if (!date || !date[0])
        return;
    if (strlen(date) != 8 || !is_digits(date, 8)) {
        snprintf(out, WORD, "%s", date);
        return;
    }
    int n = snprintf(out, WORD, "%.4s-%.2s-%.2s", date, date + 4, date + 6);
    if (time && strlen(time) >= 4 && is_digits(time, 4))
        snprintf(out + n, (size_t)(WORD - n), " %.2s:%.2s", time, time + 2);
}

static void moment_word(int64_t us, int utc_offset_minutes, char out[WORD])
{
    struct tm tm;
    time_t t = (time_t)(us / 1000000) + utc_offset_minutes * 60;
    out[0] = 0;
    if (us != 0 && gmtime_r(&t, &tm))
        strftime(out, WORD, "%Y-%m-%d %H:%M:%S", &tm);
}

/* One component group of a PN as people write the name. */
static size_t add_group(char *out, size_t n, size_t size, const char *group, size_t len)
{
    bool plain = true;
    for (size_t i = 0; i < len; i++)
        plain = plain && (unsigned char)group[i] < 0x80;
    while (len > 0 && (group[len - 1] == '^' || group[len - 1] == ' '))
        len--;
    for (size_t i = 0; i < len && n + 1 < size; i++) {
        if (group[i] != '^')
            out[n++] = group[i];
        else if (plain && n > 0 && out[n - 1] != ' ')
            out[n++] = ' '; /* Chinese names have no space */
    }
    return n;
}

/* PS3.5 6.2.1.2: "ZHANG^SAN=张^三" is written 张三 ZHANG SAN. */
static void name_word(const char *pn, char out[NAME])
{
    const char *first = pn ? pn : "";
    size_t first_n = strcspn(first, "=");
    const char *second = first[first_n] ? first + first_n + 1 : "";
    size_t n = add_group(out, 0, NAME, second, strcspn(second, "="));
    if (n > 0 && first_n > 0 && n + 1 < NAME)
        out[n++] = ' ';
    n = add_group(out, n, NAME, first, first_n);
    out[n] = 0;
}

/* Midnight of YYYYMMDD as days since 1970. */
static long day_number(int date)
{
    struct tm tm = {
        .tm_year = date / 10000 - 1900, .tm_mon = date / 100 % 100 - 1, .tm_mday = date % 100};
    return (long)(timegm(&tm) / 86400);
}

/* The age on the day of the study, in years, months or days (PS3.5 6.2, AS). */
static void age_word(const struct report_content *c, char out[WORD])
{
    const char *age = c->patient_age;
    out[0] = 0;
    if (age && strlen(age) == 4 && is_digits(age, 3)) {
        const char *unit = age[3] == 'Y'   ? "岁"
                           : age[3] == 'M' ? "月"
                           : age[3] == 'W' ? "周"
                                           : "天";
        snprintf(out, WORD, "%d%s", (age[0] - '0') * 100 + (age[1] - '0') * 10 + age[2] - '0',
                 unit);
        return;
    }
    if (age && age[0]) {
        snprintf(out, WORD, "%s", age);
        return;
    }
    const char *b = c->patient_birth_date, *d = c->study_date;
    if (!b || !d || strlen(b) != 8 || strlen(d) != 8 || !is_digits(b, 8) || !is_digits(d, 8))
        return;
    int birth = atoi(b), day = atoi(d); /* YYYYMMDD as numbers order like dates */
    int years = (day - birth) / 10000;
    int months = (day / 10000 - birth / 10000) * 12 + day / 100 % 100 - birth / 100 % 100 -
                 (day % 100 < birth % 100);
    if (day < birth)
        return;
    if (years >= 1)
        snprintf(out, WORD, "%d岁", years);
    else if (months >= 1)
        snprintf(out, WORD, "%d月", months);
    else
        snprintf(out, WORD, "%ld天", day_number(day) - day_number(birth));
}

/* --- page furniture --- */

static void banner(struct sheet *s)
{
    const struct report_content *c = s->c;
    char text[160];
    struct colour colour = warn;
    switch (c->status) {
    case REPORT_DRAFT:
        snprintf(text, sizeof text, "草稿 · 未签名，不得作为诊断依据");
        break;
    case REPORT_PRELIMINARY:
        snprintf(text, sizeof text, "初步报告 · 尚未审核，以审核后的报告为准");
        break;
    case REPORT_RETRACTED:
        snprintf(text, sizeof text, "本报告已撤销，请勿使用 · RETRACTED");
        break;
    case REPORT_AMENDED:
        snprintf(text, sizeof text, "修订报告 · 第 %u 版，替代此前各版", c->version);
        colour = accent;
        break;
    case REPORT_FINAL:
        return;
    }
    box(s, MARGIN, s->y, WIDTH, 22, colour, 0.10);
    box(s, MARGIN, s->y, 3, 22, colour, 1);
    put(s, MARGIN, s->y + 4.5, WIDTH, CENTRE, 11, colour, text);
    s->y += 30;
}

static void footer(struct sheet *s)
{
    const struct report_content *c = s->c;
    char text[256];
    double y = FOOT_Y + 5;
    rule(s, FOOT_Y, 0.6, hairline);
    snprintf(text, sizeof text, "报告版本 第 %u 版 · %s", c->version, status_word(c->status));
    put(s, MARGIN, y, WIDTH, LEFT, 8, grey, text);
    snprintf(text, sizeof text, "第%d页/共%d页", s->page, s->pages);
    put(s, MARGIN, y, WIDTH, RIGHT, 8, grey, text);
    if (c->sha256_hex && c->sha256_hex[0]) {
        snprintf(text, sizeof text, "SHA-256 %.64s", c->sha256_hex);
        put(s, MARGIN, y + 12, WIDTH, LEFT, 6.5, grey, text);
    }
    if (c->study_uid) {
        snprintf(text, sizeof text, "Study UID %.64s", c->study_uid);
        put(s, MARGIN, y + 22, WIDTH, LEFT, 6.5, grey, text);
    }
    put(s, MARGIN, y + 22, WIDTH, RIGHT, 6.5, grey,
        "本报告仅对所检查的影像资料负责，供临床医师参考");
}

/* Ends the page and begins the next, which repeats who the patient is. */
static void next_page(struct sheet *s)
{
    const struct report_content *c = s->c;
    const double mark = 50; /* at the right: 续页 */
    char text[1200], name[NAME];
    if (s->page > 0 && s->draw) {
        footer(s);
        cairo_show_page(s->cr);
    }
    s->page++;
    s->y = TOP;
    if (s->page == 1)
        return;
    name_word(c->patient_name, name);
    snprintf(text, sizeof text, "%s  %s  患者编号 %.64s  检查号 %.64s", name,
             sex_word(c->patient_sex), c->patient_id ? c->patient_id : "",
             c->accession ? c->accession : "");
    put(s, MARGIN, s->y, WIDTH, RIGHT, 9, grey, "（续页）");
    s->y += put(s, MARGIN, s->y, WIDTH - mark, LEFT, 9, grey, text) + 4;
    rule(s, s->y, 0.6, hairline);
    s->y += 10;
    banner(s);
}

static void need(struct sheet *s, double height)
{
    if (s->y + height <= FOOT_Y - 8)
        return;
    if (s->page < MAX_PAGE)
        next_page(s);
    else
        s->overflow = true;
}

/* --- content --- */

static void letterhead(struct sheet *s)
{
    const struct report_content *c = s->c;
    s->y += put(s, MARGIN, s->y, WIDTH, CENTRE, 20, ink, c->hospital_name) + 3;
    double h = put(s, MARGIN, s->y, WIDTH, CENTRE, 15, accent, report_sr_title(c->line));
    if (c->critical) {
        box(s, PAGE_W - MARGIN - 62, s->y - 2, 62, h + 4, warn, 1);
        put(s, PAGE_W - MARGIN - 62, s->y + 2, 62, CENTRE, 12, (struct colour){1, 1, 1}, "危急值");
    }
    s->y += h + 8;
    rule(s, s->y, 1.6, accent);
    rule(s, s->y + 3, 0.5, accent);
    s->y += 11;
    banner(s);
}

struct cell {
    const char *label, *value;
    double x, width;
};

/* One row of label and value pairs, as high as its longest value needs. */
static void cells(struct sheet *s, const struct cell *row, size_t n)
{
    double height = 0;
    for (size_t i = 0; i < n; i++) {
        double label = text_width(s, 10, row[i].label) + 5;
        put(s, MARGIN + row[i].x, s->y, label + 4, LEFT, 10, grey, row[i].label);
        double h = put(s, MARGIN + row[i].x + label, s->y, row[i].width - label - 8, LEFT, 10, ink,
                       row[i].value);
        height = h > height ? h : height;
    }
    s->y += height + 5;
}

static void patient_table(struct sheet *s)
{
    const struct report_content *c = s->c;
    char age[WORD], birth[WORD], study[WORD], number[WORD], name[NAME];
    const double third = WIDTH / 3;
    name_word(c->patient_name, name);
    age_word(c, age);
    date_word(c->patient_birth_date, NULL, birth);
    date_word(c->study_date, c->study_time, study);
    snprintf(number, sizeof number, "%lld", (long long)c->exam_id);
    const struct cell rows[][3] = {
        {{"姓名", name, 0, third},
         {"性别", sex_word(c->patient_sex), third, third},
         {"年龄", age, 2 * third, third}},
        {{"患者编号", c->patient_id, 0, third},
         {"出生日期", birth, third, third},
         {"检查号", c->accession, 2 * third, third}},
        {{"检查类型", c->modality, 0, third},
         {"检查时间", study, third, third},
         {"报告编号", c->exam_id ? number : "", 2 * third, third}},
    };
    const struct cell centre = {"送检机构", c->centre_name, 0, WIDTH};
    const struct cell item = {"检查项目", c->study_description, 0, WIDTH};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cells(s, rows[i], 3);
    cells(s, &centre, 1);
    cells(s, &item, 1);
    s->y += 2;
    rule(s, s->y, 0.8, accent);
    s->y += 14;
}

static void heading(struct sheet *s, const char *zh, const char *en)
{
    need(s, 48); /* not alone at the end of a page */
    box(s, MARGIN, s->y + 1.5, 3.5, 14, accent, 1);
    put(s, MARGIN + 10, s->y, 200, LEFT, 13, accent, zh);
    put(s, MARGIN + 10 + text_width(s, 13, zh) + 7, s->y + 4.5, 200, LEFT, 8, grey, en);
    s->y += 24;
}

/* Flows text over as many pages as it needs, line by line. */
static void body(struct sheet *s, const char *text, double size)
{
    PangoLayout *l = layout_new(s, text && text[0] ? text : "（无）", size, WIDTH - 10);
    PangoLayoutIter *it = pango_layout_get_iter(l);
    do {
        PangoLayoutLine *line = pango_layout_iter_get_line_readonly(it);
        double height = size * 1.62;
        need(s, height);
        if (s->draw) {
            set_colour(s, ink);
            cairo_move_to(s->cr, MARGIN + 10, s->y + size * 1.15);
            pango_cairo_show_layout_line(s->cr, line);
        }
        s->y += height;
    } while (pango_layout_iter_next_line(it));
    pango_layout_iter_free(it);
    g_object_unref(l);
    s->y += 14;
}

/* At the foot of the last page, where the eye looks for it. */
static void signatures(struct sheet *s)
{
    const struct report_content *c = s->c;
    char at[WORD];
    const double third = WIDTH / 3;
    moment_word(c->signed_at_us, c->utc_offset_minutes, at);
    need(s, SIGN_H);
    s->y = FOOT_Y - SIGN_H;
    rule(s, s->y, 0.8, accent);
    s->y += 12;
    const struct cell row[3] = {
        {"报告医师", c->author_name, 0, third},
        {"审核医师", c->signer_name ? c->signer_name : "（未审核）", third, third},
        {"审核时间", at, 2 * third, third},
    };
    cells(s, row, 3);
}

/* Above all that is said: whoever reads on must know. */
static void damage(struct sheet *s)
{
    const char *text = report_sr_damage(s->c);
    const double pad = 6;
    if (!text)
        return;
    bool draw = s->draw;
    s->draw = false; /* for its height */
    double height = put(s, MARGIN + 2 * pad, s->y, WIDTH - 3 * pad, LEFT, 10, warn, text) + 2 * pad;
    s->draw = draw;
    box(s, MARGIN, s->y, WIDTH, height, warn, 0.10);
    box(s, MARGIN, s->y, 3, height, warn, 1);
    put(s, MARGIN + 2 * pad, s->y + pad, WIDTH - 3 * pad, LEFT, 10, warn, text);
    s->y += height + 12;
}

static void lay_out(struct sheet *s)
{
    s->page = 0;
    next_page(s);
    letterhead(s);
    patient_table(s);
    damage(s);
    heading(s, "检查所见", "FINDINGS");
    body(s, s->c->findings, 11);
    heading(s, "诊断意见", "IMPRESSION");
    body(s, s->c->impression, 12);
    signatures(s);
    if (s->draw)
        footer(s);
    assert(s->page > 0 && s->page <= MAX_PAGE);
    assert(!s->draw || s->page == s->pages); /* what the footers said */
    s->pages = s->page;
}

static cairo_status_t on_write(void *ctx, const unsigned char *p, unsigned n)
{
    base_buf_add(ctx, p, n);
    return ((struct base_buf *)ctx)->err ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static void set_metadata(cairo_surface_t *pdf, const struct report_content *c)
{
    char at[WORD];
    time_t t = (time_t)(c->signed_at_us / 1000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_TITLE, report_sr_title(c->line));
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATOR, "rdc");
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE, at);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_MOD_DATE, at);
}

static enum base_err check(const struct report_content *c, struct base_error *e)
{
    if (!c->hospital_name || !c->hospital_name[0])
        return base_fail(e, BASE_EINVAL, BASE_NOPOS, "the hospital's name is missing");
    if (c->version == 0)
        return base_fail(e, BASE_EINVAL, BASE_NOPOS, "the report's version is missing");
    return BASE_OK;
}

enum base_err report_pdf_render(const struct report_content *c, struct base_buf *out,
                                struct base_error *e)
{
    enum base_err err = check(c, e);
    if (err)
        return err;
    cairo_surface_t *pdf = cairo_pdf_surface_create_for_stream(on_write, out, PAGE_W, PAGE_H);
    struct sheet s = {.c = c, .cr = cairo_create(pdf)};
    set_metadata(pdf, c);
    lay_out(&s);
    s.draw = true;
    lay_out(&s);
    cairo_status_t status = cairo_status(s.cr);
    cairo_destroy(s.cr);
    cairo_surface_finish(pdf);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(pdf);
    cairo_surface_destroy(pdf);
    if (out->err || s.clean.err)
        err = out->err ? out->err : s.clean.err;
    else if (status == CAIRO_STATUS_NO_MEMORY)
        err = BASE_ENOMEM;
    else if (status != CAIRO_STATUS_SUCCESS)
        err = BASE_EINTERNAL;
    base_buf_deinit(&s.clean);
    if (s.overflow)
        return base_fail(e, BASE_ELIMIT, BASE_NOPOS, "PDF: the report has more than %d pages",
                         MAX_PAGE);
    return err ? base_fail(e, err, BASE_NOPOS, "PDF: %s", cairo_status_to_string(status)) : BASE_OK;
}
