/* The files beside one that are of the same ECG recording, on disk. */
#include "ingest/ingest_beside.h"
#include "ingest/ingest_set.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char one[] = "r 1 250 2\nr.dat 16 200/mV 16 0 0 0 0 I\n";
static const char master[] = "m/2 1 250 4\ns 2\nt 2\n";
static const char segment_s[] = "s 1 250 2\ns.dat 16 200/mV 16 0 0 0 0 I\n";
static const char segment_t[] = "t 1 250 2\nt.dat 16 200/mV 16 0 0 0 0 I\n";
static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/rdc-beside-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put_bytes(const char *name, const void *p, size_t n)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* "r.hea r.dat", and "?x.dat" for one that is missing. */
static void assert_found(const char *name, const char *want)
{
    struct ingest_beside b;
    char got[256] = "";
    size_t at = 0;
    ck_assert_int_eq(ingest_beside_find(folder, name, &b), BASE_OK);
    for (size_t i = 0; i < b.n; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%s", i ? " " : "", b.names[i]);
    if (b.missing)
        snprintf(got + at, sizeof got - at, " ?%s", b.missing);
    ck_assert_str_eq(got, want);
    ingest_beside_deinit(&b);
}

START_TEST(a_header_has_its_signals_and_annotations)
{
    put("r.hea", one);
    assert_found("r.hea", "r.hea ?r.dat");
    put("R.DAT", "1234");
    put("r.ATR", "12");
    put("r.txt", "a letter");
    put("other.dat", "1234");
    assert_found("r.hea", "r.hea r.ATR R.DAT");
    struct ingest_beside b;
    ck_assert_int_eq(ingest_beside_find(folder, "s.hea", &b), BASE_ENOTFOUND);
}
END_TEST

START_TEST(segments_have_their_signals)
{
    put("m.hea", master);
    put("s.hea", segment_s);
    put("t.hea", segment_t);
    put("s.dat", "1234");
    assert_found("m.hea", "m.hea s.hea t.hea s.dat ?t.dat");
    put("t.dat", "1234");
    assert_found("m.hea", "m.hea s.hea t.hea s.dat t.dat");
}
END_TEST

START_TEST(an_image_a_link_and_a_folder_are_no_signals)
{
    char path[160];
    char image[140] = "";
    memcpy(image + 128, "DICM", 4);
    put("r.hea", one);
    put_bytes("r.dat", image, sizeof image);
    assert_found("r.hea", "r.hea");
    snprintf(path, sizeof path, "%s/r.dat", folder);
    unlink(path);
    ck_assert_int_eq(symlink("/etc/hostname", path), 0);
    assert_found("r.hea", "r.hea ?r.dat");
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    assert_found("r.hea", "r.hea ?r.dat");
}
END_TEST

START_TEST(what_another_asks_for_is_a_part_of_it)
{
    struct ingest_beside all[4];
    const char *const names[] = {"s.hea", "m.hea", "t.hea", "r.hea"};
    put("m.hea", master);
    put("s.hea", segment_s);
    put("t.hea", segment_t);
    put("r.hea", one);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(ingest_beside_find(folder, names[i], &all[i]), BASE_OK);
    ck_assert_int_eq(ingest_beside_settle(all, 4), BASE_OK);
    ck_assert(all[0].is_part && !all[1].is_part && all[2].is_part && !all[3].is_part);
    for (size_t i = 0; i < 4; i++)
        ingest_beside_deinit(&all[i]);
}
END_TEST

START_TEST(of_a_recording_and_its_beats_the_larger_is_first)
{
    char bytes[700] = "ANN  1.0";
    struct ingest_beside all[2];
    put_bytes("h.ann", bytes, 600);
    memcpy(bytes, "ISHNE1.0", 8);
    put_bytes("h.ecg", bytes, 700);
    assert_found("h.ann", "h.ann h.ecg");
    ck_assert_int_eq(ingest_beside_find(folder, "h.ann", &all[0]), BASE_OK);
    ck_assert_int_eq(ingest_beside_find(folder, "h.ecg", &all[1]), BASE_OK);
    ck_assert_int_eq(ingest_beside_settle(all, 2), BASE_OK);
    ck_assert(all[0].is_part && !all[1].is_part);
    ck_assert_uint_eq(all[1].bytes, 1300);
    ingest_beside_deinit(&all[0]);
    ingest_beside_deinit(&all[1]);
}
END_TEST

START_TEST(the_archive_has_the_length_that_was_said_or_is_refused)
{
    struct ingest_beside b;
    struct base_buf zip = {0};
    put("r.hea", one);
    put("r.dat", "1234");
    ck_assert_int_eq(ingest_beside_find(folder, "r.hea", &b), BASE_OK);
    ck_assert_int_eq(ingest_beside_archive(&b, &zip), BASE_OK);
    ck_assert_uint_eq(zip.n, ingest_beside_archive_bytes(&b));
    ck_assert_int_eq(memcmp(zip.p, "PK\3\4", 4), 0);
    base_buf_deinit(&zip);
    put("r.dat", "12345"); /* another than was found */
    ck_assert_int_eq(ingest_beside_archive(&b, &zip), BASE_EIO);
    put("r.dat", "123");
    ck_assert_int_eq(ingest_beside_archive(&b, &zip), BASE_EIO);
    ck_assert_int_eq(errno, ESTALE);
    b.bytes = INGEST_SET_BYTES + 1;
    ck_assert_int_eq(ingest_beside_archive(&b, &zip), BASE_ELIMIT);
    ck_assert_ptr_null(zip.p);
    ingest_beside_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ingest_beside");
    TCase *t = tcase_create("beside");
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, a_header_has_its_signals_and_annotations);
    tcase_add_test(t, segments_have_their_signals);
    tcase_add_test(t, an_image_a_link_and_a_folder_are_no_signals);
    tcase_add_test(t, what_another_asks_for_is_a_part_of_it);
    tcase_add_test(t, of_a_recording_and_its_beats_the_larger_is_first);
    tcase_add_test(t, the_archive_has_the_length_that_was_said_or_is_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
