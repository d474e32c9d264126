#include "dicom/dicom_dimse.h"

#include "dicom/dicom_dataset.h"

#include <assert.h>
#include <stdio.h>

enum data_rule { DATA_NEVER, DATA_ALWAYS, DATA_MAYBE };

struct row {
    const char *name;
    uint16_t command;
    uint16_t required; /* enum dicom_dimse_field */
    uint16_t further;
    enum data_rule data;
};

#define ROW(name, value, required, further, data)                                                  \
    {#name, value, required, further, (enum data_rule)(data)},
static const struct row rows[] = {DICOM_DIMSE_MAP(ROW)};
#undef ROW

enum { NO_DATA_SET = 0x0101, ROWS = sizeof rows / sizeof rows[0] };

static const struct row *find_row(uint16_t command)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (rows[i].command == command)
            return &rows[i];
    return NULL;
}

/* "C_STORE_RQ". */
static const char *name_of(uint16_t command)
{
#define NAME(name, value, required, further, data)                                                 \
    case value:                                                                                    \
        return #name;
    switch (command) {
        DICOM_DIMSE_MAP(NAME)
    default:
        return "unknown command";
    }
#undef NAME
}

/* PS3.7 Annex C */
const char *dicom_dimse_status_class(uint16_t status)
{
    if (status == DIMSE_SUCCESS)
        return "success";
    if (dicom_dimse_is_pending(status))
        return "pending";
    if (status == DIMSE_CANCEL)
        return "cancel";
    bool warning = status == 0x0001 || status >> 12 == 0xB || status == 0x0107 || status == 0x0116;
    return warning ? "warning" : "failure";
}

/* -- decoding -- */

struct decoder {
    struct dicom_dimse cmd;
    unsigned seen; /* enum dicom_dimse_field */
    bool has_command;
    bool has_type; /* (0000,0800) */
    /* What is wrong with it first; BASE_OK: nothing. */
    struct base_error wrong;
    uint32_t wrong_tag; /* 0 = no element of the command set */
};

static enum base_err fail(struct base_error *error, const struct dicom_element *e, const char *what)
{
    char text[DICOM_TAG_TEXT_SIZE];
    return base_fail(error, BASE_EFORMAT, e->offset, "%s %s %s", dicom_tag_text(e->tag, text),
                     dicom_tag_keyword(e->tag), what);
}

/* UIDs and AE titles: printable ASCII. An empty value counts as none. */
static bool take_text(struct base_bytes value, char *out, size_t n)
{
    if (dicom_value_text(value).n == 0)
        return true;
    if (!dicom_value_copy(value, out, n))
        return false;
    for (const char *p = out; *p; p++)
        if (*p < 0x20 || *p > 0x7E) {
            *out = '\0';
            return false;
        }
    return true;
}

