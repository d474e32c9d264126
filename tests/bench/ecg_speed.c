/*
 * How fast recordings are read and analysed, for bench_ecg.py.
 *
 *     bench_ecg_speed read ROUNDS MS FILE...
 *
 * reads the files with rdc, with BioSig, and only opens and reads their bytes: in turn, for
 * MS milliseconds each, in processes of their own (BioSig crashes on some files, and what
 * one reader leaves in the heap must not help another). Files that BioSig does not read are
 * left out, unless that is all. Prints a JSON object: nanoseconds of CPU per pass, of each round.
 *
 *     bench_ecg_speed analysis FILE...
 *
 * prints CPU milliseconds of the full analysis of each, and of its parts.
 *
 *     bench_ecg_speed make DIR MINUTES
 *
 * writes recordings of three leads with our own writers, and one of twelve leads and 10 s.
 */
#include "ecg_speed.h"

#include "ecg/analysis/ecg_finding.h"
#include "ecg/analysis/ecg_trend.h"
#include "ecg/ecg_write.h"
#include "rdc/rdc_ecg_files.h"
#include "tests/unit/ecg_sound.h"

#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 32,
    FILES_MAX = 512,
    SIBLINGS = 4,
    KEPT = 1 << 30,
    /* bytes of heap */ LARGEST = 32 << 20 /* of an array in it */
};

/* A recording, and the files of which it consists. */
struct recording {
    const char *path;
    char *file[SIBLINGS];
    size_t n;
};

static struct recording recordings[FILES_MAX];
static size_t nrecordings;

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* ---- readers ---- */

/* Reading takes the sum of each lead as the samples pass (struct ecg_tally). */
static void add_leads(const struct ecg_lead *leads, size_t n, struct ecg_speed_sum *sum)
{
    for (size_t i = 0; i < n; i++) {
        sum->sum += (double)leads[i].tally.sum;
        sum->samples += leads[i].samples;
    }
}

static int read_rdc(const char *path, struct ecg_speed_sum *sum)
{
    static struct base_pages pages = {.most = KEPT};
    struct rdc_ecg_files files = {.pages = &pages};
    struct ecg_record *r = NULL;
    struct base_error err;
    enum base_err e = rdc_ecg_open(path, NULL, &files, &r, &err);
    if (!e) {
        add_leads(r->leads, r->nleads, sum);
        add_leads(r->others, r->nothers, sum);
        ecg_record_free(r);
    }
    rdc_ecg_files_free(&files);
    return e ? -1 : 0;
}

/* Opens and reads the bytes into memory that is there. */
static int read_bytes(const char *path, struct ecg_speed_sum *sum)
{
    static char *memory;
    static size_t size;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return -1;
    if ((size_t)st.st_size > size) {
        free(memory);
        size = (size_t)st.st_size;
        memory = malloc(size);
    }
    ssize_t n = memory ? read(fd, memory, (size_t)st.st_size) : -1;
    close(fd);
    sum->samples += n > 0 ? (uint64_t)n : 0;
    return n == st.st_size ? 0 : -1;
}

/* ---- rounds ---- */

enum { READ_RDC, READ_BIOSIG, READ_BYTES, READERS };
static const char *const reader_names[READERS] = {"rdc", "biosig", "read"};

struct timing {
    uint64_t ns; /* of CPU, per pass over all recordings; 0 = failed */
    struct ecg_speed_sum sum;
};

static int pass(int reader, const struct recording *r, struct ecg_speed_sum *sum)
{
    if (reader == READ_RDC)
        return read_rdc(r->path, sum);
    if (reader == READ_BIOSIG)
        return ecg_speed_biosig()(r->path, sum);
    for (size_t i = 0; i < r->n; i++)
        if (read_bytes(r->file[i], sum))
            return -1;
    return 0;
}

static struct timing time_passes(int reader, uint64_t ns)
{
    struct timing t = {0};
    uint64_t passes = 0;
    /* The first pass makes the heap and is not counted. */
    for (size_t i = 0; i < nrecordings; i++)
        if (pass(reader, &recordings[i], &t.sum))
            return t;
    uint64_t start = cpu_ns();
    uint64_t now = start;
    do {
        t.sum = (struct ecg_speed_sum){0};
        for (size_t i = 0; i < nrecordings; i++)
            (void)pass(reader, &recordings[i], &t.sum);
        passes++;
        now = cpu_ns();
    } while (now - start < ns);
    t.ns = (now - start) / passes;
    return t;
}

