/*
 * The pages as pictures, beside those in testdata/ecg-sheet. They are compared in squares of
 * 3 mm, whose mean colour may differ a little and a few of which may differ more: letters come
 * out otherwise with another version of the font libraries, a line that is elsewhere does not.
 *
 *     RDC_TEST_SHEETS_OUT=testdata/ecg-sheet build/release/tests/test_ecg_sheet
 *
 * writes them anew; look at them before they are committed.
 */
#include "ecg_picture.h"

#include <string.h>

enum { SQUARE = 6 /* pixels */, COLOUR = 26 /* of 255 */ };
static const double share_max = 0.004; /* of the squares */
static const double dpi = 50.8;        /* 2 pixels to the mm */

/* ---- a recording whose analysis is known ---- */

static const int twelve[] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_III, ECG_LEAD_AVR,
                             ECG_LEAD_AVL, ECG_LEAD_AVF, ECG_LEAD_V1,  ECG_LEAD_V2,
                             ECG_LEAD_V3,  ECG_LEAD_V4,  ECG_LEAD_V5,  ECG_LEAD_V6};
static const double gains[] = {0.7, 1, 0.3, -0.85, 0.2, 0.65, -0.6, -0.8, 0.5, 1.1, 1, 0.8};

static struct synthetic recording(size_t nleads, double seconds)
{
    struct synthetic s = synthetic_plain;
    s.ids = twelve;
    s.gains = gains;
    s.nleads = nleads;
    s.seconds = seconds;
    return s;
}

static struct ecg_record *make_record(const struct synthetic *s)
{
    struct ecg_record *r = synthetic_make(s);
    r->format = "SYNTHETIC";
    r->patient.name.utf8 = "CESHI^YI=测试^一";
    r->patient.id.utf8 = "TEST-1";
    r->patient.sex = 'F';
    r->patient.age = 62;
    r->patient.age_unit = 'Y';
    r->start = (struct ecg_time){.date = {2026, 1, 5}, .has_time = true, .hour = 9, .minute = 30};
    r->filters = (struct ecg_filters){0.05, 150, 50};
    ecg_record_add_statement(r, "Sinus rhythm", "");
    ecg_record_add_measurement(r, ECG_MEASURE_HEART_RATE, 0, 75, NULL, NULL);
    ecg_record_add_measurement(r, ECG_MEASURE_PR, 0, 160, NULL, NULL);
    return r;
}

struct known {
    struct ecg_beat beat[SYNTHETIC_BEATS];
    struct ecg_waves waves[SYNTHETIC_BEATS];
    struct ecg_beats beats;
    struct ecg_figures f;
    struct ecg_findings findings;
    struct ecg_changes changes;
    struct ecg_trend trend;
    struct ecg_trend_piece piece[9];
    struct ecg_draw_analysis analysis;
};

static const double limits_s[ECG_POINT_COUNT] = {-0.200, -0.150, -0.100, -0.040, 0,
                                                 0.050,  0.180,  0.260,  0.340};

