/* `rdc send` by C-STORE: one association at a time, its contexts from the files. */
#include "rdc/rdc_send.h"

#include "net/net_assoc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECT_MS = 10000,
    RESPONSE_MS = 120000,
    MAX_PDU = 128 * 1024,
    PIECE = 64 * 1024,
    LOOK_MS = 500, /* how often to look for Ctrl-C … */
    LOOKS = 6      /* … and for how many looks more to wait for the answer under way */
};

struct sender {
    struct rdc_send *s;
    struct loop *loop;
    struct net_assoc_target target;
    char called[DICOM_AET_SIZE];
    char host[256];
    struct dicom_context contexts[DICOM_CONTEXTS_MAX];
    const char *syntaxes[DICOM_CONTEXTS_MAX];
    unsigned n_contexts;
    struct net_assoc *a;
    struct rdc_send_file *file; /* that is being sent */
    int fd;
    uint64_t at; /* of the file */
    uint16_t message_id;
    size_t answered; /* on this association, or refused by us */
    bool done;       /* nothing is left to send on it */
    unsigned looks;  /* since the interruption */
    uint8_t piece[PIECE];
};

/* ---- one object ---- */

static void close_file(struct sender *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

/* The file under way is refused, and the others go by another association. */
static void break_off(struct sender *d, const char *cause)
{
    rdc_send_refused(d->s, d->file, cause);
    close_file(d);
    d->file = NULL;
    d->answered++;
    net_assoc_abort(d->a);
}

static void on_pull(struct net_assoc *a, void *arg)
{
    struct sender *d = arg;
    if (d->fd < 0)
        return;
    assert(d->file);
    uint64_t left = d->file->size - d->at;
    ssize_t n;
    do
        n = pread(d->fd, d->piece, left < PIECE ? left : PIECE, (off_t)d->at);
    while (n < 0 && errno == EINTR);
    d->at += n > 0 ? (uint64_t)n : 0;
    if (rdc_send_interrupted) {
        snprintf(d->s->stopped, sizeof d->s->stopped, "interrupted");
        net_assoc_abort(a);
        return;
    }
    bool last = d->at >= d->file->size;
    bool changed = last && rdc_send_file_changed(d->file, d->fd);
    /* Only an abort takes back half an object. */
    if (n < 0 || (n == 0 && !last) || changed) {
        break_off(d, n < 0 ? strerror(errno) : changed ? RDC_SEND_CHANGED : RDC_SEND_SHORTER);
        return;
    }
    rdc_send_progress(d->s, d->at);
    if (last)
        close_file(d);
    if (net_assoc_feed(a, base_bytes_of(d->piece, (size_t)n), last))
        net_assoc_abort(a);
}

static bool is_offered(const struct sender *d, const struct rdc_send_file *f)
{
    for (unsigned i = 0; i < d->n_contexts; i++)
        if (strcmp(d->contexts[i].abstract, f->sop_class) == 0 &&
            strcmp(d->syntaxes[i], f->syntax->uid) == 0)
            return true;
    return false;
}

/* False: it was refused before it was sent. */
static bool begin_file(struct sender *d, struct rdc_send_file *f)
{
    uint8_t context = net_assoc_context(d->a, f->sop_class, f->syntax->uid, NULL);
    struct dicom_dimse rq = {
        .command = DIMSE_C_STORE_RQ, .message_id = ++d->message_id, .has_dataset = true};
    if (!context) {
        char cause[200];
        snprintf(cause, sizeof cause, "%s does not take SOP Class %s in transfer syntax %s",
                 d->called, f->sop_class, f->syntax->uid);
        rdc_send_refused(d->s, f, cause);
        return false;
    }
    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", f->sop_class);
    snprintf(rq.sop_instance, sizeof rq.sop_instance, "%s", f->sop_instance);
    d->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (d->fd < 0) {
        rdc_send_refused(d->s, f, strerror(errno));
        return false;
    }
    assert(!d->file);
    d->at = f->dataset;
    d->file = f;
    if (net_assoc_send_stream(d->a, context, &rq, on_pull))
        net_assoc_abort(d->a);
    return true;
}

static void send_next(struct sender *d)
{
    struct rdc_send_file *f;
    while ((f = rdc_send_next(d->s)) != NULL && is_offered(d, f))
        if (begin_file(d, f))
            return;
    d->done = true;
    net_assoc_release(d->a);
}

/* ---- the association ---- */

static void on_established(struct net_assoc *a, void *arg)
{
    (void)a;
    send_next(arg);
}

/* PS3.4 B.2.3: Bxxx are warnings; 0111 means that the peer has it already. */
static bool is_good(uint16_t status)
{
    return status == DIMSE_SUCCESS || (status & 0xF000) == 0xB000 ||
           status == DIMSE_DUPLICATE_INSTANCE;
}

static void on_command(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd)
{
    struct sender *d = arg;
    (void)context;
    char cause[256];
    bool good = is_good(cmd->status);
    snprintf(cause, sizeof cause, "status %04X%s%s", (unsigned)cmd->status,
             cmd->error_comment[0] ? ": " : "", cmd->error_comment);
    bool early = d->fd >= 0;
    bool other = cmd->command != DIMSE_C_STORE_RSP || !d->file || (early && good);
    if (other || cmd->responded_id != d->message_id) {
        if (other)
            snprintf(d->s->stopped, sizeof d->s->stopped,
                     "%s answered something else than C-STORE-RSP", d->called);
        else
            snprintf(
                d->s->stopped, sizeof d->s->stopped,
                "%s answered message %u, but %u was sent: its Message ID Being Responded To is "
                "wrong",
                d->called, (unsigned)cmd->responded_id, (unsigned)d->message_id);
        net_assoc_abort(a);
        return;
    }
    /* A peer without room may say so before all has come. */
    if (early) {
        break_off(d, cause);
        return;
    }
    d->answered++;
    if (good)
        rdc_send_taken(d->s, d->file, NULL);
    else
        rdc_send_refused(d->s, d->file, cause);
    d->file = NULL;
    send_next(d);
}

/* What the two commonest refusals ask for. */
static const char *remedy(const char *text)
{
    if (strstr(text, "(1/1/3)"))
        return "; give a title with --aet that is registered there for this machine's address";
    return strstr(text, "(1/1/7)") ? "; the title before the @ of --to is not the server's" : "";
}

static void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text)
{
    struct sender *d = arg;
    (void)a;
    close_file(d);
    d->file = NULL;
    d->a = NULL;
    if (d->done || d->s->stopped[0] || d->answered)
        return;
    snprintf(d->s->stopped, sizeof d->s->stopped, "%s%s%s%s", net_assoc_cause_text(cause),
             text[0] ? ": " : "", text, remedy(text));
}

