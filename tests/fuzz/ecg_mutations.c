/*
 * ECG recordings of all formats and mutations of them, from a fixed seed:
 *
 *     ecg_mutations COUNT FILE-OR-FOLDER...
 *
 * reads each recording with its other files, then COUNT mutations, spread evenly. Whatever the
 * bytes say, reading takes at most 1 MiB and 16 bytes for each sample that it returns, a few
 * seconds, and gives all of it back. Every third is read again into arrays that others had before,
 * as `rdc measure` has them: the same must come out, with the sums of it, and all arrays go back to
 * their pool. Every tenth is measured, and written in every format and read again. Ends at the
 * first that does not, with the mutation's number, and the files as they were then in the folder
 * that ECG_MUTATIONS_KEEP names. No crash is caught here: that is for the sanitizers.
 */
#include "count_memory.h"
#include "ecg_follow.h"
#include "mutate.h"

#include "base/pages.h"
#include "rdc/rdc_ecg_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RECORDINGS_MAX = 512,
    FILES_MAX = 4,         /* of a recording; those with more are left out */
    SIZE_MAX_OF = 1 << 20, /* bytes of all of them, likewise */
    BASE = 1 << 20,
    PER_SAMPLE = 16,
    SECONDS = 20,
    POOLED = 3,    /* one in so many is read into a pool, */
    FOLLOWED = 10, /* measured and written, */
    DRAWN = 10,    /* and one in so many of those drawn */
};

struct recording {
    char *path;
    size_t n;
    struct ecg_input input[FILES_MAX]; /* owned */
    uint64_t seed;
};

static struct recording recordings[RECORDINGS_MAX];
static size_t nrecordings;
static struct ecg_input current[FILES_MAX]; /* under way */
static const char *current_path;
static unsigned long current_number;

static size_t samples_of(const struct ecg_record *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->nleads; i++)
        n += r->leads[i].samples;
    for (size_t i = 0; i < r->nothers; i++)
        n += r->others[i].samples;
    for (size_t i = 0; i < r->nmedians; i++)
        n += r->medians[i].samples;
    return n;
}

static void keep(size_t n)
{
    const char *folder = getenv("ECG_MUTATIONS_KEEP");
    for (size_t i = 0; i < n && folder; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, current[i].name);
        FILE *f = fopen(path, "wbe");
        if (f) {
            fwrite(current[i].bytes.p, 1, current[i].bytes.n, f);
            fclose(f);
        }
    }
}

/* The current files, read once. Returns the bytes that are not given back; *fits: the peak. */
static size_t read_once(size_t n, bool *fits)
{
    struct ecg_record *r = NULL;
    struct base_error err;
    size_t before = memory_now;
    size_t samples = 0;
    memory_peak = memory_now;
    alarm(SECONDS);
    if (ecg_open_all(current, n, NULL, &r, &err) == BASE_OK)
        samples = samples_of(r);
    size_t peak = memory_peak - before;
    ecg_record_free(r);
    alarm(0);
    *fits = peak <= BASE + PER_SAMPLE * samples;
    if (!*fits)
        fprintf(stderr,
                "%s, mutation %lu: %zu bytes of memory for %zu samples; %d and %d for each are "
                "allowed\n",
                current_path, current_number, peak, samples, BASE, PER_SAMPLE);
    return memory_now > before ? memory_now - before : 0;
}

/* A digest of all that a reading of the current files gives; *code: whether it succeeded. */
static uint64_t digest_of(size_t n, const struct ecg_limits *limits, enum base_err *code)
{
    struct ecg_record *r = NULL;
    struct base_error err;
    uint64_t sum = 14695981039346656037ULL;
    alarm(SECONDS);
    *code = ecg_open_all(current, n, limits, &r, &err);
    const char *fault = *code == BASE_OK ? ecg_record_fault(r) : NULL;
    if (fault) {
        fprintf(stderr, "%s, mutation %lu: %s is none\n", current_path, current_number, fault);
        keep(n);
        abort();
    }
    const struct ecg_lead *groups[] = {r ? r->leads : NULL, r ? r->others : NULL,
                                       r ? r->medians : NULL};
    const size_t counts[] = {r ? r->nleads : 0, r ? r->nothers : 0, r ? r->nmedians : 0};
    for (size_t g = 0; g < 3; g++)
        for (size_t i = 0; i < counts[g]; i++)
            for (size_t k = 0; k < groups[g][i].samples; k++)
                sum = (sum ^ (uint32_t)ecg_lead_sample(&groups[g][i], k)) * 1099511628211ULL;
    ecg_record_free(r);
    alarm(0);
    return sum;
}

/* The first reading fills the pool, the second finds in it what is none of its own. */
static bool check_pool(size_t n)
{
    struct base_pages pages = {.most = (size_t)1 << 30, .grain = 64};
    struct ecg_limits limits = ecg_limits_default;
    limits.pages = &pages;
    enum base_err code, pooled;
    uint64_t want = digest_of(n, NULL, &code);
    (void)digest_of(n, &limits, &pooled);
    for (size_t i = 0; i < pages.n; i++)
        if (!pages.block[i].used)
            memset(pages.block[i].p, 0xa5, pages.block[i].size);
    bool same = digest_of(n, &limits, &pooled) == want && pooled == code;
    base_pages_drop(&pages);
    if (same && pages.n == 0)
        return true;
    fprintf(stderr, "%s, mutation %lu: %s\n", current_path, current_number,
            same ? "an array is not given back to its pool"
                 : "what is read depends on what was in the arrays before");
    keep(n);
    return false;
}

