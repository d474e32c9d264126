/* HL7 messages, orders out of them, and acknowledgements. */
#include "hl7/hl7_message.h"
#include "hl7/hl7_order.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hl7_message m;
static struct base_error error;

static const char order_text[] =
    "MSH|^~\\&|HIS|QINGHE|RDC|RDC|20260131080000||ORM^O01|MSG1|P|2.5.1|||AL|NE||UNICODE UTF-8\r"
    "PID|1||P1^^^QINGHE^PI~11010119900307233X^^^CN^NNCHN||测试^一||19900307|M\r"
    "PV1|1|O||||||Ref^Erring\r"
    "ORC|NW|PL1^HIS|F1|||||||||123^王^医生\r"
    "OBR|1|PL1^HIS||CTCH^胸部\\T\\CT^L||||||||||||||ACC1||||||CT|||^^^202601311000^^S\r"
    "ZDS|1.2.3.4^^Application^DICOM\r";

static void parse(const char *text)
{
    ck_assert_int_eq(hl7_parse(base_bytes_str(text), &m, &error), BASE_OK);
}

START_TEST(fields_are_found_by_their_numbers)
{
    char out[64];
    parse(order_text);
    ck_assert_uint_eq(m.n, 6);
    ck_assert(hl7_text(&m, 0, 1, 0, 0, out, sizeof out));
    ck_assert_str_eq(out, "|");
    ck_assert(hl7_text(&m, 0, 10, 0, 1, out, sizeof out));
    ck_assert_str_eq(out, "MSG1");
    ck_assert_uint_eq(hl7_repetitions(&m, 1, 3), 2);
    ck_assert(hl7_text(&m, 1, 3, 1, 5, out, sizeof out));
    ck_assert_str_eq(out, "NNCHN");
    ck_assert(!hl7_text(&m, 1, 99, 0, 1, out, sizeof out));
    ck_assert(!hl7_text(&m, 77, 1, 0, 1, out, sizeof out));
}
END_TEST

START_TEST(a_header_within_a_message_may_be_its_name_alone)
{
    static const char text[] = "MSH|^~\\&|HIS\rMSH";
    char out[64];
    char *copy = malloc(sizeof text - 1); /* without its NUL, so that a read beyond it is seen */
    memcpy(copy, text, sizeof text - 1);
    ck_assert_int_eq(hl7_parse(base_bytes_of(copy, sizeof text - 1), &m, &error), BASE_OK);
    ck_assert(!hl7_text(&m, 1, 1, 0, 0, out, sizeof out));
    ck_assert(!hl7_text(&m, 1, 2, 0, 0, out, sizeof out));
    free(copy);
}
END_TEST

START_TEST(escapes_stand_for_the_delimiters)
{
    char out[64];
    parse("MSH|^~\\&|a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\.br\\g\\X410D0A42C4\\h\\Z\\\\XZZ\\i\r");
    ck_assert(hl7_text(&m, 0, 3, 0, 0, out, sizeof out));
    ck_assert_str_eq(out, "a|b^c&d~e\\f\ngA\nBhi");
}
END_TEST

START_TEST(text_is_cut_at_a_character)
{
    char out[6];
    parse("MSH|^~\\&|测试一\r");
    ck_assert(hl7_text(&m, 0, 3, 0, 1, out, sizeof out));
    ck_assert_str_eq(out, "测");
}
END_TEST

START_TEST(what_is_no_message_is_refused_with_its_place)
{
    ck_assert_int_eq(hl7_parse(base_bytes_str("PID|1\r"), &m, &error), BASE_EFORMAT);
    ck_assert_int_eq(hl7_parse(base_bytes_str("MSH||||||\r"), &m, &error), BASE_EFORMAT);
    ck_assert_int_eq(hl7_parse(base_bytes_str("MSH|^~\\&|a\rpid|1\r"), &m, &error), BASE_EFORMAT);
    ck_assert_uint_eq(error.pos, 11);
    ck_assert_int_eq(hl7_parse(base_bytes_str(""), &m, &error), BASE_EFORMAT);
    static const struct base_bytes wide[] = {{(const uint8_t *)"M\0S\0H\0|\0", 8},
                                             {(const uint8_t *)"\0M\0S\0H\0|", 8},
                                             {(const uint8_t *)"\xFF\xFEM\0S\0H\0", 8}};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        ck_assert_int_eq(hl7_parse(wide[i], &m, &error), BASE_EFORMAT);
        ck_assert_ptr_nonnull(strstr(error.msg, "UTF-16"));
    }
}
END_TEST

