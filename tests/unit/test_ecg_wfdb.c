/* WFDB: every signal format, headers, series, annotations, and what we write. */
#include "ecg/ecg_write.h"
#include "ecg_fixture.h"

#include <math.h>

struct file {
    const char *name;
    const char *bytes;
    size_t n; /* 0: bytes is text */
};

enum { FILES_MAX = 8 };

/* Opens exact copies, and answers what is asked for and not there with "absent". */
static enum base_err open_set(const struct file *files, size_t n, struct ecg_record **out,
                              struct base_error *err)
{
    struct ecg_input inputs[FILES_MAX + 8] = {0};
    uint8_t *copies[FILES_MAX];
    struct ecg_needs needs = {0};
    size_t count = n;
    for (size_t i = 0; i < n; i++) {
        size_t size = files[i].n ? files[i].n : strlen(files[i].bytes);
        copies[i] = malloc(size ? size : 1);
        ck_assert_ptr_nonnull(copies[i]);
        memcpy(copies[i], files[i].bytes, size);
        inputs[i] = (struct ecg_input){files[i].name, base_bytes_of(copies[i], size)};
    }
    enum base_err e = ecg_open(inputs, count, NULL, &needs, out, err);
    char asked[8][ECG_NAME_SIZE];
    for (int round = 0; e == BASE_ENOTFOUND && round < 4; round++) {
        for (size_t i = 0; i < needs.n && count < FILES_MAX + 8; i++) {
            memcpy(asked[count - n], needs.name[i], ECG_NAME_SIZE);
            inputs[count] = (struct ecg_input){.name = asked[count - n]};
            count++;
        }
        e = ecg_open(inputs, count, NULL, &needs, out, err);
    }
    ck_assert(e || !ecg_record_fault(*out));
    for (size_t i = 0; i < n; i++)
        free(copies[i]);
    return e;
}

static struct ecg_record *must_open_set(const struct file *files, size_t n)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    enum base_err e = open_set(files, n, &r, &err);
    ck_assert_msg(e == BASE_OK, "%s", err.msg);
    return r;
}

/* ---- formats ---- */

static const struct {
    unsigned format;
    const char *bytes;
    size_t n;
    int32_t want[4];
    size_t samples;
} formats[] = {
    {8, "\x05\xff\x00\x7f", 4, {15, 14, 14, 141}, 4}, /* differences from the initial 10 */
    {16, "\x01\x00\xff\xff\x00\x80\xff\x7f", 8, {1, -1, ECG_SAMPLE_NONE, 32767}, 4},
    {24,
     "\x01\x00\x00\xff\xff\xff\x00\x00\x80\x00\x00\x01",
     12,
     {1, -1, ECG_SAMPLE_NONE, 65536},
     4},
    {32, "\x01\0\0\0\xff\xff\xff\xff\0\0\0\x80\0\0\1\0", 16, {1, -1, ECG_SAMPLE_NONE, 65536}, 4},
    {61, "\x00\x01\xff\xff\x80\x00\x7f\xff", 8, {1, -1, ECG_SAMPLE_NONE, 32767}, 4},
    {80, "\x81\x7f\x00\xff", 4, {1, -1, ECG_SAMPLE_NONE, 127}, 4},
    {160, "\x01\x80\xff\x7f\x00\x00\xff\xff", 8, {1, -1, ECG_SAMPLE_NONE, 32767}, 4},
    {212, "\x01\xf0\xff\x00\x78\xff", 6, {1, -1, ECG_SAMPLE_NONE, 2047}, 4},
    {212, "\x01\xf0\xff\x00\x08", 5, {1, -1, ECG_SAMPLE_NONE}, 3},
    {310, "\x02\xa8\xfe\x57\xfe\x07", 6, {1, -1, 0x155, -1}, 4},
    {311, "\x01\xfc\x0f\x20\xff\xff", 6, {1, -1, ECG_SAMPLE_NONE, -1}, 4},
    {311, "\x01\xfc\x0f", 3, {1, -1}, 2},
};

