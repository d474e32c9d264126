/*
 * rdc ecg: what an ECG file holds, its sheet, its conversion, and its beats. Needs neither
 * database nor configuration.
 */
#include "rdc/rdc_command.h"

#include "base/clock.h"
#include "base/digest.h"
#include "ecg/ecg_info.h"
#include "ecg/ecg_write.h"
#include "rdc/rdc_ecg_analysis.h"
#include "rdc/rdc_ecg_files.h"
#include "rdc/rdc_ecg_plot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DONE, FAILED, USAGE };

struct ecg_command {
    const char *file;
    const char *output;
    const char *patient_id;
    const char *patient_name;
    const char *accession;
    const char *to;         /* format of the output */
    const char *lead;       /* the only one to analyse */
    const char *limits;     /* of alarms */
    const char *earlier;    /* recording to compare with */
    const char *annotators; /* extensions of annotation files */
    size_t kind;            /* which of the verb's endings output has */
    struct ecg_draw_options plot;
    bool json;
    bool waves; /* boundaries beside beats */
    struct rdc_ecg_files files;
    struct ecg_record *record;
};

static int usage(FILE *to, int status)
{
    fputs(
        "usage: rdc ecg info FILE [--json]\n"
        "       rdc ecg plot FILE -o OUT.png|OUT.pdf|OUT.svg [--compare EARLIER] [OPTION...]\n"
        "       rdc ecg convert FILE -o OUT [--to FORMAT] [--patient-id ID] [--patient-name NAME]\n"
        "                                   [--accession NUMBER]\n"
        "       rdc ecg beats FILE -o OUT.EXT [--waves] [--lead NAME]\n"
        "       rdc ecg measure FILE [--json] [--lead NAME] [--limits NAME=NUMBER,...]\n"
        "                                   [--compare EARLIER]\n"
        "\n"
        "FILE is a recording, or - for standard input. Files that belong to it (WFDB) are found\n"
        "in its folder; --annotations EXT,... reads RECORD.EXT too. EARLIER is another recording "
        "of the\n"
        "same patient: what changed since.\n",
        to);
    fputs("FORMAT, by the extension of OUT unless given, is one of", to);
    for (unsigned i = 1; i < ECG_FORMAT_COUNT; i++) {
        enum ecg_format format = (enum ecg_format)i;
        const char *endings = ecg_format_extensions(format);
        if (ecg_format_writes(format))
            fprintf(to, " %s (.%.*s)", ecg_format_name(format), (int)strcspn(endings, " "),
                    endings);
    }
    fputs(
        ".\n\nOptions of plot (A4 landscape in true size; --patient-id and so on as of convert):\n",
        to);
    fputs(rdc_ecg_plot_help, to);
    return status;
}

static int complain(const struct ecg_command *c, const struct base_error *err)
{
    if (err->pos == BASE_NOPOS)
        fprintf(stderr, "rdc ecg: %s: %s\n", c->file, err->msg);
    else
        fprintf(stderr, "rdc ecg: %s: byte %" PRIu64 ": %s\n", c->file, err->pos, err->msg);
    return FAILED;
}

static int open_record(struct ecg_command *c)
{
    struct base_error err = {.pos = BASE_NOPOS};
    return rdc_ecg_open(c->file, c->annotators, &c->files, &c->record, &err) ? complain(c, &err)
                                                                             : DONE;
}

static int write_stdout(const struct base_buf *out)
{
    errno = 0;
    return fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0 ? 0 : errno;
}

static int save(const struct rdc_ecg_file *files, size_t n)
{
    size_t which;
    int failed = rdc_ecg_files_save(files, n, &which);
    if (failed)
        fprintf(stderr, "rdc ecg: %s: %s\n", files[which].path, strerror(failed));
    return failed ? FAILED : DONE;
}

static int write_file(const char *path, const struct base_buf *out)
{
    const struct rdc_ecg_file file = {path, base_buf_bytes(out)};
    if (strcmp(path, "-") != 0)
        return save(&file, 1);
    int failed = write_stdout(out);
    if (failed)
        fprintf(stderr, "rdc ecg: %s: %s\n", path, strerror(failed));
    return failed ? FAILED : DONE;
}

static const char *ending(const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    return dot ? dot + 1 : "";
}

