#include "rdc/rdc_ecg_plot.h"

#include "ecg/analysis/ecg_pace.h"
#include "rdc/rdc_ecg_analysis.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SPIKES_MAX = 1024 };

const char *const rdc_ecg_plot_help =
    "  --page KIND       leads (default), beats (means with measurements), strip, holter\n"
    "  --format FORMAT   of leads: 3x4+1 (default), 3x4+3, 6x2, 12x1\n"
    "  --cabrera         limb leads as aVL I -aVR II aVF III\n"
    "  --speed N         25 or 50 mm/s      --gain N   5, 10 or 20 mm/mV\n"
    "  --lead NAME,...   of the strips\n"
    "  --from SECONDS    where to begin     --seconds N   length of --page strip\n"
    "  --marks           waves, classes of beats and intervals\n"
    "  --device-beats    of --page beats: those that the device stored\n"
    "  --number N        which page of several (PDF: all without it)\n"
    "  --dpi N           of a PNG, 25.4 to 600 (203.2)\n"
    "  --confirmed-by NAME    who confirmed the reading; without it the sheet says that nobody "
    "did\n";

/* A word of a list, NULL at its end; SIZE_MAX when it is none of them. */
static size_t word_of(const char *const *words, const char *value)
{
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], value) == 0)
            return i;
    return SIZE_MAX;
}

static enum base_err take_word(const char *name, const char *const *words, const char *value,
                               size_t *out, struct base_error *err)
{
    char list[96] = "";
    *out = word_of(words, value);
    if (*out != SIZE_MAX)
        return BASE_OK;
    for (size_t i = 0; words[i]; i++) {
        strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1);
        strncat(list, words[i], sizeof list - strlen(list) - 1);
    }
    return base_fail(err, BASE_EINVAL, BASE_NOPOS, "%s is one of %s, not \"%.40s\"", name, list,
                     value);
}

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {{"--dpi", offsetof(struct ecg_draw_options, dpi)},
               {"--speed", offsetof(struct ecg_draw_options, mm_per_s)},
               {"--gain", offsetof(struct ecg_draw_options, mm_per_mv)},
               {"--from", offsetof(struct ecg_draw_options, from_s)},
               {"--seconds", offsetof(struct ecg_draw_options, seconds)}},
  flags[] = {{"--cabrera", offsetof(struct ecg_draw_options, cabrera)},
             {"--marks", offsetof(struct ecg_draw_options, marks)},
             {"--device-beats", offsetof(struct ecg_draw_options, device_beats)}},
  texts[] = {{"--lead", offsetof(struct ecg_draw_options, leads)},
             {"--confirmed-by", offsetof(struct ecg_draw_options, confirmed_by)}};

bool rdc_ecg_plot_is_flag(const char *name)
{
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flags[i].name, name) == 0)
            return true;
    return false;
}

static bool take_number(const char *value, double *out)
{
    char *end;
    double v = strtod(value, &end);
    /* Nothing is so long, and no sum of such is inexact. */
    if (!*value || *end || !(fabs(v) < 1e9))
        return false;
    *out = v;
    return true;
}

static enum base_err take_choice(struct ecg_draw_options *o, const char *name, const char *value,
                                 struct base_error *err)
{
    static const char *const pages[] = {"leads", "beats", "strip", "holter", NULL};
    static const char *const formats[] = {"3x4+1", "3x4+3", "6x2", "12x1", NULL};
    size_t at;
    enum base_err e = BASE_ENOTFOUND;
    if (strcmp(name, "--page") == 0) {
        e = take_word(name, pages, value, &at, err);
        o->page = e ? o->page : (enum ecg_draw_page)at;
    } else if (strcmp(name, "--format") == 0) {
        e = take_word(name, formats, value, &at, err);
        o->format = e ? o->format : (enum ecg_draw_format)at;
    } else if (strcmp(name, "--number") == 0) {
        double v;
        if (!take_number(value, &v) || !(v >= 1 && v <= 100000) || v != floor(v))
            return base_fail(err, BASE_EINVAL, BASE_NOPOS, "%s is a page from 1, not \"%.40s\"",
                             name, value);
        o->number = (unsigned)v;
        e = BASE_OK;
    }
    return e;
}

