#include "ecg/analysis/ecg_atrial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    HZ = 125, /* of what is left of the leads */
    GROUP = ECG_WINDOW_HZ / HZ,
    SLOW_SPAN_S = 30, /* of a block of slow complexes, from the first to the last */
    SPAN = (SLOW_SPAN_S + 3) * HZ,
    LEADS = 8,
    REACH = 7, /* samples either side of a P wave: 56 ms */
    SHAPE = 2 * REACH + 1,
    WAVES = 64,  /* that may be P waves, of a block */
    HIDDEN = 3,  /* of a train in a row that may be hidden */
    BLOCKS = 16, /* of a long recording that are looked at */
    LEAST = 5,   /* waves of a train */
    U_TELLS = 6, /* leads: so many show whether a wave is P or U, in few the two look alike */
    /* Samples from the end of T, 144 ms: the middle of a U wave, which is 90 to 110 ms there, and
     * of one that was taken for later. */
    U_REACH = 18
};
static const double ROOM_S = 1.0;      /* an interval that leaves room for two P waves */
static const float SLOW_MS = 2000;     /* one that has more: two of them are enough */
static const double MARGIN_S = 1.5;    /* looked at before the first and after the last beat */
static const float WAVE_UV = 10;       /* root of the mean square over the leads */
static const float WAVE_NOISE = 2.2F;  /* times the median of what is left */
static const float LIKE_SEED = 0.8F;   /* correlation of the two that begin a train, */
static const float LIKE_NEXT = 0.65F;  /* and of those that go on with it */
static const float STEADY = 0.12F;     /* change of the interval from one to the next */
static const float PP_LEAST_S = 0.34F; /* 176/min; faster is tachycardia or flutter */
static const float PP_MOST_S = 1.6F;

enum place { PLAIN, ON_T, ON_QRS };

struct wave {
    int at;
    float uv;
    float norm;
    float shape[LEADS * SHAPE];
};

struct train {
    int at[WAVES * 2]; /* in order of time */
    bool found[WAVES * 2];
    size_t n;
    size_t hits;
    size_t missed;
    size_t hidden;
    float score;
};

struct work {
    struct ecg_block block;
    struct ecg_mean mean;
    struct ecg_waves_of_mean waves;
    double from_s;
    int n; /* samples at HZ */
    size_t nleads;
    float strip[SPAN * GROUP];
    float x[LEADS][SPAN];
    uint8_t place[SPAN];
    float e[SPAN];
    struct wave wave[WAVES];
    size_t nwaves;
    struct train best;
    struct train next;
};

/* ---- what is left of the leads ---- */

static int sample_at(const struct work *w, double at_s)
{
    return (int)lrint((at_s - w->from_s) * HZ);
}

static const struct ecg_beat *beat_of(const struct work *w, size_t i)
{
    return &w->block.beats->beat[w->block.first + i];
}

static bool is_usual(const struct work *w, size_t i)
{
    const struct ecg_beat *b = beat_of(w, i);
    return b->shape == w->block.beats->dominant && b->code != ECG_CODE_PVC;
}

/* The mean complex with its T wave is taken away at each usual beat, with soft ends. */
static void subtract(struct work *w, size_t lead, int from, int to)
{
    enum { SOFT = 10 };
    int all = w->n * GROUP;
    for (size_t i = 0; i < w->block.n; i++) {
        int at = (int)lrint((w->block.fiducial_s[i] - w->from_s) * ECG_WINDOW_HZ);
        for (int k = from; is_usual(w, i) && k < to; k++) {
            int s = at - ECG_WINDOW_BEFORE + k;
            int edge = k - from < to - 1 - k ? k - from : to - 1 - k;
            float part = edge < SOFT ? (float)(edge + 1) / (SOFT + 1) : 1;
            if (s >= 0 && s < all)
                w->strip[s] -= part * w->mean.x[lead][k];
        }
    }
}

static void mark(struct work *w, int from, int to, enum place p)
{
    for (int i = from < 0 ? 0 : from; i < to && i < w->n; i++)
        if (w->place[i] < p)
            w->place[i] = (uint8_t)p;
}

