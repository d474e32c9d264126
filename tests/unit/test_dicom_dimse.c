#include "dicom/dicom_dataset.h"
#include "dicom/dicom_dimse.h"
#include "hex_fixture.h"

#include <stdlib.h>

/* One of each command, with every field that it may have. */
static struct dicom_dimse sample(uint16_t command, bool has_dataset)
{
    struct dicom_dimse c = {
        .command = command,
        .message_id = 7,
        .responded_id = 8,
        .priority = DIMSE_PRIORITY_HIGH,
        .status = 0xFF00,
        .has_dataset = has_dataset,
        .sop_class = DICOM_UID_CT_IMAGE,
        .sop_instance = "1.2.3.4.5",
        .move_destination = "DEST",
        .move_originator = "MOVER",
        .move_originator_id = 9,
        .event_type = 1,
        .action_type = 2,
        .has_counts = true,
        .remaining = 3,
        .completed = 4,
        .failed = 5,
        .warning = 6,
        .error_comment = "because",
        .error_id = 0xA710,
        .offending = DICOM_TAG_PatientID,
        .attributes = base_bytes_of("\x10\0\x20\0", 4),
    };
    return c;
}

#define ROW(name, value, required, further, data) {value, (required) | (further), data, required},
static const struct {
    uint16_t command;
    unsigned fields;
    int data;
    unsigned required;
} rows[] = {DICOM_DIMSE_MAP(ROW)};
#undef ROW
enum { ROWS = sizeof rows / sizeof rows[0] };

START_TEST(every_command_survives_encoding_and_decoding)
{
    struct base_buf b = {0};
    struct dicom_dimse back;
    struct base_error error;
    unsigned f = rows[_i].fields;
    struct dicom_dimse c = sample(rows[_i].command, rows[_i].data != 0);
    dicom_dimse_encode(&c, &b);
    ck_assert_int_eq(b.err, BASE_OK);
    ck_assert_uint_eq(b.n % 2, 0);
    ck_assert_uint_eq(base_load_le32(b.p + 8), b.n - 12);
    ck_assert_msg(dicom_dimse_decode(base_buf_bytes(&b), &back, &error) == BASE_OK, "%s",
                  error.msg);
    ck_assert_uint_eq(back.command, c.command);
    ck_assert_int_eq(back.has_dataset, c.has_dataset);
    ck_assert_str_eq(back.sop_class, f & DIMSE_HAS_CLASS ? c.sop_class : "");
    ck_assert_str_eq(back.sop_instance, f & DIMSE_HAS_INSTANCE ? c.sop_instance : "");
    ck_assert_uint_eq(back.message_id, f & DIMSE_HAS_MESSAGE ? 7 : 0);
    ck_assert_uint_eq(back.responded_id, f & DIMSE_HAS_RESPONDED ? 8 : 0);
    ck_assert_uint_eq(back.priority, f & DIMSE_HAS_PRIORITY ? 1 : 0);
    ck_assert_uint_eq(back.status, f & DIMSE_HAS_STATUS ? 0xFF00 : 0);
    ck_assert_str_eq(back.error_comment, f & DIMSE_HAS_STATUS ? "because" : "");
    ck_assert_uint_eq(back.error_id, f & DIMSE_HAS_STATUS ? 0xA710 : 0);
    ck_assert_uint_eq(back.offending, f & DIMSE_HAS_STATUS ? DICOM_TAG_PatientID : 0);
    ck_assert_str_eq(back.move_destination, f & DIMSE_HAS_DESTINATION ? "DEST" : "");
    ck_assert_str_eq(back.move_originator, f & DIMSE_HAS_ORIGINATOR ? "MOVER" : "");
    ck_assert_int_eq(back.has_counts, (f & DIMSE_HAS_COUNTS) != 0);
    ck_assert_uint_eq(back.warning, f & DIMSE_HAS_COUNTS ? 6 : 0);
    ck_assert_uint_eq(back.event_type, f & DIMSE_HAS_EVENT ? 1 : 0);
    ck_assert_uint_eq(back.action_type, f & DIMSE_HAS_ACTION ? 2 : 0);
    ck_assert_uint_eq(back.attributes.n, f & DIMSE_HAS_ATTRIBUTES ? 4 : 0);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(every_short_prefix_of_a_command_set_is_refused)
{
    struct base_buf b = {0};
    struct dicom_dimse back;
    struct base_error error;
    struct dicom_dimse c = sample(DIMSE_C_STORE_RQ, true);
    c.move_originator[0] = 0;
    dicom_dimse_encode(&c, &b);
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *p = malloc(n + 1);
        memcpy(p, b.p, n);
        if (dicom_dimse_decode(base_bytes_of(p, n), &back, &error) == BASE_OK)
            ck_assert_uint_eq(back.offending, DICOM_TAG_AffectedSOPInstanceUID);
        else
            ck_assert_uint_gt(strlen(error.msg), 10);
        free(p);
    }
    base_buf_deinit(&b);
}
END_TEST

