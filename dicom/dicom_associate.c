/* A-ASSOCIATE-RQ and -AC: PS3.8 9.3.2 and 9.3.3, PS3.7 Annex D.3.3. */
#include "dicom/dicom_pdu.h"

enum item {
    ITEM_APPLICATION_CONTEXT = 0x10,
    ITEM_CONTEXT_RQ = 0x20,
    ITEM_CONTEXT_AC = 0x21,
    ITEM_ABSTRACT_SYNTAX = 0x30,
    ITEM_TRANSFER_SYNTAX = 0x40,
    ITEM_USER_INFORMATION = 0x50,
    ITEM_MAX_LENGTH = 0x51,
    ITEM_IMPLEMENTATION_CLASS = 0x52,
    ITEM_ASYNC = 0x53,
    ITEM_ROLE = 0x54,
    ITEM_IMPLEMENTATION_VERSION = 0x55,
    ITEM_IDENTITY_RQ = 0x58,
    ITEM_IDENTITY_AC = 0x59
};

enum { FIXED = 68 }; /* before the variable items */

struct decoder {
    struct base_arena *arena;
    struct dicom_associate *out;
    struct base_error *error;
    const uint8_t *start;
    bool accept;
    struct dicom_context *contexts;
    struct dicom_role *roles;
    uint8_t seen[32]; /* bit per context id */
};

static enum base_err fail(struct decoder *d, const uint8_t *at, enum base_err code,
                          const char *what)
{
    return base_fail(d->error, code, (uint64_t)(at - d->start) + DICOM_PDU_HEADER,
                     "A-ASSOCIATE: %s", what);
}

/* The next item of *in: type and content. False at the end, or when cut (*bad). */
static bool next_item(struct base_bytes *in, uint8_t *type, struct base_bytes *content, bool *bad)
{
    if (in->n == 0)
        return false;
    if (in->n < 4 || base_load_be16(in->p + 2) > in->n - 4) {
        *bad = true;
        return false;
    }
    *type = in->p[0];
    *content = base_bytes_of(in->p + 4, base_load_be16(in->p + 2));
    in->p += 4 + content->n;
    in->n -= 4 + content->n;
    return true;
}

/* A UID: from our tables when known, else a copy. NULL when it is no UID or memory
 * ran out. Padding (NUL or space, though PS3.8 Annex F has none) is dropped. */
static const char *take_uid(struct decoder *d, struct base_bytes v)
{
    char text[DICOM_UID_SIZE];
    while (v.n && (v.p[v.n - 1] == 0 || v.p[v.n - 1] == ' '))
        v.n--;
    if (v.n == 0 || v.n >= sizeof text)
        return NULL;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= 0x20 || v.p[i] > 0x7E)
            return NULL;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    const struct dicom_syntax *syntax = dicom_syntax_find(text);
    if (syntax)
        return syntax->uid;
    const struct dicom_sop_class *sop = dicom_sop_class_find(text);
    return sop ? sop->uid : base_arena_strdup(d->arena, text, v.n);
}

/* PS3.8 9.3.2: leading and trailing spaces are not significant. */
static void take_aet(const uint8_t *p, char out[DICOM_AET_SIZE])
{
    size_t from = 0;
    size_t to = 16;
    while (to > 0 && (p[to - 1] == ' ' || p[to - 1] == 0))
        to--;
    while (from < to && p[from] == ' ')
        from++;
    for (size_t i = from; i < to; i++)
        out[i - from] = p[i] < 0x20 || p[i] > 0x7E ? '?' : (char)p[i];
    out[to - from] = 0;
}

static unsigned count_items(struct base_bytes in, uint8_t wanted)
{
    uint8_t type;
    struct base_bytes content;
    bool bad = false;
    unsigned n = 0;
    while (next_item(&in, &type, &content, &bad))
        n += type == wanted;
    return n;
}

