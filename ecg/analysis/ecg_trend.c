#include "ecg/analysis/ecg_trend.h"

#include <math.h>
#include <stdlib.h>

enum { PIECES_MAX = 4096, LEAST_BEATS = 16 /* of a piece, to tell its rhythm */ };
static const double PIECE_S = 60;

/* Beats first .. first + n - 1 as a recording of their own; the beats are borrowed. */
static struct ecg_beats part_of(const struct ecg_beats *b, size_t first, size_t n)
{
    struct ecg_beats part = *b;
    part.beat = b->beat + first;
    part.n = n;
    return part;
}

/* Of the beats that are not ventricular the shape of most: over a day the usual beats of a
 * recording have more than one, as the person turns. */
static uint8_t shape_of_most(const struct ecg_beats *b)
{
    size_t count[ECG_SHAPES] = {0};
    uint8_t best = b->dominant;
    for (size_t i = 0; i < b->n; i++)
        if (b->beat[i].shape < ECG_SHAPES && b->beat[i].code != ECG_CODE_PVC)
            count[b->beat[i].shape]++;
    for (uint8_t k = 0; k < ECG_SHAPES; k++)
        if (best >= ECG_SHAPES || count[k] > count[best])
            best = k;
    return best;
}

/* ST and P waves of the block in the middle, the rhythm of all its beats. */
static enum base_err look_at(const struct ecg_record *r, const struct ecg_beats *piece,
                             struct ecg_figures *f, struct ecg_trend *t,
                             struct ecg_trend_piece *out, struct base_error *err)
{
    struct ecg_rhythm rhythm;
    size_t n = piece->n < ECG_MEAN_BEATS ? piece->n : ECG_MEAN_BEATS;
    struct ecg_beats middle = part_of(piece, (piece->n - n) / 2, n);
    middle.dominant = shape_of_most(&middle);
    enum base_err e = ecg_figures_measure(r, NULL, &middle, f, err);
    if (e || f->in_mean == 0)
        return e;
    t->nleads = f->nleads;
    for (size_t i = 0; i < f->nleads; i++) {
        t->name[i] = f->lead[i].name;
        out->st_uv[i] = f->lead[i].st_uv[ECG_TREND_ST];
    }
    if (ecg_beats_rate(piece, &f->rate) || ecg_rhythm_find(piece, f, &rhythm))
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    out->is_known = piece->n >= LEAST_BEATS;
    out->is_af = out->is_known && rhythm.is_af;
    return BASE_OK;
}

/* A piece that alone is otherwise than both beside it is more often an error than a change. */
static void smooth(struct ecg_trend *t)
{
    bool before = t->n > 0 && t->piece[0].is_af;
    for (size_t i = 1; i + 1 < t->n; i++) {
        struct ecg_trend_piece *p = &t->piece[i];
        bool own = p->is_af;
        bool alone = own != before && own != t->piece[i + 1].is_af;
        if (p->is_known && t->piece[i - 1].is_known && t->piece[i + 1].is_known && alone)
            p->is_af = before;
        before = own;
    }
}

static double seconds_of(const struct ecg_trend *t, size_t i, double seconds)
{
    return fmin(t->width_s, seconds - (double)i * t->width_s);
}

enum base_err ecg_trend_find(const struct ecg_record *r, const struct ecg_beats *b,
                             struct ecg_trend *out, struct base_error *err)
{
    struct ecg_trend t = {.width_s = fmax(PIECE_S, ceil(b->seconds / PIECES_MAX))};
    double pieces = ceil(b->seconds / t.width_s);
    t.n = pieces > 0 ? (size_t)fmin(pieces, PIECES_MAX) : 0;
    struct ecg_figures *f = malloc(sizeof *f);
    t.piece = calloc(t.n ? t.n : 1, sizeof *t.piece);
    enum base_err e =
        f && t.piece ? BASE_OK : base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t i = 0, from = 0, to; i < t.n && !e; i++, from = to) {
        for (size_t k = 0; k < ECG_MEAN_LEADS; k++)
            t.piece[i].st_uv[k] = NAN;
        for (to = from; to < b->n && b->beat[to].at_s < (double)(i + 1) * t.width_s;)
            to++;
        struct ecg_beats piece = part_of(b, from, to - from);
        if (piece.n > 1)
            e = look_at(r, &piece, f, &t, &t.piece[i], err);
    }
    free(f);
    if (e) {
        ecg_trend_deinit(&t);
        return e;
    }
    smooth(&t);
    for (size_t i = 0; i < t.n; i++) {
        t.known_s += t.piece[i].is_known ? seconds_of(&t, i, b->seconds) : 0;
        t.af_s += t.piece[i].is_af ? seconds_of(&t, i, b->seconds) : 0;
    }
    *out = t;
    return BASE_OK;
}

void ecg_trend_deinit(struct ecg_trend *t)
{
    free(t->piece);
    *t = (struct ecg_trend){0};
}
