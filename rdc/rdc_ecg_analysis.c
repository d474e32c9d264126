#include "rdc/rdc_ecg_analysis.h"

#include "base/json.h"
#include "ecg/analysis/ecg_waves.h"
#include "ecg/ecg_info.h"
#include "ecg/ecg_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- annotations ---- */

/* WFDB annotations count time in frames, each of which has one sample of the slowest lead. */
static double frame_rate(const struct ecg_record *r)
{
    double rate_hz = 0;
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].samples > 0 && (rate_hz <= 0 || r->leads[i].rate_hz < rate_hz))
            rate_hz = r->leads[i].rate_hz;
    return rate_hz;
}

static void add_mark(struct ecg_mark *marks, size_t *n, enum ecg_code code, int wave, double at_s)
{
    if (!isnan(at_s))
        marks[(*n)++] = (struct ecg_mark){.kind = ECG_MARK_OTHER,
                                          .code = code,
                                          .number = (int8_t)wave,
                                          .at_s = at_s,
                                          .from_s = at_s,
                                          .to_s = at_s,
                                          .text = ""};
}

/* In the order in which they occur in a beat, which the writer keeps for equal times. */
static void add_waves(struct ecg_mark *marks, size_t *n, const struct ecg_beat *beat,
                      const struct ecg_waves *w)
{
    const enum ecg_code peaks[] = {ECG_CODE_P_WAVE, beat->code, ECG_CODE_T_WAVE};
    for (int wave = 0; wave < 3; wave++) {
        add_mark(marks, n, ECG_CODE_WAVE_ON, wave, w->at_s[3 * wave]);
        add_mark(marks, n, peaks[wave], 0, w->at_s[3 * wave + 1]);
        add_mark(marks, n, ECG_CODE_WAVE_OFF, wave, w->at_s[3 * wave + 2]);
    }
}

static enum base_err find_beats(const struct rdc_ecg_analysis *a, bool waves, struct ecg_beats *out,
                                struct base_error *err)
{
    return ecg_beats_find(a->record, waves ? NULL : a->only, out, err);
}

enum base_err rdc_ecg_beats_write(const struct rdc_ecg_analysis *a, bool waves,
                                  struct base_buf *out, struct base_error *err)
{
    struct ecg_beats beats = {0};
    size_t n = 0;
    enum base_err e = find_beats(a, waves, &beats, err);
    if (e)
        return e;
    struct ecg_mark *marks = calloc(beats.n * ECG_POINT_COUNT + 1, sizeof *marks);
    struct ecg_waves *w = calloc(beats.n + 1, sizeof *w);
    if (!marks || !w)
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    else if (waves)
        e = ecg_waves_find(a->record, &beats, a->only, w, err);
    for (size_t i = 0; i < beats.n && !e; i++) {
        if (waves)
            add_waves(marks, &n, &beats.beat[i], &w[i]);
        else
            add_mark(marks, &n, beats.beat[i].code, 0, beats.beat[i].at_s);
    }
    if (!e)
        ecg_wfdb_write_annotations(marks, n, frame_rate(a->record), out);
    free(marks);
    free(w);
    ecg_beats_deinit(&beats);
    return e;
}

/* ---- figures ---- */

