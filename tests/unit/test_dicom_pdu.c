#include "dicom/dicom_negotiate.h"
#include "hex_fixture.h"
#include "storage_offers.h"

#include <stdlib.h>

/* What the decoder says about a stream, as text. */
static void trace(struct dicom_pdu_decoder *d, struct base_bytes in, struct base_buf *out)
{
    struct dicom_pdu pdu;
    enum dicom_pdu_step step;
    while ((step = dicom_pdu_decode(d, &in, &pdu)) != DICOM_PDU_MORE) {
        if (step == DICOM_PDU_INVALID) {
            base_buf_printf(out, "invalid %d at %d\n", (int)d->abort_reason, (int)d->error.pos);
            return;
        }
        if (step == DICOM_PDU_WHOLE) {
            base_buf_printf(out, "pdu %d of %zu\n", (int)pdu.type, pdu.body.n);
            continue;
        }
        /* Pieces of a fragment are joined, so that the trace does not depend on the split. */
        if (out->n && out->p[out->n - 1] != '\n')
            ck_assert_uint_gt(pdu.bytes.n + pdu.ends, 0);
        else
            base_buf_printf(out, "%d %s%s:", pdu.context, pdu.command ? "command" : "data",
                            pdu.last ? " last" : "");
        for (size_t i = 0; i < pdu.bytes.n; i++)
            base_buf_printf(out, "%02X", pdu.bytes.p[i]);
        if (pdu.ends)
            base_buf_add_byte(out, '\n');
    }
    ck_assert_uint_eq(in.n, 0);
}

static const char *const fixtures[] = {"pdu/associate_rq.hex", "pdu/associate_ac.hex",
                                       "pdu/exchange.hex"};

START_TEST(every_fixture_split_at_every_byte_decodes_the_same)
{
    struct base_buf bytes = {0};
    struct base_buf whole = {0};
    struct dicom_pdu_decoder d;
    hex_fixture(fixtures[_i], &bytes);
    dicom_pdu_decoder_init(&d, 16384);
    trace(&d, base_buf_bytes(&bytes), &whole);
    dicom_pdu_decoder_deinit(&d);
    ck_assert_ptr_null(strstr(base_buf_cstr(&whole), "invalid"));
    for (size_t at = 0; at <= bytes.n; at++) {
        struct base_buf split = {0};
        uint8_t *first = malloc(at + 1);
        uint8_t *second = malloc(bytes.n - at + 1);
        memcpy(first, bytes.p, at);
        memcpy(second, bytes.p + at, bytes.n - at);
        dicom_pdu_decoder_init(&d, 16384);
        trace(&d, base_bytes_of(first, at), &split);
        trace(&d, base_bytes_of(second, bytes.n - at), &split);
        ck_assert_str_eq(base_buf_cstr(&split), base_buf_cstr(&whole));
        dicom_pdu_decoder_deinit(&d);
        base_buf_deinit(&split);
        free(first);
        free(second);
    }
    base_buf_deinit(&bytes);
    base_buf_deinit(&whole);
}
END_TEST

START_TEST(every_fixture_byte_by_byte_decodes_the_same)
{
    struct base_buf bytes = {0};
    struct base_buf whole = {0};
    struct base_buf split = {0};
    struct dicom_pdu_decoder d;
    hex_fixture(fixtures[_i], &bytes);
    dicom_pdu_decoder_init(&d, 0);
    trace(&d, base_buf_bytes(&bytes), &whole);
    dicom_pdu_decoder_deinit(&d);
    dicom_pdu_decoder_init(&d, 0);
    for (size_t i = 0; i < bytes.n; i++)
        trace(&d, base_bytes_of(bytes.p + i, 1), &split);
    dicom_pdu_decoder_deinit(&d);
    ck_assert_str_eq(base_buf_cstr(&split), base_buf_cstr(&whole));
    base_buf_deinit(&bytes);
    base_buf_deinit(&whole);
    base_buf_deinit(&split);
}
END_TEST

