/* What is said of recordings whose waves are known: each thing where it is, and only there. */
#include "base/utf8.h"
#include "ecg/analysis/ecg_finding.h"
#include "ecg_synthetic.h"

static void find_in(const struct ecg_record *r, const struct ecg_alarm_limits *limits,
                    struct ecg_findings *out)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_quality quality;
    struct ecg_figures *f = malloc(sizeof *f);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_int_eq(ecg_figures_measure(r, NULL, &beats, f, &err), BASE_OK);
    ecg_quality_find(r, &quality);
    ck_assert_int_eq(ecg_findings_make(r, &beats, f, &quality, limits, out), BASE_OK);
    ecg_beats_deinit(&beats);
    free(f);
}

static void find(const struct synthetic *s, struct ecg_findings *out)
{
    struct ecg_record *r = synthetic_make(s);
    find_in(r, NULL, out);
    ecg_record_free(r);
}

static const char *figures_of(const struct ecg_findings *all, enum ecg_finding_code code)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->of[i].code == code)
            return all->of[i].figures;
    return NULL;
}

/* Of this kind there is just this one, ECG_FINDING_COUNT = none. */
static void assert_only(const struct ecg_findings *all, enum ecg_finding_kind kind,
                        enum ecg_finding_code code)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct ecg_finding_row *row = ecg_finding_row(all->of[i].code);
        ck_assert_msg(row->kind != kind || all->of[i].code == code, "%s (%s)", row->key,
                      all->of[i].figures);
    }
    ck_assert_msg(code == ECG_FINDING_COUNT || figures_of(all, code), "%s is missing",
                  code == ECG_FINDING_COUNT ? "" : ecg_finding_row(code)->key);
}

START_TEST(a_good_recording_gives_its_rhythm_alone)
{
    struct ecg_findings all;
    find(&synthetic_plain, &all);
    assert_only(&all, ECG_FINDING_STATEMENT, ECG_FINDING_SINUS);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_COUNT);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, ECG_FINDING_SINUS), "HR 75/min"));
}
END_TEST

START_TEST(slow_rhythm_is_an_alarm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.interval_s = 1.85;
    s.seconds = 12;
    find(&s, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_BRADY);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_SINUS_BRADY));
}
END_TEST

/* T, which may be like P, comes at each distance from it. */
START_TEST(a_t_wave_like_p_is_no_flutter)
{
    for (int bpm = 62; bpm <= 120; bpm += 2) {
        struct ecg_findings all;
        struct synthetic s = synthetic_plain;
        s.interval_s = 60.0 / bpm;
        find(&s, &all);
        ck_assert_msg(!figures_of(&all, ECG_FINDING_FLUTTER), "at %d/min", bpm);
    }
}
END_TEST

/* Waves of the atria of this length, one after the other, in place of P: as of flutter where
 * complexes follow every so many of them, as of fibrillation where they come at any time. */
static void find_atrial(double cycle_s, int conducted, struct ecg_findings *all)
{
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 1e-3; /* no P; 0 would end the list */
    s.wave[4].uv = 200;
    s.interval_s = conducted ? conducted * cycle_s : 0.75;
    s.jitter_s = conducted ? 0 : 0.2;
    struct ecg_record *r = synthetic_make(&s);
    for (size_t k = 0; k < r->nleads; k++)
        for (size_t i = 0; i < r->leads[k].samples; i++) {
            double cycles = ((double)i / r->leads[k].rate_hz - 0.4) / cycle_s;
            double uv = 120 * sin(2 * M_PI * cycles) + 40 * sin(4 * M_PI * cycles);
            r->leads[k].i32[i] += (int32_t)(uv * synthetic_gains[k] / r->leads[k].uv_per_count);
        }
    find_in(r, NULL, all);
    ecg_record_free(r);
}

START_TEST(waves_of_the_atria_at_200_to_300_a_minute_are_flutter)
{
    for (int ms = 200; ms <= 300; ms += 20) {
        struct ecg_findings all;
        find_atrial(ms / 1000.0, _i, &all);
        ck_assert_msg(figures_of(&all, ECG_FINDING_FLUTTER) != NULL, "%d ms", ms);
    }
}
END_TEST

START_TEST(faster_ones_are_none)
{
    for (int ms = 120; ms <= 158; ms += 2) {
        struct ecg_findings all;
        find_atrial(ms / 1000.0, 0, &all);
        ck_assert_msg(!figures_of(&all, ECG_FINDING_FLUTTER), "%d ms", ms);
    }
}
END_TEST

START_TEST(a_pause_is_an_alarm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.stop_s = _i ? 3 : 6;
    find(&s, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_ASYSTOLE);
}
END_TEST

/* As CSV of six decimals has them. */
START_TEST(fine_steps_are_no_reason_to_say_nothing)
{
    struct ecg_findings all;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    for (size_t k = 0; k < r->nleads; k++) {
        r->leads[k].uv_per_count = 1e-6;
        for (size_t i = 0; i < r->leads[k].samples; i++)
            r->leads[k].i32[i] *= 2500000 / 2;
    }
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_STATEMENT, ECG_FINDING_SINUS);
    ecg_record_free(r);
}
END_TEST