START_TEST(each_format_gives_its_samples_and_its_missing_ones)
{
    char header[128];
    snprintf(header, sizeof header, "r 1 250\nr.dat %u 100/mV 12 0 10 0 0 II\n",
             formats[_i].format);
    struct file files[] = {{"r.hea", header, 0}, {"r.dat", formats[_i].bytes, formats[_i].n}};
    struct ecg_record *r = must_open_set(files, 2);
    ck_assert_str_eq(r->format, "WFDB");
    ck_assert_uint_eq(r->nleads, 1);
    assert_samples(&r->leads[0], formats[_i].want, formats[_i].samples);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_II);
    ck_assert_double_eq(r->leads[0].uv_per_count, 10);
    ck_assert_uint_eq(r->nnotes, 0);
    /* The same through a file of two signals, which takes another way. */
    if (formats[_i].samples == 4 && formats[_i].format != 8) {
        snprintf(header, sizeof header,
                 "r 2 250 2\nr.dat %u 100 12 0 0 0 0 I\nr.dat %u 100 12 0 0 0 0 II\n",
                 formats[_i].format, formats[_i].format);
        struct ecg_record *two = must_open_set(files, 2);
        for (size_t k = 0; k < 4; k++)
            ck_assert_int_eq(ecg_lead_sample(&two->leads[k % 2], k / 2), formats[_i].want[k]);
        ecg_record_free(two);
    }
    ecg_record_free(r);
}
END_TEST

START_TEST(signals_of_another_kind_in_volts_are_no_leads)
{
    static const char header[] = "r 4 100 2\n"
                                 "a.dat 16 200 16 0 1 0 0 MLII\n"
                                 "a.dat 16 200/mV 16 0 2 0 0 EEG (C4-A1)\n"
                                 "a.dat 16 200/mV 16 0 3 0 0 RESP\n"
                                 "a.dat 16 200 16 0 4 0 0\n";
    struct file files[] = {{"r.hea", header, 0},
                           {"a.dat", "\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10\0", 16}};
    struct ecg_record *r = must_open_set(files, 2);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_str_eq(r->leads[0].name, "MLII");
    ck_assert_str_eq(r->leads[1].name, "signal 4");
    ck_assert_uint_eq(r->nothers, 2);
    ck_assert_str_eq(r->others[0].name, "EEG (C4-A1)");
    ck_assert_str_eq(r->others[1].name, "RESP");
    ck_assert_str_eq(r->others[1].unit, "uV");
    assert_samples(&r->others[1], (const int32_t[]){3, 7}, 2);
    ecg_record_free(r);
}
END_TEST

START_TEST(several_files_frames_skew_units_and_offsets_are_read)
{
    static const char header[] = "# a comment first\r\n"
                                 "r/0 3 100/360 2 10:00:00.5 31/01/2026\r\n"
                                 "a.dat 16x2:1+3 10(-5)/uV 16 0 1 18 0 V1\r\n"
                                 "a.dat 16:0 200 16 4 5 13 0\r\n"
                                 "b.dat 80 2/mmHg 8 0 0 3 0 ABP\r\n";
    static const char a[] = "\0\0\0\1\0\2\0\5\0\7\0\7\0\10";
    struct file files[] = {{"r.hea", header, 0}, {"a.dat", a, 3 + 12}, {"B.DAT", "\x81\x82", 2}};
    char plain[sizeof header];
    memcpy(plain, header, sizeof header);
    /* "r/0": there are no 0 segments; line 2. */
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_set(files, 3, &r, &err), BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, "line 2") && err.pos == 19, "%s at %llu", err.msg,
                  (unsigned long long)err.pos);
    memcpy(strstr(plain, "r/0"), "r  ", 3);
    files[0].bytes = plain;
    r = must_open_set(files, 3);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nothers, 1);
    ck_assert_double_eq(r->leads[0].rate_hz, 200);
    assert_samples(&r->leads[0], (const int32_t[]){7, 7}, 2); /* a frame earlier was dropped */
    ck_assert_double_eq(r->leads[0].uv_per_count, 0.1);
    ck_assert_double_eq_tol(r->leads[0].offset_uv, 0.5, 1e-12);
    assert_samples(&r->leads[1], (const int32_t[]){5, 8}, 2);
    ck_assert_str_eq(r->leads[1].name, "signal 2");
    ck_assert_double_eq(r->leads[1].offset_uv, -20); /* the zero of the converter */
    assert_samples(&r->others[0], (const int32_t[]){1, 2}, 2);
    ck_assert_str_eq(r->others[0].unit, "mmHg");
    ck_assert_double_eq(r->others[0].uv_per_count, 0.5);
    ck_assert_int_eq(r->start.date.month, 1);
    ck_assert_int_eq(r->start.usec, 500000);
    ck_assert(has_note(r, "checksum of signal V1"));
    ck_assert_uint_eq(r->nnotes, 1);
    ecg_record_free(r);
}
END_TEST