/* In a process of its own, whose words go nowhere. */
static struct timing fork_passes(int reader, uint64_t ns)
{
    struct timing t = {0};
    int ends[2];
    if (pipe(ends))
        return t;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        /* As a program does that reads many: new memory costs more than all of the decoding. */
        mallopt(M_MMAP_THRESHOLD, LARGEST);
        mallopt(M_TRIM_THRESHOLD, KEPT);
        prctl(PR_SET_NAME, reader_names[reader]); /* for perf report --comm */
        alarm(100);
        t = time_passes(reader, ns);
        _exit(write(ends[1], &t, sizeof t) == (ssize_t)sizeof t ? 0 : 1);
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &t, sizeof t) != (ssize_t)sizeof t)
        t = (struct timing){0};
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return t;
}

/* The files that rdc reads for this recording. */
static bool find_files(struct recording *r)
{
    struct rdc_ecg_files files = {0};
    struct ecg_record *record = NULL;
    struct base_error err;
    bool ok = rdc_ecg_open(r->path, NULL, &files, &record, &err) == BASE_OK;
    if (ok && ecg_record_fault(record)) {
        fprintf(stderr, "%s: a lead's sum is not that of its samples\n", r->path);
        exit(1);
    }
    const char *slash = strrchr(r->path, '/');
    int folder = slash ? (int)(slash + 1 - r->path) : 0;
    for (size_t i = 0; ok && i < files.n && r->n < SIBLINGS; i++)
        if (files.inputs[i].bytes.p &&
            asprintf(&r->file[r->n], "%.*s%s", folder, r->path, files.inputs[i].name) > 0)
            r->n++;
    ecg_record_free(ok ? record : NULL);
    rdc_ecg_files_free(&files);
    return ok;
}

/* Only those that BioSig reads; all when it reads none. Returns how many it reads. */
static size_t keep_readable(void)
{
    struct recording kept[FILES_MAX];
    size_t all = nrecordings;
    size_t n = 0;
    struct recording *list = malloc(all * sizeof *list);
    if (!list)
        return 0;
    memcpy(list, recordings, all * sizeof *list);
    for (size_t i = 0; i < all && ecg_speed_biosig(); i++) {
        recordings[0] = list[i];
        nrecordings = 1;
        if (fork_passes(READ_BIOSIG, 0).sum.samples)
            kept[n++] = list[i];
    }
    memcpy(recordings, n ? kept : list, (n ? n : all) * sizeof *list);
    nrecordings = n ? n : all;
    free(list);
    return n;
}

static int read_files(unsigned rounds, unsigned ms, char **paths, size_t n)
{
    static struct timing t[READERS][ROUNDS_MAX];
    size_t of_rdc = 0;
    for (size_t i = 0; i < n && i < FILES_MAX; i++) {
        struct recording *r = &recordings[nrecordings];
        *r = (struct recording){.path = paths[i]};
        if (find_files(r)) {
            nrecordings++;
            of_rdc++;
        }
    }
    if (nrecordings == 0)
        return 1;
    size_t of_biosig = keep_readable();
    for (unsigned k = 0; k < rounds; k++)
        for (int reader = 0; reader < READERS; reader++)
            if (reader != READ_BIOSIG || of_biosig)
                t[reader][k] = fork_passes(reader, (uint64_t)ms * 1000000);
    printf("{\"given\": %zu, \"read_by_rdc\": %zu, \"files\": %zu, \"bytes\": %llu", n, of_rdc,
           nrecordings, (unsigned long long)t[READ_BYTES][0].sum.samples);
    for (int reader = 0; reader < READERS; reader++) {
        if (!t[reader][0].ns)
            continue;
        printf(", \"%s\": {\"samples\": %llu, \"ns\": [", reader_names[reader],
               (unsigned long long)t[reader][0].sum.samples);
        for (unsigned k = 0; k < rounds; k++)
            printf("%s%llu", k ? ", " : "", (unsigned long long)t[reader][k].ns);
        printf("]}");
    }
    printf("}\n");
    return 0;
}

/* ---- analysis ---- */

struct result {
    struct ecg_beats beats;
    struct ecg_figures f;
    struct ecg_quality quality;
    struct ecg_findings findings;
};

static double since_ms(uint64_t *from)
{
    uint64_t now = cpu_ns();
    double ms = (double)(now - *from) / 1e6;
    *from = now;
    return ms;
}

enum { PART_BEATS, PART_FIGURES, PART_QUALITY, PART_FINDINGS, PARTS };

