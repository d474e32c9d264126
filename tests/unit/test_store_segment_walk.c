/* What a power cut or a dead worker leaves in segments, and how it is found and swept. */
#include "segment_fixture.h"

/* ---- what a power cut leaves ---- */

START_TEST(a_torn_record_is_passed_over)
{
    struct told t[3];
    char path[256];
    static uint8_t junk[STORE_ALIGN];
    leave_three(t);
    segment_of(t[1].object.location, path);
    memset(junk, 0x5a, sizeof junk);
    write_at(path, offset_of(t[1].object.location), junk, sizeof junk);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 2);
    ck_assert_int_eq(seen.torn, 1);
    ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_EFORMAT);
    ck_assert_int_eq(read_as(t[2].object.location, "three"), BASE_OK);
}
END_TEST

START_TEST(one_changed_bit_of_a_header_is_seen)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[1].object.location, path);
    uint64_t at = offset_of(t[1].object.location);
    for (unsigned i = 0; i < STORE_RECORD_HEAD; i += 7) {
        int fd = open(path, O_RDWR);
        uint8_t was;
        uint8_t now;
        ck_assert_int_eq(pread(fd, &was, 1, (off_t)(at + i)), 1);
        now = was ^ 1;
        ck_assert_int_eq(pwrite(fd, &now, 1, (off_t)(at + i)), 1);
        ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_EFORMAT);
        ck_assert_int_eq(pwrite(fd, &was, 1, (off_t)(at + i)), 1);
        close(fd);
    }
    ck_assert_int_eq(read_as(t[1].object.location, "two"), BASE_OK);
}
END_TEST

START_TEST(a_tail_of_zeros_is_no_record)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[0].object.location, path);
    ck_assert_int_eq(truncate(path, 1 << 20), 0);
    /* Zeros that were written, too: where holes are not told, that is what is seen. */
    static const uint8_t zeros[3 * STORE_ALIGN];
    write_at(path, 512 << 10, zeros, sizeof zeros);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 3);
    ck_assert_int_eq(seen.torn, 0);
}
END_TEST

START_TEST(a_record_that_goes_beyond_the_file_is_not_read)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[2].object.location, path);
    ck_assert_int_eq(truncate(path, (off_t)offset_of(t[2].object.location) + STORE_ALIGN + 2), 0);
    ck_assert_int_eq(read_as(t[2].object.location, ""), BASE_EFORMAT);
    ck_assert_int_eq(look().objects, 3);
    /* Nor one of which only a part of the header is left. */
    ck_assert_int_eq(truncate(path, (off_t)offset_of(t[2].object.location) + 100), 0);
    ck_assert_int_eq(read_as(t[2].object.location, ""), BASE_EFORMAT);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 2);
    ck_assert_int_eq(seen.torn, 1);
}
END_TEST

static void make_later(const char *path, uint64_t at)
{
    uint8_t block[STORE_ALIGN];
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, block, sizeof block, (off_t)at), (ssize_t)sizeof block);
    block[8] = 2;
    base_sha256_once(block, STORE_RECORD_HEAD - BASE_SHA256,
                     block + STORE_RECORD_HEAD - BASE_SHA256);
    ck_assert_int_eq(pwrite(fd, block, sizeof block, (off_t)at), (ssize_t)sizeof block);
    close(fd);
}

START_TEST(what_a_later_version_wrote_is_left_alone)
{
    struct told t[3];
    char path[256];
    bool gone;
    struct store_place place;
    leave_three(t);
    ck_assert(store_place_of(t[1].object.location, &place));
    segment_of(t[1].object.location, path);
    make_later(path, place.at);
    ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_EUNSUPPORTED);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 1);
    ck_assert_int_eq(seen.strange, 1);
    char root[128];
    snprintf(root, sizeof root, "%s/store", data_dir);
    ck_assert_int_eq(store_segment_trim(&store_fs_system, root, place.file, &gone), BASE_OK);
    ck_assert(!gone);
    ck_assert_int_eq(read_as(t[2].object.location, "three"), BASE_OK);
}
END_TEST

START_TEST(a_record_copied_to_another_place_is_none)
{
    struct told t[3];
    char path[256];
    uint8_t block[STORE_ALIGN];
    leave_three(t);
    segment_of(t[0].object.location, path);
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, block, sizeof block, 0), (ssize_t)sizeof block);
    ck_assert_int_eq(pwrite(fd, block, sizeof block, 6 * STORE_ALIGN), (ssize_t)sizeof block);
    close(fd);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 3);
    ck_assert_int_eq(seen.torn, 1);
}
END_TEST

/* ---- sweeping ---- */

struct lookup {
    const char *keep; /* a location; NULL: none is known */
    struct store_sweep_result result;
    enum base_err err;
    int done;
};

static void check(void *arg, struct store_sweep *sweep, const char *const *locations, size_t n)
{
    struct lookup *l = arg;
    bool keep[STORE_SWEEP_BATCH];
    for (size_t i = 0; i < n; i++)
        keep[i] = l->keep && strcmp(locations[i], l->keep) == 0;
    store_sweep_answer(sweep, keep);
}

static void swept(void *arg, enum base_err err, const struct store_sweep_result *result)
{
    struct lookup *l = arg;
    l->done++;
    l->err = err;
    l->result = *result;
}