/* Headers declare no character set. */
START_TEST(what_is_told_of_a_signal_names_it_in_utf8)
{
    static const char header[] = "r 1 100 2\nr.dat 16 200 16 0 0 1 0 \xb2\xe2\xca\xd4\xd2\xbb\n";
    const struct file files[] = {{"r.hea", header, 0}, {"r.dat", "\1\0\2\0", 4}};
    struct ecg_record *r = must_open_set(files, 2);
    ck_assert(has_note(r, "checksum of signal 测试一 (header line 2) is 3, should be 1"));
    ecg_record_free(r);
    struct base_error err = {0};
    static const char bad[] = "r 1 100 2\nr.dat \xb2\xe2 200\n";
    ck_assert_int_eq(open_set(&(struct file){"r.hea", bad, 0}, 1, &r, &err), BASE_EFORMAT);
    ck_assert(base_utf8_valid(err.msg, strlen(err.msg)));
}
END_TEST

/* RFC 9639: a stream of one frame, of two channels of 16 samples as they are. */
static const uint8_t flac[] = {
    'f',  'L',  'a',  'C',  0x80, 0x00, 0x00, 0x22, 0x00, 0x10, 0x00, 0x10, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x3e, 0x82, 0xf0, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* the stream */
    0xff, 0xf8, 0x60, 0x18, 0x00, 0x0f, 0x34,                               /* the frame */
    0x02, 0xff, 0xba, 0xff, 0xc4, 0xff, 0xce, 0xff, 0xd8, 0xff, 0xe2, 0xff, 0xec, 0xff, 0xf6,
    0x00, 0x00, 0x00, 0x0a, 0x00, 0x14, 0x00, 0x1e, 0x00, 0x28, 0x00, 0x32, 0x00, 0x3c, 0x00,
    0x46, 0x00, 0x50, /* -70 to 80 */
    0x02, 0x00, 0x00, 0xff, 0xfd, 0xff, 0xfa, 0xff, 0xf7, 0xff, 0xf4, 0xff, 0xf1, 0xff, 0xee,
    0xff, 0xeb, 0xff, 0xe8, 0xff, 0xe5, 0xff, 0xe2, 0xff, 0xdf, 0xff, 0xdc, 0xff, 0xd9, 0xff,
    0xd6, 0xff, 0xd3, /* 0 to -45 */
    0xda, 0xc8};

START_TEST(signals_of_a_flac_file_have_as_many_samples_per_frame_each)
{
    char header[256];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    for (unsigned spf = 1; spf <= 2; spf++) {
        snprintf(
            header, sizeof header,
            "r 2 100 %u\nr.dat 516x%u 200 16 0 -70 80 0 I\nr.dat 516x%u 200 16 0 0 -360 0 II\n",
            16 / spf, spf, spf);
        struct file files[] = {{"r.hea", header, 0}, {"r.dat", (const char *)flac, sizeof flac}};
        r = must_open_set(files, 2);
        ck_assert_uint_eq(r->nnotes, 0);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_double_eq(r->leads[k].rate_hz, 100 * spf);
            ck_assert_uint_eq(r->leads[k].samples, 16);
            for (int i = 0; i < 16; i++)
                ck_assert_int_eq(ecg_lead_sample(&r->leads[k], (size_t)i),
                                 k ? -3 * i : 10 * i - 70);
        }
        ecg_record_free(r);
    }
    struct file files[] = {{"r.hea", "r 2 100 8\nr.dat 516x2\nr.dat 516\n", 0},
                           {"r.dat", (const char *)flac, sizeof flac}};
    ck_assert_int_eq(open_set(files, 2, &r, &err), BASE_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "samples per frame"));
}
END_TEST

/* A frame whose checksum is wrong gives no silence but missing samples, at their place; what is cut
 * gives none; and nothing that a frame says of its size is believed without that checksum. */
START_TEST(damaged_frames_of_flac_are_missing_samples)
{
    enum { STREAM = 42, FRAME = sizeof flac - STREAM, FRAMES = 3 };
    uint8_t bytes[STREAM + FRAMES * FRAME];
    memcpy(bytes, flac, STREAM);
    for (size_t i = 0; i < FRAMES; i++)
        memcpy(bytes + STREAM + i * FRAME, flac + STREAM, FRAME);
    struct file files[] = {{"r.hea", "r 2 100\nr.dat 516\nr.dat 516\n", 0},
                           {"r.dat", (const char *)bytes, sizeof bytes}};
    struct ecg_record *r = must_open_set(files, 2);
    ck_assert_uint_eq(r->leads[0].samples, 48);
    ck_assert(!has_note(r, "FLAC"));
    ecg_record_free(r);

    bytes[STREAM + FRAME + 30] ^= 1;
    r = must_open_set(files, 2);
    ck_assert_uint_eq(r->leads[1].samples, 48);
    ck_assert_uint_eq(r->leads[1].tally.missing, 16);
    for (size_t i = 0; i < 48; i++)
        ck_assert_int_eq(ecg_lead_sample(&r->leads[1], i),
                         i / 16 == 1 ? ECG_SAMPLE_NONE : -3 * (int32_t)(i % 16));
    ck_assert(has_note(r, "a frame of 16 samples is damaged"));
    ecg_record_free(r);

    bytes[STREAM + FRAME + 30] ^= 1;
    files[1].n = sizeof bytes - 1;
    r = must_open_set(files, 2);
    ck_assert_uint_eq(r->leads[0].samples, 32);
    ecg_record_free(r);

    files[1].n = sizeof bytes;
    bytes[STREAM + 2] ^= 0x10; /* the header of the first: it is none */
    r = must_open_set(files, 2);
    ck_assert_uint_eq(r->leads[0].samples, 32);
    ck_assert(has_note(r, "75 bytes that are of no frame"));
    ecg_record_free(r);
}
END_TEST

