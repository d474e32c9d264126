/* What changed between two recordings whose waves are known, and that nothing did. */
#include "ecg/analysis/ecg_compare.h"
#include "ecg_synthetic.h"

struct result {
    struct ecg_figures f;
    struct ecg_quality quality;
    struct ecg_findings findings;
};

static struct result *measure(const struct synthetic *s)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct result *x = malloc(sizeof *x);
    struct ecg_record *r = synthetic_make(s);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_int_eq(ecg_figures_measure(r, NULL, &beats, &x->f, &err), BASE_OK);
    ecg_quality_find(r, &x->quality);
    ck_assert_int_eq(ecg_findings_make(r, &beats, &x->f, &x->quality, NULL, &x->findings), BASE_OK);
    ecg_beats_deinit(&beats);
    for (size_t i = 0; i < x->quality.n; i++)
        x->quality.lead[i].lead = NULL; /* the record goes */
    x->quality.n = 0;
    ecg_record_free(r);
    return x;
}

static void compare(const struct synthetic *before, const struct synthetic *now,
                    struct ecg_changes *out)
{
    struct result *a = measure(before), *b = measure(now);
    struct ecg_measured x = {&a->f, &a->quality, &a->findings};
    struct ecg_measured y = {&b->f, &b->quality, &b->findings};
    ecg_compare(&x, &y, out);
    free(a);
    free(b);
}

static const char *find(const struct ecg_changes *all, enum ecg_change_code code,
                        enum ecg_finding_code finding)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->of[i].code == code && all->of[i].finding == finding)
            return all->of[i].figures;
    return NULL;
}

/* Both ways round: `there` when it comes, `back` when it goes. */
static void assert_change(const struct synthetic *now, enum ecg_change_code there,
                          enum ecg_change_code back, const char *figures)
{
    struct ecg_changes all;
    compare(&synthetic_plain, now, &all);
    const char *found = find(&all, there, ECG_FINDING_COUNT);
    ck_assert_msg(found && strstr(found, figures), "%s: %s not %s", ecg_change_row(there)->key,
                  found ? found : "missing", figures);
    ck_assert_ptr_null(find(&all, back, ECG_FINDING_COUNT));
    compare(now, &synthetic_plain, &all);
    ck_assert_ptr_nonnull(find(&all, back, ECG_FINDING_COUNT));
    ck_assert_ptr_null(find(&all, there, ECG_FINDING_COUNT));
}

START_TEST(of_the_same_heart_nothing_changed)
{
    struct ecg_changes all;
    struct synthetic s = synthetic_plain;
    s.interval_s = _i ? 0.74 : 0.8; /* 81/min, not 75 */
    s.noise_uv = 12;
    s.wave[0].at_s -= _i ? 0.01 : 0;
    compare(&synthetic_plain, &s, &all);
    for (size_t i = 0; i < all.n; i++)
        ck_abort_msg("%s (%s)", ecg_change_row(all.of[i].code)->key, all.of[i].figures);
}
END_TEST

START_TEST(rate_and_intervals_are_told_both_ways)
{
    struct synthetic s = synthetic_plain;
    s.interval_s = 0.6;
    assert_change(&s, ECG_CHANGE_FASTER, ECG_CHANGE_SLOWER, "HR 75 to 100 /min");
    s = synthetic_plain;
    s.wave[0].at_s -= 0.05;
    assert_change(&s, ECG_CHANGE_PR_LONGER, ECG_CHANGE_PR_SHORTER, "PR 1");
    s = synthetic_plain;
    s.wave[2].half_s = 0.035;
    s.wave[3] = (struct synthetic_wave){0.055, 0.025, -300};
    assert_change(&s, ECG_CHANGE_QRS_WIDER, ECG_CHANGE_QRS_NARROWER, "QRS ");
    s = synthetic_plain;
    s.wave[4].at_s += 0.05;
    assert_change(&s, ECG_CHANGE_QTC_LONGER, ECG_CHANGE_QTC_SHORTER, "QTc 4");
}
END_TEST

