/* PNG by libpng, tuned for speed: level 1, filter UP, run lengths only. */
#include "dicom/shim/shim_priv.h"

#include <png.h>
#include <zlib.h>

static void on_write(png_structp png, png_bytep p, size_t n)
{
    struct base_buf *out = png_get_io_ptr(png);
    base_buf_add(out, p, n);
    if (out->err)
        png_error(png, "no room");
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_error(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void write_rows(png_structp png, png_infop info, const uint8_t *pixels, uint32_t w,
                       uint32_t h, unsigned channels)
{
    png_set_IHDR(png, info, w, h, 8, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 1);
    png_set_compression_strategy(png, Z_RLE);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
    png_write_info(png, info);
    for (uint32_t y = 0; y < h; y++)
        png_write_row(png, pixels + (size_t)y * w * channels);
    png_write_end(png, info);
}

enum base_err shim_png_write(const uint8_t *pixels, uint32_t w, uint32_t h, unsigned channels,
                             struct base_buf *out)
{
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    if (!png)
        return BASE_ENOMEM;
    info = png_create_info_struct(png);
    if (info) {
        /* The only longjmp target; nothing changes between here and the jump. */
        if (setjmp(png_jmpbuf(png)) == 0) {
            png_set_write_fn(png, out, on_write, on_flush);
            png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
            write_rows(png, info, pixels, w, h, channels);
        }
    }
    bool made = info != NULL;
    png_destroy_write_struct(&png, &info);
    return made ? out->err : BASE_ENOMEM;
}
