#include "ingest/ingest_zip.h"

#include "base/buf.h"

#include <check.h>
#include <stdlib.h>
#include <zlib.h>

enum { STORED, DEFLATED, STREAMED /* deflated, with a data descriptor */, STREAMED_BARE };

/* An entry of an archive made here, by APPNOTE 4.3. */
static void add(struct base_buf *out, const char *name, struct base_bytes content, int how)
{
    struct base_buf packed = {0};
    uint32_t crc = (uint32_t)crc32(0, content.p, (uInt)content.n);
    if (how == STORED) {
        base_buf_add(&packed, content.p, content.n);
    } else {
        z_stream z = {0};
        ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        size_t bound = deflateBound(&z, content.n);
        z.next_in = (Bytef *)(uintptr_t)content.p;
        z.avail_in = (uInt)content.n;
        z.next_out = base_buf_reserve(&packed, bound);
        z.avail_out = (uInt)bound;
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        packed.n = z.total_out;
        deflateEnd(&z);
    }
    bool streamed = how >= STREAMED;
    base_buf_add_le32(out, 0x04034b50);
    base_buf_add_le16(out, 20);
    base_buf_add_le16(out, streamed ? 8 : 0);
    base_buf_add_le16(out, how == STORED ? 0 : 8);
    base_buf_add_le32(out, 0);
    base_buf_add_le32(out, streamed ? 0 : crc);
    base_buf_add_le32(out, streamed ? 0 : (uint32_t)packed.n);
    base_buf_add_le32(out, streamed ? 0 : (uint32_t)content.n);
    base_buf_add_le16(out, (uint16_t)strlen(name));
    base_buf_add_le16(out, 5);
    base_buf_add_str(out, name);
    base_buf_add(out, "\x99\x99\x01\x00x", 5);
    base_buf_add(out, packed.p, packed.n);
    if (how == STREAMED)
        base_buf_add_le32(out, 0x08074b50);
    if (streamed) {
        base_buf_add_le32(out, crc);
        base_buf_add_le32(out, (uint32_t)packed.n);
        base_buf_add_le32(out, (uint32_t)content.n);
    }
    base_buf_deinit(&packed);
}

/* What the central directory has of an entry, as far as it is read. */
static void list(struct base_buf *out, const char *name)
{
    base_buf_add_le32(out, 0x02014b50);
    base_buf_add_fill(out, 0, 24);
    base_buf_add_le16(out, (uint16_t)strlen(name));
    base_buf_add_le16(out, 4); /* extra field */
    base_buf_add_le16(out, 2); /* comment */
    base_buf_add_fill(out, 0, 12);
    base_buf_add_str(out, name);
    base_buf_add(out, "\x99\x99\x00\x00PK", 6);
}

static void finish(struct base_buf *out)
{
    base_buf_add_le32(out, 0x06054b50);
    base_buf_add_fill(out, 0, 18);
}

/* "<name>content." per entry, "?" for a bad one, "$" at the end, "!" refused. */
static char *run(struct base_bytes in, size_t split, uint64_t max)
{
    struct base_buf out = {0};
    struct ingest_zip *z;
    enum ingest_zip_event event = INGEST_ZIP_MORE;
    ck_assert_int_eq(ingest_zip_new(max, &z), BASE_OK);
    for (size_t at = 0; at < in.n && event != INGEST_ZIP_REFUSED;) {
        size_t n = at < split && split < in.n ? split - at : in.n - at;
        uint8_t *piece = malloc(n);
        memcpy(piece, in.p + at, n);
        for (size_t used = 0; event != INGEST_ZIP_REFUSED;) {
            struct base_bytes data;
            used += ingest_zip_parse(z, base_bytes_of(piece + used, n - used), &event, &data);
            ck_assert(used <= n);
            if (event == INGEST_ZIP_MORE)
                break;
            if (event == INGEST_ZIP_ENTRY)
                base_buf_printf(&out, "<%s>", ingest_zip_name(z));
            else if (event == INGEST_ZIP_DATA)
                base_buf_add(&out, data.p, data.n);
            else
                base_buf_add_str(&out, event == INGEST_ZIP_ENTRY_END   ? "."
                                       : event == INGEST_ZIP_ENTRY_BAD ? "?"
                                       : event == INGEST_ZIP_END       ? "$"
                                                                       : "!");
        }
        free(piece);
        at += n;
    }
    ingest_zip_free(z);
    ck_assert_int_eq(out.err, BASE_OK);
    return out.p ? (char *)out.p : calloc(1, 1);
}

