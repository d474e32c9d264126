/* Reading back what is stored: who is asked first, and what STAT means. */
#include "ingest/ingest_commitment_check.h"

#include "store_test.h"

enum { BULK = 6, BIG = 3 << 20 };

static struct ingest_config config;
static unsigned order;

struct seen {
    unsigned order;
    uint16_t failure;
};

static void on_checked(void *arg, const uint16_t *failures, size_t n)
{
    struct seen *s = arg;
    ck_assert_ptr_nonnull(failures);
    ck_assert_uint_eq(n, 1);
    s->order = ++order;
    s->failure = failures[0];
}

static void set_up_check(void)
{
    set_up_folder();
    ck_assert_int_eq(loop_new(&(struct loop_options){.disk_threads = 1, .cpu_threads = 1}, &loop),
                     BASE_OK);
    store = open_store(NULL);
    config = (struct ingest_config){.loop = loop, .store = store};
    order = 0;
}

static json_t *items_of(const struct told *t, const char *sha256)
{
    char hex[BASE_SHA256_HEX];
    base_hex(t->object.sha256, sizeof t->object.sha256, hex);
    return json_pack("[{s:s, s:s, s:s, s:s, s:I, s:b}]", "asked_class", "1.2", "sop_class", "1.2",
                     "location", t->object.location, "sha256", sha256 ? sha256 : hex, "size",
                     (json_int_t)t->object.size, "plain", 1);
}

static struct told put_big(void)
{
    static char text[BIG + 1];
    memset(text, 'x', BIG);
    return put_text(store, text);
}

START_TEST(a_stat_one_overtakes_those_that_were_begun_before)
{
    struct told t = put_big();
    json_t *items = items_of(&t, NULL);
    struct seen bulk[BULK] = {0};
    struct seen stat = {0};
    for (unsigned i = 0; i < BULK; i++)
        ck_assert_int_eq(
            ingest_commitment_check(&config, items, LOOP_ORDINARY, on_checked, &bulk[i]), BASE_OK);
    ck_assert_int_eq(ingest_commitment_check(&config, items, LOOP_STAT, on_checked, &stat),
                     BASE_OK);
    loop_run(loop);
    ck_assert_uint_eq(order, BULK + 1);
    ck_assert_uint_eq(stat.order, 1);
    ck_assert_uint_eq(stat.failure, INGEST_COMMITTED);
    json_decref(items);
}
END_TEST

START_TEST(another_digest_is_a_damaged_object)
{
    struct told t = put_big();
    json_t *items = items_of(&t, "00");
    struct seen seen = {0};
    ck_assert_int_eq(ingest_commitment_check(&config, items, LOOP_ORDINARY, on_checked, &seen),
                     BASE_OK);
    loop_run(loop);
    ck_assert_uint_eq(seen.failure, INGEST_FAILURE_PROCESSING);
    json_decref(items);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ingest_commitment_check");
    TCase *tc = tcase_create("check");
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    tcase_add_checked_fixture(tc, set_up_check, tear_down);
    tcase_add_test(tc, a_stat_one_overtakes_those_that_were_begun_before);
    tcase_add_test(tc, another_digest_is_a_damaged_object);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
