#include "ecg/analysis/ecg_flutter.h"

#include <math.h>
#include <stdlib.h>

enum {
    HZ = 125,
    GROUP = ECG_WINDOW_HZ / HZ,
    LONGEST = 10 * HZ,
    LEADS = 8,
    LEADS_LEAST = 6, /* fewer agree by chance */
    GAPS = 64,
    LAG_LEAST = 168 * HZ / 1000, /* 357 a minute, */
    LAG_MOST = 288 * HZ / 1000,  /* and 208: the ends are no tops */
    PAIRS_LEAST = 80             /* samples that are compared with those a cycle later */
};
static const float SURE_P_MS = 110;      /* waves of flutter fill their cycle; */
static const float SURE_P_EVEN_MS = 145; /* in an even rhythm T is always as far before P */
static const float EVEN = 0.045F;
static const float LIKENESS = 0.6F;

/* From the end of T to the next QRS, where nothing but the atria has a wave. */
struct gap {
    int from;
    int to;
};

struct strip {
    size_t nleads;
    int n;
    float x[LEADS][LONGEST]; /* slopes: T's tail and the baseline have little */
    struct gap gap[GAPS];
    size_t ngaps;
};

/* QT of a rate of 60 as most have at most, by Framingham's correction, and what QRS is longer. Not
 * where T was seen to end: a wave of flutter may have been taken for it. */
static double usual_qt_s(const struct ecg_figures *f)
{
    double rr_s = fmin(f->rate.rr_median_ms / 1000, 1);
    return 0.410 - 0.154 * (1 - rr_s) + fmax(0, (double)f->qrs_ms - 100) / 1000;
}

static void find_gaps(const struct ecg_beats *b, size_t first, const struct ecg_figures *f,
                      double from_s, struct strip *s)
{
    double on_s =
        (double)(f->waves.all.at[ECG_POINT_QRS_ON] - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ - from_s;
    double qt_s = usual_qt_s(f);
    s->ngaps = 0;
    for (size_t i = first + 1; i < b->n && s->ngaps < GAPS; i++) {
        struct gap g = {(int)lrint((b->beat[i - 1].at_s + on_s + qt_s) * HZ),
                        (int)lrint((b->beat[i].at_s + on_s) * HZ) - 2};
        if (g.to > s->n)
            return;
        if (g.to - g.from > LAG_LEAST)
            s->gap[s->ngaps++] = g;
    }
}

static void take_slopes(const struct ecg_lead *const *leads, double from_s, struct strip *s)
{
    enum { APART = 3 };
    float wide[(LONGEST + APART) * GROUP];
    for (size_t k = 0; k < s->nleads; k++) {
        (void)ecg_window_read(leads[k], from_s, (size_t)(s->n + APART) * GROUP, wide);
        for (size_t i = 0; i < (size_t)s->n; i++) {
            const float *a = wide + i * GROUP, *c = a + APART * GROUP;
            s->x[k][i] = c[0] + c[1] + c[2] + c[3] - a[0] - a[1] - a[2] - a[3];
        }
    }
}

/* Correlation of the gaps with themselves so many samples later, all leads as one vector. */
static float likeness_at(const struct strip *s, int lag)
{
    float ab = 0, aa = 1, bb = 1;
    int pairs = 0;
    for (size_t g = 0; g < s->ngaps; g++) {
        int to = s->gap[g].to - lag;
        pairs += to > s->gap[g].from ? to - s->gap[g].from : 0;
        for (size_t k = 0; k < s->nleads; k++)
            for (int i = s->gap[g].from; i < to; i++) {
                float a = s->x[k][i], c = s->x[k][i + lag];
                ab += a * c;
                aa += a * a;
                bb += c * c;
            }
    }
    return pairs < PAIRS_LEAST ? -1 : ab / sqrtf(aa * bb);
}

/* The lag at which they are most alike, if it is a top (waves of any other kind are the more
 * alike the nearer they are) and they are not half way as well, as faster waves would be. */
static float best_lag(const struct strip *s)
{
    float likeness[LAG_MOST + 1];
    int best = LAG_LEAST;
    for (int lag = LAG_LEAST; lag <= LAG_MOST; lag++) {
        likeness[lag] = likeness_at(s, lag);
        best = likeness[lag] > likeness[best] ? lag : best;
    }
    if (best == LAG_LEAST || best == LAG_MOST || likeness[best] < LIKENESS ||
        likeness_at(s, best / 2) > likeness[best] / 2)
        return NAN;
    float before = likeness[best - 1], after = likeness[best + 1];
    float bend = 2 * likeness[best] - before - after;
    return (float)best + (bend > 0 ? (after - before) / (2 * bend) : 0);
}

float ecg_flutter_find(const struct ecg_record *r, const struct ecg_beats *b, size_t first,
                       const struct ecg_figures *f)
{
    const struct ecg_lead *leads[LEADS];
    float bpm = NAN;
    float sure_ms = f->irregular < EVEN ? SURE_P_EVEN_MS : SURE_P_MS;
    if (f->p_ms < sure_ms || first + 2 > b->n || !(f->qrs_ms > 0))
        return bpm;
    size_t n = ecg_window_leads(r, leads, LEADS);
    struct strip *s = n < LEADS_LEAST ? NULL : malloc(sizeof *s);
    if (!s)
        return bpm;
    double from_s = b->beat[first].at_s;
    double span_s = fmin(b->seconds, b->beat[b->n - 1].at_s) - from_s;
    s->nleads = n;
    s->n = (int)(fmin(span_s, (double)LONGEST / HZ) * HZ);
    find_gaps(b, first, f, from_s, s);
    if (s->ngaps > 0) {
        take_slopes(leads, from_s, s);
        bpm = 60 * HZ / best_lag(s);
    }
    free(s);
    return bpm;
}
