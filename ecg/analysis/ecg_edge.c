#include "ecg/analysis/ecg_edge_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { W = ECG_WINDOW, F = ECG_WINDOW_BEFORE, LEADS = ECG_MEAN_LEADS };

/* How a boundary is looked at, in samples. */
struct view {
    enum ecg_point point;
    enum ecg_point peak;
    enum ecg_point other; /* of the wave */
    int way;              /* outwards */
    int half;             /* a level is the mean of so many before and after */
    int slope;            /* levels so far before and after make a slope */
    int reach;            /* of thresholds, inwards and outwards */
    int step;             /* of the pattern around it */
};

static const struct view views[ECG_EDGE_COUNT] = {
    {ECG_POINT_P_ON, ECG_POINT_P_PEAK, ECG_POINT_P_OFF, -1, 4, 4, 56, 4},
    {ECG_POINT_P_OFF, ECG_POINT_P_PEAK, ECG_POINT_P_ON, 1, 4, 4, 56, 4},
    {ECG_POINT_QRS_ON, ECG_POINT_QRS_PEAK, ECG_POINT_QRS_OFF, -1, 1, 3, 32, 2},
    {ECG_POINT_QRS_OFF, ECG_POINT_QRS_PEAK, ECG_POINT_QRS_ON, 1, 1, 3, 44, 2},
    {ECG_POINT_T_OFF, ECG_POINT_T_PEAK, ECG_POINT_T_ON, 1, 4, 5, 88, 5},
};

enum {
    INNER = 8,       /* of the other side, where the steepest slope may be as well */
    PATTERN = 8,     /* steps, either side */
    BEYOND = 10,     /* what is outside lies so far out, */
    OUTSIDE = 50,    /* and is so long */
    RETURN = 25,     /* as far out is the level that a wave returns to */
    ABSENT = 400,    /* the distance to a wave that is not there */
    FAR = 1000,      /* and the longest one to a beat */
    LEVEL_AFTER = 5, /* QRS */
    LEVEL_OF = 8,    /* samples before it */
};
enum { PARTS = 6, FALLS = 3, HEIGHTS = 4 };
static const float PART[PARTS] = {0.05F, 0.1F, 0.2F, 0.3F, 0.5F, 0.7F}; /* of the steepest slope */
static const float HEIGHT[HEIGHTS] = {0.05F, 0.1F, 0.2F, 0.3F};         /* of the wave */
static const float LEAST_UV = 3; /* heights below this are noise */

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

enum ecg_point ecg_edge_point(enum ecg_edge which)
{
    return views[which].point;
}

void ecg_edge_scene_put(struct ecg_edge_scene *s, size_t lead, const float x[ECG_WINDOW])
{
    double *sum = s->sum[lead];
    sum[0] = 0;
    for (int i = 0; i < W; i++)
        sum[i + 1] = sum[i] + (double)x[i];
}

void ecg_edge_scene_init(struct ecg_edge_scene *s, const struct ecg_mean *m,
                         const struct ecg_waves_of_mean *w)
{
    enum { STEP = 8 };
    int on = w->all.at[ECG_POINT_QRS_ON], off = w->all.at[ECG_POINT_QRS_OFF];
    s->mean = m;
    s->waves = w;
    for (size_t k = 0; k < m->nleads; k++) {
        float apart = 0, low = m->x[k][on], high = m->x[k][on];
        ecg_edge_scene_put(s, k, m->x[k]);
        for (int i = 0; i < W && m->beats > 1; i += STEP)
            apart += fabsf(m->half[0][k][i] - m->half[1][k][i]);
        for (int i = on; i <= off; i++) {
            low = fminf(low, m->x[k][i]);
            high = fmaxf(high, m->x[k][i]);
        }
        s->noise[k] = apart * STEP / W;
        s->swing[k] = high - low;
    }
}

/* ---- levels and slopes about a boundary ---- */

/* Of one lead, between the first and the last sample that any lead's terms may ask for. */
struct sight {
    float level[W];
    float slope[W];
    int at; /* the boundary */
    int steepest;
    float top; /* the slope there, an amount */
};

struct sights {
    const struct view *view;
    struct sight of[LEADS];
    int from;
    int to;
};