/* All leads, as of a recorder whose memory or radio had a gap. */
static void lose(struct ecg_record *r, double from_s, double to_s)
{
    for (size_t k = 0; k < r->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        lead->tally.known = false;
        for (size_t i = (size_t)(from_s * lead->rate_hz); i < (size_t)(to_s * lead->rate_hz); i++)
            lead->i32[i] = ECG_SAMPLE_NONE;
    }
}

START_TEST(what_was_not_recorded_is_no_pause)
{
    static const double ends[][2] = {{3.3, 7.6}, {0, 4}, {6, 10}, {2.2, 2.9}, {4.55, 4.75}};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    struct ecg_record *r = synthetic_make(&s);
    lose(r, ends[_i][0], ends[_i][1]);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_STATEMENT, ECG_FINDING_SINUS);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, ECG_FINDING_SINUS), "HR 75/min"));
    ecg_record_free(r);
}
END_TEST

START_TEST(a_pause_with_a_gap_in_it_is_an_alarm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.stop_s = 4;
    struct ecg_record *r = synthetic_make(&s);
    lose(r, 5.2, 5.5);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_ASYSTOLE);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, ECG_FINDING_ALARM_ASYSTOLE), "4.5 s"));
    ecg_record_free(r);
}
END_TEST

/* Wide enough to be no narrow one, and not for one of the ventricles. */
START_TEST(very_fast_complexes_of_any_width_are_an_alarm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.interval_s = 0.31;
    s.wave[0] = (struct synthetic_wave){0.19, 0.05, 150}; /* T, and no P */
    s.wave[1].at_s -= 0.010;
    s.wave[2].half_s += 0.008;
    s.wave[3] = (struct synthetic_wave){0.050, 0.040, -400};
    s.wave[4].uv = 0;
    find(&s, &all);
    const char *figures = figures_of(&all, ECG_FINDING_ALARM_SVT);
    ck_assert_ptr_nonnull(figures);
    ck_assert_ptr_nonnull(strstr(figures, "QRS "));
    ck_assert_int_ge(atoi(strstr(figures, "QRS ") + 4), 120);
}
END_TEST

START_TEST(very_fast_narrow_complexes_are_an_alarm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.interval_s = 0.31;
    s.wave[0] = (struct synthetic_wave){0.17, 0.05, 150}; /* T, and no P */
    s.wave[4].uv = 0;
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_ALARM_SVT));
}
END_TEST

START_TEST(st_elevation_is_an_alarm_in_its_leads)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[3] = (struct synthetic_wave){0.14, 0.16, 700}; /* from within QRS on */
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_ALARM_STEMI));
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_ST_LATERAL));
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_RETAKE_FLAT));
}
END_TEST

START_TEST(limits_decide_what_is_an_alarm)
{
    struct ecg_findings all;
    struct ecg_alarm_limits limits = ecg_alarm_limits_default;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    ck_assert(ecg_alarm_limits_parse("brady_bpm=80,pause_s=2.5", &limits));
    ck_assert_double_eq(limits.pause_s, 2.5);
    find_in(r, &limits, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_BRADY);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, ECG_FINDING_ALARM_BRADY), "75/min < 80"));
    ecg_record_free(r);
}
END_TEST

START_TEST(limits_that_are_none_are_refused)
{
    static const char *const bad[] = {"x=1",          "brady_bpm", "brady_bpm=", "brady_bpm=0",
                                      "brady_bpm=1 ", "=1",        ",",          "vt_bpm=-3",
                                      "vt_bpm=nan",   "vt_bp=3"};
    struct ecg_alarm_limits limits = ecg_alarm_limits_default;
    ck_assert(!ecg_alarm_limits_parse(bad[_i], &limits));
}
END_TEST

static void spoil(struct ecg_record *r, int which)
{
    struct ecg_lead *lead = &r->leads[4]; /* V3 */
    for (size_t i = 0; i < lead->samples; i++) {
        int32_t *v = &lead->i32[i];
        double hum = sin(2 * M_PI * 50 * (double)i / lead->rate_hz);
        if (which == 0)
            *v = 3;
        else if (which == 1)
            *v = ECG_SAMPLE_NONE;
        else if (which == 2)
            *v = *v > 40 ? 40 : *v;
        else
            *v += (int32_t)(hum * 100 / lead->uv_per_count);
    }
}

START_TEST(a_bad_lead_is_named)
{
    static const enum ecg_finding_code codes[] = {ECG_FINDING_RETAKE_FLAT, ECG_FINDING_RETAKE_FLAT,
                                                  ECG_FINDING_RETAKE_SATURATED,
                                                  ECG_FINDING_RETAKE_MAINS};
    struct ecg_findings all;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    spoil(r, _i);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_RETAKE, codes[_i]);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, codes[_i]), "V3"));
    ck_assert_ptr_null(strstr(figures_of(&all, codes[_i]), "V4"));
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    ecg_record_free(r);
}
END_TEST

