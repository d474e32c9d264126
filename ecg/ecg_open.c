#include "ecg/ecg_open.h"

#include "base/utf8.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_join.h"
#include "ecg/ecg_kind.h"
#include "ecg/ecg_locale.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A file name that can mean nothing but a file beside the first: no path, no
 * control character, and not "-", which programs take for their input. */
static bool is_plain(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n >= ECG_NAME_SIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strcmp(name, "-") == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)name[i] < ' ' || name[i] == 0x7f || name[i] == '/' || name[i] == '\\' ||
            name[i] == ':')
            return false;
    return true;
}

static enum ecg_found find(const struct ecg_set *set, const char *name, bool optional,
                           struct base_bytes *out)
{
    if (!is_plain(name))
        return ECG_FOUND_UNSAFE;
    const struct ecg_input *found = NULL;
    for (size_t i = 0; i < set->n && (!found || strcmp(found->name, name) != 0); i++)
        if (strcmp(set->files[i].name, name) == 0 ||
            (!found && set->files[i].bytes.p && strcasecmp(set->files[i].name, name) == 0))
            found = &set->files[i];
    if (found) {
        *out = found->bytes;
        return found->bytes.p ? ECG_FOUND : ECG_FOUND_ABSENT;
    }
    struct ecg_needs *needs = set->needs;
    for (size_t i = 0; i < needs->n; i++)
        if (strcmp(needs->name[i], name) == 0)
            return ECG_FOUND_UNKNOWN;
    if (needs->n < ECG_NEEDS_MAX) {
        memcpy(needs->name[needs->n], name, strlen(name) + 1);
        needs->optional[needs->n++] = optional;
    }
    return ECG_FOUND_UNKNOWN;
}

enum ecg_found ecg_set_find(const struct ecg_set *set, const char *name, struct base_bytes *out)
{
    return find(set, name, false, out);
}

enum ecg_found ecg_set_find_optional(const struct ecg_set *set, const char *name,
                                     struct base_bytes *out)
{
    return find(set, name, true, out);
}

void ecg_find_needs(const struct ecg_input *file, struct ecg_needs *out)
{
    struct ecg_record *r = NULL;
    struct base_error err;
    out->n = 0;
    if (ecg_format_has_files(ecg_detect(file->bytes)) &&
        ecg_open(file, 1, NULL, out, &r, &err) == BASE_OK)
        ecg_record_free(r);
}

/* Whether this file's format asks for a file of that name. */
static bool names(const struct ecg_input *file, const char *name)
{
    struct ecg_needs needs;
    bool found = false;
    if (name[0])
        ecg_find_needs(file, &needs);
    for (size_t i = 0; name[0] && i < needs.n; i++)
        found |= strcasecmp(needs.name[i], name) == 0;
    return found;
}

size_t ecg_find_first(const struct ecg_input *files, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        if (ecg_detect(files[i].bytes) == ECG_FORMAT_UNKNOWN)
            continue;
        bool named = false;
        for (size_t k = 0; k < n && !named; k++)
            named = k != i && names(&files[k], files[i].name);
        if (!named)
            return i;
        best = best == n ? i : best;
    }
    return best;
}

/* What people send by mistake, so that the message can say so. */
static const char *mistaken_for(struct base_bytes b)
{
    static const struct {
        const char *magic;
        const char *what;
    } rows[] = {
        {"%PDF", "a PDF document"},
        {"\x89PNG", "a PNG picture"},
        {"\xff\xd8\xff", "a JPEG picture"},
        {"PK\x03\x04", "a ZIP archive"},
        {"<?xml", "an XML file"},
        {"MZ", "a Windows program"},
        {"GDF ", "a GDF recording"},
        {"CFWB", "a LabChart recording"},
        {"Brain Vision", "a BrainVision header"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].magic);
        if (b.n >= n && memcmp(b.p, rows[i].magic, n) == 0)
            return rows[i].what;
    }
    return NULL;
}

/* "SCP-ECG, DICOM" */
static void list_formats(char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (unsigned i = ECG_FORMAT_UNKNOWN + 1; i < ECG_FORMAT_COUNT && n < size; i++)
        if (ecg_format_row((enum ecg_format)i)->probe)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
                                  ecg_format_name((enum ecg_format)i));
}

/* How many commas, semicolons or tabs the line at *at has, which is moved to the next; 0 for
 * what is no text. */
static size_t separators(struct base_bytes b, size_t *at)
{
    size_t n = 0;
    for (; *at < b.n && b.p[*at] != '\n'; ++*at) {
        uint8_t c = b.p[*at];
        if (c < ' ' && c != '\t' && c != '\r')
            return 0;
        n += c == ',' || c == ';' || c == '\t';
    }
    ++*at;
    return n;
}

