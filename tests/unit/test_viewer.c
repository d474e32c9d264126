/* The viewer's routes with a real database and store; the helper that draws is
 * this program itself, started as `test_viewer render …`. */
#include "viewer-export/viewer.h"

#include "base/log.h"
#include "db/db_migrate.h"
#include "db/db_sync.h"
#include "store/store_tree.h"

#include "db_fixture.h"
#include "pg_cluster.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

static struct pg_cluster cluster;

/* The stand-in for rdc render: what it does stands in the file. */
static int fake_helper(int argc, char **argv)
{
    char what[64] = "";
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--file") != 0)
            continue;
        /* Small objects lie in segments, where a path names a record. */
        struct store_plain plain;
        if (store_plain_open(argv[i + 1], &plain))
            return 1;
        FILE *f = fopen(plain.path, "rb");
        if (!f || !fgets(what, sizeof what, f))
            return 1;
        fclose(f);
        store_plain_close(&plain);
    }
    if (strcmp(what, "damaged") == 0) {
        puts("{\"error\":\"malformed input\",\"message\":\"the JPEG ends early\"}");
        return 64 + BASE_EFORMAT;
    }
    if (strcmp(what, "one frame") == 0 && argc > 10) {
        puts("{\"error\":\"not found\",\"message\":\"there is no frame 2 of 1\"}");
        return 64 + BASE_ENOTFOUND;
    }
    printf("PNG of %s:", what);
    for (int i = 6; i < argc; i++)
        if (strcmp(argv[i - 1], "--file") != 0 && strcmp(argv[i], "--file") != 0)
            printf(" %s", argv[i]);
    return 0;
}

/* ---- the server of one test ---- */

struct fixture {
    struct loop *loop;
    struct db *db;
    struct store *store;
    struct base_conf conf;
    struct api api;
    struct viewer *viewer;
    struct net_http_table table;
    struct net_http_server *server;
    uint16_t port;
    char data[64];
    char location[STORE_LOCATION];
};
static struct fixture *f;