static void print_group(const char *title, const struct ecg_lead *leads, size_t n)
{
    if (n)
        printf("%s:\n", title);
    for (size_t i = 0; i < n; i++) {
        const struct ecg_lead *lead = &leads[i];
        printf("  %-6s %8zu samples  %g Hz  %g %s per count", lead->name, lead->samples,
               lead->rate_hz, lead->uv_per_count, lead->unit[0] ? lead->unit : "uV");
        if (lead->start_s > 0)
            printf("  from %g s", lead->start_s);
        putchar('\n');
    }
}

static void print_leads(const struct ecg_record *r)
{
    print_group("leads", r->leads, r->nleads);
    print_group("other channels", r->others, r->nothers);
    if (r->nmarks)
        printf("annotations: %zu\n", r->nmarks);
    if (r->nmedians)
        printf("median beat: %zu leads of %zu samples\n", r->nmedians, r->medians[0].samples);
}

static void print_findings(const struct ecg_record *r)
{
    size_t per_lead = 0;
    if (r->nmeasurements)
        printf("measured by the device:\n");
    for (size_t i = 0; i < r->nmeasurements; i++) {
        const struct ecg_measurement *m = &r->measurements[i];
        if (m->lead_id)
            per_lead++;
        else
            printf("  %-12s %g %s\n", m->name, m->value, m->unit);
    }
    if (per_lead)
        printf("  and %zu values per lead (--json shows them)\n", per_lead);
    if (r->nstatements)
        printf("stated by the device (%s):\n", ecg_info_confirmed(r->confirmed));
    for (size_t i = 0; i < r->nstatements; i++)
        printf("  %s\n", r->statements[i].text);
}

static void print_notes(const struct ecg_record *r)
{
    struct base_buf line = {0};
    if (r->nnotes)
        printf("notes on the file (!: lost, or perhaps wrong):\n");
    for (size_t i = 0; i < r->nnotes; i++) {
        base_buf_reset(&line);
        ecg_info_note(&r->notes[i], &line);
        printf("%s %s\n", r->notes[i].is_damage ? "!" : " ", base_buf_cstr(&line));
    }
    base_buf_deinit(&line);
}

static int run_info(struct ecg_command *c)
{
    const struct ecg_record *r = c->record;
    char start[ECG_INFO_TIME];
    if (c->json) {
        struct base_buf out = {0};
        struct base_json j;
        base_json_init(&j, &out);
        ecg_info_json(r, &j);
        base_buf_add_byte(&out, '\n');
        int status = write_file("-", &out);
        base_buf_deinit(&out);
        return status;
    }
    ecg_info_time(&r->start, start);
    printf("format: %s %s\n", r->format, r->version);
    printf("patient: %s, id %s\n", r->patient.name.utf8[0] ? r->patient.name.utf8 : "(no name)",
           r->patient.id.utf8[0] ? r->patient.id.utf8 : "(none)");
    printf("recorded: %s, %g s\n", start[0] ? start : "(time not stated)", ecg_record_seconds(r));
    printf("device: %s %s\n", r->device.manufacturer, r->device.model);
    print_leads(r);
    print_findings(r);
    print_notes(r);
    return DONE;
}

static int draw_plot(struct ecg_command *c, const struct ecg_record *earlier)
{
    struct ecg_draw_options o = c->plot;
    struct base_error err = {.pos = BASE_NOPOS};
    struct base_buf out = {0};
    o.kind = (enum ecg_draw_kind)c->kind;
    o.leads = c->lead;
    o.patient_id = c->patient_id;
    o.patient_name = c->patient_name;
    o.accession = c->accession;
    int status = rdc_ecg_plot(c->record, earlier, &o, &out, &err) ? complain(c, &err)
                                                                  : write_file(c->output, &out);
    base_buf_deinit(&out);
    return status;
}

/* Prints what makes a comparison doubtful. */
static void tell_doubts(const struct ecg_command *c, const struct ecg_record *earlier)
{
    const char *a = c->record->patient.id.utf8, *b = earlier->patient.id.utf8;
    if (a[0] && b[0] && strcmp(a, b) != 0)
        fprintf(stderr, "rdc ecg: %s states another patient ID than %s\n", c->earlier, c->file);
}