static void refuse(struct base_buf *b, enum base_err code, const char *message)
{
    struct dicom_dimse back;
    struct base_error error;
    ck_assert_int_eq(dicom_dimse_decode(base_buf_bytes(b), &back, &error), code);
    ck_assert_msg(strstr(error.msg, message) != NULL, "%s", error.msg);
    base_buf_deinit(b);
}

START_TEST(what_is_wrong_with_a_command_set_is_said)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_int(&w, DICOM_TAG_MessageID, 1);
    refuse(&b, BASE_EFORMAT, "Command Field (0000,0100) is missing");
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_int(&w, DICOM_TAG_CommandField, 0x0099);
    refuse(&b, BASE_EUNSUPPORTED, "unknown command 0099H");
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_AffectedSOPClassUID, "1.2");
    dicom_write_int(&w, DICOM_TAG_CommandField, DIMSE_C_ECHO_RQ);
    refuse(&b, BASE_EFORMAT, "C_ECHO_RQ: (0000,0110) MessageID is missing");
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_AffectedSOPClassUID, "1.2");
    dicom_write_int(&w, DICOM_TAG_CommandField, DIMSE_C_ECHO_RSP);
    dicom_write_int(&w, DICOM_TAG_CommandDataSetType, 0x0101);
    refuse(&b, BASE_EFORMAT, "C_ECHO_RSP: (0000,0120) MessageIDBeingRespondedTo is missing");
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write(&w, DICOM_TAG_CommandField, DICOM_VR_US, "abcd", 4);
    refuse(&b, BASE_EFORMAT, "(0000,0100) CommandField is not 2 bytes long");
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_PatientID, "P1");
    refuse(&b, BASE_EFORMAT, "(0010,0020) PatientID does not belong into a command set");
    base_buf_add(&b, "\0\0\2\0\xFF\xFF\xFF\xFF", 8);
    refuse(&b, BASE_EFORMAT, "has undefined length");
    base_buf_add(&b, "\0\0\2\0\x50\0\0\0", 8);
    base_buf_add_fill(&b, '1', 0x50);
    refuse(&b, BASE_EFORMAT, "(0000,0002) AffectedSOPClassUID is too long or no plain text");
}
END_TEST

/* What the peer is told: the tag of Offending Element, and Error Comment. */
static void answer_to(struct base_buf *b, uint32_t offending, const char *comment)
{
    struct dicom_dimse rq;
    struct dicom_dimse rsp;
    struct base_error error;
    ck_assert_int_eq(dicom_dimse_decode(base_buf_bytes(b), &rq, &error), BASE_OK);
    ck_assert_uint_eq(rq.fault, DIMSE_MISTYPED_ARGUMENT);
    ck_assert_uint_eq(rq.offending, offending);
    ck_assert_str_eq(rq.error_comment, comment);
    ck_assert_uint_eq(rq.message_id, 9);
    rsp = dicom_dimse_response(&rq, rq.fault);
    base_buf_reset(b);
    dicom_dimse_encode(&rsp, b);
    ck_assert_int_eq(dicom_dimse_decode(base_buf_bytes(b), &rsp, &error), BASE_OK);
    ck_assert_uint_eq(rsp.status, DIMSE_MISTYPED_ARGUMENT);
    ck_assert_uint_eq(rsp.responded_id, 9);
    base_buf_deinit(b);
}

static void request(struct base_buf *b, uint32_t tag, const char *sop_class,
                    enum dicom_dimse_command command, int type)
{
    struct dicom_writer w;
    dicom_writer_init(&w, b, DICOM_IMPLICIT_LE);
    if (tag)
        dicom_write_text(&w, tag, sop_class);
    dicom_write_int(&w, DICOM_TAG_CommandField, command);
    dicom_write_int(&w, DICOM_TAG_MessageID, 9);
    dicom_write_int(&w, DICOM_TAG_CommandDataSetType, type);
}