/* Global ones, with their names in ecg_measure.h where they have one there. */
static const struct {
    const char *name;
    const char *title;
    const char *unit;
    size_t offset;
} figures[] = {
    {"rr", "RR", "ms", offsetof(struct ecg_figures, rr_ms)},
    {"p_duration", "P", "ms", offsetof(struct ecg_figures, p_ms)},
    {"pr", "PR", "ms", offsetof(struct ecg_figures, pr_ms)},
    {"qrs", "QRS", "ms", offsetof(struct ecg_figures, qrs_ms)},
    {"qt", "QT", "ms", offsetof(struct ecg_figures, qt_ms)},
    {"qtc_bazett", "QTc Bazett", "ms", offsetof(struct ecg_figures, qtc_bazett_ms)},
    {"qtc_fridericia", "QTc Fridericia", "ms", offsetof(struct ecg_figures, qtc_fridericia_ms)},
    {"qtc_framingham", "QTc Framingham", "ms", offsetof(struct ecg_figures, qtc_framingham_ms)},
    {"qtc_hodges", "QTc Hodges", "ms", offsetof(struct ecg_figures, qtc_hodges_ms)},
    {"p_axis", "P axis", "deg", offsetof(struct ecg_figures, p_axis_deg)},
    {"qrs_axis", "QRS axis", "deg", offsetof(struct ecg_figures, qrs_axis_deg)},
    {"t_axis", "T axis", "deg", offsetof(struct ecg_figures, t_axis_deg)},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static float figure(const struct ecg_figures *f, size_t i)
{
    return *(const float *)(const void *)((const char *)f + figures[i].offset);
}

static void whole(struct base_json *j, const char *key, double v)
{
    base_json_member_double(j, key, isnan(v) ? v : round(v));
}

static void measurements_json(const struct ecg_figures *f, struct base_json *j)
{
    base_json_member_array(j, "measurements");
    for (size_t i = 0; i < FIGURES; i++) {
        if (isnan(figure(f, i)))
            continue;
        base_json_open_object(j);
        base_json_member_string(j, "name", figures[i].name);
        whole(j, "value", (double)figure(f, i));
        base_json_member_string(j, "unit", figures[i].unit);
        base_json_close_object(j);
    }
    base_json_close_array(j);
}

static const struct ecg_lead *lead_of(const struct ecg_record *r, const struct ecg_figures_lead *l)
{
    return l->id ? ecg_record_lead(r, l->id) : NULL;
}

static void quality_json(const struct ecg_quality_lead *q, struct base_json *j)
{
    base_json_member_object(j, "quality");
    base_json_member_bool(j, "flat", q->is_flat);
    base_json_member_bool(j, "saturated", q->is_saturated);
    base_json_member_bool(j, "mains", q->has_mains);
    whole(j, "mains_uv", (double)q->mains_uv);
    base_json_close_object(j);
}

static void lead_json(const struct ecg_record *r, const struct ecg_quality *quality,
                      const struct ecg_figures_lead *l, struct base_json *j)
{
    const struct ecg_quality_lead *q = l->id ? ecg_quality_lead(quality, l->id) : NULL;
    const struct ecg_lead *lead = lead_of(r, l);
    base_json_open_object(j);
    base_json_member_string(j, "name", l->name);
    base_json_member_bool(j, "derived", l->id && !lead);
    if (lead) {
        base_json_member_int(j, "samples", (int64_t)lead->samples);
        base_json_member_double(j, "rate_hz", lead->rate_hz);
        base_json_member_double(j, "uv_per_count", lead->uv_per_count);
    }
    whole(j, "p_uv", (double)l->p_uv);
    whole(j, "q_uv", (double)l->q_uv);
    whole(j, "r_uv", (double)l->r_uv);
    whole(j, "s_uv", (double)l->s_uv);
    whole(j, "r2_uv", (double)l->r2_uv);
    whole(j, "t_uv", (double)l->t_uv);
    whole(j, "q_ms", (double)l->q_ms);
    whole(j, "r_ms", (double)l->r_ms);
    whole(j, "s_ms", (double)l->s_ms);
    whole(j, "r_peak_ms", (double)l->r_peak_ms);
    static const char *const st[ECG_FIGURES_ST] = {"j_uv", "st20_uv", "st40_uv", "st60_uv",
                                                   "st80_uv"};
    for (size_t i = 0; i < ECG_FIGURES_ST; i++)
        whole(j, st[i], (double)l->st_uv[i]);
    if (q)
        quality_json(q, j);
    base_json_close_object(j);
}

static const struct {
    enum ecg_finding_kind kind;
    const char *key;
    const char *title;
} kinds[] = {{ECG_FINDING_STATEMENT, "statements", "proposed"},
             {ECG_FINDING_ALARM, "alarms", "to be looked at at once"},
             {ECG_FINDING_RETAKE, "retake", "for recording again"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void findings_json(const struct ecg_findings *all, size_t kind, struct base_json *j)
{
    base_json_member_array(j, kinds[kind].key);
    for (size_t i = 0; i < all->n; i++) {
        const struct ecg_finding_row *row = ecg_finding_row(all->of[i].code);
        if (row->kind != kinds[kind].kind)
            continue;
        base_json_open_object(j);
        base_json_member_string(j, "code", row->key);
        base_json_member_string(j, "text_en", row->en);
        base_json_member_string(j, "text_zh", row->zh);
        base_json_member_string(j, "figures", all->of[i].figures);
        base_json_close_object(j);
    }
    base_json_close_array(j);
}

static void findings_text(const struct ecg_findings *all, struct base_buf *out)
{
    for (size_t k = 0; k < KINDS; k++) {
        bool is_first = true;
        for (size_t i = 0; i < all->n; i++) {
            const struct ecg_finding_row *row = ecg_finding_row(all->of[i].code);
            if (row->kind != kinds[k].kind)
                continue;
            if (is_first)
                base_buf_printf(out, "%s, unconfirmed:\n", kinds[k].title);
            is_first = false;
            base_buf_printf(out, "  %s / %s (%s)\n", row->zh, row->en, all->of[i].figures);
        }
    }
}

/* ---- an earlier recording ---- */

static void changes_json(const struct ecg_changes *all, struct base_json *j)
{
    base_json_member_object(j, "comparison");
    base_json_member_array(j, "changes");
    for (size_t i = 0; i < all->n; i++) {
        const struct ecg_change *c = &all->of[i];
        const struct ecg_change_row *row = ecg_change_row(c->code);
        const struct ecg_finding_row *what =
            c->finding < ECG_FINDING_COUNT ? ecg_finding_row(c->finding) : NULL;
        base_json_open_object(j);
        base_json_member_string(j, "code", row->key);
        base_json_member_string(j, "statement", what ? what->key : NULL);
        base_json_member_string(j, "text_en", what ? what->en : row->en);
        base_json_member_string(j, "text_zh", what ? what->zh : row->zh);
        base_json_member_string(j, "figures", c->figures);
        base_json_close_object(j);
    }
    base_json_close_array(j);
    base_json_close_object(j);
}

static void changes_text(const struct ecg_changes *all, struct base_buf *out)
{
    base_buf_printf(out, "compared with the earlier recording, unconfirmed:\n");
    for (size_t i = 0; i < all->n; i++) {
        const struct ecg_change *c = &all->of[i];
        const struct ecg_change_row *row = ecg_change_row(c->code);
        if (c->finding < ECG_FINDING_COUNT)
            base_buf_printf(out, "  %s:%s / %s: %s (%s)\n", row->zh,
                            ecg_finding_row(c->finding)->zh, row->en,
                            ecg_finding_row(c->finding)->en, c->figures);
        else
            base_buf_printf(out, "  %s / %s (%s)\n", row->zh, row->en, c->figures);
    }
    if (all->n == 0)
        base_buf_printf(out, "  未见明显变化 / nothing of note changed\n");
}

enum base_err rdc_ecg_compare(const struct rdc_ecg_analysis *a, const struct rdc_ecg_result *now,
                              struct ecg_changes *out, struct base_error *err)
{
    struct rdc_ecg_analysis other = {.record = a->earlier, .limits = a->limits};
    struct rdc_ecg_result *x = NULL;
    struct base_error e = {0};
    if (a->only)
        other.only = ecg_record_lead(a->earlier, a->only->id);
    if (a->only && !other.only)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "the earlier recording has no lead %s",
                         a->only->name);
    if (rdc_ecg_analyse(&other, &x, &e))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "the earlier recording: %s", e.msg);
    struct ecg_measured before = {&x->f, &x->quality, &x->findings};
    struct ecg_measured after = {&now->f, &now->quality, &now->findings};
    ecg_compare(&before, &after, out);
    rdc_ecg_result_free(x);
    return BASE_OK;
}

/* ---- all of it ---- */

static void rate_json(const struct ecg_rate *rate, struct base_json *j)
{
    const struct {
        const char *key;
        double value;
    } values[] = {{"hr_bpm", rate->hr_bpm},
                  {"rr_ms", rate->rr_ms},
                  {"rr_median_ms", rate->rr_median_ms},
                  {"rr_min_ms", rate->rr_min_ms},
                  {"rr_max_ms", rate->rr_max_ms}};
    base_json_member_int(j, "beats", (int64_t)rate->beats);
    base_json_member_int(j, "pvc", (int64_t)rate->pvc);
    base_json_member_int(j, "atrial_premature", (int64_t)rate->atrial_premature);
    base_json_member_int(j, "paced", (int64_t)rate->paced);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        base_json_member_double(j, values[i].key, rate->beats < 2 ? (double)NAN : values[i].value);
    }
}

