/* What the HTTP server answers to requests and bodies of any form. */
#include "http_fixture.h"

static void simple_client(struct fixture *x)
{
    (void)x;
    expect("GET /hello HTTP/1.1\r\n" CLOSE,
           PARTS("HTTP/1.1 200 OK\r\n", "Date: ", "Content-Type: text/plain\r\n",
                 "Content-Length: 5\r\n", "X-Content-Type-Options: nosniff\r\n",
                 "Cache-Control: no-store\r\n", "Connection: close\r\n", "\r\n\r\nhello"));
    expect("GET /items/a%20b%2F?q=%E7%8E%8B&r&s=1+2&&t== HTTP/1.1\r\nCookie: x=1; rdc=abc ; "
           "y=2\r\nAuthorization: bearer  T0k\r\n" CLOSE,
           PARTS("GET id=a b/ q=\xe7\x8e\x8b r= s=1 2 t== cookie=abc bearer=T0k "
                 "peer=127.0.0.1 local=1",
                 "X-Seen: yes\r\n", "cache-control: max-age=60\r\n"));
    expect("GET /items/special HTTP/1.1\r\n" CLOSE, PARTS("\r\n\r\nspecial"));
    expect("GET /files HTTP/1.1\r\n" CLOSE, PARTS(" 200 ", "Content-Length: 0\r\n"));
    expect("GET /files/a/b.js HTTP/1.1\r\n" CLOSE, PARTS("\r\n\r\na/b.js"));
    expect("GET /problem HTTP/1.1\r\n" CLOSE,
           PARTS("HTTP/1.1 409 Conflict\r\n", "Content-Type: application/problem+json\r\n",
                 "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,\"detail\":"
                 "\"held by \\\"another\\\"\"}\n"));
    expect("DELETE /items/1 HTTP/1.1\r\n" CLOSE, PARTS("HTTP/1.1 204 No Content\r\n"));
    expect("GET /later HTTP/1.1\r\n" CLOSE, PARTS("\r\n\r\nlater"));
    struct base_buf b = exchange("HEAD /hello HTTP/1.1\r\n" CLOSE);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "Content-Length: 5\r\n"));
    ck_assert_str_eq(strstr(base_buf_cstr(&b), "\r\n\r\n"), "\r\n\r\n");
    base_buf_deinit(&b);
    b = exchange("GET /items/1 HTTP/1.1\r\n" CLOSE);
    ck_assert_ptr_null(strstr(base_buf_cstr(&b), "X-Bad"));
    ck_assert_ptr_null(strstr(base_buf_cstr(&b), "no-store"));
    base_buf_deinit(&b);
}

START_TEST(handlers_answer_what_was_asked)
{
    run(simple_client);
    ck_assert_int_eq(f->results[200], 8);
    ck_assert_int_eq(f->results[204], 1);
}
END_TEST