static bool run_sql(const char *sql)
{
    char psql[96];
    int status;
    snprintf(psql, sizeof psql, "%s/psql", cluster.bin);
    pid_t pid =
        pg_cluster_spawn(&cluster, (const char *[]){psql, "-X", "-q", "-h", cluster.dir, "-U",
                                                    "rdc", "-d", "rdc", "-c", sql, NULL});
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int bound_socket(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void setup(void)
{
    f = calloc(1, sizeof *f);
    snprintf(f->data, sizeof f->data, "/tmp/rdc-viewer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->data));
    ck_assert_int_eq(base_conf_init(&f->conf), BASE_OK);
    ck_assert_int_eq(
        loop_new(&(struct loop_options){.disk_threads = 1, .cpu_threads = 1}, &f->loop), BASE_OK);
    struct db_config db = {.conninfo = cluster.rdc, .role = "rdc_api", .unsafe = true};
    ck_assert_int_eq(db_open(f->loop, &db, &f->db), BASE_OK);
    ck_assert_int_eq(store_open(f->loop, f->data, 0, NULL, &f->store), BASE_OK);
    f->api = (struct api){.loop = f->loop, .db = f->db, .conf = &f->conf};
    struct viewer_config viewer = {
        .loop = f->loop, .api = &f->api, .store = f->store, .conf = &f->conf};
    ck_assert_int_eq(viewer_start(&viewer, &f->viewer), BASE_OK);
    f->table = viewer_http(f->viewer);
    int fd = bound_socket(&f->port);
    struct net_http_options http = {
        .loop = f->loop, .fd = fd, .tables = &f->table, .table_count = 1};
    ck_assert_int_eq(net_http_server_new(&http, &f->server), BASE_OK);
    close(fd);
}

static void teardown(void)
{
    char command[96];
    ck_assert_uint_eq(viewer_busy(f->viewer), 0);
    net_http_server_free(f->server);
    db_close(f->db);
    viewer_free(f->viewer);
    store_close(f->store);
    loop_free(f->loop);
    base_conf_deinit(&f->conf);
    snprintf(command, sizeof command, "rm -rf %s", f->data);
    ck_assert_int_eq(system(command), 0);
    free(f);
}

/* ---- a client in a thread of its own ---- */

struct exchange {
    const char *path, *token;
    char answer[8192];
    int status;
    struct loop_call done;
};

static void stop(void *arg)
{
    (void)arg;
    loop_stop(f->loop);
}

static void *client(void *arg)
{
    struct exchange *x = arg;
    char request[512];
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t n = 0;
    ssize_t k = 0;
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s%s\r\n", x->path,
                       x->token ? "Authorization: Bearer " : "", x->token ? x->token : "",
                       x->token ? "\r\n" : "");
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && write(fd, request, (size_t)len) == len)
        while ((k = read(fd, x->answer + n, sizeof x->answer - 1 - n)) > 0)
            n += (size_t)k;
    close(fd);
    x->status = n > 12 ? atoi(x->answer + 9) : 0;
    loop_post(f->loop, &x->done, stop, NULL);
    return NULL;
}

/* The answer to a GET; valid until the next one. */
static const struct exchange *get(const char *token, const char *path)
{
    static struct exchange x;
    pthread_t thread;
    x = (struct exchange){.path = path, .token = token};
    ck_assert_int_eq(pthread_create(&thread, NULL, client, &x), 0);
    loop_run(f->loop);
    pthread_join(thread, NULL);
    return &x;
}

static void expect(const struct exchange *x, int status, const char *words)
{
    ck_assert_msg(x->status == status && strstr(x->answer, words), "%s: wanted %d %s, got %d:\n%s",
                  x->path, status, words, x->status, x->answer);
}

static void on_put(void *arg, enum base_err err, const struct store_object *object)
{
    (void)arg;
    ck_assert_int_eq(err, BASE_OK);
    memcpy(f->location, object->location, sizeof f->location);
    loop_stop(f->loop);
}

static void put_file(const char *content)
{
    ck_assert_int_eq(store_put_mem(f->store, "dcm", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                   base_bytes_str(content), on_put, NULL),
                     BASE_OK);
    loop_run(f->loop);
}

/* An object of centre C1 in the index, its file saying what the helper does. */
static void put_object(const char *sop, const char *content, const char *more)
{
    char sql[1024];
    put_file(content);
    snprintf(sql, sizeof sql,
             "select t_object('1.7.%s', '1.7.%s', jsonb_build_object('location', '%s', "
             "'single', true) || '%s')",
             sop, sop, f->location, more);
    ck_assert(run_sql(sql));
}

/* ---- the tests ---- */

START_TEST(who_may_see_an_object_gets_its_picture_and_others_nothing)
{
    put_object("1", "a hand", "{}");
    expect(get("reader1", "/api/v1/instances/1.7.1/rendered"), 200, "image/png");
    expect(get("reader1", "/api/v1/instances/1.7.1/rendered"), 200, "PNG of a hand: --kind image");
    expect(get("doc1", "/api/v1/instances/1.7.1/rendered"), 200, "PNG of a hand");
    expect(get("doc2", "/api/v1/instances/1.7.1/rendered"), 404, "no such instance");
    expect(get("reader3", "/api/v1/instances/1.7.1/rendered"), 404, "no such instance");
    expect(get("nobody", "/api/v1/instances/1.7.1/rendered"), 401, "session");
    expect(get(NULL, "/api/v1/instances/1.7.1/rendered"), 401, "session");
    expect(get("reader1", "/api/v1/instances/1.7.99/rendered"), 404, "no such instance");
}
END_TEST

START_TEST(each_look_is_noted_once_in_five_minutes)
{
    put_object("2", "a foot", "{}");
    get("reader1", "/api/v1/instances/1.7.2/rendered");
    get("reader1", "/api/v1/instances/1.7.2/rendered");
    get("doc2", "/api/v1/instances/1.7.2/rendered");
    ck_assert(run_sql("do $$ begin assert (select count(*) = 1 from audit a "
                      "join exam e on e.id = a.noun_id join study s on s.id = e.study_id "
                      "where a.action = 'image' and s.study_uid = '1.7.2'); end $$"));
}
END_TEST

START_TEST(the_query_reaches_the_helper_or_is_refused)
{
    put_object("3", "a knee", "{\"sop_class\": \"1.2.840.10008.5.1.4.1.1.9.1.1\"}");
    expect(get("reader1", "/api/v1/instances/1.7.3/rendered?frame=2&max_side=100&window=40,400"),
           200, "--kind ecg --frame 2 --max-side 100 --window 40,400");
    expect(get("reader1", "/api/v1/instances/1.7.3/rendered?type=pdf&page=strip&lead=II,V1"), 200,
           "--kind ecg --type pdf --page strip --lead II,V1");
    expect(get("reader1", "/api/v1/instances/1.7.3/rendered?type=pdf"), 200, "application/pdf");
    expect(get("reader1", "/api/v1/instances/1.7.3/rendered?type=svg"), 200, "image/svg+xml");
    expect(get("reader1", "/api/v1/instances/1.7.3/rendered?format=3x4%2B3"), 200,
           "--format 3x4+3");
    expect(get("reader1", "/api/v1/instances/1.7.1/rendered?gain=20"), 400, "this is no ECG");
    static const char *const wrong[] = {
        "frame=0",      "frame=-1",     "frame=x",   "max_side=",    "max_side=65536", "window=40",
        "window=1,0.5", "window=1,2,3", "type=tiff", "window=nan,9", "window=9,inf"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "/api/v1/instances/1.7.3/rendered?%s", wrong[i]);
        expect(get("reader1", path), 400, "the query cannot be used");
    }
}
END_TEST