/* What a damaged file has lost is no matter of electrodes. */
START_TEST(a_lead_that_is_missing_is_flat_unless_the_file_is_damaged)
{
    struct ecg_findings all;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    struct ecg_lead *lead = &r->leads[4];
    for (size_t i = lead->samples / 4; i < lead->samples; i++)
        lead->i32[i] = ECG_SAMPLE_NONE;
    ecg_record_count(lead);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_FLAT);
    ecg_record_damage(r, 310, "%s is cut", lead->name);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_DAMAGED);
    memset(r->leads[5].i32, 0, r->leads[5].samples * sizeof *r->leads[5].i32);
    find_in(r, NULL, &all);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_FLAT), r->leads[5].name);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_limb_lead_that_is_lost_is_no_exchanged_electrode)
{
    struct ecg_findings all;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    memset(r->leads[1].i32, 0, r->leads[1].samples * sizeof *r->leads[1].i32);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_FLAT);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_short_recording_is_told)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.seconds = 5;
    find(&s, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_SHORT);
    s.nleads = 2; /* no resting ECG, but too short for a rhythm */
    find(&s, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_SHORT);
    s.seconds = 7;
    find(&s, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_COUNT);
}
END_TEST

/* Gains of I, II, V1 .. V6. */
static void assert_electrodes(const double gains[8], enum ecg_finding_code code)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.gains = gains;
    find(&s, &all);
    assert_only(&all, ECG_FINDING_RETAKE, code);
}

START_TEST(exchanged_electrodes_are_told)
{
    static const double arms[] = {-0.7, 0.3, -0.6, -0.8, 0.5, 1.1, 1, 0.8};
    static const double dextrocardia[] = {-0.7, 0.3, 0.6, -0.4, -0.5, -0.4, -0.3, -0.3};
    static const double leg[] = {0.7, 0.02, -0.6, -0.8, 0.5, 1.1, 1, 0.8};
    static const double chest[] = {0.7, 1, -0.6, 0.5, -0.8, 1.1, 1, 0.8};
    static const double apart[] = {0.7, 1, 0.5, -0.8, -0.6, 1.1, 1, 0.8};
    assert_electrodes(arms, ECG_FINDING_RETAKE_ARMS);
    assert_electrodes(leg, ECG_FINDING_RETAKE_LEG);
    assert_electrodes(chest, ECG_FINDING_RETAKE_CHEST);
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.gains = apart;
    find(&s, &all);
    const char *figures = figures_of(&all, ECG_FINDING_RETAKE_CHEST);
    ck_assert_msg(figures && strstr(figures, "V1 and V3 exchanged"), "%s", figures);
    s.gains = dextrocardia;
    find(&s, &all);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_RETAKE_ARMS));
}
END_TEST

START_TEST(irregular_beats_without_p_waves_are_fibrillation)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[0] = s.wave[4];
    s.wave[4].uv = 0;
    s.jitter_s = 0.25;
    s.seconds = 30;
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_AF));
    s.jitter_s = 0;
    find(&s, &all);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_AF));
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_NO_P));
}
END_TEST

/* The same P waves before all beats are no fibrillation, in two leads as well; also where one or
 * two of them are not like the rest, so that the means of two halves of the beats are less alike.
 */
START_TEST(p_waves_that_stay_the_same_are_no_fibrillation)
{
    struct ecg_findings all;
    static const int ids[] = {ECG_LEAD_II, ECG_LEAD_V5};
    static const double gains[] = {1, 0.8};
    static const struct synthetic_wave other = {-0.11, 0.05, -100};
    double at_s[SYNTHETIC_BEATS];
    struct synthetic s = synthetic_plain;
    s.nleads = 2;
    s.ids = ids;
    s.gains = gains;
    s.wave[0].uv = 60;
    s.noise_uv = 10;
    s.jitter_s = 0.25;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_beats(&s, at_s);
    for (int i = 0; i < _i; i++)
        synthetic_add(r, gains, &other, 1, &at_s[3 + 2 * i], 1);
    find_in(r, NULL, &all);
    ecg_record_free(r);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_AF));
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_SINUS));
}
END_TEST

/* QRS of 145 ms whose waves have other gains. */
static void find_wide(const struct synthetic_wave *waves, double (*gains)[8], size_t n,
                      struct ecg_findings *all)
{
    double at_s[SYNTHETIC_BEATS];
    struct synthetic s = synthetic_plain;
    s.wave[1] = s.wave[4];
    s.wave[1].at_s = 0.32;
    s.wave[2].uv = 0;
    struct ecg_record *r = synthetic_make(&s);
    size_t beats = synthetic_beats(&s, at_s);
    for (size_t i = 0; i < n; i++)
        synthetic_add(r, gains[i], &waves[i], 1, at_s, beats);
    find_in(r, NULL, all);
    ecg_record_free(r);
}

enum rest { MISSING, LATE, PADDED, RESTS };

/* Two leads after two, 2.5 s of each, the rest missing, or some value, or as leads that begin
 * later; with a strip of II of all the time, or nothing beside. */
static void store_in_groups(struct ecg_record *r, enum rest rest, bool has_strip)
{
    enum { GROUPS = 4, EACH = 2 };
    for (size_t k = 0; k < r->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        size_t length = lead->samples / GROUPS, from = k / EACH * length;
        if (has_strip && lead->id == ECG_LEAD_II)
            continue;
        if (rest == LATE) {
            lead->start_s = (double)from / lead->rate_hz;
            memmove(lead->i32, lead->i32 + from, length * sizeof *lead->i32);
            lead->samples = length;
        }
        for (size_t i = 0; i < lead->samples && rest != LATE; i++)
            if (i < from || i >= from + length)
                lead->i32[i] = rest == MISSING ? ECG_SAMPLE_NONE : -400;
        ecg_record_count(lead);
    }
}

