/* Templates of complexes: the few shapes that a recording's beats have. */
#include "ecg/analysis/ecg_template_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFTS = 3, MEMORY = 16 /* beats that a template remembers */ };
static const float SAME = 0.90F;
static const float ENOUGH = 0.97F; /* no better is looked for */

/* The pieces of the signal that begin at ECG_DOTS places in a row, MIDDLE being the one that is
 * asked for: from sums of each lead's samples and of their squares, the lead's weight over their
 * norm, so that a correlation with any template is a sum of products. The sums fit:
 * ECG_SIGNAL_RANGE. */
struct pieces {
    size_t from; /* of the first */
    int32_t sum[ECG_SIGNAL_LEADS][ECG_DOTS];
    int32_t squares[ECG_SIGNAL_LEADS][ECG_DOTS];
    float factor[ECG_SIGNAL_LEADS][ECG_DOTS];
};
enum { MIDDLE = SHIFTS, PLACES = 2 * SHIFTS + 1 };

/* Behind a template's end it is 0, so that whole vectors can be taken, at all places. */
static_assert((int)ECG_DOTS_VECTOR + (int)ECG_DOTS <= (int)ECG_SIGNAL_BEHIND &&
                  ECG_TEMPLATE_MAX % ECG_DOTS_VECTOR == 0 && (int)PLACES <= (int)ECG_DOTS,
              "what is read behind the end");

static const uint8_t *weights_at(const struct ecg_templates *ts, size_t from)
{
    return ts->feature->weights + (uint32_t)from / (uint32_t)ts->feature->segment;
}

static float factor_of(const struct ecg_templates *ts, int32_t sum, int32_t squares, float weight)
{
    float power = (float)squares - (float)sum * (float)sum / (float)ts->span;
    return power > 1 ? weight / sqrtf(power) : 0;
}

/* The middle one of the pieces from there on. */
static void take_middle(const struct ecg_templates *ts, size_t from, struct pieces *p)
{
    const struct ecg_signal *s = ts->signal;
    const uint8_t *weights = weights_at(ts, from + MIDDLE);
    float all = 0;
    p->from = from;
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k] + from + MIDDLE;
        int32_t sum, squares;
        ts->dots->sums(x, ts->span, &sum, &squares);
        float w = (float)weights[k * ts->feature->segments] + 0.5F;
        p->sum[k][MIDDLE] = sum;
        p->squares[k][MIDDLE] = squares;
        p->factor[k][MIDDLE] = factor_of(ts, sum, squares, w);
        all += w;
    }
    for (size_t k = 0; k < s->nleads; k++)
        p->factor[k][MIDDLE] /= all;
}

/* The others beside it: a sample goes, another comes. */
static void slide(const struct ecg_templates *ts, const int16_t *x, int32_t sum[ECG_DOTS],
                  int32_t squares[ECG_DOTS])
{
    for (int d = MIDDLE; d > 0; d--) {
        int32_t come = x[d - 1], gone = x[d - 1 + (int)ts->span];
        sum[d - 1] = sum[d] + come - gone;
        squares[d - 1] = squares[d] + come * come - gone * gone;
    }
    for (int d = MIDDLE; d + 1 < ECG_DOTS; d++) {
        int32_t gone = x[d], come = x[d + (int)ts->span];
        sum[d + 1] = sum[d] + come - gone;
        squares[d + 1] = squares[d] + come * come - gone * gone;
    }
}

static void take_others(const struct ecg_templates *ts, struct pieces *p)
{
    const struct ecg_signal *s = ts->signal;
    size_t segments = ts->feature->segments;
    const uint8_t *first = weights_at(ts, p->from);
    const uint8_t *last = weights_at(ts, p->from + PLACES - 1);
    size_t change = 0; /* from here on the weights are those of the last */
    while (change < PLACES && first != last && weights_at(ts, p->from + change) == first)
        change++;
    float all[ECG_DOTS] = {0};
    for (size_t k = 0; k < s->nleads; k++) {
        float w[ECG_DOTS];
        slide(ts, s->x[k] + p->from, p->sum[k], p->squares[k]);
        for (size_t d = 0; d < ECG_DOTS; d++) {
            w[d] = (float)(d < change ? first : last)[k * segments] + 0.5F;
            p->factor[k][d] = factor_of(ts, p->sum[k][d], p->squares[k][d], w[d]);
            all[d] += w[d];
        }
    }
    for (size_t k = 0; k < s->nleads; k++)
        for (size_t d = 0; d < ECG_DOTS; d++)
            p->factor[k][d] /= all[d];
}

static size_t whole_vectors(const struct ecg_templates *ts)
{
    return (ts->span + ECG_DOTS_VECTOR - 1) / ECG_DOTS_VECTOR * ECG_DOTS_VECTOR;
}

/* A template has zero mean, so that of the samples does not matter. */
static void likeness_of_middle(const struct ecg_templates *ts, const struct pieces *p,
                               float out[ECG_TEMPLATES])
{
    const struct ecg_signal *s = ts->signal;
    size_t n = whole_vectors(ts);
    memset(out, 0, ECG_TEMPLATES * sizeof *out);
    for (size_t k = 0; k < s->nleads; k++)
        ts->dots->compare(s->x[k] + p->from + MIDDLE, ts->t[k], ts->n, n, p->factor[k][MIDDLE],
                          ts->norm[k], out);
}