START_TEST(a_new_line_within_a_text_ends_no_segment)
{
    char out[64];
    parse("MSH|^~\\&|A\rOBR|1||||||||||||cough\nsince PID day\rNTE|1\r");
    ck_assert_uint_eq(m.n, 3);
    ck_assert(hl7_text(&m, 1, 13, 0, 0, out, sizeof out));
    ck_assert_str_eq(out, "cough\nsince PID day");
    parse("MSH|^~\\&|A\r\nOBR|1|a\nb\r\n\r\nNTE\r\n");
    ck_assert_uint_eq(m.n, 3);
    ck_assert_uint_eq(m.segments[1].text.n, 9);
    parse("MSH|^~\\&|A\rPID|1\nORC|NW\n\n");
    ck_assert_uint_eq(m.n, 3);
    parse("MSH|^~\\&|A\r\n  \r\nPID|1\r\n\t\r\n ");
    ck_assert_uint_eq(m.n, 2);
    ck_assert_int_eq(hl7_parse(base_bytes_str("MSH|^~\\&|A\nOBR|1|a\nb\n"), &m, &error),
                     BASE_EFORMAT);
}
END_TEST

START_TEST(no_prefix_of_a_message_breaks_the_parser)
{
    for (size_t n = 0; n < sizeof order_text; n++) {
        char *copy = malloc(n ? n : 1);
        struct base_buf out = {0};
        struct base_json j;
        struct hl7_problem problem;
        memcpy(copy, order_text, n);
        base_json_init(&j, &out);
        if (hl7_parse(base_bytes_of(copy, n), &m, &error) == BASE_OK)
            (void)!hl7_orders_write(&m, &j, &problem);
        base_buf_deinit(&out);
        free(copy);
    }
}
END_TEST

static enum base_err orders(const char *text, struct base_buf *out, struct hl7_problem *problem)
{
    struct base_json j;
    parse(text);
    base_json_init(&j, out);
    return hl7_orders_write(&m, &j, problem);
}

START_TEST(an_order_becomes_json)
{
    struct base_buf out = {0};
    struct hl7_problem problem;
    ck_assert_int_eq(orders(order_text, &out, &problem), BASE_OK);
    static const char *const parts[] = {"\"control\":\"\"",
                                        "\"patient_id\":\"P1\"",
                                        "\"resident_id\":\"11010119900307233X\"",
                                        "\"patient_name\":\"测试^一\"",
                                        "\"birth_date\":\"19900307\"",
                                        "\"sex\":\"M\"",
                                        "\"placer_number\":\"PL1\"",
                                        "\"placer_issuer\":\"HIS\"",
                                        "\"filler_number\":\"F1\"",
                                        "\"accession\":\"ACC1\"",
                                        "\"study_uid\":\"1.2.3.4\"",
                                        "\"modality\":\"CT\"",
                                        "\"procedure_code\":\"CTCH\"",
                                        "\"description\":\"胸部&CT\"",
                                        "\"scheduled_at\":\"202601311000\"",
                                        "\"priority\":\"stat\"",
                                        "\"requester\":\"王^医生\"",
                                        "\"referrer\":\"Erring\""};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(base_buf_cstr(&out), parts[i]) != NULL, "%s is not in %s", parts[i],
                      base_buf_cstr(&out));
    base_buf_deinit(&out);
}
END_TEST

static void check_order(const char *text, const char *want)
{
    struct base_buf out = {0};
    struct base_json j;
    struct hl7_problem problem = {.text = ""};
    parse(text);
    base_json_init(&j, &out);
    ck_assert_int_eq(hl7_orders_write(&m, &j, &problem), BASE_OK);
    ck_assert_msg(strstr(base_buf_cstr(&out), want) != NULL, "%s lacks %s", base_buf_cstr(&out),
                  want);
    base_buf_deinit(&out);
}

