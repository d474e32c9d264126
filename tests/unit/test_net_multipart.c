#include "net/net_multipart.h"

#include "base/buf.h"

#include <check.h>
#include <stdlib.h>

static struct net_multipart p; /* of the last run */

/* The events as text: "<type|location|name|filename>content." per part, "$" at
 * the end, "!" when refused. */
static char *run(const char *boundary, struct base_bytes in, size_t split)
{
    struct base_buf out = {0};
    enum net_multipart_event event = NET_MULTIPART_MORE;
    ck_assert_int_eq(net_multipart_init(&p, boundary), BASE_OK);
    for (size_t at = 0; at < in.n && event != NET_MULTIPART_REFUSED;) {
        size_t n = at < split && split < in.n ? split - at : in.n - at;
        /* Each piece in memory of its own size, so that a read past it shows. */
        uint8_t *piece = malloc(n);
        memcpy(piece, in.p + at, n);
        for (size_t used = 0; event != NET_MULTIPART_REFUSED;) {
            struct base_bytes data;
            used += net_multipart_parse(&p, base_bytes_of(piece + used, n - used), &event, &data);
            ck_assert(used <= n);
            if (event == NET_MULTIPART_MORE)
                break;
            if (event == NET_MULTIPART_PART)
                base_buf_printf(&out, "<%s|%s|%s|%s>", p.type, p.location, p.name, p.filename);
            else if (event == NET_MULTIPART_DATA)
                base_buf_add(&out, data.p, data.n);
            else
                base_buf_add_str(&out, event == NET_MULTIPART_PART_END ? "."
                                       : event == NET_MULTIPART_END    ? "$"
                                                                       : "!");
        }
        free(piece);
        at += n;
    }
    ck_assert_int_eq(out.err, BASE_OK);
    return out.p ? (char *)out.p : calloc(1, 1);
}

static void expect(const char *boundary, const char *in, const char *want)
{
    struct base_bytes bytes = base_bytes_str(in);
    for (size_t split = 0; split <= bytes.n; split++) {
        char *got = run(boundary, bytes, split);
        ck_assert_msg(strcmp(got, want) == 0, "split at %zu: %s, not %s", split, got, want);
        free(got);
    }
}

START_TEST(parts_come_out_whole_however_the_bytes_are_cut)
{
    expect(
        "B",
        "--B\r\nContent-Type: application/dicom\r\n\r\none\r\n--B\r\n"
        "content-type:text/plain\r\nContent-Location: http://x/1\r\n\r\ntwo\r\nlines\r\n--B--\r\n",
        "<application/dicom|||>one.<text/plain|http://x/1||>two\r\nlines.$");
}
END_TEST

START_TEST(what_only_begins_like_a_delimiter_is_content)
{
    expect("bo", "--bo\r\n\r\na\r\n--b\r\r\n--bx\r\n-\r\r\n--bo--",
           "<|||>a\r\n--b\r\r\n--bx\r\n-\r.$");
}
END_TEST

START_TEST(preamble_padding_and_epilogue_are_passed_over)
{
    expect("B", "hello\r\nthere\r\n--B \t\r\n\r\nx\r\n--B--\r\nbye\r\n--B\r\n", "<|||>x.$");
}
END_TEST

START_TEST(a_part_may_be_empty)
{
    expect("B", "--B\r\nContent-Type: a/b\r\n\r\n\r\n--B\r\n\r\n--B--", "<a/b|||>.<|||>.$");
    expect("B", "--B--", "$");
}
END_TEST

START_TEST(names_of_form_fields_are_unquoted)
{
    expect(
        "B",
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\";c.dcm\"\r\n"
        "\r\nx\r\n--B--",
        "<||file|a \"b\";c.dcm>x.$");
}
END_TEST

START_TEST(an_encoded_part_is_refused)
{
    expect("B", "--B\r\ncontent-transfer-encoding: Base64\r\n\r\nYQ==\r\n--B--", "!");
    expect("B", "--B\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na\r\n--B--", "!");
    expect("B", "--B\r\nContent-Transfer-Encoding: binary\r\n\r\na\r\n--B--", "<|||>a.$");
}
END_TEST

