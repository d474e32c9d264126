#include "dicom/dicom_pdu.h"

#include <assert.h>

/* -- decoder -- */

void dicom_pdu_decoder_init(struct dicom_pdu_decoder *d, uint32_t max_length)
{
    *d = (struct dicom_pdu_decoder){.max_length = max_length};
    base_buf_init(&d->body, DICOM_ASSOCIATE_MAX);
}

void dicom_pdu_decoder_deinit(struct dicom_pdu_decoder *d)
{
    base_buf_deinit(&d->body);
}

static enum dicom_pdu_step invalid(struct dicom_pdu_decoder *d, enum dicom_abort_reason reason,
                                   enum base_err code, const char *what, unsigned long number)
{
    base_fail(&d->error, code, d->taken, "%s (%lu)", what, number);
    d->abort_reason = reason;
    d->at = DICOM_AT_ERROR;
    return DICOM_PDU_INVALID;
}

/* Gathers bytes until n are in d->head; true when they are. */
static bool gather(struct dicom_pdu_decoder *d, struct base_bytes *in, unsigned n)
{
    while (d->head_n < n && in->n) {
        d->head[d->head_n++] = *in->p++;
        in->n--;
        d->taken++;
    }
    return d->head_n == n;
}

static struct base_bytes take(struct dicom_pdu_decoder *d, struct base_bytes *in, uint32_t want)
{
    struct base_bytes piece = {in->p, in->n < want ? in->n : want};
    in->p += piece.n;
    in->n -= piece.n;
    d->taken += piece.n;
    return piece;
}

/* What it may be that answers there. */
static const char *no_pdu_text(const uint8_t head[6])
{
    if (memcmp(head, "HTTP/", 5) == 0)
        return "unknown PDU type: the peer speaks HTTP, use its DICOM port";
    if ((head[0] == 0x15 || head[0] == 0x16) && head[1] == 3) /* RFC 8446 5.1 */
        return "unknown PDU type: the peer speaks TLS on this port";
    return "unknown PDU type";
}

/* PS3.8 9.3.1: type, reserved, length. */
static enum dicom_pdu_step start_pdu(struct dicom_pdu_decoder *d)
{
    d->head_n = 0;
    d->type = d->head[0];
    d->left = base_load_be32(d->head + 2);
    if (d->type < DICOM_PDU_ASSOCIATE_RQ || d->type > DICOM_PDU_ABORT)
        return invalid(d, DICOM_ABORT_UNRECOGNIZED_PDU, BASE_EFORMAT, no_pdu_text(d->head),
                       d->type);
    if (d->type == DICOM_PDU_DATA) {
        if (d->max_length && d->left > d->max_length)
            return invalid(d, DICOM_ABORT_INVALID_PARAMETER, BASE_ELIMIT,
                           "P-DATA-TF longer than the maximum that was negotiated", d->left);
        d->at = DICOM_AT_PDV;
        return DICOM_PDU_MORE;
    }
    bool associate = d->type == DICOM_PDU_ASSOCIATE_RQ || d->type == DICOM_PDU_ASSOCIATE_AC;
    if (associate ? d->left > DICOM_ASSOCIATE_MAX : d->left != 4)
        return invalid(d, DICOM_ABORT_INVALID_PARAMETER, associate ? BASE_ELIMIT : BASE_EFORMAT,
                       associate ? "A-ASSOCIATE PDU too long" : "wrong PDU length", d->left);
    base_buf_reset(&d->body);
    d->at = DICOM_AT_BODY;
    return DICOM_PDU_MORE;
}

static enum dicom_pdu_step take_body(struct dicom_pdu_decoder *d, struct base_bytes *in,
                                     struct dicom_pdu *out)
{
    struct base_bytes piece = take(d, in, d->left);
    base_buf_add(&d->body, piece.p, piece.n);
    if (d->body.err)
        return invalid(d, DICOM_ABORT_NOT_SPECIFIED, d->body.err, "no memory for a PDU", d->left);
    d->left -= (uint32_t)piece.n;
    if (d->left)
        return DICOM_PDU_MORE;
    d->at = DICOM_AT_HEADER;
    *out =
        (struct dicom_pdu){.type = (enum dicom_pdu_type)d->type, .body = base_buf_bytes(&d->body)};
    if (d->type == DICOM_PDU_ASSOCIATE_RJ)
        out->reject = (struct dicom_reject){d->body.p[1], d->body.p[2], d->body.p[3]};
    if (d->type == DICOM_PDU_ABORT)
        out->abort = (struct dicom_abort){d->body.p[2], d->body.p[3]};
    return DICOM_PDU_WHOLE;
}

