/* Templates of complexes: the few shapes that a recording's beats have. */
#include "ecg/analysis/ecg_template_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFTS = 3, MEMORY = 16 /* beats that a template remembers */ };
static const float SAME = 0.90F;

/* Weight over norm of each lead's samples from a place on, so that a correlation with any
 * template is a sum of products. The sums fit: ECG_SIGNAL_RANGE. */
struct piece {
    size_t from;
    float factor[ECG_SIGNAL_LEADS];
};

static struct piece piece_at(const struct ecg_templates *ts, size_t from)
{
    const struct ecg_signal *s = ts->signal;
    size_t segment = from / ts->feature->segment;
    size_t segments = ts->feature->segments;
    struct piece p = {.from = from};
    float all = 0;
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k] + from;
        int32_t sum = 0, squares = 0;
        for (size_t i = 0; i < ts->span; i++) {
            sum += x[i];
            squares += (int32_t)x[i] * x[i];
        }
        float power = (float)squares - (float)sum * (float)sum / (float)ts->span;
        float w = (float)ts->feature->weights[k * segments + segment] + 0.5F;
        p.factor[k] = power > 1 ? w / sqrtf(power) : 0;
        all += w;
    }
    for (size_t k = 0; k < s->nleads; k++)
        p.factor[k] /= all;
    return p;
}

/* A template has zero mean, so that of the samples does not matter. */
static float likeness_of(const struct ecg_templates *ts, const struct ecg_template *t,
                         const struct piece *p)
{
    const struct ecg_signal *s = ts->signal;
    float sum = 0;
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k] + p->from;
        int32_t dot = 0;
        for (size_t i = 0; i < ts->span; i++)
            dot += (int32_t)x[i] * t->t[k][i];
        sum += t->norm[k] > 0 ? p->factor[k] * (float)dot / t->norm[k] : 0;
    }
    return sum;
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
    *which = SIZE_MAX;
    *shift = 0;
    if (!start_of(ts, at, &from))
        return NAN;
    float best = -2;
    struct piece middle = piece_at(ts, from);
    for (size_t i = 0; i < ts->n; i++) {
        coarse[i] = ts->t[i].count >= least ? likeness_of(ts, &ts->t[i], &middle) : -2;
        if (coarse[i] > best) {
            best = coarse[i];
            *which = i;
        }
    }
    if (best < -1)
        return NAN;
    float rough = best;
    for (int d = -SHIFTS; d <= SHIFTS && best < 0.97F; d++) {
        struct piece p = piece_at(ts, (size_t)((int64_t)from + d));
        for (size_t i = 0; i < ts->n; i++) {
            if (coarse[i] < rough - 0.4F || coarse[i] < -1)
                continue;
            float l = likeness_of(ts, &ts->t[i], &p);
            if (l > best) {
                best = l;
                *which = i;
                *shift = d;
            }
        }
    }
    return best;
}

float ecg_template_compare(const struct ecg_templates *ts, size_t which, size_t at, int *shift)
{
    size_t from;
    float best = NAN;
    *shift = 0;
    if (which >= ts->n || !start_of(ts, at, &from))
        return best;
    for (int d = -SHIFTS; d <= SHIFTS; d++) {
        struct piece p = piece_at(ts, (size_t)((int64_t)from + d));
        float l = likeness_of(ts, &ts->t[which], &p);
        *shift = isnan(best) || l > best ? d : *shift;
        best = isnan(best) || l > best ? l : best;
    }
    return best;
}

static void finish(struct ecg_template *t, size_t k, size_t n)
{
    int64_t sum = 0;
    int64_t squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += t->t[k][i];
    int32_t mean = (int32_t)(sum / (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        t->t[k][i] = (int16_t)(t->t[k][i] - mean);
        squares += (int32_t)t->t[k][i] * t->t[k][i];
    }
    t->norm[k] = sqrtf((float)squares);
}

static void blend(struct ecg_templates *ts, struct ecg_template *t, size_t from)
{
    int32_t share = (int32_t)(t->count < MEMORY ? t->count : MEMORY);
    for (size_t k = 0; k < ts->signal->nleads; k++) {
        const int16_t *x = ts->signal->x[k] + from;
        int32_t mean = 0;
        for (size_t i = 0; i < ts->span; i++)
            mean += x[i];
        mean /= (int32_t)ts->span;
        for (size_t i = 0; i < ts->span; i++) {
            int32_t v = x[i] - mean;
            v = v > ECG_SIGNAL_RANGE    ? ECG_SIGNAL_RANGE
                : v < -ECG_SIGNAL_RANGE ? -ECG_SIGNAL_RANGE
                                        : v;
            t->t[k][i] = (int16_t)((t->t[k][i] * share + v) / (share + 1));
        }
        finish(t, k, ts->span);
    }
    t->count++;
}

size_t ecg_template_learn(struct ecg_templates *ts, size_t at)
{
    size_t which, from;
    int shift;
    float l = ecg_template_match(ts, at, 1, &which, &shift);
    if (!start_of(ts, at, &from))
        return SIZE_MAX;
    if (!isnan(l) && l >= SAME) {
        blend(ts, &ts->t[which], (size_t)((int64_t)from + shift));
        ts->t[which].last = at;
        return which;
    }
    size_t slot = ts->n;
    if (ts->n < ECG_TEMPLATES) {
        ts->n++;
    } else { /* the rarest gives way; of these the one not seen for longest */
        slot = 0;
        for (size_t i = 1; i < ts->n; i++)
            if (ts->t[i].count < ts->t[slot].count ||
                (ts->t[i].count == ts->t[slot].count && ts->t[i].last < ts->t[slot].last))
                slot = i;
    }
    ts->t[slot] = (struct ecg_template){.last = at};
    blend(ts, &ts->t[slot], from);
    return slot;
}

void ecg_templates_init(struct ecg_templates *ts, const struct ecg_signal *s,
                        const struct ecg_feature *f, double span_ms)
{
    size_t n = ecg_signal_span(s, span_ms);
    memset(ts, 0, sizeof *ts);
    ts->signal = s;
    ts->feature = f;
    ts->span = n < 8 ? 8 : n > ECG_TEMPLATE_MAX ? ECG_TEMPLATE_MAX : n;
}