START_TEST(a_series_of_segments_is_joined_with_its_gaps)
{
    static const struct file files[] = {
        {"m.hea", "m/4 2 250 7\nm_lay 0\ns1 2\n~ 3\ns2 2\n", 0},
        {"m_lay.hea", "m_lay 2 250 0\n~ 0 200/mV 12 0 0 0 0 I\n~ 0 100/mV 12 0 0 0 0 II\n", 0},
        {"s1.hea", "s1 1 250 2\ns1.dat 16 200/mV 16 0 0 0 0 I\n", 0},
        {"s1.dat", "\1\0\2\0", 4},
        {"s2.hea", "s2 2 250 2\ns2.dat 16 50/mV 16 0 0 0 0 II\ns2.dat 16 200/mV 16 0 0 0 0 I\n", 0},
        {"s2.dat", "\3\0\4\0\5\0\6\0", 8}};
    const int32_t none = ECG_SAMPLE_NONE;
    struct ecg_record *r = must_open_set(files, 6);
    assert_samples(&r->leads[0], (const int32_t[]){1, 2, none, none, none, 4, 6}, 7);
    /* Its gain is another in the segment. */
    assert_samples(&r->leads[1], (const int32_t[]){none, none, none, none, none, 6, 10}, 7);
    ecg_record_free(r);
    struct base_error err = {0};
    struct file bomb[6];
    memcpy(bomb, files, sizeof bomb);
    bomb[0].bytes = "m/4 2 250 7\nm_lay 0\ns1 2\n~ 30000000\ns2 2\n";
    ck_assert_int_eq(open_set(bomb, 6, &r, &err), BASE_ELIMIT);
    bomb[0].bytes = "m/1 2 250 7\n../s1 7\n";
    ck_assert_int_eq(open_set(bomb, 6, &r, &err), BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, "no plain file name"), "%s", err.msg);
}
END_TEST

START_TEST(segments_that_are_not_as_the_record_says_are_told)
{
    static const struct file files[] = {{"m.hea", "m/3 1 250 6\ns1 2\ns2 2\ns3 2\n", 0},
                                        {"s1.hea", "s1 1 250 2\ns1.dat 16 200 16 0 0 0 0 I\n", 0},
                                        {"s1.dat", "\1\0\2\0", 4},
                                        {"s2.hea", "s2 1 125 2\ns2.dat 16 200 16 0 0 0 0 I\n", 0},
                                        {"s2.dat", "\3\0\4\0", 4},
                                        {"s3.hea", "s3 1 250 1\ns3.dat 16 200 16 0 0 0 0 I\n", 0},
                                        {"s3.dat", "\5\0", 2}};
    const int32_t none = ECG_SAMPLE_NONE;
    struct ecg_record *r = must_open_set(files, 7);
    assert_samples(&r->leads[0], (const int32_t[]){1, 2, none, none, 5, none}, 6);
    ck_assert_uint_eq(r->nnotes, 2);
    ck_assert(has_note(r, "s2.hea has 125 samples per second, the record 250"));
    ck_assert(has_note(r, "s3.hea states 1 samples, the record's header 2"));
    ck_assert(r->notes[0].is_damage && r->notes[1].is_damage);
    ecg_record_free(r);
}
END_TEST

