/* Orders as FHIR: what is read out of them, what is refused and where, and back. */
#include "hl7/hl7_fhir.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EN(code)                                                                                   \
    "\"extension\":[{\"url\":\"http://hl7.org/fhir/StructureDefinition/"                           \
    "iso21090-EN-representation\",\"valueCode\":\"" code "\"}]"
#define NAMES                                                                                      \
    "[{" EN("IDE") ",\"text\":\"测试一\"},{" EN("ABC") ",\"family\":\"CE\",\"given\":[\"SHI\","    \
                                                       "\"YI\"]}]"
#define PATIENT(names)                                                                             \
    "{\"resourceType\":\"Patient\",\"id\":\"p\",\"identifier\":[{\"value\":\"X\"},"                \
    "{\"type\":{\"coding\":[{\"code\":\"MR\"}]},\"value\":\"P1\"},"                                \
    "{\"type\":{\"coding\":[{\"code\":\"NNCHN\"}]},\"value\":\"11010119800102002X\"}],"            \
    "\"name\":" names ",\"gender\":\"female\",\"birthDate\":\"1980-01-02\"}"
#define ORDER(more)                                                                                \
    "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\",\"intent\":\"order\","             \
    "\"code\":{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"24627-2\","                 \
    "\"display\":\"CT\"}]},\"contained\":[" PATIENT(                                               \
        NAMES) "],"                                                                                \
               "\"subject\":{\"reference\":\"#p\"}" more "}"

static struct hl7_fhir_issue issue;

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, 0, &e);
    ck_assert_msg(v != NULL, "%s at %d: %s", e.text, e.position, text);
    return v;
}

static json_t *read_order(const char *text, enum base_err want)
{
    json_t *resource = parse(text);
    json_t *request = NULL;
    memset(&issue, 0, sizeof issue);
    enum base_err err = hl7_fhir_read_order(resource, &request, &issue);
    json_decref(resource);
    ck_assert_msg(err == want, "%s: %s %s", base_err_text(err), issue.expression, issue.text);
    return request;
}

static void check_member(const char *more, const char *key, const char *value)
{
    char text[4096];
    json_t *request;
    snprintf(text, sizeof text, "%s", more);
    request = read_order(text, BASE_OK);
    const char *got = json_string_value(json_object_get(json_object_get(request, "order"), key));
    ck_assert_msg(value ? got && strcmp(got, value) == 0 : !got, "%s is %s", key,
                  got ? got : "absent");
    json_decref(request);
}

