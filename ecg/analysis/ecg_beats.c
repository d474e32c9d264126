#include "ecg/analysis/ecg_beats.h"

#include "ecg/analysis/ecg_beats_priv.h"
#include "ecg/analysis/ecg_class_priv.h"
#include "ecg/analysis/ecg_gap.h"
#include "ecg/analysis/ecg_pace.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    KNOWN = 5,        /* complexes that a template has before it speaks for others */
    T_BLOCK = 32,     /* beats that are looked at together */
    T_LEAST = 6,      /* pairs among them that may be a beat and its T wave, */
    T_ONE_OF = 3,     /* and their share of the beats */
    T_WITHIN_MS = 300 /* no ventricle is excited again so soon in every other beat */
};
static const float T_BLUNT = 0.8F; /* of the sharpness of the complex before it */

/* The places of those that are beats; how many. */
static size_t places_of(const struct ecg_candidates *c, size_t *at)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->c[i].is_beat)
            at[n++] = c->c[i].at;
    return n;
}

/* ---- T waves that were taken for beats ---- */

/* How much of its height a wave takes in 20 ms: 1 of a narrow complex, a third of a T wave. */
static float sharpness(const struct ecg_signal *s, size_t at)
{
    size_t reach = ecg_signal_span(s, 70), step = ecg_signal_span(s, 20);
    size_t from = at > reach ? at - reach : 0;
    size_t to = at + reach < s->n ? at + reach : s->n;
    int32_t slopes = 0, heights = 1;
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k];
        int32_t least = INT16_MAX, most = INT16_MIN, slope = 0;
        for (size_t i = from; i < to; i++) {
            int32_t d = i + step < to ? abs(x[i + step] - x[i]) : 0;
            slope = d > slope ? d : slope;
            least = x[i] < least ? x[i] : least;
            most = x[i] > most ? x[i] : most;
        }
        slopes += slope;
        heights += to > from ? most - least : 0;
    }
    return (float)slopes / (float)heights;
}

/* at[i] stands shortly after at[i - 1], and both stand alone. */
static bool is_pair(const size_t *at, size_t n, size_t i, size_t within)
{
    return at[i] - at[i - 1] < within && (i == 1 || at[i - 1] - at[i - 2] >= within) &&
           (i + 1 == n || at[i + 1] - at[i] >= within);
}

/* The sharpness of the complexes that a T wave follows which was taken for one: where every other
 * one comes within 300 ms after another, and is far blunter. 0 where that is not so. */
static float sharpness_before_t(const struct ecg_signal *s, const size_t *at, size_t n, size_t from,
                                size_t to, size_t within)
{
    size_t pairs = 0, blunt = 0;
    float sum = 0;
    for (size_t i = from > 0 ? from : 1; i < to; i++) {
        if (!is_pair(at, n, i, within))
            continue;
        float first = sharpness(s, at[i - 1]);
        pairs++;
        sum += first;
        blunt += sharpness(s, at[i]) < T_BLUNT * first;
    }
    bool are_t = pairs >= T_LEAST && pairs * T_ONE_OF >= to - from && blunt * 4 >= pairs * 3;
    return are_t ? sum / (float)pairs : 0;
}

/* is_t: of each of at[from .. to - 1]; there any blunt one beside another is one. */
static void find_t_waves(const struct ecg_signal *s, const size_t *at, size_t n, size_t from,
                         size_t to, bool *is_t)
{
    size_t within = ecg_signal_span(s, T_WITHIN_MS);
    float usual = sharpness_before_t(s, at, n, from, to, within);
    for (size_t i = from; i < to && usual > 0; i++) {
        bool is_beside =
            (i > 0 && at[i] - at[i - 1] < within) || (i + 1 < n && at[i + 1] - at[i] < within);
        is_t[i] = is_beside && sharpness(s, at[i]) < T_BLUNT * usual;
    }
}