/* Number, text and flag of one element; what is not listed is ignored. */
static enum base_err take_element(struct decoder *d, const struct dicom_element *e,
                                  struct base_error *error)
{
    struct dicom_dimse *c = &d->cmd;
    const struct {
        uint32_t tag;
        uint16_t *number;
        char *text;
        size_t size;
        unsigned seen;
        bool *flag;
    } map[] = {
        {DICOM_TAG_AffectedSOPClassUID, NULL, c->sop_class, sizeof c->sop_class, DIMSE_HAS_CLASS,
         NULL},
        {DICOM_TAG_RequestedSOPClassUID, NULL, c->sop_class, sizeof c->sop_class, DIMSE_HAS_CLASS,
         NULL},
        {DICOM_TAG_CommandField, &c->command, NULL, 0, 0, &d->has_command},
        {DICOM_TAG_MessageID, &c->message_id, NULL, 0, DIMSE_HAS_MESSAGE, NULL},
        {DICOM_TAG_MessageIDBeingRespondedTo, &c->responded_id, NULL, 0, DIMSE_HAS_RESPONDED, NULL},
        {DICOM_TAG_MoveDestination, NULL, c->move_destination, sizeof c->move_destination,
         DIMSE_HAS_DESTINATION, NULL},
        {DICOM_TAG_Priority, &c->priority, NULL, 0, DIMSE_HAS_PRIORITY, NULL},
        {DICOM_TAG_Status, &c->status, NULL, 0, DIMSE_HAS_STATUS, NULL},
        {DICOM_TAG_ErrorID, &c->error_id, NULL, 0, 0, NULL},
        {DICOM_TAG_AffectedSOPInstanceUID, NULL, c->sop_instance, sizeof c->sop_instance,
         DIMSE_HAS_INSTANCE, NULL},
        {DICOM_TAG_RequestedSOPInstanceUID, NULL, c->sop_instance, sizeof c->sop_instance,
         DIMSE_HAS_INSTANCE, NULL},
        {DICOM_TAG_EventTypeID, &c->event_type, NULL, 0, DIMSE_HAS_EVENT, NULL},
        {DICOM_TAG_ActionTypeID, &c->action_type, NULL, 0, DIMSE_HAS_ACTION, NULL},
        {DICOM_TAG_NumberOfRemainingSuboperations, &c->remaining, NULL, 0, DIMSE_HAS_COUNTS,
         &c->has_counts},
        {DICOM_TAG_NumberOfCompletedSuboperations, &c->completed, NULL, 0, DIMSE_HAS_COUNTS,
         &c->has_counts},
        {DICOM_TAG_NumberOfFailedSuboperations, &c->failed, NULL, 0, DIMSE_HAS_COUNTS,
         &c->has_counts},
        {DICOM_TAG_NumberOfWarningSuboperations, &c->warning, NULL, 0, DIMSE_HAS_COUNTS,
         &c->has_counts},
        {DICOM_TAG_MoveOriginatorApplicationEntityTitle, NULL, c->move_originator,
         sizeof c->move_originator, DIMSE_HAS_ORIGINATOR, NULL},
        {DICOM_TAG_MoveOriginatorMessageID, &c->move_originator_id, NULL, 0, DIMSE_HAS_ORIGINATOR,
         NULL},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].tag != e->tag || e->length == 0)
            continue;
        bool fits = map[i].number ? e->value.n == 2 : take_text(e->value, map[i].text, map[i].size);
        /* Nothing depends on these: an object is not refused for them. */
        if (!fits && (map[i].seen & (DIMSE_HAS_PRIORITY | DIMSE_HAS_ORIGINATOR)))
            return BASE_OK;
        if (!fits)
            return fail(error, e,
                        map[i].number ? "is not 2 bytes long" : "is too long or no plain text");
        if (map[i].number)
            *map[i].number = base_load_le16(e->value.p);
        if (map[i].number || *map[i].text)
            d->seen |= map[i].seen;
        if (map[i].flag)
            *map[i].flag = true;
        return BASE_OK;
    }
    return BASE_OK;
}

/* The elements that are not one number or one text. */
static enum base_err take_special(struct decoder *d, const struct dicom_element *e,
                                  struct base_error *error)
{
    int64_t v;
    switch (e->tag) {
    case DICOM_TAG_CommandDataSetType:
        if (e->value.n != 2)
            return fail(error, e, "is not 2 bytes long");
        d->cmd.has_dataset = base_load_le16(e->value.p) != NO_DATA_SET;
        d->has_type = true;
        return BASE_OK;
    case DICOM_TAG_OffendingElement:
        if (dicom_value_int(e, 0, &v))
            d->cmd.offending = (uint32_t)v;
        return BASE_OK;
    case DICOM_TAG_ErrorComment: {
        /* For people; longer than allowed is cut. */
        struct base_bytes text = dicom_value_text(e->value);
        text.n = text.n < DICOM_COMMENT_SIZE ? text.n : DICOM_COMMENT_SIZE - 1;
        (void)dicom_value_copy(text, d->cmd.error_comment, sizeof d->cmd.error_comment);
        return BASE_OK;
    }
    case DICOM_TAG_AttributeIdentifierList:
        d->cmd.attributes = e->value;
        return BASE_OK;
    default:
        return take_element(d, e, error);
    }
}

static void miss(struct decoder *d, const struct row *row, uint32_t tag)
{
    char text[DICOM_TAG_TEXT_SIZE];
    d->wrong_tag = tag;
    base_fail(&d->wrong, BASE_EFORMAT, BASE_NOPOS, "%s: %s %s is missing", name_of(row->command),
              dicom_tag_text(tag, text), dicom_tag_keyword(tag));
}