START_TEST(leads_that_were_stored_one_group_after_the_other_are_no_pause)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    bool is_slow = _i < 2 * RESTS;
    s.interval_s = is_slow ? 1.1 : 0.63;
    struct ecg_record *r = synthetic_make(&s);
    store_in_groups(r, (enum rest)(_i / 2 % RESTS), _i % 2);
    find_in(r, NULL, &all);
    enum ecg_finding_code rhythm = is_slow ? ECG_FINDING_SINUS_BRADY : ECG_FINDING_SINUS;
    ck_assert_msg(figures_of(&all, rhythm) != NULL, "%d", _i);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_COUNT);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_PAUSE));
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_PVC));
    ecg_record_free(r);
}
END_TEST

/* In the second group, after two usual beats of it. */
START_TEST(a_premature_beat_is_told_in_groups)
{
    static const double usual_s[] = {0.3, 1, 1.7, 2.6, 3.3, 4.6, 5.3, 6, 6.7, 7.6, 8.3, 9};
    static const double early_s = 3.8;
    static const double gains[] = {-0.5, -0.9, 0.9, 1, 0.9, -0.8, -1, -0.7};
    static const struct synthetic_wave wide[] = {{0.02, 0.085, 1300}, {0.3, 0.11, -450}};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.stop_s = 0.1; /* no beats but these */
    struct ecg_record *r = synthetic_make(&s);
    size_t n = sizeof usual_s / sizeof *usual_s;
    synthetic_add(r, s.gains, s.wave, 5, usual_s, n);
    if (_i)
        synthetic_add(r, gains, wide, 2, &early_s, 1);
    else
        synthetic_add(r, s.gains, s.wave, 5, &early_s, 1);
    store_in_groups(r, MISSING, false);
    find_in(r, NULL, &all);
    enum ecg_finding_code code = _i ? ECG_FINDING_PVC : ECG_FINDING_PAC;
    ck_assert_ptr_nonnull(figures_of(&all, code));
    ck_assert_ptr_nonnull(strstr(figures_of(&all, code), "1 of 13"));
    ck_assert_ptr_null(figures_of(&all, _i ? ECG_FINDING_PAC : ECG_FINDING_PVC));
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_is_taken_off_qtc_for_a_wide_qrs_is_said)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.interval_s = 1;
    s.wave[4].at_s = 0.40;
    find(&s, &all);
    const char *figures = figures_of(&all, ECG_FINDING_QT_LONG);
    ck_assert(figures && strstr(figures, "(Framingham) >= 450"));
    s.wave[1].uv = 1; /* no Q */
    s.wave[2].half_s = 0.07;
    find(&s, &all);
    figures = figures_of(&all, ECG_FINDING_QT_LONG);
    ck_assert_msg(figures && strstr(figures, "(Framingham, less "), "%s", figures);
}
END_TEST

START_TEST(bundle_branch_blocks_are_those_of_the_criteria)
{
    static const struct synthetic_wave left[] = {{0.02, 0.065, 1000}, {0.09, 0.025, 150}};
    static const struct synthetic_wave early[] = {{-0.02, 0.04, 1000}, {0.04, 0.045, 900}};
    static const struct synthetic_wave right[] = {
        {-0.01, 0.03, 800}, {0.03, 0.035, -500}, {0.05, 0.05, 600}};
    double qs[][8] = {{0.7, 1.1, -0.8, -0.9, -0.4, 0.4, 0.7, 0.8}, {0, 0, 1, 0, 0, 0, 0, 0}};
    double one_late[][8] = {{0.5, 1.1, -0.8, -0.9, -0.4, 0.5, 0.9, 0.9}, {1, 0, 0, 0, 0, 0, 0, 0}};
    double rsr[][8] = {{0.8, 1.3, 0.4, 0.4, 0.7, 1, 1, 1},
                       {0, 0, 1, 1, 0.5, 0, 0, 0},
                       {-0.7, -0.3, 1, 0.5, 0, -0.3, -0.5, -0.6}};
    struct ecg_findings all;
    find_wide(left, qs, 2, &all); /* an r after QS in V1 is not late activation of the right */
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_LBBB));
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_RBBB));
    find_wide(early, one_late, 2, &all); /* R is late in I alone */
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_LBBB));
    find_wide(right, rsr, 3, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_RBBB));
    rsr[2][7] = 0; /* no S in V6 */
    find_wide(right, rsr, 3, &all);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_RBBB));
}
END_TEST

START_TEST(a_long_pr_interval_is_first_degree_block)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[0].at_s -= 0.07;
    s.interval_s = 1;
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_AVB_1));
}
END_TEST