static enum base_err leave_out_t_waves(const struct ecg_signal *s, struct ecg_candidates *c)
{
    size_t *at = calloc(c->n + 1, sizeof *at);
    bool *is_t = calloc(c->n + 1, sizeof *is_t);
    size_t n = at && is_t ? places_of(c, at) : 0;
    enum base_err e = at && is_t ? BASE_OK : BASE_ENOMEM;
    for (size_t from = 0, to; from < n; from = to) {
        to = n - from < 3 * T_BLOCK / 2 ? n : from + T_BLOCK;
        find_t_waves(s, at, n, from, to, is_t);
    }
    for (size_t i = 0, k = 0; i < c->n && !e; i++)
        if (c->c[i].is_beat)
            c->c[i].is_beat = !is_t[k++];
    free(at);
    free(is_t);
    return e;
}

/* ---- the search ---- */

/* Twice by height and rhythm, then once more with what the beats found look like. */
static enum base_err detect(const struct ecg_signal *s, const struct ecg_feature *f,
                            struct ecg_candidates *c)
{
    enum base_err e = ecg_candidates_choose(s, f, c);
    e = e ? e : ecg_candidates_choose(s, f, c);
    struct ecg_templates *ts = malloc(sizeof *ts);
    if (e || !ts) {
        free(ts);
        return e ? e : BASE_ENOMEM;
    }
    ecg_templates_init(ts, s, f, 180);
    for (size_t i = 0; i < c->n; i++)
        if (c->c[i].is_beat)
            (void)ecg_template_learn(ts, c->c[i].at);
    for (size_t i = 0; i < c->n; i++) {
        size_t which;
        int shift;
        c->c[i].likeness = ecg_template_match(ts, c->c[i].at, KNOWN, &which, &shift);
    }
    free(ts);
    e = ecg_candidates_choose(s, f, c);
    return e ? e : leave_out_t_waves(s, c);
}

/* The largest deflection near the peak of the feature, which for wide complexes is
 * elsewhere; in all leads together, so that one that is off for a second does not count. */
static size_t main_extremum(const struct ecg_signal *s, const struct ecg_feature *f, size_t at)
{
    enum { MOST = 2 * 70 * 300 / 1000 + 8 }; /* the grid has at most 300 Hz */
    int32_t sum[MOST] = {0};
    size_t reach = ecg_signal_span(s, 70);
    size_t wide = ecg_signal_span(s, 130);
    size_t from = at > wide ? at - wide : 0;
    size_t to = at + wide < s->n ? at + wide : s->n - 1;
    size_t first = at > reach ? at - reach : 0;
    size_t n = at + reach < s->n ? at + reach + 1 - first : s->n - first;
    size_t best = 0;
    assert(n <= MOST);
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k] + first;
        int32_t level = (s->x[k][from] + s->x[k][to]) / 2;
        int32_t weight = f->weights[k * f->segments + at / f->segment] + 1;
        for (size_t i = 0; i < n; i++)
            sum[i] += weight * abs(x[i] - level);
    }
    for (size_t i = 1; i < n; i++)
        best = sum[i] > sum[best] ? i : best;
    return first + best;
}