static int analyse_once(const struct ecg_record *r, struct result *x, double ms[PARTS])
{
    struct base_error err;
    uint64_t at = cpu_ns();
    if (ecg_beats_find(r, NULL, &x->beats, &err))
        return -1;
    ms[PART_BEATS] = since_ms(&at);
    if (ecg_figures_measure(r, NULL, &x->beats, &x->f, &err)) {
        ecg_beats_deinit(&x->beats);
        return -1;
    }
    ms[PART_FIGURES] = since_ms(&at);
    ecg_quality_find(r, &x->quality);
    ms[PART_QUALITY] = since_ms(&at);
    enum base_err e = ecg_findings_make(r, &x->beats, &x->f, &x->quality, NULL, &x->findings);
    ms[PART_FINDINGS] = since_ms(&at);
    if (e)
        ecg_beats_deinit(&x->beats);
    return e ? -1 : 0;
}

static double sum_of(const double ms[PARTS])
{
    return ms[0] + ms[1] + ms[2] + ms[3];
}

/* What the overview of a long recording has beside, in ms; 0 for others. */
static double trend_ms(const struct ecg_record *r, const struct ecg_beats *b)
{
    struct ecg_trend trend;
    struct base_error err;
    double best = 0;
    for (int k = 0; k < 3 && ecg_record_seconds(r) >= 3600; k++) {
        uint64_t at = cpu_ns();
        if (ecg_trend_find(r, b, &trend, &err))
            return 0;
        ecg_trend_deinit(&trend);
        double ms = since_ms(&at);
        best = k == 0 || ms < best ? ms : best;
    }
    return best;
}

/* The best of all times that fit in a second, three at least. */
static int analyse(const char *path)
{
    struct rdc_ecg_files files = {0};
    struct ecg_record *r = NULL;
    struct base_error err;
    struct result *x = calloc(1, sizeof *x);
    if (!x || rdc_ecg_open(path, NULL, &files, &r, &err)) {
        fprintf(stderr, "%s: %s\n", path, x ? err.msg : "out of memory");
        free(x);
        return 1;
    }
    double best[PARTS] = {(double)INFINITY, 0, 0, 0};
    double worst = 0;
    double used = 0;
    int failed = 0;
    for (int k = 0; (k < 3 || used < 1000) && !failed; k++) {
        double ms[PARTS];
        failed = analyse_once(r, x, ms);
        if (failed)
            break;
        used += sum_of(ms);
        worst = sum_of(ms) > worst ? sum_of(ms) : worst;
        if (sum_of(ms) < sum_of(best))
            memcpy(best, ms, sizeof best);
        if (k + 1 < 3 || used < 1000)
            ecg_beats_deinit(&x->beats);
    }
    if (!failed)
        printf(
            "{\"file\": \"%s\", \"leads\": %zu, \"seconds\": %.1f, \"beats\": %zu, \"ms\": %.4f, "
            "\"worst_ms\": %.4f, \"beats_ms\": %.4f, \"figures_ms\": %.4f, \"quality_ms\": %.4f, "
            "\"findings_ms\": %.4f, \"trend_ms\": %.4f}\n",
            strrchr(path, '/') ? strrchr(path, '/') + 1 : path, r->nleads, ecg_record_seconds(r),
            x->beats.n, sum_of(best), worst, best[PART_BEATS], best[PART_FIGURES],
            best[PART_QUALITY], best[PART_FINDINGS], trend_ms(r, &x->beats));
    ecg_beats_deinit(&x->beats);
    ecg_record_free(r);
    rdc_ecg_files_free(&files);
    free(x);
    return failed ? 1 : 0;
}

/* ---- recordings of our own ---- */

/* The voltage, in µV, t seconds after an R wave: P, QRS and T. */
static double wave_uv(double t)
{
    static const double wave[][3] = {{-0.150, 0.050, 150},
                                     {-0.028, 0.012, -120},
                                     {0, 0.020, 1200},
                                     {0.032, 0.018, -300},
                                     {0.260, 0.080, 350}};
    double uv = 0;
    for (size_t i = 0; i < sizeof wave / sizeof *wave; i++) {
        double z = (t - wave[i][0]) / wave[i][1];
        if (fabs(z) < 1)
            uv += wave[i][2] * (1 + cos(M_PI * z)) / 2;
    }
    return uv;
}

static double noise(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (double)(*state >> 8) / 8388608 - 1;
}