START_TEST(a_wrong_request_can_be_answered_when_its_message_id_is_known)
{
    struct base_buf b = {0};
    request(&b, 0, NULL, DIMSE_C_STORE_RQ, 1);
    answer_to(&b, DICOM_TAG_AffectedSOPClassUID,
              "C_STORE_RQ: (0000,0002) AffectedSOPClassUID is missing");
    request(&b, DICOM_TAG_AffectedSOPClassUID, "1.2", DIMSE_N_EVENT_REPORT_RQ, 1);
    answer_to(&b, DICOM_TAG_AffectedSOPInstanceUID,
              "N_EVENT_REPORT_RQ: (0000,1000) AffectedSOPInstanceUID is missing");
    request(&b, DICOM_TAG_AffectedSOPClassUID, "1.2", DIMSE_C_ECHO_RQ, 1);
    answer_to(&b, 0, "C_ECHO_RQ: must not have a data set");
    request(&b, DICOM_TAG_AffectedSOPClassUID, "1.2", DIMSE_C_FIND_RQ, 0x0101);
    answer_to(&b, 0, "C_FIND_RQ: lacks a data set");
    request(&b, DICOM_TAG_RequestedSOPClassUID, "1.2\n3", DIMSE_N_DELETE_RQ, 0x0101);
    answer_to(&b, DICOM_TAG_RequestedSOPClassUID,
              "(0000,0003) RequestedSOPClassUID is too long or no plain text");
}
END_TEST

START_TEST(a_store_request_is_taken_whatever_its_originator)
{
    struct base_buf b = {0};
    struct dicom_dimse rq;
    struct base_error error;
    struct dicom_writer w;
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_AffectedSOPClassUID, "1.2");
    dicom_write_int(&w, DICOM_TAG_CommandField, DIMSE_C_STORE_RQ);
    dicom_write_int(&w, DICOM_TAG_MessageID, 9);
    dicom_write(&w, DICOM_TAG_Priority, DICOM_VR_US, "abcd", 4);
    dicom_write_int(&w, DICOM_TAG_CommandDataSetType, 1);
    dicom_write_text(&w, DICOM_TAG_AffectedSOPInstanceUID, "1.2.3");
    dicom_write_text(&w, DICOM_TAG_MoveOriginatorApplicationEntityTitle, "longer than 16 bytes");
    dicom_write(&w, DICOM_TAG_MoveOriginatorMessageID, DICOM_VR_US, "abcd", 4);
    ck_assert_int_eq(dicom_dimse_decode(base_buf_bytes(&b), &rq, &error), BASE_OK);
    ck_assert_uint_eq(rq.fault, 0);
    ck_assert_str_eq(rq.move_originator, "");
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_response_answers_its_request)
{
    struct dicom_dimse rq = sample(DIMSE_C_STORE_RQ, true);
    struct dicom_dimse rsp = dicom_dimse_response(&rq, DIMSE_STORE_OUT_OF_RESOURCES);
    ck_assert_uint_eq(rsp.command, DIMSE_C_STORE_RSP);
    ck_assert_uint_eq(rsp.responded_id, 7);
    ck_assert_str_eq(rsp.sop_instance, "1.2.3.4.5");
    ck_assert(!rsp.has_dataset);
    ck_assert_str_eq(dicom_dimse_status_class(rsp.status), "failure");
    ck_assert_str_eq(dicom_dimse_status_class(0), "success");
    ck_assert_str_eq(dicom_dimse_status_class(0xB007), "warning");
    ck_assert_str_eq(dicom_dimse_status_class(0xFF01), "pending");
    ck_assert_str_eq(dicom_dimse_status_class(0xFE00), "cancel");
}
END_TEST

/* -- assembler -- */

static void feed(struct dicom_assembler *a, struct dicom_pdu_decoder *d, struct base_bytes in,
                 struct base_buf *out)
{
    struct dicom_pdu pdu;
    struct dicom_message m;
    struct base_error error;
    enum dicom_pdu_step step;
    while ((step = dicom_pdu_decode(d, &in, &pdu)) != DICOM_PDU_MORE) {
        ck_assert_int_ne(step, DICOM_PDU_INVALID);
        if (step != DICOM_PDU_FRAGMENT)
            continue;
        ck_assert_msg(dicom_assembler_take(a, &pdu, &m, &error) == BASE_OK, "%s", error.msg);
        if (m.kind == DICOM_MESSAGE_COMMAND)
            base_buf_printf(out, "%d %04X%s\n", m.context, a->cmd.command, m.last ? " last" : "");
        if (m.kind == DICOM_MESSAGE_DATA) {
            base_buf_add(out, m.bytes.p, m.bytes.n);
            if (m.last)
                base_buf_printf(out, " %d end\n", m.context);
        }
    }
}

static void add_fragment(struct base_buf *b, uint8_t context, bool command, bool last,
                         const void *p, size_t n)
{
    uint8_t head[DICOM_DATA_HEADER];
    dicom_data_header(context, command, last, (uint32_t)n, head);
    base_buf_add(b, head, sizeof head);
    base_buf_add(b, p, n);
}