/* Leads of which nothing was measured: their names and quality. */
static void unmeasured_json(const struct ecg_record *r, const struct ecg_quality *quality,
                            struct base_json *j)
{
    for (size_t i = 0; i < quality->n; i++) {
        const struct ecg_lead *lead = quality->lead[i].lead;
        const struct ecg_figures_lead l = ecg_figures_none(lead->id, lead->name);
        lead_json(r, quality, &l, j);
    }
}

enum { NOTES = 64 }; /* that are repeated; the file has them all */

void rdc_ecg_unmeasured_write(const struct ecg_record *r, const struct base_error *why,
                              struct base_buf *out)
{
    struct ecg_findings findings;
    struct base_json j;
    ecg_findings_unmeasured(r, why, &findings);
    base_json_init(&j, out);
    base_json_open_object(&j);
    base_json_member_bool(&j, "confirmed", false);
    base_json_member_string(&j, "format", r ? r->format : NULL);
    base_json_member_string(&j, "error", why->msg);
    for (size_t k = 0; k < KINDS; k++)
        findings_json(&findings, k, &j);
    if (r)
        ecg_info_notes(r, NOTES, &j);
    base_json_close_object(&j);
    base_buf_add_byte(out, '\n');
}

static void write_json(const struct ecg_record *r, const struct rdc_ecg_result *x,
                       const struct ecg_changes *changes, struct base_buf *out)
{
    const struct ecg_beats *b = &x->beats;
    const struct ecg_figures *f = &x->f;
    struct base_json j;
    base_json_init(&j, out);
    base_json_open_object(&j);
    base_json_member_bool(&j, "confirmed", false);
    base_json_member_string(&j, "format", r->format);
    base_json_member_double(&j, "seconds", b->seconds);
    rate_json(&f->rate, &j);
    base_json_member_int(&j, "beats_in_mean", (int64_t)f->in_mean);
    measurements_json(f, &j);
    base_json_member_array(&j, "leads");
    for (size_t i = 0; i < f->nleads; i++)
        lead_json(r, &x->quality, &f->lead[i], &j);
    if (f->nleads == 0)
        unmeasured_json(r, &x->quality, &j);
    base_json_close_array(&j);
    for (size_t k = 0; k < KINDS; k++)
        findings_json(&x->findings, k, &j);
    if (changes)
        changes_json(changes, &j);
    ecg_info_notes(r, NOTES, &j);
    base_json_close_object(&j);
    base_buf_add_byte(out, '\n');
}

