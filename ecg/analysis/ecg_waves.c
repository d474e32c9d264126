#include "ecg/analysis/ecg_waves.h"

#include "ecg/analysis/ecg_edge_priv.h"

#include <math.h>
#include <stdlib.h>

enum {
    AROUND = 30, /* beats either side, half a minute */
    APART = 3,   /* beats of a mean from which on each is looked at beside it */
};

/* later: than in the mean, in samples; a boundary does not pass its peak. */
static void place_waves(const struct ecg_beats *b, double fiducial_s, const struct ecg_points *p,
                        const float later[ECG_POINT_COUNT], struct ecg_waves *out)
{
    for (size_t i = 0; i < ECG_POINT_COUNT; i++) {
        double at = p->at[i] + (double)later[i];
        if (i % 3 == 0)
            at = fmin(at, p->at[i + 1]);
        if (i % 3 == 2)
            at = fmax(at, p->at[i - 1]);
        double at_s = fiducial_s + (at - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ;
        bool is_there = p->at[i] != ECG_POINT_NONE && at_s >= 0 && at_s < b->seconds;
        out->at_s[i] = is_there ? at_s : (double)NAN;
    }
}

struct work {
    struct ecg_mean mean;
    struct ecg_waves_of_mean rules;
    struct ecg_waves_of_mean waves;
    struct ecg_edge_scene scene;
    int16_t term[ECG_EDGE_COUNT][ECG_MEAN_LEADS][ECG_EDGE_TERMS]; /* of the mean */
    float window[ECG_MEAN_BEATS][ECG_MEAN_LEADS][ECG_WINDOW];
};

static void look_at_mean(struct work *w)
{
    ecg_delineate_by_rules(&w->mean, &w->rules);
    w->waves = w->rules;
    ecg_edge_correct(&w->mean, &w->waves);
    ecg_edge_scene_init(&w->scene, &w->mean, &w->rules);
    for (enum ecg_edge e = ECG_EDGE_P_ON; e < ECG_EDGE_COUNT; e++)
        if (w->rules.all.at[ecg_edge_point(e)] != ECG_POINT_NONE)
            ecg_edge_terms(&w->scene, e, w->term[e]);
}

/* By how much later the boundaries of this beat of the block are than those of its mean. Over
 * all leads: the mean of that in them. */
static void look_at_beat(struct work *w, size_t beat, size_t which, float later[ECG_POINT_COUNT])
{
    int16_t own[ECG_MEAN_LEADS][ECG_EDGE_TERMS], term[ECG_EDGE_BEAT_TERMS];
    size_t n = w->mean.nleads;
    for (size_t k = 0; k < n; k++)
        ecg_edge_scene_put(&w->scene, k, w->window[beat][k]);
    for (enum ecg_edge e = ECG_EDGE_P_ON; e < ECG_EDGE_COUNT; e++) {
        enum ecg_point point = ecg_edge_point(e);
        if (w->rules.all.at[point] == ECG_POINT_NONE)
            continue;
        ecg_edge_terms(&w->scene, e, own);
        for (size_t k = 0; k < n; k++) {
            if (w->mean.silent[k] || (which != SIZE_MAX && which != k))
                continue;
            ecg_edge_beat_terms(own[k], w->term[e][k], term);
            later[point] += ecg_edge_later(&ecg_edge_beat_models[e], term) /
                            (which == SIZE_MAX ? (float)w->mean.live : 1);
        }
    }
}

/* Shape by shape. which: of the leads, SIZE_MAX = all together. T ends where it does in the mean,
 * t_later_s is what each beat has of its own. */
static void find_in_block(const struct ecg_block *k, size_t which, struct work *w,
                          struct ecg_waves *out, float *t_later_s)
{
    bool done[ECG_MEAN_BEATS] = {false};
    const struct ecg_beat *beat = k->beats->beat + k->first;
    ecg_block_windows(k, w->window);
    for (size_t i = 0; i < k->n; i++) {
        bool member[ECG_MEAN_BEATS] = {false};
        if (done[i])
            continue;
        for (size_t j = i; j < k->n; j++)
            member[j] =
                !done[j] &&
                (j == i || (beat[j].shape == beat[i].shape && beat[i].shape != ECG_SHAPE_NONE));
        ecg_mean_take(k, member, &w->mean);
        look_at_mean(w);
        for (size_t j = i; j < k->n; j++) {
            float later[ECG_POINT_COUNT] = {0};
            if (member[j] && w->mean.beats >= APART)
                look_at_beat(w, j, which, later);
            if (member[j])
                t_later_s[j] = later[ECG_POINT_T_OFF] / ECG_WINDOW_HZ;
            later[ECG_POINT_T_OFF] = 0;
            if (member[j])
                place_waves(k->beats, k->fiducial_s[j],
                            which == SIZE_MAX ? &w->waves.all : &w->waves.lead[which], later,
                            &out[j]);
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
static void steady_t(const struct ecg_beats *b, const float *t_later_s, struct ecg_waves *out)
{
    float before[AROUND]; /* of the last beats, as they were in the mean */
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
    for (size_t i = 0; i < b->n; i++) {
        double *t_off_s = &out[i].at_s[ECG_POINT_T_OFF];
        double own_s = *t_off_s + (double)t_later_s[i];
        if (own_s > out[i].at_s[ECG_POINT_T_PEAK] && own_s < b->seconds)
            *t_off_s = own_s;
    }
}

static void forget(struct ecg_waves *w, enum ecg_point from, enum ecg_point to)
{
    for (enum ecg_point i = from; i <= to; i++)
        w->at_s[i] = (double)NAN;
}

/* One wave ends before the next begins, so that annotations are pairs: what single beats have of
 * their own can move boundaries past each other. Comparisons with what is not there are false. */
static void part_own(struct ecg_waves *w)
{
    double *at_s = w->at_s;
    if (at_s[ECG_POINT_P_PEAK] >= at_s[ECG_POINT_QRS_ON])
        forget(w, ECG_POINT_P_ON, ECG_POINT_P_OFF);
    if (at_s[ECG_POINT_P_OFF] > at_s[ECG_POINT_QRS_ON])
        at_s[ECG_POINT_P_OFF] = at_s[ECG_POINT_QRS_ON];
    if (at_s[ECG_POINT_T_PEAK] <= at_s[ECG_POINT_QRS_OFF])
        forget(w, ECG_POINT_T_ON, ECG_POINT_T_OFF);
    if (at_s[ECG_POINT_T_ON] < at_s[ECG_POINT_QRS_OFF])
        at_s[ECG_POINT_T_ON] = at_s[ECG_POINT_QRS_OFF];
}

/* T and the P after it part half way; a P before T's peak, or a T that is highest when the next
 * complex has begun, is none that can be told. */
static void part_two(struct ecg_waves *w, struct ecg_waves *next)
{
    double *t_s = w->at_s, *next_s = next->at_s;
    if (t_s[ECG_POINT_QRS_OFF] > next_s[ECG_POINT_QRS_ON])
        t_s[ECG_POINT_QRS_OFF] = next_s[ECG_POINT_QRS_ON] = fmin(
            fmax((t_s[ECG_POINT_QRS_OFF] + next_s[ECG_POINT_QRS_ON]) / 2, t_s[ECG_POINT_QRS_PEAK]),
            next_s[ECG_POINT_QRS_PEAK]);
    if (t_s[ECG_POINT_T_PEAK] >= next_s[ECG_POINT_QRS_ON])
        forget(w, ECG_POINT_T_ON, ECG_POINT_T_OFF);
    if (t_s[ECG_POINT_T_OFF] > next_s[ECG_POINT_QRS_ON])
        t_s[ECG_POINT_T_OFF] = next_s[ECG_POINT_QRS_ON];
    double ended_s =
        fmax(t_s[ECG_POINT_QRS_OFF], t_s[ECG_POINT_T_PEAK]); /* NAN counts for nothing */
    if (ended_s >= next_s[ECG_POINT_P_PEAK])
        forget(next, ECG_POINT_P_ON, ECG_POINT_P_OFF);
    if (t_s[ECG_POINT_T_OFF] > next_s[ECG_POINT_P_ON]) {
        double half_s = (t_s[ECG_POINT_T_OFF] + next_s[ECG_POINT_P_ON]) / 2;
        half_s = fmin(fmax(half_s, ended_s), next_s[ECG_POINT_P_PEAK]);
        t_s[ECG_POINT_T_OFF] = next_s[ECG_POINT_P_ON] = half_s;
    }
    if (next_s[ECG_POINT_P_ON] < ended_s)
        next_s[ECG_POINT_P_ON] = ended_s;
}

static void part_waves(struct ecg_waves *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        part_own(&w[i]);
    for (size_t i = 0; i + 1 < n; i++)
        part_two(&w[i], &w[i + 1]);
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
    float *t_later_s = calloc(b->n + 1, sizeof *t_later_s);
    if (!w || !t_later_s) {
        free(w);
        free(t_later_s);
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    }
    struct ecg_block k;
    for (size_t at = 0; at < b->n; at += k.n) {
        ecg_block_init(&k, leads, n, b, at);
        find_in_block(&k, which, w, out + at, t_later_s + at);
    }
    free(w);
    steady_t(b, t_later_s, out);
    part_waves(out, b->n);
    free(t_later_s);
    return BASE_OK;
}