/* P goes on to QRS at most, T begins after it. */
static void see(const struct ecg_edge_scene *c, size_t lead, struct sights *all)
{
    const struct view *v = all->view;
    struct sight *s = &all->of[lead];
    const double *sum = c->sum[lead];
    const int *common = c->waves->all.at;
    int low = v->half + (v->peak == ECG_POINT_T_PEAK ? common[ECG_POINT_QRS_OFF] : 0);
    int high = (v->peak == ECG_POINT_P_PEAK ? common[ECG_POINT_QRS_ON] - 2 : W - 1) - v->half;
    for (int i = all->from; i <= all->to; i++) {
        int at = clamp(i, low, high);
        s->level[i] = (float)(sum[at + v->half + 1] - sum[at - v->half]) / (float)(2 * v->half + 1);
    }
    for (int i = all->from; i <= all->to; i++)
        s->slope[i] = s->level[i + v->slope < all->to ? i + v->slope : all->to] -
                      s->level[i - v->slope > all->from ? i - v->slope : all->from];
    int a = clamp(v->way < 0 ? s->at - INNER : s->at - v->reach, all->from, all->to);
    int b = clamp(v->way < 0 ? s->at + v->reach : s->at + INNER, all->from, all->to);
    s->steepest = a;
    for (int i = a; i <= b; i++)
        if (fabsf(s->slope[i]) > fabsf(s->slope[s->steepest]))
            s->steepest = i;
    s->top = fabsf(s->slope[s->steepest]) + 1;
}

static void see_all(const struct ecg_edge_scene *c, enum ecg_edge which, struct sights *out)
{
    const struct view *v = out->view = &views[which];
    size_t n = c->mean->nleads;
    int first = W - 1, last = 0;
    for (size_t k = 0; k < n; k++) {
        out->of[k].at = clamp(c->waves->lead[k].at[v->point], 0, W - 1);
        first = out->of[k].at < first ? out->of[k].at : first;
        last = out->of[k].at > last ? out->of[k].at : last;
    }
    int range = (v->reach > BEYOND + OUTSIDE ? v->reach : BEYOND + OUTSIDE) + v->slope;
    out->from = clamp(first - range, 0, W - 1);
    out->to = clamp(last + range, 0, W - 1);
    for (size_t k = 0; k < n; k++)
        see(c, k, out);
}

/* ---- terms ---- */

struct terms {
    int16_t *v;
    size_t n;
};

static void add(struct terms *t, float v)
{
    enum { MOST = 30000 };
    assert(t->n < ECG_EDGE_TERMS);
    t->v[t->n++] = (int16_t)lrintf(fminf(fmaxf(v, -MOST), MOST));
}

static void add_distance(struct terms *t, int samples)
{
    add(t, (float)clamp(samples, -FAR, FAR));
}

/* In 1/100. */
static void add_log(struct terms *t, float v)
{
    add(t, 100 * logf(v));
}

/* In 1/200. */
static void add_share(struct terms *t, float v)
{
    add(t, 200 * v);
}

/* Places where the slope, from outside inwards, first reaches these parts of the greatest. */
static void add_crossings(struct terms *t, const struct sights *all, const struct sight *s)
{
    int way = all->view->way;
    int i = clamp(s->at + way * all->view->reach, all->from, all->to);
    for (int p = 0; p < PARTS; p++) { /* each lies further in than the one before */
        while (i != s->steepest && fabsf(s->slope[i]) < PART[p] * s->top)
            i -= way;
        add_distance(t, i - s->at);
    }
}

/* Places where, from the steepest one outwards, it first falls to them. */
static void add_falls(struct terms *t, const struct sights *all, const struct sight *s)
{
    int way = all->view->way, end = clamp(s->at + way * all->view->reach, all->from, all->to);
    int i = s->steepest, at[FALLS];
    for (int p = FALLS - 1; p >= 0; p--) {
        while (i != end && fabsf(s->slope[i]) > PART[p] * s->top)
            i += way;
        at[p] = i;
    }
    for (int p = 0; p < FALLS; p++)
        add_distance(t, at[p] - s->at);
}

static void add_slopes(struct terms *t, const struct ecg_edge_scene *c, const struct sights *all,
                       const struct sight *s)
{
    int way = all->view->way;
    size_t lead = (size_t)(s - all->of);
    float outside = 0;
    for (int i = BEYOND; i < BEYOND + OUTSIDE; i += 2)
        outside += fabsf(s->slope[clamp(s->at + way * i, all->from, all->to)]);
    add_log(t, s->top);
    add_distance(t, s->steepest - s->at);
    add(t, s->slope[s->steepest] > 0 ? 1 : -1);
    add_log(t, (c->noise[lead] + 1) / s->top);
    add_log(t, 2 * outside / OUTSIDE / s->top + 0.001F);
    add_crossings(t, all, s);
    add_falls(t, all, s);
}