static struct store_sweep_result sweep(const char *keep, unsigned grace_s)
{
    struct lookup l = {.keep = keep};
    struct store_sweep_ops ops = {check, swept, &l, grace_s};
    ck_assert_int_eq(store_sweep(store, &ops), BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(l.done, 1);
    ck_assert_int_eq(l.err, BASE_OK);
    return l.result;
}

static void ck_lost(const struct told *t, const char *text)
{
    char path[256];
    char name[STORE_LOCATION];
    char found[16] = "";
    snprintf(name, sizeof name, "%s", t->object.location);
    for (char *slash; (slash = strchr(name, '/'));)
        *slash = '-';
    snprintf(path, sizeof path, "%s/lost/%s", data_dir, name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(found, 1, sizeof found - 1, f), strlen(text));
    ck_assert_str_eq(found, text);
    fclose(f);
}

START_TEST(unknown_records_of_a_dead_worker_are_moved_away)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[1].object.location, path);
    ck_assert_int_eq(truncate(path, 1 << 20), 0); /* as after a kill */
    struct store_sweep_result r = sweep(t[1].object.location, 0);
    ck_assert_uint_eq(r.kept, 1);
    ck_assert_uint_eq(r.lost, 2);
    ck_lost(&t[0], "one");
    ck_lost(&t[2], "three");
    ck_assert_int_eq(read_as(t[1].object.location, "two"), BASE_OK);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 4 * STORE_ALIGN);
    ck_assert_uint_lt(blocks_of(path), 4 * STORE_ALIGN); /* one may be of the file system */
}
END_TEST

START_TEST(a_dead_segment_without_records_is_removed)
{
    struct told t[3];
    leave_three(t);
    struct store_sweep_result r = sweep(NULL, 0);
    ck_assert_uint_eq(r.lost, 3);
    ck_assert_int_eq(count_files("store"), 0);
    ck_assert_int_eq(count_files("lost"), 3);
}
END_TEST

START_TEST(young_records_wait_for_a_later_sweep)
{
    struct told t[3];
    leave_three(t);
    struct store_sweep_result r = sweep(NULL, 3600);
    ck_assert_uint_eq(r.young, 3);
    ck_assert_int_eq(look().objects, 3);
    ck_assert_uint_eq(sweep(NULL, 0).lost, 3);
}
END_TEST

START_TEST(a_sweep_keeps_torn_bytes)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[0].object.location, path);
    write_at(path, offset_of(t[2].object.location), "torn", 4);
    ck_assert_uint_eq(sweep(NULL, 0).lost, 2);
    ck_assert_int_eq(look().torn, 1);
}
END_TEST

START_TEST(the_path_of_a_record_can_be_opened_by_others)
{
    struct told t = put_text(store, "plain");
    struct base_buf path = {0};
    struct store_plain plain;
    char found[16] = "";
    ck_assert_int_eq(store_path(store, t.object.location, &path), BASE_OK);
    ck_assert_int_eq(store_plain_open(base_buf_cstr(&path), &plain), BASE_OK);
    FILE *f = fopen(plain.path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(found, 1, sizeof found - 1, f), 5);
    ck_assert_str_eq(found, "plain");
    fclose(f);
    store_plain_close(&plain);
    base_buf_deinit(&path);
    ck_assert_int_eq(store_plain_open("/tmp/no@0+1", &plain), BASE_ENOTFOUND);
    ck_assert_int_eq(store_plain_open("/tmp/any name", &plain), BASE_OK);
    ck_assert_str_eq(plain.path, "/tmp/any name");
    store_plain_close(&plain);
}
END_TEST

START_TEST(what_is_no_place_in_a_segment_is_no_location)
{
    static const char *const bad[] = {
        "a/s1/0",        "a/s1/0-1",     "a/s1/x-1.bin",   "a/s1/0-x.bin",
        "a/s1/-1-2.bin", "a/s1/1-2.bin", "a/s1/0-1-2.bin", "a/s1/0-99999999999999999999.bin"};
    struct store_place p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!store_place_of(bad[i], &p), "%s", bad[i]);
    ck_assert(store_place_of("a/s1/4096-2.bin", &p));
    ck_assert(p.is_record);
    ck_assert_uint_eq(p.at, 4096);
    ck_assert_uint_eq(p.size, 2);
    ck_assert(store_place_of("a/1/4096-2.bin", &p));
    ck_assert(!p.is_record);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, a_torn_record_is_passed_over);
    tcase_add_test(tc, one_changed_bit_of_a_header_is_seen);
    tcase_add_test(tc, a_tail_of_zeros_is_no_record);
    tcase_add_test(tc, a_record_that_goes_beyond_the_file_is_not_read);
    tcase_add_test(tc, what_a_later_version_wrote_is_left_alone);
    tcase_add_test(tc, a_record_copied_to_another_place_is_none);
    tcase_add_test(tc, unknown_records_of_a_dead_worker_are_moved_away);
    tcase_add_test(tc, a_dead_segment_without_records_is_removed);
    tcase_add_test(tc, young_records_wait_for_a_later_sweep);
    tcase_add_test(tc, a_sweep_keeps_torn_bytes);
    tcase_add_test(tc, the_path_of_a_record_can_be_opened_by_others);
    tcase_add_test(tc, what_is_no_place_in_a_segment_is_no_location);
}

int main(void)
{
    return run_segment_tests("store_segment_walk", add);
}