/* The first two lines have as many columns. */
static bool is_table(struct base_bytes b)
{
    enum { HEAD = 8192 };
    size_t at = 0;
    b.n = b.n < HEAD ? b.n : HEAD;
    size_t n = separators(b, &at);
    return n > 0 && at < b.n && separators(b, &at) == n;
}

static enum base_err refuse(struct base_bytes file, struct base_error *err)
{
    char formats[120];
    if (file.n == 0)
        return base_fail(err, BASE_EFORMAT, 0, "the file is empty");
    list_formats(formats, sizeof formats);
    const char *what = mistaken_for(file);
    if (what)
        return base_fail(err, BASE_EUNSUPPORTED, 0,
                         "this is %s, not an ECG recording that rdc reads (%s); export it from the "
                         "recorder in one of these",
                         what, formats);
    if (is_table(file))
        return base_fail(err, BASE_EUNSUPPORTED, 0,
                         "not an ECG recording that rdc reads: a table whose first line does not "
                         "say the sampling rate; CSV is samples in uV below a line such as "
                         "sample (500 Hz),I,II");
    return base_fail(err, BASE_EUNSUPPORTED, 0, "not an ECG recording that rdc reads (%s)",
                     formats);
}

static void count_leads(struct ecg_record *r)
{
    for (size_t i = 0; i < r->nleads; i++)
        ecg_record_count(&r->leads[i]);
    for (size_t i = 0; i < r->nothers; i++)
        ecg_record_count(&r->others[i]);
    for (size_t i = 0; i < r->nmedians; i++)
        ecg_record_count(&r->medians[i]);
}

/* Of a damaged file that gives nothing, damage is the cause and not what was looked for in vain. A
 * message that says where names the damage itself. */
static void tell_damage(const struct ecg_record *r, struct base_error *err)
{
    enum { MOST = 120 };
    char why[sizeof err->msg];
    size_t i = 0;
    while (i < r->nnotes && !r->notes[i].is_damage)
        i++;
    if (!err || err->pos != BASE_NOPOS || i == r->nnotes)
        return;
    const char *text = r->notes[i].text;
    memcpy(why, err->msg, sizeof why);
    base_fail(err, err->code, err->pos, "%.*s; %s", (int)base_utf8_cut(text, strlen(text), MOST),
              text, why);
}

/* In a damaged document a lead may end where nothing says its rate. */
static void settle_rates(struct ecg_record *r)
{
    enum { USUAL_HZ = 500 };
    struct ecg_lead *groups[] = {r->leads, r->others, r->medians};
    const size_t counts[] = {r->nleads, r->nothers, r->nmedians};
    for (size_t g = 0; g < 3; g++)
        for (size_t i = 0; i < counts[g]; i++) {
            struct ecg_lead *lead = &groups[g][i];
            if (lead->samples == 0 || lead->rate_hz > 0)
                continue;
            lead->rate_hz = USUAL_HZ;
            ecg_record_damage(r, BASE_NOPOS, "%s: lead %s has no sampling rate, %d Hz assumed",
                              r->format, lead->name, USUAL_HZ);
        }
}

/* What no person measures and no filter has was no number, or has lost a digit. */
static void settle_figures(struct ecg_record *r)
{
    static const double MOST = 100000;
    const struct {
        const char *what;
        double *v;
    } figures[] = {{"height", &r->patient.height_cm},
                   {"weight", &r->patient.weight_kg},
                   {"high-pass filter", &r->filters.high_pass_hz},
                   {"low-pass filter", &r->filters.low_pass_hz},
                   {"notch filter", &r->filters.notch_hz}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (*figures[i].v >= 0 && *figures[i].v <= MOST)
            continue;
        *figures[i].v = 0;
        ecg_record_damage(r, BASE_NOPOS, "%s: the %s is none that there can be", r->format,
                          figures[i].what);
    }
}

static enum base_err parse(const struct ecg_set *set, const struct ecg_format_row *row,
                           struct ecg_record *r, struct base_error *err)
{
    r->format = row->name;
    enum base_err e =
        row->parse_set ? row->parse_set(set, r, err) : row->parse(set->files[0].bytes, r, err);
    if (e == BASE_EFORMAT)
        tell_damage(r, err);
    if (!e)
        settle_rates(r);
    if (!e)
        settle_figures(r);
    if (!e && !r->err)
        r->err = ecg_kind_settle(r);
    if (!e && !r->err)
        r->err = ecg_join_settle(r);
    if (!e)
        count_leads(r);
    if (r->err) /* before what it led to: a file that seems to hold nothing */
        e = base_fail(err, r->err, BASE_NOPOS, "%s: %s", row->name,
                      r->err == BASE_ELIMIT ? "more text or items than the limit allows"
                                            : base_err_text(r->err));
    return e;
}