/* Without complexes there is one alarm, and no word about rhythm. */
START_TEST(flutter_of_the_ventricles_is_an_alarm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    struct ecg_record *r = synthetic_make(&s);
    for (size_t k = 0; k < r->nleads; k++)
        for (size_t i = 0; i < r->leads[k].samples; i++)
            r->leads[k].i32[i] += (int32_t)(300 * synthetic_gains[k] *
                                            sin(2 * M_PI * 4.5 * (double)i / r->leads[k].rate_hz));
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_VF);
    assert_only(&all, ECG_FINDING_STATEMENT, ECG_FINDING_COUNT);
    struct ecg_alarm_limits limits = ecg_alarm_limits_default;
    ck_assert(ecg_alarm_limits_parse("vf_s=30", &limits));
    find_in(r, &limits, &all);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_ALARM_VF));
    ecg_record_free(r);
}
END_TEST

START_TEST(third_degree_block_is_an_alarm)
{
    static const struct synthetic_wave p = {0, 0.05, 130};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    double p_s[20];
    size_t n = 0;
    for (double at_s = 0.2; at_s < 10.8; at_s += 0.8)
        p_s[n++] = at_s;
    memmove(&s.wave[0], &s.wave[1], 5 * sizeof s.wave[0]);
    s.interval_s = 1.43;
    s.seconds = 11;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, synthetic_gains, &p, 1, p_s, n);
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_AVB_3);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_AVB_3));
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_SINUS_BRADY));
    struct ecg_alarm_limits limits = ecg_alarm_limits_default;
    ck_assert(ecg_alarm_limits_parse("av_block_bpm=40", &limits));
    find_in(r, &limits, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    ecg_record_free(r);
}
END_TEST

START_TEST(high_p_waves_are_a_large_atrium)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = _i ? 300 : 200; /* in II */
    find(&s, &all);
    ck_assert(!figures_of(&all, ECG_FINDING_RIGHT_ATRIUM) == !_i);
    s.wave[0] = (struct synthetic_wave){-0.16, _i ? 0.065 : 0.045, 150}; /* negative in V1 */
    find(&s, &all);
    ck_assert(!figures_of(&all, ECG_FINDING_LEFT_ATRIUM) == !_i);
}
END_TEST

/* Gains of I, II, V1 .. V6. */
START_TEST(an_upright_complex_in_v1_is_the_right_ventricle)
{
    static const double gains[] = {-0.4, 0.6, 0.9, 0.7, 0.5, 0.3, -0.2, -0.4};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 60;
    find(&s, &all);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_RVH));
    s.gains = gains;
    find(&s, &all);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, ECG_FINDING_RVH), ", axis "));
    /* Chest leads alone have no axis. */
    struct ecg_record *r = synthetic_make(&s);
    r->leads[0].id = 66; /* V8 */
    r->leads[1].id = 67; /* V9 */
    find_in(r, NULL, &all);
    ck_assert_ptr_nonnull(strstr(figures_of(&all, ECG_FINDING_RVH), "mV in V5/6"));
    ck_assert_ptr_null(strstr(figures_of(&all, ECG_FINDING_RVH), "axis"));
    ecg_record_free(r);
}
END_TEST

START_TEST(keys_are_told_apart)
{
    for (size_t i = 0; i < ECG_FINDING_COUNT; i++) {
        const struct ecg_finding_row *row = ecg_finding_row((enum ecg_finding_code)i);
        ck_assert(row->key[0] && row->en[0] && row->zh[0]);
        ck_assert((row->kind == ECG_FINDING_ALARM) == (strncmp(row->key, "alarm_", 6) == 0));
        ck_assert((row->kind == ECG_FINDING_RETAKE) == (strncmp(row->key, "ecg_", 4) == 0));
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(row->key, ecg_finding_row((enum ecg_finding_code)k)->key);
    }
}
END_TEST

/* P waves alone, also such as are as high as low complexes, and noise on a line that wanders. */
START_TEST(what_is_too_low_for_a_heart_is_no_rhythm)
{
    static const double p_uv[] = {100, 0, 200, 300, 250};
    static const double half_s[] = {0.05, 0.05, 0.05, 0.05, 0.04};
    static const double at_s = 5;
    static const struct synthetic_wave wander = {0, 5, 200};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[0] = (struct synthetic_wave){0, half_s[_i], p_uv[_i]};
    s.wave[1].uv = 0;
    s.noise_uv = p_uv[_i] == 0 ? 15 : 5;
    struct ecg_record *r = synthetic_make(&s);
    if (p_uv[_i] == 0)
        synthetic_add(r, s.gains, &wander, 1, &at_s, 1);
    find_in(r, NULL, &all);
    ecg_record_free(r);
    assert_only(&all, ECG_FINDING_STATEMENT, ECG_FINDING_COUNT);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_ASYSTOLE);
}
END_TEST

START_TEST(low_complexes_are_a_rhythm)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    double gains[SYNTHETIC_LEADS];
    for (size_t i = 0; i < s.nleads; i++)
        gains[i] = synthetic_gains[i] * 0.2; /* 0.3 mV from lowest to highest */
    s.gains = gains;
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_SINUS));
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
}
END_TEST

static void find_at_gain(const struct synthetic *s, double gain, struct ecg_findings *out)
{
    struct ecg_record *r = synthetic_make(s);
    for (size_t k = 0; k < r->nleads; k++)
        r->leads[k].uv_per_count *= gain;
    find_in(r, NULL, out);
    ecg_record_free(r);
}

