#include "ecg/analysis/ecg_chaos.h"

#include "ecg/analysis/ecg_figures.h"

#include <math.h>
#include <stdlib.h>

enum {
    HZ = 125,
    GROUP = ECG_WINDOW_HZ / HZ,
    PIECE_S = 3, /* that is judged at once, every second */
    PIECE = PIECE_S * HZ,
    LEVEL = 40, /* samples either side whose mean is the level */
    APART = 30, /* complexes are */
    LEADS = 8
};
/* Steepest slope over the mean one, mean of the leads and of any one: complexes have more. */
static const float CREST = 4.5F;
static const float CREST_MOST = 6;
static const float CREST_NOISE =
    5.5F; /* noise of any kind stays below, in the steepest of 8 leads */
/* Sharpest bend but one over the mean one, mean of the leads: low complexes between tall waves of
 * the atria have 8, waves of the ventricles 6 at most. */
static const float SHARPEST = 7;
static const float HEIGHT_UV = 50;  /* mean amount, of leads that count */
static const float ABOVE = 0.48F;   /* share over a fifth of the highest (Arafat et al. 2011) */
static const float LEAKAGE = 0.55F; /* Kuo and Dillman 1978 have 0.41 to 0.63 */
static const float SLOWEST_HZ = 2.3F;
static const float FASTEST_HZ = 9;

struct piece {
    float uv; /* mean amount */
    float crest;
    float above;
    float leakage; /* what half a period later does not cancel: 0 = a sine, 1 = nothing does */
    float hz;
};

static bool read_piece(const struct ecg_lead *lead, double from_s, float x[PIECE])
{
    float v[HZ * GROUP];
    bool whole = true;
    for (int s = 0; s < PIECE_S; s++) {
        whole &= ecg_window_read(lead, lead->start_s + from_s + s, HZ * GROUP, v);
        for (int i = 0; i < HZ; i++)
            x[s * HZ + i] = (v[4 * i] + v[4 * i + 1] + v[4 * i + 2] + v[4 * i + 3]) / GROUP;
    }
    return whole;
}

static float crest_of(const float x[PIECE])
{
    float most = 0, sum = 1;
    for (int i = 2; i + 2 < PIECE; i++) {
        float d = fabsf(x[i + 2] - x[i - 2]);
        most = fmaxf(most, d);
        sum += d;
    }
    return most * (PIECE - 4) / sum;
}

/* The second one that is not beside the sharpest: one may be an electrode. */
static float sharpness_of(const float x[PIECE])
{
    float bend[PIECE] = {0}, sum = 1e-3F, second = 0;
    int top = 0;
    for (int i = 1; i + 1 < PIECE; i++) {
        bend[i] = fabsf(x[i + 1] - 2 * x[i] + x[i - 1]);
        sum += bend[i];
        top = bend[i] > bend[top] ? i : top;
    }
    for (int i = 0; i < PIECE; i++)
        if (abs(i - top) > APART)
            second = fmaxf(second, bend[i]);
    return second * (PIECE - 2) / sum;
}

/* Without the slow baseline. */
static void flatten(const float x[PIECE], float y[PIECE])
{
    float sum = 0;
    int from = 0, to = 0;
    for (int i = 0; i < PIECE; i++) {
        for (; to < PIECE && to <= i + LEVEL; to++)
            sum += x[to];
        for (; from < i - LEVEL; from++)
            sum -= x[from];
        y[i] = x[i] - sum / (float)(to - from);
    }
}

static void measure(const float y[PIECE], struct piece *p)
{
    float most = 0, sum = 1e-3F, slopes = 1e-3F;
    for (int i = 0; i < PIECE; i++) {
        sum += fabsf(y[i]);
        most = fmaxf(most, fabsf(y[i]));
        slopes += i ? fabsf(y[i] - y[i - 1]) : 0;
    }
    int above = 0;
    for (int i = 0; i < PIECE; i++)
        above += fabsf(y[i]) > 0.2F * most;
    p->uv = sum / PIECE;
    p->above = (float)above / PIECE;
    /* Kuo and Dillman 1978: the mean period from amounts and slopes, and what is left of the
     * signal with itself half a period later added. */
    p->hz = slopes / sum * HZ / (2 * (float)M_PI);
    int half = (int)lrintf(HZ / p->hz / 2);
    half = half < 1 ? 1 : half > PIECE / 2 ? PIECE / 2 : half;
    float rest = 0, both = 1e-3F;
    for (int i = half; i < PIECE; i++) {
        rest += fabsf(y[i] + y[i - half]);
        both += fabsf(y[i]) + fabsf(y[i - half]);
    }
    p->leakage = rest / both;
}