static void expect(const struct base_buf *in, const char *want)
{
    for (size_t split = 0; split <= in->n; split++) {
        char *got = run(base_buf_bytes(in), split, 1 << 20);
        ck_assert_msg(strcmp(got, want) == 0, "split at %zu: %s, not %s", split, got, want);
        free(got);
    }
}

START_TEST(entries_come_out_whole_however_the_bytes_are_cut)
{
    struct base_buf in = {0};
    add(&in, "a.dcm", base_bytes_str("stored content"), STORED);
    add(&in, "dir/", base_bytes_str(""), STORED);
    add(&in, "dir/b", base_bytes_str("deflated deflated deflated"), DEFLATED);
    add(&in, "empty", base_bytes_str(""), STORED);
    add(&in, "c", base_bytes_str("streamed"), STREAMED);
    add(&in, "nothing", base_bytes_str(""), DEFLATED);
    add(&in, "d", base_bytes_str("bare"), STREAMED_BARE);
    finish(&in);
    expect(&in, "<a.dcm>stored content.<dir/b>deflated deflated deflated.<empty>.<c>streamed."
                "<nothing>.<d>bare.$");
    base_buf_deinit(&in);
}
END_TEST

START_TEST(a_wrong_crc_spoils_its_entry_alone)
{
    struct base_buf in = {0};
    add(&in, "a", base_bytes_str("one"), STORED);
    in.p[30 + 1 + 5] = 'O';
    add(&in, "b", base_bytes_str("two"), DEFLATED);
    finish(&in);
    expect(&in, "<a>One?<b>two.$");
    base_buf_deinit(&in);
}
END_TEST

static void expect_patched(size_t at, uint8_t value, const char *want)
{
    struct base_buf in = {0};
    add(&in, "a", base_bytes_str("content content"), DEFLATED);
    finish(&in);
    in.p[at] = value;
    expect(&in, want);
    base_buf_deinit(&in);
}

START_TEST(what_cannot_be_unpacked_is_refused)
{
    expect_patched(6, 1, "!");        /* encrypted */
    expect_patched(8, 12, "!");       /* bzip2 */
    expect_patched(0, 'X', "!");      /* no header */
    expect_patched(36, 0xFF, "<a>!"); /* no deflate block */
    struct base_buf in = {0};
    add(&in, "a", base_bytes_str("x"), STORED);
    in.p[6] = 8; /* stored, size behind it */
    in.p[18] = 0;
    expect(&in, "!");
    base_buf_deinit(&in);
}
END_TEST

/* The name that goes with the refusal of the second entry, of which a byte is changed. */
static void expect_name(size_t at, uint8_t value, const char *name)
{
    struct base_buf in = {0};
    struct ingest_zip *z;
    enum ingest_zip_event event;
    struct base_bytes data;
    add(&in, "a", base_bytes_str("one"), STORED);
    size_t second = in.n;
    add(&in, "b", base_bytes_str("two"), STORED);
    in.p[second + at] = value;
    ck_assert_int_eq(ingest_zip_new(UINT64_MAX, &z), BASE_OK);
    struct base_bytes left = base_buf_bytes(&in);
    do {
        size_t used = ingest_zip_parse(z, left, &event, &data);
        left = base_bytes_of(left.p + used, left.n - used);
    } while (event != INGEST_ZIP_REFUSED && event != INGEST_ZIP_MORE);
    ck_assert_int_eq(event, INGEST_ZIP_REFUSED);
    ck_assert_str_eq(ingest_zip_name(z), name);
    ingest_zip_free(z);
    base_buf_deinit(&in);
}

START_TEST(what_is_refused_has_its_own_name_or_none)
{
    expect_name(6, 1, "b");
    expect_name(8, 12, "b");
    expect_name(0, 'X', "");
}
END_TEST

START_TEST(archives_one_behind_the_other_are_all_read)
{
    struct base_buf in = {0};
    add(&in, "a", base_bytes_str("one"), STORED);
    list(&in, "a");
    finish(&in);
    add(&in, "b", base_bytes_str("two"), STORED);
    list(&in, "b");
    base_buf_add(&in, "PK\6\6\x08\0\0\0\0\0\0\0PK\1\2PK\1\2", 20); /* ZIP64 */
    base_buf_add(&in, "PK\6\7", 4);
    base_buf_add_fill(&in, 0, 16);
    finish(&in);
    in.p[in.n - 2] = 6; /* a comment */
    base_buf_add_str(&in, "PK\3\4xx");
    expect(&in, "<a>one.$<b>two.$");
    base_buf_add_fill(&in, 0, 100);
    expect(&in, "<a>one.$<b>two.$");
    base_buf_deinit(&in);
}
END_TEST

