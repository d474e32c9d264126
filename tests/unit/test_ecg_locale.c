/* What is read, found, written and drawn in a program whose language has a decimal comma. */
#include "ecg/analysis/ecg_compare.h"
#include "ecg/draw/ecg_draw.h"
#include "ecg/ecg_info.h"
#include "ecg/ecg_write.h"
#include "ecg_synthetic.h"

#include <locale.h>
#include <unistd.h>

static char folder[32];

/* A locale of our own: whether the machine has one with a comma is nobody's concern. */
static void make_locale(void)
{
    char text[512];
    strcpy(folder, "/tmp/rdc-locale-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(text, sizeof text, "%s/source", folder);
    FILE *f = fopen(text, "w");
    ck_assert_ptr_nonnull(f);
    fputs("LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n", f);
    ck_assert_int_eq(fclose(f), 0);
    /* It warns of the categories that are not there, and its status says so. */
    snprintf(text, sizeof text,
             "PATH=$PATH:/usr/sbin:/usr/bin localedef -c -i %s/source -f ANSI_X3.4-1968 %s/comma "
             "2>/dev/null",
             folder, folder);
    (void)!system(text);
    ck_assert_int_eq(setenv("LOCPATH", folder, 1), 0);
}

static void remove_locale(void)
{
    char text[128];
    snprintf(text, sizeof text, "rm -r %s", folder);
    ck_assert_int_eq(system(text), 0);
}

static void speak(const char *locale)
{
    char half[8];
    ck_assert_msg(setlocale(LC_NUMERIC, locale) != NULL, "there is no locale %s", locale);
    snprintf(half, sizeof half, "%.1f", 0.5);
    ck_assert_str_eq(half, strcmp(locale, "C") == 0 ? "0.5" : "0,5");
}

static struct ecg_record *make_record(void)
{
    struct synthetic s = synthetic_plain;
    s.rate_hz = 360;
    s.interval_s = 1.7;
    struct ecg_record *r = synthetic_make(&s);
    r->format = "test";
    r->filters = (struct ecg_filters){.high_pass_hz = 0.05, .low_pass_hz = 150};
    ecg_record_add_measurement(r, ECG_MEASURE_QRS, 0, 90.5, NULL, NULL);
    for (size_t i = 0; i < r->nleads; i++)
        r->leads[i].uv_per_count = 4.88;
    return r;
}

static void add_findings(const struct ecg_record *r, struct base_buf *out)
{
    static struct ecg_figures f;
    static struct ecg_findings findings;
    static struct ecg_findings none;
    static struct ecg_changes changes;
    struct ecg_beats beats = {0};
    struct ecg_quality quality;
    struct ecg_alarm_limits limits = ecg_alarm_limits_default;
    struct base_error err = {0};
    ck_assert(ecg_alarm_limits_parse("pause_s=1.25,qtc_ms=550", &limits));
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_int_eq(ecg_figures_measure(r, NULL, &beats, &f, &err), BASE_OK);
    ecg_quality_find(r, &quality);
    ck_assert_int_eq(ecg_findings_make(r, &beats, &f, &quality, &limits, &findings), BASE_OK);
    ecg_compare(&(struct ecg_measured){&f, &quality, &none},
                &(struct ecg_measured){&f, &quality, &findings}, &changes);
    for (size_t i = 0; i < findings.n; i++)
        base_buf_printf(out, "%s\n", findings.of[i].figures);
    for (size_t i = 0; i < changes.n; i++)
        base_buf_printf(out, "%s\n", changes.of[i].figures);
    ck_assert_uint_gt(changes.n, 0);
    ecg_beats_deinit(&beats);
}

static void add_words(const struct ecg_record *r, struct base_buf *out)
{
    struct base_json j;
    struct base_error err = {0};
    base_json_init(&j, out);
    ecg_info_json(r, &j);
    add_findings(r, out);
    ck_assert_int_eq(ecg_draw_sheet(r, &(struct ecg_draw_options){.kind = ECG_DRAW_PNG}, out, &err),
                     BASE_OK);
}

START_TEST(what_is_found_and_drawn_is_the_same_with_a_decimal_comma)
{
    struct ecg_record *r = make_record();
    struct base_buf plain = {0}, comma = {0};
    add_words(r, &plain);
    speak("comma");
    add_words(r, &comma);
    speak("C");
    ck_assert_uint_eq(plain.n, comma.n);
    ck_assert(memcmp(plain.p, comma.p, plain.n) == 0);
    ck_assert_ptr_nonnull(memmem(comma.p, comma.n, "1.7 s without a beat >= 1.25", 28));
    base_buf_deinit(&plain);
    base_buf_deinit(&comma);
    ecg_record_free(r);
}
END_TEST

static void write_record(const struct ecg_record *r, enum ecg_format format,
                         struct ecg_outputs *out)
{
    struct base_error err = {0};
    struct ecg_write_options o = {.stem = "x", .seed = "seed", .now_us = 1767225600000000};
    ck_assert_msg(ecg_write(r, format, &o, out, &err) == BASE_OK, "%s", err.msg);
}

static struct ecg_record *read_record(const struct ecg_outputs *w)
{
    struct ecg_input inputs[ECG_OUTPUTS_MAX];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    for (size_t i = 0; i < w->n; i++)
        inputs[i] = (struct ecg_input){w->file[i].name, base_buf_bytes(&w->file[i].bytes)};
    ck_assert_msg(ecg_open_all(inputs, w->n, NULL, &r, &err) == BASE_OK, "%s", err.msg);
    return r;
}

START_TEST(what_is_written_and_read_is_the_same_with_a_decimal_comma)
{
    enum ecg_format format = (enum ecg_format)_i;
    struct ecg_outputs plain, comma;
    if (!ecg_format_writes(format))
        return;
    struct ecg_record *r = make_record();
    write_record(r, format, &plain);
    struct ecg_record *back = read_record(&plain);
    speak("comma");
    write_record(r, format, &comma);
    struct ecg_record *again = read_record(&plain);
    speak("C");
    ck_assert_uint_eq(plain.n, comma.n);
    for (size_t i = 0; i < plain.n; i++) {
        ck_assert_uint_eq(plain.file[i].bytes.n, comma.file[i].bytes.n);
        ck_assert(memcmp(plain.file[i].bytes.p, comma.file[i].bytes.p, comma.file[i].bytes.n) == 0);
    }
    ck_assert(base_bytes_equal(base_buf_bytes(&plain.lost), base_buf_bytes(&comma.lost)));
    ck_assert_uint_eq(back->nleads, again->nleads);
    assert_same_leads(back->leads, again->leads, back->nleads);
    ecg_record_free(back);
    ecg_record_free(again);
    ecg_outputs_deinit(&plain);
    ecg_outputs_deinit(&comma);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_locale");
    TCase *tc = tcase_create("locale");
    tcase_add_unchecked_fixture(tc, make_locale, remove_locale);
    tcase_add_test(tc, what_is_found_and_drawn_is_the_same_with_a_decimal_comma);
    tcase_add_loop_test(tc, what_is_written_and_read_is_the_same_with_a_decimal_comma, 0,
                        ECG_FORMAT_COUNT);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