int ecg_beats_by_length(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* By how much the middle of the slopes is usually later than the largest deflection: that is the
 * same in whatever leads. */
static double middle_of_slopes(const struct ecg_signal *s, const struct ecg_feature *f,
                               const size_t *at, size_t n)
{
    enum { SOME = 64 };
    double later_s[SOME];
    n = n < SOME ? n : SOME;
    for (size_t i = 0; i < n; i++)
        later_s[i] = ((double)at[i] - (double)main_extremum(s, f, at[i])) / s->rate_hz;
    qsort(later_s, n, sizeof *later_s, ecg_beats_by_length);
    return n ? later_s[n / 2] : 0;
}

static enum base_err to_beats(const struct ecg_signal *s, const struct ecg_feature *f,
                              const struct ecg_candidates *c, bool is_section,
                              struct ecg_beats *out)
{
    uint8_t dominant = 0;
    size_t *at = calloc(c->n + 1, sizeof *at);
    struct ecg_beat *beat = calloc(c->n + 1, sizeof *beat);
    size_t n = at && beat ? places_of(c, at) : 0;
    enum base_err e = at && beat ? ecg_class_find(s, f, at, n, beat, &dominant) : BASE_ENOMEM;
    double later_s = is_section && !e ? middle_of_slopes(s, f, at, n) : 0;
    for (size_t i = 0; i < n && !e; i++) {
        size_t peak = main_extremum(s, f, at[i]);
        beat[i].at_s = ((double)peak + 0.5) / s->rate_hz - 0.5 / s->source[0]->rate_hz;
        /* Candidates that are beats lie further apart than twice the reach. */
        assert(i == 0 || beat[i].at_s > beat[i - 1].at_s);
    }
    for (size_t i = 0; i < n && !e; i++)
        beat[i].at_s += later_s;
    free(at);
    if (e) {
        free(beat);
        return e;
    }
    *out = (struct ecg_beats){.beat = beat,
                              .n = n,
                              .dominant = dominant,
                              .seconds = (double)s->n / s->rate_hz,
                              .leads = s->nleads};
    return BASE_OK;
}

/* The first beat within reach after a spike is paced. */
void ecg_beats_mark_after(struct ecg_beats *b, double spike_s)
{
    static const double REACH_S = 0.15;
    size_t low = 0, high = b->n; /* the first beat from the spike on */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->beat[middle].at_s < spike_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < b->n && b->beat[low].at_s - spike_s < REACH_S)
        b->beat[low].code = ECG_CODE_PACED;
}

/* Pacemaker spikes are the device's word, which sees more than it stores; where it has none,
 * they are looked for in the signal. At most about two per beat count. */
static enum base_err mark_paced(const struct ecg_record *r, struct ecg_beats *b)
{
    bool has_marks = false;
    for (size_t m = 0; m < r->nmarks; m++)
        if (r->marks[m].kind == ECG_MARK_PACE && !r->marks[m].on_median) {
            has_marks = true;
            ecg_beats_mark_after(b, r->marks[m].at_s);
        }
    if (has_marks || b->n == 0)
        return BASE_OK;
    size_t max = 2 * b->n + 8;
    double *spike_s = calloc(max, sizeof *spike_s);
    if (!spike_s)
        return BASE_ENOMEM;
    size_t n = ecg_pace_find(r, b, spike_s, max);
    for (size_t i = 0; i < n; i++)
        ecg_beats_mark_after(b, spike_s[i]);
    free(spike_s);
    return BASE_OK;
}

/* What the beats are found in. */
struct search {
    struct ecg_signal signal;
    struct ecg_feature feature;
    struct ecg_candidates candidates;
};

static enum base_err search_init(struct search *w, const struct ecg_record *r,
                                 const struct ecg_lead *only, struct base_error *err)
{
    *w = (struct search){0};
    enum base_err e = ecg_signal_init(r, only, &w->signal, err);
    if (e)
        return e;
    e = ecg_feature_init(&w->signal, &w->feature);
    e = e ? e : ecg_candidates_find(&w->signal, &w->feature, &w->candidates);
    e = e ? e : detect(&w->signal, &w->feature, &w->candidates);
    return e ? base_fail(err, e, BASE_NOPOS, "%s", base_err_text(e)) : BASE_OK;
}

static void search_deinit(struct search *w)
{
    free(w->candidates.c);
    ecg_feature_deinit(&w->feature);
    ecg_signal_deinit(&w->signal);
}

enum base_err ecg_beats_find_in(const struct ecg_record *r, const struct ecg_lead *only,
                                bool is_section, struct ecg_beats *out, struct base_error *err)
{
    struct search w;
    enum base_err e = search_init(&w, r, only, err);
    if (!e && to_beats(&w.signal, &w.feature, &w.candidates, is_section, out)) {
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    } else if (!e && (mark_paced(r, out) || ecg_gap_find(w.signal.source, w.signal.nleads, out))) {
        ecg_beats_deinit(out);
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    }
    search_deinit(&w);
    return e;
}

