/* The filter alone: two ends that hand each other bytes. */
#include "tls_fixture.h"

#include <openssl/ssl.h>

#define OK(call) ck_assert_int_eq((call), BASE_OK)

struct end {
    struct net_tls *t;
    struct base_buf got;
    enum base_err err; /* the first */
};

static struct net_tls_context *server_context;
static struct net_tls_context *client_context;
static struct end server;
static struct end client;

static void make_ends(struct net_tls_context *s, struct net_tls_context *c, const char *host)
{
    server_context = s;
    client_context = c;
    OK(net_tls_new(s, NULL, &server.t));
    OK(net_tls_new(c, host, &client.t));
    OK(net_tls_start(client.t));
}

static void drop_end(struct end *e)
{
    net_tls_free(e->t);
    base_buf_deinit(&e->got);
    *e = (struct end){0};
}

static void drop_ends(void)
{
    /* connections outlive their context */
    net_tls_context_free(server_context);
    net_tls_context_free(client_context);
    drop_end(&server);
    drop_end(&client);
}

/* What from has to say, to the other end in pieces of at most n bytes. */
static bool pass(struct end *from, struct end *to, size_t piece)
{
    struct base_buf out = *net_tls_output(from->t);
    base_buf_init(net_tls_output(from->t), 0);
    bool some = out.n > 0;
    for (size_t at = 0; at < out.n && !to->err; at += piece) {
        size_t n = out.n - at < piece ? out.n - at : piece;
        to->err = net_tls_read(to->t, base_bytes_of(out.p + at, n), &to->got);
    }
    base_buf_deinit(&out);
    return some;
}

static void exchange(size_t piece)
{
    bool a = true;
    bool b = true;
    while (a || b) {
        a = pass(&client, &server, piece);
        b = pass(&server, &client, piece);
    }
}

START_TEST(data_passes_both_ways_however_it_is_split)
{
    static uint8_t data[100000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 11);
    static const size_t pieces[] = {1, 2, 5, 1000, 70000};
    size_t piece = pieces[_i];
    make_ends(tls_server("server", "ca", NET_TLS_PEER_REQUIRED), tls_client("device", "ca"),
              "127.0.0.1");
    exchange(piece);
    OK(server.err);
    OK(client.err);
    ck_assert(net_tls_is_open(server.t));
    ck_assert(net_tls_is_open(client.t));
    ck_assert_str_eq(net_tls_version(server.t), "TLSv1.3");
    OK(net_tls_write(client.t, base_bytes_of(data, sizeof data)));
    OK(net_tls_write(server.t, base_bytes_of(data, 7)));
    exchange(piece);
    ck_assert_uint_eq(server.got.n, sizeof data);
    ck_assert_int_eq(memcmp(server.got.p, data, sizeof data), 0);
    ck_assert_uint_eq(client.got.n, 7);
    net_tls_shut(client.t);
    ck_assert_int_eq(net_tls_write(client.t, base_bytes_of(data, 1)), BASE_ECONFLICT);
    exchange(piece);
    ck_assert_int_eq(server.err, BASE_ECLOSED);
    OK(net_tls_write(server.t, base_bytes_of(data, 3))); /* only the other direction is closed */
    exchange(piece);
    ck_assert_uint_eq(client.got.n, 10);
    drop_ends();
}
END_TEST

START_TEST(nothing_is_written_before_the_handshake)
{
    make_ends(tls_server("server", "", NET_TLS_PEER_ANONYMOUS), tls_client("", "ca"), "localhost");
    ck_assert_int_eq(net_tls_write(server.t, base_bytes_str("x")), BASE_ECONFLICT);
    ck_assert_int_eq(net_tls_write(client.t, base_bytes_str("x")), BASE_ECONFLICT);
    exchange(1 << 20);
    ck_assert(net_tls_is_open(server.t));
    uint8_t print[BASE_SHA256];
    ck_assert(!net_tls_fingerprint(server.t, print));
    drop_ends();
}
END_TEST

/* ---- who is let in ---- */

