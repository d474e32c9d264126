#include "net/net_http_parse.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct outcome {
    unsigned heads;
    unsigned ends;
    int status;
    const char *cause;
    struct base_buf body;
    struct base_buf seen; /* of all heads: method, target, fields */
};

static void describe(struct base_buf *b, const struct net_http_head *h)
{
    base_buf_printf(b, "%s %s %s%s%s%s%llu", h->method, h->target, h->http10 ? "1.0 " : "",
                    h->keep_alive ? "keep " : "", h->chunked ? "chunked " : "",
                    h->expect_continue ? "expect " : "", (unsigned long long)h->length);
    for (size_t i = 0; i < h->field_count; i++)
        base_buf_printf(b, " [%s|%s]", h->fields[i].name, h->fields[i].value);
    base_buf_add_byte(b, '\n');
}

static void feed(struct net_http_parser *p, struct outcome *o, struct base_bytes in, uint64_t max)
{
    enum net_http_event event = NET_HTTP_MORE;
    do {
        struct base_bytes data = {0};
        size_t used = net_http_parse(p, in, &event, &data);
        ck_assert_uint_le(used, in.n);
        in = base_bytes_of(in.p + used, in.n - used);
        if (event == NET_HTTP_HEAD) {
            o->heads++;
            p->body_max = max;
            describe(&o->seen, &p->head);
        } else if (event == NET_HTTP_DATA) {
            base_buf_add(&o->body, data.p, data.n);
        } else if (event == NET_HTTP_END) {
            o->ends++;
            net_http_parser_next(p);
        }
    } while (event != NET_HTTP_MORE && event != NET_HTTP_REFUSED);
    if (event == NET_HTTP_MORE)
        ck_assert_uint_eq(in.n, 0);
    if (event == NET_HTTP_REFUSED) {
        o->status = p->status;
        o->cause = p->cause;
    }
}

/* Fed in pieces of exact size, so that a sanitizer sees a read past the end. */
static struct outcome run_pieces(const char *text, size_t n, size_t first, size_t piece)
{
    struct net_http_parser p;
    struct outcome o = {0};
    net_http_parser_init(&p);
    for (size_t at = 0; at < n && !o.status;) {
        size_t take = at == 0 && first ? first : piece;
        take = take < n - at ? take : n - at;
        uint8_t *copy = malloc(take);
        memcpy(copy, text + at, take);
        feed(&p, &o, base_bytes_of(copy, take), 1000);
        free(copy);
        at += take;
    }
    net_http_parser_deinit(&p);
    return o;
}

static struct outcome run(const char *text)
{
    return run_pieces(text, strlen(text), 0, SIZE_MAX);
}

static void done(struct outcome *o)
{
    base_buf_deinit(&o->body);
    base_buf_deinit(&o->seen);
}

static void expect_refusal(const char *text, int status)
{
    struct outcome o = run(text);
    ck_assert_msg(o.status == status, "%d instead of %d (%s) for: %s", o.status, status,
                  o.cause ? o.cause : "-", text);
    done(&o);
}

#define HOST "Host: a\r\n"

START_TEST(a_plain_request_is_read)
{
    struct outcome o = run("GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept:  */* \t \r\nEmpty:\r\n\r\n");
    ck_assert_str_eq(base_buf_cstr(&o.seen), "GET /a?b=c keep 0 [Host|x] [Accept|*/*] [Empty|]\n");
    ck_assert_uint_eq(o.ends, 1);
    done(&o);
}
END_TEST

START_TEST(versions_and_connection_decide_on_keeping_it)
{
    struct outcome o = run("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
                           "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n");
    ck_assert_str_eq(base_buf_cstr(&o.seen),
                     "GET / 1.0 0\nGET / 1.0 keep 0 [Connection|Keep-Alive]\n"
                     "GET / 0 [Host|a] [Connection|x, close]\n");
    done(&o);
}
END_TEST

