/* DIMSE messages of an association, in and out, and its presentation contexts. */
#include "net/net_assoc_priv.h"

#include <stdio.h>

/* ---- presentation contexts ---- */

static const struct dicom_context *find_context(const struct dicom_associate *rq, uint8_t id)
{
    for (unsigned i = 0; i < rq->n_contexts; i++)
        if (rq->contexts[i].id == id)
            return &rq->contexts[i];
    return NULL;
}

static bool proposed(const struct dicom_context *rq, const char *syntax)
{
    for (unsigned i = 0; i < rq->n_syntaxes; i++)
        if (strcmp(rq->syntaxes[i], syntax) == 0)
            return true;
    return false;
}

void net_assoc_agree(struct net_assoc *a)
{
    uint32_t peer = a->server ? a->rq->max_length : a->ac->max_length;
    a->peer_pdu = peer ? peer : NET_ASSOC_PDU_DEFAULT;
    memset(a->by_id, 0, sizeof a->by_id);
    for (unsigned i = 0; i < a->ac->n_contexts && i < DICOM_CONTEXTS_MAX; i++) {
        const struct dicom_context *c = &a->ac->contexts[i];
        const struct dicom_context *rq = find_context(a->rq, c->id);
        /* A context or transfer syntax that was not proposed is not accepted either. */
        if (c->result == DICOM_CONTEXT_ACCEPTED && rq && c->n_syntaxes &&
            proposed(rq, c->syntaxes[0]))
            a->by_id[c->id / 2] = (uint8_t)(i + 1);
    }
}

static const struct dicom_context *accepted(const struct net_assoc *a, uint8_t id)
{
    unsigned i = a->ac && id % 2 ? a->by_id[id / 2] : 0;
    return i ? &a->ac->contexts[i - 1] : NULL;
}

const char *net_assoc_abstract_syntax(const struct net_assoc *a, uint8_t context)
{
    const struct dicom_context *c = accepted(a, context) ? find_context(a->rq, context) : NULL;
    return c ? c->abstract : NULL;
}

const char *net_assoc_transfer_syntax(const struct net_assoc *a, uint8_t context)
{
    const struct dicom_context *c = accepted(a, context);
    return c ? c->syntaxes[0] : NULL;
}

uint8_t net_assoc_context(const struct net_assoc *a, const char *abstract_syntax,
                          const char *transfer_syntax, const char **syntax)
{
    for (unsigned i = 0; a->ac && i < a->rq->n_contexts; i++) {
        const struct dicom_context *rq = &a->rq->contexts[i];
        const struct dicom_context *c = accepted(a, rq->id);
        if (!c || strcmp(rq->abstract, abstract_syntax) != 0)
            continue;
        if (transfer_syntax && strcmp(c->syntaxes[0], transfer_syntax) != 0)
            continue;
        if (syntax)
            *syntax = c->syntaxes[0];
        return rq->id;
    }
    return 0;
}

/* ---- in ---- */

static void refuse_message(struct net_assoc *a, enum dicom_abort_reason reason, enum base_err err,
                           const char *text)
{
    a->deaf = true;
    a->abort = (struct dicom_abort){DICOM_ABORT_PROVIDER, (uint8_t)reason};
    net_assoc_end(a, err == BASE_ELIMIT ? NET_ASSOC_LIMIT : NET_ASSOC_PROTOCOL_ERROR, text);
    net_assoc_event(a, DUL_EVT19, false);
}

static bool is_request(uint16_t command)
{
    return !(command & DIMSE_RESPONSE_BIT) && command != DIMSE_C_CANCEL_RQ;
}

/* Bytes alone are no progress: PDUs may be empty, and a message may never end. From a requestor,
 * enough bytes of a data set are; a request that is answered is too, whatever its size, since the
 * answer sets the clock. To a requestor, the response is. */
static void note_progress(struct net_assoc *a, const struct dicom_message *m)
{
    bool command = m->kind == DICOM_MESSAGE_COMMAND;
    a->trickled += command ? 0 : m->bytes.n;
    if (a->server ? a->trickled < NET_ASSOC_TRICKLE : !command && m->bytes.n == 0)
        return;
    a->trickled = 0;
    a->active = uv_now(loop_uv(a->loop));
}

void net_assoc_deliver(struct net_assoc *a, const struct dicom_pdu *pdu)
{
    if (!accepted(a, pdu->context)) {
        char text[64];
        snprintf(text, sizeof text, "data in presentation context %u, which was not accepted",
                 pdu->context);
        refuse_message(a, DICOM_ABORT_INVALID_PARAMETER, BASE_EFORMAT, text);
        return;
    }
    struct dicom_message m;
    struct base_error error;
    enum base_err err = dicom_assembler_take(&a->messages, pdu, &m, &error);
    if (err) {
        refuse_message(a, DICOM_ABORT_NOT_SPECIFIED, err, error.msg);
        return;
    }
    /* An empty fragment says nothing unless it is the last. */
    if (m.kind == DICOM_MESSAGE_NONE || (m.kind == DICOM_MESSAGE_DATA && !m.bytes.n && !m.last))
        return;
    note_progress(a, &m);
    bool command = m.kind == DICOM_MESSAGE_COMMAND;
    const struct dicom_dimse *cmd = &a->messages.cmd;
    if (is_request(cmd->command) && (command ? !cmd->has_dataset : m.last))
        a->owing = true;
    if (command)
        a->handlers.on_command(a, a->arg, m.context, cmd);
    else if (a->handlers.on_data)
        a->handlers.on_data(a, a->arg, m.bytes, m.last);
}

