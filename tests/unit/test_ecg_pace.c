/* Pacemaker spikes in the signal, and what is none. */
#include "ecg/analysis/ecg_beats.h"
#include "ecg/analysis/ecg_pace.h"
#include "ecg_synthetic.h"

enum { MOST = 64 };
static const double AHEAD_S = 0.06; /* of the R wave */

/* A jump at these times that decays within some ms, in all leads but so many. */
static void add_spikes(struct ecg_record *r, const double *at_s, size_t n, double uv, size_t spared)
{
    for (size_t k = 0; k + spared < r->nleads; k++)
        for (size_t b = 0; b < n; b++) {
            double hz = r->leads[k].rate_hz;
            size_t from = (size_t)((at_s[b] - AHEAD_S) * hz);
            for (size_t i = 0; i < (size_t)(hz * 0.008); i++)
                r->leads[k].i32[from + i] +=
                    (int32_t)(uv * exp(-(double)i / hz / 0.003) / r->leads[k].uv_per_count);
        }
}

/* What a recorder's low-pass of the second order (Butterworth) leaves. */
static void filter(struct ecg_record *r, double hz)
{
    for (size_t k = 0; k < r->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        double w = tan(M_PI * hz / lead->rate_hz), d = w * w + w * M_SQRT2 + 1;
        double x1 = lead->i32[0], x2 = x1, y1 = x1, y2 = x1;
        for (size_t i = 0; i < lead->samples; i++) {
            double x = lead->i32[i];
            double y = (w * w * (x + 2 * x1 + x2) - 2 * (w * w - 1) * y1 -
                        (w * w - w * M_SQRT2 + 1) * y2) /
                       d;
            x2 = x1;
            x1 = x;
            y2 = y1;
            y1 = y;
            lead->i32[i] = (int32_t)lrint(y);
        }
    }
}

static size_t find(const struct ecg_record *r, double *at_s, size_t max)
{
    struct base_error err = {0};
    struct ecg_beats b = {0};
    ck_assert_int_eq(ecg_beats_find(r, NULL, &b, &err), BASE_OK);
    size_t n = ecg_pace_find(r, &b, at_s, max);
    ecg_beats_deinit(&b);
    return n;
}

static size_t count_paced(const struct ecg_record *r)
{
    struct base_error err = {0};
    struct ecg_beats b = {0};
    struct ecg_rate rate;
    ck_assert_int_eq(ecg_beats_find(r, NULL, &b, &err), BASE_OK);
    ck_assert_int_eq(ecg_beats_rate(&b, &rate), BASE_OK);
    ecg_beats_deinit(&b);
    return rate.paced;
}

static struct ecg_record *make(double rate_hz, size_t nleads, double *at_s, size_t *n)
{
    struct synthetic s = synthetic_plain;
    s.rate_hz = rate_hz;
    s.nleads = nleads;
    s.wave[0] = s.wave[4]; /* no P */
    s.wave[4].uv = 0;
    *n = synthetic_beats(&s, at_s);
    return synthetic_make(&s);
}

START_TEST(spikes_are_found_where_they_are)
{
    static const double rates[] = {500, 1000, 2000};
    double at_s[SYNTHETIC_BEATS], found[MOST];
    size_t n;
    struct ecg_record *r = make(rates[_i], 8, at_s, &n);
    add_spikes(r, at_s, n, 400, 3);
    ck_assert_uint_eq(find(r, found, MOST), n);
    for (size_t i = 0; i < n; i++)
        assert_near(found[i], at_s[i] - AHEAD_S, 0.004);
    ck_assert_uint_eq(count_paced(r), n);
    ck_assert_uint_eq(find(r, found, 2), 0); /* too few to be believed */
    ecg_record_free(r);
}
END_TEST