/* PS3.8 9.3.2.2 and 9.3.3.2 */
static enum base_err take_context(struct decoder *d, struct base_bytes v)
{
    const uint8_t *at = v.p;
    if (v.n < 4)
        return fail(d, at, BASE_EFORMAT, "presentation context too short");
    struct dicom_context c = {.id = v.p[0], .result = d->accept ? v.p[2] : 0};
    if (c.id % 2 == 0)
        return fail(d, at, BASE_EFORMAT, "presentation context id is not odd");
    if (d->seen[c.id / 8] & 1U << c.id % 8)
        return fail(d, at, BASE_EFORMAT, "presentation context id used twice");
    d->seen[c.id / 8] |= (uint8_t)(1U << c.id % 8);
    struct base_bytes in = {v.p + 4, v.n - 4};
    unsigned n = count_items(in, ITEM_TRANSFER_SYNTAX);
    if (n > DICOM_SYNTAXES_MAX)
        return fail(d, at, BASE_ELIMIT, "too many transfer syntaxes");
    const char **syntaxes = base_arena_alloc(d->arena, (n ? n : 1) * sizeof *syntaxes);
    if (!syntaxes)
        return fail(d, at, BASE_ENOMEM, "out of memory");
    uint8_t type;
    bool bad = false;
    while (next_item(&in, &type, &v, &bad)) {
        if (type != ITEM_TRANSFER_SYNTAX && type != ITEM_ABSTRACT_SYNTAX)
            continue;
        /* In a refused context of an -AC the value is not significant. A proposed context that
         * makes no sense is refused by itself, so that the others can be accepted. */
        const char *uid = take_uid(d, v);
        if (!uid && d->accept && c.result == DICOM_CONTEXT_ACCEPTED)
            return fail(d, v.p, BASE_EFORMAT, "a UID of a presentation context is invalid");
        if (type == ITEM_ABSTRACT_SYNTAX)
            c.abstract = uid;
        else if (uid)
            syntaxes[c.n_syntaxes++] = uid;
    }
    if (bad)
        return fail(d, in.p, BASE_EFORMAT, "an item is longer than its presentation context");
    if (!d->accept && !c.abstract)
        c.abstract = DICOM_NO_UID;
    if (d->accept && c.result == DICOM_CONTEXT_ACCEPTED && c.n_syntaxes != 1)
        return fail(d, at, BASE_EFORMAT, "accepted context without one transfer syntax");
    c.syntaxes = syntaxes;
    d->contexts[d->out->n_contexts++] = c;
    return BASE_OK;
}

/* PS3.7 D.3.3.4 */
static enum base_err take_role(struct decoder *d, struct base_bytes v)
{
    size_t n = v.n >= 2 ? base_load_be16(v.p) : 0;
    if (v.n < 4 || n + 4 > v.n)
        return fail(d, v.p, BASE_EFORMAT, "role selection too short");
    const char *uid = take_uid(d, base_bytes_of(v.p + 2, n));
    if (!uid)
        return fail(d, v.p, BASE_EFORMAT, "role selection with an invalid UID");
    d->roles[d->out->n_roles++] = (struct dicom_role){uid, v.p[2 + n] != 0, v.p[3 + n] != 0};
    return BASE_OK;
}

static struct base_bytes keep(struct decoder *d, struct base_bytes v)
{
    return base_bytes_of(base_arena_strdup(d->arena, (const char *)v.p, v.n), v.n);
}

/* PS3.7 D.3.3.7 */
static enum base_err take_identity(struct decoder *d, struct base_bytes v)
{
    struct dicom_associate *out = d->out;
    if (d->accept) {
        size_t n = v.n >= 2 ? base_load_be16(v.p) : 0;
        if (v.n < 2 || n + 2 > v.n)
            return fail(d, v.p, BASE_EFORMAT, "user identity response too short");
        out->has_identity_response = true;
        out->identity_response = keep(d, base_bytes_of(v.p + 2, n));
        return out->identity_response.p ? BASE_OK : fail(d, v.p, BASE_ENOMEM, "out of memory");
    }
    size_t n = v.n >= 4 ? base_load_be16(v.p + 2) : 0;
    if (v.n < 6 || n + 6 > v.n)
        return fail(d, v.p, BASE_EFORMAT, "user identity too short");
    size_t m = base_load_be16(v.p + 4 + n);
    if (n + m + 6 > v.n)
        return fail(d, v.p, BASE_EFORMAT, "user identity too short");
    out->identity = (struct dicom_identity){
        .type = v.p[0],
        .response_requested = v.p[1] == 1,
        .primary = keep(d, base_bytes_of(v.p + 4, n)),
        .secondary = keep(d, base_bytes_of(v.p + 6 + n, m)),
    };
    bool kept = out->identity.primary.p && out->identity.secondary.p;
    return kept ? BASE_OK : fail(d, v.p, BASE_ENOMEM, "out of memory");
}

