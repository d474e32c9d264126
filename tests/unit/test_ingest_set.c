/* Files of several ECG recordings in one request are parted into recordings. */
#include "ingest/ingest_pack.h"
#include "ingest/ingest_set.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char one[] = "r 1 250 2\nr.dat 16 200/mV 16 0 0 0 0 I\n";
static const char master[] = "m/2 1 250 4\ns 2\nt 2\n";
static const char segment_s[] = "s 1 250 2\ns.dat 16 200/mV 16 0 0 0 0 I\n";
static const char segment_t[] = "t 1 250 2\nt.dat 16 200/mV 16 0 0 0 0 I\n";
static const char data[] = "\1\0\2\0";

static void add(struct ingest_set *s, const char *path, const char *bytes)
{
    struct base_buf b = {0};
    base_buf_add(&b, bytes, strlen(bytes) > 4 ? strlen(bytes) : 4);
    ck_assert_int_eq(ingest_set_add(s, path, &b, NULL), BASE_OK);
}

/* "a b, c": the paths of each recording in turn, then of what is left. */
static void part(struct ingest_set *s, char *out, size_t size)
{
    size_t chosen[16];
    size_t n;
    size_t at = 0;
    out[0] = '\0';
    while ((n = ingest_set_next(s, chosen)) > 0)
        for (size_t i = 0; i < n; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%s", s->files[chosen[i]].path,
                                   i + 1 < n ? " " : ", ");
    for (size_t i = 0; i < s->n; i++)
        if (!s->files[i].used)
            at += (size_t)snprintf(out + at, size - at, "-%s ", s->files[i].path);
}

static void assert_parts(struct ingest_set *s, const char *want)
{
    char got[512];
    part(s, got, sizeof got);
    ck_assert_str_eq(got, want);
    ingest_set_deinit(s);
}

START_TEST(a_header_takes_its_signals_and_annotations_whatever_the_order)
{
    struct ingest_set s = {0};
    add(&s, "a/r.dat", data);
    add(&s, "a/R.HEA", one);
    add(&s, "a/r.qrs", data);
    add(&s, "a/other.dat", data);
    assert_parts(&s, "a/R.HEA a/r.dat a/r.qrs, -a/other.dat ");
}
END_TEST

START_TEST(folders_never_meet)
{
    struct ingest_set s = {0};
    add(&s, "a/r.hea", one);
    add(&s, "b/r.dat", data);
    add(&s, "r.hea", one);
    add(&s, "r.dat", data);
    assert_parts(&s, "a/r.hea, r.hea r.dat, -b/r.dat ");
}
END_TEST

START_TEST(segments_come_with_the_record_that_names_them)
{
    struct ingest_set s = {0};
    add(&s, "s.hea", segment_s);
    add(&s, "s.dat", data);
    add(&s, "t.dat", data);
    add(&s, "m.hea", master);
    add(&s, "t.hea", segment_t);
    assert_parts(&s, "m.hea s.hea t.hea s.dat t.dat, ");
}
END_TEST

START_TEST(a_recording_and_its_beats_ask_for_each_other)
{
    struct ingest_set s = {0};
    struct base_buf head = {0};
    base_buf_add_fill(&head, 0, 600);
    memcpy(head.p, "ANN  1.0", 8);
    ck_assert_int_eq(ingest_set_add(&s, "h.ann", &head, NULL), BASE_OK);
    base_buf_add_fill(&head, 0, 600);
    memcpy(head.p, "ISHNE1.0", 8);
    ck_assert_int_eq(ingest_set_add(&s, "h.ecg", &head, NULL), BASE_OK);
    assert_parts(&s, "h.ann h.ecg, ");
}
END_TEST

START_TEST(more_than_64_mib_are_refused)
{
    struct ingest_set s = {0};
    for (int i = 0; i < 2; i++) {
        struct base_buf b = {0};
        base_buf_add_fill(&b, 'x', (size_t)40 << 20);
        ck_assert_int_eq(ingest_set_add(&s, "x", &b, NULL), i ? BASE_ELIMIT : BASE_OK);
        ck_assert_ptr_null(b.p);
    }
    ingest_set_deinit(&s);
}
END_TEST

START_TEST(a_pack_is_an_archive_that_others_open)
{
    struct ingest_pack p = {0};
    char path[] = "/tmp/rdc-pack-XXXXXX";
    char command[128];
    int fd = mkstemp(path);
    ingest_pack_add(&p, "r.hea", base_bytes_str(one));
    ingest_pack_add(&p, "测试.dat", base_bytes_of(data, 4));
    ingest_pack_end(&p);
    ck_assert_int_eq(p.zip.err, BASE_OK);
    FILE *f = fdopen(fd, "wb");
    ck_assert_uint_eq(fwrite(p.zip.p, 1, p.zip.n, f), p.zip.n);
    fclose(f);
    snprintf(command, sizeof command, "python3 -m zipfile -t %s >/dev/null", path);
    ck_assert_int_eq(system(command), 0);
    unlink(path);
    base_buf_deinit(&p.zip);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ingest_set");
    TCase *t = tcase_create("set");
    tcase_add_test(t, a_header_takes_its_signals_and_annotations_whatever_the_order);
    tcase_add_test(t, folders_never_meet);
    tcase_add_test(t, segments_come_with_the_record_that_names_them);
    tcase_add_test(t, a_recording_and_its_beats_ask_for_each_other);
    tcase_add_test(t, more_than_64_mib_are_refused);
    tcase_add_test(t, a_pack_is_an_archive_that_others_open);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
