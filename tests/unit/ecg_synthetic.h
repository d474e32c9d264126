/* Recordings whose waves are known, for the tests of the analysis. */
#ifndef ECG_SYNTHETIC_H
#define ECG_SYNTHETIC_H

#include "ecg_fixture.h"

#include <math.h>

/* A wave: half a cosine period either side of its middle, in s after the R wave. It has ends. */
struct synthetic_wave {
    double at_s;
    double half_s; /* from the middle to an end */
    double uv;
};

enum { SYNTHETIC_WAVES = 6, SYNTHETIC_LEADS = 12, SYNTHETIC_BEATS = 64 };

struct synthetic {
    double rate_hz;
    double seconds;
    double interval_s;
    double noise_uv;
    size_t nleads;
    const int *ids;
    const double *gains;                         /* per lead, of all waves */
    struct synthetic_wave wave[SYNTHETIC_WAVES]; /* uv = 0 ends the list */
    double jitter_s;                             /* of the intervals, at most */
    double stop_s;                               /* from here on no beat; 0 = never */
};

static inline double synthetic_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (double)(*state >> 8) / 8388608 - 1;
}

static inline double synthetic_uv(const struct synthetic *s, double t)
{
    double uv = 0;
    for (size_t i = 0; i < SYNTHETIC_WAVES && s->wave[i].uv != 0; i++) {
        double z = (t - s->wave[i].at_s) / s->wave[i].half_s;
        if (fabs(z) < 1)
            uv += s->wave[i].uv * (1 + cos(M_PI * z)) / 2;
    }
    return uv;
}

/* Within tolerance of what is wanted. */
#define assert_near(v, wanted, tolerance)                                                          \
    ck_assert_double_eq_tol((double)(v), (double)(wanted), (double)(tolerance))

/* The beats' R waves go to at_s, of which there are as many as returned. */
static inline size_t synthetic_beats(const struct synthetic *s, double at_s[SYNTHETIC_BEATS])
{
    uint32_t state = 11;
    size_t n = 0;
    for (double at = 0.5;
         at < (s->stop_s > 0 ? s->stop_s : s->seconds - 0.1) && n < SYNTHETIC_BEATS;) {
        at_s[n++] = at;
        at += s->interval_s + s->jitter_s * synthetic_random(&state);
    }
    return n;
}

static inline struct ecg_record *synthetic_make(const struct synthetic *s)
{
    static const double UV = 2.5;
    double at_s[SYNTHETIC_BEATS];
    size_t beats = synthetic_beats(s, at_s);
    size_t n = (size_t)(s->seconds * s->rate_hz);
    uint32_t state = 5;
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_int_eq(ecg_record_set_leads(r, s->nleads), BASE_OK);
    for (size_t k = 0; k < s->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        ck_assert_int_eq(ecg_record_set_i32(r, lead, n), BASE_OK);
        lead->id = s->ids[k];
        lead->name = ecg_lead_name(lead->id);
        lead->rate_hz = s->rate_hz;
        lead->uv_per_count = UV;
        for (size_t i = 0; i < n; i++) {
            double uv = s->noise_uv * synthetic_random(&state);
            for (size_t b = 0; b < beats; b++)
                uv += s->gains[k] * synthetic_uv(s, (double)i / s->rate_hz - at_s[b]);
            lead->i32[i] = (int32_t)lrint(uv / UV);
        }
    }
    return r;
}

/* Adds these waves at each of the times, of which there are n. */
static inline void synthetic_add(struct ecg_record *r, const double *gains,
                                 const struct synthetic_wave *waves, size_t nwaves,
                                 const double *at_s, size_t n)
{
    struct synthetic s = {.wave = {{0}}};
    double first_s = 0, last_s = 0; /* about a beat */
    memcpy(s.wave, waves, nwaves * sizeof *waves);
    for (size_t i = 0; i < nwaves; i++) {
        first_s = fmin(first_s, waves[i].at_s - waves[i].half_s);
        last_s = fmax(last_s, waves[i].at_s + waves[i].half_s);
    }
    for (size_t k = 0; k < r->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        double *uv = calloc(lead->samples + 1, sizeof *uv);
        ck_assert_ptr_nonnull(uv);
        for (size_t b = 0; b < n; b++) {
            double from = fmax(floor((at_s[b] + first_s) * lead->rate_hz), 0);
            for (size_t i = (size_t)from; i < lead->samples; i++) {
                double t = (double)i / lead->rate_hz - at_s[b];
                if (t > last_s)
                    break;
                uv[i] += gains[k] * synthetic_uv(&s, t);
            }
        }
        for (size_t i = 0; i < lead->samples; i++)
            lead->i32[i] += (int32_t)lrint(uv[i] / lead->uv_per_count);
        free(uv);
    }
}

static const int synthetic_ids[] = {ECG_LEAD_I,  ECG_LEAD_II, ECG_LEAD_V1, ECG_LEAD_V2,
                                    ECG_LEAD_V3, ECG_LEAD_V4, ECG_LEAD_V5, ECG_LEAD_V6};
static const double synthetic_gains[] = {0.7, 1, -0.6, -0.8, 0.5, 1.1, 1, 0.8};

/* PR 160 (P 100), QRS 90, QT 380; P, Q, R, S and T. */
static const struct synthetic synthetic_plain = {.rate_hz = 500,
                                                 .seconds = 10,
                                                 .interval_s = 0.8,
                                                 .noise_uv = 5,
                                                 .nleads = 8,
                                                 .ids = synthetic_ids,
                                                 .gains = synthetic_gains,
                                                 .wave = {{-0.150, 0.050, 150},
                                                          {-0.028, 0.012, -120},
                                                          {0, 0.020, 1200},
                                                          {0.032, 0.018, -300},
                                                          {0.260, 0.080, 350}}};

#endif
