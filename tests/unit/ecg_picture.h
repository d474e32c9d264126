/* Pictures of ECGs, for the tests of the drawing: recordings whose lines are known, and what
 * there is at a place of the paper. */
#ifndef ECG_PICTURE_H
#define ECG_PICTURE_H

#include "ecg/draw/ecg_draw.h"
#include "ecg_synthetic.h"

#include <math.h>
#include <png.h>

struct picture {
    unsigned width;
    unsigned height;
    uint8_t *pixels; /* RGB */
};

static inline bool picture_read(struct base_bytes png, struct picture *out)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, png.p, png.n))
        return false;
    image.format = PNG_FORMAT_RGB;
    *out = (struct picture){image.width, image.height, malloc(PNG_IMAGE_SIZE(image))};
    ck_assert_ptr_nonnull(out->pixels);
    return png_image_finish_read(&image, NULL, out->pixels, 0, NULL) != 0;
}

static inline void picture_draw(const struct ecg_record *r, const struct ecg_draw_options *o,
                                struct base_buf *out)
{
    struct base_error err = {0};
    ck_assert_msg(ecg_draw_sheet(r, o, out, &err) == BASE_OK, "%s", err.msg);
}

static inline struct picture picture_of(const struct ecg_record *r,
                                        const struct ecg_draw_options *o)
{
    struct base_buf out = {0};
    struct picture p = {0};
    picture_draw(r, o, &out);
    ck_assert(picture_read(base_buf_bytes(&out), &p));
    base_buf_deinit(&out);
    return p;
}

static inline double picture_scale(const struct picture *p)
{
    return p->width / 297.0;
}

static inline bool picture_dark_at(const struct picture *p, size_t x, size_t y)
{
    if (x >= p->width || y >= p->height)
        return false;
    const uint8_t *at = p->pixels + 3 * (y * p->width + x);
    return at[0] + at[1] + at[2] < 300;
}

/* The middle, in mm, of the first dark run in this column between from and to (which may be
 * above it); NAN: there is none. */
static inline double picture_first_dark(const struct picture *p, double x_mm, double from_mm,
                                        double to_mm)
{
    double scale = picture_scale(p);
    long step = to_mm > from_mm ? 1 : -1;
    size_t x = (size_t)lround(x_mm * scale);
    long begin = -1;
    for (long y = lround(from_mm * scale); y * step <= lround(to_mm * scale) * step; y += step) {
        bool dark = picture_dark_at(p, x, (size_t)y);
        if (dark && begin < 0)
            begin = y;
        if (!dark && begin >= 0)
            return ((double)(begin + y - step) / 2 + 0.5) / scale;
    }
    return (double)NAN;
}

/* The middles, in mm, of the dark runs along this line; how many. */
static inline size_t picture_edges(const struct picture *p, double y_mm, double from_mm,
                                   double to_mm, double *out, size_t most)
{
    double scale = picture_scale(p);
    size_t y = (size_t)lround(y_mm * scale);
    size_t n = 0;
    size_t begin = 0;
    bool inside = false;
    for (size_t x = (size_t)(from_mm * scale); x <= (size_t)(to_mm * scale) && n < most; x++) {
        bool dark = picture_dark_at(p, x, y);
        if (dark && !inside)
            begin = x;
        if (!dark && inside)
            out[n++] = ((double)(begin + x - 1) / 2 + 0.5) / scale;
        inside = dark;
    }
    return n;
}

/* In each lead 1 mV for 0.2 s after each of these times, else 0; I and II are alike, so that III
 * is 0, aVR -1 mV, aVL and aVF 0.5 mV. */
static const double picture_pulse_s[] = {0.4, 1.5, 2.2, 3.1, 4.3, 5.6, 6.2, 7.1, 8.3, 9.2};
enum { PICTURE_PULSES = sizeof picture_pulse_s / sizeof *picture_pulse_s };

static inline struct ecg_record *picture_record(const int *ids, size_t n, double seconds)
{
    struct ecg_record *r = ecg_record_new(NULL);
    size_t samples = (size_t)(seconds * 500);
    ck_assert_int_eq(ecg_record_set_leads(r, n), BASE_OK);
    for (size_t k = 0; k < n; k++) {
        struct ecg_lead *lead = &r->leads[k];
        ck_assert_int_eq(ecg_record_set_i32(r, lead, samples), BASE_OK);
        lead->id = ids[k];
        lead->name = ids[k] ? ecg_lead_name(ids[k]) : "own";
        lead->rate_hz = 500;
        lead->uv_per_count = 2.5;
        for (size_t i = 0; i < samples; i++) {
            bool high = false;
            for (size_t b = 0; b < PICTURE_PULSES; b++) {
                double t = fmod((double)i / 500, 10) - picture_pulse_s[b];
                high |= t >= -1e-9 && t < 0.2 - 1e-9;
            }
            lead->i32[i] = high ? 400 : 0;
        }
    }
    return r;
}

#endif
