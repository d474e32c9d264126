/* What of a batch belongs together. */
#include "ingest/ingest_group.h"

#include <check.h>
#include <stdio.h>

enum { MOST = 8 };

static struct dicom_header headers[MOST];
static struct ingest_record records[MOST];
static const struct ingest_record *all[MOST];
static struct ingest_place places[MOST];
static size_t n;

static struct ingest_record *add(const char *study, const char *series, const char *instance,
                                 const char *patient)
{
    struct dicom_header *h = &headers[n];
    *h = (struct dicom_header){0};
    snprintf(h->study_uid, sizeof h->study_uid, "%s", study);
    snprintf(h->series_uid, sizeof h->series_uid, "%s", series);
    snprintf(h->sop_instance, sizeof h->sop_instance, "%s", instance);
    snprintf(h->patient_id, sizeof h->patient_id, "%s", patient);
    records[n] = (struct ingest_record){.centre_id = 1, .header = h};
    all[n] = &records[n];
    return &records[n++];
}

static void setup(void)
{
    n = 0;
}

START_TEST(objects_of_a_study_share_its_numbers)
{
    add("1.1", "1.1.1", "1", "A");
    add("1.1", "1.1.2", "2", "A");
    add("1.1", "1.1.1", "3", "A");
    add("1.2", "1.1.1", "4", "B");
    add("1.3", "1.3.1", "5", "A");
    ingest_group(all, n, places);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(places[i].study, 1);
        ck_assert_uint_eq(places[i].many, 3);
        ck_assert_int_eq(places[i].leads, i == 0);
        ck_assert_int_eq(places[i].brings_series, i < 2);
        ck_assert_uint_eq(places[i].patient, 1);
    }
    ck_assert_uint_eq(places[0].series, 1);
    ck_assert_uint_eq(places[1].series, 2);
    ck_assert_uint_eq(places[2].series, 1);
    /* the UID of a series belongs to its study */
    ck_assert_uint_eq(places[3].study, 2);
    ck_assert_uint_eq(places[3].series, 3);
    ck_assert(places[3].leads && places[3].brings_series);
    ck_assert_uint_eq(places[3].patient, 2);
    ck_assert_uint_eq(places[4].study, 3);
    ck_assert_uint_eq(places[4].patient, 1);
}
END_TEST

START_TEST(the_same_uid_from_another_centre_is_another_study)
{
    add("1.1", "1.1.1", "1", "A");
    add("1.1", "1.1.1", "1", "A")->centre_id = 2;
    ck_assert_int_lt(ingest_group_compare(all[0], all[1]), 0);
    ingest_group(all, n, places);
    ck_assert_uint_eq(places[0].study, 1);
    ck_assert_uint_eq(places[1].study, 2);
    ck_assert_uint_eq(places[1].patient, 2);
    ck_assert_uint_eq(places[1].many, 1);
}
END_TEST

/* Each of these makes its whole study one that is decided object by object, and no other. */
START_TEST(what_is_not_plain)
{
    static const struct store_object original;
    for (unsigned i = 0; i < 5; i++) {
        n = 0;
        add("1.1", "1.1.1", "1", i == 0 ? " " : "A");
        add("1.1", "1.1.1", i == 1 ? "1" : "2", i == 0 ? " " : i == 2 ? "B" : "A");
        add("1.2", "1.2.1", "3", "A");
        if (i == 3)
            records[1].original = &original;
        if (i == 4)
            snprintf(headers[1].accession_number, sizeof headers[1].accession_number, "X");
        ingest_group(all, n, places);
        ck_assert_uint_eq(places[0].study, 0);
        ck_assert_uint_eq(places[1].study, 0);
        ck_assert_uint_eq(places[2].study, 1);
    }
}
END_TEST

START_TEST(one_object_speaks_for_its_study)
{
    add("1.1", "1.1.1", "1", "A");
    add("1.1", "1.1.1", "2", "A")->priority = "urgent";
    add("1.1", "1.1.1", "3", "A")->single = true;
    add("1.2", "1.2.1", "4", "A")->priority = "stat";
    add("1.2", "1.2.1", "5", "A")->priority = "urgent";
    add("1.3", "1.3.1", "6", "A")->priority = "routine";
    ingest_group(all, n, places);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(places[i].complete, i < 3);
        ck_assert_pstr_eq(places[i].priority, i < 3 ? "urgent" : i < 5 ? "stat" : NULL);
    }
}
END_TEST

START_TEST(the_order_is_of_study_and_instance)
{
    add("1.1", "9", "2", "A");
    add("1.1", "1", "3", "A");
    add("1.10", "1", "1", "A");
    ck_assert_int_lt(ingest_group_compare(all[0], all[1]), 0);
    ck_assert_int_lt(ingest_group_compare(all[1], all[2]), 0);
    ck_assert_int_gt(ingest_group_compare(all[2], all[0]), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ingest_group");
    TCase *t = tcase_create("group");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, objects_of_a_study_share_its_numbers);
    tcase_add_test(t, the_same_uid_from_another_centre_is_another_study);
    tcase_add_test(t, what_is_not_plain);
    tcase_add_test(t, one_object_speaks_for_its_study);
    tcase_add_test(t, the_order_is_of_study_and_instance);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