/* With the recording to compare with, or NULL where none is named. */
static int run_compared(struct ecg_command *c,
                        int (*run)(struct ecg_command *c, const struct ecg_record *earlier))
{
    struct rdc_ecg_files files = {0};
    struct ecg_record *earlier = NULL;
    struct base_error err = {.pos = BASE_NOPOS};
    int status = DONE;
    if (c->earlier && rdc_ecg_open(c->earlier, NULL, &files, &earlier, &err)) {
        fprintf(stderr, "rdc ecg: %s: %s\n", c->earlier, err.msg);
        status = FAILED;
    }
    if (status == DONE && earlier)
        tell_doubts(c, earlier);
    if (status == DONE)
        status = run(c, earlier);
    ecg_record_free(earlier);
    rdc_ecg_files_free(&files);
    return status;
}

static int run_plot(struct ecg_command *c)
{
    return run_compared(c, draw_plot);
}

/* Digest of all files, so that the same recording gets the same UIDs again. */
static void digest_files(const struct rdc_ecg_files *f, char hex[BASE_SHA256_HEX])
{
    uint8_t digest[BASE_SHA256];
    struct base_sha256 *h = base_sha256_new();
    hex[0] = '\0';
    if (!h)
        return;
    for (size_t i = 0; i < f->n; i++)
        base_sha256_add(h, f->bytes[i].p, f->bytes[i].n);
    base_sha256_end(h, digest);
    base_sha256_free(h);
    base_hex(digest, sizeof digest, hex);
}

/* Adds the file to remove: annotations of a WFDB record that is replaced fit nothing any more. */
static size_t add_stale_annotations(const struct ecg_command *c, struct ecg_outputs *out)
{
    size_t n = strlen(out->file[0].name) - strlen("hea");
    struct ecg_output *left = &out->file[out->n];
    if (c->kind != ECG_FORMAT_WFDB || out->n > 2 || out->n == ECG_OUTPUTS_MAX)
        return 0;
    *left = (struct ecg_output){.bytes = {0}};
    snprintf(left->name, sizeof left->name, "%.*satr", (int)n, out->file[0].name);
    return 1;
}

/* A single file goes to -o; several go into the folder of -o, under their own names. */
static int write_outputs(const struct ecg_command *c, struct ecg_outputs *out)
{
    if (out->n == 1)
        return write_file(c->output, &out->file[0].bytes);
    if (strcmp(c->output, "-") == 0) {
        fprintf(stderr, "rdc ecg: this format has %zu files: name one with -o\n", out->n);
        return FAILED;
    }
    const char *slash = strrchr(c->output, '/');
    int folder = slash ? (int)(slash + 1 - c->output) : 0;
    char *path[ECG_OUTPUTS_MAX] = {NULL};
    struct rdc_ecg_file files[ECG_OUTPUTS_MAX];
    int status = DONE;
    size_t n = out->n + add_stale_annotations(c, out);
    for (size_t i = 0; i < n && status == DONE; i++) {
        if (asprintf(&path[i], "%.*s%s", folder, c->output, out->file[i].name) < 0) {
            path[i] = NULL;
            status = FAILED;
        }
        files[i] = (struct rdc_ecg_file){path[i], base_buf_bytes(&out->file[i].bytes)};
    }
    if (status == DONE)
        status = save(files, n);
    for (size_t i = 0; i < n; i++)
        free(path[i]);
    return status;
}

static void tell_lost(enum ecg_format format, struct base_buf *lost)
{
    for (char *line = strtok((char *)lost->p, "\n"); line; line = strtok(NULL, "\n"))
        fprintf(stderr, "rdc ecg: not in the output, %s has no place for it: %s\n",
                ecg_format_name(format), line);
}

static int run_convert(struct ecg_command *c)
{
    enum ecg_format format = (enum ecg_format)c->kind;
    const char *name = strrchr(c->output, '/');
    name = name ? name + 1 : c->output;
    size_t n = strlen(name) - (ending(name)[0] ? strlen(ending(name)) + 1 : 0);
    char stem[ECG_NAME_SIZE];
    char seed[BASE_SHA256_HEX];
    snprintf(stem, sizeof stem, "%.*s", (int)n, name);
    digest_files(&c->files, seed);
    struct ecg_write_options o = {.stem = stem,
                                  .seed = seed[0] ? seed : NULL,
                                  .patient_id = c->patient_id,
                                  .patient_name = c->patient_name,
                                  .accession = c->accession,
                                  .now_us = base_clock_wall_us()};
    struct ecg_outputs out;
    struct base_error err = {.pos = BASE_NOPOS};
    if (ecg_write(c->record, format, &o, &out, &err))
        return complain(c, &err);
    int status = write_outputs(c, &out);
    if (status == DONE && out.lost.n)
        tell_lost(format, &out.lost);
    ecg_outputs_deinit(&out);
    return status;
}