static void know_figures(const struct synthetic *s, struct ecg_figures *f)
{
    f->in_mean = 10;
    f->nleads = s->nleads;
    f->rate.beats = 12;
    f->rate.hr_bpm = 75;
    f->p_ms = 100;
    f->pr_ms = 160;
    f->qrs_ms = 90;
    f->qt_ms = 380;
    f->qtc_bazett_ms = 425;
    f->p_axis_deg = f->qrs_axis_deg = f->t_axis_deg = 48;
    for (size_t k = 0; k < s->nleads; k++) {
        struct ecg_figures_lead *lead = &f->lead[k];
        *lead = (struct ecg_figures_lead){.id = s->ids[k], .name = ecg_lead_name(s->ids[k])};
        lead->r_uv = (float)(1200 * s->gains[k]);
        lead->t_uv = (float)(350 * s->gains[k]);
        lead->r2_uv = NAN;
        for (size_t i = 0; i < ECG_WINDOW; i++)
            f->mean.x[k][i] =
                (float)(s->gains[k] *
                        synthetic_uv(s, ((double)i - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ));
        for (size_t i = 0; i < ECG_POINT_COUNT; i++)
            f->waves.all.at[i] = f->waves.lead[k].at[i] =
                ECG_WINDOW_BEFORE + (int)lround(limits_s[i] * ECG_WINDOW_HZ);
    }
}

/* More changes than there is room for beside seven statements. */
static void know_changes(struct known *k, const struct ecg_time *earlier)
{
    k->changes.of[0] =
        (struct ecg_change){ECG_CHANGE_FASTER, ECG_FINDING_COUNT, "HR 58 to 75 /min"};
    k->changes.of[1] = (struct ecg_change){ECG_CHANGE_NEW, ECG_FINDING_ALARM_STEMI, "V2 450 uV"};
    k->changes.of[2] = (struct ecg_change){ECG_CHANGE_ST_HIGHER, ECG_FINDING_COUNT, "V2, V3"};
    k->changes.n = 3;
    k->analysis.changes = &k->changes;
    k->analysis.earlier = earlier;
}

/* Pieces of 5 s: fibrillation in three, one of which nothing is known, ST that rises in lead II. */
static void know_trend(struct known *k)
{
    enum { PIECES = sizeof k->piece / sizeof *k->piece };
    k->trend = (struct ecg_trend){.width_s = 5,
                                  .n = PIECES,
                                  .piece = k->piece,
                                  .nleads = 2,
                                  .name = {"I", "II"},
                                  .known_s = 40,
                                  .af_s = 15};
    for (size_t i = 0; i < PIECES; i++)
        k->piece[i] = (struct ecg_trend_piece){.is_known = i != 7,
                                               .is_af = i >= 3 && i < 6,
                                               .st_uv = {-50, i == 7 ? NAN : (float)(40 * i)}};
    k->analysis.trend = &k->trend;
}

/* The fourth beat is called ventricular, the eighth atrial premature. */
static struct known *known_new(const struct synthetic *s)
{
    struct known *k = calloc(1, sizeof *k);
    double at_s[SYNTHETIC_BEATS];
    ck_assert_ptr_nonnull(k);
    k->beats = (struct ecg_beats){
        .beat = k->beat, .n = synthetic_beats(s, at_s), .seconds = s->seconds, .leads = s->nleads};
    for (size_t i = 0; i < k->beats.n; i++) {
        k->beat[i] = (struct ecg_beat){.at_s = at_s[i],
                                       .code = i == 3   ? ECG_CODE_PVC
                                               : i == 7 ? ECG_CODE_ATRIAL_PREMATURE
                                                        : ECG_CODE_NORMAL};
        for (size_t w = 0; w < ECG_POINT_COUNT; w++)
            k->waves[i].at_s[w] = at_s[i] + limits_s[w];
    }
    k->findings.of[0] = (struct ecg_finding){ECG_FINDING_ALARM_STEMI, "V2 450 uV"};
    k->findings.of[1] = (struct ecg_finding){ECG_FINDING_SINUS, "HR 75/min"};
    k->findings.n = 2;
    know_figures(s, &k->f);
    k->analysis = (struct ecg_draw_analysis){.version = "0.0",
                                             .beats = &k->beats,
                                             .waves = k->waves,
                                             .figures = &k->f,
                                             .findings = &k->findings};
    return k;
}

/* ---- comparison ---- */

/* Squares whose mean colour differs, as a share of all; 1 when the sizes differ. */
static double difference(const struct picture *a, const struct picture *b)
{
    size_t differ = 0;
    size_t n = 0;
    if (a->width != b->width || a->height != b->height)
        return 1;
    for (size_t y = 0; y + SQUARE <= a->height; y += SQUARE) {
        for (size_t x = 0; x + SQUARE <= a->width; x += SQUARE, n++) {
            long sum[3] = {0, 0, 0};
            for (size_t i = 0; i < SQUARE * SQUARE; i++) {
                size_t at = 3 * ((y + i / SQUARE) * a->width + x + i % SQUARE);
                for (size_t c = 0; c < 3; c++)
                    sum[c] += a->pixels[at + c] - b->pixels[at + c];
            }
            bool far = false;
            for (size_t c = 0; c < 3; c++)
                far |= labs(sum[c]) > (long)COLOUR * SQUARE * SQUARE;
            differ += far;
        }
    }
    return (double)differ / (double)n;
}

static void golden_path(const char *folder, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s.png", folder, name);
}

static struct picture golden(const char *name)
{
    char path[512];
    struct base_buf file = {0};
    struct picture p = {0};
    golden_path(RDC_SOURCE_DIR "/testdata/ecg-sheet", name, path, sizeof path);
    ck_assert_msg(read_whole(path, &file), "%s is missing", path);
    ck_assert(picture_read(base_buf_bytes(&file), &p));
    base_buf_deinit(&file);
    return p;
}

static void keep(const char *folder, const char *name, const struct base_buf *png)
{
    char path[512];
    golden_path(folder, name, path, sizeof path);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(png->p, 1, png->n, f), png->n);
    ck_assert_int_eq(fclose(f), 0);
}

