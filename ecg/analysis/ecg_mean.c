#include "ecg/analysis/ecg_mean.h"

#include "ecg/analysis/ecg_gap.h"
#include "ecg/analysis/ecg_mains.h"
#include "ecg/analysis/ecg_section.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPAN = (ECG_MEAN_SPAN_S + 2) * ECG_WINDOW_HZ, /* samples of a block */
    SHIFTS = 12,                                  /* that a beat is moved by, at most */
    NEAR = 40,        /* samples about the fiducial point that are compared */
    KNOT_BEFORE = 40, /* of a beat: where the level is taken */
    KNOT = 5,         /* samples either side of that */
    SPIKE_REACH = 75, /* before a paced beat */
    SPIKE_QUIET = 4,
    SPIKE_HELD = 18,
};
static const float SPIKE_UV = 30;
static const float SILENT_UV = 30;
static const double BEFORE_S = 0.2, AFTER_S = 0.4; /* of a beat: what a mean is to have of it */
static const double GAP_S = 3;                     /* a longer pause ends a block */

/* One lead of a block. */
struct strip {
    float x[SPAN];
    size_t n;
    double from_s;
};

static const struct ecg_beat *beat_of(const struct ecg_block *b, size_t i)
{
    return &b->beats->beat[b->first + i];
}

/* Sample of the strip at this time; may be outside of it. */
static int place(const struct strip *s, double at_s)
{
    return (int)lrint((at_s - s->from_s) * ECG_WINDOW_HZ);
}

static float level_at(const struct strip *s, int at)
{
    float sum = 0;
    int n = 0;
    for (int i = at - KNOT; i <= at + KNOT; i++)
        if (i >= 0 && i < (int)s->n) {
            sum += s->x[i];
            n++;
        }
    return n ? sum / (float)n : s->x[at < 0 ? 0 : s->n - 1];
}

/* The baseline goes through the level before each complex, in between as a cubic whose slope there
 * is that from the complex before to the next one: a straight line leaves what breathing bends. */
static void flatten(const struct ecg_block *b, struct strip *s)
{
    int knot[ECG_MEAN_BEATS] = {0};
    float level[ECG_MEAN_BEATS], slope[ECG_MEAN_BEATS];
    for (size_t i = 0; i < b->n; i++) {
        knot[i] = place(s, b->fiducial_s[i]) - KNOT_BEFORE;
        level[i] = level_at(s, knot[i]);
    }
    for (size_t i = 0; i < b->n; i++) {
        size_t before = i ? i - 1 : 0, after = i + 1 < b->n ? i + 1 : i;
        int apart = knot[after] - knot[before];
        slope[i] = apart > 0 ? (level[after] - level[before]) / (float)apart : 0;
    }
    int end = (int)s->n;
    for (int k = 0; k < knot[0] && k < end; k++)
        s->x[k] -= level[0];
    for (size_t i = 0; i < b->n; i++) {
        bool is_last = i + 1 == b->n;
        int to = is_last || knot[i + 1] > end ? end : knot[i + 1];
        float length = is_last ? 1 : (float)(knot[i + 1] - knot[i]);
        float rise = is_last ? 0 : level[i + 1] - level[i];
        float first = is_last ? 0 : slope[i] * length, last = is_last ? 0 : slope[i + 1] * length;
        float square = 3 * rise - 2 * first - last, cube = first + last - 2 * rise;
        for (int k = knot[i] > 0 ? knot[i] : 0; k < to; k++) {
            float t = (float)(k - knot[i]) * (1 / length);
            s->x[k] -= level[i] + t * (first + t * (square + t * cube));
        }
    }
}