#define HEAD   "MSH|^~\\&|A|B|||2026||OMI^O23^OMI_O23|1|P|2.5.1\r"
#define PERSON "PID|1||P1||X\r"

START_TEST(an_order_can_be_held_released_completed_and_cancelled)
{
    check_order(HEAD PERSON "ORC|HD|PL1\r", "\"control\":\"change\",\"hold\":\"true\"");
    check_order(HEAD PERSON "ORC|RL|PL1\r", "\"control\":\"change\",\"hold\":\"false\"");
    check_order(HEAD PERSON "ORC|DC|PL1\r", "\"control\":\"cancel\"");
    check_order(HEAD PERSON "ORC|SC|PL1|||CM\r", "\"control\":\"complete\"");
    check_order(HEAD PERSON "ORC|SC|PL1|||CA\r", "\"control\":\"cancel\"");
}
END_TEST

START_TEST(an_imaging_order_has_its_step_in_ipc_and_its_time_in_tq1)
{
    static const char imaging[] = HEAD PERSON
        "ORC|NW|PL1\rTQ1|1||||||202601311000||A\rOBR|1|PL1||C1^x^L||||||||||||||||||||RUS\r"
        "IPC|ACC9|RP|1.2.3|SP|CT|||^Room|QH_CT\r";
    check_order(imaging, "\"accession\":\"ACC9\",\"study_uid\":\"1.2.3\",\"modality\":\"CT\"");
    check_order(imaging, "\"station\":\"QH_CT\"");
    check_order(imaging, "\"scheduled_at\":\"202601311000\"");
    check_order(imaging, "\"priority\":\"urgent\"");
    check_order(HEAD PERSON "ORC|NW|PL1\rOBR|1|||C1^x^L||||||||||||||||||||RUS\r",
                "\"modality\":\"US\"");
}
END_TEST

START_TEST(each_obr_of_an_orc_is_an_order)
{
    static const char several[] =
        HEAD PERSON "ORC|NW|PL1^HIS||||||||||1^Wang\rTQ1|1||||||202601311000||S\r"
                    "OBR|1|PL1^HIS||C1^x^L||||||||||||||ACC1||||||CT\r"
                    "OBR|2|PL2^HIS||C2^y^L||||||||||||||ACC2||||||DX\r"
                    "OBR|3|PL1^HIS||C3^z^L||||||||||||||ACC3||||||US\r"
                    "ORC|CA|PL9^HIS\r";
    check_order(several,
                "\"placer_number\":\"PL1\",\"placer_issuer\":\"HIS\",\"accession\":\"ACC1\"");
    check_order(several,
                "\"placer_number\":\"PL2\",\"placer_issuer\":\"HIS\",\"accession\":\"ACC2\","
                "\"modality\":\"DX\",\"procedure_code\":\"C2\",\"procedure_scheme\":\"L\","
                "\"description\":\"y\",\"scheduled_at\":\"202601311000\","
                "\"priority\":\"stat\",\"requester\":\"Wang\"");
    /* The number of the first is not taken twice: the third would change it. */
    check_order(several, "\"placer_issuer\":\"HIS\",\"accession\":\"ACC3\",\"modality\":\"US\"");
    check_order(several, "\"control\":\"cancel\",\"patient_id\":\"P1\",\"patient_name\":\"X\","
                         "\"placer_number\":\"PL9\"");
    check_order(HEAD PERSON "ORC|RP|PL1\rORC|RO|PL2\rOBR|1|PL2||C^x||||||||||||||||||||CT\r",
                "\"control\":\"cancel\"");
}
END_TEST