START_TEST(a_directory_that_names_more_than_came_tells_of_a_loss)
{
    struct base_buf in = {0};
    add(&in, "a", base_bytes_str("one"), STORED);
    add(&in, "deleted", base_bytes_str("two"), STORED);
    list(&in, "a");
    size_t n = in.n;
    finish(&in);
    expect(&in, "<a>one.<deleted>two.$");
    in.n = n;
    list(&in, "b");
    list(&in, "c");
    finish(&in);
    expect(&in, "<a>one.<deleted>two.$!");
    base_buf_deinit(&in);
}
END_TEST

START_TEST(names_are_utf8_or_guessed)
{
    struct base_buf in = {0};
    add(&in, "测试/1", base_bytes_str("x"), STORED);
    add(&in, "\xb2\xe2\xca\xd4/", base_bytes_str(""), STORED);
    add(&in, "\xb2\xe2\xca\xd4\xd2\xbb", base_bytes_str("y"), STORED);
    finish(&in);
    expect(&in, "<测试/1>x.<测试一>y.$");
    base_buf_deinit(&in);
}
END_TEST

START_TEST(what_is_stored_with_its_crc_behind_it_is_read_where_its_size_is_known)
{
    struct base_buf in = {0};
    for (int i = 0; i < 2; i++) {
        size_t at = in.n;
        add(&in, "a", base_bytes_str("one"), STORED);
        in.p[at + 6] = 8;
        memset(in.p + at + 14, 0, 4); /* CRC */
        base_buf_add_le32(&in, 0x08074b50);
        base_buf_add_le32(&in, (uint32_t)crc32(0, (const Bytef *)"one", 3) + (uint32_t)i);
        base_buf_add_le32(&in, 3);
        base_buf_add_le32(&in, 3);
        at = in.n;
        add(&in, "dir/", base_bytes_str(""), STORED);
        in.p[at + 6] = 8;
        if (i)
            base_buf_add_fill(&in, 0, 12);
    }
    finish(&in);
    expect(&in, "<a>one.<a>one?$");
    base_buf_deinit(&in);
}
END_TEST

START_TEST(an_empty_archive_ends)
{
    struct base_buf in = {0};
    finish(&in);
    ck_assert(ingest_zip_is(base_buf_bytes(&in)));
    expect(&in, "$");
    base_buf_deinit(&in);
}
END_TEST

START_TEST(a_bomb_is_refused_by_its_total_and_by_its_ratio)
{
    struct base_buf zeros = {0};
    struct base_buf in = {0};
    base_buf_add_fill(&zeros, 0, 80 << 20);
    add(&in, "bomb", base_buf_bytes(&zeros), DEFLATED);
    finish(&in);
    static const uint64_t limits[] = {1 << 20, UINT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        struct ingest_zip *z;
        struct base_bytes left = base_buf_bytes(&in);
        enum ingest_zip_event event = INGEST_ZIP_MORE;
        uint64_t made = 0;
        const char *cause;
        ck_assert_int_eq(ingest_zip_new(limits[i], &z), BASE_OK);
        do {
            struct base_bytes data;
            size_t used = ingest_zip_parse(z, left, &event, &data);
            left = base_bytes_of(left.p + used, left.n - used);
            made += data.n;
        } while (event != INGEST_ZIP_MORE && event != INGEST_ZIP_REFUSED);
        ck_assert_int_eq(event, INGEST_ZIP_REFUSED);
        ck_assert_int_eq(ingest_zip_error(z, &cause), BASE_ELIMIT);
        ck_assert_uint_le(made, i ? (65U << 20) : (1U << 20));
        ingest_zip_free(z);
    }
    base_buf_deinit(&zeros);
    base_buf_deinit(&in);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest_zip");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, entries_come_out_whole_however_the_bytes_are_cut);
    tcase_add_test(tc, a_wrong_crc_spoils_its_entry_alone);
    tcase_add_test(tc, what_cannot_be_unpacked_is_refused);
    tcase_add_test(tc, what_is_refused_has_its_own_name_or_none);
    tcase_add_test(tc, archives_one_behind_the_other_are_all_read);
    tcase_add_test(tc, a_directory_that_names_more_than_came_tells_of_a_loss);
    tcase_add_test(tc, names_are_utf8_or_guessed);
    tcase_add_test(tc, what_is_stored_with_its_crc_behind_it_is_read_where_its_size_is_known);
    tcase_add_test(tc, an_empty_archive_ends);
    tcase_add_test(tc, a_bomb_is_refused_by_its_total_and_by_its_ratio);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
