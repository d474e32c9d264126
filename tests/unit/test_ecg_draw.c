#include "ecg/draw/ecg_draw.h"
#include "ecg_picture.h"

#include <zlib.h>

static const int eight[] = {ECG_LEAD_I,  ECG_LEAD_II, ECG_LEAD_V1, ECG_LEAD_V2,
                            ECG_LEAD_V3, ECG_LEAD_V4, ECG_LEAD_V5, ECG_LEAD_V6};
static const double left = 26; /* where traces begin, in mm */
static const double near = 0.15;

/* ---- true size ---- */

START_TEST(the_picture_is_a4_landscape_in_true_size)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    static const double dpis[] = {0, 150, 300};
    for (size_t i = 0; i < 3; i++) {
        struct base_buf out = {0};
        struct picture p;
        picture_draw(r, &(struct ecg_draw_options){.dpi = dpis[i]}, &out);
        ck_assert(picture_read(base_buf_bytes(&out), &p));
        double px_per_mm = (dpis[i] > 0 ? dpis[i] : 203.2) / 25.4;
        ck_assert_int_eq(p.width, lround(297 * px_per_mm));
        ck_assert_int_eq(p.height, lround(210 * px_per_mm));
        /* pHYs: pixels per metre, after IHDR. */
        ck_assert_mem_eq(out.p + 37, "pHYs", 4);
        ck_assert_int_eq(base_load_be32(out.p + 41), lround(1000 * px_per_mm));
        ck_assert_uint_eq(base_load_be32(out.p + 50), crc32(0, out.p + 37, 13));
        free(p.pixels);
        base_buf_deinit(&out);
    }
    ecg_record_free(r);
}
END_TEST

/* The edges of the pulses along this line; x0 is where second 0 stands. */
static void check_edges(const struct picture *p, double y, double x0, double speed, double from_s,
                        double to_s)
{
    double edges[64];
    size_t want = 0;
    size_t n = picture_edges(p, y, x0 + from_s * speed + 0.4, x0 + to_s * speed - 0.4, edges, 64);
    for (size_t i = 0; i < PICTURE_PULSES; i++) {
        if (picture_pulse_s[i] < from_s || picture_pulse_s[i] + 0.2 > to_s)
            continue;
        ck_assert_uint_gt(n, want + 1);
        assert_near(edges[want], x0 + picture_pulse_s[i] * speed, near);
        assert_near(edges[want + 1], x0 + (picture_pulse_s[i] + 0.2) * speed, near);
        want += 2;
    }
    ck_assert_uint_eq(n, want);
}