/* What the C library keeps of a first use (a character set) is no leak: that comes again. */
static bool check(size_t n)
{
    bool fits;
    size_t lost = read_once(n, &fits);
    lost = fits && lost ? read_once(n, &fits) : 0;
    if (lost)
        fprintf(stderr, "%s, mutation %lu: %zu bytes are not given back\n", current_path,
                current_number, lost);
    if (fits && !lost)
        return true;
    keep(n);
    return false;
}

/* What was read is measured, written in every format and, now and then, drawn. */
static bool check_follow(size_t n)
{
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_open_all(current, n, NULL, &r, &err))
        return true;
    alarm(SECONDS);
    const char *wrong = ecg_follow_measure(r);
    wrong = wrong ? wrong : ecg_follow_analyse(r);
    for (unsigned f = ECG_FORMAT_UNKNOWN; f < ECG_FORMAT_COUNT && !wrong; f++)
        wrong = ecg_follow_write(r, (enum ecg_format)f);
    if (!wrong && current_number % (FOLLOWED * DRAWN) == 0)
        wrong = ecg_follow_draw(r);
    alarm(0);
    ecg_record_free(r);
    if (!wrong)
        return true;
    fprintf(stderr, "%s, mutation %lu: %s\n", current_path, current_number, wrong);
    keep(n);
    return false;
}

/* Exact copies, so that the sanitizer sees a read past the end. */
static bool check_mutation(struct recording *r, bool mutated)
{
    size_t which = mutated ? mutate_random(&r->seed) % r->n : r->n;
    uint8_t *copy[FILES_MAX] = {NULL};
    for (size_t i = 0; i < r->n; i++) {
        struct base_bytes b = r->input[i].bytes;
        copy[i] = malloc(b.n ? b.n : 1);
        if (!copy[i])
            abort();
        memcpy(copy[i], b.p, b.n);
        size_t size = i == which ? mutate(copy[i], b.n, &r->seed) : b.n;
        if (size < b.n) {
            uint8_t *less = malloc(size ? size : 1);
            if (!less)
                abort();
            memcpy(less, copy[i], size);
            free(copy[i]);
            copy[i] = less;
        }
        current[i] = (struct ecg_input){r->input[i].name, base_bytes_of(copy[i], size)};
    }
    bool ok = check(r->n) && (current_number % POOLED != 0 || check_pool(r->n)) &&
              (current_number % FOLLOWED != 0 || check_follow(r->n));
    for (size_t i = 0; i < r->n; i++)
        free(copy[i]);
    return ok;
}

static void add_recording(const char *path)
{
    struct rdc_ecg_files files = {0};
    struct ecg_record *record = NULL;
    struct base_error err;
    size_t size = 0;
    enum base_err e = rdc_ecg_open(path, NULL, &files, &record, &err);
    if (!e)
        ecg_record_free(record);
    struct recording r = {.seed = 88172645463325252ULL};
    bool fits = true;
    for (size_t i = 0; i < files.n; i++) {
        const struct ecg_input *in = &files.inputs[i];
        if (!in->bytes.p)
            continue;
        size += in->bytes.n;
        fits = fits && r.n < FILES_MAX;
        if (fits)
            r.input[r.n++] = *in;
    }
    if (fits && r.n && size && size <= SIZE_MAX_OF && nrecordings < RECORDINGS_MAX) {
        r.path = strdup(path);
        r.seed ^= size;
        for (size_t i = 0; i < r.n; i++) {
            uint8_t *copy = malloc(r.input[i].bytes.n + 1);
            if (!copy)
                abort();
            memcpy(copy, r.input[i].bytes.p, r.input[i].bytes.n);
            r.input[i] = (struct ecg_input){strdup(r.input[i].name),
                                            base_bytes_of(copy, r.input[i].bytes.n)};
        }
        recordings[nrecordings++] = r;
    }
    rdc_ecg_files_free(&files);
}

/* Signal and annotation files are read with their header. */
static bool is_part(const char *name)
{
    static const char *const ends[] = {".dat", ".mat", ".atr", ".ann", ".md", ".csv", ".q1c"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcmp(dot, ends[i]) == 0)
            return true;
    return false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_path(const char *path)
{
    struct dirent **list = NULL;
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        add_recording(path);
        return;
    }
    int n = scandir(path, &list, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, list[i]->d_name);
        if (list[i]->d_name[0] != '.' && !is_part(inner))
            add_path(inner);
        free(list[i]);
    }
    free(list);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s COUNT FILE-OR-FOLDER...\n", argv[0]);
        return 2;
    }
    unsigned long count = strtoul(argv[1], NULL, 10);
    for (int i = 2; i < argc; i++)
        add_path(argv[i]);
    if (nrecordings == 0) {
        fprintf(stderr, "%s: no recording there\n", argv[0]);
        return 1;
    }
    memory_count();
    bool ok = true;
    for (size_t i = 0; i < nrecordings && ok; i++) {
        current_path = recordings[i].path;
        current_number = 0;
        ok = check_mutation(&recordings[i], false);
    }
    for (unsigned long k = 0; k < count && ok; k++) {
        struct recording *r = &recordings[k % nrecordings];
        current_path = r->path;
        current_number = k + 1;
        ok = check_mutation(r, true);
    }
    for (size_t i = 0; i < nrecordings; i++) {
        free(recordings[i].path);
        for (size_t k = 0; k < recordings[i].n; k++) {
            free((char *)(size_t)recordings[i].input[k].name);
            free((uint8_t *)(size_t)recordings[i].input[k].bytes.p);
        }
    }
    if (ok)
        printf(
            "%zu recordings, %lu mutations: none crashed, hung, leaked or took too much memory\n",
            nrecordings, count);
    return ok ? 0 : 1;
}