START_TEST(broken_framing_is_refused)
{
    expect("B", "--B\r\n\r\nx\r\n--Bx", "<|||>x.!");
    expect("B", "--B\r\n\r\nx\r\n--B-x", "<|||>x.!");
    expect("B", "--B\r\nA: b\nC: d\r\n\r\nx", "!");
    expect("B", "--B\r\nA: b\rC: d\r\n\r\nx", "!");
    expect("B", "--B\rx", "!");
    expect("B", "--B\nA: b\n\nx\n--B--\n", "!");
    ck_assert_ptr_nonnull(strstr(p.cause, "LF alone"));
    expect("B", "--B\r\nA: b\n\nx", "!");
    ck_assert_ptr_nonnull(strstr(p.cause, "LF alone"));
}
END_TEST

START_TEST(long_headers_and_preambles_are_refused)
{
    struct base_buf in = {0};
    base_buf_add_str(&in, "--B\r\nA: ");
    base_buf_add_fill(&in, 'a', NET_MULTIPART_HEAD_MAX);
    char *got = run("B", base_buf_bytes(&in), 100);
    ck_assert_str_eq(got, "!");
    free(got);
    base_buf_reset(&in);
    base_buf_add_fill(&in, 'a', NET_MULTIPART_PREAMBLE_MAX + 1);
    got = run("B", base_buf_bytes(&in), 100);
    ck_assert_str_eq(got, "!");
    free(got);
    base_buf_deinit(&in);
}
END_TEST

START_TEST(an_incomplete_body_is_not_complete)
{
    enum net_multipart_event event;
    struct base_bytes data;
    ck_assert_int_eq(net_multipart_init(&p, "B"), BASE_OK);
    (void)net_multipart_parse(&p, base_bytes_str("--B\r\n\r\n"), &event, &data);
    ck_assert_int_eq(event, NET_MULTIPART_PART);
    (void)net_multipart_parse(&p, base_bytes_str("x\r\n--B-"), &event, &data);
    ck_assert(!net_multipart_complete(&p));
}
END_TEST

START_TEST(a_boundary_has_200_characters_at_most)
{
    char long_one[202];
    memset(long_one, 'a', 201);
    long_one[201] = '\0';
    ck_assert_int_eq(net_multipart_init(&p, long_one), BASE_EINVAL);
    ck_assert_int_eq(net_multipart_init(&p, long_one + 1), BASE_OK);
    ck_assert_int_eq(net_multipart_init(&p, ""), BASE_EINVAL);
    ck_assert_int_eq(net_multipart_init(&p, "a "), BASE_EINVAL);
    ck_assert_int_eq(net_multipart_init(&p, "a\rb"), BASE_EINVAL);
}
END_TEST

START_TEST(parameters_are_found_in_any_form)
{
    char out[8];
    const char *value = "multipart/related; Type=\"application/dicom; x\" ; boundary=abc";
    ck_assert(net_mime_is(value, "Multipart/Related"));
    ck_assert(!net_mime_is(value, "multipart/rel"));
    ck_assert(!net_mime_is(NULL, "multipart/related"));
    ck_assert(net_mime_param(value, "boundary", out, sizeof out));
    ck_assert_str_eq(out, "abc");
    ck_assert(!net_mime_param(value, "type", out, sizeof out)); /* does not fit */
    ck_assert_str_eq(out, "");
    ck_assert(!net_mime_param(value, "start", out, sizeof out));
    ck_assert(!net_mime_param("a/b; boundary=\"open", "boundary", out, sizeof out));
    ck_assert(!net_mime_param("a/b; boundary", "boundary", out, sizeof out));
    ck_assert(
        net_mime_param("a/b; type x; c d = 1 ; boundary\t= \"B B\" ", "boundary", out, sizeof out));
    ck_assert_str_eq(out, "B B");
    ck_assert(!net_mime_param("a/b", "boundary", out, sizeof out));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_multipart");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, parts_come_out_whole_however_the_bytes_are_cut);
    tcase_add_test(tc, what_only_begins_like_a_delimiter_is_content);
    tcase_add_test(tc, preamble_padding_and_epilogue_are_passed_over);
    tcase_add_test(tc, a_part_may_be_empty);
    tcase_add_test(tc, names_of_form_fields_are_unquoted);
    tcase_add_test(tc, an_encoded_part_is_refused);
    tcase_add_test(tc, broken_framing_is_refused);
    tcase_add_test(tc, long_headers_and_preambles_are_refused);
    tcase_add_test(tc, an_incomplete_body_is_not_complete);
    tcase_add_test(tc, a_boundary_has_200_characters_at_most);
    tcase_add_test(tc, parameters_are_found_in_any_form);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