START_TEST(what_cannot_be_drawn_has_a_status_and_a_reason)
{
    put_object("4", "damaged", "{}");
    expect(get("reader1", "/api/v1/instances/1.7.4/rendered"), 422, "the JPEG ends early");
    put_object("5", "one frame", "{}");
    expect(get("reader1", "/api/v1/instances/1.7.5/rendered?frame=2"), 404, "no frame 2 of 1");
}
END_TEST

/* The exam of a study, from the database. */
static int64_t exam_of(const char *study)
{
    char command[512], text[32] = "";
    snprintf(command, sizeof command,
             "%s/psql -X -q -At -h %s -U rdc -d rdc -c \"select e.id from exam e join study s "
             "on s.id = e.study_id where s.study_uid = '%s'\"",
             cluster.bin, cluster.dir, study);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, p));
    ck_assert_int_eq(pclose(p), 0);
    return atoll(text);
}

START_TEST(a_signed_report_is_given_when_it_is_rendered)
{
    char sql[2048], path[96];
    put_object("6", "a chest", "{\"sop_class\": \"1.2.840.10008.5.1.4.1.1.9.1.1\"}");
    ck_assert_ptr_null(
        strstr(get("reader1", "/api/v1/instances/1.7.6/rendered")->answer, "--confirmed-by"));
    long long exam = exam_of("1.7.6");
    snprintf(path, sizeof path, "/api/v1/exams/%lld/report.pdf", exam);
    expect(get("reader1", path), 404, "no signed report");
    snprintf(sql, sizeof sql,
             "do $$ declare l bigint; begin perform t_as('reader1'); "
             "l := (exam_claim(%lld, 300) ->> 'lease')::bigint; perform exam_draft(%lld, l, "
             "'{\"findings\": \"a\", \"impression\": \"b\"}', 300); "
             "perform exam_sign(%lld, l, null); end $$",
             exam, exam, exam);
    ck_assert(run_sql(sql));
    expect(get("reader1", path), 503, "Retry-After");
    ck_assert(run_sql("update job set state = 'quarantined' where kind = 'render'"));
    expect(get("reader1", path), 500, "could not be made");
    expect(get("reader1", "/api/v1/instances/1.7.6/rendered"), 200, "--confirmed-by 阅片一");
    put_file("%PDF-1.5 a report");
    snprintf(sql, sizeof sql,
             "update report set rendered_at = now(), pdf_file_id = object_insert("
             "jsonb_build_object('location', '%s', 'sha256', repeat('ab', 32), 'size', 17)), "
             "sr_object_id = object_insert('{\"location\": \"s/1\", \"sha256\": \"%064d\", "
             "\"size\": 1}'), pdf_object_id = object_insert('{\"location\": \"s/2\", \"sha256\": "
             "\"%064d\", \"size\": 1}') where exam_id = %lld",
             f->location, 1, 2, exam);
    ck_assert(run_sql(sql));
    expect(get("reader1", path), 200, "%PDF-1.5 a report");
    expect(get("doc1", path), 200, "application/pdf");
    expect(get("doc2", path), 404, "no such exam");
    strcat(path, "?version=1");
    expect(get("doc1", path), 200, "%PDF-1.5 a report");
    path[strlen(path) - 1] = '2';
    expect(get("doc1", path), 404, "no signed report");
    path[strlen(path) - 1] = 'x';
    expect(get("doc1", path), 400, "version");
}
END_TEST

static void migrate(void)
{
    struct db_config config = {.conninfo = cluster.rdc, .unsafe = true};
    struct db_sync *s = NULL;
    struct base_error error = {0};
    struct base_buf fixture = {0};
    bool ok =
        db_sync_open(&config, &s, &error) == BASE_OK &&
        db_migrate_apply(s, db_migrations, db_migrations_count, NULL, NULL, &error) == BASE_OK;
    db_sync_close(s);
    fixture_sql(&fixture);
    ok = ok && run_sql(base_buf_cstr(&fixture));
    base_buf_deinit(&fixture);
    if (!ok) {
        fprintf(stderr, "test_viewer: %s\n", error.msg);
        pg_cluster_stop(&cluster);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "render") == 0)
        return fake_helper(argc, argv);
    base_log_setup(BASE_LOG_WARN, 0, "test");
    Suite *suite = suite_create("viewer");
    TCase *tc = tcase_create("routes");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, who_may_see_an_object_gets_its_picture_and_others_nothing);
    tcase_add_test(tc, each_look_is_noted_once_in_five_minutes);
    tcase_add_test(tc, the_query_reaches_the_helper_or_is_refused);
    tcase_add_test(tc, what_cannot_be_drawn_has_a_status_and_a_reason);
    tcase_add_test(tc, a_signed_report_is_given_when_it_is_rendered);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    pg_cluster_start(&cluster);
    migrate();
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pg_cluster_stop(&cluster);
    return failed != 0;
}