static void refusal_client(struct fixture *x)
{
    (void)x;
    expect("GET /none HTTP/1.1\r\n" CLOSE, PARTS(" 404 Not Found\r\n", "problem+json"));
    expect("GET /items/ HTTP/1.1\r\n" CLOSE, PARTS(" 404 "));
    expect("GET /items/1/ HTTP/1.1\r\n" CLOSE, PARTS(" 404 ", "leave that out"));
    expect("GET //items/1 HTTP/1.1\r\n" CLOSE, PARTS(" 404 ", "leave that out"));
    expect("GET / HTTP/1.1\r\n" CLOSE, PARTS(" 404 ", "at this address\""));
    expect("PUT /items/1 HTTP/1.1\r\n" CLOSE,
           PARTS(" 405 Method Not Allowed\r\n", "Allow: GET, HEAD, DELETE\r\n",
                 "PUT is not possible at this address, but GET, HEAD, DELETE is"));
    expect("OPTIONS /items/1 HTTP/1.1\r\n" CLOSE, PARTS(" 204 ", "Allow: GET, HEAD, DELETE\r\n"));
    expect("OPTIONS * HTTP/1.1\r\n" CLOSE, PARTS(" 204 ", "Allow: GET, "));
    expect("OPTIONS /none HTTP/1.1\r\n" CLOSE, PARTS(" 404 "));
    expect("GET /items/%ff HTTP/1.1\r\n" CLOSE, PARTS(" 400 ", "percent-encoded"));
    expect("GET /items/%0a HTTP/1.1\r\n" CLOSE, PARTS(" 400 "));
    expect("GET /hello?x=%zz HTTP/1.1\r\n" CLOSE, PARTS(" 400 "));
    expect("POST /echo?state=a&Limit=1 HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc",
           PARTS(" 400 ", "no query parameter \\\"Limit\\\" here, but limit, state"));
    expect("POST /echo?stat=a HTTP/1.1\r\n" CLOSE, PARTS(" 400 ", "\\\"stat\\\""));
    expect("POST /echo?state=a&limit=1&state=a HTTP/1.1\r\n" CLOSE,
           PARTS(" 400 ", "\\\"state\\\" may stand once"));
    expect("GET /hold?x%c3 HTTP/1.1\r\n" CLOSE, PARTS(" 400 "));
    expect("GET /hold?x HTTP/1.1\r\n" CLOSE, PARTS(" 400 ", "\\\"x\\\" here, nor any other"));
    expect("GET /hello HTTP/1.1\r\n\r\n", PARTS(" 400 ", "Host"));
    expect("GET /hello HTTP/1.1\rX\r\n" CLOSE, PARTS(" 400 ", "carriage return", "close"));
    expect("GET /hello HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc",
           PARTS(" 413 ", "accepts no body"));
    expect("GET /hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "0\r\n\r\n",
           PARTS(" 413 "));
    expect("POST /echo HTTP/1.1\r\nContent-Length: 100001\r\n" CLOSE,
           PARTS(" 413 ", "longer than the 100000 bytes"));
    expect("POST /echo HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n" CLOSE "1234",
           PARTS(" 415 ", "Accept-Encoding: identity\r\n"));
    expect("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" KEEP "186A1\r\n",
           PARTS(" 408 ", "stood still"));
    expect("GET /hel", PARTS(" 408 ", "too long"));
    expect("PUT /locked HTTP/1.1\r\nContent-Length: 5\r\n" KEEP "ab",
           PARTS(" 401 ", "Connection: close"));
    expect("\x16\x03\x01\x02", PARTS(" 400 ", "TLS"));
}

START_TEST(what_cannot_be_served_is_refused_with_a_reason)
{
    f->options.header_timeout_ms = 50;
    f->options.body_timeout_ms = 50;
    run(refusal_client);
    ck_assert_int_eq(f->results[405], 1);
}
END_TEST