/* A C-STORE whose command and data set come in several fragments, then a C-ECHO. */
static void add_messages(struct base_buf *b)
{
    struct base_buf cmd = {0};
    struct dicom_dimse c = sample(DIMSE_C_STORE_RQ, true);
    dicom_dimse_encode(&c, &cmd);
    add_fragment(b, 3, true, false, cmd.p, 50);
    add_fragment(b, 3, true, true, cmd.p + 50, cmd.n - 50);
    add_fragment(b, 3, false, false, "abc", 3);
    add_fragment(b, 3, false, false, "", 0);
    add_fragment(b, 3, false, true, "def", 3);
    base_buf_reset(&cmd);
    c = sample(DIMSE_C_ECHO_RQ, false);
    dicom_dimse_encode(&c, &cmd);
    add_fragment(b, 1, true, true, cmd.p, cmd.n);
    base_buf_deinit(&cmd);
}

START_TEST(messages_are_assembled_however_they_are_split)
{
    struct base_buf b = {0};
    add_messages(&b);
    for (size_t at = 0; at <= b.n; at++) {
        struct base_buf out = {0};
        struct dicom_assembler a;
        struct dicom_pdu_decoder d;
        dicom_assembler_init(&a);
        dicom_pdu_decoder_init(&d, 0);
        feed(&a, &d, base_bytes_of(b.p, at), &out);
        feed(&a, &d, base_bytes_of(b.p + at, b.n - at), &out);
        ck_assert_str_eq(base_buf_cstr(&out), "3 0001\nabcdef 3 end\n1 0030 last\n");
        dicom_pdu_decoder_deinit(&d);
        dicom_assembler_deinit(&a);
        base_buf_deinit(&out);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(the_exchange_fixture_holds_a_c_echo)
{
    struct base_buf b = {0};
    struct base_buf out = {0};
    struct dicom_assembler a;
    struct dicom_pdu_decoder d;
    hex_fixture("pdu/exchange.hex", &b);
    dicom_assembler_init(&a);
    dicom_pdu_decoder_init(&d, 0);
    feed(&a, &d, base_bytes_of(b.p, 80), &out);
    ck_assert_str_eq(base_buf_cstr(&out), "1 0030 last\n");
    ck_assert_uint_eq(a.cmd.message_id, 7);
    ck_assert_str_eq(a.cmd.sop_class, DICOM_UID_VERIFICATION);
    dicom_pdu_decoder_deinit(&d);
    dicom_assembler_deinit(&a);
    base_buf_deinit(&b);
    base_buf_deinit(&out);
}
END_TEST

static enum base_err take(struct dicom_assembler *a, uint8_t context, bool command, bool last,
                          struct base_bytes bytes, struct base_error *error)
{
    struct dicom_message m;
    struct dicom_pdu f = {
        .context = context, .command = command, .last = last, .ends = true, .bytes = bytes};
    return dicom_assembler_take(a, &f, &m, error);
}

START_TEST(fragments_out_of_order_are_refused)
{
    struct dicom_assembler a;
    struct base_buf cmd = {0};
    struct base_error error;
    struct dicom_dimse c = sample(DIMSE_C_STORE_RQ, true);
    struct base_bytes none = {NULL, 0};
    dicom_dimse_encode(&c, &cmd);
    dicom_assembler_init(&a);
    ck_assert_int_eq(take(&a, 1, false, true, none, &error), BASE_EFORMAT);
    ck_assert_str_eq(error.msg, "a data set without a command");
    ck_assert_int_eq(take(&a, 1, true, true, base_buf_bytes(&cmd), &error), BASE_OK);
    ck_assert_int_eq(take(&a, 1, true, true, base_buf_bytes(&cmd), &error), BASE_EFORMAT);
    ck_assert_str_eq(error.msg, "a command before the end of a data set");
    ck_assert_int_eq(take(&a, 3, false, false, none, &error), BASE_EFORMAT);
    ck_assert_str_eq(error.msg, "a fragment of context 3 inside a message of context 1");
    dicom_assembler_deinit(&a);
    dicom_assembler_init(&a);
    static const uint8_t big[DICOM_COMMAND_MAX + 1];
    ck_assert_int_eq(take(&a, 1, true, false, base_bytes_of(big, sizeof big), &error), BASE_ELIMIT);
    dicom_assembler_deinit(&a);
    base_buf_deinit(&cmd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dicom_dimse");
    TCase *t = tcase_create("command");
    tcase_add_loop_test(t, every_command_survives_encoding_and_decoding, 0, ROWS);
    tcase_add_test(t, a_store_request_is_taken_whatever_its_originator);
    tcase_add_test(t, a_wrong_request_can_be_answered_when_its_message_id_is_known);
    tcase_add_test(t, every_short_prefix_of_a_command_set_is_refused);
    tcase_add_test(t, what_is_wrong_with_a_command_set_is_said);
    tcase_add_test(t, a_response_answers_its_request);
    suite_add_tcase(s, t);
    t = tcase_create("assembler");
    tcase_add_test(t, messages_are_assembled_however_they_are_split);
    tcase_add_test(t, the_exchange_fixture_holds_a_c_echo);
    tcase_add_test(t, fragments_out_of_order_are_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