/* Complexes hide a P wave, T waves may. */
static void mark_places(struct work *w)
{
    const int *at = w->waves.all.at;
    memset(w->place, PLAIN, sizeof w->place);
    for (size_t i = 0; i < w->block.n; i++) {
        int r = sample_at(w, w->block.fiducial_s[i]);
        int on = (at[ECG_POINT_QRS_ON] - ECG_WINDOW_BEFORE) / GROUP;
        int off = (at[ECG_POINT_QRS_OFF] - ECG_WINDOW_BEFORE) / GROUP;
        int t = at[ECG_POINT_T_OFF] == ECG_POINT_NONE
                    ? off + HZ * 3 / 10
                    : (at[ECG_POINT_T_OFF] - ECG_WINDOW_BEFORE) / GROUP;
        if (is_usual(w, i)) {
            mark(w, r + on, r + off + 3, ON_QRS);
            mark(w, r + off, r + t, ON_T);
        } else {
            mark(w, r - HZ / 10, r + HZ / 10, ON_QRS);
            mark(w, r, r + HZ * 45 / 100, ON_T);
        }
    }
}

/* Over complexes the line goes straight. */
static void bridge(const struct work *w, float *x)
{
    for (int i = 0; i < w->n; i++) {
        int end = i;
        while (end < w->n && w->place[end] == ON_QRS)
            end++;
        if (end == i)
            continue;
        float a = i ? x[i - 1] : end < w->n ? x[end] : 0;
        float b = end < w->n ? x[end] : a;
        for (int k = i; k < end; k++)
            x[k] = a + (b - a) * (float)(k - i + 1) / (float)(end - i + 1);
        i = end;
    }
}

static void take_rest(struct work *w)
{
    int on = w->waves.all.at[ECG_POINT_QRS_ON], t = w->waves.all.at[ECG_POINT_T_OFF];
    int off = w->waves.all.at[ECG_POINT_QRS_OFF];
    int from = on > 5 ? on - 5 : 0;
    int to = (t == ECG_POINT_NONE ? off + ecg_window_ms(300) : t) + 20;
    to = to < ECG_WINDOW ? to : ECG_WINDOW;
    for (size_t k = 0; k < w->nleads; k++) {
        (void)ecg_window_read(w->block.leads[k], w->from_s, (size_t)(w->n * GROUP), w->strip);
        subtract(w, k, from, to);
        for (int i = 0; i < w->n; i++) {
            const float *s = w->strip + (size_t)i * GROUP;
            w->x[k][i] = (s[0] + s[1] + s[2] + s[3]) / GROUP;
        }
        bridge(w, w->x[k]);
    }
}

/* ---- waves ---- */

