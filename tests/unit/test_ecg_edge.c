/* The correction of boundaries that was learned from cardiologists' marks. */
#include "ecg/analysis/ecg_edge_priv.h"
#include "ecg_synthetic.h"

enum { W = ECG_WINDOW };

/* One beat of synthetic_plain in each lead, twice as its halves. */
static void take_plain(const struct synthetic *s, struct ecg_mean *m)
{
    memset(m, 0, sizeof *m);
    m->nleads = m->live = s->nleads;
    m->beats = 12;
    m->before = m->after = 400;
    for (size_t k = 0; k < s->nleads; k++)
        for (int i = 0; i < W; i++)
            m->x[k][i] = m->half[0][k][i] = m->half[1][k][i] =
                (float)(s->gains[k] *
                        synthetic_uv(s, (double)(i - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ));
}

static void take_noise(struct ecg_mean *m, uint32_t seed)
{
    uint32_t state = seed;
    float size = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 30 : 1e9F;
    memset(m, 0, sizeof *m);
    m->nleads = m->live = 1 + seed % ECG_MEAN_LEADS;
    m->beats = 1 + seed % ECG_MEAN_BEATS;
    m->before = (int)(100 + seed * 37 % 900);
    m->after = (int)(100 + seed * 53 % 900);
    for (size_t k = 0; k < m->nleads; k++)
        for (int i = 0; i < W; i++)
            m->x[k][i] = m->half[0][k][i] = m->half[1][k][i] =
                size * (float)synthetic_random(&state);
}

static void assert_trees(const struct ecg_edge_model *model, int terms)
{
    float most = 0;
    ck_assert_uint_gt(model->n, 0);
    for (size_t i = 0; i < model->n; i++) {
        int largest = 0;
        for (int d = 0; d < ECG_EDGE_DEPTH; d++)
            ck_assert_int_lt(model->tree[i].term[d], terms);
        for (int b = 0; b < 1 << ECG_EDGE_DEPTH; b++)
            largest = abs(model->tree[i].add[b]) > largest ? abs(model->tree[i].add[b]) : largest;
        most += (float)largest / 100;
    }
    ck_assert_msg(most < 150, "a boundary may move by %.0f samples", (double)most);
}

START_TEST(trees_ask_for_terms_that_there_are)
{
    assert_trees(&ecg_edge_models[_i], ECG_EDGE_TERMS);
    assert_trees(&ecg_edge_beat_models[_i], ECG_EDGE_BEAT_TERMS);
}
END_TEST

START_TEST(terms_of_a_beat_are_its_own_and_by_how_much_they_are_more)
{
    int16_t beat[ECG_EDGE_TERMS] = {5, -30000, 30000}, mean[ECG_EDGE_TERMS] = {7, 30000, -30000};
    int16_t out[ECG_EDGE_BEAT_TERMS];
    ecg_edge_beat_terms(beat, mean, out);
    ck_assert_int_eq(out[0], 5);
    ck_assert_int_eq(out[2], 30000);
    ck_assert_int_eq(out[ECG_EDGE_TERMS], -2);
    ck_assert_int_eq(out[ECG_EDGE_TERMS + 1], INT16_MIN); /* not past the end of its numbers */
    ck_assert_int_eq(out[ECG_EDGE_TERMS + 2], INT16_MAX);
    ck_assert_int_eq(out[ECG_EDGE_TERMS + 3], 0);
}
END_TEST

START_TEST(the_size_of_a_lead_moves_no_boundary_by_much)
{
    static struct ecg_mean m;
    static struct ecg_waves_of_mean once, twice;
    take_plain(&synthetic_plain, &m);
    ecg_delineate(&m, &once);
    for (size_t k = 0; k < m.nleads; k++)
        for (int i = 0; i < W; i++) {
            m.x[k][i] *= 2;
            m.half[0][k][i] *= 2;
            m.half[1][k][i] *= 2;
        }
    ecg_delineate(&m, &twice);
    for (size_t e = 0; e < ECG_EDGE_COUNT; e++) {
        enum ecg_point p = ecg_edge_point((enum ecg_edge)e);
        ck_assert_int_le(abs(once.all.at[p] - twice.all.at[p]), 5);
    }
}
END_TEST

START_TEST(a_boundary_moves_by_what_its_trees_say)
{
    static struct ecg_mean m;
    static struct ecg_waves_of_mean rules, moved;
    static struct ecg_edge_scene scene;
    int16_t term[ECG_MEAN_LEADS][ECG_EDGE_TERMS];
    take_plain(&synthetic_plain, &m);
    ecg_delineate_by_rules(&m, &rules);
    ecg_delineate(&m, &moved);
    ecg_edge_scene_init(&scene, &m, &rules);
    for (size_t e = 0; e < ECG_EDGE_COUNT; e++) {
        enum ecg_point p = ecg_edge_point((enum ecg_edge)e);
        ecg_edge_terms(&scene, (enum ecg_edge)e, term);
        for (size_t k = 0; k < m.nleads; k++) {
            float later = ecg_edge_later(&ecg_edge_models[e], term[k]);
            ck_assert_int_eq(moved.lead[k].at[p], rules.lead[k].at[p] + (int)lrintf(later));
        }
    }
}
END_TEST

START_TEST(an_early_mark_of_the_rules_is_put_right)
{
    /* ST and T of half a cosine end at 340 ms; the rules are told otherwise in one lead */
    static struct ecg_mean m;
    static struct ecg_waves_of_mean w, other;
    take_plain(&synthetic_plain, &m);
    ecg_delineate_by_rules(&m, &w);
    other = w;
    other.lead[0].at[ECG_POINT_T_OFF] -= 15;
    ecg_edge_correct(&m, &w);
    ecg_edge_correct(&m, &other);
    ck_assert_int_gt(other.lead[0].at[ECG_POINT_T_OFF], w.lead[0].at[ECG_POINT_T_OFF] - 15);
    ck_assert_int_eq(other.lead[1].at[ECG_POINT_T_OFF], w.lead[1].at[ECG_POINT_T_OFF]);
}
END_TEST

START_TEST(a_ventricular_complex_begins_with_its_slow_part)
{
    enum { SLOW = 70, STEEP = 20, END = 40, FAR = 8 }; /* samples before and after its peak */
    static struct ecg_mean m;
    static struct ecg_waves_of_mean w;
    take_plain(&synthetic_plain, &m);
    m.ventricular = true;
    for (size_t k = 0; k < m.nleads; k++)
        for (int i = 0; i < W; i++) {
            int after = i - ECG_WINDOW_BEFORE;
            float uv = after < -SLOW || after > END ? 0
                       : after < -STEEP             ? 3 * (float)(after + SLOW)
                       : after < 0                  ? 150 + 42.5F * (float)(after + STEEP)
                                                    : 1000 - 25 * (float)after;
            m.x[k][i] = m.half[0][k][i] = m.half[1][k][i] = uv;
        }
    ecg_delineate_by_rules(&m, &w);
    ck_assert_int_le(abs(w.all.at[ECG_POINT_QRS_ON] - (ECG_WINDOW_BEFORE - SLOW)), FAR);
}
END_TEST

START_TEST(of_two_leads_the_later_end_of_t_counts_more)
{
    enum { LATER = 24, T_ON = ECG_WINDOW_BEFORE + 80 };
    static struct ecg_mean m;
    static struct ecg_waves_of_mean w;
    struct synthetic s = synthetic_plain;
    s.nleads = 2;
    take_plain(&s, &m);
    for (int i = W - 1; i >= 0; i--) /* alike, but T is later in the second */
        m.x[1][i] = m.x[0][i >= T_ON + LATER ? i - LATER : i < T_ON ? i : T_ON];
    ecg_delineate_by_rules(&m, &w);
    int first = w.lead[0].at[ECG_POINT_T_OFF], second = w.lead[1].at[ECG_POINT_T_OFF];
    ck_assert_int_ge(second, first + LATER / 2);
    ck_assert_int_ge(2 * w.all.at[ECG_POINT_T_OFF], first + second + LATER / 4);
}
END_TEST

static void assert_order(const struct ecg_points *p)
{
    for (int peak = ECG_POINT_P_PEAK; peak < ECG_POINT_COUNT; peak += 3) {
        int on = p->at[peak - 1], off = p->at[peak + 1];
        if (off == ECG_POINT_NONE)
            continue;
        ck_assert_int_lt(off, W);
        ck_assert_int_ge(on, 0);
        ck_assert_int_le(p->at[peak], off);
        if (peak != ECG_POINT_T_PEAK)
            ck_assert_int_le(on, p->at[peak]);
    }
}

START_TEST(points_stay_in_order_whatever_the_signal)
{
    static struct ecg_mean m;
    static struct ecg_waves_of_mean w;
    for (uint32_t seed = 0; seed < 50; seed++) {
        take_noise(&m, (uint32_t)_i * 50 + seed);
        ecg_delineate(&m, &w);
        assert_order(&w.all);
        for (size_t k = 0; k < m.nleads; k++)
            assert_order(&w.lead[k]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_edge");
    TCase *t = tcase_create("edge");
    tcase_add_loop_test(t, trees_ask_for_terms_that_there_are, 0, ECG_EDGE_COUNT);
    tcase_add_test(t, terms_of_a_beat_are_its_own_and_by_how_much_they_are_more);
    tcase_add_test(t, the_size_of_a_lead_moves_no_boundary_by_much);
    tcase_add_test(t, a_boundary_moves_by_what_its_trees_say);
    tcase_add_test(t, an_early_mark_of_the_rules_is_put_right);
    tcase_add_test(t, a_ventricular_complex_begins_with_its_slow_part);
    tcase_add_test(t, of_two_leads_the_later_end_of_t_counts_more);
    tcase_add_loop_test(t, points_stay_in_order_whatever_the_signal, 0, 4);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