/* A pulse of 2 ms in a smooth line, which a filter rounds and lets swing. */
START_TEST(spikes_are_found_behind_filters)
{
    static const struct {
        double rate_hz;
        double filter_hz;
    } rows[] = {{500, 150}, {500, 100}, {1000, 150}, {2000, 100}};
    for (int with = 0; with < 2; with++) {
        double at_s[SYNTHETIC_BEATS], found[MOST];
        size_t n;
        struct ecg_record *r = make(rows[_i].rate_hz, 8, at_s, &n);
        for (size_t k = 0; k < r->nleads - 3 && with; k++)
            for (size_t b = 0; b < n; b++)
                for (size_t i = 0; i < (size_t)(0.002 * rows[_i].rate_hz); i++)
                    r->leads[k].i32[(size_t)((at_s[b] - AHEAD_S) * rows[_i].rate_hz) + i] +=
                        (int32_t)(800 / r->leads[k].uv_per_count);
        filter(r, rows[_i].filter_hz);
        size_t got = find(r, found, MOST);
        ck_assert_msg(with ? got + 2 >= n && got <= n : got == 0, "%zu of %zu", got, n);
        for (size_t i = 0, b = 0; i < got; i++) {
            while (b < n && at_s[b] - AHEAD_S < found[i] - 0.02)
                b++;
            assert_near(found[i], at_s[b] - AHEAD_S, 0.008);
        }
        ck_assert_uint_eq(count_paced(r), got);
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(what_is_no_spike_is_not_found)
{
    double at_s[SYNTHETIC_BEATS], found[MOST];
    size_t n;
    uint32_t state = 9;
    struct ecg_record *r = make(_i == 1 ? 360 : 500, _i == 2 ? 2 : 8, at_s, &n);
    if (_i == 1 || _i == 2) /* the rate, or the leads, do not tell */
        add_spikes(r, at_s, n, 400, 0);
    if (_i == 3) /* few leads */
        add_spikes(r, at_s, n, 400, 6);
    if (_i == 4) /* two are chance */
        add_spikes(r, at_s, 2, 400, 0);
    for (size_t k = 0; k < r->nleads && _i == 5; k++) /* noise as high as spikes */
        for (size_t i = 0; i < r->leads[k].samples; i++)
            r->leads[k].i32[i] += (int32_t)(80 * synthetic_random(&state));
    ck_assert_uint_eq(find(r, found, MOST), 0);
    ck_assert_uint_eq(count_paced(r), 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(steep_complexes_are_no_spikes)
{
    struct synthetic s = synthetic_plain;
    double found[MOST];
    s.noise_uv = 0;
    s.wave[1] = (struct synthetic_wave){-0.012, 0.006, -400};
    s.wave[2] = (struct synthetic_wave){0, 0.012, 3000};
    s.wave[3] = (struct synthetic_wave){0.014, 0.012, -1200};
    struct ecg_record *r = synthetic_make(&s);
    ck_assert_uint_eq(find(r, found, MOST), 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(the_device_has_the_first_word)
{
    double at_s[SYNTHETIC_BEATS];
    size_t n;
    struct ecg_record *r = make(500, 8, at_s, &n);
    add_spikes(r, at_s, n, 400, 0);
    ecg_record_add_mark(r, (struct ecg_mark){.kind = ECG_MARK_PACE,
                                             .at_s = at_s[1] - AHEAD_S,
                                             .from_s = at_s[1] - AHEAD_S,
                                             .to_s = at_s[1] - AHEAD_S,
                                             .text = ""});
    ck_assert_uint_eq(count_paced(r), 1);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_pace");
    TCase *t = tcase_create("pace");
    tcase_add_loop_test(t, spikes_are_found_where_they_are, 0, 3);
    tcase_add_loop_test(t, spikes_are_found_behind_filters, 0, 4);
    tcase_add_loop_test(t, what_is_no_spike_is_not_found, 0, 6);
    tcase_add_test(t, steep_complexes_are_no_spikes);
    tcase_add_test(t, the_device_has_the_first_word);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