static const struct {
    const char *server;
    const char *client;
    const char *trusted; /* by the client */
    const char *host;
    enum net_tls_peer peer;
    enum net_tls_cause at_server;
    enum net_tls_cause at_client;
} verdicts[] = {
    {"server", "device", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_NONE, NET_TLS_NONE},
    {"server", "", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_NO_CERTIFICATE,
     NET_TLS_REFUSED},
    {"server", "expired", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_EXPIRED,
     NET_TLS_REFUSED},
    {"server", "future", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_NOT_YET_VALID,
     NET_TLS_REFUSED},
    {"server", "alien", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_UNKNOWN_ISSUER,
     NET_TLS_REFUSED},
    {"server", "self", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_UNKNOWN_ISSUER,
     NET_TLS_REFUSED},
    {"server", "self", "ca", "localhost", NET_TLS_PEER_ASKED, NET_TLS_NONE, NET_TLS_NONE},
    {"server", "alien", "ca", "localhost", NET_TLS_PEER_ASKED, NET_TLS_NONE, NET_TLS_NONE},
    {"server", "", "ca", "localhost", NET_TLS_PEER_ASKED, NET_TLS_NONE, NET_TLS_NONE},
    {"server", "expired", "ca", "localhost", NET_TLS_PEER_ASKED, NET_TLS_EXPIRED, NET_TLS_REFUSED},
    {"server", "device", "other-ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_REFUSED,
     NET_TLS_UNKNOWN_ISSUER},
    {"expired", "device", "ca", "localhost", NET_TLS_PEER_REQUIRED, NET_TLS_REFUSED,
     NET_TLS_EXPIRED},
    {"server", "device", "ca", "elsewhere", NET_TLS_PEER_REQUIRED, NET_TLS_REFUSED,
     NET_TLS_WRONG_NAME},
    {"server", "device", "ca", "127.0.0.2", NET_TLS_PEER_REQUIRED, NET_TLS_REFUSED,
     NET_TLS_WRONG_NAME},
};

START_TEST(each_certificate_gets_its_verdict)
{
    struct net_tls_context *s = tls_server(verdicts[_i].server, "ca", verdicts[_i].peer);
    make_ends(s, tls_client(verdicts[_i].client, verdicts[_i].trusted), verdicts[_i].host);
    exchange(1 << 20);
    ck_assert_str_eq(net_tls_cause_word(net_tls_failure(server.t)),
                     net_tls_cause_word(verdicts[_i].at_server));
    ck_assert_str_eq(net_tls_cause_word(net_tls_failure(client.t)),
                     net_tls_cause_word(verdicts[_i].at_client));
    ck_assert_int_eq(server.err, verdicts[_i].at_server ? BASE_EFORMAT : BASE_OK);
    if (verdicts[_i].at_server) {
        ck_assert_str_ne(net_tls_failure_text(server.t), "");
        ck_assert_str_ne(net_tls_cause_remedy(net_tls_failure(server.t)), "");
        ck_assert_int_eq(net_tls_write(server.t, base_bytes_str("x")), BASE_ECONFLICT);
    }
    drop_ends();
}
END_TEST

START_TEST(the_fingerprint_is_that_of_the_file)
{
    uint8_t file[BASE_SHA256];
    uint8_t seen[BASE_SHA256];
    make_ends(tls_server("server", "", NET_TLS_PEER_ASKED), tls_client("self", "ca"), "localhost");
    exchange(1 << 20);
    ck_assert(net_tls_fingerprint(server.t, seen));
    OK(net_tls_file_fingerprint(tls_cert("self"), file));
    ck_assert_mem_eq(seen, file, BASE_SHA256);
    ck_assert_int_eq(net_tls_file_fingerprint(tls_key("self"), file), BASE_EFORMAT);
    ck_assert_int_eq(net_tls_file_fingerprint("/nowhere", file), BASE_ENOTFOUND);
    drop_ends();
}
END_TEST

/* ---- the profile ---- */

static const uint8_t plain_dicom[] = {1, 0, 0, 0, 0, 200, 0, 1};

START_TEST(plain_bytes_are_told_apart_and_get_no_alert)
{
    make_ends(tls_server("server", "", NET_TLS_PEER_ASKED), tls_client("", "ca"), "localhost");
    struct base_buf plain = {0};
    ck_assert_int_eq(net_tls_read(server.t, base_bytes_of(plain_dicom, 1), &plain), BASE_EFORMAT);
    ck_assert_int_eq(net_tls_failure(server.t), NET_TLS_PLAIN);
    ck_assert_uint_eq(net_tls_output(server.t)->n, 0);
    ck_assert_uint_eq(plain.n, 0);
    base_buf_deinit(&plain);
    drop_ends();
}
END_TEST

/* A client of OpenSSL itself, with what ours would never offer. */
struct raw {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
};