/* What only fills up the last bytes of packed samples is none. */
START_TEST(what_the_header_does_not_count_is_told)
{
    static const struct {
        const char *header;
        size_t bytes;
        const char *words;
    } rows[] = {
        {"r 1 250 2\nr.dat 16 200 16 0 0 0 0 I\n", 6, "r.dat has 1 samples per signal more"},
        {"r 1 250 3\nr.dat 212 200 12 0 0 0 0 I\n", 6, NULL},
        {"r 1 250 1\nr.dat 212 200 12 0 0 0 0 I\n", 6, "r.dat has 3 samples per signal more"},
        {"r 1 250 3\nr.dat 16 200 16 0 0 0 0 I\n\n# x\nr.dat 16 200\n", 6, "header, line 5: more"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct file files[] = {{"r.hea", rows[i].header, 0},
                                     {"r.dat", "\1\0\2\0\3\0", rows[i].bytes}};
        struct ecg_record *r = must_open_set(files, 2);
        ck_assert_uint_eq(r->nnotes, rows[i].words != NULL);
        ck_assert(!rows[i].words || (has_note(r, rows[i].words) && r->notes[0].is_damage));
        ecg_record_free(r);
    }
}
END_TEST

static const struct {
    const char *header;
    const char *words;
} refusals[] = {
    {"r 1 250\n../r.dat 16\n", "no name of a file beside"},
    {"r 1 250\n/etc/passwd 16\n", "no name of a file beside"},
    {"r 1 250\nr.dat 17\n", "format 17 is not known"},
    {"r 1 250\nr.dat 16+\n", "a signal format"},
    {"r 1 250\nr.dat 16 x\n", "a gain"},
    {"r 1 250\nr.dat 16 1(2 16\n", "a baseline"},
    {"r 1 0 5\nr.dat 16\n", "a rate above 0"},
    {"r 2 250\nr.dat 16\n", "1 more lines"},
    {"r 999 250\nr.dat 16\n", "lines announced"},
    {"r 1 250\nabsent.dat 16\n", "no signal of the record"},
    {"r 2 250\nr.dat 16\nr.dat 212\n", "formats 16 and 212"},
};

START_TEST(headers_are_refused_with_the_reason)
{
    struct file files[] = {{"r.hea", refusals[_i].header, 0}, {"r.dat", "\1\0\2\0", 4}};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_ne(open_set(files, 2, &r, &err), BASE_OK);
    ck_assert_msg(strstr(err.msg, refusals[_i].words), "%s", err.msg);
}
END_TEST

START_TEST(what_is_needed_is_asked_for_once)
{
    struct ecg_input input = {"r.hea", base_bytes_str("r 2 250\na.dat 16\nb.dat 16\n")};
    struct ecg_needs needs;
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(ecg_open(&input, 1, NULL, &needs, &r, &err), BASE_ENOTFOUND);
    ck_assert_uint_eq(needs.n, 3);
    ck_assert_str_eq(needs.name[0], "r.atr");
    ck_assert_str_eq(needs.name[1], "a.dat");
    ck_assert_int_eq(ecg_open(&input, 1, NULL, NULL, &r, &err), BASE_EFORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "such as a.dat")); /* nothing is missing without r.atr */
    const struct ecg_input sent[] = {{"a.dat", base_bytes_str("\1\2\3\4")}, input};
    ck_assert_uint_eq(ecg_find_first(sent, 2), 1);
    ck_assert_uint_eq(ecg_find_first(sent, 1), 1);
}
END_TEST

static struct ecg_record *open_record_line(const char *line)
{
    char header[200];
    snprintf(header, sizeof header, "%s\nr.dat 16 200 16 0 0 0 0 I\n", line);
    const struct file files[] = {{"r.hea", header, 0}, {"r.dat", "\1\0\2\0", 4}};
    return must_open_set(files, 2);
}

/* The challenges of 2020 and 2021 have their own dates; other records state a year where the time
 * belongs, and years of two digits. */