START_TEST(a_wrong_gain_is_told_and_is_no_alarm)
{
    static const double gain[] = {0.02, 0.05, 0.1, 10, 50};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[3] = (struct synthetic_wave){0.14, 0.16, 60}; /* ST, no more than is usual */
    find(&s, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    find_at_gain(&s, gain[_i], &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_GAIN);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_LVH_SOKOLOW));
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_LOW_VOLTAGE));
}
END_TEST

/* Complexes of 72 ms, nearly as round as P waves. */
START_TEST(a_wrong_gain_of_blunt_complexes_is_no_standstill)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.wave[1] = (struct synthetic_wave){0, 0.036, 1200};
    s.wave[2] = s.wave[4];
    s.wave[3].uv = 0;
    find_at_gain(&s, 0.05, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_GAIN);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
}
END_TEST

/* Of twelve beats every third is like the others of its kind only. */
START_TEST(a_wrong_gain_of_a_rhythm_of_several_shapes_is_no_standstill)
{
    static const double early[] = {-0.6, -0.9, 0.7, 0.9, -0.5, -0.3, 0.2, 0.5};
    static const double late[] = {0.7, -0.9, -0.6, 0.9, 0.9, -0.8, 0.6, -0.7};
    static const struct synthetic_wave waves[] = {{0, 0.025, 1200}, {0.26, 0.08, 350}};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    double at_s[SYNTHETIC_BEATS], at_gain[3][SYNTHETIC_LEADS];
    s.interval_s = 2.1;
    size_t n = synthetic_beats(&s, at_s);
    for (size_t i = 0; i < s.nleads; i++) {
        at_gain[0][i] = synthetic_gains[i] / 20;
        at_gain[1][i] = early[i] / 20;
        at_gain[2][i] = late[i] / 20;
    }
    s.gains = at_gain[0];
    s.noise_uv = 1;
    struct ecg_record *r = synthetic_make(&s);
    for (size_t kind = 1; kind < 3; kind++)
        for (size_t i = 0; i < n; i++) {
            double other_s = at_s[i] + 0.7 * (double)kind;
            synthetic_add(r, at_gain[kind], waves, 2, &other_s, 1);
        }
    find_in(r, NULL, &all);
    ecg_record_free(r);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_GAIN);
    ck_assert_ptr_null(figures_of(&all, ECG_FINDING_ALARM_ASYSTOLE));
}
END_TEST

/* So high that its q waves pass for spikes. */
START_TEST(a_high_gain_is_told_of_a_paced_rhythm_too)
{
    double gains[SYNTHETIC_LEADS];
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    for (size_t i = 0; i < s.nleads; i++)
        gains[i] = 8 * synthetic_gains[i];
    s.gains = gains;
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_PACED));
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_GAIN);
}
END_TEST

START_TEST(what_is_an_alarm_at_any_gain_stays_one)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.interval_s = 1.85;
    s.seconds = 12;
    find_at_gain(&s, 0.05, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_GAIN);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_BRADY);
}
END_TEST

/* P waves of 0.1 mV that nothing follows: however alike they are, at any gain. */
START_TEST(p_waves_without_complexes_are_no_wrong_gain)
{
    static const struct synthetic_wave t = {0.25, 0.1, 20};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    memset(s.wave, 0, sizeof s.wave);
    s.noise_uv = 2;
    s.wave[0] = (struct synthetic_wave){0, 0.05, 100};
    s.wave[1] = t;
    find_at_gain(&s, _i ? 0.6 : 1, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_FLAT);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_ASYSTOLE);
}
END_TEST

/* From 4 s on, or up to 6 s, no P wave is followed by a complex: they are taken for beats then. */
START_TEST(p_waves_that_go_on_alone_are_a_standstill)
{
    static const struct synthetic_wave p = {-0.2, 0.04, 150};
    static const struct synthetic_wave complex[] = {{0, 0.05, 800}, {0.3, 0.09, 300}};
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    double at_s[SYNTHETIC_BEATS];
    s.interval_s = 0.7;
    size_t n = synthetic_beats(&s, at_s), stop = 0;
    while (at_s[stop] < (_i ? 6 : 4))
        stop++;
    s.stop_s = 0.1;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, s.gains, &p, 1, at_s, n);
    synthetic_add(r, s.gains, complex, 2, at_s + (_i ? stop : 0), _i ? n - stop : stop);
    find_in(r, NULL, &all);
    ecg_record_free(r);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_ALARM_ASYSTOLE));
}
END_TEST

/* Noise without a complex, of 10 to 80 uV in one lead to eight: no rhythm, no block, and where many
 * leads have it or it is low, an alarm. */