static void compare(const char *name, const struct ecg_record *r, struct ecg_draw_options o)
{
    const char *folder = getenv("RDC_TEST_SHEETS_OUT");
    struct base_buf out = {0};
    struct picture p = {0};
    o.dpi = dpi;
    picture_draw(r, &o, &out);
    if (folder) {
        keep(folder, name, &out);
    } else {
        struct picture wanted = golden(name);
        ck_assert(picture_read(base_buf_bytes(&out), &p));
        double d = difference(&p, &wanted);
        ck_assert_msg(d <= share_max, "%s: %.2f %% of its squares differ", name, 100 * d);
        free(p.pixels);
        free(wanted.pixels);
    }
    base_buf_deinit(&out);
}

/* ---- pages ---- */

START_TEST(pages_of_twelve_leads_look_as_kept)
{
    struct synthetic s = recording(12, 10);
    struct ecg_record *r = make_record(&s);
    struct known *k = known_new(&s);
    struct ecg_draw_options o = {.analysis = &k->analysis};
    compare("3x4-1", r, o);
    o.marks = true;
    compare("3x4-1-marks", r, o);
    o = (struct ecg_draw_options){.analysis = &k->analysis,
                                  .format = ECG_DRAW_3X4_3,
                                  .cabrera = true,
                                  .confirmed_by = "张医生 2026-01-05 10:00"};
    compare("3x4-3-cabrera", r, o);
    o = (struct ecg_draw_options){
        .format = ECG_DRAW_6X2, .mm_per_s = 50, .mm_per_mv = 5, .number = 2};
    compare("6x2", r, o);
    o = (struct ecg_draw_options){.format = ECG_DRAW_12X1};
    compare("12x1", r, o);
    o = (struct ecg_draw_options){.analysis = &k->analysis, .page = ECG_DRAW_BEATS};
    compare("beats", r, o);
    free(k);
    ecg_record_free(r);
}
END_TEST

START_TEST(pages_with_an_earlier_recording_look_as_kept)
{
    static const struct ecg_time earlier = {.date = {2025, 12, 1}};
    struct synthetic s = recording(12, 10);
    struct ecg_record *r = make_record(&s);
    struct known *k = known_new(&s);
    struct ecg_draw_options o = {.analysis = &k->analysis};
    know_changes(k, &earlier);
    compare("compared", r, o);
    for (size_t i = 0; i < 6; i++)
        ecg_record_add_statement(r, "Another statement of the device", "");
    compare("compared-full", r, o);
    k->changes.n = 0;
    k->analysis.earlier = NULL;
    compare("compared-same", r, o);
    free(k);
    ecg_record_free(r);
}
END_TEST

START_TEST(pages_of_long_recordings_look_as_kept)
{
    struct synthetic s = recording(2, 45);
    s.jitter_s = 0.15;
    struct ecg_record *r = make_record(&s);
    struct known *k = known_new(&s);
    struct ecg_draw_options o = {.analysis = &k->analysis, .page = ECG_DRAW_STRIP, .marks = true};
    compare("strip", r, o);
    know_trend(k);
    o = (struct ecg_draw_options){.analysis = &k->analysis, .page = ECG_DRAW_HOLTER};
    compare("holter-1", r, o);
    o.number = 2;
    compare("holter-2", r, o);
    o.number = 3;
    compare("holter-3", r, o);
    free(k);
    ecg_record_free(r);
}
END_TEST

/* What the comparison is for. */
START_TEST(a_picture_with_another_trace_is_not_as_kept)
{
    struct synthetic s = recording(12, 10);
    struct ecg_record *r = make_record(&s);
    struct known *k = known_new(&s);
    struct ecg_draw_options o = {.analysis = &k->analysis, .dpi = dpi};
    struct picture wanted = golden("3x4-1");
    struct ecg_draw_options wrong[3] = {o, o, o};
    wrong[0].mm_per_mv = 5;
    wrong[1].from_s = 0.08; /* two millimetres */
    wrong[2].cabrera = true;
    for (size_t i = 0; i < 3; i++) {
        struct picture p = picture_of(r, &wrong[i]);
        ck_assert_msg(difference(&p, &wanted) > share_max, "%zu: %g", i, difference(&p, &wanted));
        free(p.pixels);
    }
    for (size_t i = 0; i < r->leads[1].samples; i++) /* one lead upside down */
        r->leads[1].i32[i] = -r->leads[1].i32[i];
    struct picture p = picture_of(r, &o);
    ck_assert_double_gt(difference(&p, &wanted), share_max);
    free(p.pixels);
    free(wanted.pixels);
    free(k);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_sheet");
    TCase *t = tcase_create("pages");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, pages_of_twelve_leads_look_as_kept);
    tcase_add_test(t, pages_with_an_earlier_recording_look_as_kept);
    tcase_add_test(t, pages_of_long_recordings_look_as_kept);
    tcase_add_test(t, a_picture_with_another_trace_is_not_as_kept);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