/* The mean about each sample less that of what lies beside it, over all leads. */
static void find_energy(struct work *w)
{
    enum { MIDDLE = 3, NEAR = 9, FAR = 14, SIDE = FAR - NEAR + 1 };
    double sum[SPAN + 1];
    memset(w->e, 0, sizeof w->e);
    for (size_t k = 0; k < w->nleads; k++) {
        sum[0] = 0;
        for (int i = 0; i < w->n; i++)
            sum[i + 1] = sum[i] + (double)w->x[k][i];
        for (int i = FAR; i + FAR < w->n; i++) {
            double middle = (sum[i + MIDDLE + 1] - sum[i - MIDDLE]) / (2 * MIDDLE + 1);
            double sides =
                (sum[i - NEAR + 1] - sum[i - FAR] + sum[i + FAR + 1] - sum[i + NEAR]) / (2 * SIDE);
            w->e[i] += (float)((middle - sides) * (middle - sides));
        }
    }
    for (int i = 0; i < w->n; i++)
        w->e[i] = sqrtf(w->e[i] / (float)w->nleads);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median_of(float *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return n ? v[n / 2] : 0;
}

/* About a straight line between its ends. */
static void take_shape(const struct work *w, struct wave *v)
{
    double squares = 0;
    for (size_t k = 0; k < w->nleads; k++) {
        const float *x = w->x[k] + v->at - REACH;
        float a = (x[0] + x[1]) / 2, b = (x[SHAPE - 2] + x[SHAPE - 1]) / 2;
        for (int i = 0; i < SHAPE; i++) {
            float y = x[i] - a - (b - a) * ((float)i - 0.5F) / (SHAPE - 2);
            v->shape[k * SHAPE + (size_t)i] = y;
            squares += (double)(y * y);
        }
    }
    v->norm = (float)sqrt(squares) + 1e-3F;
}

static void find_waves(struct work *w)
{
    enum { APART = 14 }; /* a wave has shadows beside it */
    static const int END = 14;
    size_t n = 0;
    for (int i = END; i + END < w->n; i++)
        if (w->place[i] == PLAIN)
            w->strip[n++] = w->e[i];
    float least = fmaxf(WAVE_UV, WAVE_NOISE * median_of(w->strip, n));
    w->nwaves = 0;
    for (int i = END; i + END < w->n && w->nwaves < WAVES; i++) {
        bool is_top = w->e[i] >= least && w->place[i] != ON_QRS;
        for (int k = i - APART; k <= i + APART && is_top; k++)
            is_top = k < 0 || k >= w->n || w->e[k] < w->e[i] || (w->e[k] <= w->e[i] && k >= i);
        if (!is_top)
            continue;
        struct wave *v = &w->wave[w->nwaves++];
        v->at = i;
        v->uv = w->e[i];
        take_shape(w, v);
    }
}

/* Correlation over all leads. */
static float likeness(const struct work *w, const float *shape, float norm, const struct wave *v)
{
    float dot = 0;
    for (size_t i = 0; i < w->nleads * SHAPE; i++)
        dot += shape[i] * v->shape[i];
    return dot / (norm * v->norm);
}

/* ---- trains ---- */

struct model {
    float shape[LEADS * SHAPE];
    float norm;
    float uv;
};

static bool is_like(const struct work *w, const struct model *m, const struct wave *v)
{
    return v->uv > 0.45F * m->uv && v->uv < 2.2F * m->uv &&
           likeness(w, m->shape, m->norm, v) >= LIKE_NEXT;
}

/* The wave of the model nearest to this place, at most so far from it. */
static const struct wave *find_near(const struct work *w, const struct model *m, float at,
                                    float reach)
{
    const struct wave *best = NULL;
    for (size_t i = 0; i < w->nwaves; i++) {
        const struct wave *v = &w->wave[i];
        float d = fabsf((float)v->at - at);
        if (d <= reach && (!best || d < fabsf((float)best->at - at)) && is_like(w, m, v))
            best = v;
    }
    return best;
}

/* Whether a P wave at this place may not show. */
static bool may_hide(const struct work *w, int at)
{
    for (int i = at - 4; i <= at + 4; i++)
        if (i < 0 || i >= w->n || w->place[i] != PLAIN)
            return true;
    return false;
}

/* From a wave of the train on, or (step < 0) back; PP in samples. */
static void follow(const struct work *w, const struct model *m, float from, float pp, int step,
                   struct train *t)
{
    float at = from, last = from;
    int unseen = 0;
    while (t->n < WAVES * 2 - 1) {
        at += (float)step * pp;
        if (at < 14 || at > (float)(w->n - 15))
            break;
        const struct wave *v = find_near(w, m, at, fmaxf(STEADY * pp, 4) * (unseen ? 1.3F : 1));
        if (v) {
            float found = fabsf((float)v->at - last) / (float)(unseen + 1);
            pp = 0.7F * pp + 0.3F * found;
            at = last = (float)v->at;
            unseen = 0;
            t->hits++;
        } else {
            unseen++;
            if (may_hide(w, (int)at))
                t->hidden++;
            else
                t->missed++;
            if (unseen > HIDDEN)
                break;
        }
        t->at[t->n] = (int)at;
        t->found[t->n++] = v != NULL;
    }
    t->n -= (size_t)unseen < t->n ? (size_t)unseen : t->n; /* it ends with a wave */
}

static void sort_train(struct train *t)
{
    for (size_t i = 1; i < t->n; i++)
        for (size_t k = i; k > 0 && t->at[k - 1] > t->at[k]; k--) {
            int at = t->at[k];
            bool found = t->found[k];
            t->at[k] = t->at[k - 1];
            t->found[k] = t->found[k - 1];
            t->at[k - 1] = at;
            t->found[k - 1] = found;
        }
}

/* Waves just like the train's that it leaves out speak against it. */
static size_t strangers(const struct work *w, const struct model *m, const struct train *t)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nwaves; i++) {
        bool is_in = false;
        for (size_t k = 0; k < t->n; k++)
            is_in |= abs(t->at[k] - w->wave[i].at) < 6;
        n += !is_in && w->place[w->wave[i].at] == PLAIN && is_like(w, m, &w->wave[i]);
    }
    return n;
}