START_TEST(moments_are_read_as_databases_write_them)
{
    static const struct {
        const char *line;
        const char *want; /* date and time; "told" after these: a part is none */
    } rows[] = {
        {"r 1 250 2 10:20:30 31/01/2026", "2026-1-31 10:20:30"},
        {"r 1 250 2 2014-05-08 05:05:15", "2014-5-8 5:5:15"},
        {"r 1 250 2 05-Feb-2020 11:39:16", "2020-2-5 11:39:16"},
        {"r 1 250 2 05-FEB-2020", "2020-2-5 none"},
        {"r 1 250 2 2006", "0-0-0 none told"},
        {"r 1 250 2 10:20:30 31/01/89", "0-0-0 10:20:30 told"},
        {"r 1 250 2 10:20:30 31/13/2026", "0-0-0 10:20:30 told"},
        {"r 1 250 2 25:00:00 31/12/2026", "2026-12-31 none told"},
        {"r 1 250 2 00:00 05-Foo-2020", "0-0-0 0:0:0 told"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecg_record *r = open_record_line(rows[i].line);
        const struct ecg_time *t = &r->start;
        char clock[40];
        char got[80];
        snprintf(clock, sizeof clock, "%d:%d:%d", t->hour, t->minute, t->second);
        snprintf(got, sizeof got, "%d-%d-%d %s%s", t->date.year, t->date.month, t->date.day,
                 t->has_time ? clock : "none",
                 has_note(r, "the date or time of the record is none") ? " told" : "");
        ck_assert_str_eq(got, rows[i].want);
        ecg_record_free(r);
    }
}
END_TEST

/* PTB-XL+: the record's name and its files' are from where they were written. */
START_TEST(the_folder_that_a_record_is_named_with_is_none_here)
{
    static const char text[] = "was/here/7_x 1 250 2\nwas/here/7_x.dat 16 200 16 0 0 0 0 I\n";
    struct file files[] = {{"7_x.hea", text, 0}, {"7_x.dat", "\1\0\2\0", 4}};
    struct ecg_record *r = must_open_set(files, 2);
    assert_samples(&r->leads[0], (const int32_t[]){1, 2}, 2);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    struct base_error err = {0};
    files[0].bytes = "was/7_x 1 250 2\nis/7_x.dat 16 200 16 0 0 0 0 I\n";
    ck_assert_int_eq(open_set(files, 2, &r, &err), BASE_EFORMAT);
    files[0].bytes = "was/7_x 1 250 2\nwas/../7_x.dat 16 200 16 0 0 0 0 I\n";
    ck_assert_int_eq(open_set(files, 2, &r, &err), BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, "no name of a file beside"), "%s", err.msg);
}
END_TEST

/* A record of MIMIC-III announces one segment more than it lists. */
START_TEST(a_list_of_segments_that_ends_early_is_damage)
{
    static const struct file files[] = {{"m.hea", "m/3 1 250 6\ns1 2\ns1 2\n", 0},
                                        {"s1.hea", "s1 1 250 2\ns1.dat 16 200 16 0 0 0 0 I\n", 0},
                                        {"s1.dat", "\1\0\2\0", 4}};
    struct ecg_record *r = must_open_set(files, 3);
    assert_samples(&r->leads[0], (const int32_t[]){1, 2, 1, 2}, 4);
    ck_assert(has_note(r, "1 segments more were announced"));
    ck_assert(r->notes[0].is_damage);
    ecg_record_free(r);
}
END_TEST

/* ---- annotations ---- */

START_TEST(a_signal_that_is_late_goes_on_from_segment_to_segment)
{
    static const struct file files[] = {
        {"m.hea", "m/3 2 250 8\ns1 3\n~ 2\ns2 3\n", 0},
        {"s1.hea", "s1 2 250 3\ns1.dat 16 200/mV 16 0 0 0 0 I\ns1.dat 16:1 200/mV 16 0 0 0 0 II\n",
         0},
        {"s1.dat", "\1\0\11\0\2\0\12\0\3\0\13\0", 12},
        {"s2.hea", "s2 2 250 3\ns2.dat 16 200/mV 16 0 0 0 0 I\ns2.dat 16:1 200/mV 16 0 0 0 0 II\n",
         0},
        {"s2.dat", "\4\0\14\0\5\0\15\0\6\0\16\0", 12}};
    const int32_t none = ECG_SAMPLE_NONE;
    struct ecg_record *r = must_open_set(files, 5);
    assert_samples(&r->leads[0], (const int32_t[]){1, 2, 3, none, none, 4, 5, 6}, 8);
    assert_samples(&r->leads[1], (const int32_t[]){10, 11, none, none, 12, 13, 14, none}, 8);
    ecg_record_free(r);
    /* Without a gap nothing is missing between. */
    struct file joined[5];
    memcpy(joined, files, sizeof joined);
    joined[0].bytes = "m/2 2 250 6\ns1 3\ns2 3\n";
    r = must_open_set(joined, 5);
    assert_samples(&r->leads[1], (const int32_t[]){10, 11, 12, 13, 14, none}, 6);
    ecg_record_free(r);
}
END_TEST

