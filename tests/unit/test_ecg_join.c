/* Leads in pieces become whole where they are pieces of one, and only there. */
#include "ecg/ecg_join.h"
#include "ecg_fixture.h"
#include "ecg_sound.h"

static struct ecg_lead *add(struct ecg_record *r, int id, double start_s, size_t n, int first)
{
    struct ecg_lead *lead = ecg_record_add_lead(r);
    ck_assert_ptr_nonnull(lead);
    lead->id = id;
    lead->name = ecg_lead_name(id);
    lead->rate_hz = 100;
    lead->uv_per_count = 2.5;
    lead->start_s = start_s;
    ck_assert_int_eq(ecg_record_set_i16(r, lead, n), BASE_OK);
    for (size_t i = 0; i < n; i++)
        lead->i16[i] = (int16_t)(first + (int)i);
    ecg_record_count(lead);
    return lead;
}

static void expect(const struct ecg_lead *lead, size_t from, size_t n, int first)
{
    ck_assert_uint_ge(lead->samples, from + n);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(ecg_lead_sample(lead, from + i),
                         first == ECG_SAMPLE_NONE ? first : first + (int)i);
}

static struct ecg_record *new_record(void)
{
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    return r;
}

START_TEST(pieces_are_joined_in_the_order_of_their_times)
{
    struct ecg_record *r = new_record();
    add(r, ECG_LEAD_II, 1, 10, 100);
    add(r, ECG_LEAD_I, 0.5, 20, 7);
    add(r, ECG_LEAD_II, 1.3, 5, 300);
    add(r, ECG_LEAD_II, 0.8, 10, 50);
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_II);
    ck_assert_double_eq_tol(r->leads[0].start_s, 0.8, 1e-9);
    ck_assert_uint_eq(r->leads[0].samples, 55);
    expect(&r->leads[0], 0, 10, 50);
    expect(&r->leads[0], 10, 10, ECG_SAMPLE_NONE);
    expect(&r->leads[0], 20, 10, 100);
    expect(&r->leads[0], 30, 20, ECG_SAMPLE_NONE);
    expect(&r->leads[0], 50, 5, 300);
    ck_assert_int_eq(r->leads[1].id, ECG_LEAD_I);
    ck_assert_uint_eq(r->leads[1].samples, 20);
    ck_assert_uint_eq(r->samples_used, 75);
    ecg_record_count(&r->leads[0]);
    ck_assert(!ecg_record_fault(r));
    ecg_record_free(r);
}
END_TEST

START_TEST(a_piece_of_32_bits_makes_the_whole_so)
{
    struct ecg_record *r = new_record();
    struct ecg_lead *lead = add(r, ECG_LEAD_V1, 0, 10, 0);
    lead->i16[3] = ECG_SAMPLE_NONE16;
    lead = add(r, ECG_LEAD_V1, 0.1, 10, 0);
    ck_assert_int_eq(ecg_record_widen(r, lead), BASE_OK);
    lead->i32[0] = 100000;
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 1);
    ck_assert_ptr_nonnull(r->leads[0].i32);
    expect(&r->leads[0], 3, 1, ECG_SAMPLE_NONE);
    expect(&r->leads[0], 10, 1, 100000);
    expect(&r->leads[0], 11, 9, 1);
    ecg_record_free(r);
}
END_TEST

/* A strip beside its lead, another unit, another rate, another name, no standard lead. */
START_TEST(what_is_no_piece_stays_apart)
{
    struct ecg_record *r = new_record();
    add(r, ECG_LEAD_II, 0, 100, 0);
    struct ecg_lead *lead = add(r, ECG_LEAD_II, _i == 0 ? 0.5 : 2, 100, 0);
    if (_i == 1)
        lead->uv_per_count = 5;
    else if (_i == 2)
        lead->rate_hz = 200;
    else if (_i == 3)
        lead->name = "MLII";
    else if (_i == 4)
        lead->offset_uv = 1;
    else if (_i == 5)
        r->leads[0].id = lead->id = ECG_LEAD_NONE;
    else if (_i == 6)
        lead->start_s = 2 + (100 * 16 + (1 << 16)) / 100.0;
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 2);
    expect(&r->leads[1], 0, 100, 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(two_of_one_sample_at_one_time_stay_apart)
{
    struct ecg_record *r = new_record();
    add(r, ECG_LEAD_V1, 0, 1, 5);
    add(r, ECG_LEAD_V1, 0, 1, 7);
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 2);
    ecg_record_free(r);
    r = new_record();
    add(r, ECG_LEAD_V1, 0, 1, 5);
    add(r, ECG_LEAD_V1, 0.01, 1, 7);
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 1);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_gap_as_long_as_is_usual_is_filled)
{
    struct ecg_record *r = new_record();
    add(r, ECG_LEAD_II, 0, 100, 0);
    add(r, ECG_LEAD_II, 1 + (100 * 16 + (1 << 16)) / 100.0, 100, 0);
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 1);
    ck_assert_uint_eq(r->leads[0].samples, 200 + 100 * 16 + (1 << 16));
    ecg_record_free(r);
}
END_TEST

START_TEST(the_limit_of_samples_leaves_them_apart)
{
    struct ecg_limits limits = ecg_limits_default;
    limits.samples = 250;
    struct ecg_record *r = ecg_record_new(&limits);
    ck_assert_ptr_nonnull(r);
    add(r, ECG_LEAD_II, 0, 100, 0);
    add(r, ECG_LEAD_II, 2, 100, 0);
    ck_assert_int_eq(ecg_join_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->samples_used, 200);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_join");
    TCase *t = tcase_create("pieces");
    tcase_add_test(t, pieces_are_joined_in_the_order_of_their_times);
    tcase_add_test(t, a_piece_of_32_bits_makes_the_whole_so);
    tcase_add_loop_test(t, what_is_no_piece_stays_apart, 0, 7);
    tcase_add_test(t, two_of_one_sample_at_one_time_stay_apart);
    tcase_add_test(t, a_gap_as_long_as_is_usual_is_filled);
    tcase_add_test(t, the_limit_of_samples_leaves_them_apart);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
