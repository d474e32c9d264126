#include "ecg/draw/ecg_draw.h"

#include "ecg/draw/ecg_sheet.h"
#include "ecg/ecg_locale.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <math.h>
#include <stdlib.h>
#include <zlib.h>

static const double points_per_mm = 72 / 25.4;
static const double mm_per_inch = 25.4;
static const double dpi_default = 203.2;

static cairo_status_t on_write(void *ctx, const unsigned char *p, unsigned n)
{
    struct base_buf *out = ctx;
    base_buf_add(out, p, n);
    return out->err ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static enum base_err to_err(const struct base_buf *out, cairo_status_t status)
{
    if (out->err)
        return out->err;
    if (status == CAIRO_STATUS_SUCCESS)
        return BASE_OK;
    return status == CAIRO_STATUS_NO_MEMORY ? BASE_ENOMEM : BASE_EINTERNAL;
}

static PangoLayout *new_layout(cairo_t *cr)
{
    PangoLayout *layout = pango_cairo_create_layout(cr);
    PangoContext *context = pango_layout_get_context(layout);
    cairo_font_options_t *options = cairo_font_options_create();
    /* In millimetres a whole unit would be far too coarse for glyph positions. */
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    pango_cairo_context_set_font_options(context, options);
    pango_context_set_round_glyph_positions(context, FALSE);
    cairo_font_options_destroy(options);
    return layout;
}

static enum base_err draw_page(struct sheet *s)
{
    static enum base_err (*const draw[])(struct sheet *) = {
        [ECG_DRAW_LEADS] = ecg_draw_leads,
        [ECG_DRAW_BEATS] = ecg_draw_beats,
        [ECG_DRAW_STRIP] = ecg_draw_strip,
        [ECG_DRAW_HOLTER] = ecg_draw_holter,
    };
    memset(s->used, 0, USED_COLUMNS * USED_ROWS);
    base_buf_reset(&s->unshown);
    base_buf_reset(&s->missing);
    s->together = s->derived = s->clipped = s->is_chart = false;
    s->from_s = s->to_s = 0;
    s->what[0] = '\0';
    s->paper = (struct sheet_area){PAPER_LEFT, PAPER_TOP, PAPER_RIGHT, PAPER_BOTTOM};
    cairo_set_source_rgb(s->cr, 1, 1, 1);
    cairo_paint(s->cr);
    enum base_err e = draw[s->o->page](s);
    if (!e)
        ecg_draw_head(s);
    if (!e && cairo_status(s->cr))
        e = cairo_status(s->cr) == CAIRO_STATUS_NO_MEMORY ? BASE_ENOMEM : BASE_EINTERNAL;
    e = e ? e : s->short_of;
    return e ? e : s->unshown.err ? s->unshown.err : s->missing.err;
}

/* Draws in millimetres on a surface whose units are such: pages first to last. */
static enum base_err draw(struct sheet *s, cairo_surface_t *surface, double units_per_mm,
                          unsigned first, unsigned last)
{
    enum base_err e = BASE_OK;
    s->cr = cairo_create(surface);
    cairo_scale(s->cr, units_per_mm, units_per_mm);
    s->text = new_layout(s->cr);
    for (s->number = first; s->number <= last && !e; s->number++) {
        e = draw_page(s);
        if (last > first)
            cairo_show_page(s->cr);
    }
    g_object_unref(s->text);
    cairo_destroy(s->cr);
    return e;
}

static enum base_err draw_vectors(struct sheet *s, unsigned first, unsigned last,
                                  struct base_buf *out)
{
    double w = SHEET_WIDTH * points_per_mm;
    double h = SHEET_HEIGHT * points_per_mm;
    bool pdf = s->o->kind == ECG_DRAW_PDF;
    cairo_surface_t *surface = pdf ? cairo_pdf_surface_create_for_stream(on_write, out, w, h)
                                   : cairo_svg_surface_create_for_stream(on_write, out, w, h);
    if (pdf)
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, "ECG");
    else
        cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PT);
    enum base_err e = draw(s, surface, points_per_mm, first, last);
    cairo_surface_finish(surface);
    if (!e)
        e = to_err(out, cairo_surface_status(surface));
    cairo_surface_destroy(surface);
    return e;
}

/* A pHYs chunk after IHDR tells viewers and printers the true size; cairo
 * writes none. */
static void add_size(struct base_buf *png, size_t start, double px_per_mm)
{
    enum { IHDR_END = 33, CHUNK = 21 };
    uint8_t chunk[CHUNK];
    uint32_t px_per_m = (uint32_t)lround(px_per_mm * 1000);
    base_store_be32(chunk, 9);
    memcpy(chunk + 4, "pHYs", 4);
    base_store_be32(chunk + 8, px_per_m);
    base_store_be32(chunk + 12, px_per_m);
    chunk[16] = 1; /* per metre */
    base_store_be32(chunk + 17, (uint32_t)crc32(0, chunk + 4, 13));
    if (png->n < start + IHDR_END || !base_buf_reserve(png, CHUNK))
        return;
    uint8_t *at = png->p + start + IHDR_END;
    memmove(at + CHUNK, at, png->n - start - IHDR_END + 1);
    memcpy(at, chunk, CHUNK);
    png->n += CHUNK;
}