START_TEST(an_order_becomes_what_the_database_takes)
{
    static const char *const members[][2] = {{"patient_id", "P1"},
                                             {"resident_id", "11010119800102002X"},
                                             {"patient_name", "CE^SHI YI=测试一"},
                                             {"birth_date", "1980-01-02"},
                                             {"sex", "F"},
                                             {"control", ""},
                                             {"hold", "false"},
                                             {"priority", "routine"},
                                             {"procedure_code", "24627-2"},
                                             {"procedure_scheme", "LN"},
                                             {"description", "CT"},
                                             {"modality", NULL}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        check_member(ORDER(""), members[i][0], members[i][1]);
    check_member(ORDER(",\"category\":[{\"coding\":[{\"system\":\"http://terminology.hl7.org/"
                       "CodeSystem/v2-0074\",\"code\":\"EC\"}]}]"),
                 "modality", "ECG");
    check_member(ORDER(",\"identifier\":[{\"value\":\"U\"},{\"type\":{\"coding\":[{\"code\":"
                       "\"PLAC\"}]},\"system\":\"urn:x\",\"value\":\"P\"}]"),
                 "placer_number", "P");
    check_member(ORDER(",\"identifier\":[{\"value\":\"U\",\"assigner\":{\"display\":\"HIS\"}}]"),
                 "placer_issuer", "HIS");
    check_member(
        ORDER(",\"identifier\":[{\"system\":\"urn:dicom:uid\",\"value\":\"urn:oid:2.25.1\"}]"),
        "study_uid", "2.25.1");
    check_member(ORDER(",\"occurrencePeriod\":{\"start\":\"2030-01-31T08:30:00.5+08:00\"}"),
                 "scheduled_at", "2030-01-31T08:30:00.5+08:00");
    check_member(ORDER(",\"performer\":[{\"type\":\"Device\",\"identifier\":{\"value\":\"QH_CT\"}},"
                       "{\"display\":\"Li\"}]"),
                 "station", "QH_CT");
    check_member(ORDER(",\"encounter\":{\"identifier\":{\"value\":\"A1\"}}"), "admission_id", "A1");
    /* the site's own type before that of table 0203 */
    check_member(ORDER(",\"identifier\":[{\"type\":{\"coding\":[{\"system\":\"urn:his\","
                       "\"code\":\"SQD\"},{\"system\":\"http://terminology.hl7.org/CodeSystem/"
                       "v2-0203\",\"code\":\"ACSN\"}]},\"value\":\"A9\"}]"),
                 "accession", "A9");
    check_member(ORDER(",\"identifier\":[{\"value\":\"P\"},{\"use\":\"old\",\"type\":{\"coding\":[{"
                       "\"code\":\"PLAC\"}]},\"value\":\"O\"}]"),
                 "placer_number", "P");
    check_member(ORDER(",\"reasonCode\":[{\"coding\":[{\"display\":\"咳嗽\"}]}]"), "reason",
                 "咳嗽");
    /* what is for people to read is cut to what a device shows */
    check_member(
        ORDER(",\"locationReference\":[{\"display\":\"放射科二楼东侧\\n第三检查室（门诊楼）\"}]"),
        "location", "放射科二楼东侧 第三检查室（门诊");
    check_member(ORDER(",\"locationReference\":[{\"display\":\"Radiology, second floor\"}]"),
                 "location", "Radiology, secon");
}
END_TEST

#define NAMED(names)                                                                               \
    "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\",\"intent\":\"order\","             \
    "\"code\":{\"text\":\"CT\"},\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"p\","        \
    "\"name\":[" names "]}],\"subject\":{\"reference\":\"#p\"}}"

START_TEST(each_representation_of_a_name_has_its_group)
{
    check_member(NAMED("{\"text\":\"测试一\"}"), "patient_name", "测试一");
    check_member(NAMED("{\"family\":\"测\",\"given\":[\"试一\"]}"), "patient_name", "测^试一");
    check_member(NAMED("{\"given\":[\"Yi\"]}"), "patient_name", "^Yi");
    check_member(NAMED("{" EN("IDE") ",\"text\":\"测试一\"},{" EN("SYL") ",\"text\":\"CE SHIYI\"}"),
                 "patient_name", "CE SHIYI=测试一");
    check_member(NAMED("{" EN("SYL") ",\"text\":\"やまだ\"},{" EN("IDE") ",\"text\":\"山田\"}"),
                 "patient_name", "=山田=やまだ");
    check_member(NAMED("{\"family\":\"Ce\",\"_family\":{" EN("ABC") "},\"suffix\":[\"Jr\"]}"),
                 "patient_name", "Ce^^^^Jr");
    check_member(
        NAMED("{\"use\":\"old\",\"text\":\"Old\"},{\"use\":\"official\",\"text\":\"New\"}"),
        "patient_name", "New");
    /* not half of an old name and half of the new one */
    check_member(
        NAMED("{\"use\":\"old\",\"family\":\"LI\",\"given\":[\"SI\"]},{\"use\":\"official\","
              "\"text\":\"测试一\"}"),
        "patient_name", "测试一");
    check_member(NAMED("{\"use\":\"maiden\",\"text\":\"Old\"}"), "patient_name", "Old");
    /* both scripts in one HumanName */
    check_member(NAMED("{\"text\":\"测试一\",\"family\":\"CE\",\"given\":[null,\"SHI\",\"YI\"]}"),
                 "patient_name", "CE^SHI YI=测试一");
    check_member(
        NAMED("{\"text\":\"Ce Shiyi\",\"family\":\"测\"},{" EN("ABC") ",\"family\":\"CE\"}"),
        "patient_name", "CE=测");
    check_member(NAMED("{\"text\":\"CE SHIYI\",\"family\":\"CE\"}"), "patient_name", "CE");
}
END_TEST

#define OF_PATIENT(identifiers)                                                                    \
    "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\",\"intent\":\"order\",\"code\":{"   \
    "\"coding\":[{\"display\":\"CT\"},{\"code\":\"C1\"}]},\"contained\":[{\"resourceType\":"       \
    "\"Patient\",\"id\":\"p\",\"name\":[{\"text\":\"X\"}],\"identifier\":[" identifiers            \
    "]}],\"subject\":{\"reference\":\"#p\"}}"

START_TEST(what_a_person_is_not_known_by_any_more_is_passed_over)
{
    check_member(
        OF_PATIENT("{\"use\":\"old\",\"type\":{\"coding\":[{\"code\":\"MR\"}]},"
                   "\"value\":\"A\"},{\"use\":\"official\",\"type\":{\"coding\":[{\"code\":"
                   "\"MR\"}]},\"value\":\"B\"}"),
        "patient_id", "B");
    check_member(OF_PATIENT("{\"value\":\"A\"}"), "procedure_code", "C1");
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_place)
{
    static const struct {
        const char *text;
        const char *code;
        const char *expression;
    } wrong[] = {
        {"{\"resourceType\":\"Patient\"}", "value", "ServiceRequest.resourceType"},
        {"{\"resourceType\":[]}", "structure", "ServiceRequest.resourceType"},
        {"{\"resourceType\":\"ServiceRequest\"}", "required", "ServiceRequest.status"},
        {ORDER(",\"implicitRules\":\"x\""), "not-supported", "ServiceRequest.implicitRules"},
        {ORDER(",\"doNotPerform\":1"), "structure", "ServiceRequest.doNotPerform"},
        {ORDER(",\"priority\":\"\""), "structure", "ServiceRequest.priority"},
        {ORDER(",\"identifier\":{}"), "structure", "ServiceRequest.identifier"},
        {ORDER(",\"identifier\":[{\"system\":\"urn:dicom:uid\",\"value\":\"urn:oid:1..2\"}]"),
         "value", "ServiceRequest.identifier[0].value"},
        {ORDER(",\"identifier\":[{\"system\":\"urn:dicom:uid\",\"value\":\"urn:oid:1.02\"}]"),
         "value", "ServiceRequest.identifier[0].value"},
        {ORDER(",\"occurrenceTiming\":{}"), "not-supported", "ServiceRequest.occurrenceTiming"},
        {ORDER(",\"occurrenceDateTime\":\"2030-01-31T08:30\""), "value",
         "ServiceRequest.occurrenceDateTime"},
        {ORDER(",\"occurrenceDateTime\":\"2030-01-31T08:30:00+0800\""), "value",
         "ServiceRequest.occurrenceDateTime"},
        {ORDER(",\"performer\":[{\"type\":\"Device\",\"identifier\":{\"value\":"
               "\"12345678901234567\"}}]"),
         "too-long", "ServiceRequest.performer[0].identifier.value"},
        {ORDER(",\"requester\":{\"display\":\"a\\u0001\"}"), "value",
         "ServiceRequest.requester.display"},
        {NAMED("\"x\""), "structure", "ServiceRequest.contained[0].name[0]"},
        {NAMED("{\"text\":\"a=b\"}"), "value", "ServiceRequest.contained[0].name[0].text"},
        {NAMED("{\"given\":[1]}"), "structure", "ServiceRequest.contained[0].name[0].given"},
        {NAMED(""), "required", "ServiceRequest.contained[0].name"},
        {NAMED("{\"text\":\"a\\nb\"}"), "value", "ServiceRequest.contained[0].name[0].text"},
        {NAMED("{\"text\":\"a\"}],\"modifierExtension\":[{\"url\":\"urn:x\"}"), "extension",
         "ServiceRequest.contained[0].modifierExtension"},
        {"{\"resourceType\":\"ServiceRequest\",\"status\":\"active\",\"intent\":\"order\","
         "\"code\":{\"coding\":[]}}",
         "required", "ServiceRequest.code"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        read_order(wrong[i].text, BASE_EFORMAT);
        ck_assert_str_eq(issue.expression, wrong[i].expression);
        ck_assert_str_eq(issue.code, wrong[i].code);
        ck_assert_int_eq(issue.status, 422);
        ck_assert_str_ne(issue.text, "");
    }
}
END_TEST

#define ENTRY(url, resource, request)                                                              \
    "{\"fullUrl\":\"" url "\",\"resource\":" resource ",\"request\":{" request "}}"
#define BUNDLE(type, entries)                                                                      \
    "{\"resourceType\":\"Bundle\",\"type\":\"" type "\",\"entry\":[" entries "]}"
#define LOOSE                                                                                      \
    "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\",\"intent\":\"order\","             \
    "\"code\":{\"text\":\"CT\"},\"subject\":{\"reference\":\"urn:uuid:1\"}}"

static enum base_err read_bundle(const char *text, json_t **out)
{
    json_t *bundle = parse(text);
    bool atomic;
    memset(&issue, 0, sizeof issue);
    enum base_err err = hl7_fhir_read_bundle(bundle, &atomic, out, &issue);
    json_decref(bundle);
    return err;
}

START_TEST(a_transaction_resolves_what_its_entries_refer_to)
{
    json_t *out = NULL;
    ck_assert_int_eq(
        read_bundle(BUNDLE("transaction", ENTRY("urn:uuid:2", LOOSE,
                                                "\"method\":\"PUT\",\"ifMatch\":\"W/\\\"3\\\"\","
                                                "\"url\":\"ServiceRequest?identifier=urn%3Ax%"
                                                "7CP1\"") "," ENTRY("urn:uuid:1", PATIENT(NAMES),
                                                                    "\"method\":\"PUT\",\"url\":"
                                                                    "\"Patient/p\"")),
                    &out),
        BASE_OK);
    json_t *want = parse("[{\"method\":\"PUT\",\"version\":3,\"identifier\":{\"system\":\"urn:x\","
                         "\"value\":\"P1\"}},{}]");
    json_t *order = json_object_get(json_array_get(out, 0), "order");
    ck_assert_str_eq(json_string_value(json_object_get(order, "patient_id")), "P1");
    ck_assert(json_is_true(json_object_get(order, "correct_patient")));
    json_object_del(json_array_get(out, 0), "order");
    ck_assert(json_equal(out, want));
    json_decref(want);
    json_decref(out);
}
END_TEST

/* A PractitionerRole contains its Practitioner, as the order its Patient, by the same id; and a
 * version stands in the reference to the Patient. */
START_TEST(what_an_entry_contains_is_its_own)
{
    json_t *out = NULL;
    static const char order_of[] =
        "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\",\"intent\":\"order\","
        "\"code\":{\"text\":\"CT\"},\"subject\":{\"reference\":\"Patient/p/_history/2\"},"
        "\"contained\":[{\"resourceType\":\"Practitioner\",\"id\":\"c\",\"name\":[{\"text\":"
        "\"Wrong\"}]}],\"requester\":{\"reference\":\"urn:uuid:3\"}}";
    char text[4096];
    snprintf(
        text, sizeof text, BUNDLE("transaction", "%s"),
        ENTRY("urn:uuid:1", PATIENT(NAMES), "\"method\":\"POST\",\"url\":\"Patient\"") "," ENTRY(
            "urn:uuid:3",
            "{\"resourceType\":\"PractitionerRole\",\"practitioner\":{\"reference\":\"#c\"},"
            "\"contained\":[{\"resourceType\":\"Practitioner\",\"id\":\"c\",\"name\":[{\"text\":"
            "\"Right\"}]}]}",
            "\"method\":\"POST\",\"url\":\"PractitionerRole\"") ",{\"resource\":");
    char *end = text + strlen(text) - 2;
    snprintf(end, sizeof text - (size_t)(end - text),
             "%s,\"request\":{\"method\":\"POST\",\"url\":\"ServiceRequest\"}}]}", order_of);
    ck_assert_msg(read_bundle(text, &out) == BASE_OK, "%s %s", issue.expression, issue.text);
    json_t *order = json_object_get(json_array_get(out, 2), "order");
    ck_assert_str_eq(json_string_value(json_object_get(order, "requester")), "Right");
    ck_assert_str_eq(json_string_value(json_object_get(order, "patient_id")), "P1");
    json_decref(out);
}
END_TEST

START_TEST(a_batch_tells_of_each_wrong_entry_and_a_transaction_of_the_first)
{
    json_t *out = NULL;
    ck_assert_int_eq(
        read_bundle(BUNDLE("batch", ENTRY("urn:uuid:2", LOOSE, "\"method\":\"POST\"") ",1"), &out),
        BASE_OK);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(out, i), "status")),
                         422);
    json_decref(out);
    static const char *const wrong[][2] = {
        {BUNDLE("message", ""), "Bundle.type"},
        {"{\"resourceType\":\"List\"}", "Bundle.resourceType"},
        {BUNDLE("transaction", "{}"), "Bundle.entry[0].resource"},
        {BUNDLE("transaction", ENTRY("", ORDER(""), "\"method\":\"DELETE\"")),
         "Bundle.entry[0].request.method"},
        {BUNDLE("transaction",
                ENTRY("", ORDER(""), "\"method\":\"PUT\",\"url\":\"ServiceRequest/x\"")),
         "Bundle.entry[0].request.url"},
        {BUNDLE("transaction", ENTRY("", ORDER(",\"id\":\"8\""),
                                     "\"method\":\"PUT\",\"url\":\"ServiceRequest/7\"")),
         "Bundle.entry[0].resource.id"},
        {BUNDLE("transaction", ENTRY("", ORDER(""),
                                     "\"method\":\"POST\",\"url\":\"ServiceRequest\","
                                     "\"ifNoneExist\":\"subject=1\"")),
         "Bundle.entry[0].request.ifNoneExist"},
        {BUNDLE("transaction", ENTRY("urn:uuid:1", LOOSE, "\"method\":\"POST\"")),
         "Bundle.entry[0].resource.subject.reference"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(read_bundle(wrong[i][0], &out), BASE_EFORMAT);
        ck_assert_str_eq(issue.expression, wrong[i][1]);
    }
}
END_TEST