static void try_pair(struct work *w, const struct wave *a, const struct wave *b)
{
    struct model m = {.uv = (a->uv + b->uv) / 2};
    struct train *t = &w->next;
    float pp = (float)(b->at - a->at);
    double squares = 0;
    for (size_t i = 0; i < w->nleads * SHAPE; i++) {
        m.shape[i] = a->shape[i] + b->shape[i];
        squares += (double)(m.shape[i] * m.shape[i]);
    }
    m.norm = (float)sqrt(squares) + 1e-3F;
    *t = (struct train){.at = {a->at}, .found = {true}, .n = 1, .hits = 1};
    follow(w, &m, (float)a->at, pp, 1, t);
    follow(w, &m, (float)a->at, pp, -1, t);
    if (t->hits < LEAST || t->missed * 6 > t->hits || t->hidden > t->hits)
        return;
    size_t out = strangers(w, &m, t);
    if (out * 5 > t->hits)
        return;
    t->score =
        (float)t->hits - 1.5F * (float)t->missed - 0.3F * (float)t->hidden - 0.7F * (float)out;
    if (t->score > w->best.score) {
        sort_train(t);
        w->best = *t;
    }
}

static bool find_train(struct work *w)
{
    w->best = (struct train){0};
    for (size_t i = 0; i < w->nwaves; i++)
        for (size_t k = i + 1; k < w->nwaves; k++) {
            const struct wave *a = &w->wave[i], *b = &w->wave[k];
            float pp = (float)(b->at - a->at);
            if (pp >= PP_LEAST_S * HZ && pp <= PP_MOST_S * HZ && a->uv < 2 * b->uv &&
                b->uv < 2 * a->uv && likeness(w, a->shape, a->norm, b) >= LIKE_SEED)
                try_pair(w, a, b);
        }
    return w->best.n > 0;
}

/* ---- what they say ---- */

struct spans {
    size_t n; /* intervals between usual beats, and of each */
    float rr_ms[ECG_MEAN_BEATS];
    int p[ECG_MEAN_BEATS];           /* P waves in it */
    float pr_ms[ECG_MEAN_BEATS];     /* of the beat that ends it; NAN */
    float before_ms[ECG_MEAN_BEATS]; /* and of the one that begins it */
    size_t blocked;                  /* P waves but the last of each interval, */
    size_t clear;                    /* and of them those found where no T wave is, */
    size_t beyond_u;                 /* and no U wave either */
};

/* From the last P wave that was found before the complex; NAN when it is a hidden one. */
static float pr_of(const struct work *w, size_t beat)
{
    enum { HALF = 6 }; /* of a P wave of 96 ms: its mean shape may be none */
    int on = (w->waves.all.at[ECG_POINT_QRS_ON] - ECG_WINDOW_BEFORE) / GROUP;
    int qrs = sample_at(w, w->block.fiducial_s[beat]) + on;
    for (size_t i = w->best.n; i > 0; i--)
        if (w->best.at[i - 1] < qrs - 4)
            return w->best.found[i - 1] ? (float)(qrs - w->best.at[i - 1] + HALF) * 1000 / HZ : NAN;
    return NAN;
}

/* Samples after a usual beat from which on a wave is none of its T wave, nor its U wave. */
static int end_of_waves(const struct work *w)
{
    int t = w->waves.all.at[ECG_POINT_T_OFF];
    bool may_be_u = t != ECG_POINT_NONE && w->nleads < U_TELLS;
    return may_be_u ? (t - ECG_WINDOW_BEFORE) / GROUP + U_REACH : 0;
}

static void take_spans(const struct work *w, struct spans *s)
{
    const struct train *t = &w->best;
    int free_from = end_of_waves(w);
    *s = (struct spans){0};
    for (size_t i = 1; i < w->block.n; i++) {
        int from = sample_at(w, w->block.fiducial_s[i - 1]);
        int to = sample_at(w, w->block.fiducial_s[i]);
        if (!is_usual(w, i) || !is_usual(w, i - 1) || t->at[0] > to || t->at[t->n - 1] < from)
            continue;
        s->rr_ms[s->n] = (float)(to - from) * 1000 / HZ;
        s->p[s->n] = 0;
        for (size_t k = 0; k < t->n; k++)
            if (t->at[k] >= from && t->at[k] < to) {
                bool is_last = k + 1 == t->n || t->at[k + 1] >= to;
                s->p[s->n]++;
                s->blocked += !is_last;
                bool is_clear = !is_last && t->found[k] && w->place[t->at[k]] == PLAIN;
                s->clear += is_clear;
                s->beyond_u += is_clear && t->at[k] - from >= free_from;
            }
        s->pr_ms[s->n] = pr_of(w, i);
        s->before_ms[s->n++] = pr_of(w, i - 1);
    }
}

