/*
 * A recording from first to last by the public headers alone: read it, print what it is, find and
 * measure its beats, say what that means, and write it as EDF+. docs/ECG.md says how to build it.
 */
#include "ecg/analysis/ecg_finding.h"
#include "ecg/ecg_open.h"
#include "ecg/ecg_write.h"

#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 16 };

/* The library opens no file: this does. bytes.p stays NULL where there is none. */
static struct base_bytes load(const char *path)
{
    FILE *f = fopen(path, "rb");
    long n = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    uint8_t *p = n >= 0 ? malloc((size_t)n + 1) : NULL;
    if (p) {
        rewind(f);
        n = (long)fread(p, 1, (size_t)n, f);
    }
    if (f)
        fclose(f);
    return (struct base_bytes){p, p ? (size_t)n : 0};
}

/* A recording may consist of several files: each is asked for by its name, which is known only
 * from what was read before. NULL, having said why. */
static struct ecg_record *open_recording(char *path)
{
    struct ecg_input files[FILES] = {{.name = "", .bytes = load(path)}};
    struct ecg_needs needs[FILES];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    size_t n = 1, rounds = 0;
    const char *folder = dirname(path);
    while (ecg_open(files, n, NULL, &needs[rounds], &r, &err) == BASE_ENOTFOUND &&
           needs[rounds].n > 0 && rounds + 1 < FILES) {
        for (size_t i = 0; i < needs[rounds].n && n < FILES; i++) {
            char other[4096];
            snprintf(other, sizeof other, "%s/%s", folder, needs[rounds].name[i]);
            files[n++] = (struct ecg_input){needs[rounds].name[i], load(other)};
        }
        rounds++;
    }
    for (size_t i = 0; i < n; i++)
        free((void *)files[i].bytes.p); /* the record has copies of all it needs */
    if (!r)
        fprintf(stderr, "%s\n", err.msg);
    return r;
}

static void print_leads(const struct ecg_record *r)
{
    printf("%s, %zu leads, %.1f s\n", r->format, r->nleads, ecg_record_seconds(r));
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        float uv[8];
        size_t n = lead->samples < 8 ? lead->samples : 8;
        ecg_lead_read_uv(lead, 0, n, uv); /* NAN where a sample is missing */
        printf("%-4s %g Hz, from %g s:", lead->name, lead->rate_hz, lead->start_s);
        for (size_t k = 0; k < n; k++)
            printf(" %.0f", (double)uv[k]);
        puts(" ... uV");
    }
}

static enum base_err print_findings(const struct ecg_record *r, const struct ecg_beats *beats,
                                    struct ecg_figures *f)
{
    static struct ecg_quality quality;
    static struct ecg_findings found;
    ecg_quality_find(r, &quality);
    enum base_err e = ecg_findings_make(r, beats, f, &quality, NULL, &found);
    if (e)
        return e;
    printf("%zu beats, %.0f/min\n", beats->n, f->rate.hr_bpm);
    if (!isnan(f->qrs_ms))
        printf("QRS %.0f ms\n", (double)f->qrs_ms);
    for (size_t i = 0; i < found.n; i++)
        printf("proposed: %s (%s)\n", ecg_finding_row(found.of[i].code)->en, found.of[i].figures);
    return BASE_OK;
}

static int measure(const struct ecg_record *r)
{
    struct ecg_beats beats = {0};
    struct base_error err = {0};
    struct ecg_figures *f = malloc(sizeof *f); /* large */
    enum base_err e = f ? ecg_beats_find(r, NULL, &beats, &err) : BASE_ENOMEM;
    if (!e)
        e = ecg_figures_measure(r, NULL, &beats, f, &err);
    if (!e)
        e = print_findings(r, &beats, f);
    if (e)
        fprintf(stderr, "not measured: %s\n", err.msg[0] ? err.msg : "out of memory");
    ecg_beats_deinit(&beats);
    free(f);
    return e != BASE_OK;
}

static int write_edf(const struct ecg_record *r, const char *path)
{
    struct ecg_outputs out;
    struct base_error err = {0};
    struct ecg_write_options o = {.stem = "recording"};
    if (ecg_write(r, ECG_FORMAT_EDF, &o, &out, &err)) {
        fprintf(stderr, "not written: %s\n", err.msg);
        return 1;
    }
    const struct base_buf *edf = &out.file[0].bytes;
    FILE *f = fopen(path, "wb");
    bool done = f && fwrite(edf->p, 1, edf->n, f) == edf->n;
    done = f && fclose(f) == 0 && done;
    printf("not in %s:\n%.*s", path, (int)out.lost.n, (const char *)out.lost.p);
    ecg_outputs_deinit(&out);
    return !done;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: ecg_example RECORDING OUT.edf\n", stderr);
        return 2;
    }
    struct ecg_record *r = open_recording(argv[1]);
    if (!r)
        return 1;
    print_leads(r);
    int failed = measure(r);
    failed |= write_edf(r, argv[2]);
    ecg_record_free(r);
    return failed;
}