START_TEST(the_exchange_is_understood)
{
    struct base_buf bytes = {0};
    struct base_buf out = {0};
    struct dicom_pdu_decoder d;
    hex_fixture("pdu/exchange.hex", &bytes);
    dicom_pdu_decoder_init(&d, 16384);
    trace(&d, base_buf_bytes(&bytes), &out);
    const char *rest = strchr(base_buf_cstr(&out), '\n');
    ck_assert_int_eq(strncmp(base_buf_cstr(&out), "1 command last:0000", 19), 0);
    ck_assert_str_eq(rest, "\n3 data:\n3 data:414243\n3 data last:4445\n"
                           "pdu 3 of 4\npdu 7 of 4\npdu 5 of 4\npdu 6 of 4\n");
    dicom_pdu_decoder_deinit(&d);
    base_buf_deinit(&bytes);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(malformed_pdus_are_refused_at_once_with_the_right_abort_reason)
{
    static const struct {
        const char bytes[16];
        size_t n;
        const char *trace;
    } cases[] = {
        {"\x08\0\0\0\0\4", 6, "invalid 1 at 6\n"},               /* no such PDU */
        {"\x16\3\1\2\0\1", 6, "invalid 1 at 6\n"},               /* TLS */
        {"\x05\0\0\0\0\5", 6, "invalid 6 at 6\n"},               /* release of 5 bytes */
        {"\x01\0\xFF\xFF\xFF\xFF", 6, "invalid 6 at 6\n"},       /* 4 GiB of request */
        {"\x04\0\0\0\x40\1", 6, "invalid 6 at 6\n"},             /* over the maximum length */
        {"\x04\0\0\0\0\5", 6, "invalid 6 at 6\n"},               /* no room for a fragment */
        {"\x04\0\0\0\0\6\0\0\0\1\1\3", 12, "invalid 6 at 12\n"}, /* fragment too short */
        {"\x04\0\0\0\0\6\0\0\0\3\1\3", 12, "invalid 6 at 12\n"}, /* … and too long */
        {"\x04\0\0\0\0\6\xFF\xFF\xFF\xFF\1\3", 12, "invalid 6 at 12\n"},
        {"\x04\0\0\0\0\6\0\0\0\2\2\3", 12, "invalid 6 at 12\n"}, /* even context */
    };
    struct dicom_pdu_decoder d;
    struct base_buf out = {0};
    dicom_pdu_decoder_init(&d, 16384);
    trace(&d, base_bytes_of(cases[_i].bytes, cases[_i].n), &out);
    ck_assert_str_eq(base_buf_cstr(&out), cases[_i].trace);
    ck_assert_int_ne(d.error.code, BASE_OK);
    struct base_bytes more = base_bytes_of("x", 1);
    struct dicom_pdu pdu;
    ck_assert_int_eq(dicom_pdu_decode(&d, &more, &pdu), DICOM_PDU_INVALID);
    dicom_pdu_decoder_deinit(&d);
    base_buf_deinit(&out);
}
END_TEST

/* -- A-ASSOCIATE -- */

static enum base_err decode(const struct base_buf *b, bool accept, struct base_arena *arena,
                            struct dicom_associate *a, struct base_error *error)
{
    return dicom_associate_decode(base_bytes_of(b->p + 6, b->n - 6), accept, arena, a, error);
}

START_TEST(a_full_request_is_decoded)
{
    struct base_buf b = {0};
    struct base_arena arena;
    struct dicom_associate a;
    struct base_error error;
    hex_fixture("pdu/associate_rq.hex", &b);
    base_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(decode(&b, false, &arena, &a, &error), BASE_OK);
    ck_assert_uint_eq(a.version, 1);
    ck_assert_str_eq(a.called, "RDC");
    ck_assert_str_eq(a.calling, "ECG_CART");
    ck_assert_str_eq(a.application_context, DICOM_UID_APPLICATION_CONTEXT);
    ck_assert_uint_eq(a.n_contexts, 2);
    ck_assert_uint_eq(a.contexts[0].id, 1);
    ck_assert_str_eq(a.contexts[0].abstract, DICOM_UID_VERIFICATION);
    ck_assert_uint_eq(a.contexts[1].id, 3);
    ck_assert_uint_eq(a.contexts[1].n_syntaxes, 2);
    ck_assert_str_eq(a.contexts[1].syntaxes[1], DICOM_UID_EXPLICIT_LE);
    ck_assert_uint_eq(a.max_length, 16384);
    ck_assert_str_eq(a.implementation_class, "1.2.3.4.5");
    ck_assert_str_eq(a.implementation_version, "CART_1");
    ck_assert(a.has_async && a.async_invoked == 0);
    ck_assert_uint_eq(a.n_roles, 1);
    ck_assert_str_eq(a.roles[0].sop_class, DICOM_UID_TWELVE_LEAD_ECG);
    ck_assert(!a.roles[0].scu && a.roles[0].scp);
    ck_assert_uint_eq(a.identity.type, 2);
    ck_assert(a.identity.response_requested);
    ck_assert(base_bytes_equal(a.identity.primary, base_bytes_str("bob")));
    ck_assert(base_bytes_equal(a.identity.secondary, base_bytes_str("pass")));
    base_arena_deinit(&arena);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_full_accept_is_decoded)
{
    struct base_buf b = {0};
    struct base_arena arena;
    struct dicom_associate a;
    struct base_error error;
    hex_fixture("pdu/associate_ac.hex", &b);
    base_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(decode(&b, true, &arena, &a, &error), BASE_OK);
    ck_assert_uint_eq(a.n_contexts, 2);
    ck_assert_uint_eq(a.contexts[0].result, DICOM_CONTEXT_ACCEPTED);
    ck_assert_str_eq(a.contexts[0].syntaxes[0], DICOM_UID_IMPLICIT_LE);
    ck_assert_uint_eq(a.contexts[1].result, DICOM_CONTEXT_ABSTRACT_SYNTAX);
    ck_assert_uint_eq(a.max_length, 0);
    ck_assert(a.has_identity_response);
    ck_assert(base_bytes_equal(a.identity_response, base_bytes_str("okay")));
    base_arena_deinit(&arena);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(what_is_encoded_decodes_to_the_same)
{
    struct base_buf b = {0};
    struct base_buf again = {0};
    struct base_arena arena;
    struct dicom_associate a;
    struct dicom_associate back;
    struct base_error error;
    bool accept = _i;
    hex_fixture(accept ? "pdu/associate_ac.hex" : "pdu/associate_rq.hex", &b);
    base_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(decode(&b, accept, &arena, &a, &error), BASE_OK);
    dicom_associate_encode(&a, accept, &again);
    ck_assert_int_eq(again.err, BASE_OK);
    ck_assert_uint_eq(base_load_be32(again.p + 2), again.n - 6);
    ck_assert_int_eq(decode(&again, accept, &arena, &back, &error), BASE_OK);
    ck_assert_uint_eq(back.n_contexts, a.n_contexts);
    for (unsigned i = 0; i < a.n_contexts; i++) {
        ck_assert_uint_eq(back.contexts[i].id, a.contexts[i].id);
        ck_assert_uint_eq(back.contexts[i].result, a.contexts[i].result);
        ck_assert_uint_eq(back.contexts[i].n_syntaxes, a.contexts[i].n_syntaxes);
    }
    ck_assert_uint_eq(back.n_roles, a.n_roles);
    ck_assert_uint_eq(back.identity.type, a.identity.type);
    ck_assert_int_eq(back.has_identity_response, a.has_identity_response);
    ck_assert_str_eq(back.implementation_version, a.implementation_version);
    ck_assert_str_eq(back.calling, a.calling);
    base_arena_deinit(&arena);
    base_buf_deinit(&b);
    base_buf_deinit(&again);
}
END_TEST

START_TEST(a_cut_associate_is_refused_unless_cut_between_items)
{
    struct base_buf b = {0};
    struct dicom_associate a;
    struct base_error error;
    unsigned good = 0;
    hex_fixture("pdu/associate_rq.hex", &b);
    for (size_t n = 0; n <= b.n - 6; n++) {
        struct base_arena arena;
        uint8_t *p = malloc(n + 1);
        memcpy(p, b.p + 6, n);
        base_arena_init(&arena, 1 << 20);
        enum base_err err = dicom_associate_decode(base_bytes_of(p, n), false, &arena, &a, &error);
        ck_assert(err == BASE_OK || err == BASE_EFORMAT);
        good += err == BASE_OK;
        base_arena_deinit(&arena);
        free(p);
    }
    ck_assert_uint_eq(good, 5); /* after the fixed part and each of four items */
    base_buf_deinit(&b);
}
END_TEST

START_TEST(an_arena_that_is_too_small_is_an_error_and_no_crash)
{
    struct base_buf b = {0};
    struct dicom_associate a;
    struct base_error error;
    hex_fixture("pdu/associate_rq.hex", &b);
    unsigned refused = 0;
    for (size_t limit = 1; limit < 2000; limit += 7) {
        struct base_arena arena;
        base_arena_init(&arena, limit);
        enum base_err err = decode(&b, false, &arena, &a, &error);
        ck_assert(err == BASE_OK || err == BASE_ENOMEM || err == BASE_EFORMAT);
        refused += err != BASE_OK;
        base_arena_deinit(&arena);
    }
    ck_assert_uint_gt(refused, 10);
    base_buf_deinit(&b);
}
END_TEST

static void patch_and_expect(size_t at, uint8_t value, const char *message)
{
    struct base_buf b = {0};
    struct base_arena arena;
    struct dicom_associate a;
    struct base_error error;
    hex_fixture("pdu/associate_rq.hex", &b);
    b.p[at] = value;
    base_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(decode(&b, false, &arena, &a, &error), BASE_EFORMAT);
    ck_assert_msg(strstr(error.msg, message) != NULL, "%s", error.msg);
    base_arena_deinit(&arena);
    base_buf_deinit(&b);
}

START_TEST(malformed_items_are_named)
{
    patch_and_expect(103, 2, "context id is not odd");
    patch_and_expect(153, 1, "used twice");
    patch_and_expect(130, 0xFF, "longer than its presentation context");
}
END_TEST

/* at: of the byte of the first context that is spoilt. */
static void spoil_and_negotiate(size_t at, uint8_t value, unsigned result)
{
    struct base_buf b = {0};
    struct base_arena arena;
    struct dicom_associate a;
    struct dicom_associate ac;
    struct base_error error;
    const struct dicom_offer offers[] = {
        {.sop_class = DICOM_UID_VERIFICATION, .syntaxes = DICOM_OFFER_UNCOMPRESSED},
        {.flags = DICOM_SOP_STORAGE | DICOM_SOP_PRIVATE, .syntaxes = DICOM_OFFER_STORED}};
    hex_fixture("pdu/associate_rq.hex", &b);
    b.p[at] = value;
    base_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(decode(&b, false, &arena, &a, &error), BASE_OK);
    ck_assert_int_eq(dicom_negotiate(&a, offers, 2, 0, &arena, &ac, NULL), BASE_OK);
    ck_assert_uint_eq(ac.contexts[0].result, result);
    ck_assert_uint_eq(ac.contexts[1].result, DICOM_CONTEXT_ACCEPTED);
    base_arena_deinit(&arena);
    base_buf_deinit(&b);
}

START_TEST(a_malformed_context_is_refused_by_itself)
{
    spoil_and_negotiate(107, 0x31, DICOM_CONTEXT_ABSTRACT_SYNTAX);   /* no abstract syntax */
    spoil_and_negotiate(111, '\n', DICOM_CONTEXT_ABSTRACT_SYNTAX);   /* none that is a UID */
    spoil_and_negotiate(128, 0x41, DICOM_CONTEXT_TRANSFER_SYNTAXES); /* no transfer syntax */
    spoil_and_negotiate(132, '\n', DICOM_CONTEXT_TRANSFER_SYNTAXES); /* none that is a UID */
}
END_TEST

START_TEST(too_many_contexts_are_over_the_limit)
{
    struct base_buf b = {0};
    struct base_arena arena;
    struct dicom_associate a;
    struct base_error error;
    base_buf_add_fill(&b, 0, 6 + 68);
    for (int i = 0; i < DICOM_CONTEXTS_MAX + 1; i++)
        base_buf_add(&b, "\x20\0\0\0", 4);
    base_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(decode(&b, false, &arena, &a, &error), BASE_ELIMIT);
    base_arena_deinit(&arena);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(fixed_pdus_are_encoded_as_the_standard_draws_them)
{
    struct base_buf b = {0};
    uint8_t head[DICOM_DATA_HEADER];
    dicom_reject_encode(
        (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_USER, DICOM_RJ_USER_CALLED_AET}, &b);
    dicom_abort_encode((struct dicom_abort){DICOM_ABORT_USER, 5}, &b);
    dicom_abort_encode((struct dicom_abort){DICOM_ABORT_PROVIDER, 6}, &b);
    dicom_release_encode(DICOM_PDU_RELEASE_RQ, &b);
    ck_assert_mem_eq(b.p,
                     "\3\0\0\0\0\4\0\1\1\7"
                     "\7\0\0\0\0\4\0\0\0\0"
                     "\7\0\0\0\0\4\0\0\2\6"
                     "\5\0\0\0\0\4\0\0\0\0",
                     40);
    dicom_data_header(5, true, true, 0x1234, head);
    ck_assert_mem_eq(head, "\4\0\0\0\x12\x3A\0\0\x12\x36\5\3", 12);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(strangers_are_recognised_by_their_first_bytes)
{
    static const struct {
        const char *first;
        enum dicom_stranger stranger;
    } cases[] = {
        {"", DICOM_STRANGER_NONE},
        {"\x01\x02", DICOM_STRANGER_NONE},
        {"\x16\x03\x01", DICOM_STRANGER_TLS},
        {"GET / HTTP/1.1", DICOM_STRANGER_HTTP},
        {"\x0BMSH|", DICOM_STRANGER_MLLP},
        {"SSH-2.0-x", DICOM_STRANGER_SSH},
        {"hello", DICOM_STRANGER_GARBAGE},
    };
    ck_assert_int_eq(dicom_stranger_of(base_bytes_str(cases[_i].first)), cases[_i].stranger);
    ck_assert_ptr_nonnull(dicom_stranger_text(cases[_i].stranger));
}
END_TEST

/* -- negotiation -- */

static const struct {
    const char *abstract;
    const char *syntaxes[4];
    uint8_t result;
    const char *chosen;
} proposals[] = {
    {DICOM_UID_VERIFICATION, {DICOM_UID_IMPLICIT_LE}, 0, DICOM_UID_IMPLICIT_LE},
    {DICOM_UID_VERIFICATION, {DICOM_UID_RLE}, 4, NULL},
    {DICOM_UID_CT_IMAGE, {DICOM_UID_IMPLICIT_LE, DICOM_UID_EXPLICIT_LE}, 0, DICOM_UID_EXPLICIT_LE},
    {DICOM_UID_CT_IMAGE, {DICOM_UID_EXPLICIT_BE, DICOM_UID_IMPLICIT_LE}, 0, DICOM_UID_EXPLICIT_BE},
    {DICOM_UID_CT_IMAGE, {DICOM_UID_JPEG_2000, DICOM_UID_EXPLICIT_LE}, 0, DICOM_UID_JPEG_2000},
    {DICOM_UID_CT_IMAGE, {"1.2.9", DICOM_UID_JPEG_LOSSLESS}, 0, DICOM_UID_JPEG_LOSSLESS},
    {DICOM_UID_CT_IMAGE, {"1.2.9", "1.2.840.10008.1.2.6.2"}, 4, NULL},
    {DICOM_UID_CT_IMAGE, {DICOM_UID_DEFLATED}, 0, DICOM_UID_DEFLATED},
    {DICOM_UID_MPPS, {DICOM_UID_IMPLICIT_LE}, 3, NULL},
    {"1.2.3", {DICOM_UID_IMPLICIT_LE}, 3, NULL},
};

START_TEST(each_context_is_answered_with_its_own_result)
{
    struct dicom_context c = {
        .id = 7, .abstract = proposals[_i].abstract, .syntaxes = proposals[_i].syntaxes};
    while (c.n_syntaxes < 4 && proposals[_i].syntaxes[c.n_syntaxes])
        c.n_syntaxes++;
    struct dicom_associate rq = {.contexts = &c, .n_contexts = 1};
    struct dicom_associate ac;
    struct base_arena arena;
    unsigned accepted;
    base_arena_init(&arena, 0);
    ck_assert_int_eq(
        dicom_negotiate(&rq, storage_offers, STORAGE_OFFERS, 65536, &arena, &ac, &accepted),
        BASE_OK);
    ck_assert_uint_eq(ac.n_contexts, 1);
    ck_assert_uint_eq(ac.contexts[0].id, 7);
    ck_assert_uint_eq(ac.contexts[0].result, proposals[_i].result);
    ck_assert_uint_eq(ac.contexts[0].n_syntaxes, 1);
    ck_assert_uint_eq(accepted, proposals[_i].chosen != NULL);
    if (proposals[_i].chosen)
        ck_assert_str_eq(ac.contexts[0].syntaxes[0], proposals[_i].chosen);
    ck_assert_uint_eq(ac.max_length, 65536);
    ck_assert(!ac.has_async);
    base_arena_deinit(&arena);
}
END_TEST

START_TEST(unknown_classes_are_private_unless_they_are_services_of_the_standard)
{
    ck_assert_uint_eq(dicom_sop_flags_of("1.3.6.1.4.1.99999.1"), DICOM_SOP_PRIVATE);
    ck_assert_uint_eq(dicom_sop_flags_of("1.2.840.10008.5.1.4.1.1.9999"), DICOM_SOP_PRIVATE);
    ck_assert_uint_eq(dicom_sop_flags_of("1.2.840.10008.5.1.1.9"), 0); /* print */
    ck_assert_uint_eq(dicom_sop_flags_of("1.2.840.100081"), DICOM_SOP_PRIVATE);
    ck_assert_uint_eq(dicom_sop_flags_of("1.2.x"), 0);
    ck_assert_uint_eq(dicom_sop_flags_of(""), 0);
    ck_assert_uint_eq(dicom_sop_flags_of(DICOM_UID_CT_IMAGE), DICOM_SOP_STORAGE);
    ck_assert_uint_eq(dicom_sop_flags_of(DICOM_UID_MPPS) & DICOM_SOP_PRIVATE, 0);
}
END_TEST

START_TEST(roles_and_asynchronous_operations_are_answered_when_proposed)
{
    static const struct dicom_offer get[] = {
        {NULL, DICOM_SOP_STORAGE, DICOM_OFFER_STORED, false, true}};
    static const struct dicom_role roles[] = {{DICOM_UID_CT_IMAGE, true, true},
                                              {DICOM_UID_MPPS, true, true},
                                              {DICOM_UID_SC_IMAGE, false, true}};
    struct dicom_associate rq = {
        .roles = roles, .n_roles = 3, .has_async = true, .async_invoked = 8};
    struct dicom_associate ac;
    struct base_arena arena;
    base_arena_init(&arena, 0);
    ck_assert_int_eq(dicom_negotiate(&rq, get, 1, 0, &arena, &ac, NULL), BASE_OK);
    ck_assert_uint_eq(ac.n_roles, 2);
    ck_assert(!ac.roles[0].scu && ac.roles[0].scp);
    ck_assert_str_eq(ac.roles[1].sop_class, DICOM_UID_SC_IMAGE);
    ck_assert(ac.has_async && ac.async_invoked == 1 && ac.async_performed == 1);
    base_arena_deinit(&arena);
}
END_TEST

START_TEST(all_storage_classes_are_offered_in_all_stored_syntaxes)
{
    size_t n_classes;
    size_t n_syntaxes;
    const struct dicom_sop_class *classes = dicom_sop_class_all(&n_classes);
    const struct dicom_syntax *syntaxes = dicom_syntax_all(&n_syntaxes);
    unsigned pairs = 0;
    for (size_t i = 0; i < n_classes; i++) {
        if (!(classes[i].flags & DICOM_SOP_STORAGE))
            continue;
        for (size_t k = 0; k < n_syntaxes; k++) {
            struct dicom_context c = {
                .id = 1, .abstract = classes[i].uid, .n_syntaxes = 1, .syntaxes = &syntaxes[k].uid};
            struct dicom_associate rq = {.contexts = &c, .n_contexts = 1};
            struct dicom_associate ac;
            struct base_arena arena;
            base_arena_init(&arena, 0);
            ck_assert_int_eq(
                dicom_negotiate(&rq, storage_offers, STORAGE_OFFERS, 0, &arena, &ac, NULL),
                BASE_OK);
            bool stored = syntaxes[k].flags & DICOM_TS_STORED;
            ck_assert_int_eq(ac.contexts[0].result == DICOM_CONTEXT_ACCEPTED, stored);
            pairs += stored;
            base_arena_deinit(&arena);
        }
    }
    ck_assert_uint_gt(pairs, 180 * 40);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dicom_pdu");
    TCase *t = tcase_create("decoder");
    tcase_add_loop_test(t, every_fixture_split_at_every_byte_decodes_the_same, 0, 3);
    tcase_add_loop_test(t, every_fixture_byte_by_byte_decodes_the_same, 0, 3);
    tcase_add_test(t, the_exchange_is_understood);
    tcase_add_loop_test(t, malformed_pdus_are_refused_at_once_with_the_right_abort_reason, 0, 10);
    suite_add_tcase(s, t);
    t = tcase_create("associate");
    tcase_add_test(t, a_full_request_is_decoded);
    tcase_add_test(t, a_full_accept_is_decoded);
    tcase_add_loop_test(t, what_is_encoded_decodes_to_the_same, 0, 2);
    tcase_add_test(t, a_cut_associate_is_refused_unless_cut_between_items);
    tcase_add_test(t, an_arena_that_is_too_small_is_an_error_and_no_crash);
    tcase_add_test(t, malformed_items_are_named);
    tcase_add_test(t, a_malformed_context_is_refused_by_itself);
    tcase_add_test(t, too_many_contexts_are_over_the_limit);
    tcase_add_test(t, fixed_pdus_are_encoded_as_the_standard_draws_them);
    tcase_add_loop_test(t, strangers_are_recognised_by_their_first_bytes, 0, 7);
    suite_add_tcase(s, t);
    t = tcase_create("negotiation");
    tcase_add_loop_test(t, each_context_is_answered_with_its_own_result, 0,
                        (int)(sizeof proposals / sizeof proposals[0]));
    tcase_add_test(t, unknown_classes_are_private_unless_they_are_services_of_the_standard);
    tcase_add_test(t, roles_and_asynchronous_operations_are_answered_when_proposed);
    tcase_add_test(t, all_storage_classes_are_offered_in_all_stored_syntaxes);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