/* ---- all leads ---- */

struct leads {
    const struct ecg_lead *lead[LEADS];
    size_t n;
};

struct judgement {
    bool is_chaos;
    bool is_without; /* complexes in any lead */
    float hz;
    float uv; /* of the lead where it is highest */
};

/* One lead with complexes is enough to stop. */
static struct judgement judge(const struct leads *l, double from_s)
{
    struct judgement j = {0};
    float x[PIECE], y[PIECE];
    float crests = 0, sharp = 0, above = 0, leakage = 0, hz = 0, steepest = 0;
    size_t n = 0, read = 0;
    bool other = false; /* too slow or too fast for waves of the ventricles */
    for (size_t k = 0; k < l->n; k++) {
        struct piece p;
        if (!read_piece(l->lead[k], from_s, x))
            continue;
        p.crest = crest_of(x);
        if (p.crest > CREST_MOST)
            return j;
        read++;
        steepest = fmaxf(steepest, p.crest);
        if (other)
            continue;
        flatten(x, y);
        measure(y, &p);
        if (p.uv < HEIGHT_UV)
            continue;
        other = p.hz < SLOWEST_HZ || p.hz > FASTEST_HZ;
        crests += p.crest;
        sharp += sharpness_of(x);
        above += p.above;
        leakage += p.leakage;
        hz += p.hz;
        j.uv = fmaxf(j.uv, p.uv);
        n++;
    }
    float m = (float)n;
    j.hz = n ? hz / m : 0;
    j.is_without = read > 0 && steepest < CREST_NOISE;
    j.is_chaos = !other && n > 0 && n * 2 >= l->n && crests <= CREST * m && sharp <= SHARPEST * m &&
                 above >= ABOVE * m && leakage <= LEAKAGE * m;
    return j;
}

void ecg_chaos_find(const struct ecg_record *r, struct ecg_chaos *out)
{
    struct leads l;
    double seconds = ecg_record_seconds(r), from_s = 0;
    float hz = 0;
    size_t n = 0, pieces = 0, without = 0;
    *out = (struct ecg_chaos){0};
    l.n = ecg_window_leads(r, l.lead, LEADS);
    for (double at_s = 0; l.n > 0 && at_s + PIECE_S <= seconds; at_s += 1) {
        struct judgement j = judge(&l, at_s);
        pieces++;
        without += j.is_without;
        if (!j.is_chaos) {
            n = 0;
            continue;
        }
        from_s = n ? from_s : at_s;
        hz = n ? hz + j.hz : j.hz;
        n++;
        float lasts_s = (float)(at_s - from_s) + PIECE_S;
        if (lasts_s > out->seconds)
            *out = (struct ecg_chaos){from_s, lasts_s, hz / (float)n * 60, 0};
    }
    out->without = pieces ? (float)without / (float)pieces : 0;
}

/* ---- what lies beside it ---- */

enum base_err ecg_chaos_qtc_ms(const struct ecg_record *r, const struct ecg_chaos *c, float *qtc_ms)
{
    double after_s = c->from_s + (double)c->seconds, end_s = ecg_record_seconds(r);
    bool is_before = c->from_s >= end_s - after_s;
    double from_s = is_before ? 0 : after_s, to_s = is_before ? c->from_s : end_s;
    struct ecg_part part;
    struct base_error err;
    *qtc_ms = NAN;
    if (to_s - from_s < 2)
        return BASE_OK;
    ecg_part_take(r, from_s, to_s, &part);
    struct ecg_beats beats = {0};
    struct ecg_figures *f = malloc(sizeof *f);
    enum base_err e = f ? ecg_beats_find(&part.record, NULL, &beats, &err) : BASE_ENOMEM;
    e = e ? e : ecg_figures_measure(&part.record, NULL, &beats, f, &err);
    if (!e && beats.n >= 2)
        *qtc_ms = f->qtc_framingham_ms;
    ecg_beats_deinit(&beats);
    free(f);
    return e == BASE_ENOMEM ? e : BASE_OK;
}
