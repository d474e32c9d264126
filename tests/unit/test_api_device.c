/* Devices found in a real server, with the migrations in it. */
#include "api/api_device.h"

#include "base/clock.h"
#include "migrated.h"

static unsigned pending;

static void setup(void)
{
    migrated_open(
        "insert into organisation (code, name, kind) values ('C1', 'Test centre', 'centre');"
        "insert into device (org_id, aet) values (1, 'CART')");
}

static void teardown(void)
{
    db_close(db);
    loop_free(loop);
    base_clock_reset();
}

static void end(void)
{
    if (--pending == 0)
        loop_stop(loop);
}

static void run(unsigned n)
{
    pending = n;
    loop_run(loop);
    ck_assert_uint_eq(pending, 0);
}

static const struct api_device_key cart = {
    .calling = "CART", .called = "RDC", .address = "192.0.2.1"};

static void on_found(void *arg, json_t *row)
{
    bool *known = arg;
    *known = json_object_get(row, "id") != NULL;
    end();
}

static bool found(struct api_devices *d, const struct api_device_key *key)
{
    bool known = false;
    ck_assert_int_eq(api_devices_ask(d, key, on_found, &known), BASE_OK);
    run(1);
    return known;
}

START_TEST(a_device_is_remembered_for_its_time_and_for_what_it_showed)
{
    struct api_devices *d;
    ck_assert_int_eq(api_devices_new(db, &d), BASE_OK);
    ck_assert_ptr_null(api_devices_known(d, &cart));
    ck_assert(found(d, &cart));
    base_clock_set(base_clock_wall_us(), base_clock_mono_ms());
    ck_assert(found(d, &cart));
    json_t *row = api_devices_known(d, &cart);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "centre_id")), 1);
    struct api_device_key other = cart;
    snprintf(other.address, sizeof other.address, "192.0.2.2");
    ck_assert_ptr_null(api_devices_known(d, &other));
    other = cart;
    other.certificate[0] = 'a';
    ck_assert_ptr_null(api_devices_known(d, &other));
    int64_t now = base_clock_mono_ms();
    base_clock_set(base_clock_wall_us(), now + API_DEVICE_MS - 1);
    ck_assert_ptr_nonnull(api_devices_known(d, &cart));
    base_clock_set(base_clock_wall_us(), now + API_DEVICE_MS);
    ck_assert_ptr_null(api_devices_known(d, &cart));
    api_devices_free(d);
}
END_TEST

START_TEST(a_stranger_is_not_remembered)
{
    struct api_devices *d;
    struct api_device_key key = {.calling = "NOBODY", .called = "RDC", .address = "192.0.2.1"};
    ck_assert_int_eq(api_devices_new(db, &d), BASE_OK);
    ck_assert(!found(d, &key));
    ck_assert_ptr_null(api_devices_known(d, &key));
    api_devices_free(d);
}
END_TEST

int main(void)
{
    pg_cluster_start(&cluster);
    Suite *s = suite_create("api_device");
    TCase *tc = tcase_create("devices");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_device_is_remembered_for_its_time_and_for_what_it_showed);
    tcase_add_test(tc, a_stranger_is_not_remembered);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    pg_cluster_stop(&cluster);
    return failed ? 1 : 0;
}
