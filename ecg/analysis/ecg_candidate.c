/*
 * Candidates, and the likeliest sequence of beats among them. A candidate has a worth
 * (log odds of being a beat, from its height over the noise and its likeness to the
 * templates), a pair of successive beats a cost (too near, T wave, pause, off the
 * rhythm); the sequence with the highest sum is found by dynamic programming. This is
 * what threshold, refractory period, T wave test and search-back do one after the other
 * in detectors that look at each beat once.
 */
#include "ecg/analysis/ecg_detect_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACK = 12,     /* candidates over which a beat looks back */
    PERIOD_S = 30, /* what follows a beat is learnt per period and its neighbours */
    AFTER_BINS = 40,
    AFTER_BIN_MS = 20,
    SUMMITS = 256 /* places that are looked at together */
};

/* The heights are those at which a threshold would stand between noise (0) and the usual
 * beat (1): 0.3 to 0.45 in the literature. */
static const float LOWEST = 0.16F;       /* of a candidate */
static const float EVEN = 0.34F;         /* as likely a beat as not */
static const float WORTH_BELOW = 16;     /* per unit of height */
static const float WORTH_ABOVE = 12;     /* likewise */
static const float WORTH_MAX = 4;        /* of the height alone */
static const float WORTH_MIN = -5;       /* likewise */
static const float ALIKE = 0.85F;        /* correlation that speaks for a beat */
static const float ALIKE_WORTH = 15;     /* per unit of correlation above it */
static const float UNLIKE = 0.75F;       /* that speaks against */
static const float UNLIKE_WORTH = 6;     /* per unit below it, */
static const float UNLIKE_MOST = 3.5F;   /* and no more: a tall one is a beat of another kind */
static const float NOISE_MIN = 0.05F;    /* of the usual height */
static const float NOISE_MAX = 0.45F;    /* more is taken for beats all the same */
static const float REFRACTORY_S = 0.2F;  /* no beat is nearer to the one before */
static const float T_WAVE_S = 0.36F;     /* until here T waves look like beats */
static const float T_WAVE_LATE_S = 0.5F; /* and the late ones */
static const float PAUSE = 1.5F;         /* usual intervals; longer ones cost */
static const float PAUSE_MAX = 5;        /* and less beyond, */
static const float PAUSE_COST = 2.5F;    /* per usual interval, */
static const float PAUSE_LONG = 1.15F;   /* so that what parts a long one is to be worth 3 */
static const float EARLY = 0.6F;         /* shorter ones cost */
static const float EARLY_COST = 3;       /* per usual interval */
static const float ON_TIME = 0.7F;       /* what a beat within 12 % of its time gains */
static const float LONGEST_S = 2.5F;     /* interval that tells the usual one */
static const float SLOWEST_S = 12;       /* likewise of a heart that hardly beats */
static const float STEP_MOST = 8; /* more than WORTH_MAX, the likest shape and ON_TIME together */

/* Whether a place that is higher than the one before, and as high as the next, is the highest. */
static bool is_peak(const uint16_t *f, size_t n, size_t i, size_t reach)
{
    size_t from = i > reach ? i - reach : 0;
    size_t to = i + reach < n ? i + reach : n - 1;
    for (size_t k = i; k > from; k--)
        if (f[k - 1] > f[i])
            return false;
    for (size_t k = i + 1; k <= to; k++)
        if (f[k] > f[i])
            return false;
    return true;
}

/* One after the other: most places are far from any peak, which is seen of many at once. */
struct summits {
    const uint16_t *f;
    size_t n;
    uint16_t least;
    size_t from; /* of the places in `is` */
    uint8_t is[SUMMITS];
};

static bool is_summit(const struct summits *w, size_t i)
{
    uint16_t v = w->f[i];
    return v >= w->least && (i == 0 || w->f[i - 1] < v) && (i + 1 == w->n || w->f[i + 1] <= v);
}

static void look_ahead(struct summits *w, size_t from)
{
    const uint16_t *f = w->f + from;
    uint16_t least = w->least;
    w->from = from;
    if (from == 0 || from + SUMMITS >= w->n) {
        for (size_t i = 0; i < SUMMITS; i++)
            w->is[i] = from + i < w->n && is_summit(w, from + i);
        return;
    }
    for (size_t i = 0; i < SUMMITS; i++)
        w->is[i] = (uint8_t)((f[i] >= least) & (f[i - 1] < f[i]) & (f[i + 1] <= f[i]));
}

/* The first from there on; n or more: none. */
static size_t next_summit(struct summits *w, size_t i)
{
    while (i < w->n) {
        if (i - w->from >= SUMMITS)
            look_ahead(w, i);
        const uint8_t *hit = memchr(w->is + (i - w->from), 1, SUMMITS - (i - w->from));
        if (hit)
            return w->from + (size_t)(hit - w->is);
        i = w->from + SUMMITS;
    }
    return i;
}