static bool beats_hold(const struct ecg_beats *b)
{
    for (size_t i = 1; i < b->n; i++)
        if (!(b->beat[i - 1].at_s < b->beat[i].at_s))
            return false;
    for (size_t i = 0; i < b->ngaps; i++)
        if (b->gap[i].from_s > b->gap[i].to_s || (i && b->gap[i - 1].to_s > b->gap[i].from_s))
            return false;
    return true;
}

enum base_err ecg_beats_find(const struct ecg_record *r, const struct ecg_lead *only,
                             struct ecg_beats *out, struct base_error *err)
{
    struct ecg_section s[ECG_SECTIONS_MAX];
    struct ecg_part part;
    size_t strips, n = only ? 0 : ecg_section_find(r, s, &strips);
    if (n && strips)
        ecg_section_take_strips(r, &part);
    enum base_err e = n && !strips ? ecg_beats_find_in_sections(r, s, n, out, err)
                                   : ecg_beats_find_in(n ? &part.record : r, only, false, out, err);
    if (e)
        return e;
    out->in_sections = n > 0;
    assert(beats_hold(out));
    return BASE_OK;
}

enum base_err ecg_beats_terms(const struct ecg_record *r, float (**out)[ECG_CLASS_TERMS], size_t *n,
                              struct base_error *err)
{
    struct search w;
    size_t *at = NULL;
    struct ecg_beat *beat = NULL;
    struct ecg_traits *t = NULL;
    uint8_t dominant;
    enum base_err e = search_init(&w, r, NULL, err);
    *n = 0;
    *out = NULL;
    if (!e) {
        size_t most = w.candidates.n + 1;
        at = calloc(most, sizeof *at);
        beat = calloc(most, sizeof *beat);
        t = calloc(most, sizeof *t);
        *out = calloc(most, sizeof **out);
        bool ok = at && beat && t && *out;
        *n = ok ? places_of(&w.candidates, at) : 0;
        if (!ok || ecg_class_traits(&w.signal, &w.feature, at, *n, t, beat, &dominant))
            e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    }
    for (size_t i = 0; i < *n && !e; i++)
        ecg_class_terms(&t[i], (*out)[i]);
    free(at);
    free(beat);
    free(t);
    search_deinit(&w);
    return e;
}

void ecg_beats_deinit(struct ecg_beats *b)
{
    free(b->beat);
    free(b->gap);
    *b = (struct ecg_beats){0};
}

enum base_err ecg_beats_rate(const struct ecg_beats *b, struct ecg_rate *out)
{
    size_t n = 0;
    *out = (struct ecg_rate){.beats = b->n};
    for (size_t i = 0; i < b->n; i++) {
        out->pvc += b->beat[i].code == ECG_CODE_PVC;
        out->atrial_premature += b->beat[i].code == ECG_CODE_ATRIAL_PREMATURE;
        out->paced += b->beat[i].code == ECG_CODE_PACED;
    }
    double *rr_ms = calloc(b->n + 1, sizeof *rr_ms);
    if (!rr_ms)
        return BASE_ENOMEM;
    double sum_ms = b->n ? (b->beat[b->n - 1].at_s - b->beat[0].at_s) * 1000 : 0;
    for (size_t i = 1; i < b->n; i++) {
        double ms = (b->beat[i].at_s - b->beat[i - 1].at_s) * 1000;
        if (b->beat[i].after_gap)
            sum_ms -= ms;
        else
            rr_ms[n++] = ms;
    }
    if (n == 0) {
        free(rr_ms);
        return BASE_OK;
    }
    qsort(rr_ms, n, sizeof *rr_ms, ecg_beats_by_length);
    out->rr_ms = sum_ms / (double)n;
    out->hr_bpm = 60000 / out->rr_ms;
    out->rr_median_ms = n % 2 ? rr_ms[n / 2] : (rr_ms[n / 2 - 1] + rr_ms[n / 2]) / 2;
    out->rr_min_ms = rr_ms[0];
    out->rr_max_ms = rr_ms[n - 1];
    free(rr_ms);
    return BASE_OK;
}