/* PS3.8 9.3.5.1 and Annex E.2: item length, context, message control header. */
static enum dicom_pdu_step start_fragment(struct dicom_pdu_decoder *d)
{
    d->head_n = 0;
    uint32_t length = base_load_be32(d->head);
    d->context = d->head[4];
    d->control = d->head[5];
    if (length < 2 || length > d->left - 4)
        return invalid(d, DICOM_ABORT_INVALID_PARAMETER, BASE_EFORMAT,
                       "fragment does not fit its P-DATA-TF", length);
    if (d->context % 2 == 0)
        return invalid(d, DICOM_ABORT_INVALID_PARAMETER, BASE_EFORMAT,
                       "invalid presentation context", d->context);
    d->left -= 4 + length;
    d->pdv_length = length - 2;
    d->pdv_left = d->pdv_length;
    d->at = DICOM_AT_FRAGMENT;
    return DICOM_PDU_MORE;
}

static enum dicom_pdu_step take_fragment(struct dicom_pdu_decoder *d, struct base_bytes *in,
                                         struct dicom_pdu *out)
{
    if (d->pdv_left && in->n == 0)
        return DICOM_PDU_MORE;
    struct base_bytes piece = take(d, in, d->pdv_left);
    d->pdv_left -= (uint32_t)piece.n;
    *out = (struct dicom_pdu){
        .type = DICOM_PDU_DATA,
        .context = d->context,
        .command = d->control & 1, /* PS3.8 E.2: only bits 0 and 1 are tested */
        .last = d->control & 2,
        .ends = d->pdv_left == 0,
        .bytes = piece,
    };
    if (d->pdv_left == 0)
        d->at = d->left ? DICOM_AT_PDV : DICOM_AT_HEADER;
    return DICOM_PDU_FRAGMENT;
}

enum dicom_pdu_step dicom_pdu_decode(struct dicom_pdu_decoder *d, struct base_bytes *in,
                                     struct dicom_pdu *out)
{
    enum dicom_pdu_step step = DICOM_PDU_MORE;
    while (step == DICOM_PDU_MORE) {
        switch (d->at) {
        case DICOM_AT_HEADER:
            if (!gather(d, in, DICOM_PDU_HEADER))
                return DICOM_PDU_MORE;
            step = start_pdu(d);
            break;
        case DICOM_AT_BODY:
            step = take_body(d, in, out);
            if (step == DICOM_PDU_MORE)
                return step;
            break;
        case DICOM_AT_PDV:
            if (d->left == 0) { /* an empty P-DATA-TF */
                d->at = DICOM_AT_HEADER;
                break;
            }
            if (d->left < DICOM_PDV_HEADER)
                return invalid(d, DICOM_ABORT_INVALID_PARAMETER, BASE_EFORMAT,
                               "P-DATA-TF too short for a fragment", d->left);
            if (!gather(d, in, DICOM_PDV_HEADER))
                return DICOM_PDU_MORE;
            step = start_fragment(d);
            break;
        case DICOM_AT_FRAGMENT:
            step = take_fragment(d, in, out);
            if (step == DICOM_PDU_MORE)
                return step;
            break;
        case DICOM_AT_ERROR:
            return DICOM_PDU_INVALID;
        }
    }
    return step;
}

/* -- the fixed PDUs -- */

static void encode_fixed(enum dicom_pdu_type type, const uint8_t body[4], struct base_buf *out)
{
    base_buf_add_byte(out, (uint8_t)type);
    base_buf_add_byte(out, 0);
    base_buf_add_be32(out, 4);
    base_buf_add(out, body, 4);
}

void dicom_reject_encode(struct dicom_reject rj, struct base_buf *out)
{
    encode_fixed(DICOM_PDU_ASSOCIATE_RJ, (const uint8_t[4]){0, rj.result, rj.source, rj.reason},
                 out);
}

void dicom_abort_encode(struct dicom_abort ab, struct base_buf *out)
{
    /* PS3.8 9.3.8: the reason is not significant from the user; sent as 0 */
    uint8_t reason = ab.source == DICOM_ABORT_PROVIDER ? ab.reason : 0;
    encode_fixed(DICOM_PDU_ABORT, (const uint8_t[4]){0, 0, ab.source, reason}, out);
}

void dicom_release_encode(enum dicom_pdu_type type, struct base_buf *out)
{
    assert(type == DICOM_PDU_RELEASE_RQ || type == DICOM_PDU_RELEASE_RP);
    encode_fixed(type, (const uint8_t[4]){0}, out);
}

