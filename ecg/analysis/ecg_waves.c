#include "ecg/analysis/ecg_waves.h"

#include <math.h>
#include <stdlib.h>

enum { AROUND = 30 /* beats either side, half a minute */ };

static void place_waves(const struct ecg_beats *b, double fiducial_s, const struct ecg_points *p,
                        struct ecg_waves *out)
{
    for (size_t i = 0; i < ECG_POINT_COUNT; i++) {
        double at_s = fiducial_s + (double)(p->at[i] - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ;
        bool is_there = p->at[i] != ECG_POINT_NONE && at_s >= 0 && at_s < b->seconds;
        out->at_s[i] = is_there ? at_s : (double)NAN;
    }
}

struct work {
    struct ecg_mean mean;
    struct ecg_waves_of_mean waves;
};

/* Shape by shape. which: of the leads, SIZE_MAX = all together. */
static void find_in_block(const struct ecg_block *k, size_t which, struct work *w,
                          struct ecg_waves *out)
{
    bool done[ECG_MEAN_BEATS] = {false};
    const struct ecg_beat *beat = k->beats->beat + k->first;
    for (size_t i = 0; i < k->n; i++) {
        bool member[ECG_MEAN_BEATS] = {false};
        if (done[i])
            continue;
        for (size_t j = i; j < k->n; j++)
            member[j] =
                !done[j] &&
                (j == i || (beat[j].shape == beat[i].shape && beat[i].shape != ECG_SHAPE_NONE));
        ecg_mean_take(k, member, &w->mean);
        ecg_delineate(&w->mean, &w->waves);
        for (size_t j = i; j < k->n; j++) {
            if (member[j])
                place_waves(k->beats, k->fiducial_s[j],
                            which == SIZE_MAX ? &w->waves.all : &w->waves.lead[which], &out[j]);
            done[j] |= member[j];
        }
    }
}

static float qt_of(const struct ecg_waves *w)
{
    return (float)(w->at_s[ECG_POINT_T_OFF] - w->at_s[ECG_POINT_QRS_ON]);
}

/* QT follows the rate within a minute, not from one block to the next: where there are more than
 * two, T ends where the middle one of the beats of its shape around says. It keeps a block in which
 * a U wave was taken for T, or half of T for all of it, from standing apart. */
static void steady_t(const struct ecg_beats *b, struct ecg_waves *out)
{
    float before[AROUND]; /* of the last beats, as they were */
    for (size_t i = 0; i < b->n; i++) {
        float v[2 * AROUND + 1] = {0};
        size_t n = 0;
        float own = qt_of(&out[i]);
        for (size_t k = i > AROUND ? i - AROUND : 0; k < b->n && k <= i + AROUND; k++) {
            float qt = k < i ? before[k % AROUND] : qt_of(&out[k]);
            if (isnan(qt) || b->beat[k].shape != b->beat[i].shape ||
                b->beat[k].shape == ECG_SHAPE_NONE)
                continue;
            size_t j = n++;
            for (; j > 0 && v[j - 1] > qt; j--)
                v[j] = v[j - 1];
            v[j] = qt;
        }
        before[i % AROUND] = own;
        double t_off_s = out[i].at_s[ECG_POINT_QRS_ON] + (double)v[n / 2];
        if (n > 2 * ECG_MEAN_BEATS && !isnan(own) && t_off_s > out[i].at_s[ECG_POINT_T_PEAK])
            out[i].at_s[ECG_POINT_T_OFF] = t_off_s;
    }
}

enum base_err ecg_waves_find(const struct ecg_record *r, const struct ecg_beats *b,
                             const struct ecg_lead *only, struct ecg_waves *out,
                             struct base_error *err)
{
    const struct ecg_lead *leads[ECG_MEAN_LEADS];
    size_t n = 0, which = SIZE_MAX;
    for (size_t i = 0; i < r->nleads && n < ECG_MEAN_LEADS; i++) {
        if (!ecg_window_can(&r->leads[i]))
            continue;
        which = &r->leads[i] == only ? n : which;
        leads[n++] = &r->leads[i];
    }
    if (n == 0 || (only && which == SIZE_MAX))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "there is no ECG lead with samples at 50 Hz to 20 kHz to measure on");
    struct work *w = malloc(sizeof *w);
    if (!w)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    struct ecg_block k;
    for (size_t at = 0; at < b->n; at += k.n) {
        ecg_block_init(&k, leads, n, b, at);
        find_in_block(&k, which, w, out + at);
    }
    free(w);
    steady_t(b, out);
    return BASE_OK;
}