enum base_err ecg_candidates_find(const struct ecg_signal *s, const struct ecg_feature *f,
                                  struct ecg_candidates *out)
{
    size_t reach = ecg_signal_span(s, 90);
    size_t skip = reach / 2;
    size_t most = s->n / (skip + 1) + 2;
    uint16_t least = (uint16_t)(LOWEST * ECG_FUSED_ONE);
    struct ecg_candidate *c = malloc(most * sizeof *c); /* of which few are used */
    size_t n = 0;
    if (!c)
        return BASE_ENOMEM;
    struct summits w = {.f = f->fused, .n = s->n, .least = least, .from = SIZE_MAX / 2};
    for (size_t i = next_summit(&w, 0); i < s->n && n < most; i = next_summit(&w, i + 1)) {
        if (!is_peak(f->fused, s->n, i, reach))
            continue;
        float height = (float)f->fused[i] / ECG_FUSED_ONE;
        c[n++] = (struct ecg_candidate){
            .at = i, .height = height, .likeness = NAN, .is_beat = height > 0.5F};
        i += skip;
    }
    *out = (struct ecg_candidates){.c = c, .n = n};
    return BASE_OK;
}

/* ---- what usually follows a beat ---- */

/* Height of the feature by the time after a beat: there the T wave shows, of whatever
 * height and place it has in this recording. */
struct after {
    float sum[AFTER_BINS];
    float n[AFTER_BINS];
    float usual[AFTER_BINS]; /* the mean, and a little more; 0 where there are few */
};

static size_t period_of(const struct ecg_signal *s, size_t at)
{
    return (size_t)((double)at / s->rate_hz / PERIOD_S);
}

/* From the beat at `from` up to shortly before the next one. */
static void learn_after(const struct ecg_signal *s, const struct ecg_feature *f, size_t from,
                        size_t to, struct after *a)
{
    enum { FIRST = 180 / AFTER_BIN_MS };
    uint16_t top[AFTER_BINS] = {0};
    size_t step = ecg_signal_span(s, AFTER_BIN_MS);
    size_t guard = ecg_signal_span(s, 130) + step;
    size_t end = to - from > guard ? (to - from - guard) / step : 0;
    end = end < AFTER_BINS ? end : AFTER_BINS;
    const uint16_t *v = f->fused + from;
    for (size_t i = 0; i < step; i++)
        for (size_t bin = FIRST; bin < end; bin++) {
            uint16_t x = v[bin * step + i];
            top[bin] = x > top[bin] ? x : top[bin];
        }
    for (size_t bin = FIRST; bin < end; bin++) {
        a->sum[bin] += top[bin] > ECG_FUSED_ONE ? 1 : (float)top[bin] / ECG_FUSED_ONE;
        a->n[bin] += 1;
    }
}

/* One per period; NULL when out of memory. */
static struct after *learn_periods(const struct ecg_signal *s, const struct ecg_feature *f,
                                   const struct ecg_candidates *c)
{
    size_t periods = period_of(s, s->n) + 1;
    struct after *own = calloc(periods, sizeof *own);
    struct after *wide = calloc(periods, sizeof *wide);
    size_t before = SIZE_MAX;
    for (size_t i = 0; i < c->n && own && wide; i++) {
        if (!c->c[i].is_beat)
            continue;
        if (before != SIZE_MAX)
            learn_after(s, f, before, c->c[i].at, &own[period_of(s, before)]);
        before = c->c[i].at;
    }
    for (size_t p = 0; p < periods && own && wide; p++)
        for (size_t k = p ? p - 1 : 0; k < periods && k <= p + 1; k++)
            for (size_t bin = 0; bin < AFTER_BINS; bin++) {
                wide[p].sum[bin] += own[k].sum[bin];
                wide[p].n[bin] += own[k].n[bin];
            }
    for (size_t p = 0; p < periods && own && wide; p++)
        for (size_t bin = 0; bin < AFTER_BINS; bin++)
            if (wide[p].n[bin] >= 5)
                wide[p].usual[bin] = wide[p].sum[bin] / wide[p].n[bin] * 1.2F;
    if (!own) {
        free(wide);
        wide = NULL;
    }
    free(own);
    return wide;
}

/* ---- the usual interval ---- */

enum { INTERVALS = 16 };

/* The last ones, as they came and in order. */
struct intervals {
    float came[INTERVALS];
    float sorted[INTERVALS];
    size_t count; /* of all that came */
};

