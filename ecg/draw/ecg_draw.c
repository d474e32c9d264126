#include "ecg/draw/ecg_draw.h"

#include "ecg/draw/ecg_sheet.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <zlib.h>

enum { PX_PER_MM = 8, PX_PER_MM_MAX = 24 };

static const double points_per_mm = 72 / 25.4;

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

/* Draws in millimetres on a surface whose units are such. */
static enum base_err draw(cairo_surface_t *surface, const struct ecg_record *r,
                          const struct ecg_draw_options *o, double units_per_mm, double pixel)
{
    struct sheet s = {.cr = cairo_create(surface), .r = r, .o = o, .pixel = pixel};
    cairo_scale(s.cr, units_per_mm, units_per_mm);
    cairo_set_source_rgb(s.cr, 1, 1, 1);
    cairo_paint(s.cr);
    s.text = new_layout(s.cr);
    enum base_err e = ecg_draw_traces(&s);
    if (!e)
        ecg_draw_head(&s);
    if (!e && cairo_status(s.cr))
        e = cairo_status(s.cr) == CAIRO_STATUS_NO_MEMORY ? BASE_ENOMEM : BASE_EINTERNAL;
    g_object_unref(s.text);
    cairo_destroy(s.cr);
    base_buf_deinit(&s.unshown);
    return e;
}

static enum base_err draw_vectors(const struct ecg_record *r, const struct ecg_draw_options *o,
                                  struct base_buf *out)
{
    double w = SHEET_WIDTH * points_per_mm;
    double h = SHEET_HEIGHT * points_per_mm;
    bool pdf = o->kind == ECG_DRAW_PDF;
    cairo_surface_t *surface = pdf ? cairo_pdf_surface_create_for_stream(on_write, out, w, h)
                                   : cairo_svg_surface_create_for_stream(on_write, out, w, h);
    if (pdf)
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, "ECG");
    else
        cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PT);
    enum base_err e = draw(surface, r, o, points_per_mm, 0);
    cairo_surface_finish(surface);
    if (!e)
        e = to_err(out, cairo_surface_status(surface));
    cairo_surface_destroy(surface);
    return e;
}

/* A pHYs chunk after IHDR tells viewers and printers the true size; cairo
 * writes none. */
static void add_size(struct base_buf *png, size_t start, unsigned px_per_mm)
{
    enum { IHDR_END = 33, CHUNK = 21 };
    uint8_t chunk[CHUNK];
    base_store_be32(chunk, 9);
    memcpy(chunk + 4, "pHYs", 4);
    base_store_be32(chunk + 8, px_per_mm * 1000);
    base_store_be32(chunk + 12, px_per_mm * 1000);
    chunk[16] = 1; /* per metre */
    base_store_be32(chunk + 17, (uint32_t)crc32(0, chunk + 4, 13));
    if (png->n < start + IHDR_END || !base_buf_reserve(png, CHUNK))
        return;
    uint8_t *at = png->p + start + IHDR_END;
    memmove(at + CHUNK, at, png->n - start - IHDR_END + 1);
    memcpy(at, chunk, CHUNK);
    png->n += CHUNK;
}

static enum base_err draw_pixels(const struct ecg_record *r, const struct ecg_draw_options *o,
                                 struct base_buf *out)
{
    unsigned scale = o->px_per_mm ? o->px_per_mm : PX_PER_MM;
    size_t start = out->n;
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)(SHEET_WIDTH * scale), (int)(SHEET_HEIGHT * scale));
    enum base_err e = to_err(out, cairo_surface_status(surface));
    if (!e)
        e = draw(surface, r, o, scale, 1.0 / scale);
    if (!e)
        e = to_err(out, cairo_surface_write_to_png_stream(surface, on_write, out));
    cairo_surface_destroy(surface);
    if (!e) {
        add_size(out, start, scale);
        e = out->err;
    }
    return e;
}

enum base_err ecg_draw_sheet(const struct ecg_record *r, const struct ecg_draw_options *options,
                             struct base_buf *out, struct base_error *err)
{
    static const struct ecg_draw_options none;
    const struct ecg_draw_options *o = options ? options : &none;
    if (o->px_per_mm > PX_PER_MM_MAX || !(o->from_s >= 0))
        return base_fail(err, BASE_EINVAL, BASE_NOPOS,
                         "a sheet has 1 to %d pixels per mm and "
                         "begins at 0 s or later",
                         PX_PER_MM_MAX);
    if (!(ecg_record_seconds(r) > 0))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "the record has no samples to draw");
    enum base_err e = o->kind == ECG_DRAW_PNG ? draw_pixels(r, o, out) : draw_vectors(r, o, out);
    return e ? base_fail(err, e, BASE_NOPOS, "the ECG sheet cannot be drawn: %s", base_err_text(e))
             : BASE_OK;
}