START_TEST(annotations_have_all_their_parts)
{
    /* "+" at 18 with "(N", N at 77, "(" V ")" with sub, chan, num, and a long skip */
    static const char atr[] = "\x12\x70\x03\xfc(N\0\0"
                              "\x3b\x04"
                              "\x00\xec\x01\x00\x00\x00"
                              "\x00\x9c\x02\x14\x01\xf4\x01\xf8\x03\xf0\x01\xa0"
                              "\0";
    static const char header[] = "r 1 100 2\nr.dat 16 200 16 0 0 0 0 I\n# 69 F 1085\n";
    struct file files[] = {
        {"r.hea", header, 0}, {"r.dat", "\1\0\2\0", 4}, {"r.atr", atr, sizeof atr}};
    struct ecg_record *r = must_open_set(files, 3);
    ck_assert_uint_eq(r->nmarks, 5);
    const struct ecg_mark *m = r->marks;
    ck_assert_int_eq(m[0].kind, ECG_MARK_RHYTHM);
    ck_assert_str_eq(m[0].text, "(N");
    ck_assert_double_eq(m[0].at_s, 0.18);
    ck_assert_int_eq(m[1].code, ECG_CODE_NORMAL);
    ck_assert_double_eq(m[1].at_s, 0.77);
    ck_assert_int_eq(m[2].kind, ECG_MARK_QRS_ON);
    ck_assert_double_eq_tol(m[2].at_s, 656.13, 1e-9);
    ck_assert_int_eq(m[3].code, ECG_CODE_PVC);
    ck_assert(m[3].subtype == 1 && m[3].channel == 1 && m[3].number == 3);
    ck_assert_int_eq(m[4].kind, ECG_MARK_QRS_OFF);
    ck_assert(m[4].subtype == 0 && m[4].channel == 1);
    ck_assert_int_eq(r->patient.age, 69);
    ck_assert_int_eq(r->patient.sex, 'F');
    ecg_record_free(r);
    for (size_t n = 0; n < sizeof atr; n++) { /* each short prefix */
        files[2].n = n;
        files[2].bytes = n ? atr : "";
        r = must_open_set(files, 3);
        ck_assert_uint_le(r->nmarks, 5);
        ecg_record_free(r);
    }
}
END_TEST

/* ---- writing ---- */

static struct ecg_record *reopen(const struct ecg_record *r, struct ecg_outputs *out)
{
    struct ecg_write_options o = {.stem = "w r"};
    struct base_error err = {0};
    struct file files[FILES_MAX];
    enum base_err e = ecg_write(r, ECG_FORMAT_WFDB, &o, out, &err);
    ck_assert_msg(e == BASE_OK, "%s", err.msg);
    for (size_t i = 0; i < out->n; i++)
        files[i] = (struct file){out->file[i].name, base_buf_cstr(&out->file[i].bytes),
                                 out->file[i].bytes.n};
    return must_open_set(files, out->n);
}

START_TEST(diagnoses_given_as_bare_numbers_get_their_names)
{
    const struct file files[] = {
        {"c.hea",
         "c 1 500 2\nc.dat 16 1000/mV 16 0\n# Age: 60\n# Dx: 426783006, 4242,164889003\r\n", 0},
        {"c.dat", "abcd", 4}};
    static const char *const want[][2] = {
        {"sinus rhythm", "426783006"}, {"4242", "4242"}, {"atrial fibrillation", "164889003"}};
    struct ecg_record *r = must_open_set(files, 2);
    ck_assert_uint_eq(r->nstatements, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_str_eq(r->statements[i].text, want[i][0]);
        ck_assert_str_eq(r->statements[i].code, want[i][1]);
    }
    ecg_record_free(r);
}
END_TEST

START_TEST(texts_of_annotations_are_utf_8_however_they_came)
{
    /* In ISO 8859-1, then in GBK. */
    static const char atr[] = "\x12\x58\x04\xfc"
                              "caf\xe9"
                              "\x12\x58\x04\xfc"
                              "\xb2\xe2\xca\xd4"
                              "\0";
    const struct file files[] = {{"r.hea", "r 1 100 2\nr.dat 16 200 16 0 0 0 0 I\n", 0},
                                 {"r.dat", "\1\0\2\0", 4},
                                 {"r.atr", atr, sizeof atr}};
    struct ecg_record *r = must_open_set(files, 3);
    ck_assert_uint_eq(r->nmarks, 2);
    ck_assert_str_eq(r->marks[0].text, "caf\xc3\xa9");
    ck_assert_str_eq(r->marks[1].text, "\xe6\xb5\x8b\xe8\xaf\x95");
    ecg_record_free(r);
}
END_TEST