void dicom_data_header(uint8_t context, bool command, bool last, uint32_t n,
                       uint8_t out[DICOM_DATA_HEADER])
{
    out[0] = DICOM_PDU_DATA;
    out[1] = 0;
    base_store_be32(out + 2, n + DICOM_PDV_HEADER);
    base_store_be32(out + 6, n + 2);
    out[10] = context;
    out[11] = (uint8_t)((command ? 1 : 0) | (last ? 2 : 0));
}

/* -- words -- */

const char *dicom_reject_text(struct dicom_reject rj)
{
    switch (rj.source << 8 | rj.reason) {
    case DICOM_RJ_USER << 8 | DICOM_RJ_USER_NO_REASON:
        return "rejected without a reason";
    case DICOM_RJ_USER << 8 | DICOM_RJ_USER_APPLICATION_CONTEXT:
        return "application context not supported";
    case DICOM_RJ_USER << 8 | DICOM_RJ_USER_CALLING_AET:
        return "calling AE title not recognized";
    case DICOM_RJ_USER << 8 | DICOM_RJ_USER_CALLED_AET:
        return "called AE title not recognized";
    case DICOM_RJ_ACSE << 8 | DICOM_RJ_ACSE_NO_REASON:
        return "rejected by the ACSE provider without a reason";
    case DICOM_RJ_ACSE << 8 | DICOM_RJ_ACSE_PROTOCOL_VERSION:
        return "protocol version not supported";
    case DICOM_RJ_PRESENTATION << 8 | DICOM_RJ_PRESENTATION_CONGESTION:
        return "temporary congestion";
    case DICOM_RJ_PRESENTATION << 8 | DICOM_RJ_PRESENTATION_LIMIT:
        return "local limit exceeded";
    default:
        return "rejected for a reserved reason";
    }
}

const char *dicom_abort_text(struct dicom_abort ab)
{
    if (ab.source != DICOM_ABORT_PROVIDER)
        return "aborted by the peer's application";
    switch (ab.reason) {
    case DICOM_ABORT_UNRECOGNIZED_PDU:
        return "aborted by the peer: unrecognized PDU";
    case DICOM_ABORT_UNEXPECTED_PDU:
        return "aborted by the peer: unexpected PDU";
    case DICOM_ABORT_UNRECOGNIZED_PARAMETER:
        return "aborted by the peer: unrecognized PDU parameter";
    case DICOM_ABORT_UNEXPECTED_PARAMETER:
        return "aborted by the peer: unexpected PDU parameter";
    case DICOM_ABORT_INVALID_PARAMETER:
        return "aborted by the peer: invalid PDU parameter";
    default:
        return "aborted by the peer's upper layer";
    }
}

const char *dicom_context_result_text(uint8_t result)
{
    static const char *const texts[] = {"accepted", "rejected by the user", "rejected, no reason",
                                        "abstract syntax not supported",
                                        "transfer syntaxes not supported"};
    return result < sizeof texts / sizeof texts[0] ? texts[result] : "reserved result";
}

enum dicom_stranger dicom_stranger_of(struct base_bytes first)
{
    static const char *const methods[] = {"GET ", "POST", "PUT ", "HEAD", "OPTI", "PRI ", "DELE"};
    if (first.n == 0 || (first.p[0] >= DICOM_PDU_ASSOCIATE_RQ && first.p[0] <= DICOM_PDU_ABORT))
        return DICOM_STRANGER_NONE;
    if (first.p[0] == 0x16) /* RFC 8446 5.1: handshake record */
        return DICOM_STRANGER_TLS;
    if (first.p[0] == 0x0B)
        return DICOM_STRANGER_MLLP;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (first.n >= 4 && memcmp(first.p, methods[i], 4) == 0)
            return DICOM_STRANGER_HTTP;
    if (first.n >= 4 && memcmp(first.p, "SSH-", 4) == 0)
        return DICOM_STRANGER_SSH;
    return DICOM_STRANGER_GARBAGE;
}

const char *dicom_stranger_text(enum dicom_stranger s)
{
    switch (s) {
    case DICOM_STRANGER_TLS:
        return "TLS hello on the plain port: switch TLS off on the device, or use the TLS port";
    case DICOM_STRANGER_HTTP:
        return "HTTP request on the DICOM port: use the HTTP port";
    case DICOM_STRANGER_MLLP:
        return "HL7 message on the DICOM port: use the HL7 port";
    case DICOM_STRANGER_SSH:
        return "SSH on the DICOM port";
    case DICOM_STRANGER_GARBAGE:
        return "not DICOM: the first bytes are no association request";
    case DICOM_STRANGER_NONE:
    default:
        return "";
    }
}
