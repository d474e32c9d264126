/* What a file that was cut still gives, of every format. */
#include "ecg/ecg_format.h"
#include "ecg/ecg_write.h"
#include "ecg_fixture.h"

enum { STEPS = 97 };

static const char *const ours[] = {
    "1-second-differences.scp",
    "2-raw.scp",
    "3-first-differences.scp",
    "4-own-tables.scp",
    "5-subtracted.scp",
    "6-decimated.scp",
    "../ecg-xml/aecg-bare.xml",
    "../ecg-xml/aecg-utf16.xml",
    "../ecg-xml/muse-utf8.xml",
    "../ecg-xml/philips-1.03.xml",
    "../ecg-xml/philips-1.04.xml",
};
static const char *const others[] = {
    "mfer/monk_test-file.MWF",
    "scp/example_full_anon.SCP",
    "dicom/pydicom_waveform_ecg.dcm",
    "muse/braveheart_example1.xml",
    "philips/129DYPRG.XML",
    "philips/3191723_ZZDEMOPTONLY_1-04_orig.xml",
    "edf/test_generator_datarec_generator_2.bdf",
};
static const char *const written[] = {"dcm", "edf", "csv", "scp", "xml"};

static const struct ecg_lead *lead_of(const struct ecg_record *r, const struct ecg_lead *like)
{
    for (size_t i = 0; i < r->nleads; i++)
        if (strcmp(r->leads[i].name, like->name) == 0)
            return &r->leads[i];
    return NULL;
}

static bool is_equal(const struct ecg_lead *a, const struct ecg_lead *b, size_t k)
{
    int32_t v = ecg_lead_sample(a, k);
    double was = ecg_lead_sample(b, k) * b->uv_per_count + b->offset_uv;
    return v == ECG_SAMPLE_NONE || fabs(v * a->uv_per_count + a->offset_uv - was) < 1e-6;
}

/* All that the cut file gives is of the whole one, where it stood there, or missing; and if it is
 * less, that is told. */
static void check(const struct ecg_record *cut, const struct ecg_record *whole, size_t n)
{
    size_t have = 0, had = 0;
    for (size_t i = 0; i < whole->nleads; i++)
        had += whole->leads[i].samples;
    for (size_t i = 0; i < cut->nleads; i++) {
        const struct ecg_lead *a = &cut->leads[i], *b = lead_of(whole, a);
        ck_assert_msg(b, "%zu bytes: lead %s is not of the recording", n, a->name);
        ck_assert_double_eq_tol(a->rate_hz, b->rate_hz, 1e-9);
        ck_assert_uint_le(a->samples, b->samples);
        have += a->samples - a->tally.missing;
        size_t k = 0;
        while (k < a->samples && is_equal(a, b, k))
            k++;
        ck_assert_msg(k == a->samples, "%zu bytes: sample %zu of %zu of lead %s is %d, was %d", n,
                      k, a->samples, a->name, k < a->samples ? ecg_lead_sample(a, k) : 0,
                      k < a->samples ? ecg_lead_sample(b, k) : 0);
    }
    ck_assert_msg(have == had || cut->nnotes, "%zu bytes: %zu of %zu samples and no word", n, have,
                  had);
}

/* How many of them could be read. */
static size_t cut_everywhere(const struct base_buf *b)
{
    struct ecg_record *whole = must_open(b);
    size_t read = 0;
    for (size_t i = 0; i < STEPS; i++) {
        size_t n = b->n * (i + 1) / (STEPS + 1);
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        if (open_bytes(base_bytes_of(b->p, n), NULL, &r, &err))
            continue;
        read++;
        bool whole_lines = strcmp(r->format, "CSV") == 0 && b->p[n - 1] == '\n';
        if (!whole_lines) /* a table of fewer lines */
            check(r, whole, n);
        ecg_record_free(r);
    }
    ecg_record_free(whole);
    return read;
}

START_TEST(a_cut_file_gives_samples_of_the_whole_one_and_says_so)
{
    struct base_buf b = {0};
    load_testdata(ours[_i], &b);
    size_t read = cut_everywhere(&b);
    bool tables_are_last = _i == 2;
    ck_assert_uint_ge(read, tables_are_last ? 0 : STEPS / 5);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(so_does_one_that_we_wrote)
{
    struct ecg_record *r = open_testdata(ours[0]);
    struct ecg_outputs out;
    struct base_error err = {0};
    struct ecg_write_options o = {.stem = "a"};
    ck_assert_msg(ecg_write(r, ecg_format_by_name(written[_i]), &o, &out, &err) == BASE_OK, "%s",
                  err.msg);
    ck_assert_uint_ge(cut_everywhere(&out.file[0].bytes), STEPS / 5);
    ecg_outputs_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(so_does_one_of_others)
{
    struct base_buf b = {0};
    if (load_other(others[_i], &b))
        ck_assert_uint_ge(cut_everywhere(&b), STEPS / 5);
    base_buf_deinit(&b);
}
END_TEST

/* Whatever the parser finds wrong at its end, and whether anything could be read or not. */
START_TEST(xml_that_is_cut_is_called_so)
{
    struct base_buf b = {0};
    load_testdata(ours[_i], &b);
    for (size_t i = STEPS / 4; i < STEPS; i++) {
        size_t n = (b.n * i / STEPS) & ~(size_t)1; /* whole characters of UTF-16 */
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        const char *told = err.msg;
        if (!open_bytes(base_bytes_of(b.p, n), NULL, &r, &err))
            told = r->notes[0].text;
        ck_assert_msg(strstr(told, "the file is cut"), "%zu bytes: %s", n, told);
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(damage_is_told_before_what_was_looked_for_in_vain)
{
    struct base_buf b = {0};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    load_testdata("../ecg-xml/muse-utf8.xml", &b);
    char *tag = strstr(base_buf_cstr(&b), "</");
    ck_assert_ptr_nonnull(tag);
    tag[2] = 'x';
    ck_assert_int_eq(open_bytes(base_buf_bytes(&b), NULL, &r, &err), BASE_EFORMAT);
    const char *damage = strstr(err.msg, "the XML is damaged");
    const char *lack = strstr(err.msg, "no rhythm waveform");
    ck_assert_msg(damage && lack && damage < lack, "%s", err.msg);
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_open");
    TCase *t = tcase_create("cut files");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_cut_file_gives_samples_of_the_whole_one_and_says_so, 0,
                        sizeof ours / sizeof *ours);
    tcase_add_loop_test(t, so_does_one_that_we_wrote, 0, sizeof written / sizeof *written);
    tcase_add_loop_test(t, so_does_one_of_others, 0, sizeof others / sizeof *others);
    tcase_add_loop_test(t, xml_that_is_cut_is_called_so, 6, sizeof ours / sizeof *ours);
    tcase_add_test(t, damage_is_told_before_what_was_looked_for_in_vain);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