enum base_err rdc_ecg_plot_option(struct ecg_draw_options *o, const char *name, const char *value,
                                  struct base_error *err)
{
    static const char *const yes_no[] = {"no", "yes", NULL};
    char *base = (char *)o;
    size_t at;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, name) != 0)
            continue;
        if (take_number(value, (double *)(void *)(base + numbers[i].offset)))
            return BASE_OK;
        return base_fail(err, BASE_EINVAL, BASE_NOPOS, "%s is a number, not \"%.40s\"", name,
                         value);
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i].name, name) != 0)
            continue;
        enum base_err e = take_word(name, yes_no, value, &at, err);
        if (!e)
            *(bool *)(base + flags[i].offset) = at == 1;
        return e;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) != 0)
            continue;
        *(const char **)(void *)(base + texts[i].offset) = value;
        return BASE_OK;
    }
    return take_choice(o, name, value, err);
}

/* Spikes are looked for where beats are paced; how many. */
static size_t find_spikes(const struct ecg_record *r, const struct ecg_beats *b, double *at_s,
                          size_t most)
{
    bool paced = false;
    bool marked = false;
    for (size_t i = 0; i < b->n; i++)
        paced |= b->beat[i].code == ECG_CODE_PACED;
    for (size_t i = 0; i < r->nmarks; i++)
        marked |= r->marks[i].kind == ECG_MARK_PACE;
    return paced && !marked ? ecg_pace_find(r, b, at_s, most) : 0;
}

static enum base_err draw_analysed(const struct rdc_ecg_analysis *of,
                                   const struct ecg_draw_options *given,
                                   const struct rdc_ecg_result *x,
                                   const struct ecg_changes *changes, struct base_buf *out,
                                   struct base_error *err)
{
    const struct ecg_record *r = of->record;
    struct ecg_draw_options o = *given;
    struct ecg_draw_analysis a = {
        .version = RDC_VERSION, .beats = &x->beats, .figures = &x->f, .findings = &x->findings};
    double spike_s[SPIKES_MAX];
    struct ecg_waves *waves = NULL;
    struct ecg_trend trend = {0};
    enum base_err e = BASE_OK;
    a.changes = changes;
    a.earlier = changes ? &of->earlier->start : NULL;
    a.spike_s = spike_s;
    a.nspikes = find_spikes(r, &x->beats, spike_s, SPIKES_MAX);
    if (o.marks) {
        waves = calloc(x->beats.n + 1, sizeof *waves);
        e = waves ? ecg_waves_find(r, &x->beats, NULL, waves, err)
                  : base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
        a.waves = waves;
    }
    if (!e && o.page == ECG_DRAW_HOLTER) {
        e = ecg_trend_find(r, &x->beats, &trend, err);
        a.trend = &trend;
    }
    o.analysis = &a;
    if (!e)
        e = ecg_draw_sheet(r, &o, out, err);
    ecg_trend_deinit(&trend);
    free(waves);
    return e;
}

/* The sheet says why there are no figures. */
static enum base_err draw_unmeasured(const struct ecg_record *r,
                                     const struct ecg_draw_options *given,
                                     const struct base_error *why, struct base_buf *out,
                                     struct base_error *err)
{
    struct ecg_findings findings;
    struct ecg_draw_analysis a = {.findings = &findings};
    struct ecg_draw_options o = *given;
    ecg_findings_unmeasured(r, why, &findings);
    o.analysis = &a;
    return ecg_draw_sheet(r, &o, out, err);
}

enum base_err rdc_ecg_plot(const struct ecg_record *r, const struct ecg_record *earlier,
                           const struct ecg_draw_options *options, struct base_buf *out,
                           struct base_error *err)
{
    struct rdc_ecg_analysis a = {.record = r, .earlier = earlier};
    struct rdc_ecg_result *x = NULL;
    struct base_error why = {0};
    enum base_err e = rdc_ecg_analyse(&a, &x, &why);
    if (e && e != BASE_ENOMEM)
        return draw_unmeasured(r, options, &why, out, err);
    struct ecg_changes *changes = earlier && !e ? malloc(sizeof *changes) : NULL;
    bool compared = false;
    if (changes) {
        e = rdc_ecg_compare(&a, x, changes, &why);
        compared = e == BASE_OK;
    }
    /* What cannot be compared is shown alone; without memory something would be left out. */
    if (e == BASE_ENOMEM || (earlier && !changes))
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    else
        e = draw_analysed(&a, options, x, compared ? changes : NULL, out, err);
    free(changes);
    rdc_ecg_result_free(x);
    return e;
}