START_TEST(noise_is_no_rhythm_however_high_it_is)
{
    static const double noise_uv[] = {20, 40, 80, 160};
    for (size_t nleads = 1; nleads <= 8; nleads += nleads) {
        struct ecg_findings all;
        struct synthetic s = synthetic_plain;
        s.wave[0].uv = 0;
        s.nleads = nleads;
        s.noise_uv = noise_uv[_i];
        find(&s, &all);
        assert_only(&all, ECG_FINDING_STATEMENT, ECG_FINDING_COUNT);
        assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_FLAT);
        bool is_alarm = figures_of(&all, ECG_FINDING_ALARM_ASYSTOLE) != NULL;
        assert_only(&all, ECG_FINDING_ALARM,
                    is_alarm ? ECG_FINDING_ALARM_ASYSTOLE : ECG_FINDING_COUNT);
        ck_assert(all.no_complexes);
        ck_assert(is_alarm || nleads < 8);
    }
}
END_TEST

START_TEST(a_rate_of_60_or_100_is_neither_slow_nor_fast)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    s.interval_s = _i ? 0.5985 : 1.004;
    find(&s, &all);
    ck_assert_ptr_nonnull(figures_of(&all, ECG_FINDING_SINUS));
}
END_TEST

START_TEST(damage_of_the_file_is_told_and_notes_that_are_none_are_not)
{
    struct ecg_findings all;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    ecg_record_note(r, 7, "birth date is no date");
    ecg_findings_of_file(r, &all);
    ck_assert_uint_eq(all.n, 0);
    ecg_record_damage(r, 310, "lead V1 is cut");
    ecg_findings_of_file(r, &all);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_DAMAGED), "lead V1 is cut");
    for (int i = 0; i < 60; i++)
        ecg_record_damage(r, 311,
                          "导联 V2 and so many words that not all of them, 导联 after 导联 "
                          "after 导联 after 导联, have room where the figures are told");
    r->notes[1] = r->notes[2];
    find_in(r, NULL, &all);
    const char *told = figures_of(&all, ECG_FINDING_RETAKE_DAMAGED);
    ck_assert_ptr_eq(strstr(told, "61: 导联 V2"), told);
    ck_assert(base_utf8_valid(told, strlen(told)));
    ecg_record_free(r);
}
END_TEST

/* Of one lead or of eight, in noise of this amplitude. */
static void find_line(double noise_uv, size_t nleads, struct ecg_findings *all)
{
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    s.noise_uv = noise_uv;
    s.nleads = nleads;
    find(&s, all);
    assert_only(all, ECG_FINDING_STATEMENT, ECG_FINDING_COUNT);
}

/* Ten electrodes that touch somebody show noise even when the heart stands still. */
START_TEST(a_line_in_all_leads_of_a_resting_ecg_is_an_alarm_and_to_be_recorded_again)
{
    static const double noise_uv[] = {3, 5, 8, 12};
    struct ecg_findings all;
    find_line(noise_uv[_i], 8, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_ALARM_ASYSTOLE);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_NO_SIGNAL), "under 30 uV in 8 leads");
    find_line(noise_uv[_i], 2, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_NO_SIGNAL);
}
END_TEST

START_TEST(one_value_in_all_leads_is_no_heart_that_stands_still)
{
    struct ecg_findings all;
    for (size_t nleads = 1; nleads <= 8; nleads += 7) {
        find_line(0, nleads, &all);
        assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
        assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_NO_SIGNAL);
        ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_NO_SIGNAL),
                         nleads == 1 ? "one value or none in 1 lead"
                                     : "one value or none in 8 leads");
    }
}
END_TEST

/* With what is left of them as noise (the first 250 ms), or a P wave (350 ms). */
START_TEST(what_all_leads_lost_with_damage_is_no_electrode)
{
    struct ecg_findings all;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    for (size_t k = 0; k < r->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        for (size_t i = _i ? 175 : 125; i < lead->samples; i++)
            lead->i32[i] = ECG_SAMPLE_NONE;
        ecg_record_count(lead);
    }
    ecg_record_damage(r, 310, "the file is cut");
    find_in(r, NULL, &all);
    assert_only(&all, ECG_FINDING_ALARM, ECG_FINDING_COUNT);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_DAMAGED);
    ecg_record_free(r);
}
END_TEST

/* Why there are no figures, and what to do: each with its own code, and what is not known with the
 * words of whoever failed. */
