/* What the ECG library does without memory: each reader, each writer, the analysis, a sheet. */
#include "ecg/ecg_info.h"
#include "ecg/ecg_write.h"
#include "ecg_synthetic.h"
#include "rdc/rdc_ecg_analysis.h"
#include "rdc/rdc_ecg_plot.h"
#include "without_memory.h"

#include <dirent.h>

/* Something that allocates. */
struct work {
    const struct ecg_input *files; /* to be read */
    size_t nfiles;
    const struct ecg_record *record; /* to be written, measured or drawn */
    enum ecg_format format;
};

/* With memory again: what a caller sees of a record. */
static void describe(const struct ecg_record *r, struct base_buf *out)
{
    struct base_json j;
    memory_is_back();
    ck_assert(!ecg_record_fault(r));
    base_json_init(&j, out);
    ecg_info_json(r, &j);
    for (size_t i = 0; i < r->nleads; i++)
        for (size_t k = 0; k < r->leads[i].samples; k++)
            base_buf_add_le32(out, (uint32_t)ecg_lead_sample(&r->leads[i], k));
    ck_assert(!out->err);
}

static enum base_err run_open(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct work *w = arg;
    struct ecg_record *r = NULL;
    struct ecg_needs needs;
    enum base_err e = ecg_open(w->files, w->nfiles, NULL, &needs, &r, err);
    if (e)
        return e;
    describe(r, out);
    ecg_record_free(r);
    return BASE_OK;
}

static const struct ecg_write_options options = {.stem = "rdc", .seed = "rdc", .now_us = 1};

static enum base_err run_write(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct work *w = arg;
    struct ecg_outputs files;
    enum base_err e = ecg_write(w->record, w->format, &options, &files, err);
    if (e)
        return e;
    memory_is_back();
    for (size_t i = 0; i < files.n; i++)
        base_buf_add(out, files.file[i].bytes.p, files.file[i].bytes.n);
    base_buf_add(out, files.lost.p, files.lost.n);
    ecg_outputs_deinit(&files);
    return BASE_OK;
}

static enum base_err run_measure(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct work *w = arg;
    const struct rdc_ecg_analysis a = {.record = w->record};
    return rdc_ecg_measure_write(&a, true, out, err);
}

static enum base_err run_beats(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct work *w = arg;
    const struct rdc_ecg_analysis a = {.record = w->record};
    return rdc_ecg_beats_write(&a, true, out, err);
}

static enum base_err run_plot(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct work *w = arg;
    const struct ecg_draw_options drawn = {.kind = ECG_DRAW_PNG, .dpi = 50};
    return rdc_ecg_plot(w->record, NULL, &drawn, out, err);
}

static void read_without_memory(const char *name, const struct ecg_input *files, size_t n)
{
    without_memory(name, run_open, &(struct work){.files = files, .nfiles = n});
}

/* Our own recordings in a folder, but for what a fuzzer found and what cannot be read. */
static unsigned read_folder(const char *folder)
{
    char path[512];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/%s", RDC_SOURCE_DIR, folder);
    DIR *d = opendir(path);
    ck_assert_msg(d != NULL, "%s", path);
    for (const struct dirent *e; (e = readdir(d));) {
        struct base_buf b = {0};
        struct ecg_record *r = NULL;
        struct base_error err;
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] == '.' || strncmp(e->d_name, "found_", 6) == 0 || !read_whole(file, &b))
            continue;
        const struct ecg_input input = {"", base_buf_bytes(&b)};
        if (ecg_open(&input, 1, NULL, NULL, &r, &err) == BASE_OK) {
            ecg_record_free(r);
            read_without_memory(e->d_name, &input, 1);
            n++;
        }
        base_buf_deinit(&b);
    }
    closedir(d);
    return n;
}

START_TEST(what_reads_tells_that_memory_ran_out_or_reads_all)
{
    static const char *const folders[] = {"testdata/scp",
                                          "testdata/ecg-xml",
                                          "tests/fuzz/corpus/edf",
                                          "tests/fuzz/corpus/mfer",
                                          "tests/fuzz/corpus/ecg_dicom",
                                          "tests/fuzz/corpus/ecg_csv"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_msg(read_folder(folders[i]) >= 2, "%s", folders[i]);
}
END_TEST

START_TEST(what_reads_two_files_does_too)
{
    struct base_buf b = {0};
    ck_assert(read_whole(RDC_SOURCE_DIR "/tests/fuzz/corpus/ishne/beats", &b));
    size_t n = b.p[0] * (size_t)8;
    ck_assert(n > 0 && n < b.n);
    const struct ecg_input files[] = {{"x.ecg", base_bytes_of(b.p + n, b.n - n)},
                                      {"x.ann", base_bytes_of(b.p + 1, n - 1)}};
    read_without_memory("ISHNE", files, 2);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(what_writes_does_too_and_what_reads_that)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    unsigned written = 0;
    r->patient.name.utf8 = "测试^一";
    for (int i = 0; i < 5; i++) /* more than one item of DICOM holds */
        ecg_record_damage(r, 7, "%0250d", i);
    for (unsigned f = ECG_FORMAT_UNKNOWN + 1; f < ECG_FORMAT_COUNT; f++) {
        struct ecg_outputs out;
        struct base_error err;
        if (ecg_write(r, (enum ecg_format)f, &options, &out, &err))
            continue;
        const char *name = ecg_format_name((enum ecg_format)f);
        struct ecg_input files[ECG_OUTPUTS_MAX];
        for (size_t i = 0; i < out.n; i++)
            files[i] = (struct ecg_input){out.file[i].name, base_buf_bytes(&out.file[i].bytes)};
        without_memory(name, run_write, &(struct work){.record = r, .format = (enum ecg_format)f});
        read_without_memory(name, files, out.n);
        ecg_outputs_deinit(&out);
        written++;
    }
    ck_assert_uint_eq(written, 6);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_measures_and_draws_does_too)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    without_memory("measure", run_measure, &(struct work){.record = r});
    without_memory("beats", run_beats, &(struct work){.record = r});
    without_memory("plot", run_plot, &(struct work){.record = r});
    ecg_record_free(r);
}
END_TEST

/* Slow, at 2:1 of flutter, and recorded at a twentieth of the gain: each has searches of its own.
 */
START_TEST(what_looks_for_rhythms_does_too)
{
    const struct {
        double interval_s, gain;
    } rows[] = {{2, 1}, {0.4, 1}, {0.8, 0.05}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct synthetic s = synthetic_plain;
        s.interval_s = rows[i].interval_s;
        s.noise_uv = 5;
        struct ecg_record *r = synthetic_make(&s);
        for (size_t k = 0; k < r->nleads; k++)
            r->leads[k].uv_per_count *= rows[i].gain;
        without_memory("rhythm", run_measure, &(struct work){.record = r});
        ecg_record_free(r);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, what_reads_tells_that_memory_ran_out_or_reads_all);
    tcase_add_test(tcase, what_reads_two_files_does_too);
    tcase_add_test(tcase, what_writes_does_too_and_what_reads_that);
    tcase_add_test(tcase, what_measures_and_draws_does_too);
    tcase_add_test(tcase, what_looks_for_rhythms_does_too);
    Suite *suite = suite_create("ecg_memory");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n != 0;
}