/* Beats 0.7 to 0.95 s apart, 10 µV of noise, 2.5 µV per count. */
static void fill(struct ecg_lead *lead, double gain, uint32_t seed)
{
    static const double UV = 2.5;
    uint32_t rhythm = 3; /* of all leads */
    uint32_t state = seed;
    double before = -1;
    double next = 0.5;
    lead->uv_per_count = UV;
    for (size_t i = 0; i < lead->samples; i++) {
        double t = (double)i / lead->rate_hz;
        if (t - next > 0.4) {
            before = next;
            next += 0.825 + 0.125 * noise(&rhythm);
        }
        double uv = wave_uv(t - before) + wave_uv(t - next);
        lead->i16[i] = (int16_t)lrint((gain * uv + 10 * noise(&state)) / UV);
    }
}

static struct ecg_record *make_record(size_t nleads, double rate_hz, double seconds)
{
    static const int ids[] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_V1,  ECG_LEAD_V2,
                              ECG_LEAD_V3,  ECG_LEAD_V4,  ECG_LEAD_V5,  ECG_LEAD_V6,
                              ECG_LEAD_III, ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    static const double gains[] = {0.7, 1, -0.6, -0.8, 0.5, 1.1, 1, 0.8, 0.3, -0.85, 0.2, 0.65};
    struct ecg_record *r = ecg_record_new(NULL);
    if (!r || ecg_record_set_leads(r, nleads))
        exit(1);
    for (size_t k = 0; k < nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        if (ecg_record_set_i16(r, lead, (size_t)(seconds * rate_hz)))
            exit(1);
        lead->id = ids[k];
        lead->name = ecg_lead_name(lead->id);
        lead->rate_hz = rate_hz;
        fill(lead, gains[k], 7 + (uint32_t)k);
    }
    return r;
}

static int write_as(const struct ecg_record *r, enum ecg_format format, const char *folder,
                    const char *stem)
{
    struct ecg_write_options options = {.stem = stem, .seed = "bench", .now_us = 1700000000000000};
    struct ecg_outputs out = {0};
    struct base_error err;
    if (ecg_write(r, format, &options, &out, &err)) {
        fprintf(stderr, "%s: %s\n", stem, err.msg);
        return 1;
    }
    int failed = 0;
    for (size_t i = 0; i < out.n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, out.file[i].name);
        FILE *f = fopen(path, "wbe");
        struct base_bytes b = base_buf_bytes(&out.file[i].bytes);
        failed |= !f || fwrite(b.p, 1, b.n, f) != b.n;
        failed |= f && fclose(f);
    }
    ecg_outputs_deinit(&out);
    return failed;
}

static int make(const char *folder, double minutes)
{
    static const enum ecg_format resting[] = {ECG_FORMAT_SCP, ECG_FORMAT_AECG, ECG_FORMAT_DICOM,
                                              ECG_FORMAT_EDF};
    struct ecg_record *r = make_record(12, 500, 10);
    int failed = 0;
    for (size_t i = 0; i < sizeof resting / sizeof *resting; i++)
        failed |= write_as(r, resting[i], folder, "resting");
    ecg_record_free(r);
    r = make_record(3, 250, minutes * 60);
    failed |= write_as(r, ECG_FORMAT_WFDB, folder, "holter");
    ecg_record_free(r);
    static const enum ecg_format long_ones[] = {ECG_FORMAT_EDF, ECG_FORMAT_WFDB, ECG_FORMAT_AECG};
    r = make_record(3, 250, minutes < 60 ? minutes * 60 : 3600);
    for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++)
        failed |= write_as(r, long_ones[i], folder, "hour");
    ecg_record_free(r);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc > 4 && strcmp(argv[1], "read") == 0) {
        unsigned long rounds = strtoul(argv[2], NULL, 10);
        unsigned long ms = strtoul(argv[3], NULL, 10);
        if (rounds >= 1 && rounds <= ROUNDS_MAX && ms <= 10000)
            return read_files((unsigned)rounds, (unsigned)ms, argv + 4, (size_t)argc - 4);
    }
    if (argc > 2 && strcmp(argv[1], "analysis") == 0) {
        int failed = 0;
        for (int i = 2; i < argc; i++)
            failed |= analyse(argv[i]);
        return failed;
    }
    if (argc == 4 && strcmp(argv[1], "make") == 0)
        return make(argv[2], strtod(argv[3], NULL));
    fprintf(stderr, "usage: bench_ecg_speed read ROUNDS MS FILE... | analysis FILE... | "
                    "make DIR MINUTES\n");
    return 2;
}
