#include "worklist/worklist_hl7.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/utf8.h"
#include "dicom/dicom_charset.h"
#include "hl7/hl7_batch.h"
#include "hl7/hl7_order.h"
#include "net/net_mllp.h"
#include "worklist/worklist_priv.h"
#include "model/model_answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    MESSAGE_MAX = DICOM_CHARSET_TEXT_MAX, /* 1 MiB; the text of an answer says so */
    CONNECTIONS_MAX = 200,
    PER_ADDRESS_MAX = 50,
    IDLE_MS = 10 * 60 * 1000,
    MSH_18_MAX = 8 /* repetitions looked at */
};

struct worklist_hl7 {
    struct db *db;
    void (*on_stranger)(void *arg, const char *address, const char *text);
    void *arg;
    struct net_mllp_server *server; /* NULL: not served */
    struct net_mllp_server *tls_server;
    unsigned busy;
    struct hl7_message parsed; /* scratch: used within one callback at a time */
};

/* A frame under way, and the message in it that is. */
struct request {
    struct worklist_hl7 *h;
    struct net_mllp_conn *c;
    bool is_batch;
    struct hl7_batch batch;
    struct base_buf answers; /* to the batch */
    bool owes;               /* an answer to the batch */
    bool walking;            /* through the batch */
    bool ended;              /* the message */
    struct base_bytes raw;   /* borrowed from the connection until it is answered */
    struct base_buf text;    /* as UTF-8 */
    int64_t sender;
    char control_id[200];
    char app[256];
    char facility[256];
};

/* The result of a message. */
struct answer {
    const char *code; /* AA, AE, AR */
    const char *text; /* NULL when fine */
    const char *error_code;
    const char *error_name;
    const char *location;
};

/* ---- the answer ---- */

static bool is_wanted(const char *condition, bool ok)
{
    /* Table 0155; without a value it is wanted. */
    return !condition[0] || strcmp(condition, "AL") == 0 || (strcmp(condition, "ER") == 0 && !ok) ||
           (strcmp(condition, "SU") == 0 && ok);
}