struct extent {
    float least;
    float most;
    size_t n;
};

static struct extent extent_of(const float *v, size_t n)
{
    struct extent e = {INFINITY, -INFINITY, 0};
    for (size_t i = 0; i < n; i++)
        if (!isnan(v[i])) {
            e.least = fminf(e.least, v[i]);
            e.most = fmaxf(e.most, v[i]);
            e.n++;
        }
    return e;
}

/* How much the complexes keep to one place between P waves: 1 = all do, 0 = none. */
static float locking(const struct spans *s, float pp_ms)
{
    float x = 0, y = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!isnan(s->pr_ms[i])) {
            x += cosf(2 * (float)M_PI * s->pr_ms[i] / pp_ms);
            y += sinf(2 * (float)M_PI * s->pr_ms[i] / pp_ms);
            n++;
        }
    return n ? hypotf(x, y) / (float)n : 1;
}

/* Complexes as even as this do not follow waves from which they move away, always to one side,
 * though there are two waves to each: for so few beats of a block that looks like 2:1. */
static bool drifts(const struct spans *s, struct extent pr, struct extent rr)
{
    static const float EVEN = 0.04F, DRIFT_MS = 60;
    size_t two = 0, up = 0, down = 0;
    float last = NAN;
    for (size_t i = 0; i < s->n; i++) {
        two += s->p[i] >= 2;
        if (isnan(s->pr_ms[i]))
            continue;
        up += s->pr_ms[i] > last;
        down += s->pr_ms[i] < last;
        last = s->pr_ms[i];
    }
    return s->n >= 4 && two == s->n && pr.n >= 4 && (up == 0 || down == 0) &&
           pr.most - pr.least >= DRIFT_MS && rr.most - rr.least <= EVEN * rr.most &&
           s->beyond_u * 4 >= s->blocked * 3;
}

/* Regular slow complexes, faster regular P waves, and any interval between the two. */
static bool is_third(const struct spans *s, struct extent pr, float pp_ms, float rr_ms)
{
    struct extent rr = extent_of(s->rr_ms, s->n);
    size_t least = rr_ms >= SLOW_MS ? 2 : 3;
    bool is_any = pr.most - pr.least >= fmaxf(150, 0.3F * pp_ms) && locking(s, pp_ms) < 0.75F;
    return s->n >= least && pr.n >= least && rr_ms >= 1000 && rr.most - rr.least <= 0.12F * rr_ms &&
           pp_ms <= 0.87F * rr_ms && (is_any || drifts(s, pr, rr));
}

static void classify_pauses(const struct spans *s, struct extent pr, struct ecg_atrial *out)
{
    size_t conducted = 0, two = 0, more = 0;
    float usual_ms[ECG_MEAN_BEATS];
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i] == 1)
            usual_ms[conducted++] = s->rr_ms[i];
        two += s->p[i] == 2;
        more += s->p[i] > 2;
    }
    out->blocked = two + 2 * more;
    bool is_steady = pr.n >= 2 && pr.most - pr.least <= 50 && pr.least >= 90 && pr.most <= 500;
    if (s->clear * 4 < s->blocked * 3) /* what is left of T waves resembles P waves */
        return;
    if (more > 0 && is_steady)
        out->block = ECG_AV_ADVANCED;
    else if (two >= 3 && conducted == 0 && is_steady && s->beyond_u * 4 >= s->blocked * 3)
        out->block = ECG_AV_TWO_TO_ONE;
    if (out->block || two == 0 || more > 0 || conducted < 2)
        return;
    float usual = median_of(usual_ms, conducted);
    for (size_t i = 0; i < s->n; i++) {
        float fall = s->before_ms[i] - s->pr_ms[i];
        if (s->p[i] != 2 || s->rr_ms[i] < 1.25F * usual || isnan(fall) || s->pr_ms[i] < 90 ||
            s->before_ms[i] > 500)
            continue;
        out->pr_before_ms = s->before_ms[i];
        out->pr_after_ms = s->pr_ms[i];
        if (fall >= 25)
            out->block = ECG_AV_TYPE_1;
        else if (is_steady && fabsf(fall) <= 20 && s->rr_ms[i] > 1.7F * usual)
            out->block = ECG_AV_TYPE_2;
    }
}