START_TEST(annotations_that_are_long_or_years_away_are_written_right)
{
    struct ecg_record *r = ecg_record_new(NULL);
    struct ecg_outputs out;
    char text[400] = "x";
    for (size_t i = 1; i + 3 < 300; i += 3)
        memcpy(text + i, "\xe6\xb5\x8b", 4);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    must_have_samples(r, &r->leads[0], 10)[3] = 7;
    r->leads[0].name = "I";
    r->leads[0].rate_hz = 500;
    r->leads[0].uv_per_count = 5;
    const double at[] = {-1e8, 0.5, 1e8};
    for (size_t i = 0; i < 3; i++)
        ecg_record_add_mark(r,
                            (struct ecg_mark){.kind = ECG_MARK_OTHER, .at_s = at[i], .text = text});
    struct ecg_record *again = reopen(r, &out);
    ck_assert_uint_eq(again->nmarks, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_double_eq(again->marks[i].at_s, at[i]);
        ck_assert_uint_eq(strlen(again->marks[i].text), 1 + 84 * 3);
        ck_assert_int_eq(strncmp(again->marks[i].text, text, 1 + 84 * 3), 0);
    }
    ecg_record_free(again);
    ecg_outputs_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_is_written_reads_the_same)
{
    static const int32_t most[] = {2047, 32767, 100000};
    static const char *const words[] = {"w_r.dat 212", "w_r.dat 16", "w_r.dat 32"};
    struct ecg_record *r = ecg_record_new(NULL);
    struct ecg_outputs out;
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, 3), BASE_OK);
    for (size_t i = 0; i < 3; i++) {
        struct ecg_lead *lead = &r->leads[i];
        size_t n = i == 2 ? 202 : 101; /* twice the rate */
        int32_t *data = must_have_samples(r, lead, n);
        for (size_t k = 0; k < n; k++)
            data[k] = k == 7 ? ECG_SAMPLE_NONE : (int32_t)((k * 37 + i) % 4000) - 2000;
        data[3] = most[_i];
        lead->id = i ? ECG_LEAD_V1 : ECG_LEAD_I;
        lead->name = ecg_lead_name(lead->id);
        lead->rate_hz = i == 2 ? 500 : 250;
        lead->uv_per_count = 2.5;
        lead->offset_uv = -25;
    }
    for (int i = 0; i < 3; i++)
        ecg_record_add_mark(r, (struct ecg_mark){.kind = ECG_MARK_BEAT,
                                                 .code = ECG_CODE_PVC,
                                                 .number = (int8_t)(i - 1),
                                                 .text = i ? "a" : "",
                                                 .at_s = i * 40 + 0.004});
    ecg_record_add_statement(r, "Sinus rhythm", "");
    r->patient.age = 40;
    r->patient.age_unit = 'Y';
    struct ecg_record *again = reopen(r, &out);
    ck_assert(strstr(base_buf_cstr(&out.file[0].bytes), words[_i]));
    assert_same_leads(r->leads, again->leads, 3);
    ck_assert_uint_eq(again->nnotes, 0); /* the checksums agree */
    ck_assert_uint_eq(again->nmarks, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(again->marks[i].at_s, i * 40 + 0.004, 1e-9);
        ck_assert_int_eq(again->marks[i].code, ECG_CODE_PVC);
        ck_assert_int_eq(again->marks[i].number, i - 1);
        ck_assert_str_eq(again->marks[i].text, i ? "a" : "");
    }
    ck_assert_str_eq(again->statements[0].text, "Sinus rhythm");
    ck_assert_int_eq(again->patient.age, 40);
    ecg_record_free(again);
    ecg_outputs_deinit(&out);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_wfdb");
    TCase *t = tcase_create("wfdb");
    tcase_add_loop_test(t, each_format_gives_its_samples_and_its_missing_ones, 0,
                        sizeof formats / sizeof *formats);
    tcase_add_test(t, signals_of_another_kind_in_volts_are_no_leads);
    tcase_add_test(t, several_files_frames_skew_units_and_offsets_are_read);
    tcase_add_test(t, what_is_told_of_a_signal_names_it_in_utf8);
    tcase_add_test(t, signals_of_a_flac_file_have_as_many_samples_per_frame_each);
    tcase_add_test(t, damaged_frames_of_flac_are_missing_samples);
    tcase_add_test(t, a_series_of_segments_is_joined_with_its_gaps);
    tcase_add_test(t, segments_that_are_not_as_the_record_says_are_told);
    tcase_add_test(t, what_the_header_does_not_count_is_told);
    tcase_add_loop_test(t, headers_are_refused_with_the_reason, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_test(t, diagnoses_given_as_bare_numbers_get_their_names);
    tcase_add_test(t, moments_are_read_as_databases_write_them);
    tcase_add_test(t, the_folder_that_a_record_is_named_with_is_none_here);
    tcase_add_test(t, a_list_of_segments_that_ends_early_is_damage);
    tcase_add_test(t, what_is_needed_is_asked_for_once);
    tcase_add_test(t, annotations_have_all_their_parts);
    tcase_add_test(t, a_signal_that_is_late_goes_on_from_segment_to_segment);
    tcase_add_test(t, texts_of_annotations_are_utf_8_however_they_came);
    tcase_add_test(t, annotations_that_are_long_or_years_away_are_written_right);
    tcase_add_loop_test(t, what_is_written_reads_the_same, 0, 3);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