/* Notes the first required field that is missing, or a data set that should not be announced. */
static void check_fields(struct decoder *d, const struct row *row)
{
    bool requested = row->required & DIMSE_REQUESTED;
    const struct {
        unsigned field;
        uint32_t tag;
    } needed[] = {
        {DIMSE_HAS_CLASS,
         requested ? DICOM_TAG_RequestedSOPClassUID : DICOM_TAG_AffectedSOPClassUID},
        {DIMSE_HAS_INSTANCE,
         requested ? DICOM_TAG_RequestedSOPInstanceUID : DICOM_TAG_AffectedSOPInstanceUID},
        {DIMSE_HAS_MESSAGE, DICOM_TAG_MessageID},
        {DIMSE_HAS_RESPONDED, DICOM_TAG_MessageIDBeingRespondedTo},
        {DIMSE_HAS_STATUS, DICOM_TAG_Status},
        {DIMSE_HAS_DESTINATION, DICOM_TAG_MoveDestination},
        {DIMSE_HAS_EVENT, DICOM_TAG_EventTypeID},
        {DIMSE_HAS_ACTION, DICOM_TAG_ActionTypeID},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if ((row->required & needed[i].field) && !(d->seen & needed[i].field)) {
            miss(d, row, needed[i].tag);
            return;
        }
    if (!d->has_type)
        miss(d, row, DICOM_TAG_CommandDataSetType);
    else if (row->data != DATA_MAYBE && d->cmd.has_dataset != (row->data == DATA_ALWAYS))
        base_fail(&d->wrong, BASE_EFORMAT, BASE_NOPOS, "%s: %s a data set", name_of(row->command),
                  d->cmd.has_dataset ? "must not have" : "lacks");
}

/* PS3.7 C.5.15: mistyped argument. An answer needs to know which message it is for, and whether a
 * data set comes before it. */
static bool may_be_answered(const struct decoder *d)
{
    return !(d->cmd.command & DIMSE_RESPONSE_BIT) && (d->seen & DIMSE_HAS_MESSAGE) && d->has_type &&
           d->cmd.command != DIMSE_C_CANCEL_RQ;
}

static enum base_err check(struct decoder *d, struct base_error *error)
{
    const struct row *row = d->has_command ? find_row(d->cmd.command) : NULL;
    if (!d->has_command && !d->wrong.code)
        base_fail(&d->wrong, BASE_EFORMAT, BASE_NOPOS,
                  "command set: Command Field (0000,0100) is missing");
    else if (d->has_command && !row)
        return base_fail(error, BASE_EUNSUPPORTED, BASE_NOPOS, "command set: unknown command %04XH",
                         d->cmd.command);
    else if (!d->wrong.code)
        check_fields(d, row);
    if (!d->wrong.code)
        return BASE_OK;
    if (!row || !may_be_answered(d)) {
        *error = d->wrong;
        return d->wrong.code;
    }
    d->cmd.fault = DIMSE_MISTYPED_ARGUMENT;
    d->cmd.offending = d->wrong_tag;
    snprintf(d->cmd.error_comment, sizeof d->cmd.error_comment, "%.*s", DICOM_COMMENT_SIZE - 1,
             d->wrong.msg);
    return BASE_OK;
}

enum base_err dicom_dimse_decode(struct base_bytes bytes, struct dicom_dimse *out,
                                 struct base_error *error)
{
    struct decoder d = {.seen = 0};
    struct dicom_cursor c;
    struct dicom_element e;
    enum dicom_step step;
    struct base_error ignored;
    dicom_cursor_init(&c, bytes, DICOM_IMPLICIT_LE, true);
    while ((step = dicom_cursor_next(&c, &e)) == DICOM_ELEMENT) {
        if (DICOM_GROUP(e.tag) != 0)
            return fail(error, &e, "does not belong into a command set");
        if (e.length == DICOM_UNDEFINED)
            return fail(error, &e, "has undefined length");
        if (take_special(&d, &e, d.wrong.code ? &ignored : &d.wrong) && !d.wrong_tag)
            d.wrong_tag = e.tag;
    }
    if (step == DICOM_BAD)
        return base_fail(error, c.error.code, c.error.pos, "command set: %s", c.error.msg);
    enum base_err err = check(&d, error);
    if (!err)
        *out = d.cmd;
    return err;
}

/* -- encoding -- */

/* Groups of elements in ascending order of their tags. */
static void encode_status(const struct dicom_dimse *cmd, unsigned fields, struct dicom_writer *w)
{
    if (!(fields & DIMSE_HAS_STATUS))
        return;
    dicom_write_int(w, DICOM_TAG_Status, cmd->status);
    if (cmd->offending)
        dicom_write_tag(w, DICOM_TAG_OffendingElement, cmd->offending);
    if (*cmd->error_comment)
        dicom_write_text(w, DICOM_TAG_ErrorComment, cmd->error_comment);
    if (cmd->error_id)
        dicom_write_int(w, DICOM_TAG_ErrorID, cmd->error_id);
}

static void encode_operation(const struct dicom_dimse *cmd, unsigned fields, struct dicom_writer *w)
{
    bool requested = fields & DIMSE_REQUESTED;
    if ((fields & DIMSE_HAS_INSTANCE) && *cmd->sop_instance)
        dicom_write_text(
            w, requested ? DICOM_TAG_RequestedSOPInstanceUID : DICOM_TAG_AffectedSOPInstanceUID,
            cmd->sop_instance);
    if ((fields & DIMSE_HAS_EVENT) && (cmd->event_type || !(cmd->command & DIMSE_RESPONSE_BIT)))
        dicom_write_int(w, DICOM_TAG_EventTypeID, cmd->event_type);
    if ((fields & DIMSE_HAS_ATTRIBUTES) && cmd->attributes.n)
        dicom_write(w, DICOM_TAG_AttributeIdentifierList, DICOM_VR_AT, cmd->attributes.p,
                    cmd->attributes.n);
    if ((fields & DIMSE_HAS_ACTION) && (cmd->action_type || !(cmd->command & DIMSE_RESPONSE_BIT)))
        dicom_write_int(w, DICOM_TAG_ActionTypeID, cmd->action_type);
    if ((fields & DIMSE_HAS_COUNTS) && cmd->has_counts) {
        /* PS3.7 9.1.4: only pending and cancelled operations have remaining ones */
        if (dicom_dimse_is_pending(cmd->status) || cmd->status == DIMSE_CANCEL)
            dicom_write_int(w, DICOM_TAG_NumberOfRemainingSuboperations, cmd->remaining);
        dicom_write_int(w, DICOM_TAG_NumberOfCompletedSuboperations, cmd->completed);
        dicom_write_int(w, DICOM_TAG_NumberOfFailedSuboperations, cmd->failed);
        dicom_write_int(w, DICOM_TAG_NumberOfWarningSuboperations, cmd->warning);
    }
    if ((fields & DIMSE_HAS_ORIGINATOR) && *cmd->move_originator) {
        dicom_write_text(w, DICOM_TAG_MoveOriginatorApplicationEntityTitle, cmd->move_originator);
        dicom_write_int(w, DICOM_TAG_MoveOriginatorMessageID, cmd->move_originator_id);
    }
}

void dicom_dimse_encode(const struct dicom_dimse *cmd, struct base_buf *out)
{
    const struct row *row = find_row(cmd->command);
    assert(row && (row->data == DATA_MAYBE || cmd->has_dataset == (row->data == DATA_ALWAYS)));
    if (!row) {
        out->err = out->err ? out->err : BASE_EINVAL;
        return;
    }
    unsigned fields = row->required | row->further;
    assert(!(row->required & DIMSE_HAS_CLASS) || *cmd->sop_class);
    assert(!(row->required & DIMSE_HAS_INSTANCE) || *cmd->sop_instance);
    struct dicom_writer w;
    dicom_writer_init(&w, out, DICOM_IMPLICIT_LE);
    dicom_write_int(&w, DICOM_TAG_CommandGroupLength, 0);
    size_t start = out->n;
    if ((fields & DIMSE_HAS_CLASS) && *cmd->sop_class)
        dicom_write_text(&w,
                         fields & DIMSE_REQUESTED ? DICOM_TAG_RequestedSOPClassUID
                                                  : DICOM_TAG_AffectedSOPClassUID,
                         cmd->sop_class);
    dicom_write_int(&w, DICOM_TAG_CommandField, cmd->command);
    if (fields & DIMSE_HAS_MESSAGE)
        dicom_write_int(&w, DICOM_TAG_MessageID, cmd->message_id);
    if (fields & DIMSE_HAS_RESPONDED)
        dicom_write_int(&w, DICOM_TAG_MessageIDBeingRespondedTo, cmd->responded_id);
    if (fields & DIMSE_HAS_DESTINATION)
        dicom_write_text(&w, DICOM_TAG_MoveDestination, cmd->move_destination);
    if (fields & DIMSE_HAS_PRIORITY)
        dicom_write_int(&w, DICOM_TAG_Priority, cmd->priority);
    dicom_write_int(&w, DICOM_TAG_CommandDataSetType, cmd->has_dataset ? 0x0001 : NO_DATA_SET);
    encode_status(cmd, fields, &w);
    encode_operation(cmd, fields, &w);
    if (!out->err)
        base_store_le32(out->p + start - 4, (uint32_t)(out->n - start));
}

struct dicom_dimse dicom_dimse_response(const struct dicom_dimse *rq, uint16_t status)
{
    struct dicom_dimse rsp = {
        .command = rq->command | DIMSE_RESPONSE_BIT,
        .responded_id = rq->message_id,
        .status = status,
        .event_type = rq->event_type,
        .action_type = rq->action_type,
    };
    memcpy(rsp.sop_class, rq->sop_class, sizeof rsp.sop_class);
    memcpy(rsp.sop_instance, rq->sop_instance, sizeof rsp.sop_instance);
    return rsp;
}

/* -- assembler -- */

void dicom_assembler_init(struct dicom_assembler *a)
{
    *a = (struct dicom_assembler){.in_data = false};
    base_buf_init(&a->command, DICOM_COMMAND_MAX);
}

void dicom_assembler_deinit(struct dicom_assembler *a)
{
    base_buf_deinit(&a->command);
}

static enum base_err take_command(struct dicom_assembler *a, const struct dicom_pdu *f,
                                  struct dicom_message *out, struct base_error *error)
{
    if (a->in_data)
        return base_fail(error, BASE_EFORMAT, BASE_NOPOS, "a command before the end of a data set");
    if (a->context == 0) {
        a->context = f->context;
        base_buf_reset(&a->command);
    }
    base_buf_add(&a->command, f->bytes.p, f->bytes.n);
    if (a->command.err)
        return base_fail(error, a->command.err, BASE_NOPOS, "command set: %s",
                         base_err_text(a->command.err));
    if (!f->last || !f->ends)
        return BASE_OK;
    enum base_err err = dicom_dimse_decode(base_buf_bytes(&a->command), &a->cmd, error);
    a->context = !err && a->cmd.has_dataset ? f->context : 0;
    if (err)
        return err;
    a->in_data = a->cmd.has_dataset;
    *out = (struct dicom_message){
        .kind = DICOM_MESSAGE_COMMAND, .context = f->context, .last = !a->cmd.has_dataset};
    return BASE_OK;
}

enum base_err dicom_assembler_take(struct dicom_assembler *a, const struct dicom_pdu *f,
                                   struct dicom_message *out, struct base_error *error)
{
    *out = (struct dicom_message){.kind = DICOM_MESSAGE_NONE, .context = f->context};
    /* PS3.8 Annex E.1: the fragments of a message are not interleaved with others. */
    if (a->context != 0 && f->context != a->context)
        return base_fail(error, BASE_EFORMAT, BASE_NOPOS,
                         "a fragment of context %u inside a message of context %u", f->context,
                         a->context);
    if (f->command)
        return take_command(a, f, out, error);
    if (!a->in_data)
        return base_fail(error, BASE_EFORMAT, BASE_NOPOS, "a data set without a command");
    out->kind = DICOM_MESSAGE_DATA;
    out->bytes = f->bytes;
    out->last = f->last && f->ends;
    if (out->last) {
        a->in_data = false;
        a->context = 0;
    }
    return BASE_OK;
}
