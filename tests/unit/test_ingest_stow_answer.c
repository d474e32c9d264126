#include "ingest/ingest_stow_answer.h"

#include <check.h>

static const struct {
    const char *accept;
    enum ingest_stow_form form;
} accepts[] = {
    {NULL, INGEST_STOW_JSON},
    {"*/*", INGEST_STOW_JSON},
    {"application/dicom+json", INGEST_STOW_JSON},
    {"application/dicom+xml", INGEST_STOW_XML},
    {"Application/DICOM+XML , text/html", INGEST_STOW_XML},
    {"application/dicom+xml;q=0.5, application/dicom+json;q=0.4", INGEST_STOW_XML},
    {"application/dicom+xml;q=0.4, */*", INGEST_STOW_JSON},
    {"*/*, application/dicom+json; q=0.1", INGEST_STOW_XML},
    {"application/dicom+json;q=0, application/*;q=0.1", INGEST_STOW_XML},
    {"text/html", INGEST_STOW_NEITHER},
    {"application/dicom+xmlish", INGEST_STOW_NEITHER},
    {"application/dicom+xml;q=0", INGEST_STOW_NEITHER},
    {"", INGEST_STOW_NEITHER},
};

START_TEST(the_form_that_accept_prefers_is_taken)
{
    ck_assert_msg(ingest_stow_form_of(accepts[_i].accept) == accepts[_i].form, "%s",
                  accepts[_i].accept);
}
END_TEST

static struct ingest_many_item good = {.sop_class = "1.2",
                                       .sop_instance = "1.3",
                                       .series = "1.6",
                                       .message = "",
                                       .stored = {.study_uid = "1.4"}};
static struct ingest_many_item bad = {.sop_class = "1.2",
                                      .sop_instance = "1<5&",
                                      .err = BASE_EFORMAT,
                                      .message =
                                          "a comment of more than 64 characters is cut at a whole "
                                          "字字字字字字字字字字字字"};
static struct ingest_many_item other = {
    .sop_class = "", .sop_instance = "", .err = BASE_ENOSPC, .message = "full"};

static int answer(enum ingest_stow_form form, struct ingest_many_item **items, size_t n,
                  const char *want)
{
    struct base_buf out = {0};
    int status = ingest_stow_answer(form, "https://h:8443", items, n, &out);
    if (want)
        ck_assert_str_eq(base_buf_cstr(&out), want);
    base_buf_deinit(&out);
    return status;
}

START_TEST(each_instance_stands_in_its_sequence)
{
    struct ingest_many_item *all[] = {&good, &bad, &other};
    ck_assert_int_eq(
        answer(INGEST_STOW_JSON, all, 3,
               "{\"00081190\":{\"vr\":\"UR\",\"Value\":[\"https://h:8443/dicom-web/studies/1.4\"]},"
               "\"00081198\":{\"vr\":\"SQ\",\"Value\":[{\"00000902\":{\"vr\":\"LO\","
               "\"Value\":[\"a comment of "
               "more than 64 characters is cut at a whole 字字字字字字字字字\"]},"
               "\"00081150\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]},"
               "\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1<5&\"]},"
               "\"00081197\":{\"vr\":\"US\",\"Value\":[49152]}}]},"
               "\"00081199\":{\"vr\":\"SQ\",\"Value\":[{\"00081150\":{\"vr\":\"UI\","
               "\"Value\":[\"1.2\"]},"
               "\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1.3\"]},"
               "\"00081190\":{\"vr\":\"UR\",\"Value\":[\"https://h:8443/dicom-web/"
               "studies/1.4/series/1.6/instances/1.3\"]}}]},"
               "\"0008119A\":{\"vr\":\"SQ\",\"Value\":[{\"00000902\":{\"vr\":\"LO\","
               "\"Value\":[\"full\"]},"
               "\"00081197\":{\"vr\":\"US\",\"Value\":[42752]}}]}}"),
        202);
    ck_assert_int_eq(
        answer(INGEST_STOW_XML, &all[1], 1,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<NativeDicomModel "
               "xmlns=\"http://dicom.nema.org/"
               "PS3.19/models/NativeDICOM\" xml:space=\"preserve\"><DicomAttribute "
               "tag=\"00081198\" vr=\"SQ\" "
               "keyword=\"FailedSOPSequence\"><Item number=\"1\"><DicomAttribute tag=\"00000902\" "
               "vr=\"LO\" "
               "keyword=\"ErrorComment\"><Value number=\"1\">a comment of more than 64 characters "
               "is cut at a "
               "whole 字字字字字字字字字</Value></DicomAttribute><DicomAttribute tag=\"00081150\" "
               "vr=\"UI\" "
               "keyword=\"ReferencedSOPClassUID\"><Value number=\"1\">1.2</Value></DicomAttribute>"
               "<DicomAttribute tag=\"00081155\" vr=\"UI\" "
               "keyword=\"ReferencedSOPInstanceUID\"><Value "
               "number=\"1\">1&lt;5&amp;</Value></DicomAttribute><DicomAttribute tag=\"00081197\" "
               "vr=\"US\" "
               "keyword=\"FailureReason\"><Value number=\"1\">49152</Value></DicomAttribute></Item>"
               "</DicomAttribute></NativeDicomModel>\n"),
        409);
}
END_TEST

/* PS3.18 Table 10.5.3-1 */
START_TEST(the_status_is_that_of_all)
{
    struct ingest_many_item *all[] = {&good, &other, &bad};
    ck_assert_int_eq(answer(INGEST_STOW_JSON, all, 1, NULL), 200);
    ck_assert_int_eq(answer(INGEST_STOW_JSON, all, 2, NULL), 202);
    ck_assert_int_eq(answer(INGEST_STOW_JSON, all + 1, 1, NULL), 503);
    ck_assert_int_eq(answer(INGEST_STOW_JSON, all + 1, 2, NULL), 409);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest_stow_answer");
    TCase *tc = tcase_create("all");
    tcase_add_loop_test(tc, the_form_that_accept_prefers_is_taken, 0,
                        (int)(sizeof accepts / sizeof accepts[0]));
    tcase_add_test(tc, each_instance_stands_in_its_sequence);
    tcase_add_test(tc, the_status_is_that_of_all);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