static const struct ecg_lead *find_lead(const struct ecg_record *r, const char *name)
{
    for (size_t i = 0; i < r->nleads; i++)
        if (strcasecmp(r->leads[i].name, name) == 0)
            return &r->leads[i];
    int id = ecg_lead_by_name(name, strlen(name));
    return id ? ecg_record_lead(r, id) : NULL;
}

/* FAILED: there is no such lead. */
static int choose_analysis(const struct ecg_command *c, struct rdc_ecg_analysis *out)
{
    *out = (struct rdc_ecg_analysis){.record = c->record, .limits = c->limits};
    out->only = c->lead ? find_lead(c->record, c->lead) : NULL;
    if (!c->lead || out->only)
        return DONE;
    fprintf(stderr, "rdc ecg: %s: there is no lead %s; `rdc ecg info` lists them\n", c->file,
            c->lead);
    return FAILED;
}

static int run_beats(struct ecg_command *c)
{
    struct rdc_ecg_analysis a;
    struct base_buf out = {0};
    struct base_error err = {.pos = BASE_NOPOS};
    int status = choose_analysis(c, &a);
    if (status == DONE && rdc_ecg_beats_write(&a, c->waves, &out, &err))
        status = complain(c, &err);
    status = status == DONE ? write_file(c->output, &out) : status;
    base_buf_deinit(&out);
    return status;
}

/* earlier: NULL = there is nothing to compare with. */
static int write_measured(struct ecg_command *c, const struct ecg_record *earlier)
{
    struct rdc_ecg_analysis a;
    struct base_buf out = {0};
    struct base_error err = {.pos = BASE_NOPOS};
    int status = choose_analysis(c, &a);
    a.earlier = earlier;
    if (status == DONE && rdc_ecg_measure_write(&a, c->json, &out, &err))
        status = complain(c, &err);
    status = status == DONE ? write_file("-", &out) : status;
    base_buf_deinit(&out);
    return status;
}

static int run_measure(struct ecg_command *c)
{
    return run_compared(c, write_measured);
}

/* Of verbs, and which of them have an option: one that would do nothing is refused. */
enum { INFO = 1, PLOT = 2, CONVERT = 4, BEATS = 8, MEASURE = 16, EACH = 31 };

struct verb {
    const char *name;
    unsigned bit;
    int (*run)(struct ecg_command *c);
    const char *endings[4]; /* of the output, in the order of the kinds */
};

static const struct verb verbs[] = {
    {"info", INFO, run_info, {NULL}},          {"plot", PLOT, run_plot, {"png", "pdf", "svg"}},
    {"convert", CONVERT, run_convert, {NULL}}, {"beats", BEATS, run_beats, {NULL}},
    {"measure", MEASURE, run_measure, {NULL}},
};

/* BASE_ENOTFOUND: the verb has no option of this name. */
static enum base_err take_option(struct ecg_command *c, const struct verb *v, const char *name,
                                 const char *value, struct base_error *err)
{
    const struct {
        const char *name;
        const char **value;
        unsigned verbs;
    } texts[] = {{"-o", &c->output, PLOT | CONVERT | BEATS},
                 {"--output", &c->output, PLOT | CONVERT | BEATS},
                 {"--patient-id", &c->patient_id, PLOT | CONVERT},
                 {"--patient-name", &c->patient_name, PLOT | CONVERT},
                 {"--accession", &c->accession, PLOT | CONVERT},
                 {"--to", &c->to, CONVERT},
                 {"--lead", &c->lead, PLOT | BEATS | MEASURE},
                 {"--limits", &c->limits, MEASURE},
                 {"--compare", &c->earlier, PLOT | MEASURE},
                 {"--annotations", &c->annotators, EACH}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) != 0 || !(texts[i].verbs & v->bit))
            continue;
        *texts[i].value = value;
        return BASE_OK;
    }
    return v->run == run_plot ? rdc_ecg_plot_option(&c->plot, name, value, err) : BASE_ENOTFOUND;
}