static void add_interval(struct intervals *x, float gap)
{
    size_t n = x->count < INTERVALS ? x->count : INTERVALS;
    float *v = x->sorted;
    if (x->count >= INTERVALS) { /* the oldest gives way */
        float oldest = x->came[x->count % INTERVALS];
        size_t k = 0;
        while (k + 1 < n && v[k] != oldest)
            k++;
        memmove(v + k, v + k + 1, (n - k - 1) * sizeof *v);
        n--;
    }
    size_t k = n;
    for (; k > 0 && v[k - 1] > gap; k--)
        v[k] = v[k - 1];
    v[k] = gap;
    x->came[x->count++ % INTERVALS] = gap;
}

/* Mean of the middle half: half of them may be of extra beats and pauses. */
static float middle_mean(const struct intervals *x)
{
    size_t n = x->count < INTERVALS ? x->count : INTERVALS;
    float sum = 0;
    for (size_t i = n / 4; i < n - n / 4; i++)
        sum += x->sorted[i];
    return sum / (float)(n - n / 4 - n / 4);
}

/* The longest interval that tells the usual one. Where most of the time has none up to LONGEST_S,
 * pauses are the rhythm. */
static float longest_usual(const struct ecg_signal *s, const struct ecg_candidates *c)
{
    double near_s = 0, far_s = 0;
    size_t before = SIZE_MAX;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->c[i].is_beat)
            continue;
        double gap_s = before == SIZE_MAX ? 0 : (double)(c->c[i].at - before) / s->rate_hz;
        before = c->c[i].at;
        near_s += gap_s <= (double)LONGEST_S ? gap_s : 0;
        far_s += gap_s > (double)LONGEST_S && gap_s <= (double)SLOWEST_S ? gap_s : 0;
    }
    return far_s > near_s ? SLOWEST_S : LONGEST_S;
}

/* In s, for each candidate, from the beats around it that are not further apart than most_s. */
static void usual_intervals(const struct ecg_signal *s, const struct ecg_candidates *c,
                            float most_s, float *rr_s)
{
    struct intervals last = {.count = 0};
    size_t filled = 0, before = SIZE_MAX;
    float now = 0.8F;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->c[i].is_beat)
            continue;
        float gap = before == SIZE_MAX ? 0 : (float)((double)(c->c[i].at - before) / s->rate_hz);
        before = c->c[i].at;
        if (gap < 0.25F || gap > most_s)
            continue;
        add_interval(&last, gap);
        now = middle_mean(&last);
        /* It holds about the middle of the beats it was taken from. */
        for (; filled + INTERVALS < i + 2; filled++)
            rr_s[filled] = now;
    }
    for (; filled < c->n; filled++)
        rr_s[filled] = now;
}

/* ---- the choice ---- */

/* What a candidate is worth by itself: 0 = as likely a beat as not. */
static float worth(const struct ecg_candidate *c, float noise)
{
    noise = noise > NOISE_MAX ? NOISE_MAX : noise < NOISE_MIN ? NOISE_MIN : noise;
    float h = (c->height - noise) / (1 - noise) - EVEN;
    float w = h < 0 ? h * WORTH_BELOW : h * WORTH_ABOVE;
    w = w > WORTH_MAX ? WORTH_MAX : w < WORTH_MIN ? WORTH_MIN : w;
    if (isnan(c->likeness))
        return w;
    if (c->likeness > ALIKE)
        w += (c->likeness - ALIKE) * ALIKE_WORTH;
    else if (c->likeness < UNLIKE)
        w -= fminf((UNLIKE - c->likeness) * UNLIKE_WORTH, UNLIKE_MOST);
    return w;
}

/* The cost of b as the next beat after a, with rr_s usual there. */
static float step_cost(const struct ecg_candidate *a, const struct ecg_candidate *b, float gap_s,
                       float rr_s)
{
    float r = gap_s / rr_s;
    float cost = 0;
    if (gap_s < T_WAVE_LATE_S) {
        float ratio = b->height / a->height;
        if (gap_s < T_WAVE_S)
            cost += (T_WAVE_S - gap_s) * 12 + (ratio < 0.8F ? (0.8F - ratio) * 10 : 0);
        else
            cost += ratio < 0.5F ? (0.5F - ratio) * 6 : 0;
    }
    if (r > PAUSE)
        cost += (fminf(r, PAUSE_MAX) - PAUSE) * PAUSE_COST + fmaxf(r - PAUSE_MAX, 0) * PAUSE_LONG;
    else if (r < EARLY)
        cost += (EARLY - r) * EARLY_COST;
    else if (r > 0.88F && r < 1.12F)
        cost -= ON_TIME;
    return cost;
}