static void send_ack(struct request *r, const struct hl7_message *m, const struct answer *a,
                     const char *code)
{
    struct base_buf out = {0};
    uint8_t id[8];
    char control_id[2 * sizeof id + 1];
    char now[32];
    time_t t = (time_t)(base_clock_wall_us() / 1000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(now, sizeof now, "%Y%m%d%H%M%S+0000", &tm);
    base_random(id, sizeof id);
    base_hex(id, sizeof id, control_id);
    struct hl7_ack ack = {.code = code,
                          .text = a->text,
                          .error_code = a->error_code,
                          .error_name = a->error_name,
                          .location = a->location,
                          .control_id = control_id,
                          .time = now};
    if (r->is_batch) {
        hl7_write_ack(m, &ack, &r->answers);
        r->batch.answers++;
        return;
    }
    hl7_write_ack(m, &ack, &out);
    if (!out.err)
        net_mllp_send(r->c, base_buf_bytes(&out));
    base_buf_deinit(&out);
}

static void finish(struct request *r)
{
    /* What refers to a batch and has no message but answers is an answer itself (2.9.2). */
    if (r->is_batch && r->owes && !r->answers.err)
        net_mllp_send(r->c, base_buf_bytes(&r->answers));
    assert(r->h->busy > 0);
    r->h->busy--;
    base_buf_deinit(&r->answers);
    base_buf_deinit(&r->text);
    net_mllp_done(r->c);
    free(r);
}

static void take(struct request *r);

/* Takes the messages of a batch one after the other; those that are answered at once must not
 * nest. */
static void walk(struct request *r)
{
    r->walking = true;
    while (r->ended) {
        if (!hl7_batch_next(&r->batch, &r->raw, &r->answers)) {
            finish(r);
            return;
        }
        r->ended = false;
        take(r);
    }
    r->walking = false;
}

static void end(struct request *r)
{
    if (!r->is_batch) {
        finish(r);
        return;
    }
    assert(!r->ended); /* each message once */
    base_buf_reset(&r->text);
    r->sender = 0;
    r->control_id[0] = r->app[0] = r->facility[0] = 0;
    r->ended = true;
    if (!r->walking)
        walk(r);
}

/* Original mode: one answer. Enhanced mode (2.9.3, MSH-15 or MSH-16 valued): a commit
 * acknowledgement, and an application acknowledgement where the sender wants it. */
static void answer(struct request *r, const struct answer *a)
{
    struct hl7_message *m = &r->h->parsed;
    struct base_error error;
    struct base_bytes text = r->text.n ? base_buf_bytes(&r->text) : r->raw;
    bool ok = strcmp(a->code, "AA") == 0;
    char commit[8] = "";
    char application[8] = "";
    /* Only the header is needed, and all that may be readable. */
    bool parsed = hl7_parse(text, m, &error) == BASE_OK || m->n > 0;
    if (parsed) {
        hl7_text(m, 0, 15, 0, 1, commit, sizeof commit);
        hl7_text(m, 0, 16, 0, 1, application, sizeof application);
    }
    if (!commit[0] && !application[0]) {
        send_ack(r, parsed ? m : NULL, a, a->code);
    } else {
        char code[3] = {'C', a->code[1], 0};
        bool committed = is_wanted(commit, ok);
        if (committed)
            send_ack(r, m, a, code);
        /* A sender whose message was not accepted at commit expects nothing more. */
        if (application[0] && is_wanted(application, ok) && (ok || !committed))
            send_ack(r, m, a, a->code);
    }
    if (ok)
        BASE_LOG(INFO, "hl7_message", LOG_I("sender", r->sender),
                 LOG_S("control_id", r->control_id));
    else
        BASE_LOG(WARN, "hl7_refused", LOG_S("peer", net_mllp_peer(r->c)), LOG_S("app", r->app),
                 LOG_S("facility", r->facility), LOG_S("control_id", r->control_id),
                 LOG_S("code", a->error_code), LOG_S("location", a->location ? a->location : ""));
    end(r);
}

static void refuse(struct request *r, const char *code, const char *error_code,
                   const char *error_name, const char *location, const char *text)
{
    answer(r, &(struct answer){code, text, error_code, error_name, location});
}

/* What a peer that speaks MLLP release 2 says to our acknowledgement: <ACK>, or <NAK>. */
static bool is_commit(struct base_bytes frame)
{
    return frame.n == 1 && (frame.p[0] == 0x06 || frame.p[0] == 0x15);
}

/* 2.9.2: an acknowledgement, and what else answers a message (MSA), is not acknowledged. */
static bool is_answer(const struct hl7_message *m)
{
    char type[8];
    hl7_text(m, 0, 9, 0, 1, type, sizeof type);
    return strcmp(type, "ACK") == 0 || hl7_find(m, "MSA", 0) != SIZE_MAX;
}

static void pass_over(struct request *r)
{
    BASE_LOG(WARN, "hl7_answer_ignored", LOG_S("peer", net_mllp_peer(r->c)));
    end(r);
}

static void refuse_passing(struct request *r)
{
    refuse(r, "AR", "207", "Application internal error", NULL,
           "the database does not answer now; send the message again");
}

/* ---- the orders ---- */

static void on_received(void *arg, const struct db_outcome *outcome)
{
    struct request *r = arg;
    if (outcome->err) {
        refuse_passing(r);
        return;
    }
    json_t *v = model_answer(outcome, 0);
    struct answer a = {
        .code = json_string_value(json_object_get(v, "code")),
        .text = json_string_value(json_object_get(v, "text")),
        .error_code = json_string_value(json_object_get(v, "error_code")),
        .error_name = json_string_value(json_object_get(v, "error_name")),
        .location = json_string_value(json_object_get(v, "location")),
    };
    if (a.code)
        answer(r, &a);
    else
        refuse_passing(r);
    json_decref(v);
}

/* The orders with their patients' names in pinyin. NULL: out of memory. */
static char *with_pinyin(const char *orders)
{
    json_t *list = json_loads(orders, 0, NULL);
    char *text = NULL;
    size_t i;
    json_t *order;
    enum base_err err = list ? BASE_OK : BASE_ENOMEM;
    json_array_foreach(list, i, order) err = err ? err : worklist_order_pinyin(order);
    if (!err)
        text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static void take_orders(struct request *r)
{
    struct hl7_message *m = &r->h->parsed;
    struct base_buf json = {0};
    struct base_json j;
    struct hl7_problem problem = {.text = ""};
    uint8_t digest[BASE_SHA256];
    base_json_init(&j, &json);
    enum base_err err = hl7_orders_write(m, &j, &problem);
    if (err) {
        base_buf_deinit(&json);
        refuse(r, err == BASE_EUNSUPPORTED ? "AR" : "AE", problem.code, problem.name,
               problem.location, problem.text);
        return;
    }
    char *text = json.err ? NULL : with_pinyin(base_buf_cstr(&json));
    /* The same message, though its last segment may have no end. */
    size_t n = r->raw.n;
    while (n && (r->raw.p[n - 1] == '\r' || r->raw.p[n - 1] == '\n'))
        n--;
    base_sha256_once(r->raw.p, n, digest);
    struct db_param params[] = {db_int(r->sender), db_text(r->control_id),
                                db_bytes(digest, sizeof digest), db_text(text)};
    err = text ? db_call(r->h->db, DB_Q_HL7_RECEIVE, params, 4, on_received, r) : BASE_ENOMEM;
    free(text);
    base_buf_deinit(&json);
    if (err)
        refuse_passing(r);
}

/* ---- the header ---- */

/* The DICOM term of a set of table 0211; NULL: unknown. */
static const char *find_term(const char *name)
{
    static const struct {
        const char *hl7;
        const char *dicom;
    } known[] = {{"UNICODE UTF-8", "ISO_IR 192"},
                 {"UNICODE", "ISO_IR 192"},
                 {"UTF-8", "ISO_IR 192"},
                 {"GB 18030-2000", "GB18030"},
                 {"GB18030", "GB18030"},
                 {"GBK", "GBK"},
                 {"GB2312", "GBK"},
                 {"GB 2312", "GBK"},
                 {"CP936", "GBK"},
                 {"8859/1", "ISO_IR 100"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(name, known[i].hl7) == 0)
            return known[i].dicom;
    return NULL;
}

/* MSH-18 (table 0211), else the set registered for the sender; without either the set
 * is guessed. */
static struct dicom_charset charset_of(const struct hl7_message *m, const char *registered)
{
    struct dicom_charset cs = {0};
    char declared[32];
    const char *term = registered ? find_term(registered) : NULL;
    /* It repeats where there are several (2.15.9.18), such as ASCII~GB 18030-2000. */
    for (unsigned r = 0; r < MSH_18_MAX && hl7_text(m, 0, 18, r, 1, declared, sizeof declared);
         r++) {
        const char *here = find_term(declared);
        term = here ? here : term;
    }
    dicom_charset_parse(&cs, base_bytes_str(term ? term : ""));
    return cs;
}

static bool is_header_good(struct request *r)
{
    const struct hl7_message *m = &r->h->parsed;
    char version[16];
    if (!hl7_text(m, 0, 10, 0, 1, r->control_id, sizeof r->control_id)) {
        refuse(r, "AE", "101", "Required field missing", "MSH^1^10", "MSH-10 is empty");
        return false;
    }
    /* Table 0103: what is for training or debugging must not become an order. */
    char processing[8];
    if (hl7_text(m, 0, 11, 0, 1, processing, sizeof processing) && strcmp(processing, "P") != 0) {
        refuse(r, "AR", "202", "Unsupported processing id", "MSH^1^11",
               "this system is in production: MSH-11 must be P");
        return false;
    }
    hl7_text(m, 0, 12, 0, 1, version, sizeof version);
    if (strncmp(version, "2.", 2) != 0) {
        refuse(r, "AR", "203", "Unsupported version id", "MSH^1^12", "MSH-12 must be 2.x");
        return false;
    }
    return true;
}

/* The sender is known, so the text can be decoded; it is split only after that. */
static void take_message(struct request *r, const char *registered_charset)
{
    struct hl7_message *m = &r->h->parsed;
    struct base_error error;
    bool guessed = false;
    if (hl7_parse(r->raw, m, &error) != BASE_OK && m->n == 0) {
        refuse(r, "AR", "100", "Segment sequence error", "MSH", error.msg);
        return;
    }
    struct dicom_charset cs = charset_of(m, registered_charset);
    if (dicom_charset_to_utf8(&cs, r->raw, &r->text, &guessed)) {
        refuse(r, "AE", "102", "Data type error", NULL, "the text cannot be decoded");
        return;
    }
    if (hl7_parse(base_buf_bytes(&r->text), m, &error)) {
        refuse(r, "AE", "100", "Segment sequence error", NULL, error.msg);
        return;
    }
    if (is_header_good(r))
        take_orders(r);
}

/* Why the sender may not send, for its operator. */
static const char *sender_text(const char *cause)
{
    static const char *const known[][2] = {
        {"wrong_address", "the sender is registered with another address"},
        {"certificate_missing",
         "the sender is registered with a certificate: use the port with TLS and show it"},
        {"certificate_unknown", "the sender is registered with another certificate"},
        {"disabled", "the sender is disabled: rdc hl7 enable APP^FACILITY"}};
    for (size_t i = 0; cause && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(cause, known[i][0]) == 0)
            return known[i][1];
    return "MSH-3 and MSH-4 are not a registered sender: rdc hl7 add APP^FACILITY --org CODE";
}

/* Among the strangers of the connection doctor, which nobody else tells the sender's operator. */
static void note_refused(const struct request *r, const char *cause, const char *why)
{
    char text[300];
    snprintf(text, sizeof text, "%s: %.60s^%.60s: %s",
             !cause || strcmp(cause, "unknown") == 0 ? "hl7_sender_unknown" : "hl7_sender_refused",
             r->app, r->facility, why);
    base_utf8_clean(text);
    r->h->on_stranger(r->h->arg, net_mllp_peer(r->c), text);
}

static void on_sender(void *arg, const struct db_outcome *outcome)
{
    struct request *r = arg;
    if (outcome->err) {
        refuse_passing(r);
        return;
    }
    json_t *v = model_answer(outcome, 0);
    const char *cause = json_string_value(json_object_get(v, "cause"));
    r->sender = json_integer_value(json_object_get(v, "id"));
    if (r->sender) {
        take_message(r, json_string_value(json_object_get(v, "charset")));
    } else {
        note_refused(r, cause, sender_text(cause));
        refuse(r, "AR", "204", "Unknown key identifier", "MSH^1^3", sender_text(cause));
    }
    json_decref(v);
}

/* Parses the header of the message. */
static bool find_header(struct request *r)
{
    struct base_error error;
    /* Its first fields are ASCII in every set; a later segment that cannot be read yet does not
     * matter here. */
    (void)!hl7_parse(r->raw, &r->h->parsed, &error);
    if (r->h->parsed.n)
        return true;
    r->owes = true;
    refuse(r, "AR", "100", "Segment sequence error", "MSH", error.msg);
    return false;
}

static void take(struct request *r)
{
    struct worklist_hl7 *h = r->h;
    bool commit = is_commit(r->raw);
    if (!commit && !find_header(r))
        return;
    if (commit || is_answer(&h->parsed)) {
        pass_over(r);
        return;
    }
    r->owes = true;
    hl7_text(&h->parsed, 0, 3, 0, 1, r->app, sizeof r->app);
    hl7_text(&h->parsed, 0, 4, 0, 1, r->facility, sizeof r->facility);
    uint8_t print[BASE_SHA256];
    char certificate[BASE_SHA256_HEX] = "";
    if (net_mllp_fingerprint(r->c, print))
        base_hex(print, sizeof print, certificate);
    struct db_param params[] = {db_text(r->app), db_text(r->facility), db_text(net_mllp_peer(r->c)),
                                certificate[0] ? db_text(certificate) : db_null()};
    if (db_call(h->db, DB_Q_HL7_SENDER_FIND, params, 4, on_sender, r))
        refuse_passing(r);
}

/* ---- frames ---- */

/* NULL: out of memory. */
static struct request *begin(struct worklist_hl7 *h, struct net_mllp_conn *c,
                             struct base_bytes frame)
{
    struct request *r = calloc(1, sizeof *r);
    if (!r) {
        net_mllp_done(c);
        return NULL;
    }
    r->h = h;
    r->c = c;
    r->raw = hl7_beginning(frame);
    r->is_batch = hl7_is_batch(r->raw);
    r->batch.rest = r->raw;
    h->busy++;
    return r;
}

/* Nothing of the batch was taken: its answer has one acknowledgement, of no message. */
static void refuse_batch(struct request *r, const char *code, const char *error_code,
                         const char *error_name, const char *text)
{
    hl7_batch_refuse(&r->batch, &r->answers);
    r->owes = true;
    r->raw = base_bytes_str("");
    refuse(r, code, error_code, error_name, NULL, text);
}

static void on_too_long(void *arg, struct net_mllp_conn *c, struct base_bytes beginning)
{
    struct worklist_hl7 *h = arg;
    struct request *r = begin(h, c, beginning);
    if (!r)
        return;
    if (r->is_batch) {
        refuse_batch(r, "AR", "207", "Application internal error",
                     "the batch has more than 1 MiB, which is the limit: send it in several");
        return;
    }
    if (!find_header(r))
        return;
    hl7_text(&h->parsed, 0, 10, 0, 1, r->control_id, sizeof r->control_id);
    refuse(r, "AR", "207", "Application internal error", NULL,
           "the message has more than 1 MiB, which is the limit: send it without what it embeds");
}

static void on_message(void *arg, struct net_mllp_conn *c, struct base_bytes frame)
{
    struct request *r = begin(arg, c, frame);
    struct base_error error;
    unsigned messages = 0;
    if (!r)
        return;
    if (!r->is_batch) {
        take(r);
        return;
    }
    if (hl7_batch_check(r->raw, &messages, &error)) {
        refuse_batch(r, "AR", "100", "Segment sequence error", error.msg);
        return;
    }
    r->owes = messages == 0 && !hl7_batch_refers(r->raw);
    r->ended = true;
    walk(r);
}

static void on_fault(void *arg, const char *peer, const char *word, const char *text)
{
    const struct worklist_hl7 *h = arg;
    char full[600];
    snprintf(full, sizeof full, "%s%s%s", word, word[0] ? ": " : "", text);
    if (word[0])
        h->on_stranger(h->arg, peer, full);
    BASE_LOG(WARN, "hl7_stranger", LOG_S("address", peer), LOG_S("cause", full));
}

/* ---- the listener ---- */

static enum base_err listen_on(struct worklist_hl7 *h, struct loop *loop, int fd,
                               struct net_tls_context *tls, struct net_mllp_server **out)
{
    struct net_mllp_options options = {
        .loop = loop,
        .fd = fd,
        .tls = tls,
        .max_message = MESSAGE_MAX,
        .max_connections = CONNECTIONS_MAX,
        .max_per_address = PER_ADDRESS_MAX,
        .idle_timeout_ms = IDLE_MS,
        .on_message = on_message,
        .on_too_long = on_too_long,
        .on_fault = on_fault,
        .arg = h,
    };
    return fd < 0 ? BASE_OK : net_mllp_listen(&options, out);
}

enum base_err worklist_hl7_start(const struct worklist_hl7_config *config,
                                 struct worklist_hl7 **out)
{
    struct worklist_hl7 *h = calloc(1, sizeof *h);
    if (!h)
        return BASE_ENOMEM;
    h->db = config->db;
    h->on_stranger = config->on_stranger;
    h->arg = config->arg;
    enum base_err err = listen_on(h, config->loop, config->fd, NULL, &h->server);
    if (!err)
        err = listen_on(h, config->loop, config->tls_fd, config->tls, &h->tls_server);
    if (err) {
        worklist_hl7_free(h);
        return err;
    }
    *out = h;
    return BASE_OK;
}

void worklist_hl7_drain(struct worklist_hl7 *h)
{
    if (h->server)
        net_mllp_stop(h->server);
    if (h->tls_server)
        net_mllp_stop(h->tls_server);
}

unsigned worklist_hl7_busy(const struct worklist_hl7 *h)
{
    return h->busy;
}

void worklist_hl7_free(struct worklist_hl7 *h)
{
    if (!h)
        return;
    net_mllp_free(h->server);
    net_mllp_free(h->tls_server);
    free(h);
}
