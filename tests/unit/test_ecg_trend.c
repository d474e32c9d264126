/* Fibrillation and ST of each minute of recordings that are put together of known ones. */
#include "ecg/analysis/ecg_trend.h"
#include "ecg_synthetic.h"

enum { MINUTES_MAX = 8, RATE = 250 };

/* A minute: of sinus rhythm, with ST raised, or of fibrillation. */
static struct ecg_record *minute(char kind)
{
    static const int ids[] = {ECG_LEAD_I, ECG_LEAD_II};
    static const double gains[] = {0.5, 1};
    struct synthetic s = synthetic_plain;
    s.rate_hz = RATE;
    s.seconds = 60;
    s.interval_s = 0.95;
    s.nleads = 2;
    s.ids = ids;
    s.gains = gains;
    s.noise_uv = 5;
    if (kind == 'f') {
        s.jitter_s = 0.3;
        for (size_t i = 0; i < SYNTHETIC_WAVES; i++)
            if (s.wave[i].at_s < -0.08)
                s.wave[i].uv = 1e-3; /* no P wave; 0 would end the list */
    }
    for (size_t i = 0; i < SYNTHETIC_WAVES && kind == 's'; i++)
        if (s.wave[i].uv == 0) {
            s.wave[i] = (struct synthetic_wave){0.13, 0.09, 200};
            break;
        }
    return synthetic_make(&s);
}

static struct ecg_record *join(const char *kinds)
{
    size_t n = strlen(kinds), per = 60 * RATE;
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_int_eq(ecg_record_set_leads(r, 2), BASE_OK);
    for (size_t m = 0; m < n; m++) {
        struct ecg_record *part = minute(kinds[m]);
        for (size_t k = 0; k < 2; k++) {
            if (m == 0) {
                r->leads[k] = part->leads[k];
                r->leads[k].i32 = NULL;
                must_have_samples(r, &r->leads[k], n * per);
            }
            ck_assert_uint_eq(part->leads[k].samples, per);
            memcpy(r->leads[k].i32 + m * per, part->leads[k].i32, per * sizeof(int32_t));
        }
        ecg_record_free(part);
    }
    return r;
}

static const struct {
    const char *minutes;
    const char *af; /* as found: a letter per minute */
} known[] = {{"nnffn", "--xx-"}, {"nnfnn", "-----"}, {"ffnff", "xxxxx"}, {"nssn", "----"}};

START_TEST(fibrillation_and_st_are_told_minute_by_minute)
{
    struct ecg_record *r = join(known[_i].minutes);
    struct ecg_beats b;
    struct ecg_trend t;
    struct base_error err;
    char af[MINUTES_MAX + 1] = "";
    double af_s = 0;
    ck_assert_int_eq(ecg_beats_find(r, NULL, &b, &err), BASE_OK);
    ck_assert_int_eq(ecg_trend_find(r, &b, &t, &err), BASE_OK);
    ck_assert_uint_eq(t.n, strlen(known[_i].minutes));
    ck_assert_str_eq(t.name[1], "II");
    for (size_t i = 0; i < t.n; i++) {
        ck_assert(t.piece[i].is_known);
        af[i] = t.piece[i].is_af ? 'x' : '-';
        af_s += t.piece[i].is_af ? 60 : 0;
        double st_uv = known[_i].minutes[i] == 's' ? 170 : 0;
        assert_near(t.piece[i].st_uv[1], st_uv, 40);
        assert_near(t.piece[i].st_uv[0], st_uv / 2, 25);
    }
    ck_assert_str_eq(af, known[_i].af);
    assert_near(t.af_s, af_s, 0.1);
    assert_near(t.known_s, 60 * (double)t.n, 0.1);
    ecg_trend_deinit(&t);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(of_a_flat_minute_nothing_is_known)
{
    struct ecg_record *r = join("nnn");
    struct ecg_beats b;
    struct ecg_trend t;
    struct base_error err;
    for (size_t k = 0; k < 2; k++)
        memset(r->leads[k].i32 + 60 * RATE, 0, 60 * RATE * sizeof(int32_t));
    ck_assert_int_eq(ecg_beats_find(r, NULL, &b, &err), BASE_OK);
    ck_assert_int_eq(ecg_trend_find(r, &b, &t, &err), BASE_OK);
    ck_assert_uint_eq(t.n, 3);
    ck_assert(t.piece[0].is_known && !t.piece[1].is_known && t.piece[2].is_known);
    ck_assert(isnan(t.piece[1].st_uv[0]));
    assert_near(t.known_s, 120, 0.1);
    ecg_trend_deinit(&t);
    b.n = 0;
    ck_assert_int_eq(ecg_trend_find(r, &b, &t, &err), BASE_OK);
    assert_near(t.known_s, 0, 0.1);
    ck_assert_uint_eq(t.nleads, 0);
    ecg_trend_deinit(&t);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_trend");
    TCase *t = tcase_create("trend");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, fibrillation_and_st_are_told_minute_by_minute, 0,
                        sizeof known / sizeof *known);
    tcase_add_test(t, of_a_flat_minute_nothing_is_known);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