static void judge(const struct work *w, struct ecg_atrial *out)
{
    struct spans s;
    const struct train *t = &w->best;
    *out = (struct ecg_atrial){.p = t->hits, .pr_before_ms = NAN, .pr_after_ms = NAN};
    take_spans(w, &s);
    if (s.n < 2)
        return;
    float rr_ms[ECG_MEAN_BEATS];
    memcpy(rr_ms, s.rr_ms, sizeof rr_ms);
    float pp_ms = (float)(t->at[t->n - 1] - t->at[0]) * 1000 / HZ / (float)(t->n - 1);
    struct extent pr = extent_of(s.pr_ms, s.n);
    out->atrial_bpm = 60000 / pp_ms;
    out->rr_ms = median_of(rr_ms, s.n);
    out->pr_least_ms = pr.least;
    out->pr_most_ms = pr.most;
    if (s.n >= 3)
        classify_pauses(&s, pr, out);
    if (!out->block && is_third(&s, pr, pp_ms, out->rr_ms))
        out->block = ECG_AV_THIRD;
}

/* ---- the recording ---- */

static bool has_room(const struct ecg_block *k)
{
    const struct ecg_beat *b = k->beats->beat + k->first;
    for (size_t i = 1; i < k->n; i++)
        if (!b[i].after_gap && b[i].at_s - b[i - 1].at_s >= ROOM_S)
            return true;
    return false;
}

/* Blocks of means end at a pause; here pauses are looked into. */
static void take_block(struct work *w, const struct ecg_lead *const *leads,
                       const struct ecg_beats *b, size_t first)
{
    enum { FEW = 4 };
    struct ecg_block *k = &w->block;
    ecg_block_init(k, leads, w->nleads, b, first);
    while (k->n <= FEW && first + k->n < b->n &&
           b->beat[first + k->n].at_s - b->beat[first].at_s < SLOW_SPAN_S) {
        k->fiducial_s[k->n] = b->beat[first + k->n].at_s;
        k->n++;
    }
}

static bool look_at(struct work *w, struct ecg_atrial *out)
{
    bool member[ECG_MEAN_BEATS];
    size_t usual = 0;
    for (size_t i = 0; i < w->block.n; i++)
        usual += member[i] = is_usual(w, i);
    if (usual < 3)
        return false;
    ecg_mean_take(&w->block, member, &w->mean);
    ecg_delineate(&w->mean, &w->waves);
    double first_s = w->block.fiducial_s[0], last_s = w->block.fiducial_s[w->block.n - 1];
    w->from_s = fmax(0, first_s - MARGIN_S);
    double to_s = fmin(w->block.beats->seconds, last_s + MARGIN_S);
    w->n = (int)((to_s - w->from_s) * HZ);
    w->n = w->n < SPAN ? w->n : SPAN;
    mark_places(w);
    take_rest(w);
    find_energy(w);
    find_waves(w);
    if (!find_train(w))
        return false;
    judge(w, out);
    return true;
}

enum base_err ecg_atrial_find(const struct ecg_record *r, const struct ecg_beats *b,
                              struct ecg_atrial *out)
{
    const struct ecg_lead *leads[LEADS];
    size_t n = ecg_window_leads(r, leads, LEADS);
    bool is_long = b->n > (size_t)BLOCKS * ECG_MEAN_BEATS;
    *out = (struct ecg_atrial){0};
    struct work *w = NULL;
    for (size_t at = 0, blocks = 0; n > 0 && at < b->n && blocks < BLOCKS; blocks++) {
        struct ecg_block probe = {.beats = b, .first = at};
        while (probe.n < ECG_MEAN_BEATS && at + probe.n < b->n)
            probe.n++;
        size_t step = probe.n;
        if (has_room(&probe)) {
            struct ecg_atrial found;
            w = w ? w : malloc(sizeof *w);
            if (!w)
                return BASE_ENOMEM;
            w->nleads = n;
            take_block(w, leads, b, at);
            step = w->block.n;
            if (look_at(w, &found) && found.block > out->block)
                *out = found;
        }
        at = is_long ? (blocks + 1) * b->n / BLOCKS : at + step;
    }
    free(w);
    return BASE_OK;
}
