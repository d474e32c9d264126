#include "ecg/draw/ecg_draw.h"
#include "ecg_fixture.h"

#include <math.h>
#include <png.h>
#include <zlib.h>

struct picture {
    unsigned width;
    unsigned height;
    uint8_t *pixels; /* RGB */
};

static struct picture decode(const struct base_buf *png)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert_int_ne(png_image_begin_read_from_memory(&image, png->p, png->n), 0);
    image.format = PNG_FORMAT_RGB;
    struct picture p = {image.width, image.height, malloc(PNG_IMAGE_SIZE(image))};
    ck_assert_ptr_nonnull(p.pixels);
    ck_assert_int_ne(png_image_finish_read(&image, NULL, p.pixels, 0, NULL), 0);
    return p;
}

static void draw(const struct ecg_record *r, const struct ecg_draw_options *o, struct base_buf *out)
{
    struct base_error err = {0};
    ck_assert_msg(ecg_draw_sheet(r, o, out, &err) == BASE_OK, "%s", err.msg);
}

/* A record of `n` leads (the first with number I) in which each is flat at uv. */
static struct ecg_record *flat_record(size_t n, size_t samples, int32_t uv)
{
    static const int ids[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, n), BASE_OK);
    for (size_t i = 0; i < n; i++) {
        struct ecg_lead *lead = &r->leads[i];
        int32_t *data = must_have_samples(r, lead, samples);
        lead->id = i < 8 ? ids[i] : 0;
        lead->name = i < 8 ? ecg_lead_name(ids[i]) : "own";
        lead->rate_hz = 500;
        lead->uv_per_count = 1;
        for (size_t k = 0; k < samples; k++)
            data[k] = uv;
    }
    return r;
}

static bool is_dark(const struct picture *p, double x_mm, double y_mm)
{
    const double scale = p->width / 297.0;
    size_t x = (size_t)lround(x_mm * scale);
    size_t y = (size_t)lround(y_mm * scale);
    /* The line is 0.28 mm wide: look one pixel around. */
    for (size_t dy = 0; dy < 3; dy++) {
        const uint8_t *at = p->pixels + 3 * ((y + dy - 1) * p->width + x);
        if (at[0] + at[1] + at[2] < 300)
            return true;
    }
    return false;
}