/* ---- out ---- */

/* Appends the carried byte and then the bytes, as P-DATA-TF PDUs no larger than the
 * peer accepts. At least one PDU when last. */
static void add_pdus(struct net_assoc *a, uint8_t context, bool command, struct base_bytes bytes,
                     bool last)
{
    size_t room = (a->peer_pdu - DICOM_PDV_HEADER) & ~(size_t)1;
    size_t left = bytes.n + (a->has_carry ? 1 : 0);
    while (left || last) {
        size_t n = left < room ? left : room;
        uint8_t head[DICOM_DATA_HEADER];
        left -= n;
        dicom_data_header(context, command, last && left == 0, (uint32_t)n, head);
        base_buf_add(&a->out, head, sizeof head);
        if (a->has_carry && n) {
            base_buf_add_byte(&a->out, a->carry);
            a->has_carry = false;
            n--;
        }
        if (n) {
            base_buf_add(&a->out, bytes.p, n);
            bytes.p += n;
        }
        if (left == 0)
            break;
    }
}

/* Undoes what was appended after mark when memory ran out. */
static enum base_err check_out(struct net_assoc *a, size_t mark)
{
    enum base_err err = a->out.err;
    if (err) {
        a->out.n = mark;
        a->out.err = BASE_OK;
    }
    return err;
}

static enum base_err may_send(const struct net_assoc *a, uint8_t context)
{
    if (a->ended || a->state != DUL_STA6)
        return BASE_ECLOSED;
    if (a->pull)
        return BASE_ECONFLICT;
    return accepted(a, context) ? BASE_OK : BASE_EINVAL;
}

static enum base_err add_command(struct net_assoc *a, uint8_t context,
                                 const struct dicom_dimse *cmd, bool has_dataset)
{
    struct dicom_dimse c = *cmd;
    c.has_dataset = has_dataset;
    struct base_buf set;
    base_buf_init(&set, DICOM_COMMAND_MAX);
    dicom_dimse_encode(&c, &set);
    enum base_err err = set.err;
    if (!err)
        add_pdus(a, context, true, base_buf_bytes(&set), true);
    base_buf_deinit(&set);
    return err;
}

enum base_err net_assoc_send(struct net_assoc *a, uint8_t context, const struct dicom_dimse *cmd,
                             struct base_bytes data)
{
    enum base_err err = may_send(a, context);
    if (err)
        return err;
    size_t mark = a->out.n;
    err = add_command(a, context, cmd, data.n > 0);
    if (!err && data.n)
        add_pdus(a, context, false, data, true);
    if (check_out(a, mark) || err)
        return err ? err : BASE_ENOMEM;
    a->owing = false;
    net_assoc_event(a, DUL_EVT9, false);
    return BASE_OK;
}

enum base_err net_assoc_send_stream(struct net_assoc *a, uint8_t context,
                                    const struct dicom_dimse *cmd,
                                    void (*pull)(struct net_assoc *a, void *arg))
{
    enum base_err err = may_send(a, context);
    if (err)
        return err;
    size_t mark = a->out.n;
    err = add_command(a, context, cmd, true);
    if (check_out(a, mark) || err)
        return err ? err : BASE_ENOMEM;
    a->owing = false;
    a->pull = pull;
    a->pulled = false;
    a->has_carry = false;
    a->stream_context = context;
    /* The command waits for the first bytes of the data set, to leave with them. */
    net_assoc_wake(a);
    return BASE_OK;
}

void net_assoc_pump(struct net_assoc *a)
{
    if (a->pumping)
        return;
    a->pumping = true;
    while (a->pull && !a->pulled && !a->broken && net_assoc_queued(a) < NET_ASSOC_QUEUE_SIZE) {
        a->pulled = true;
        a->pull(a, a->arg);
    }
    a->pumping = false;
}

enum base_err net_assoc_feed(struct net_assoc *a, struct base_bytes bytes, bool last)
{
    if (a->ended || a->state != DUL_STA6)
        return BASE_ECLOSED;
    if (!a->pull)
        return BASE_ECONFLICT;
    /* PS3.8 Annex E: a fragment has an even length, only the end may be odd. */
    bool odd = (bytes.n + (a->has_carry ? 1 : 0)) % 2 && !last;
    if (bytes.n || last) {
        uint8_t keep = odd ? bytes.p[--bytes.n] : 0;
        add_pdus(a, a->stream_context, false, bytes, last);
        a->has_carry = odd;
        a->carry = keep;
    }
    if (a->out.err) {
        net_assoc_give_up(a, NET_ASSOC_MEMORY, "out of memory");
        return BASE_ENOMEM;
    }
    a->pulled = false;
    if (last)
        a->pull = NULL;
    net_assoc_event(a, DUL_EVT9, false);
    if (last && a->release_wanted)
        net_assoc_event(a, DUL_EVT11, false);
    else if (!a->pumping)
        net_assoc_wake(a);
    return BASE_OK;
}