START_TEST(an_absolute_address_loses_its_authority)
{
    struct outcome o =
        run("GET http://h:80/p?q HTTP/1.1\r\n" HOST "\r\nGET https://h HTTP/1.1\r\n" HOST
            "\r\nOPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_str_eq(base_buf_cstr(&o.seen), "GET /p?q keep 0 [Host|a]\nGET / keep 0 [Host|a]\n"
                                             "OPTIONS * keep 0 [Host|a]\n");
    done(&o);
}
END_TEST

static const char whole[] =
    "\r\nPOST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    "PUT /b HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
    "3\r\nabc\r\n00a ;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\nY: z\r\n\r\n"
    "GET /c HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    "DELETE /d HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n";

static void check_whole(struct outcome *o)
{
    ck_assert_msg(o->status == 0, "%s", o->cause);
    ck_assert_uint_eq(o->heads, 4);
    ck_assert_uint_eq(o->ends, 4);
    ck_assert_str_eq(base_buf_cstr(&o->body), "helloabc0123456789");
    ck_assert_str_eq(base_buf_cstr(&o->seen),
                     "POST /a keep expect 5 [Host|a] [Content-Length|5] [Expect|100-continue]\n"
                     "PUT /b keep chunked 0 [Host|a] [Transfer-Encoding|Chunked]\n"
                     "GET /c keep 0 [Host|a] [Connection|Upgrade] [Upgrade|h2c]\n"
                     "DELETE /d keep 0 [Host|a] [Content-Length|0]\n");
    done(o);
}

START_TEST(requests_may_be_split_at_every_byte)
{
    for (size_t first = 0; first < sizeof whole - 1; first++) {
        struct outcome o = run_pieces(whole, sizeof whole - 1, first, SIZE_MAX);
        check_whole(&o);
    }
    for (size_t piece = 1; piece < 20; piece++) {
        struct outcome o = run_pieces(whole, sizeof whole - 1, 0, piece);
        check_whole(&o);
    }
}
END_TEST

START_TEST(every_short_prefix_asks_for_more)
{
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        struct outcome o = run_pieces(whole, n, 0, SIZE_MAX);
        ck_assert_int_eq(o.status, 0);
        ck_assert_uint_lt(o.ends, 4);
        done(&o);
    }
}
END_TEST

static const struct {
    const char *text;
    int status;
} refusals[] = {
    {"GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400},
    {"GET / HTTP/1.1\nHost: a\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400}, /* obs-fold */
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X(: y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 505},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 400},
    {"\x16\x03\x01", 400},
    {"\x80", 0},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 4\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 4, 4\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +4\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -4\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x4\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", 417},
    {"POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n", 415},
};

START_TEST(what_is_doubtful_is_refused)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        expect_refusal(refusals[i].text, refusals[i].status);
    struct outcome o = run_pieces("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", 34, 0, 100);
    ck_assert_int_eq(o.status, 400);
    done(&o);
}
END_TEST

#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

START_TEST(broken_chunks_are_refused)
{
    static const char *const bad[] = {
        "\r\n",           "x\r\n",    "-1\r\n",         "0x1\r\n",      "1\n",
        "1\rx",           "1\r\nab",  "1\r\na\rx",      "1\r\na\n",     "1000000000000000\r\n",
        "1;a\nb\r\n",     "1;a\rb",   "0\r\n X: y\r\n", "0\r\nX: \x01", "0\r\nX\ry",
        "1\r\na\r\n\r\n", "0\r\n\rx", "1;\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, CHUNKED "%s", bad[i]);
        expect_refusal(text, 400);
    }
}
END_TEST

/* head, then n times filler, then tail */
static int status_of_long(const char *head, char filler, size_t n, const char *tail)
{
    struct base_buf b = {0};
    base_buf_add_str(&b, head);
    base_buf_add_fill(&b, (uint8_t)filler, n);
    base_buf_add_str(&b, tail);
    struct outcome o = run_pieces((const char *)b.p, b.n, 0, SIZE_MAX);
    struct outcome slow = run_pieces((const char *)b.p, b.n, 0, 7);
    int status = o.ends == 1 ? 200 : o.status;
    ck_assert_int_eq(status, slow.ends == 1 ? 200 : slow.status);
    done(&o);
    done(&slow);
    base_buf_deinit(&b);
    return status;
}

