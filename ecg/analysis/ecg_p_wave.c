/*
 * Whether what stands before QRS is a P wave: one question for all leads. Constants in samples of
 * 2 ms; how they were found stands in docs/ECG.md.
 */
#include "ecg/analysis/ecg_delineate_priv.h"

#include <math.h>
#include <stdlib.h>

enum {
    W = ECG_WINDOW,
    LEADS = ECG_MEAN_LEADS,
    FLUTTER_APART = 80,
    FLUTTER_LONGEST = 160, /* 188 a minute */
    FLUTTER_LEADS = 6,     /* fewer agree by chance */
    CONDUCTED_PERCENT = 4,
    FAST = 240, /* samples of an interval: 125 a minute */
    ON_T = 222  /* likewise, 135 a minute: T goes on to P or over it */
};
static const float TREND_SQUARES = (float)ECG_P_HALF * (4.0F * ECG_P_HALF * ECG_P_HALF - 1) /
                                   6; /* of the distances from the middle */
static const float P_UV = 9;          /* lower ones are none, */
static const float P_UV_FEW = 20;     /* of fewer than 4 beats */
static const float P_LIKENESS = 0.6F;
static const float P_LIKENESS_IRREGULAR = 0.9F; /* f waves are alike now and then, */
static const float IRREGULAR = 0.1F;            /* where the rhythm is so */
static const float P_RISEN = 0.1F; /* of the height of a wave on T: the end of T has 0.05 at most
                                    * for the most part */
static const float EVEN = 0.045F;  /* an interval differs from the one before by less */

/* Of a line through what is compared, per sample. */
static float trend_of(const float *x)
{
    float sum = 0;
    for (int i = 0; i < 2 * ECG_P_HALF; i++)
        sum += ((float)(i - ECG_P_HALF) + 0.5F) * x[i];
    return sum / TREND_SQUARES;
}

/* Correlation of two places about their trend, which T before a wave gives it, all leads as one
 * vector; sizes: the ratio of their powers. */
static float likeness_of(float (*a)[W], int at_a, float (*b)[W], int at_b, size_t n, bool level,
                         float *sizes)
{
    float ab = 0, aa = 1, bb = 1;
    for (size_t k = 0; k < n; k++) {
        const float *x = a[k] + at_a - ECG_P_HALF, *y = b[k] + at_b - ECG_P_HALF;
        float mx = mean_of(x, 0, 2 * ECG_P_HALF), my = mean_of(y, 0, 2 * ECG_P_HALF);
        float sx = level ? 0 : trend_of(x), sy = level ? 0 : trend_of(y);
        for (int i = 0; i < 2 * ECG_P_HALF; i++) {
            float t = (float)(i - ECG_P_HALF) + 0.5F;
            float u = x[i] - mx - sx * t, v = y[i] - my - sy * t;
            ab += u * v;
            aa += u * u;
            bb += v * v;
        }
    }
    *sizes = bb / aa;
    return ab / sqrtf(aa * bb);
}

/* Two or four waves from beat to beat, as atria that flutter are conducted where the rhythm is
 * even; T, which may look like P, is seldom just there, but at three often. */
static bool is_conducted(int apart, int interval)
{
    for (int k = 2; k <= 4; k += 2)
        if (abs(interval - k * apart) * 100 <= interval * CONDUCTED_PERCENT)
            return true;
    return false;
}

/* Whether the wave at p comes again at i first: it is most alike there, and not half way. What is
 * still more alike nearer by, or half way, comes again faster than in flutter, as the waves of
 * fibrillation do. */
static bool is_nearest(float (*x)[W], int p, int i, size_t n, float likeness)
{
    float unused;
    int before = i - 2 > ECG_P_HALF ? i - 2 : ECG_P_HALF;
    return likeness >= likeness_of(x, p, x, before, n, false, &unused) &&
           likeness >= likeness_of(x, p, x, i + 2, n, false, &unused) &&
           likeness_of(x, p, x, (p + i) / 2, n, false, &unused) < likeness / 2;
}

/* True when the wave at p comes again on its way back to the beat before, alike in all leads
 * and of its size, as flutter waves do; what is a bit less alike, near in size and as soon as in
 * flutter, when the rhythm is not quite even. */
static bool flutters(const struct ecg_mean *m, float (*x)[W], int p, int from)
{
    size_t n = m->nleads;
    bool is_even = m->irregular < EVEN;
    for (int i = clamp(from, ECG_P_HALF, W); n >= FLUTTER_LEADS && i < p - FLUTTER_APART; i += 2) {
        float sizes;
        float likeness = likeness_of(x, p, x, i, n, false, &sizes);
        if (is_even && !is_conducted(p - i, m->before))
            continue;
        bool comes_again =
            (likeness > 0.85F && sizes < 4 && sizes > 0.25F) ||
            (!is_even && likeness > 0.7F && sizes < 2 && sizes > 0.5F && p - i < FLUTTER_LONGEST);
        if (comes_again && is_nearest(x, p, i, n, likeness))
            return true;
    }
    return false;
}