START_TEST(the_picture_is_a4_landscape_in_true_size)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    struct base_buf out = {0};
    draw(r, NULL, &out);
    struct picture p = decode(&out);
    ck_assert_uint_eq(p.width, 297 * 8);
    ck_assert_uint_eq(p.height, 210 * 8);
    /* pHYs: 8000 pixels per metre, after IHDR. */
    ck_assert_mem_eq(out.p + 37, "pHYs", 4);
    ck_assert_uint_eq(base_load_be32(out.p + 41), 8000);
    ck_assert_uint_eq(base_load_be32(out.p + 50), crc32(0, out.p + 37, 13));
    free(p.pixels);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(pdf_and_svg_are_vectors_of_the_same_size)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    struct base_buf out = {0};
    draw(r, &(struct ecg_draw_options){.kind = ECG_DRAW_PDF}, &out);
    ck_assert_mem_eq(out.p, "%PDF-1.", 7);
    ck_assert_ptr_nonnull(memmem(out.p, out.n, "841.889", 7));
    ck_assert_ptr_nonnull(memmem(out.p, out.n, "595.275", 7));
    base_buf_reset(&out);
    draw(r, &(struct ecg_draw_options){.kind = ECG_DRAW_SVG}, &out);
    ck_assert_ptr_nonnull(memmem(out.p, out.n, "<svg", 4));
    ck_assert_ptr_nonnull(memmem(out.p, out.n, "841.889", 7));
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(one_millivolt_is_ten_millimetres_and_columns_follow_each_other)
{
    /* I and II at 1 mV: III is 0, aVR -1 mV, aVL and aVF 0.5 mV. */
    struct ecg_record *r = flat_record(8, 5000, 1000);
    struct base_buf out = {0};
    draw(r, NULL, &out);
    struct picture p = decode(&out);
    const double first = 26 + 20; /* mm, inside the first column */
    const double second = 26 + 62.5 + 20;
    ck_assert(is_dark(&p, first, 46 + 20 - 10));     /* I */
    ck_assert(is_dark(&p, first, 46 + 90));          /* III, derived */
    ck_assert(is_dark(&p, second, 46 + 20 + 10));    /* aVR */
    ck_assert(is_dark(&p, second, 46 + 55 - 5));     /* aVL */
    ck_assert(is_dark(&p, second, 46 + 90 - 5));     /* aVF */
    ck_assert(is_dark(&p, 26 + 240, 46 + 130 - 10)); /* the rhythm row runs on */
    ck_assert(!is_dark(&p, first, 46 + 20 - 7.5));
    /* The calibration pulse: 1 mV over 5 mm. */
    ck_assert(is_dark(&p, 18.5, 46 + 20 - 10));
    ck_assert(!is_dark(&p, 23.5, 46 + 20 - 10));
    free(p.pixels);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_short_record_leaves_the_rest_blank)
{
    struct ecg_record *r = flat_record(8, 1500, 500);
    struct base_buf out = {0};
    draw(r, NULL, &out);
    struct picture p = decode(&out);
    ck_assert(is_dark(&p, 26 + 70, 46 + 130 - 5));
    ck_assert(!is_dark(&p, 26 + 80, 46 + 130 - 5));
    free(p.pixels);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(few_leads_are_strips_and_missing_samples_are_gaps)
{
    struct ecg_record *r = flat_record(1, 5000, 0);
    struct base_buf out = {0};
    for (size_t i = 1000; i < 1500; i++)
        r->leads[0].i32[i] = ECG_SAMPLE_NONE;
    draw(r, NULL, &out);
    struct picture p = decode(&out);
    double base = 46 + 75;
    ck_assert(is_dark(&p, 26 + 40.5, base));
    ck_assert(!is_dark(&p, 26 + 62.5, base));
    ck_assert(is_dark(&p, 26 + 80.5, base));
    free(p.pixels);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(extreme_values_and_names_do_no_harm)
{
    struct ecg_record *r = flat_record(30, 5000, INT32_MAX);
    struct base_buf out = {0};
    struct ecg_draw_options o = {
        .patient_name = "\xff\xfe not UTF-8",
        .patient_id = "",
        .accession = "很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长",
        .confirmed_by = "张医生"};
    r->leads[1].uv_per_count = (double)INFINITY;
    r->leads[2].uv_per_count = (double)NAN;
    r->leads[3].rate_hz = 1e9;
    draw(r, &o, &out);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(the_output_limit_holds_for_every_kind)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    struct ecg_draw_options o = {.kind = (enum ecg_draw_kind)_i};
    struct base_buf out;
    struct base_error err = {0};
    base_buf_init(&out, 2000);
    ck_assert_int_eq(ecg_draw_sheet(r, &o, &out, &err), BASE_ELIMIT);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_cannot_be_drawn_is_an_error)
{
    struct ecg_record *r = ecg_record_new(NULL);
    struct base_buf out = {0};
    struct base_error err = {0};
    ck_assert_int_eq(ecg_draw_sheet(r, NULL, &out, &err), BASE_EUNSUPPORTED);
    struct ecg_draw_options huge = {.px_per_mm = 1000};
    ck_assert_int_eq(ecg_draw_sheet(r, &huge, &out, &err), BASE_EINVAL);
    struct ecg_draw_options before = {.from_s = -1};
    ck_assert_int_eq(ecg_draw_sheet(r, &before, &out, &err), BASE_EINVAL);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_draw");
    TCase *t = tcase_create("sheet");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_picture_is_a4_landscape_in_true_size);
    tcase_add_test(t, pdf_and_svg_are_vectors_of_the_same_size);
    tcase_add_test(t, one_millivolt_is_ten_millimetres_and_columns_follow_each_other);
    tcase_add_test(t, a_short_record_leaves_the_rest_blank);
    tcase_add_test(t, few_leads_are_strips_and_missing_samples_are_gaps);
    tcase_add_test(t, extreme_values_and_names_do_no_harm);
    tcase_add_loop_test(t, the_output_limit_holds_for_every_kind, 0, 3);
    tcase_add_test(t, what_cannot_be_drawn_is_an_error);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