/* A second is 25 or 50 mm and a millivolt 5, 10 or 20, in the strip and in the pulse beside it. */
START_TEST(seconds_and_millivolts_have_their_millimetres)
{
    const double speed = _i % 2 ? 50 : 25;
    const double gain = 5 << (_i / 2);
    struct ecg_record *r = picture_record(eight, 8, 10);
    struct picture p =
        picture_of(r, &(struct ecg_draw_options){.mm_per_s = speed, .mm_per_mv = gain});
    double base = picture_first_dark(&p, left + 0.25 * speed, 195, 150);
    assert_near(base, 181, 6); /* the last row */
    double top = picture_first_dark(&p, left + 0.5 * speed, base - 1, 60);
    assert_near(base - top, gain, near);
    check_edges(&p, base - 0.3 * gain, left, speed, 0, 250 / speed);
    double pulse[4];
    ck_assert_uint_eq(picture_edges(&p, base - 0.3 * gain, 11.6, 25.6, pulse, 4), 2);
    assert_near(pulse[1] - pulse[0], 0.2 * speed, near);
    top = picture_first_dark(&p, (pulse[0] + pulse[1]) / 2, base - 1, 60);
    assert_near(base - top, gain, near);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(columns_follow_each_other_in_time_and_limb_leads_are_derived)
{
    struct ecg_record *r = picture_record(eight, 8, 10);
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    /* I, aVR, V1, V4: aVR is upside down. */
    double base = picture_first_dark(&p, left + 5, 52, 90);
    check_edges(&p, base - 1.2, left, 25, 0, 2.5);
    check_edges(&p, base + 1.2, left, 25, 2.5, 5);
    check_edges(&p, base - 1.2, left, 25, 5, 7.5);
    check_edges(&p, base - 1.2, left, 25, 7.5, 10);
    double low = picture_first_dark(&p, left + 3.2 * 25, base + 1, base + 20);
    assert_near(low - base, 10, near);
    /* aVL, in the second row: half a millivolt. */
    double second = picture_first_dark(&p, left + 2.9 * 25, base + 15, base + 60);
    double half = picture_first_dark(&p, left + 3.2 * 25, second - 1, second - 20);
    assert_near(second - half, 5, near);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

/* In Cabrera's order aVR stands upside down, so upright, as the third of the limbs. */
START_TEST(cabrera_turns_avr_round)
{
    struct ecg_record *r = picture_record(eight, 8, 10);
    struct picture p = picture_of(r, &(struct ecg_draw_options){.cabrera = true});
    double first = picture_first_dark(&p, left + 9.3, 52, 90);
    double top = picture_first_dark(&p, left + 0.5 * 25, first - 1, first - 20);
    assert_near(first - top, 5, near); /* aVL */
    double third = picture_first_dark(&p, left + 9.3, 155, 115);
    top = picture_first_dark(&p, left + 0.5 * 25, third - 1, third - 20);
    assert_near(third - top, 10, near); /* -aVR */
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(millimetre_paper_has_a_line_each_millimetre_and_a_stronger_one_each_fifth)
{
    struct ecg_record *r = picture_record(eight, 8, 10);
    struct picture p = picture_of(r, NULL);
    size_t fine = 0;
    size_t coarse = 0;
    const size_t y = (size_t)(48.5 * 8);
    bool inside = false;
    for (size_t x = 10 * 8; x < 287 * 8; x++) {
        const uint8_t *at = p.pixels + 3 * (y * p.width + x);
        bool line = at[1] < 250;
        fine += line && !inside;
        coarse += line && !inside && at[1] < 190;
        /* Whole pixels: none is a mixture with the white beside it. */
        ck_assert_msg(at[1] == 255 || at[1] < 220, "%zu: %d", x, at[1]);
        inside = line;
    }
    ck_assert_uint_eq(fine, 276);
    ck_assert_uint_eq(coarse, 56);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

/* ---- vectors ---- */

/* The points of a path, in mm. */
struct path {
    double x[8192];
    double y[8192];
    size_t n;
    double width;
};

static bool is_number(const char *s)
{
    return *s && strspn(s, "0123456789.-") == strlen(s);
}

/* Strokes of one line are the paper's. */
static void end_path(struct path *path, struct path *widest)
{
    if (path->n > 2 && path->width > widest->width)
        *widest = *path;
    path->n = 0;
    path->width = 0;
}

/* Both formats say "x y" and "m" or "l", in either order; a path begins with m. The widest one
 * is the strip: cairo leaves out points on a straight line. */
static const struct path *widest_path(char *text, double mm, bool operator_first)
{
    static struct path widest, path;
    double v[2] = {0, 0};
    size_t have = 0;
    char op = 0;
    widest.n = path.n = 0;
    widest.width = path.width = 0;
    for (char *word = strtok(text, " \n\"=<>"); word; word = strtok(NULL, " \n\"=<>")) {
        bool is_op = strchr("mlML", word[0]) && word[1] == '\0';
        if (is_number(word)) {
            v[have % 2] = atof(word);
            have++;
        } else {
            op = is_op ? word[0] | 0x20 : 0;
            have = is_op ? have : 0;
        }
        if (!op || have < 2 || (!operator_first && !is_op))
            continue;
        if (op == 'm')
            end_path(&path, &widest);
        if (path.n < 8192) {
            path.x[path.n] = v[0] * mm;
            path.y[path.n++] = v[1] * mm;
            path.width = fmax(path.width, fabs(v[0] * mm - path.x[0]));
        }
        have = 0;
        op = 0;
    }
    end_path(&path, &widest);
    return &widest;
}

/* The strip: its pulses are 10 mm high and stand where they should. */
static void check_strip(const struct path *p)
{
    size_t pulse = 0;
    ck_assert_uint_ge(p->n, 4 * PICTURE_PULSES);
    assert_near(p->width, 250, 0.1);
    double base = p->y[0];
    for (size_t i = 1; i < p->n; i++) {
        if (p->y[i - 1] - p->y[i] < 5)
            continue;
        ck_assert_uint_lt(pulse, PICTURE_PULSES);
        assert_near(base - p->y[i], 10, 0.01);
        assert_near(p->x[i], left + picture_pulse_s[pulse] * 25, 0.02);
        pulse++;
    }
    ck_assert_uint_eq(pulse, PICTURE_PULSES);
}

START_TEST(svg_is_vectors_in_true_size)
{
    struct ecg_record *r = picture_record(eight, 8, 10);
    struct base_buf out = {0};
    picture_draw(r, &(struct ecg_draw_options){.kind = ECG_DRAW_SVG}, &out);
    char *text = (char *)(uintptr_t)base_buf_cstr(&out);
    ck_assert_ptr_nonnull(strstr(text, "width=\"841.88"));
    ck_assert_ptr_nonnull(strstr(text, "height=\"595.27"));
    ck_assert_ptr_nonnull(strstr(text, "matrix(2.834646,0,0,2.834646,0,0)"));
    check_strip(widest_path(text, 1, true));
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

/* The content of the first page, which cairo compresses; owned by the caller. */
static char *page_content(const struct base_buf *pdf)
{
    enum { CONTENT_MAX = 4 << 20 };
    char *text = calloc(1, CONTENT_MAX);
    const uint8_t *at = memmem(pdf->p, pdf->n, "stream\n", 7);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(at);
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)at + 7,
                  .avail_in = (uInt)(pdf->p + pdf->n - at - 7),
                  .next_out = (uint8_t *)text,
                  .avail_out = CONTENT_MAX - 1};
    ck_assert_int_eq(inflateInit(&z), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return text;
}

START_TEST(pdf_is_vectors_in_true_size)
{
    struct ecg_record *r = picture_record(eight, 8, 10);
    struct base_buf out = {0};
    picture_draw(r, &(struct ecg_draw_options){.kind = ECG_DRAW_PDF}, &out);
    ck_assert_mem_eq(out.p, "%PDF-1.", 7);
    ck_assert_ptr_nonnull(memmem(out.p, out.n, "841.889", 7));
    ck_assert_ptr_nonnull(memmem(out.p, out.n, "595.275", 7));
    char *text = page_content(&out);
    ck_assert_ptr_nonnull(strstr(text, "1 0 0 -1 0 595.275591 cm"));
    check_strip(widest_path(text, 25.4 / 72, false));
    free(text);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

/* ---- records of all sorts ---- */

START_TEST(a_short_record_leaves_the_rest_blank)
{
    struct ecg_record *r = picture_record(eight, 8, 3);
    struct picture p = picture_of(r, NULL);
    double base = picture_first_dark(&p, left + 5, 195, 150);
    ck_assert(!isnan(picture_first_dark(&p, left + 2.9 * 25, base - 2, base + 2)));
    ck_assert(isnan(picture_first_dark(&p, left + 3.2 * 25, base - 5, base + 5)));
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

/* Whose columns one after the other would leave most leads out: 2 of 10 s. */
START_TEST(all_leads_of_a_short_record_are_shown_at_the_same_time)
{
    struct ecg_record *r = picture_record(eight, 8, 2);
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    double base = picture_first_dark(&p, left + 5, 52, 90);
    const int upright[] = {1, -1, 1, 1}; /* I, aVR, V1, V4 */
    for (int k = 0; k < 4; k++)
        check_edges(&p, base - upright[k] * 1.2, left + k * 62.5, 25, 0, 2);
    free(p.pixels);
    /* 9 s fill more than half of the last column. */
    ecg_record_free(r);
    r = picture_record(eight, 8, 9);
    p = picture_of(r, &(struct ecg_draw_options){0});
    base = picture_first_dark(&p, left + 5, 52, 90);
    check_edges(&p, base - 1.2, left, 25, 7.5, 9);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(one_lead_fills_the_page_row_by_row_and_missing_samples_are_gaps)
{
    static const int none[] = {0};
    struct ecg_record *r = picture_record(none, 1, 25);
    for (size_t i = 1000; i < 1500; i++)
        r->leads[0].i32[i] = ECG_SAMPLE_NONE;
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    double first = picture_first_dark(&p, left + 1.9 * 25, 55, 95);
    ck_assert(!isnan(first));
    ck_assert(isnan(picture_first_dark(&p, left + 2.6 * 25, first - 5, first + 5)));
    check_edges(&p, first - 1.2, left, 25, 3.05, 10);
    double second = picture_first_dark(&p, left + 9.3, first + 20, 140);
    check_edges(&p, second - 1.2, left, 25, 0, 10);
    double third = picture_first_dark(&p, left + 9.3, second + 20, 195);
    check_edges(&p, third - 1.2, left, 25, 0, 5);
    ck_assert(isnan(picture_first_dark(&p, left + 5.3 * 25, third - 5, third + 5)));
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_level_far_from_zero_does_not_leave_the_paper)
{
    struct ecg_record *r = picture_record(eight, 8, 10);
    for (size_t i = 0; i < r->nleads; i++)
        r->leads[i].offset_uv = 40000;
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    double base = picture_first_dark(&p, left + 5, 195, 150);
    check_edges(&p, base - 3, left, 25, 0, 10);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

/* However high others are, whose traces meet then. */
START_TEST(a_trace_with_room_at_the_edge_of_the_paper_is_whole)
{
    static const int32_t times[] = {1, -1, -7, -7, -7, 7, 7, 7}; /* I, II, V1 to V6 */
    struct ecg_record *r = picture_record(eight, 8, 10);
    for (size_t k = 0; k < r->nleads; k++)
        for (size_t i = 0; i < r->leads[k].samples; i++)
            r->leads[k].i32[i] *= times[k];
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    double base = picture_first_dark(&p, left + 0.25 * 25, 195, 150); /* of the strip */
    double low = picture_first_dark(&p, left + 0.5 * 25, 195, 150);
    assert_near(low - base, 10, near);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

/* Below a strip that goes down to the edge of the paper. */
START_TEST(spikes_of_a_pacemaker_are_marked_on_the_paper)
{
    const double at_s = 6.1, paper_bottom = 196;
    struct ecg_record *r = picture_record(eight, 8, 10);
    for (size_t i = 0; i < r->leads[1].samples; i++)
        r->leads[1].i32[i] *= -8;
    ecg_record_add_mark(r, (struct ecg_mark){.kind = ECG_MARK_PACE, .at_s = at_s, .text = ""});
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    ck_assert(isnan(picture_first_dark(&p, left + at_s * 25, paper_bottom + 0.5, 204)));
    ck_assert(
        !isnan(picture_first_dark(&p, left + at_s * 25, paper_bottom - 0.2, paper_bottom - 3)));
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(fifteen_leads_have_five_columns)
{
    static const int ids[] = {1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8, 0, 0, 0};
    struct ecg_record *r = picture_record(ids, 15, 10);
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    double base = picture_first_dark(&p, left + 5, 52, 90);
    double edges[8];
    /* A tick of 2 mm where the fifth column begins, at 8 s. */
    ck_assert_uint_eq(picture_edges(&p, base - 3, left + 199, left + 201, edges, 8), 1);
    assert_near(edges[0], left + 200, near);
    check_edges(&p, base - 1.2, left, 25, 8, 10);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(channels_that_are_no_voltage_have_an_axis_of_their_own)
{
    struct ecg_record *r = picture_record(eight, 2, 10);
    ck_assert_int_eq(ecg_record_set_others(r, 1), BASE_OK);
    struct ecg_lead *lead = &r->others[0];
    ck_assert_int_eq(ecg_record_set_i32(r, lead, 2500), BASE_OK);
    lead->name = "ART";
    lead->unit = "mmHg";
    lead->rate_hz = 250;
    lead->uv_per_count = 0.5;
    for (size_t i = 0; i < 2500; i++)
        lead->i32[i] = i % 250 < 125 ? 240 : 160; /* 120 and 80 mmHg */
    struct picture p = picture_of(r, &(struct ecg_draw_options){0});
    /* 2 mmHg to the mm. */
    double low = picture_first_dark(&p, left + 0.75 * 25, 195, 150);
    double high = picture_first_dark(&p, left + 1.25 * 25, low - 1, low - 30);
    assert_near(low - high, 20, near);
    free(p.pixels);
    ecg_record_free(r);
}
END_TEST

START_TEST(extreme_values_and_names_do_no_harm)
{
    int ids[30] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct ecg_record *r = picture_record(ids, 30, 10);
    static const enum ecg_draw_format formats[] = {ECG_DRAW_3X4_1, ECG_DRAW_3X4_3, ECG_DRAW_6X2,
                                                   ECG_DRAW_12X1};
    for (size_t i = 0; i < 5000; i++)
        r->leads[4].i32[i] = i % 2 ? INT32_MAX : -INT32_MAX;
    r->leads[1].uv_per_count = (double)INFINITY;
    r->leads[2].uv_per_count = (double)NAN;
    r->leads[3].rate_hz = 1e9;
    r->leads[5].start_s = 1e300;
    for (size_t i = 0; i < 4; i++) {
        struct base_buf out = {0};
        struct ecg_draw_options o = {
            .format = formats[i],
            .dpi = 50.8,
            .patient_name = "\xff\xfe not UTF-8",
            .patient_id = "",
            .accession = "很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长",
            .confirmed_by = "张医生"};
        picture_draw(r, &o, &out);
        base_buf_deinit(&out);
    }
    ecg_record_free(r);
}
END_TEST

/* ---- refusals ---- */

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

static void refused(const struct ecg_record *r, struct ecg_draw_options o, enum base_err code,
                    const char *words)
{
    struct base_buf out = {0};
    struct base_error err = {0};
    ck_assert_int_eq(ecg_draw_sheet(r, &o, &out, &err), code);
    ck_assert_msg(strstr(err.msg, words), "%s: %s", words, err.msg);
    base_buf_deinit(&out);
}

START_TEST(what_cannot_be_drawn_is_told)
{
    struct ecg_record *empty = ecg_record_new(NULL);
    struct ecg_record *r = picture_record(eight, 8, 10);
    refused(empty, (struct ecg_draw_options){0}, BASE_EUNSUPPORTED, "no samples");
    refused(r, (struct ecg_draw_options){.dpi = 1000}, BASE_EINVAL, "600 dpi");
    refused(r, (struct ecg_draw_options){.dpi = -1}, BASE_EINVAL, "dpi");
    refused(r, (struct ecg_draw_options){.mm_per_s = 12.5}, BASE_EINVAL, "25 or 50");
    refused(r, (struct ecg_draw_options){.mm_per_mv = 15}, BASE_EINVAL, "5, 10 or 20");
    refused(r, (struct ecg_draw_options){.from_s = -1}, BASE_EINVAL, "begins at 0");
    refused(r, (struct ecg_draw_options){.from_s = 10}, BASE_EINVAL, "has 10 s");
    refused(r, (struct ecg_draw_options){.leads = "II,V9X"}, BASE_EINVAL, "no lead \"V9X\"");
    refused(r, (struct ecg_draw_options){.leads = "II,V1"}, BASE_EINVAL, "room for 1");
    refused(r, (struct ecg_draw_options){.number = 2}, BASE_EINVAL, "no page 2 of 1");
    refused(r, (struct ecg_draw_options){.page = ECG_DRAW_BEATS}, BASE_EUNSUPPORTED, "no beats");
    refused(r, (struct ecg_draw_options){.page = ECG_DRAW_BEATS, .device_beats = true},
            BASE_EUNSUPPORTED, "the device stored");
    refused(r, (struct ecg_draw_options){.page = ECG_DRAW_HOLTER}, BASE_EUNSUPPORTED, "fewer");
    ecg_record_free(empty);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_draw");
    TCase *t = tcase_create("sheet");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_picture_is_a4_landscape_in_true_size);
    tcase_add_loop_test(t, seconds_and_millivolts_have_their_millimetres, 0, 6);
    tcase_add_test(t, columns_follow_each_other_in_time_and_limb_leads_are_derived);
    tcase_add_test(t, cabrera_turns_avr_round);
    tcase_add_test(t, millimetre_paper_has_a_line_each_millimetre_and_a_stronger_one_each_fifth);
    tcase_add_test(t, svg_is_vectors_in_true_size);
    tcase_add_test(t, pdf_is_vectors_in_true_size);
    tcase_add_test(t, a_short_record_leaves_the_rest_blank);
    tcase_add_test(t, all_leads_of_a_short_record_are_shown_at_the_same_time);
    tcase_add_test(t, one_lead_fills_the_page_row_by_row_and_missing_samples_are_gaps);
    tcase_add_test(t, a_level_far_from_zero_does_not_leave_the_paper);
    tcase_add_test(t, a_trace_with_room_at_the_edge_of_the_paper_is_whole);
    tcase_add_test(t, spikes_of_a_pacemaker_are_marked_on_the_paper);
    tcase_add_test(t, fifteen_leads_have_five_columns);
    tcase_add_test(t, channels_that_are_no_voltage_have_an_axis_of_their_own);
    tcase_add_test(t, extreme_values_and_names_do_no_harm);
    tcase_add_loop_test(t, the_output_limit_holds_for_every_kind, 0, 3);
    tcase_add_test(t, what_cannot_be_drawn_is_told);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