/* Its shape: levels over the height of the wave, slopes over the steepest. Returns the height. */
static float add_pattern(struct terms *t, const struct ecg_edge_scene *c, const struct sights *all,
                         const struct sight *s)
{
    const struct view *v = all->view;
    const struct ecg_points *own = &c->waves->lead[s - all->of];
    int from = all->from, to = all->to;
    int peak = clamp(own->at[v->peak], from, to);
    int inner = clamp(s->at + v->way * 6, from, to);
    float height = fmaxf(fabsf(s->level[peak] - s->level[inner]), LEAST_UV);
    add_log(t, height);
    add_distance(t, own->at[v->peak] - s->at);
    add_distance(t, own->at[v->other] - s->at);
    for (int j = -PATTERN; j <= PATTERN; j++) {
        int i = clamp(s->at + v->step * j, from, to);
        if (j)
            add_share(t, (s->level[i] - s->level[s->at]) / height);
        add_share(t, s->slope[i] / s->top);
    }
    float rest = s->level[clamp(s->at + v->way * RETURN, from, to)];
    int i = peak, end = v->way < 0 ? from : to, at[HEIGHTS];
    for (int p = HEIGHTS - 1; p >= 0; p--) {
        while (i != end && fabsf(s->level[i] - rest) > HEIGHT[p] * fabsf(s->level[peak] - rest))
            i += v->way;
        at[p] = i;
    }
    for (int p = 0; p < HEIGHTS; p++)
        add_distance(t, at[p] - s->at);
    return height;
}

/* What is before and after, and how high the wave stands over the level before QRS. */
static void add_place(struct terms *t, const struct ecg_edge_scene *c, size_t lead,
                      const struct sight *s, float height)
{
    const int *at = c->waves->all.at;
    const double *sum = c->sum[lead];
    int on = at[ECG_POINT_QRS_ON], after = at[ECG_POINT_QRS_OFF] + LEVEL_AFTER;
    bool has_p = at[ECG_POINT_P_ON] != ECG_POINT_NONE,
         has_t = at[ECG_POINT_T_OFF] != ECG_POINT_NONE;
    float level = (float)(sum[on] - sum[on - LEVEL_OF]) / LEVEL_OF;
    add_distance(t, c->mean->after);
    add_distance(t, c->mean->before);
    add_distance(t, on - s->at);
    add_distance(t, at[ECG_POINT_QRS_OFF] - s->at);
    add_distance(t, has_t ? at[ECG_POINT_T_OFF] - s->at : ABSENT);
    add_distance(t, has_p ? at[ECG_POINT_P_ON] - s->at : -ABSENT);
    add_distance(t, has_p ? at[ECG_POINT_P_OFF] - s->at : -ABSENT);
    add_distance(t, c->mean->after + (has_p ? at[ECG_POINT_P_ON] : F - 80) - s->at);
    add_log(t, (c->swing[lead] + 1) / height);
    add_share(t, ((float)(sum[after + 1] - sum[after]) - level) / height);
    add_share(t, (s->level[s->at] - level) / height);
}

void ecg_edge_terms(const struct ecg_edge_scene *c, enum ecg_edge which,
                    int16_t (*out)[ECG_EDGE_TERMS])
{
    struct sights all;
    see_all(c, which, &all);
    for (size_t k = 0; k < c->mean->nleads; k++) {
        struct terms t = {.v = out[k]};
        add_slopes(&t, c, &all, &all.of[k]);
        float height = add_pattern(&t, c, &all, &all.of[k]);
        add_place(&t, c, k, &all.of[k], height);
        assert(t.n == ECG_EDGE_TERMS);
    }
}

void ecg_edge_beat_terms(const int16_t beat[ECG_EDGE_TERMS], const int16_t mean[ECG_EDGE_TERMS],
                         int16_t out[ECG_EDGE_BEAT_TERMS])
{
    for (int i = 0; i < ECG_EDGE_TERMS; i++) {
        out[i] = beat[i];
        out[ECG_EDGE_TERMS + i] = (int16_t)clamp(beat[i] - mean[i], INT16_MIN, INT16_MAX);
    }
}

/* ---- the trees ---- */

float ecg_edge_later(const struct ecg_edge_model *m, const int16_t *term)
{
    int sum = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct ecg_edge_tree *t = &m->tree[i];
        unsigned branch = 0;
        for (int d = 0; d < ECG_EDGE_DEPTH; d++)
            branch = 2 * branch + (term[t->term[d]] > t->limit[d]);
        sum += t->add[branch];
    }
    return (float)sum / 100;
}