static enum base_err draw_pixels(struct sheet *s, unsigned page, struct base_buf *out)
{
    double scale = (s->o->dpi > 0 ? s->o->dpi : dpi_default) / mm_per_inch;
    size_t start = out->n;
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)lround(SHEET_WIDTH * scale), (int)lround(SHEET_HEIGHT * scale));
    enum base_err e = to_err(out, cairo_surface_status(surface));
    s->pixel = 1 / scale;
    if (!e)
        e = draw(s, surface, scale, page, page);
    if (!e)
        e = to_err(out, cairo_surface_write_to_png_stream(surface, on_write, out));
    cairo_surface_destroy(surface);
    if (!e) {
        add_size(out, start, scale);
        e = out->err;
    }
    return e;
}

static bool is_one_of(double v, double a, double b, double c)
{
    return fabs(v - a) < 1e-9 || fabs(v - b) < 1e-9 || fabs(v - c) < 1e-9;
}

static enum base_err check(const struct ecg_record *r, const struct ecg_draw_options *o,
                           struct base_error *err)
{
    const char *wrong = NULL;
    if (o->dpi != 0 && !(o->dpi >= mm_per_inch && o->dpi <= 600))
        wrong = "the resolution is 25.4 to 600 dpi";
    else if (!is_one_of(o->mm_per_s, 0, 25, 50))
        wrong = "the speed is 25 or 50 mm/s";
    else if (!is_one_of(o->mm_per_mv, 0, 5, 10) && !is_one_of(o->mm_per_mv, 20, 20, 20))
        wrong = "the gain is 5, 10 or 20 mm/mV";
    else if (!(o->from_s >= 0))
        wrong = "a sheet begins at 0 s or later";
    else if (!(o->seconds >= 0))
        wrong = "a strip has 0 s or more";
    if (wrong)
        return base_fail(err, BASE_EINVAL, BASE_NOPOS, "%s", wrong);
    double seconds = ecg_record_seconds(r);
    if (!(seconds > 0))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "the record has no samples to draw");
    if (o->from_s >= seconds)
        return base_fail(err, BASE_EINVAL, BASE_NOPOS,
                         "it cannot begin at %g s: the recording has %g s", o->from_s, seconds);
    return BASE_OK;
}

static unsigned count_pages(struct sheet *s)
{
    switch (s->o->page) {
    case ECG_DRAW_LEADS:
        return ecg_draw_leads_pages(s);
    case ECG_DRAW_STRIP:
        return ecg_draw_strip_pages(s);
    case ECG_DRAW_HOLTER:
        return ecg_draw_holter_pages(s);
    case ECG_DRAW_BEATS:
    default:
        return 1;
    }
}

static enum base_err draw_sheet(struct sheet *s, struct base_buf *out)
{
    const struct ecg_draw_options *o = s->o;
    /* For their names; pages make their own part. */
    enum base_err e = ecg_draw_make_leads(s, o->from_s, o->from_s + 10);
    if (e)
        return e;
    s->used = malloc(USED_COLUMNS * USED_ROWS);
    if (!s->used)
        return BASE_ENOMEM;
    s->pages = count_pages(s);
    if (o->number > s->pages)
        return base_fail(s->err, BASE_EINVAL, BASE_NOPOS, "there is no page %u of %u", o->number,
                         s->pages);
    unsigned first = o->number ? o->number - 1 : 0;
    if (o->kind == ECG_DRAW_PNG)
        return draw_pixels(s, first, out);
    bool all = o->kind == ECG_DRAW_PDF && !o->number;
    return draw_vectors(s, first, all ? s->pages - 1 : first, out);
}

enum base_err ecg_draw_sheet(const struct ecg_record *r, const struct ecg_draw_options *options,
                             struct base_buf *out, struct base_error *err)
{
    static const struct ecg_draw_options none;
    struct base_error own = {0};
    const struct ecg_draw_options *o = options ? options : &none;
    enum base_err e = check(r, o, err);
    if (e)
        return e;
    struct sheet s = {.r = r,
                      .o = o,
                      .err = &own,
                      .mm_per_s = o->mm_per_s > 0             ? o->mm_per_s
                                  : o->page == ECG_DRAW_BEATS ? 50
                                                              : 25,
                      .mm_per_mv = o->mm_per_mv > 0 ? o->mm_per_mv : 10};
    locale_t callers = ecg_locale_enter();
    e = draw_sheet(&s, out);
    ecg_locale_leave(callers);
    ecg_draw_unmake_leads(&s);
    free(s.used);
    base_buf_deinit(&s.unshown);
    base_buf_deinit(&s.missing);
    if (e && own.code)
        return base_fail(err, e, BASE_NOPOS, "%s", own.msg);
    return e ? base_fail(err, e, BASE_NOPOS, "the ECG sheet cannot be drawn: %s", base_err_text(e))
             : BASE_OK;
}