/* A spike of a pacemaker: a jump out of a quiet line that does not go on that way. */
static bool is_spike(const float *x)
{
    float low = x[-SPIKE_QUIET], high = low;
    for (int i = -SPIKE_QUIET; i <= 0; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    float jump = fabsf(x[1] - x[0]);
    float onward = (x[2] - x[1]) * (x[1] < x[0] ? -1 : 1);
    return jump >= SPIKE_UV && high - low <= jump / 6 && onward <= jump * 0.4F;
}

/* Takes the last spike before each paced beat out, and what the amplifier makes of it: until the
 * ventricles answer the line stays where it was. */
static void remove_spikes(const struct ecg_block *b, struct strip *s)
{
    for (size_t i = 0; i < b->n; i++) {
        if (beat_of(b, i)->code != ECG_CODE_PACED)
            continue;
        int at = place(s, beat_of(b, i)->at_s);
        int first = at - SPIKE_REACH > SPIKE_QUIET ? at - SPIKE_REACH : SPIKE_QUIET;
        int k = at < (int)s->n - SPIKE_HELD - 2 ? at : (int)s->n - SPIKE_HELD - 2;
        while (k >= first && !is_spike(s->x + k))
            k--;
        for (int j = 1; k >= first && j <= SPIKE_HELD; j++)
            s->x[k + j] = s->x[k];
    }
}

/* Before and after what was recorded of a lead that another group of leads followed, its first and
 * last values, as where samples are missing: a step there would be a wave. */
static void hold_ends(const struct ecg_lead *lead, struct strip *s)
{
    struct ecg_section span;
    if (!ecg_section_span(lead, &span))
        return;
    int first = place(s, span.from_s) + 1, last = place(s, span.to_s) - 2;
    for (int i = 0; i < first && first < (int)s->n; i++)
        s->x[i] = s->x[first];
    for (int i = last + 1; i < (int)s->n && last >= 0; i++)
        s->x[i] = s->x[last];
}

static bool read_strip(const struct ecg_block *b, size_t lead, struct strip *s)
{
    s->from_s = beat_of(b, 0)->at_s - (double)ECG_WINDOW_BEFORE / ECG_WINDOW_HZ;
    double end_s = beat_of(b, b->n - 1)->at_s +
                   (double)(ECG_WINDOW - ECG_WINDOW_BEFORE + SHIFTS) / ECG_WINDOW_HZ;
    s->n = (size_t)((end_s - s->from_s) * ECG_WINDOW_HZ) + 1;
    s->n = s->n < SPAN ? s->n : SPAN;
    bool ok = ecg_window_read(b->leads[lead], s->from_s, s->n, s->x);
    if (b->beats->in_sections)
        hold_ends(b->leads[lead], s);
    remove_spikes(b, s);
    return ok;
}

/* ---- alignment ---- */

static float slope_energy(const struct strip *s, int at)
{
    float sum = 0;
    for (int i = at - NEAR > 0 ? at - NEAR : 0; i < at + NEAR && i + 2 < (int)s->n; i++)
        sum += (s->x[i + 2] - s->x[i]) * (s->x[i + 2] - s->x[i]);
    return sum;
}

/* The lead whose complexes stand out most from its own rest. */
static size_t best_lead(const struct ecg_block *b, struct strip *s)
{
    size_t best = 0;
    float most = -1;
    for (size_t k = 0; k < b->nleads; k++) {
        float in = 0, all = 1;
        if (!read_strip(b, k, s))
            continue;
        for (size_t i = 0; i < b->n; i++)
            in += slope_energy(s, place(s, beat_of(b, i)->at_s));
        for (size_t i = 0; i + 2 < s->n; i++)
            all += (s->x[i + 2] - s->x[i]) * (s->x[i + 2] - s->x[i]);
        float rest = all > in ? all - in : 1;
        float score = in / sqrtf(rest);
        if (score > most) {
            most = score;
            best = k;
        }
    }
    return best;
}

/* By how many samples the slopes about `at` are later than those of the model. */
static int best_shift(const struct strip *s, const float *model, int at)
{
    int best = 0;
    float most = 0;
    for (int d = -SHIFTS; d <= SHIFTS; d++) {
        float dot = 0, own = 1;
        if (at + d - NEAR < 0 || at + d + NEAR + 2 >= (int)s->n)
            continue;
        const float *x = s->x + at + d - NEAR;
        for (int i = 0; i < 2 * NEAR; i++) {
            float slope = x[i + 2] - x[i];
            dot += slope * model[i];
            own += slope * slope;
        }
        float likeness = dot / sqrtf(own);
        if (likeness > most) {
            most = likeness;
            best = d;
        }
    }
    return best;
}

/* Beats of one shape are moved until their complexes lie on the mean of them. */
static void align_shape(struct ecg_block *b, const struct strip *s, unsigned shape)
{
    for (int round = 0; round < 2; round++) {
        float model[2 * NEAR] = {0};
        for (size_t i = 0; i < b->n; i++) {
            int at = place(s, b->fiducial_s[i]);
            if (beat_of(b, i)->shape != shape || at < NEAR || at + NEAR + 2 >= (int)s->n)
                continue;
            for (int k = 0; k < 2 * NEAR; k++)
                model[k] += s->x[at - NEAR + k + 2] - s->x[at - NEAR + k];
        }
        for (size_t i = 0; i < b->n; i++)
            if (beat_of(b, i)->shape == shape)
                b->fiducial_s[i] +=
                    (double)best_shift(s, model, place(s, b->fiducial_s[i])) / ECG_WINDOW_HZ;
    }
}

void ecg_block_init(struct ecg_block *b, const struct ecg_lead *const *leads, size_t nleads,
                    const struct ecg_beats *beats, size_t first)
{
    struct strip s;
    bool done[256] = {false};
    *b = (struct ecg_block){.leads = leads,
                            .nleads = nleads < ECG_MEAN_LEADS ? nleads : ECG_MEAN_LEADS,
                            .beats = beats,
                            .first = first};
    while (b->n < ECG_MEAN_BEATS && first + b->n < beats->n &&
           beat_of(b, b->n)->at_s - beat_of(b, 0)->at_s < ECG_MEAN_SPAN_S &&
           (b->n == 0 || beat_of(b, b->n)->at_s - beat_of(b, b->n - 1)->at_s < GAP_S))
        b->n++;
    assert(b->n > 0); /* first < beats->n */
    for (size_t i = 0; i < b->n; i++)
        b->fiducial_s[i] = beat_of(b, i)->at_s;
    if (b->n < 2)
        return;
    (void)read_strip(b, best_lead(b, &s), &s);
    for (size_t i = 0; i < b->n; i++) {
        unsigned shape = beat_of(b, i)->shape;
        if (!done[shape])
            align_shape(b, &s, shape);
        done[shape] = true;
    }
}

/* ---- the mean ---- */

/* Sorts them. */
static int median_of(int *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && v[k - 1] > v[k]; k--) {
            int t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
    return n ? v[n / 2] : 0;
}

/* Samples from this beat of the block to its neighbour, which need not be a member; 0 = there
 * is none. */
static int distance(const struct ecg_block *b, size_t i, bool next)
{
    size_t at = b->first + i;
    const struct ecg_beat *beat = beat_of(b, i);
    if (next ? at + 1 >= b->beats->n : at == 0)
        return 0;
    double gap_s = next ? beat[1].at_s - beat->at_s : beat->at_s - beat[-1].at_s;
    return gap_s < 60 ? (int)(gap_s * ECG_WINDOW_HZ) : 60 * ECG_WINDOW_HZ;
}

static int usual_distance(const struct ecg_block *b, const bool *member, bool next)
{
    int v[ECG_MEAN_BEATS];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (member[i] && distance(b, i, next))
            v[n++] = distance(b, i, next);
    return median_of(v, n);
}

/* Takes out the members that a neighbour comes nearer to than is usual: its waves would lie
 * in the mean. At least half are left. */
static void leave_out_crowded(const struct ecg_block *b, bool *taken)
{
    for (int next = 0; next < 2; next++) {
        int usual = usual_distance(b, taken, next);
        size_t all = 0, crowded = 0;
        for (size_t i = 0; i < b->n; i++) {
            int d = distance(b, i, next);
            all += taken[i];
            crowded += taken[i] && d && d * 10 < usual * 9;
        }
        for (size_t i = 0; i < b->n && crowded * 2 < all; i++) {
            int d = distance(b, i, next);
            taken[i] = taken[i] && !(d && d * 10 < usual * 9);
        }
    }
}

/* The least distance of those in the mean to their neighbours. */
static void nearest_neighbours(const struct ecg_block *b, const bool *taken, struct ecg_mean *out)
{
    out->before = out->after = 0;
    for (size_t i = 0; i < b->n; i++) {
        int before = taken[i] ? distance(b, i, false) : 0;
        int after = taken[i] ? distance(b, i, true) : 0;
        out->before = before && (!out->before || before < out->before) ? before : out->before;
        out->after = after && (!out->after || after < out->after) ? after : out->after;
    }
    out->before = out->before ? out->before : out->after ? out->after : ECG_WINDOW_HZ;
    out->after = out->after ? out->after : out->before;
}

/* Median change of the interval from one beat to the next in the block, over the median
 * interval; in parts of 1000. Beats of ventricular origin and those after them are left out. */
static float irregularity(const struct ecg_block *b)
{
    int change[ECG_MEAN_BEATS], interval[ECG_MEAN_BEATS];
    size_t n = 0, m = 0;
    int last = 0;
    for (size_t i = 1; i < b->n; i++) {
        bool odd = beat_of(b, i)->code == ECG_CODE_PVC || beat_of(b, i - 1)->code == ECG_CODE_PVC;
        int d = odd ? 0 : distance(b, i, false);
        if (d)
            interval[m++] = d;
        if (d && last)
            change[n++] = abs(d - last);
        last = d;
    }
    int usual = median_of(interval, m);
    return usual ? (float)median_of(change, n) / (float)usual : 0;
}

static bool is_ventricular(const struct ecg_block *b, const bool *member)
{
    size_t n = 0, ventricular = 0;
    for (size_t i = 0; i < b->n; i++) {
        n += member[i];
        ventricular += member[i] && beat_of(b, i)->code == ECG_CODE_PVC;
    }
    return ventricular * 2 > n;
}

/* Its window lies within the recording, or nearly so. */
static bool is_whole(const struct ecg_block *b, size_t i)
{
    return b->fiducial_s[i] >= 0.4 && b->fiducial_s[i] + 0.5 <= b->beats->seconds;
}

static void take_window(const struct strip *s, int at, float *x)
{
    for (int k = 0; k < ECG_WINDOW; k++) {
        int from = at - ECG_WINDOW_BEFORE + k;
        x[k] = s->x[from < 0 ? 0 : from >= (int)s->n ? (int)s->n - 1 : from];
    }
}

float ecg_mean_box(const float *x, int box)
{
    float sum = 0;
    for (int i = box * ECG_MEAN_BOX; i < (box + 1) * ECG_MEAN_BOX; i++)
        sum += x[i];
    return sum / ECG_MEAN_BOX;
}

static void add_beat(const float *x, float *sum, float *squares)
{
    for (int k = 0; k < ECG_WINDOW; k++)
        sum[k] += x[k];
    for (int box = 0; box < ECG_MEAN_BOXES; box++)
        squares[box] += ecg_mean_box(x, box) * ecg_mean_box(x, box);
}

void ecg_mean_find_silent(struct ecg_mean *m)
{
    m->live = 0;
    for (size_t k = 0; k < m->nleads; k++) {
        float low = 0, high = 0;
        for (int i = ECG_WINDOW_BEFORE - NEAR; i < ECG_WINDOW_BEFORE + NEAR; i++) {
            low = fminf(low, m->x[k][i]);
            high = fmaxf(high, m->x[k][i]);
        }
        m->silent[k] = high - low < SILENT_UV;
        m->live += !m->silent[k];
    }
    for (size_t k = 0; k < m->nleads && m->live == 0; k++)
        m->silent[k] = false;
    m->live = m->live ? m->live : m->nleads;
}

/* Whether the lead has samples from before P to after T of this beat: what a lead was not recorded
 * in has no part in its mean. */
static bool is_recorded(const struct ecg_block *b, size_t i, size_t lead)
{
    struct ecg_section s;
    double at_s = b->fiducial_s[i];
    if (b->beats->in_sections)
        return ecg_section_span(b->leads[lead], &s) && at_s - BEFORE_S >= s.from_s &&
               at_s + AFTER_S <= s.to_s;
    return ecg_gap_has_sample(b->leads[lead], at_s - BEFORE_S) &&
           ecg_gap_has_sample(b->leads[lead], at_s) &&
           ecg_gap_has_sample(b->leads[lead], at_s + AFTER_S);
}

/* Whether the lead has samples of some of them, and not of all. */
static bool has_some(const struct ecg_block *b, const bool *taken, size_t lead)
{
    size_t n = 0, all = 0;
    if (!b->beats->in_sections && ecg_gap_is_whole(b->leads[lead], b->beats->seconds))
        return false;
    for (size_t i = 0; i < b->n; i++) {
        all += taken[i];
        n += taken[i] && is_recorded(b, i, lead);
    }
    return n > 0 && n < all;
}

void ecg_mean_take(const struct ecg_block *b, const bool *member, struct ecg_mean *out)
{
    struct strip s;
    float x[ECG_WINDOW];
    bool taken[ECG_MEAN_BEATS];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += taken[i] = member[i] && is_whole(b, i);
    if (n == 0) {
        memcpy(taken, member, b->n * sizeof *taken);
        for (size_t i = 0; i < b->n; i++)
            n += taken[i];
    }
    leave_out_crowded(b, taken);
    n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += taken[i];
    assert(n > 0); /* of the members, of which there is one at least */
    nearest_neighbours(b, taken, out);
    out->ventricular = is_ventricular(b, member);
    out->irregular = irregularity(b);
    out->nleads = out->recorded = b->nleads;
    out->beats = n;
    memset(out->x, 0, sizeof out->x);
    memset(out->half, 0, sizeof out->half);
    memset(out->rest, 0, sizeof out->rest);
    for (size_t lead = 0; lead < b->nleads; lead++) {
        size_t count[2] = {0};
        bool partly = has_some(b, taken, lead);
        (void)read_strip(b, lead, &s);
        flatten(b, &s);
        for (size_t i = 0, turn = 0; i < b->n; i++) {
            if (!taken[i] || (partly && !is_recorded(b, i, lead)))
                continue;
            take_window(&s, place(&s, b->fiducial_s[i]), x);
            add_beat(x, out->half[turn][lead], out->rest[lead]);
            count[turn]++;
            turn = !turn;
        }
        n = count[0] + count[1];
        assert(n > 0); /* a lead that has none of them is taken as it is */
        for (int k = 0; k < ECG_WINDOW; k++) {
            out->x[lead][k] = (out->half[0][lead][k] + out->half[1][lead][k]) / (float)n;
            out->half[0][lead][k] /= (float)(count[0] ? count[0] : 1);
            out->half[1][lead][k] /= (float)(count[1] ? count[1] : 1);
        }
        ecg_mains_remove(out->x[lead], out->before, out->after);
        ecg_mains_remove(out->half[0][lead], out->before, out->after);
        ecg_mains_remove(out->half[1][lead], out->before, out->after);
        for (int box = 0; box < ECG_MEAN_BOXES && n > 1; box++) {
            float v = ecg_mean_box(out->x[lead], box);
            out->rest[lead][box] =
                fmaxf(out->rest[lead][box] - (float)n * v * v, 0) / (float)(n - 1);
        }
        if (partly && count[1] == 0) /* one beat is compared with nothing */
            memset(out->half[0][lead], 0, sizeof out->half[0][lead]);
    }
    ecg_mean_find_silent(out);
}

void ecg_block_windows(const struct ecg_block *b, float (*out)[ECG_MEAN_LEADS][ECG_WINDOW])
{
    struct strip s;
    memset(out, 0, b->n * sizeof *out);
    for (size_t lead = 0; lead < b->nleads; lead++) {
        (void)read_strip(b, lead, &s);
        flatten(b, &s);
        for (size_t i = 0; i < b->n; i++)
            take_window(&s, place(&s, b->fiducial_s[i]), out[i][lead]);
    }
}