static void write_text(const struct ecg_beats *b, const struct ecg_figures *f, struct base_buf *out)
{
    const struct ecg_rate *rate = &f->rate;
    base_buf_printf(out, "measured by rdc, unconfirmed, from %zu lead%s of %g s:\n", b->leads,
                    b->leads == 1 ? "" : "s", b->seconds);
    base_buf_printf(out, "  beats          %zu (%zu PVC, %zu PAC, %zu paced)\n", rate->beats,
                    rate->pvc, rate->atrial_premature, rate->paced);
    if (rate->beats > 1)
        base_buf_printf(out,
                        "  HR             %.0f /min\n"
                        "  RR             %.0f ms (median %.0f, %.0f to %.0f)\n",
                        rate->hr_bpm, rate->rr_ms, rate->rr_median_ms, rate->rr_min_ms,
                        rate->rr_max_ms);
    for (size_t i = 1; i < FIGURES; i++)
        if (!isnan(figure(f, i)))
            base_buf_printf(out, "  %-14s %.0f %s\n", figures[i].title, (double)figure(f, i),
                            figures[i].unit);
    if (f->nleads)
        base_buf_printf(out,
                        "lead        P      Q      R      S     R'      T      J  ST+40  ST+80"
                        "   uV, mean of %zu beat%s\n",
                        f->in_mean, f->in_mean == 1 ? "" : "s");
    for (size_t i = 0; i < f->nleads; i++) {
        const struct ecg_figures_lead *l = &f->lead[i];
        const float v[] = {l->p_uv, l->q_uv,     l->r_uv,     l->s_uv,    l->r2_uv,
                           l->t_uv, l->st_uv[0], l->st_uv[2], l->st_uv[4]};
        base_buf_printf(out, "  %-5s", l->name);
        for (size_t k = 0; k < sizeof v / sizeof *v; k++) {
            if (isnan(v[k]))
                base_buf_printf(out, "      -");
            else
                base_buf_printf(out, " %6.0f", round((double)v[k]) + 0.0); /* no "-0" */
        }
        base_buf_printf(out, "\n");
    }
}