/* needs of the caller, or why there can be none. */
static enum base_err check_inputs(const struct ecg_input *files, size_t n,
                                  const struct ecg_limits *limits, struct base_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (files[i].bytes.n > limits->bytes - total)
            return base_fail(err, BASE_ELIMIT, BASE_NOPOS, "over the limit of %zu bytes",
                             limits->bytes);
        total += files[i].bytes.n;
    }
    if (n == 0)
        return base_fail(err, BASE_EINVAL, BASE_NOPOS, "no file given");
    if (n > ECG_INPUTS_MAX)
        return base_fail(err, BASE_ELIMIT, BASE_NOPOS, "%zu files; one recording may have %d", n,
                         ECG_INPUTS_MAX);
    return BASE_OK;
}

/* Of what is asked for, a file that is not merely wanted. */
static const char *first_needed(const struct ecg_needs *asked)
{
    for (size_t i = 0; i < asked->n; i++)
        if (!asked->optional[i])
            return asked->name[i];
    return "its signals";
}

static enum base_err open_files(const struct ecg_input *files, size_t n,
                                const struct ecg_limits *limits, struct ecg_needs *needs,
                                struct ecg_record **out, struct base_error *err)
{
    limits = limits ? limits : &ecg_limits_default;
    if (needs)
        needs->n = 0;
    enum base_err e = check_inputs(files, n, limits, err);
    if (e)
        return e;
    enum ecg_format format = ecg_detect(files[0].bytes);
    if (format == ECG_FORMAT_UNKNOWN)
        return refuse(files[0].bytes, err);
    struct ecg_record *r = ecg_record_new(limits);
    struct ecg_needs *asked = needs ? needs : calloc(1, sizeof *asked);
    if (!r || !asked)
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    if (!e) {
        struct ecg_set set = {.files = files, .n = n, .needs = asked};
        e = parse(&set, ecg_format_row(format), r, err);
    }
    if (e == BASE_ENOTFOUND && !needs)
        e = base_fail(
            err, BASE_EFORMAT, BASE_NOPOS,
            "%s: the recording has more files, such as %s, and they were not sent with it",
            ecg_format_name(format), first_needed(asked));
    if (!needs)
        free(asked);
    if (e) {
        ecg_record_free(r);
        return e;
    }
    if (needs)
        needs->n = 0;
    r->limits = &ecg_limits_default;
    *out = r;
    return BASE_OK;
}

enum base_err ecg_open(const struct ecg_input *files, size_t n, const struct ecg_limits *limits,
                       struct ecg_needs *needs, struct ecg_record **out, struct base_error *err)
{
    locale_t callers = ecg_locale_enter();
    enum base_err e = open_files(files, n, limits, needs, out, err);
    ecg_locale_leave(callers);
    return e;
}

/* Those that are asked for and not there, round by round. */
struct absent {
    struct absent *next;
    struct ecg_needs needs;
};

enum base_err ecg_open_all(const struct ecg_input *files, size_t n, const struct ecg_limits *limits,
                           struct ecg_record **out, struct base_error *err)
{
    struct ecg_input *all = calloc(ECG_INPUTS_MAX, sizeof *all);
    struct absent *absent = NULL;
    enum base_err e = BASE_ENOTFOUND;
    if (!all)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    size_t there = n < ECG_INPUTS_MAX ? n : ECG_INPUTS_MAX;
    memcpy(all, files, there * sizeof *all);
    while (e == BASE_ENOTFOUND) {
        struct absent *round = calloc(1, sizeof *round);
        if (!round) {
            e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
            break;
        }
        round->next = absent;
        absent = round;
        e = ecg_open(all, there, limits, &round->needs, out, err);
        if (e == BASE_ENOTFOUND && round->needs.n == 0)
            e = BASE_EFORMAT;
        for (size_t i = 0; e == BASE_ENOTFOUND && i < round->needs.n; i++) {
            if (there == ECG_INPUTS_MAX)
                e = base_fail(err, BASE_ELIMIT, BASE_NOPOS, "one recording may have %d files",
                              ECG_INPUTS_MAX);
            else
                all[there++] = (struct ecg_input){.name = round->needs.name[i]};
        }
    }
    while (absent) {
        struct absent *next = absent->next;
        free(absent);
        absent = next;
    }
    free(all);
    return e;
}
