/* Which sequences of beats, with which waves before them, are fibrillation of the atria. */
#include "ecg/analysis/ecg_rhythm.h"

#include "ecg_synthetic.h"

/* Of complexes of 1 mV in all leads, without a wave before them. */
static struct ecg_figures *figures_of(const struct ecg_beats *b, size_t in_mean, double rr_ms)
{
    struct ecg_figures *f = calloc(1, sizeof *f);
    ck_assert_ptr_nonnull(f);
    f->nleads = b->leads;
    f->in_mean = in_mean;
    f->pr_ms = f->p_likeness = f->qt_ms = (float)NAN;
    for (size_t i = 0; i < b->leads; i++)
        f->lead[i].qrs_range_uv = 1000;
    f->rate.rr_median_ms = rr_ms;
    return f;
}

/* Frees the figures. */
static struct ecg_rhythm rhythm_of(const struct ecg_beats *b, struct ecg_figures *f)
{
    struct ecg_rhythm y;
    ck_assert_int_eq(ecg_rhythm_find(b, f, &y), BASE_OK);
    free(f);
    return y;
}

/* Three usual beats in a row make one pair of intervals; `runs` of them, of ten runs. */
static bool is_af_of(size_t runs)
{
    enum { RUN = 4, RUNS = 10 };
    struct ecg_beat beat[RUN * RUNS] = {{0}};
    struct ecg_beats b = {.beat = beat, .n = RUN * RUNS, .seconds = 40, .leads = 1};
    double at_s = 0.5;
    for (size_t i = 0; i < b.n; i++) {
        bool usual = i % RUN != 0 && i / RUN < runs;
        beat[i] = (struct ecg_beat){.at_s = at_s, .code = usual ? ECG_CODE_NORMAL : ECG_CODE_PVC};
        at_s += i % 2 ? 0.6 : 1;
    }
    struct ecg_rhythm y = rhythm_of(&b, figures_of(&b, 10, 800));
    ck_assert(runs == 0 || y.irregular_share > 0.9F);
    return y.is_af;
}

START_TEST(one_interval_unlike_the_next_is_no_fibrillation)
{
    ck_assert(!is_af_of(1));
    ck_assert(!is_af_of(2));
    ck_assert(!is_af_of(3));
    ck_assert(is_af_of(4));
    ck_assert(is_af_of(10));
}
END_TEST

/* Usual beats with early ones between them, which have this shape in turn; 0 is the usual one. */
static bool is_af_of_turns(const uint8_t *shapes, size_t nshapes, double vary_s)
{
    enum { BEATS = 14 };
    struct ecg_beat beat[BEATS] = {{0}};
    struct ecg_beats b = {.beat = beat, .n = BEATS, .seconds = 14, .leads = 1};
    double at_s = 0.5;
    uint32_t state = 7;
    for (size_t i = 0; i < b.n; i++) {
        uint8_t shape = i % 2 ? shapes[i / 2 % nshapes] : 0;
        beat[i] = (struct ecg_beat){.at_s = at_s, .code = ECG_CODE_NORMAL, .shape = shape};
        at_s += (i % 2 ? 1.1 : 0.6) + vary_s * synthetic_random(&state);
    }
    struct ecg_rhythm y = rhythm_of(&b, figures_of(&b, 7, 850));
    ck_assert(y.irregular_share > 0.9F && y.af_score > 0);
    return y.is_af;
}

/* Beats that come early by turns and look otherwise were not known as ventricular: each of their
 * intervals is unlike the next one. Of one shape they may be those of fibrillation. */
START_TEST(bigeminy_is_no_fibrillation)
{
    static const uint8_t other[] = {1, 1, 2, 1, ECG_SHAPE_NONE}, same[] = {0};
    ck_assert(!is_af_of_turns(other, 5, 0.03));
    ck_assert(is_af_of_turns(same, 1, 0.03));
    ck_assert(is_af_of_turns(other, 5, 0.4));
}
END_TEST

/* Irregular beats with a wave before QRS that counts as P. */
static bool is_af_with_p(size_t leads, float likeness, float steady)
{
    enum { BEATS = 20 };
    static const double intervals_s[] = {0.42, 0.55, 0.48, 0.61, 0.50};
    struct ecg_beat beat[BEATS] = {{0}};
    struct ecg_beats b = {.beat = beat, .n = BEATS, .seconds = 10.5, .leads = leads};
    struct ecg_figures *f = figures_of(&b, 10, 500);
    double at_s = 0.3;
    for (size_t i = 0; i < BEATS; i++) {
        beat[i] = (struct ecg_beat){.at_s = at_s, .code = ECG_CODE_NORMAL};
        at_s += intervals_s[i % 5];
    }
    f->pr_ms = 140;
    f->qt_ms = 320;
    f->p_likeness = likeness;
    f->waves.p_steady = steady;
    f->waves.p_uv = 30;
    struct ecg_rhythm y = rhythm_of(&b, f);
    ck_assert(y.af_score > 0); /* but for the wave */
    return y.is_af;
}

/* The means of two halves may be alike by chance, and a wave be found in all leads; but f waves,
 * and what is left of T at any distance, are elsewhere in each beat. */
START_TEST(a_wave_that_no_single_beat_has_is_no_p_wave)
{
    ck_assert(is_af_with_p(8, 0.7F, 0.1F));
    ck_assert(is_af_with_p(8, 0.98F, 0.1F));
    ck_assert(!is_af_with_p(8, 0.7F, 0.3F));
    ck_assert(!is_af_with_p(2, 0.98F, 0.3F));
    ck_assert(is_af_with_p(2, 0.7F, 0.3F));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_rhythm");
    TCase *t = tcase_create("fibrillation");
    tcase_add_test(t, one_interval_unlike_the_next_is_no_fibrillation);
    tcase_add_test(t, bigeminy_is_no_fibrillation);
    tcase_add_test(t, a_wave_that_no_single_beat_has_is_no_p_wave);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