static struct raw raw_client(int most, const char *suites)
{
    struct raw r = {.ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_security_level(r.ctx, 0);
    SSL_CTX_set_min_proto_version(r.ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(r.ctx, most);
    if (suites)
        ck_assert_int_eq(SSL_CTX_set_cipher_list(r.ctx, suites), 1);
    r.ssl = SSL_new(r.ctx);
    r.in = BIO_new(BIO_s_mem());
    r.out = BIO_new(BIO_s_mem());
    SSL_set_bio(r.ssl, r.in, r.out);
    SSL_set_connect_state(r.ssl);
    return r;
}

static void raw_exchange(struct raw *r)
{
    for (int i = 0; i < 8; i++) {
        char bytes[20000];
        SSL_do_handshake(r->ssl);
        int n = BIO_read(r->out, bytes, sizeof bytes);
        if (n > 0 && !server.err)
            server.err = net_tls_read(server.t, base_bytes_of(bytes, (size_t)n), &server.got);
        struct base_buf *out = net_tls_output(server.t);
        if (out->n)
            BIO_write(r->in, out->p, (int)out->n);
        base_buf_deinit(out);
    }
}

static void raw_free(struct raw *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
}

static const struct {
    int most;
    const char *suites;
    enum net_tls_cause cause;
} offers[] = {
    {TLS1_2_VERSION, NULL, NET_TLS_NONE},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NET_TLS_NONE},
    {TLS1_1_VERSION, NULL, NET_TLS_OLD_VERSION},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NET_TLS_NO_CIPHER},
    {TLS1_2_VERSION, "AES128-GCM-SHA256", NET_TLS_NO_CIPHER},
    {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", NET_TLS_NO_CIPHER},
    {TLS1_2_VERSION, "AECDH-AES128-SHA", NET_TLS_NO_CIPHER},
};

START_TEST(only_the_suites_of_bcp_195_are_accepted)
{
    struct raw r = raw_client(offers[_i].most, offers[_i].suites);
    server_context = tls_server("server", "", NET_TLS_PEER_ASKED);
    OK(net_tls_new(server_context, NULL, &server.t));
    raw_exchange(&r);
    ck_assert_str_eq(net_tls_cause_word(net_tls_failure(server.t)),
                     net_tls_cause_word(offers[_i].cause));
    ck_assert(net_tls_is_open(server.t) == (offers[_i].cause == NET_TLS_NONE));
    raw_free(&r);
    drop_end(&server);
    net_tls_context_free(server_context);
}
END_TEST

START_TEST(renegotiation_is_refused)
{
    struct raw r = raw_client(TLS1_2_VERSION, NULL);
    server_context = tls_server("server", "", NET_TLS_PEER_ASKED);
    OK(net_tls_new(server_context, NULL, &server.t));
    raw_exchange(&r);
    ck_assert(net_tls_is_open(server.t));
    ck_assert_int_eq(SSL_renegotiate(r.ssl), 1);
    raw_exchange(&r);
    ck_assert(SSL_renegotiate_pending(r.ssl));
    /* RFC 5246 7.2.2: it is told by a warning; OpenSSL as a client then gives up itself. */
    ck_assert_int_eq(net_tls_failure(server.t), NET_TLS_REFUSED);
    raw_free(&r);
    drop_end(&server);
    net_tls_context_free(server_context);
}
END_TEST

/* Each is answered with keys of its own. */
START_TEST(key_updates_without_data_come_to_an_end)
{
    struct raw r = raw_client(TLS1_3_VERSION, NULL);
    server_context = tls_server("server", "", NET_TLS_PEER_ASKED);
    OK(net_tls_new(server_context, NULL, &server.t));
    raw_exchange(&r);
    ck_assert(net_tls_is_open(server.t));
    for (int i = 0; i < 100; i++) { /* with data between them there may be any number */
        for (int k = 0; k < 40; k++) {
            ck_assert_int_eq(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            ck_assert_int_eq(SSL_do_handshake(r.ssl), 1);
            raw_exchange(&r);
        }
        ck_assert_int_eq(SSL_write(r.ssl, "x", 1), 1);
        raw_exchange(&r);
    }
    ck_assert(net_tls_is_open(server.t));
    ck_assert_uint_eq(server.got.n, 100);
    for (int i = 0; i < 10000 && net_tls_is_open(server.t); i++) {
        ck_assert_int_eq(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(r.ssl), 1);
        raw_exchange(&r);
    }
    ck_assert(!net_tls_is_open(server.t));
    ck_assert_str_eq(net_tls_failure_text(server.t), "TLS records without data, over and over");
    raw_free(&r);
    drop_end(&server);
    net_tls_context_free(server_context);
}
END_TEST

START_TEST(noise_after_the_hello_fails_without_harm)
{
    for (unsigned seed = 1; seed < 200; seed++) {
        uint8_t noise[600] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
        unsigned x = seed;
        for (size_t i = seed % 11; i < sizeof noise; i++) {
            x = x * 1103515245 + 12345;
            if (i > 0)
                noise[i] = (uint8_t)(x >> 16);
        }
        server_context = tls_server("server", "", NET_TLS_PEER_ASKED);
        OK(net_tls_new(server_context, NULL, &server.t));
        enum base_err err = net_tls_read(server.t, base_bytes_of(noise, sizeof noise), &server.got);
        ck_assert(err == BASE_OK || err == BASE_EFORMAT);
        ck_assert(!net_tls_is_open(server.t));
        drop_end(&server);
        net_tls_context_free(server_context);
    }
}
END_TEST

/* ---- files ---- */

START_TEST(a_bad_file_is_named)
{
    struct net_tls_context *c = NULL;
    struct base_error error;
    struct net_tls_config config = {.certificate = "/nowhere.pem", .key = tls_key("server")};
    ck_assert_int_eq(net_tls_context_new(&config, &c, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "/nowhere.pem: No such file"));
    config = (struct net_tls_config){.certificate = tls_cert("server"), .key = tls_key("device")};
    ck_assert_int_eq(net_tls_context_new(&config, &c, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "device.key: key values mismatch"));
    config = (struct net_tls_config){.certificate = ""};
    ck_assert_int_eq(net_tls_context_new(&config, &c, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "tls.certificate is not set"));
    config = (struct net_tls_config){.certificate = tls_cert("server"),
                                     .key = tls_key("server"),
                                     .ca = tls_key("ca"),
                                     .peer = NET_TLS_PEER_REQUIRED};
    ck_assert_int_eq(net_tls_context_new(&config, &c, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "ca.key"));
}
END_TEST

static void copy_file(const char *from, const char *to)
{
    char bytes[8192];
    FILE *f = fopen(from, "re");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    f = fopen(to, "we");
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

START_TEST(a_reload_is_for_new_connections_and_never_half_done)
{
    struct base_error error;
    struct net_tls_context *s = tls_server("server", "ca", NET_TLS_PEER_REQUIRED);
    int64_t expires = net_tls_context_expires(s);
    ck_assert_int_gt(expires, 0);
    make_ends(s, tls_client("device", "ca"), "localhost");
    exchange(1 << 20);
    copy_file(tls_cert("expired"), tls_cert("server"));
    ck_assert_int_eq(net_tls_context_reload(s, &error), BASE_EINVAL); /* the key is another */
    ck_assert_int_eq(net_tls_context_expires(s), expires);
    copy_file(tls_key("expired"), tls_key("server"));
    OK(net_tls_context_reload(s, &error));
    ck_assert_int_lt(net_tls_context_expires(s), expires);
    OK(net_tls_write(client.t, base_bytes_str("still there"))); /* the old one goes on */
    exchange(1 << 20);
    ck_assert_uint_eq(server.got.n, 11);
    drop_end(&server);
    drop_end(&client);
    OK(net_tls_new(s, NULL, &server.t));
    OK(net_tls_new(client_context, "localhost", &client.t));
    OK(net_tls_start(client.t));
    exchange(1 << 20);
    ck_assert_int_eq(net_tls_failure(client.t), NET_TLS_EXPIRED);
    drop_ends();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_tls");
    TCase *t = tcase_create("filter");
    tcase_add_checked_fixture(t, tls_files_make, tls_files_remove);
    tcase_add_loop_test(t, data_passes_both_ways_however_it_is_split, 0, 5);
    tcase_add_test(t, nothing_is_written_before_the_handshake);
    tcase_add_loop_test(t, each_certificate_gets_its_verdict, 0,
                        (int)(sizeof verdicts / sizeof verdicts[0]));
    tcase_add_test(t, the_fingerprint_is_that_of_the_file);
    tcase_add_test(t, plain_bytes_are_told_apart_and_get_no_alert);
    tcase_add_loop_test(t, only_the_suites_of_bcp_195_are_accepted, 0,
                        (int)(sizeof offers / sizeof offers[0]));
    tcase_add_test(t, renegotiation_is_refused);
    tcase_add_test(t, key_updates_without_data_come_to_an_end);
    tcase_add_test(t, noise_after_the_hello_fails_without_harm);
    tcase_add_test(t, a_bad_file_is_named);
    tcase_add_test(t, a_reload_is_for_new_connections_and_never_half_done);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