static enum base_err take_user_item(struct decoder *d, uint8_t type, struct base_bytes v)
{
    struct dicom_associate *out = d->out;
    char version[DICOM_AET_SIZE];
    switch (type) {
    case ITEM_MAX_LENGTH:
        if (v.n < 4)
            return fail(d, v.p, BASE_EFORMAT, "maximum length too short");
        out->max_length = base_load_be32(v.p);
        return BASE_OK;
    case ITEM_IMPLEMENTATION_CLASS: {
        /* Only for logs, so that a malformed one is no reason to refuse. */
        const char *uid = take_uid(d, v);
        out->implementation_class = uid ? uid : "";
        return BASE_OK;
    }
    case ITEM_IMPLEMENTATION_VERSION: {
        uint8_t padded[16];
        memset(padded, ' ', sizeof padded);
        memcpy(padded, v.p, v.n < 16 ? v.n : 16);
        take_aet(padded, version);
        const char *text = base_arena_strdup(d->arena, version, strlen(version));
        if (!text)
            return fail(d, v.p, BASE_ENOMEM, "out of memory");
        out->implementation_version = text;
        return BASE_OK;
    }
    case ITEM_ASYNC:
        if (v.n < 4)
            return fail(d, v.p, BASE_EFORMAT, "asynchronous operations window too short");
        out->has_async = true;
        out->async_invoked = base_load_be16(v.p);
        out->async_performed = base_load_be16(v.p + 2);
        return BASE_OK;
    case ITEM_ROLE:
        return take_role(d, v);
    default:
        if (type == (d->accept ? ITEM_IDENTITY_AC : ITEM_IDENTITY_RQ))
            return take_identity(d, v);
        return BASE_OK; /* PS3.8 9.3.1: unrecognized sub-items are ignored */
    }
}

static enum base_err take_user_information(struct decoder *d, struct base_bytes v)
{
    uint8_t type;
    struct base_bytes content;
    bool bad = false;
    unsigned n = count_items(v, ITEM_ROLE);
    if (d->roles)
        return fail(d, v.p, BASE_EFORMAT, "user information given twice");
    if (n > DICOM_ROLES_MAX)
        return fail(d, v.p, BASE_ELIMIT, "too many role selections");
    d->roles = base_arena_alloc(d->arena, (n ? n : 1) * sizeof *d->roles);
    if (!d->roles)
        return fail(d, v.p, BASE_ENOMEM, "out of memory");
    d->out->roles = d->roles;
    while (next_item(&v, &type, &content, &bad)) {
        enum base_err err = take_user_item(d, type, content);
        if (err)
            return err;
    }
    return bad ? fail(d, v.p, BASE_EFORMAT, "an item is longer than the user information")
               : BASE_OK;
}

static enum base_err take_item(struct decoder *d, uint8_t type, struct base_bytes v)
{
    if (type == ITEM_APPLICATION_CONTEXT) {
        const char *uid = take_uid(d, v);
        d->out->application_context = uid ? uid : "";
        return BASE_OK;
    }
    if (type == (d->accept ? ITEM_CONTEXT_AC : ITEM_CONTEXT_RQ))
        return take_context(d, v);
    if (type == ITEM_USER_INFORMATION)
        return take_user_information(d, v);
    return BASE_OK; /* PS3.8 9.3.1: unrecognized items are ignored */
}

bool dicom_associate_titles(struct base_bytes body, char called[DICOM_AET_SIZE],
                            char calling[DICOM_AET_SIZE])
{
    if (body.n < FIXED)
        return false;
    take_aet(body.p + 4, called);
    take_aet(body.p + 20, calling);
    return true;
}

enum base_err dicom_associate_decode(struct base_bytes body, bool accept, struct base_arena *arena,
                                     struct dicom_associate *out, struct base_error *error)
{
    struct dicom_associate a = {
        .application_context = "", .implementation_class = "", .implementation_version = ""};
    struct decoder d = {
        .arena = arena, .out = &a, .error = error, .start = body.p, .accept = accept};
    if (!dicom_associate_titles(body, a.called, a.calling))
        return base_fail(error, BASE_EFORMAT, DICOM_PDU_HEADER, "A-ASSOCIATE: too short");
    a.version = base_load_be16(body.p);
    struct base_bytes in = {body.p + FIXED, body.n - FIXED};
    unsigned n = count_items(in, accept ? ITEM_CONTEXT_AC : ITEM_CONTEXT_RQ);
    if (n > DICOM_CONTEXTS_MAX)
        return fail(&d, in.p, BASE_ELIMIT, "too many presentation contexts");
    d.contexts = base_arena_alloc(arena, (n ? n : 1) * sizeof *d.contexts);
    if (!d.contexts)
        return fail(&d, in.p, BASE_ENOMEM, "out of memory");
    a.contexts = d.contexts;
    uint8_t type;
    struct base_bytes v;
    bool bad = false;
    while (next_item(&in, &type, &v, &bad)) {
        enum base_err err = take_item(&d, type, v);
        if (err)
            return err;
    }
    if (bad)
        return fail(&d, in.p, BASE_EFORMAT, "an item is longer than the PDU");
    *out = a;
    return BASE_OK;
}