START_TEST(of_what_cannot_be_measured_it_is_said_why)
{
    struct ecg_findings all;
    struct synthetic s = synthetic_plain;
    const struct base_error why = {.code = BASE_EUNSUPPORTED, .msg = "words of the analysis"};
    s.rate_hz = 40;
    struct ecg_record *r = synthetic_make(&s);
    ecg_findings_unmeasured(r, &why, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_RATE);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_RATE), "I: 40 Hz, not 50 to 20000");
    ecg_record_damage(r, 310, "the file is cut");
    ecg_findings_unmeasured(r, &why, &all);
    ck_assert_uint_eq(all.n, 2);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_DAMAGED), "the file is cut");
    ecg_record_free(r);

    r = synthetic_make(&synthetic_plain);
    ecg_findings_unmeasured(r, &why, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_UNMEASURED);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_UNMEASURED), "words of the analysis");
    for (size_t i = 0; i < r->nleads; i++)
        r->leads[i].samples = 0;
    ecg_findings_unmeasured(r, &why, &all);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_NO_LEAD), "no samples");
    ck_assert_ptr_nonnull(ecg_record_add_median(r));
    ecg_findings_unmeasured(r, &why, &all);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_NO_LEAD), "only a median beat");
    for (size_t i = 0; i < 2; i++)
        ecg_record_add_other(r)->name = i ? "Resp" : "EEG Fpz";
    ecg_findings_unmeasured(r, &why, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_NO_LEAD);
    ck_assert_str_eq(figures_of(&all, ECG_FINDING_RETAKE_NO_LEAD),
                     "2 channels that are no ECG: EEG Fpz Resp");
    ecg_record_free(r);

    ecg_findings_unmeasured(NULL, &why, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_UNMEASURED);
    const struct base_error cut = {.code = BASE_EFORMAT, .msg = "the file is cut"};
    ecg_findings_unmeasured(NULL, &cut, &all);
    assert_only(&all, ECG_FINDING_RETAKE, ECG_FINDING_RETAKE_DAMAGED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_finding");
    TCase *t = tcase_create("findings");
    tcase_add_test(t, a_good_recording_gives_its_rhythm_alone);
    tcase_add_test(t, slow_rhythm_is_an_alarm);
    tcase_add_test(t, a_t_wave_like_p_is_no_flutter);
    tcase_add_loop_test(t, waves_of_the_atria_at_200_to_300_a_minute_are_flutter, 4, 5);
    tcase_add_test(t, faster_ones_are_none);
    tcase_add_loop_test(t, a_pause_is_an_alarm, 0, 2);
    tcase_add_test(t, fine_steps_are_no_reason_to_say_nothing);
    tcase_add_loop_test(t, what_was_not_recorded_is_no_pause, 0, 5);
    tcase_add_test(t, a_pause_with_a_gap_in_it_is_an_alarm);
    tcase_add_test(t, very_fast_narrow_complexes_are_an_alarm);
    tcase_add_test(t, very_fast_complexes_of_any_width_are_an_alarm);
    tcase_add_test(t, st_elevation_is_an_alarm_in_its_leads);
    tcase_add_test(t, limits_decide_what_is_an_alarm);
    tcase_add_loop_test(t, limits_that_are_none_are_refused, 0, 10);
    tcase_add_test(t, damage_of_the_file_is_told_and_notes_that_are_none_are_not);
    tcase_add_loop_test(t, a_bad_lead_is_named, 0, 4);
    tcase_add_test(t, a_lead_that_is_missing_is_flat_unless_the_file_is_damaged);
    tcase_add_test(t, a_limb_lead_that_is_lost_is_no_exchanged_electrode);
    tcase_add_test(t, a_short_recording_is_told);
    tcase_add_test(t, exchanged_electrodes_are_told);
    tcase_add_test(t, irregular_beats_without_p_waves_are_fibrillation);
    tcase_add_test(t, a_long_pr_interval_is_first_degree_block);
    tcase_add_test(t, flutter_of_the_ventricles_is_an_alarm);
    tcase_add_test(t, third_degree_block_is_an_alarm);
    tcase_add_loop_test(t, high_p_waves_are_a_large_atrium, 0, 2);
    tcase_add_test(t, an_upright_complex_in_v1_is_the_right_ventricle);
    tcase_add_test(t, keys_are_told_apart);
    tcase_add_loop_test(t, what_is_too_low_for_a_heart_is_no_rhythm, 0, 5);
    tcase_add_loop_test(t, p_waves_that_stay_the_same_are_no_fibrillation, 0, 3);
    tcase_add_loop_test(t, leads_that_were_stored_one_group_after_the_other_are_no_pause, 0,
                        4 * RESTS);
    tcase_add_loop_test(t, a_premature_beat_is_told_in_groups, 0, 2);
    tcase_add_test(t, what_is_taken_off_qtc_for_a_wide_qrs_is_said);
    tcase_add_test(t, bundle_branch_blocks_are_those_of_the_criteria);
    tcase_add_test(t, low_complexes_are_a_rhythm);
    tcase_add_loop_test(t, a_wrong_gain_is_told_and_is_no_alarm, 0, 5);
    tcase_add_test(t, a_wrong_gain_of_blunt_complexes_is_no_standstill);
    tcase_add_test(t, a_wrong_gain_of_a_rhythm_of_several_shapes_is_no_standstill);
    tcase_add_test(t, a_high_gain_is_told_of_a_paced_rhythm_too);
    tcase_add_test(t, what_is_an_alarm_at_any_gain_stays_one);
    tcase_add_loop_test(t, p_waves_that_go_on_alone_are_a_standstill, 0, 2);
    tcase_add_loop_test(t, p_waves_without_complexes_are_no_wrong_gain, 0, 2);
    tcase_add_loop_test(t, noise_is_no_rhythm_however_high_it_is, 0, 4);
    tcase_add_loop_test(t, a_rate_of_60_or_100_is_neither_slow_nor_fast, 0, 2);
    tcase_add_loop_test(
        t, a_line_in_all_leads_of_a_resting_ecg_is_an_alarm_and_to_be_recorded_again, 0, 4);
    tcase_add_test(t, one_value_in_all_leads_is_no_heart_that_stands_still);
    tcase_add_loop_test(t, what_all_leads_lost_with_damage_is_no_electrode, 0, 2);
    tcase_add_test(t, of_what_cannot_be_measured_it_is_said_why);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