/* A sinus tachycardia is even: what is fast and is not has other waves before QRS. */
bool ecg_p_is_fast_uneven(const struct ecg_mean *m)
{
    return m->irregular >= EVEN && m->before <= FAST;
}

/* How much of the power that single beats have there, before QRS, is that of the wave in their
 * mean: of f waves, which are elsewhere in each beat, little, however alike two means of them may
 * be. */
static float steadiness(const struct ecg_mean *m, int at, int q_on)
{
    float power = 0, rest = 0;
    int first = (at - ECG_P_HALF + ECG_MEAN_BOX / 2) / ECG_MEAN_BOX;
    int last = clamp((at + ECG_P_HALF + ECG_MEAN_BOX / 2) / ECG_MEAN_BOX, 0,
                     clamp(q_on / ECG_MEAN_BOX, 0, ECG_MEAN_BOXES));
    for (size_t k = 0; k < m->recorded; k++) {
        float level = mean_of(m->x[k], first * ECG_MEAN_BOX, last * ECG_MEAN_BOX);
        for (int box = first; box < last && !m->silent[k]; box++) {
            float v = ecg_mean_box(m->x[k], box) - level;
            power += v * v;
            rest += m->rest[k][box];
        }
    }
    power = fmaxf(power - rest / (float)m->beats, 0);
    return power > 0 ? power / (power + rest) : 0;
}

/* From what lies before and after, in the direction in which the lead bends at p. */
static float rise_of(const float *x, int p, int end, float *height)
{
    enum { REACH = 31, NEAR = 10 };
    int from = clamp(p - REACH - NEAR, 0, p), to = clamp(p + REACH + NEAR, p, end);
    float bend = 2 * x[p] - x[clamp(p - REACH, 0, p)] - x[clamp(p + REACH, p, end)];
    float way = bend > 0 ? 1 : -1, before = INFINITY, after = INFINITY;
    int top = clamp(p - NEAR, 0, p);
    for (int i = top; i <= clamp(p + NEAR, p, end); i++)
        top = way * x[i] > way * x[top] ? i : top;
    for (int i = from; i < top; i++)
        before = fminf(before, way * x[i]);
    for (int i = top + 1; i <= to; i++)
        after = fminf(after, way * x[i]);
    *height = fabsf(bend) / 2;
    return fmaxf(way * x[top] - fmaxf(before, after), 0);
}

/* The end of T bends as a P wave does, but goes on as it came: a wave on it turns back, in some of
 * the leads at least. */
static bool is_end_of_t(const struct ecg_mean *m, float (*s)[W], int p, int q_on)
{
    float rise = 0, heights = 0, height;
    for (size_t k = 0; k < m->nleads && m->before <= ON_T; k++)
        if (!m->silent[k]) {
            rise += rise_of(s[k], p, q_on - 2, &height);
            heights += height;
        }
    return rise < P_RISEN * heights;
}

bool ecg_p_is_there(const struct ecg_mean *m, float (*s)[W], int p, int q_on, float height,
                    struct ecg_waves_of_mean *out)
{
    float half[2][LEADS][W], sizes;
    float likeness = P_LIKENESS;
    int at = clamp(p, ECG_P_HALF, q_on - ECG_P_HALF > ECG_P_HALF ? q_on - ECG_P_HALF : ECG_P_HALF);
    out->p_uv = height;
    out->p_steady = steadiness(m, at, q_on);
    if (m->beats > 1) {
        for (size_t k = 0; k < m->nleads; k++) {
            ecg_delineate_cut(m->half[0][k], 0, q_on - 2, ECG_P_SMOOTH, half[0][k]);
            ecg_delineate_cut(m->half[1][k], 0, q_on - 2, ECG_P_SMOOTH, half[1][k]);
        }
        likeness = out->p_likeness = likeness_of(half[0], at, half[1], at, m->nleads, true, &sizes);
    }
    out->flutters = flutters(m, s, at, q_on - m->before + 90);
    bool is_doubtful = m->irregular > IRREGULAR && out->p_steady < ECG_P_STEADY;
    return !m->ventricular && !out->flutters && !ecg_p_is_fast_uneven(m) &&
           !is_end_of_t(m, s, p, q_on) && height >= (m->beats > 3 ? P_UV : P_UV_FEW) &&
           likeness >= (is_doubtful ? P_LIKENESS_IRREGULAR : P_LIKENESS);
}