/* -- encoding -- */

/* Opens an item; close_item writes its length. */
static size_t open_item(struct base_buf *out, enum item type)
{
    base_buf_add_byte(out, (uint8_t)type);
    base_buf_add_byte(out, 0);
    base_buf_add_be16(out, 0);
    return out->n;
}

static void close_item(struct base_buf *out, size_t start)
{
    if (out->err)
        return;
    if (out->n - start > UINT16_MAX)
        out->err = BASE_ELIMIT;
    else
        base_store_be16(out->p + start - 2, (uint16_t)(out->n - start));
}

static void text_item(struct base_buf *out, enum item type, const char *text)
{
    size_t at = open_item(out, type);
    base_buf_add_str(out, text);
    close_item(out, at);
}

static void add_aet(struct base_buf *out, const char *aet)
{
    size_t n = strnlen(aet, 16);
    base_buf_add(out, aet, n);
    base_buf_add_fill(out, ' ', 16 - n);
}

static void encode_context(const struct dicom_context *c, bool accept, struct base_buf *out)
{
    size_t at = open_item(out, accept ? ITEM_CONTEXT_AC : ITEM_CONTEXT_RQ);
    base_buf_add(out, (const uint8_t[4]){c->id, 0, accept ? c->result : 0, 0}, 4);
    if (!accept)
        text_item(out, ITEM_ABSTRACT_SYNTAX, c->abstract);
    for (unsigned i = 0; i < c->n_syntaxes; i++)
        text_item(out, ITEM_TRANSFER_SYNTAX, c->syntaxes[i]);
    close_item(out, at);
}

static void add_counted(struct base_buf *out, struct base_bytes v)
{
    if (v.n > UINT16_MAX)
        out->err = out->err ? out->err : BASE_ELIMIT;
    base_buf_add_be16(out, (uint16_t)v.n);
    base_buf_add(out, v.p, v.n);
}

static void encode_identity(const struct dicom_associate *a, bool accept, struct base_buf *out)
{
    if (accept && a->has_identity_response) {
        size_t at = open_item(out, ITEM_IDENTITY_AC);
        add_counted(out, a->identity_response);
        close_item(out, at);
    } else if (!accept && a->identity.type) {
        size_t at = open_item(out, ITEM_IDENTITY_RQ);
        base_buf_add_byte(out, a->identity.type);
        base_buf_add_byte(out, a->identity.response_requested);
        add_counted(out, a->identity.primary);
        add_counted(out, a->identity.secondary);
        close_item(out, at);
    }
}

static void encode_user_information(const struct dicom_associate *a, bool accept,
                                    struct base_buf *out)
{
    size_t start = open_item(out, ITEM_USER_INFORMATION);
    size_t at = open_item(out, ITEM_MAX_LENGTH);
    base_buf_add_be32(out, a->max_length);
    close_item(out, at);
    text_item(out, ITEM_IMPLEMENTATION_CLASS, a->implementation_class);
    if (a->has_async) {
        at = open_item(out, ITEM_ASYNC);
        base_buf_add_be16(out, a->async_invoked);
        base_buf_add_be16(out, a->async_performed);
        close_item(out, at);
    }
    for (unsigned i = 0; i < a->n_roles; i++) {
        at = open_item(out, ITEM_ROLE);
        add_counted(out, base_bytes_str(a->roles[i].sop_class));
        base_buf_add_byte(out, a->roles[i].scu);
        base_buf_add_byte(out, a->roles[i].scp);
        close_item(out, at);
    }
    if (*a->implementation_version)
        text_item(out, ITEM_IMPLEMENTATION_VERSION, a->implementation_version);
    encode_identity(a, accept, out);
    close_item(out, start);
}

void dicom_associate_encode(const struct dicom_associate *a, bool accept, struct base_buf *out)
{
    size_t start = out->n;
    base_buf_add_byte(out, accept ? DICOM_PDU_ASSOCIATE_AC : DICOM_PDU_ASSOCIATE_RQ);
    base_buf_add_byte(out, 0);
    base_buf_add_be32(out, 0);
    base_buf_add_be16(out, 1); /* protocol version 1 */
    base_buf_add_be16(out, 0);
    add_aet(out, a->called);
    add_aet(out, a->calling);
    base_buf_add_fill(out, 0, 32);
    text_item(out, ITEM_APPLICATION_CONTEXT, a->application_context);
    for (unsigned i = 0; i < a->n_contexts; i++)
        encode_context(&a->contexts[i], accept, out);
    encode_user_information(a, accept, out);
    if (!out->err)
        base_store_be32(out->p + start + 2, (uint32_t)(out->n - start - DICOM_PDU_HEADER));
}