static const char row[] =
    "{\"id\":7,\"version\":2,\"changed_at\":\"2030-01-01T00:00:00+00:00\",\"state\":\"held\","
    "\"accession\":\"A7\",\"placer_number\":\"P7\",\"placer_issuer\":\"HIS\","
    "\"study_uid\":\"2.25.7\",\"modality\":\"CT\",\"priority\":\"stat\",\"description\":\"胸部\","
    "\"procedure_code\":\"24627-2\",\"procedure_scheme\":\"LN\",\"station\":\"QH_CT\","
    "\"patient\":{\"id\":\"P1\",\"name\":\"测试一\",\"pinyin\":\"CE^SHIYI\",\"sex\":\"F\","
    "\"birth_date\":\"1980-01-02\",\"resident_id\":\"11010119800102002X\"}}";

START_TEST(what_is_written_is_read_as_the_same)
{
    json_t *v = parse(row);
    json_t *written = hl7_fhir_write_order(v);
    json_t *request = NULL;
    ck_assert_str_eq(json_string_value(json_object_get(written, "status")), "on-hold");
    ck_assert_int_eq(hl7_fhir_read_order(written, &request, &issue), BASE_OK);
    json_t *want = parse("{\"order\":{\"control\":\"\",\"hold\":\"true\",\"priority\":\"stat\","
                         "\"accession\":\"A7\",\"placer_number\":\"P7\",\"placer_issuer\":\"HIS\","
                         "\"study_uid\":\"2.25.7\",\"modality\":\"CT\",\"description\":\"胸部\","
                         "\"procedure_code\":\"24627-2\",\"procedure_scheme\":\"LN\","
                         "\"station\":\"QH_CT\",\"patient_id\":\"P1\","
                         "\"patient_name\":\"CE^SHIYI=测试一\",\"sex\":\"F\","
                         "\"birth_date\":\"1980-01-02\",\"resident_id\":\"11010119800102002X\"}}");
    char *text = json_dumps(request, JSON_SORT_KEYS);
    ck_assert_msg(json_equal(request, want), "%s", text);
    free(text);
    json_decref(want);
    json_decref(request);
    json_decref(written);
    json_decref(v);
}
END_TEST