START_TEST(the_axis_turns_by_the_shorter_way)
{
    static const double left[] = {0.9, -0.2, -0.6, -0.8, 0.5, 1.1, 1, 0.8};
    struct synthetic s = synthetic_plain;
    s.gains = left;
    assert_change(&s, ECG_CHANGE_AXIS_LEFT, ECG_CHANGE_AXIS_RIGHT, "axis ");
}
END_TEST

START_TEST(st_and_t_need_two_neighbours)
{
    struct ecg_changes all;
    struct synthetic s = synthetic_plain;
    s.wave[5] = (struct synthetic_wave){0.11, 0.11, 260}; /* in II, V4, V5, V6 up, in V1, V2 down */
    compare(&synthetic_plain, &s, &all);
    ck_assert_ptr_nonnull(find(&all, ECG_CHANGE_ST_HIGHER, ECG_FINDING_COUNT));
    ck_assert_ptr_nonnull(find(&all, ECG_CHANGE_ST_LOWER, ECG_FINDING_COUNT));
    s = synthetic_plain;
    s.wave[4].uv = -350;
    compare(&synthetic_plain, &s, &all);
    ck_assert_ptr_nonnull(find(&all, ECG_CHANGE_T_INVERTED, ECG_FINDING_COUNT));
    compare(&s, &synthetic_plain, &all);
    ck_assert_ptr_nonnull(find(&all, ECG_CHANGE_T_UPRIGHT, ECG_FINDING_COUNT));
    s.nleads = 1; /* I has no neighbour then */
    compare(&synthetic_plain, &s, &all);
    ck_assert_ptr_null(find(&all, ECG_CHANGE_T_INVERTED, ECG_FINDING_COUNT));
}
END_TEST

START_TEST(another_rhythm_is_one_change)
{
    struct ecg_changes all;
    struct synthetic before = synthetic_plain, s = synthetic_plain;
    s.wave[0] = s.wave[4];
    s.wave[4].uv = 0;
    s.jitter_s = 0.25;
    s.seconds = before.seconds = 30;
    compare(&before, &s, &all);
    const char *figures = find(&all, ECG_CHANGE_RHYTHM, ECG_FINDING_COUNT);
    ck_assert_ptr_nonnull(figures);
    ck_assert_str_eq(figures, "sinus rhythm to atrial fibrillation");
    ck_assert_ptr_null(find(&all, ECG_CHANGE_NEW, ECG_FINDING_AF));
    ck_assert_ptr_null(find(&all, ECG_CHANGE_GONE, ECG_FINDING_SINUS));
}
END_TEST

START_TEST(statements_come_and_go)
{
    struct ecg_changes all;
    struct synthetic s = synthetic_plain;
    s.wave[0].at_s -= 0.07;
    s.interval_s = 0.85;
    compare(&synthetic_plain, &s, &all);
    const char *figures = find(&all, ECG_CHANGE_NEW, ECG_FINDING_AVB_1);
    ck_assert_ptr_nonnull(figures);
    ck_assert_ptr_nonnull(strstr(figures, "> 200"));
    compare(&s, &synthetic_plain, &all);
    ck_assert_ptr_nonnull(find(&all, ECG_CHANGE_GONE, ECG_FINDING_AVB_1));
}
END_TEST

START_TEST(without_beats_there_is_nothing_to_compare)
{
    struct ecg_changes all;
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    compare(&synthetic_plain, &s, &all);
    for (size_t i = 0; i < all.n; i++)
        ck_assert_int_eq(all.of[i].code, ECG_CHANGE_GONE);
    compare(&s, &s, &all);
    ck_assert_uint_eq(all.n, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_compare");
    TCase *t = tcase_create("compare");
    tcase_add_loop_test(t, of_the_same_heart_nothing_changed, 0, 2);
    tcase_add_test(t, rate_and_intervals_are_told_both_ways);
    tcase_add_test(t, the_axis_turns_by_the_shorter_way);
    tcase_add_test(t, st_and_t_need_two_neighbours);
    tcase_add_test(t, another_rhythm_is_one_change);
    tcase_add_test(t, statements_come_and_go);
    tcase_add_test(t, without_beats_there_is_nothing_to_compare);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