static int refuse_option(const struct verb *v, const char *name, enum base_err e,
                         const struct base_error *err)
{
    if (e == BASE_ENOTFOUND)
        fprintf(stderr, "rdc ecg: %s is no option of %s, or its value is missing\n", name, v->name);
    else
        fprintf(stderr, "rdc ecg: %s\n", err->msg);
    return USAGE;
}

static int parse_arguments(struct ecg_command *c, const struct verb *v, int argc, char **argv)
{
    struct base_error err = {0};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && v->bit & (INFO | MEASURE)) {
            c->json = true;
        } else if (strcmp(argv[i], "--waves") == 0 && v->bit & BEATS) {
            c->waves = true;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            bool flag = v->run == run_plot && rdc_ecg_plot_is_flag(argv[i]);
            const char *value = flag ? "yes" : i + 1 < argc ? argv[i + 1] : NULL;
            enum base_err e = value ? take_option(c, v, argv[i], value, &err) : BASE_ENOTFOUND;
            if (e)
                return refuse_option(v, argv[i], e, &err);
            i += !flag;
        } else if (!c->file) {
            c->file = argv[i];
        } else {
            fprintf(stderr, "rdc ecg: one file at a time, %s is a second one\n", argv[i]);
            return USAGE;
        }
    }
    if (!c->file)
        fprintf(stderr, "rdc ecg %s: which FILE?\n", v->name);
    return c->file ? DONE : USAGE;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* --to, else the extension of the output. */
static int choose_format(struct ecg_command *c)
{
    const char *word = c->to ? c->to : ending(c->output);
    if (!c->output) {
        fputs("rdc ecg convert: -o must name a file\n", stderr);
        return USAGE;
    }
    enum ecg_format format = ecg_format_by_name(word);
    bool is_bdf = strcasecmp(word, "bdf") == 0; /* of 24 bits: read, not written */
    if (!ecg_format_writes(format) || is_bdf) {
        fprintf(stderr,
                "rdc ecg convert: \"%s\" is no format that rdc writes; dcm, scp, xml (HL7 aECG), "
                "edf (EDF+), hea (WFDB) and csv are\n",
                word);
        return USAGE;
    }
    c->kind = (size_t)format;
    return DONE;
}

static int check_output(struct ecg_command *c, const struct verb *v)
{
    if (v->run == run_convert)
        return choose_format(c);
    const char *extension = ending(c->output);
    bool named = extension[0] && !strchr(extension, '/');
    if (v->run == run_beats && !(named || (c->output && strcmp(c->output, "-") == 0))) {
        fputs("rdc ecg beats: -o must name a file RECORD.EXT, as WFDB's programs look for it\n",
              stderr);
        return USAGE;
    }
    if (!v->endings[0])
        return DONE;
    for (c->kind = 0; v->endings[c->kind]; c->kind++)
        if (strcasecmp(ending(c->output), v->endings[c->kind]) == 0)
            return DONE;
    fprintf(stderr, "rdc ecg %s: -o must name a file that ends in", v->name);
    for (size_t i = 0; v->endings[i]; i++)
        fprintf(stderr, "%s .%s", i ? "," : "", v->endings[i]);
    fputc('\n', stderr);
    return USAGE;
}

int rdc_cmd_ecg(struct rdc_context *ctx, int argc, char **argv)
{
    struct ecg_command c = {0};
    (void)ctx;
    const struct verb *v = argc > 1 ? find_verb(argv[1]) : NULL;
    if (rdc_wants_help(argc, argv) || (v && rdc_wants_help(argc - 1, argv + 1)))
        return usage(stdout, DONE);
    if (!v) {
        usage(stderr, USAGE);
        if (argc > 1) /* last, so that it is on the screen */
            fprintf(stderr, "\nrdc ecg: there is no %s\n", argv[1]);
        return USAGE;
    }
    int status = parse_arguments(&c, v, argc, argv);
    if (status == DONE)
        status = check_output(&c, v);
    if (status == USAGE) /* below what was wrong, which all of it would push off the screen */
        fputs("`rdc ecg help` says how it is called\n", stderr);
    if (status == DONE)
        status = open_record(&c);
    if (status == DONE)
        status = v->run(&c);
    ecg_record_free(c.record);
    rdc_ecg_files_free(&c.files);
    return status;
}