enum base_err rdc_ecg_analyse(const struct rdc_ecg_analysis *a, struct rdc_ecg_result **out,
                              struct base_error *err)
{
#define LIMIT_NAME(name, value) " " #name
    struct ecg_alarm_limits limits = ecg_alarm_limits_default;
    if (a->limits && !ecg_alarm_limits_parse(a->limits, &limits))
        return base_fail(err, BASE_EINVAL, BASE_NOPOS,
                         "limits of alarms: \"%.40s\" is not NAME=NUMBER,... above 0 with NAME "
                         "of" ECG_ALARM_LIMIT_MAP(LIMIT_NAME),
                         a->limits);
#undef LIMIT_NAME
    struct rdc_ecg_result *x = calloc(1, sizeof *x);
    if (!x)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    enum base_err e = ecg_beats_find(a->record, a->only, &x->beats, err);
    e = e ? e : ecg_figures_measure(a->record, a->only, &x->beats, &x->f, err);
    if (e) {
        rdc_ecg_result_free(x);
        return e;
    }
    ecg_quality_find(a->record, &x->quality);
    if (ecg_findings_make(a->record, &x->beats, &x->f, &x->quality, &limits, &x->findings))
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    if (!e && x->findings.no_complexes) { /* then intervals, amplitudes and a rate are of noise */
        x->beats.n = 0;
        e = ecg_figures_measure(a->record, a->only, &x->beats, &x->f, err);
    }
    if (e) {
        rdc_ecg_result_free(x);
        return e;
    }
    *out = x;
    return BASE_OK;
}

void rdc_ecg_result_free(struct rdc_ecg_result *x)
{
    if (x)
        ecg_beats_deinit(&x->beats);
    free(x);
}

enum base_err rdc_ecg_measure_write(const struct rdc_ecg_analysis *a, bool json,
                                    struct base_buf *out, struct base_error *err)
{
    struct rdc_ecg_result *x = NULL;
    struct ecg_changes *changes = NULL;
    enum base_err e = rdc_ecg_analyse(a, &x, err);
    if (!e && a->earlier && !(changes = calloc(1, sizeof *changes)))
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    if (!e && changes)
        e = rdc_ecg_compare(a, x, changes, err);
    if (!e && json) {
        write_json(a->record, x, changes, out);
    } else if (!e) {
        write_text(&x->beats, &x->f, out);
        findings_text(&x->findings, out);
        if (changes)
            changes_text(changes, out);
    }
    free(changes);
    rdc_ecg_result_free(x);
    return e;
}