/* In all leads at once, as ecg_edge_later: the questions of a tree take one step for all. */
static void find_later(const struct ecg_edge_model *m, int16_t (*term)[ECG_EDGE_TERMS], size_t n,
                       float out[LEADS])
{
    int16_t turned[ECG_EDGE_TERMS][LEADS] = {{0}};
    int sum[LEADS] = {0};
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < ECG_EDGE_TERMS; i++)
            turned[i][k] = term[k][i];
    for (size_t i = 0; i < m->n; i++) {
        const struct ecg_edge_tree *t = &m->tree[i];
        int16_t branch[LEADS] = {0};
        for (int d = 0; d < ECG_EDGE_DEPTH; d++)
            for (int k = 0; k < LEADS; k++)
                branch[k] = (int16_t)(2 * branch[k] + (turned[t->term[d]][k] > t->limit[d]));
        for (size_t k = 0; k < n; k++)
            sum[k] += t->add[branch[k]];
    }
    for (size_t k = 0; k < n; k++)
        out[k] = (float)sum[k] / 100;
}

/* A wave begins before its peak and ends after it, P before QRS begins. */
static int in_order(const struct ecg_points *p, enum ecg_edge which, int at)
{
    int peak = p->at[views[which].peak];
    if (which == ECG_EDGE_P_OFF && at >= p->at[ECG_POINT_QRS_ON])
        at = p->at[ECG_POINT_QRS_ON] - 1;
    if (views[which].way < 0)
        return clamp(at, 0, peak > 0 ? peak - 1 : 0);
    return clamp(at, peak < W - 1 ? peak + 1 : W - 1, W - 1);
}

/* Over all leads: half way from where the rules have it to the first onset, or last end, of those
 * with complexes.
 * Marks are scattered, so that the first of twelve lies before where each was to be expected. Of
 * one lead or two, which a reader looks at together, by as much as in them. */
static int over_all(const struct ecg_mean *m, const struct ecg_waves_of_mean *rules,
                    const struct ecg_waves_of_mean *moved, const struct view *v)
{
    enum { FEW = 2, SCATTER = 1 };
    int at = rules->all.at[v->point], extreme = v->way < 0 ? W : 0, later = 0;
    for (size_t k = 0; k < m->nleads; k++) {
        int own = moved->lead[k].at[v->point];
        if (m->silent[k])
            continue;
        extreme = (own - extreme) * v->way > 0 ? own : extreme;
        later += own - rules->lead[k].at[v->point];
    }
    return m->live <= FEW ? at + later / (int)m->live : (at + extreme) / 2 + v->way * SCATTER;
}

/* T begins after QRS, wherever that was found to end, and before its peak. */
static void keep_t_behind(struct ecg_points *p)
{
    if (p->at[ECG_POINT_T_PEAK] == ECG_POINT_NONE)
        return;
    if (p->at[ECG_POINT_QRS_OFF] > p->at[ECG_POINT_T_PEAK])
        p->at[ECG_POINT_QRS_OFF] = p->at[ECG_POINT_T_PEAK];
    p->at[ECG_POINT_T_ON] =
        clamp(p->at[ECG_POINT_T_ON], p->at[ECG_POINT_QRS_OFF], p->at[ECG_POINT_T_PEAK]);
}

void ecg_edge_correct(const struct ecg_mean *m, struct ecg_waves_of_mean *w)
{
    /* P's end is held against QRS where that was moved to */
    static const enum ecg_edge order[ECG_EDGE_COUNT] = {
        ECG_EDGE_QRS_ON, ECG_EDGE_QRS_OFF, ECG_EDGE_P_ON, ECG_EDGE_P_OFF, ECG_EDGE_T_OFF};
    struct ecg_edge_scene scene;
    struct ecg_waves_of_mean moved = *w;
    int16_t term[LEADS][ECG_EDGE_TERMS];
    float later[LEADS];
    ecg_edge_scene_init(&scene, m, w);
    for (size_t i = 0; i < ECG_EDGE_COUNT; i++) {
        enum ecg_edge which = order[i];
        enum ecg_point point = views[which].point;
        if (w->all.at[point] == ECG_POINT_NONE)
            continue;
        ecg_edge_terms(&scene, which, term);
        find_later(&ecg_edge_models[which], term, m->nleads, later);
        for (size_t k = 0; k < m->nleads; k++) {
            int *at = &moved.lead[k].at[point];
            if (m->silent[k])
                continue;
            *at += (int)lrintf(later[k]);
            *at = in_order(&moved.lead[k], which, *at);
        }
        moved.all.at[point] = over_all(m, w, &moved, &views[which]);
        moved.all.at[point] = in_order(&moved.all, which, moved.all.at[point]);
    }
    keep_t_behind(&moved.all);
    for (size_t k = 0; k < m->nleads; k++)
        keep_t_behind(&moved.lead[k]);
    *w = moved;
}