/* After Ctrl-C, do not wait long for an answer: sent again, the object is just a duplicate. */
static void on_look(void *arg)
{
    struct sender *d = arg;
    if (!rdc_send_interrupted || !d->a || d->looks++ < LOOKS)
        return;
    snprintf(d->s->stopped, sizeof d->s->stopped, "interrupted");
    net_assoc_abort(d->a);
}

/* The contexts that the waiting files need, as many as one association can offer. */
static void offer(struct sender *d)
{
    d->n_contexts = 0;
    for (size_t i = 0; i < d->s->n && d->n_contexts < DICOM_CONTEXTS_MAX; i++) {
        struct rdc_send_file *f = &d->s->files[i];
        if (f->state != RDC_SEND_WAITING || is_offered(d, f))
            continue;
        d->syntaxes[d->n_contexts] = f->syntax->uid;
        d->contexts[d->n_contexts] = (struct dicom_context){
            .abstract = f->sop_class, .syntaxes = &d->syntaxes[d->n_contexts], .n_syntaxes = 1};
        d->n_contexts++;
    }
}

/* AET@HOST:PORT */
static bool parse_target(struct sender *d)
{
    const char *to = d->s->to;
    const char *at = strchr(to, '@');
    const char *colon = strrchr(to, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    if (!at || at == to || !colon || colon < at || port == 0 || port > 65535 ||
        at - to >= DICOM_AET_SIZE || colon - at - 1 >= (ptrdiff_t)sizeof d->host)
        return false;
    snprintf(d->called, sizeof d->called, "%.*s", (int)(at - to), to);
    snprintf(d->host, sizeof d->host, "%.*s", (int)(colon - at - 1), at + 1);
    d->target = (struct net_assoc_target){
        .host = d->host,
        .port = (uint16_t)port,
        .calling = d->s->aet,
        .called = d->called,
        .contexts = d->contexts,
        .connect_ms = CONNECT_MS,
        .response_ms = RESPONSE_MS,
        .max_pdu = MAX_PDU,
    };
    return true;
}

static void refuse_ecg(struct rdc_send *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->files[i].state == RDC_SEND_WAITING && s->files[i].kind == RDC_SEND_ECG)
            rdc_send_refused(s, &s->files[i],
                             "it is an ECG file that is not DICOM: send it by HTTP, or convert it "
                             "with rdc ecg convert");
}

void rdc_send_dicom(struct rdc_send *s)
{
    static const struct net_assoc_handlers handlers = {
        .on_established = on_established, .on_command = on_command, .on_closed = on_closed};
    struct loop_options none = {0};
    struct loop_timer *look = NULL;
    struct sender *d = calloc(1, sizeof *d);
    if (!d || loop_new(&none, &d->loop)) {
        free(d);
        snprintf(s->stopped, sizeof s->stopped, "out of memory");
        return;
    }
    d->s = s;
    if (loop_timer_new(d->loop, on_look, d, &look)) {
        snprintf(s->stopped, sizeof s->stopped, "out of memory");
    } else {
        loop_timer_start(look, LOOK_MS, LOOK_MS);
        loop_timer_unref(look);
    }
    d->fd = -1;
    if (!parse_target(d))
        snprintf(s->stopped, sizeof s->stopped,
                 "--to takes http://…, https://… or AET@HOST:PORT, not %.100s", s->to);
    else if (!s->aet[0] || strlen(s->aet) >= DICOM_AET_SIZE)
        snprintf(s->stopped, sizeof s->stopped, "--aet takes an AE title of 1 to 16 characters");
    else
        refuse_ecg(s);
    s->wrong = s->stopped[0] != '\0';
    /* After an association that broke off having made progress, try another. */
    while (!s->stopped[0] && rdc_send_next(s)) {
        offer(d);
        d->target.n_contexts = d->n_contexts;
        d->answered = 0;
        d->done = false;
        if (net_assoc_connect(d->loop, &d->target, &handlers, d, &d->a))
            snprintf(s->stopped, sizeof s->stopped, "no association can be made");
        else
            loop_run(d->loop);
    }
    loop_timer_free(look);
    loop_free(d->loop);
    free(d);
}