static void chunk_limit_client(struct fixture *x)
{
    (void)x;
    struct base_buf b = {0};
    base_buf_add_str(&b, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" KEEP "186A1\r\n");
    base_buf_add_fill(&b, 'x', 100001);
    expect(base_buf_cstr(&b), PARTS(" 413 ", "longer than the 100000 bytes"));
    base_buf_deinit(&b);
}

START_TEST(a_chunked_body_over_the_limit_is_refused_while_it_comes)
{
    run(chunk_limit_client);
}
END_TEST

/* The handler has some of it, or nothing at all where the length was announced. */
static void stream_limit_client(struct fixture *x)
{
    (void)x;
    expect("PUT /bounded HTTP/1.1\r\nContent-Length: 1001\r\n" CLOSE,
           PARTS(" 413 ", "longer than the 1000 bytes", "in several requests"));
    struct base_buf b = {0};
    base_buf_add_str(&b, "PUT /bounded HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "3e8\r\n");
    base_buf_add_fill(&b, 'x', 1000);
    base_buf_add_str(&b, "\r\n1\r\nx\r\n0\r\n\r\n");
    expect(base_buf_cstr(&b), PARTS(" 413 ", "longer than the 1000 bytes", "in several requests"));
    base_buf_deinit(&b);
}

START_TEST(a_streamed_body_may_have_what_the_server_allows)
{
    f->options.max_stream = 1000;
    run(stream_limit_client);
    ck_assert_uint_eq(f->streamed, 1000);
    ck_assert_int_eq(f->aborted, 1);
}
END_TEST

static void body_client(struct fixture *x)
{
    (void)x;
    expect("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc",
           PARTS(" 201 Created\r\n", "\r\n\r\nabc"));
    expect("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE
           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
           PARTS("\r\n\r\nabcde"));
    expect("POST /echo HTTP/1.1\r\n" CLOSE, PARTS(" 201 ", "Content-Length: 0\r\n"));
    int s = dial();
    put(s, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" CLOSE);
    struct base_buf b = get(s, "\r\n\r\n");
    ck_assert_str_eq(base_buf_cstr(&b), "HTTP/1.1 100 Continue\r\n\r\n");
    base_buf_deinit(&b);
    put(s, "hi");
    b = get(s, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nhi"));
    base_buf_deinit(&b);
    close(s);
}

START_TEST(bodies_are_collected_from_lengths_and_chunks)
{
    run(body_client);
}
END_TEST

static void split_client(struct fixture *x)
{
    (void)x;
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\nGET /later HTTP/1.1\r\n" CLOSE;
    for (size_t i = 1; i < sizeof text - 1; i++) {
        int s = dial();
        ck_assert_int_eq(send(s, text, i, 0), (ssize_t)i);
        sched_yield();
        put(s, text + i);
        struct base_buf b = get(s, NULL);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nabcHTTP/1.1 200"));
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nlater"));
        base_buf_deinit(&b);
        close(s);
    }
}

START_TEST(requests_may_arrive_split_at_every_byte)
{
    run(split_client);
}
END_TEST

static void pipeline_client(struct fixture *x)
{
    (void)x;
    struct base_buf b = {0};
    for (int i = 0; i < 1000; i++)
        base_buf_printf(&b, "GET /%s HTTP/1.1\r\n" KEEP, i % 3 ? "hello" : "later");
    base_buf_add_str(&b, "GET /problem HTTP/1.1\r\n" CLOSE "GET /hello HTTP/1.1\r\n" KEEP);
    struct base_buf out = exchange(base_buf_cstr(&b));
    size_t n = 0;
    for (const char *s = base_buf_cstr(&out); (s = strstr(s, "HTTP/1.1 ")); s += 9, n++) {
        const char *want = n == 1000 ? "409" : "200";
        ck_assert(memcmp(s + 9, want, 3) == 0);
        const char *body = strstr(s, "\r\n\r\n") + 4;
        if (n < 1000)
            ck_assert(memcmp(body, n % 3 ? "hello" : "later", 5) == 0);
    }
    ck_assert_uint_eq(n, 1001);
    base_buf_deinit(&b);
    base_buf_deinit(&out);
}

START_TEST(pipelined_requests_are_answered_in_order)
{
    run(pipeline_client);
}
END_TEST

static void upload_client(struct fixture *x)
{
    (void)x;
    static uint8_t block[65536];
    for (int chunked = 0; chunked < 2; chunked++) {
        int s = dial();
        char head[200];
        snprintf(head, sizeof head, "PUT /in HTTP/1.1\r\n%s%s%.0d\r\n" KEEP,
                 chunked ? "Transfer-Encoding: chunked" : "Content-Length: ",
                 chunked ? "" : "8388608", chunked ? 0 : 0);
        put(s, head);
        for (size_t n = 0; n < BIG; n += sizeof block) {
            if (chunked)
                put(s, "10000\r\n");
            ck_assert_int_eq(send(s, block, sizeof block, 0), sizeof block);
            if (chunked)
                put(s, "\r\n");
        }
        if (chunked)
            put(s, "0\r\n\r\n");
        struct base_buf b = get(s, "8388608");
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), " 201 "));
        base_buf_deinit(&b);
        put(s, "GET /hello HTTP/1.1\r\n" CLOSE); /* the connection is still good */
        b = get(s, NULL);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "hello"));
        base_buf_deinit(&b);
        close(s);
    }
}

START_TEST(a_streamed_body_comes_in_pieces_with_back_pressure)
{
    run(upload_client);
    ck_assert_uint_eq(f->streamed, BIG);
    ck_assert_uint_gt(f->pieces, 2 * BIG / 65536 - 1);
}
END_TEST

static void download_client(struct fixture *x)
{
    (void)x;
    struct base_buf b = exchange("GET /big?n=8388608 HTTP/1.1\r\n" CLOSE);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "Content-Length: 8388608\r\n"));
    size_t head = (size_t)(strstr(base_buf_cstr(&b), "\r\n\r\n") + 4 - base_buf_cstr(&b));
    ck_assert_uint_eq(b.n - head, BIG);
    base_buf_deinit(&b);
}

START_TEST(a_large_answer_arrives_whole)
{
    run(download_client);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, handlers_answer_what_was_asked);
    tcase_add_test(tc, what_cannot_be_served_is_refused_with_a_reason);
    tcase_add_test(tc, a_chunked_body_over_the_limit_is_refused_while_it_comes);
    tcase_add_test(tc, a_streamed_body_may_have_what_the_server_allows);
    tcase_add_test(tc, bodies_are_collected_from_lengths_and_chunks);
    tcase_add_test(tc, requests_may_arrive_split_at_every_byte);
    tcase_add_test(tc, pipelined_requests_are_answered_in_order);
    tcase_add_test(tc, a_streamed_body_comes_in_pieces_with_back_pressure);
    tcase_add_test(tc, a_large_answer_arrives_whole);
}

int main(void)
{
    return run_http_tests("net_http", add);
}