static void likeness_of_all(const struct ecg_templates *ts, size_t which, const struct pieces *p,
                            float out[ECG_DOTS])
{
    const struct ecg_signal *s = ts->signal;
    size_t n = whole_vectors(ts);
    memset(out, 0, ECG_DOTS * sizeof *out);
    for (size_t k = 0; k < s->nleads; k++)
        ts->dots->correlate(s->x[k] + p->from, ts->t[k][which], n, p->factor[k], ts->norm[k][which],
                            out);
}

static bool start_of(const struct ecg_templates *ts, size_t at, size_t *from)
{
    size_t half = ts->span / 2 + SHIFTS;
    if (at < half || at + half + 1 >= ts->signal->n)
        return false;
    *from = at - ts->span / 2;
    return true;
}

float ecg_template_match(const struct ecg_templates *ts, size_t at, size_t least, size_t *which,
                         int *shift)
{
    size_t from;
    float coarse[ECG_TEMPLATES];
    float likeness[ECG_TEMPLATES][ECG_DOTS];
    struct pieces p;
    *which = SIZE_MAX;
    *shift = 0;
    if (!start_of(ts, at, &from))
        return NAN;
    float best = -2;
    take_middle(ts, from - MIDDLE, &p);
    likeness_of_middle(ts, &p, coarse);
    for (size_t i = 0; i < ts->n; i++) {
        coarse[i] = ts->count[i] >= least ? coarse[i] : -2;
        if (coarse[i] > best) {
            best = coarse[i];
            *which = i;
        }
    }
    if (best < -1)
        return NAN;
    if (best >= ENOUGH)
        return best;
    float rough = best;
    size_t list[ECG_TEMPLATES], n = 0; /* those that are not too unlike */
    take_others(ts, &p);
    for (size_t i = 0; i < ts->n; i++)
        if (coarse[i] >= rough - 0.4F && coarse[i] >= -1) {
            list[n] = i;
            likeness_of_all(ts, i, &p, likeness[n++]);
        }
    for (int d = 0; d < PLACES && best < ENOUGH; d++)
        for (size_t i = 0; i < n && d != MIDDLE; i++)
            if (likeness[i][d] > best) {
                best = likeness[i][d];
                *which = list[i];
                *shift = d - MIDDLE;
            }
    return best;
}

float ecg_template_compare(const struct ecg_templates *ts, size_t which, size_t at, int *shift)
{
    size_t from;
    float likeness[ECG_DOTS];
    struct pieces p;
    *shift = 0;
    if (which >= ts->n || !start_of(ts, at, &from))
        return NAN;
    take_middle(ts, from - MIDDLE, &p);
    take_others(ts, &p);
    likeness_of_all(ts, which, &p, likeness);
    int best = 0;
    for (int d = 1; d < PLACES; d++)
        best = likeness[d] > likeness[best] ? d : best;
    *shift = best - MIDDLE;
    return likeness[best];
}

static void blend(struct ecg_templates *ts, size_t which, size_t from)
{
    size_t count = ts->count[which]++;
    int32_t share = (int32_t)(count < MEMORY ? count : MEMORY);
    for (size_t k = 0; k < ts->signal->nleads; k++) {
        const int16_t *x = ts->signal->x[k] + from;
        float norm = ts->dots->blend(ts->t[k][which], x, ts->span, share);
        ts->norm[k][which] = norm > 0 ? norm : 1;
    }
}

static void forget(struct ecg_templates *ts, size_t which)
{
    ts->count[which] = 0;
    for (size_t k = 0; k < ts->signal->nleads; k++)
        memset(ts->t[k][which], 0, sizeof ts->t[k][which]);
}

size_t ecg_template_learn(struct ecg_templates *ts, size_t at)
{
    size_t which, from;
    int shift;
    float l = ecg_template_match(ts, at, 1, &which, &shift);
    if (!start_of(ts, at, &from))
        return SIZE_MAX;
    if (!isnan(l) && l >= SAME) {
        blend(ts, which, (size_t)((int64_t)from + shift));
        ts->last[which] = at;
        return which;
    }
    size_t slot = ts->n;
    if (ts->n < ECG_TEMPLATES) {
        ts->n++;
    } else { /* the rarest gives way; of these the one not seen for longest */
        slot = 0;
        for (size_t i = 1; i < ts->n; i++)
            if (ts->count[i] < ts->count[slot] ||
                (ts->count[i] == ts->count[slot] && ts->last[i] < ts->last[slot]))
                slot = i;
    }
    forget(ts, slot);
    blend(ts, slot, from);
    ts->last[slot] = at;
    return slot;
}

void ecg_templates_init(struct ecg_templates *ts, const struct ecg_signal *s,
                        const struct ecg_feature *f, double span_ms)
{
    size_t n = ecg_signal_span(s, span_ms);
    memset(ts, 0, sizeof *ts);
    ts->signal = s;
    ts->feature = f;
    ts->dots = ecg_dots_choose(ecg_simd_level());
    ts->span = n < 8 ? 8 : n > ECG_TEMPLATE_MAX ? ECG_TEMPLATE_MAX : n;
}