START_TEST(a_name_is_written_with_all_its_parts)
{
    json_t *v = parse("{\"id\":7,\"version\":1,\"patient\":{\"name\":\"TEST^ONE^TWO^DR^JR\"},"
                      "\"modality\":\"CT\"}");
    json_t *written = hl7_fhir_write_order(v);
    json_t *request = NULL;
    ck_assert_int_eq(hl7_fhir_read_order(written, &request, &issue), BASE_OK);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(request, "order"), "patient_name")),
        "TEST^ONE TWO^^DR^JR");
    json_decref(request);
    json_decref(written);
    json_decref(v);
}
END_TEST

START_TEST(the_capability_statement_is_json)
{
    json_t *v = parse(hl7_fhir_capability);
    ck_assert_str_eq(json_string_value(json_object_get(v, "fhirVersion")), "4.0.1");
    json_decref(v);
}
END_TEST

static int allocations_left;

static void *failing_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

START_TEST(when_memory_runs_out_nothing_breaks)
{
    json_t *order = parse(ORDER(",\"requester\":{\"display\":\"x\"}"));
    json_t *v = parse(row);
    enum base_err err = BASE_ENOMEM;
    for (int n = 0; err; n++) {
        json_t *request = NULL;
        json_set_alloc_funcs(failing_malloc, free);
        allocations_left = n;
        err = hl7_fhir_read_order(order, &request, &issue);
        ck_assert(err == BASE_OK || err == BASE_ENOMEM);
        json_decref(request);
        allocations_left = n;
        json_decref(hl7_fhir_write_order(v));
        json_set_alloc_funcs(malloc, free);
    }
    json_decref(order);
    json_decref(v);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hl7_fhir");
    TCase *tc = tcase_create("orders");
    tcase_add_test(tc, an_order_becomes_what_the_database_takes);
    tcase_add_test(tc, each_representation_of_a_name_has_its_group);
    tcase_add_test(tc, what_a_person_is_not_known_by_any_more_is_passed_over);
    tcase_add_test(tc, what_is_wrong_is_told_with_its_place);
    tcase_add_test(tc, a_transaction_resolves_what_its_entries_refer_to);
    tcase_add_test(tc, a_batch_tells_of_each_wrong_entry_and_a_transaction_of_the_first);
    tcase_add_test(tc, what_an_entry_contains_is_its_own);
    tcase_add_test(tc, what_is_written_is_read_as_the_same);
    tcase_add_test(tc, a_name_is_written_with_all_its_parts);
    tcase_add_test(tc, the_capability_statement_is_json);
    tcase_add_test(tc, when_memory_runs_out_nothing_breaks);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