START_TEST(every_length_has_a_limit)
{
    const char *end = " HTTP/1.1\r\n" HOST "\r\n";
    ck_assert_int_eq(status_of_long("GET /", 'a', NET_HTTP_TARGET_MAX - 1, end), 200);
    ck_assert_int_eq(status_of_long("GET /", 'a', NET_HTTP_TARGET_MAX, end), 414);
    ck_assert_int_eq(status_of_long("GET /", 'a', 100000, ""), 414);
    ck_assert_int_eq(status_of_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 15000, "\r\n\r\n"), 200);
    ck_assert_int_eq(status_of_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 20000, "\r\n\r\n"), 431);
    ck_assert_int_eq(status_of_long(CHUNKED "1;", 'a', 250, "\r\nx\r\n0\r\n\r\n"), 200);
    ck_assert_int_eq(status_of_long(CHUNKED "1;", 'a', 300, "\r\nx\r\n0\r\n\r\n"), 400);
    ck_assert_int_eq(status_of_long(CHUNKED "0\r\nX: ", 'a', 4000, "\r\n\r\n"), 200);
    ck_assert_int_eq(status_of_long(CHUNKED "0\r\nX: ", 'a', 5000, "\r\n\r\n"), 400);
    ck_assert_int_eq(status_of_long(CHUNKED "3e8\r\n", 'a', 1000, "\r\n0\r\n\r\n"), 200);
    ck_assert_int_eq(status_of_long(CHUNKED "3e9\r\n", 'a', 1001, "\r\n0\r\n\r\n"), 413);
}
END_TEST

START_TEST(the_number_of_fields_has_a_limit)
{
    for (size_t n = NET_HTTP_FIELDS_MAX - 1; n <= NET_HTTP_FIELDS_MAX; n++) {
        struct base_buf b = {0};
        base_buf_add_str(&b, "GET / HTTP/1.1\r\n" HOST);
        for (size_t i = 0; i < n; i++)
            base_buf_add_str(&b, "X: y\r\n");
        base_buf_add_str(&b, "\r\n");
        expect_refusal(base_buf_cstr(&b), n < NET_HTTP_FIELDS_MAX ? 0 : 431);
        base_buf_deinit(&b);
    }
}
END_TEST

START_TEST(percent_decoding_gives_utf8_or_fails)
{
    static const struct {
        const char *in;
        bool plus;
        const char *out;
    } cases[] = {
        {"a%20b", false, "a b"}, {"a+b", false, "a+b"},    {"a+b", true, "a b"},
        {"%2B", true, "+"},      {"", true, ""},           {"%E7%8E%8B", false, "\xe7\x8e\x8b"},
        {"%", false, NULL},      {"%4", false, NULL},      {"%4g", false, NULL},
        {"%00", false, NULL},    {"%ff", false, NULL},     {"%E7%8E", false, NULL},
        {"%41", false, "A"},     {"x%c0%80", false, NULL}, {"%%41", false, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[32];
        bool ok = net_http_percent_decode(cases[i].in, strlen(cases[i].in), cases[i].plus, out);
        ck_assert_msg(ok == (cases[i].out != NULL), "%s", cases[i].in);
        if (ok)
            ck_assert_str_eq(out, cases[i].out);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_http_parse");
    TCase *tc = tcase_create("parse");
    tcase_add_test(tc, a_plain_request_is_read);
    tcase_add_test(tc, versions_and_connection_decide_on_keeping_it);
    tcase_add_test(tc, an_absolute_address_loses_its_authority);
    tcase_add_test(tc, requests_may_be_split_at_every_byte);
    tcase_add_test(tc, every_short_prefix_asks_for_more);
    tcase_add_test(tc, what_is_doubtful_is_refused);
    tcase_add_test(tc, broken_chunks_are_refused);
    tcase_add_test(tc, every_length_has_a_limit);
    tcase_add_test(tc, the_number_of_fields_has_a_limit);
    tcase_add_test(tc, percent_decoding_gives_utf8_or_fails);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