struct node {
    float score; /* of the best sequence that ends here */
    size_t back; /* index of the beat before, SIZE_MAX = none */
};

struct choice {
    const struct ecg_signal *s;
    const struct ecg_feature *f;
    struct ecg_candidate *c;
    struct after *after;
    float *rr_s;
    float *elapsed;
    struct node *node;
    size_t bin; /* of what follows a beat, in samples */
};

static float noise_at(const struct choice *j, size_t i)
{
    return (float)j->f->noise[j->c[i].at / j->f->segment] / ECG_FUSED_ONE;
}

static float interval_s(const struct choice *j, size_t before, size_t i)
{
    return (float)(j->c[i].at - j->c[before].at) / (float)j->s->rate_hz;
}

static bool may_follow(const struct choice *j, size_t before, size_t i)
{
    return interval_s(j, before, i) >= REFRACTORY_S;
}

/* Of so many usual intervals without a beat before the first one, or after the last. */
static float cost_outside(float intervals)
{
    return fmaxf(intervals - PAUSE_MAX, 0) * PAUSE_LONG;
}

static struct node best_node(const struct choice *j, size_t i)
{
    const struct ecg_candidate *c = &j->c[i];
    const struct after *after = &j->after[period_of(j->s, c->at)];
    float noise = noise_at(j, i);
    float own = worth(c, noise);
    struct node best = {own - cost_outside(j->elapsed[i]), SIZE_MAX};
    for (size_t k = i; k > 0 && i - k < BACK; k--) {
        /* No step gains more than this: those far back are out of the question. */
        if (j->node[k - 1].score + STEP_MOST < best.score || !may_follow(j, k - 1, i))
            continue;
        size_t gap = c->at - j->c[k - 1].at;
        float usual = gap < AFTER_BINS * j->bin ? after->usual[gap / j->bin] : 0;
        float score = j->node[k - 1].score + (usual > noise ? worth(c, usual) : own) -
                      step_cost(&j->c[k - 1], c, interval_s(j, k - 1, i), j->rr_s[i]);
        if (score > best.score)
            best = (struct node){score, k - 1};
    }
    return best;
}

/* elapsed[i]: usual intervals from the start to there. */
static void count_intervals(struct choice *j, size_t n)
{
    double at_s = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double now_s = (double)j->c[i].at / j->s->rate_hz;
        sum += (now_s - at_s) / (double)j->rr_s[i];
        at_s = now_s;
        j->elapsed[i] = (float)sum;
    }
}

static void choose(struct choice *j, size_t n)
{
    size_t best = SIZE_MAX, last = SIZE_MAX;
    float last_score = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        float begun = cost_outside(j->elapsed[i]);
        j->node[i] = best_node(j, i);
        /* Where nothing within reach leads here, it goes on from the best so far. */
        if (j->node[i].back == SIZE_MAX && best != SIZE_MAX && i > BACK && may_follow(j, best, i) &&
            j->node[best].score + begun > PAUSE_COST) {
            j->node[i].score += begun + j->node[best].score - PAUSE_COST;
            j->node[i].back = best;
        }
        if (best == SIZE_MAX || j->node[i].score >= j->node[best].score)
            best = i;
        float ended = j->node[i].score - cost_outside(j->elapsed[n - 1] - j->elapsed[i]);
        if (ended >= last_score) {
            last_score = ended;
            last = i;
        }
        j->c[i].is_beat = false;
    }
    for (size_t i = last; i != SIZE_MAX; i = j->node[i].back) {
        size_t back = j->node[i].back;
        assert(back == SIZE_MAX || (back < i && may_follow(j, back, i)));
        j->c[i].is_beat = back != SIZE_MAX || worth(&j->c[i], noise_at(j, i)) > 0;
    }
}

enum base_err ecg_candidates_choose(const struct ecg_signal *s, const struct ecg_feature *f,
                                    struct ecg_candidates *c)
{
    struct choice j = {.s = s, .f = f, .c = c->c, .bin = ecg_signal_span(s, AFTER_BIN_MS)};
    j.after = learn_periods(s, f, c);
    j.rr_s = calloc(c->n + 1, sizeof *j.rr_s);
    j.elapsed = calloc(c->n + 1, sizeof *j.elapsed);
    j.node = calloc(c->n + 1, sizeof *j.node);
    enum base_err e = j.after && j.rr_s && j.elapsed && j.node ? BASE_OK : BASE_ENOMEM;
    if (!e) {
        usual_intervals(s, c, longest_usual(s, c), j.rr_s);
        count_intervals(&j, c->n);
        choose(&j, c->n);
    }
    free(j.after);
    free(j.rr_s);
    free(j.elapsed);
    free(j.node);
    return e;
}