/* The patient of the earlier result has another ID, and a visit of its own. */
START_TEST(an_earlier_result_that_comes_with_an_order_is_no_order)
{
    static const char general[] =
        "MSH|^~\\&|A|B|||2026||OMG^O19^OMG_O19|1|P|2.5.1\r" PERSON
        "ORC|NW|PL1^HIS\rTQ1|1||||||202601311000||S\rOBR|1|PL1^HIS||C1^x^L"
        "||||||||||||||ACC1||||||CT\r"
        "PID|1||OLD||X\rPV1|1|O||||||^Wang|||||||||||V9\r"
        "ORC|PR|PL0^HIS\rOBR|1|PL0^HIS||C0^before^L\rOBX|1|TX|1||text\r"
        "ORC|NW|PL2^HIS\rOBR|1|PL2^HIS||C2^y^L||||||||||||||ACC2||||||DX\r";
    struct base_buf out = {0};
    struct hl7_problem problem;
    ck_assert_int_eq(orders(general, &out, &problem), BASE_OK);
    const char *json = base_buf_cstr(&out);
    ck_assert_ptr_nonnull(strstr(json, "\"accession\":\"ACC1\",\"modality\":\"CT\""));
    ck_assert_ptr_nonnull(strstr(json, "\"accession\":\"ACC2\",\"modality\":\"DX\""));
    static const char *const absent[] = {"PL0", "before", "OLD", "V9", "referrer"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        ck_assert_msg(!strstr(json, absent[i]), "%s is in %s", absent[i], json);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(what_a_device_cannot_show_does_not_refuse_an_order)
{
    struct base_buf out = {0};
    struct hl7_problem problem;
    char text[400];
    check_order(HEAD "PID|1||P1||X||1990-03-07\rORC|CA|PL1\r", "\"birth_date\":\"1990-03-07\"");
    check_order(HEAD "PID|1||V7^^^^VN~P1^^^^MR~P2^^^^PI||X\rORC|CA|PL1\r", "\"patient_id\":\"P1\"");
    check_order(HEAD "PID|1||V7^^^^VN~K1^^^^HC||X\rORC|CA|PL1\r", "\"patient_id\":\"V7\"");
    check_order(HEAD "PID|1||P1||X||199003071230\rORC|CA|PL1\r", "\"birth_date\":\"19900307\"");
    ck_assert_int_eq(orders(HEAD "PID|1||P1||X||199003\rORC|CA|PL1\r", &out, &problem), BASE_OK);
    ck_assert_ptr_null(strstr(base_buf_cstr(&out), "birth_date"));
    base_buf_reset(&out);
    ck_assert_int_eq(orders(HEAD "PID|1||P1||X||19900300\rORC|CA|PL1\r", &out, &problem), BASE_OK);
    ck_assert_ptr_null(strstr(base_buf_cstr(&out), "birth_date"));
    base_buf_deinit(&out);
    snprintf(text, sizeof text, HEAD PERSON "ORC|NW|PL1\rOBR|1|||C1^%065d\\E\\^L\r", 7);
    check_order(
        text,
        "\"description\":\"0000000000000000000000000000000000000000000000000000000000000000\"");
    check_order(HEAD PERSON "ORC|NW|PL1\rOBR|1|||C1^a\\E\\b\\.br\\c^L\r",
                "\"description\":\"a b c\"");
    check_order(HEAD PERSON
                "ORC|NW|PL1\rOBR|1|||C1^x^L\rIPC|||||CT||测试测试测试测试测试|^01234567890123456\r",
                "\"location\":\"0123456789012345\"");
}
END_TEST

START_TEST(names_in_several_scripts_are_the_groups_of_one)
{
    check_order(HEAD "PID|1||P1||CE^SHIYI^^^^^L^A~测^试一^^^^^L^I\rORC|CA|PL1\r",
                "\"patient_name\":\"CE^SHIYI=测^试一\"");
    check_order(HEAD "PID|1||P1||CE^SHIYI~测^试一^^^^^L^I\rORC|CA|PL1\r",
                "\"patient_name\":\"测^试一\"");
    check_order(HEAD "PID|1||P1||测^试一~CE\rORC|CA|PL1\r", "\"patient_name\":\"测^试一\"");
    /* a maiden name is not half of the legal one */
    check_order(HEAD "PID|1||P1||LI^SI^^^^^M^A~测^试一^^^^^L^I\rORC|CA|PL1\r",
                "\"patient_name\":\"测^试一\"");
    check_order(HEAD "PID|1||P1||LI^SI^^^^^A~CE^SHIYI^^^^^L\rORC|CA|PL1\r",
                "\"patient_name\":\"CE^SHIYI\"");
    check_order(HEAD "PID|1||P1||LI^SI^^^^^M\rORC|CA|PL1\r", "\"patient_name\":\"LI^SI\"");
    check_order(HEAD "PID|1||P1||TE\\S\\ST^O\\E\\N=E\\.br\\\rORC|CA|PL1\r",
                "\"patient_name\":\"TE ST^O N E \"");
}
END_TEST

/* Chapter 3, and 2.5.3: what is null there is left as it is. */
START_TEST(what_the_registration_says_of_a_patient_becomes_json)
{
    static const char *const events[] = {"A08", "A31"};
    for (size_t i = 0; i < 2; i++) {
        char text[256];
        struct base_buf out = {0};
        struct hl7_problem problem;
        snprintf(text, sizeof text,
                 "MSH|^~\\&|||||||ADT^%s^ADT_A01|1|P|2.5\rEVN||2026\r"
                 "PID|1||P1^^^Q^MR||测^试一||\"\"|F\rPV1|1|O\r",
                 events[i]);
        ck_assert_int_eq(orders(text, &out, &problem), BASE_OK);
        ck_assert_str_eq(base_buf_cstr(&out), "[{\"control\":\"patient\",\"patient_id\":\"P1\","
                                              "\"patient_name\":\"测^试一\",\"sex\":\"F\"}]");
        base_buf_deinit(&out);
    }
    check_order(HEAD "PID|1||P1||\"\"\rORC|CA|PL1\r", "\"patient_id\":\"P1\",\"placer_number\"");
}
END_TEST

START_TEST(a_message_that_is_no_order_is_refused_as_table_0357_says)
{
    static const struct {
        const char *text;
        const char *code;
    } rows[] = {
        {"MSH|^~\\&|||||||ORU^R01|1|P|2.5\r", "200"},
        {"MSH|^~\\&|||||||ADT^A01|1|P|2.5\r", "201"},
        {"MSH|^~\\&|||||||ADT^A08|1|P|2.5\r", "100"},
        {"MSH|^~\\&|||||||ADT^A08|1|P|2.5\rPID|1||110101199003074477^^^^NI||A\r", "101"},
        {"MSH|^~\\&|||||||ADT^A08|1|P|2.5\rPID|1||A\rPID|2||B\r", "100"},
        {"MSH|^~\\&|||||||ORM^O02|1|P|2.5\r", "201"},
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\r", "100"},
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\rPID|1\r", "100"},
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\rPID|1\rORC|NW\r", "100"},
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\rPID|1\rORC|ZZ\rOBR|1\r", "103"},
        /* the end of a frame got lost: the second order is not the first one's patient's */
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\rPID|1||A\rORC|NW|1\rOBR|1\r"
         "MSH|^~\\&|||||||ORM^O01|2|P|2.5\rPID|1||B\rORC|NW|2\rOBR|1\r",
         "100"},
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\rPID|1||A\rORC|NW|1\rOBR|1\rPID|2||B\rORC|NW|2\rOBR|1\r",
         "100"},
        {"MSH|^~\\&|||||||ORM^O01|1|P|2.5\rPID|1||A\rORC|NW|1\rOBR|1\rOBR|2\r", "101"},
        {"MSH|^~\\&|||||||OMG^O23|1|P|2.5\rPID|1||A\rORC|NW|1\rOBR|1\r", "201"},
        /* an earlier result without its ORC, or an order without */
        {"MSH|^~\\&|||||||OMG^O19|1|P|2.5\rPID|1||A\rORC|NW|1\rOBR|1|1\rOBR|1|2\r", "100"},
        {"MSH|^~\\&|||||||OMG^O19|1|P|2.5\rPID|1||A\rORC|PR|1\rOBR|1|1\r", "100"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct base_buf out = {0};
        struct hl7_problem problem;
        ck_assert_int_ne(orders(rows[i].text, &out, &problem), BASE_OK);
        ck_assert_str_eq(problem.code, rows[i].code);
        base_buf_deinit(&out);
    }
}
END_TEST

START_TEST(an_acknowledgement_answers_the_sender)
{
    struct base_buf out = {0};
    parse(order_text);
    hl7_write_ack(&m,
                  &(struct hl7_ack){.code = "AE",
                                    .text = "wrong | value",
                                    .error_code = "103",
                                    .error_name = "Table value not found",
                                    .location = "ORC^1^1",
                                    .control_id = "A1",
                                    .time = "20260131080001"},
                  &out);
    ck_assert_str_eq(base_buf_cstr(&out),
                     "MSH|^~\\&|RDC|RDC|HIS|QINGHE|20260131080001||ACK^O01^ACK|A1|P|2.5.1||||||"
                     "UNICODE UTF-8\rMSA|AE|MSG1\r"
                     "ERR||ORC^1^1|103^Table value not found^HL70357|E||||wrong \\F\\ value\r");
    base_buf_reset(&out);
    hl7_write_ack(NULL, &(struct hl7_ack){.code = "AR", .control_id = "A2", .time = "2026"}, &out);
    ck_assert_str_eq(base_buf_cstr(&out),
                     "MSH|^~\\&|||||2026||ACK|A2|P|2.5.1||||||UNICODE UTF-8\rMSA|AR|\r");
    base_buf_deinit(&out);
}
END_TEST

START_TEST(an_acknowledgement_is_of_the_version_of_its_message)
{
    static const struct {
        const char *version;
        const char *answer;
    } cases[] = {
        {"2.1", "ACK|A1|P|2.1||||||UNICODE UTF-8\rMSA|AE|1|why|||103^what^HL70357\r"
                "ERR|PID^1^3^103&what&HL70357\r"},
        {"2.3", "ACK^O01|A1|P|2.3||||||UNICODE UTF-8\rMSA|AE|1|why|||103^what^HL70357\r"
                "ERR|PID^1^3^103&what&HL70357\r"},
        {"2.4^CHN", "ACK^O01^ACK|A1|P|2.4||||||UNICODE UTF-8\rMSA|AE|1|why|||103^what^HL70357\r"
                    "ERR|PID^1^3^103&what&HL70357\r"},
        {"2.8.2", "ACK^O01^ACK|A1|P|2.8.2||||||UNICODE UTF-8\rMSA|AE|1\r"
                  "ERR||PID^1^3^1^4|103^what^HL70357|E||||why\r"},
        {"3.0", "ACK^O01^ACK|A1|P|2.5.1||||||UNICODE UTF-8\rMSA|AE|1\r"
                "ERR||PID^1^3^1^4|103^what^HL70357|E||||why\r"},
    };
    const struct hl7_ack ack = {"AE", "why", "103", "what", "PID^1^3^1^4", "A1", "2026"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        struct base_buf out = {0};
        snprintf(text, sizeof text, "MSH|^~\\&|A|B|||2026||ORM^O01|1|P|%s\r", cases[i].version);
        parse(text);
        hl7_write_ack(&m, &ack, &out);
        ck_assert_str_eq(strstr(base_buf_cstr(&out), "ACK"), cases[i].answer);
        base_buf_deinit(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hl7_message");
    TCase *tc = tcase_create("messages");
    tcase_add_test(tc, fields_are_found_by_their_numbers);
    tcase_add_test(tc, a_header_within_a_message_may_be_its_name_alone);
    tcase_add_test(tc, escapes_stand_for_the_delimiters);
    tcase_add_test(tc, text_is_cut_at_a_character);
    tcase_add_test(tc, what_is_no_message_is_refused_with_its_place);
    tcase_add_test(tc, a_new_line_within_a_text_ends_no_segment);
    tcase_add_test(tc, no_prefix_of_a_message_breaks_the_parser);
    tcase_add_test(tc, an_order_becomes_json);
    tcase_add_test(tc, an_order_can_be_held_released_completed_and_cancelled);
    tcase_add_test(tc, an_imaging_order_has_its_step_in_ipc_and_its_time_in_tq1);
    tcase_add_test(tc, each_obr_of_an_orc_is_an_order);
    tcase_add_test(tc, an_earlier_result_that_comes_with_an_order_is_no_order);
    tcase_add_test(tc, what_a_device_cannot_show_does_not_refuse_an_order);
    tcase_add_test(tc, names_in_several_scripts_are_the_groups_of_one);
    tcase_add_test(tc, what_the_registration_says_of_a_patient_becomes_json);
    tcase_add_test(tc, a_message_that_is_no_order_is_refused_as_table_0357_says);
    tcase_add_test(tc, an_acknowledgement_answers_the_sender);
    tcase_add_test(tc, an_acknowledgement_is_of_the_version_of_its_message);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
