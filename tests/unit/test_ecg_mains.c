/* What is left of a beat when the mains are taken out of it. */
#include "ecg/analysis/ecg_finding.h"
#include "ecg/analysis/ecg_mains.h"
#include "ecg_synthetic.h"

static const struct {
    double hz;
    double uv;
    int before, after;
} rows[] = {{50, 80, 400, 400}, {60, 80, 400, 400}, {50, 30, 500, 500},
            {60, 30, 260, 230}, {50, 80, 230, 600}, {50.1, 50, 400, 400}};
enum { ROWS = sizeof rows / sizeof *rows };

/* A beat and its neighbours. */
static void take_beat(int before, int after, float x[ECG_WINDOW])
{
    for (int i = 0; i < ECG_WINDOW; i++) {
        double t = (double)(i - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ;
        x[i] = (float)(synthetic_uv(&synthetic_plain, t) +
                       synthetic_uv(&synthetic_plain, t + (double)before / ECG_WINDOW_HZ) +
                       synthetic_uv(&synthetic_plain, t - (double)after / ECG_WINDOW_HZ));
    }
}

START_TEST(the_mains_are_taken_out_and_nothing_else)
{
    float clean[ECG_WINDOW], x[ECG_WINDOW];
    take_beat(rows[_i].before, rows[_i].after, clean);
    for (double phase = 0; phase < 6; phase += 0.7) {
        for (int i = 0; i < ECG_WINDOW; i++)
            x[i] = clean[i] +
                   (float)(rows[_i].uv * sin(2 * M_PI * rows[_i].hz * i / ECG_WINDOW_HZ + phase));
        ecg_mains_remove(x, rows[_i].before, rows[_i].after);
        for (int i = ECG_WINDOW_BEFORE - 100; i < ECG_WINDOW_BEFORE + 200; i++)
            ck_assert_msg(fabsf(x[i] - clean[i]) < 12, "sample %d: %.1f, not %.1f", i, (double)x[i],
                          (double)clean[i]);
    }
}
END_TEST

START_TEST(without_mains_nothing_is_taken_out)
{
    float clean[ECG_WINDOW], x[ECG_WINDOW];
    for (int rr = 120; rr < 700; rr += 20) {
        take_beat(rr, rr, clean);
        memcpy(x, clean, sizeof x);
        ecg_mains_remove(x, rr, rr);
        ck_assert_mem_eq(x, clean, sizeof x);
    }
}
END_TEST

/* Ripples of it are no R', and no displaced ST. */
START_TEST(mains_are_no_bundle_branch_block)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_quality quality;
    struct ecg_findings all;
    struct ecg_figures *f = malloc(sizeof *f);
    struct synthetic s = synthetic_plain;
    s.wave[3].uv = 0; /* no R' in V1 */
    struct ecg_record *r = synthetic_make(&s);
    for (size_t k = 0; k < r->nleads; k++)
        for (size_t i = 0; i < r->leads[k].samples; i++)
            r->leads[k].i32[i] +=
                (int32_t)lrint(100 * sin(2 * M_PI * (50 * (double)i / 500 + 0.1 * _i)) / 2.5);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_int_eq(ecg_figures_measure(r, NULL, &beats, f, &err), BASE_OK);
    ecg_quality_find(r, &quality);
    ck_assert_int_eq(ecg_findings_make(r, &beats, f, &quality, NULL, &all), BASE_OK);
    ck_assert_ptr_nonnull(ecg_findings_one(&all, ECG_FINDING_RETAKE_MAINS));
    ck_assert_ptr_nonnull(ecg_findings_one(&all, ECG_FINDING_SINUS));
    ck_assert_ptr_null(ecg_findings_one(&all, ECG_FINDING_RBBB));
    ck_assert_ptr_null(ecg_findings_one(&all, ECG_FINDING_IRBBB));
    ck_assert_ptr_null(ecg_findings_one(&all, ECG_FINDING_ST_DEPRESSION));
    for (size_t k = 0; k < f->nleads; k++)
        assert_near(f->lead[k].st_uv[2], 0, 30);
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
    free(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_mains");
    TCase *t = tcase_create("mains");
    tcase_add_loop_test(t, the_mains_are_taken_out_and_nothing_else, 0, ROWS);
    tcase_add_test(t, without_mains_nothing_is_taken_out);
    tcase_add_loop_test(t, mains_are_no_bundle_branch_block, 0, 10);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
