/*
 * The load generator: n lanes, each a thread with a blocking association,
 * which send objects made in memory and wait for each response. Nothing is read
 * from a disk, and what a lane sends is gathered from the shared bulk data
 * without copies, so that the client takes as little of the machine as it can.
 *
 *   load --port P [--host 127.0.0.1] [--calling A] [--called B]
 *        --set ct|ecg|dx|large|huge --lanes N --objects N [--per-association K] [--run R]
 *   load --port P --idle N [--lanes L] [--seconds S]
 *        opens N idle associations, L at a time, or as many as it can in S seconds, and echoes
 *        beside them
 *
 * Prints one JSON line. Ends with 1 when an object was not stored.
 */
#include "load_object.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    PDU_RQ = 1,
    PDU_AC = 2,
    PDU_DATA = 4,
    PDU_RELEASE_RQ = 5,
    IOV = 512,
    STACK = 256 << 10,
    RECEIVE_SECONDS = 120,
    ECHOES = 50, /* in one association */
    ECHO_ASSOCIATIONS = 20,
};

static struct {
    const char *host;
    const char *calling;
    const char *called;
    const struct load_set *set;
    unsigned port;
    unsigned lanes;
    unsigned objects;
    unsigned per_association; /* 0 = all of a lane on one */
    unsigned idle;
    unsigned seconds;
    uint32_t run;
} options = {.host = "127.0.0.1", .calling = "LOAD", .called = "RDC", .lanes = 1, .objects = 1};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- bytes ---- */

static uint8_t *be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *be32(uint8_t *p, uint32_t v)
{
    return be16(be16(p, v >> 16), v & 0xffff);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool read_all(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t r = recv(fd, p, n, 0);
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

static bool write_all(int fd, struct iovec *v, int n)
{
    while (n > 0) {
        ssize_t r = writev(fd, v, n < IOV ? n : IOV);
        if (r < 0)
            return false;
        while (n > 0 && (size_t)r >= v->iov_len) {
            r -= (ssize_t)v->iov_len;
            v++;
            n--;
        }
        if (n > 0) {
            v->iov_base = (uint8_t *)v->iov_base + r;
            v->iov_len -= (size_t)r;
        }
    }
    return true;
}

/* ---- associations (PS3.8 9.3) ---- */

struct association {
    int fd;
    uint32_t max_pdu; /* of the peer */
    uint16_t message;
};

static uint8_t *item(uint8_t *p, unsigned type, const void *data, size_t n)
{
    *p++ = (uint8_t)type;
    *p++ = 0;
    p = be16(p, (unsigned)n);
    memcpy(p, data, n);
    return p + n;
}

static uint8_t *uid_item(uint8_t *p, unsigned type, const char *uid)
{
    return item(p, type, uid, strlen(uid));
}

static void ae_title(uint8_t *p, const char *name)
{
    memset(p, ' ', 16);
    memcpy(p, name, strlen(name) < 16 ? strlen(name) : 16);
}

static size_t make_request(uint8_t *b, const char *abstract)
{
    uint8_t context[256] = {1};
    uint8_t *c = uid_item(context + 4, 0x30, abstract);
    c = uid_item(c, 0x40, "1.2.840.10008.1.2.1");
    uint8_t user[128];
    uint8_t length[4];
    be32(length, 131072);
    uint8_t *u = item(user, 0x51, length, 4);
    u = uid_item(u, 0x52, "1.3.6.1.4.1.99999.7");
    uint8_t *p = b + 6;
    p = be16(be16(p, 1), 0);
    ae_title(p, options.called);
    ae_title(p + 16, options.calling);
    memset(p + 32, 0, 32);
    p = uid_item(p + 64, 0x10, "1.2.840.10008.3.1.1.1");
    p = item(p, 0x20, context, (size_t)(c - context));
    p = item(p, 0x50, user, (size_t)(u - user));
    b[0] = PDU_RQ;
    b[1] = 0;
    be32(b + 2, (uint32_t)(p - b) - 6);
    return (size_t)(p - b);
}

/* Accepted, and how much the peer takes in one PDU. */
static bool read_answer(struct association *a, const uint8_t *p, size_t n)
{
    bool accepted = false;
    a->max_pdu = 16384;
    for (size_t at = 68; at + 4 <= n;) {
        size_t length = (size_t)p[at + 2] << 8 | p[at + 3];
        if (at + 4 + length > n)
            return false;
        if (p[at] == 0x21)
            accepted = p[at + 6] == 0;
        for (size_t u = at + 4; p[at] == 0x50 && u + 8 <= at + 4 + length;) {
            if (p[u] == 0x51)
                a->max_pdu = get32(p + u + 4);
            u += 4 + ((size_t)p[u + 2] << 8 | p[u + 3]);
        }
        at += 4 + length;
    }
    if (a->max_pdu == 0 || a->max_pdu > LOAD_PIECE)
        a->max_pdu = LOAD_PIECE;
    return accepted;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    inet_pton(AF_INET, options.host, &to.sin_addr);
    struct timeval patience = {.tv_sec = RECEIVE_SECONDS};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Connects and asks; the answer is for hear_association(). */
static bool ask_association(struct association *a, const char *abstract)
{
    uint8_t b[1024];
    a->message = 0;
    a->fd = dial();
    if (a->fd < 0)
        return false;
    struct iovec v = {b, make_request(b, abstract)};
    if (write_all(a->fd, &v, 1))
        return true;
    close(a->fd);
    return false;
}

static bool hear_association(struct association *a)
{
    uint8_t b[4096];
    if (read_all(a->fd, b, 6) && b[0] == PDU_AC && get32(b + 2) <= sizeof b &&
        read_all(a->fd, b + 6, get32(b + 2)) && read_answer(a, b + 6, get32(b + 2)))
        return true;
    close(a->fd);
    return false;
}

static bool open_association(struct association *a, const char *abstract)
{
    return ask_association(a, abstract) && hear_association(a);
}

static void release(const struct association *a)
{
    uint8_t b[10] = {PDU_RELEASE_RQ, 0, 0, 0, 0, 4};
    struct iovec v = {b, sizeof b};
    if (write_all(a->fd, &v, 1) && !read_all(a->fd, b, sizeof b))
        errno = 0; /* the peer may close without an answer */
    close(a->fd);
}

/* ---- DIMSE (PS3.7 6.3, Implicit VR Little Endian) ---- */

static uint8_t *element(uint8_t *p, unsigned tag, const void *data, size_t n, size_t padded)
{
    uint8_t head[8] = {0, 0, (uint8_t)tag, (uint8_t)(tag >> 8), (uint8_t)padded};
    memcpy(p, head, 8);
    memset(p + 8, 0, padded);
    memcpy(p + 8, data, n);
    return p + 8 + padded;
}

static uint8_t *number(uint8_t *p, unsigned tag, unsigned v)
{
    uint8_t le[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    return element(p, tag, le, 2, 2);
}

static uint8_t *uid(uint8_t *p, unsigned tag, const char *s)
{
    return element(p, tag, s, strlen(s), (strlen(s) + 1) & ~(size_t)1);
}

/* The whole P-DATA-TF with one PDV. */
static size_t make_command(uint8_t *b, unsigned command, uint16_t message, const char *class,
                           const char *instance)
{
    uint8_t *p = b + 12 + 12;
    p = uid(p, 0x0002, class);
    p = number(p, 0x0100, command);
    p = number(p, 0x0110, message);
    if (instance)
        p = number(p, 0x0700, 0);
    p = number(p, 0x0800, instance ? 1 : 0x0101);
    if (instance)
        p = uid(p, 0x1000, instance);
    uint32_t group = (uint32_t)(p - b) - 24;
    uint8_t le[4] = {(uint8_t)group, (uint8_t)(group >> 8)};
    element(b + 12, 0x0000, le, 4, 4);
    uint32_t n = (uint32_t)(p - b);
    b[0] = PDU_DATA;
    b[1] = 0;
    be32(b + 2, n - 6);
    be32(b + 6, n - 10);
    b[10] = 1; /* the context */
    b[11] = 3; /* command, last */
    return n;
}

/* The status of the response; -1 when none came. */
static int read_status(const struct association *a)
{
    uint8_t b[4096];
    if (!read_all(a->fd, b, 6) || b[0] != PDU_DATA || get32(b + 2) > sizeof b ||
        !read_all(a->fd, b + 6, get32(b + 2)))
        return -1;
    size_t n = 6 + get32(b + 2);
    for (size_t at = 12; at + 10 <= n; at += 8 + ((size_t)b[at + 5] << 8 | b[at + 4])) {
        if (b[at + 2] == 0 && b[at + 3] == 9)
            return b[at + 8] | b[at + 9] << 8;
    }
    return -1;
}

static int echo(struct association *a)
{
    uint8_t command[512];
    struct iovec v = {command,
                      make_command(command, 0x0030, ++a->message, "1.2.840.10008.1.1", NULL)};
    return write_all(a->fd, &v, 1) ? read_status(a) : -1;
}

/* Cuts head and bulk into PDUs of the size that the peer takes. */
struct cutter {
    struct iovec *v;
    int n;
    uint8_t *heads;
};

static struct iovec bulk(const struct load_set *set, size_t at, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)load_bulk_at(set, at), n};
}

static void cut(struct cutter *c, const struct load_object *o, const struct load_set *set,
                uint32_t max_pdu)
{
    size_t total = o->head_n + set->bulk_n;
    size_t piece = (max_pdu - 6) & ~(size_t)1;
    uint8_t *head = c->heads;
    for (size_t at = 0; at < total; at += piece, head += 12) {
        size_t n = total - at < piece ? total - at : piece;
        head[0] = PDU_DATA;
        head[1] = 0;
        be32(head + 2, (uint32_t)n + 6);
        be32(head + 6, (uint32_t)n + 2);
        head[10] = 1;
        head[11] = at + n == total ? 2 : 0;
        c->v[c->n++] = (struct iovec){head, 12};
        if (at < o->head_n) {
            size_t h = o->head_n - at < n ? o->head_n - at : n;
            c->v[c->n++] = (struct iovec){(void *)(uintptr_t)(o->head + at), h};
            if (h < n)
                c->v[c->n++] = bulk(set, 0, n - h);
        } else {
            c->v[c->n++] = bulk(set, at - o->head_n, n);
        }
    }
}

/* ---- lanes ---- */

struct lane {
    pthread_t thread;
    unsigned number;
    unsigned ok;
    unsigned failed;
    int last_status;
    double worst;
};

static atomic_uint next_object;

static int store(struct association *a, const struct load_object *o, struct cutter *c)
{
    uint8_t command[512];
    size_t n = make_command(command, 0x0001, ++a->message, options.set->sop_class, o->sop_uid);
    c->n = 0;
    c->v[c->n++] = (struct iovec){command, n};
    cut(c, o, options.set, a->max_pdu);
    return write_all(a->fd, c->v, c->n) ? read_status(a) : -1;
}

static void *run_lane(void *arg)
{
    struct lane *lane = arg;
    struct load_object object;
    struct association a = {.fd = -1};
    size_t pieces = options.set->bulk_n / 4000 + 8;
    struct cutter c = {malloc(3 * pieces * sizeof *c.v), 0, malloc(12 * pieces)};
    unsigned sent = 0;
    for (unsigned i = 0; atomic_fetch_add(&next_object, 1) < options.objects; i++) {
        double began = now();
        load_object_make(options.set, options.run, lane->number, i, &object);
        if (a.fd < 0 && !open_association(&a, options.set->sop_class)) {
            a.fd = -1;
            lane->failed++;
            continue;
        }
        int status = store(&a, &object, &c);
        lane->ok += status == 0;
        lane->failed += status != 0;
        lane->last_status = status ? status : lane->last_status;
        double took = now() - began;
        lane->worst = took > lane->worst ? took : lane->worst;
        sent++;
        if (status < 0) {
            close(a.fd);
            a.fd = -1;
        } else if (options.per_association && sent % options.per_association == 0) {
            release(&a);
            a.fd = -1;
        }
    }
    if (a.fd >= 0)
        release(&a);
    free(c.v);
    free(c.heads);
    return NULL;
}

static int run_load(void)
{
    struct lane *lanes = calloc(options.lanes, sizeof *lanes);
    struct lane sum = {.last_status = 0};
    struct rusage self;
    pthread_attr_t attr;
    if (!lanes)
        return 1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    double began = now();
    for (unsigned i = 0; i < options.lanes; i++) {
        lanes[i].number = i;
        if (pthread_create(&lanes[i].thread, &attr, run_lane, &lanes[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < options.lanes; i++) {
        pthread_join(lanes[i].thread, NULL);
        sum.ok += lanes[i].ok;
        sum.failed += lanes[i].failed;
        sum.worst = lanes[i].worst > sum.worst ? lanes[i].worst : sum.worst;
        sum.last_status = lanes[i].last_status ? lanes[i].last_status : sum.last_status;
    }
    double took = now() - began;
    getrusage(RUSAGE_SELF, &self);
    printf("{\"stored\": %u, \"failed\": %u, \"status\": %d, \"began\": %.6f, \"seconds\": %.4f, "
           "\"worst\": %.4f, \"bytes\": %zu, \"client_cpu\": %.3f}\n",
           sum.ok, sum.failed, sum.last_status, began, took, sum.worst, options.set->bulk_n,
           (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec) +
               (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6);
    free(lanes);
    return sum.failed != 0;
}

/* ---- idle associations ---- */

/* The best of several associations: on which core each side runs, which makes half of it, changes
 * from one to the next. -1 when one gets no answer. */
static double echo_ms(unsigned associations)
{
    double best = 1e9;
    for (unsigned n = 0; n < associations; n++) {
        struct association a;
        if (!open_association(&a, "1.2.840.10008.1.1"))
            return -1;
        for (unsigned i = 0; i < ECHOES; i++) {
            double began = now();
            if (echo(&a) != 0)
                return -1;
            double took = (now() - began) * 1000;
            best = took < best ? took : best;
        }
        release(&a);
    }
    return best;
}

/* Asks for as many as there are lanes before it hears the first answer. How many were opened. */
static unsigned open_row(struct association *row, unsigned n)
{
    unsigned asked = 0;
    while (asked < n && ask_association(&row[asked], "1.2.840.10008.1.1"))
        asked++;
    unsigned opened = 0;
    for (unsigned i = 0; i < asked; i++) {
        row[opened] = row[i];
        opened += hear_association(&row[opened]);
    }
    return opened;
}

static int run_idle(void)
{
    struct association *all = calloc(options.idle, sizeof *all);
    if (!all)
        return 1;
    double alone = echo_ms(ECHO_ASSOCIATIONS);
    double began = now();
    unsigned open = 0;
    bool good = true;
    while (good && open < options.idle && (!options.seconds || now() - began < options.seconds)) {
        unsigned row = options.idle - open < options.lanes ? options.idle - open : options.lanes;
        unsigned opened = open_row(all + open, row);
        good = opened == row;
        open += opened;
    }
    double opened = now() - began;
    double beside = echo_ms(ECHO_ASSOCIATIONS);
    printf("{\"idle\": %u, \"open_seconds\": %.3f, \"echo_ms_alone\": %.3f, \"echo_ms\": %.3f}\n",
           open, opened, alone, beside);
    fflush(stdout);
    (void)getchar(); /* whoever measures the server says when */
    for (unsigned i = 0; i < open; i++)
        close(all[i].fd);
    free(all);
    return !good;
}

/* ---- options ---- */

static bool take_option(const char *name, const char *value)
{
    const struct {
        const char *name;
        unsigned *number;
        const char **text;
    } known[] = {
        {"--host", NULL, &options.host},
        {"--calling", NULL, &options.calling},
        {"--called", NULL, &options.called},
        {"--port", &options.port, NULL},
        {"--lanes", &options.lanes, NULL},
        {"--objects", &options.objects, NULL},
        {"--run", &options.run, NULL},
        {"--idle", &options.idle, NULL},
        {"--seconds", &options.seconds, NULL},
        {"--per-association", &options.per_association, NULL},
    };
    if (strcmp(name, "--set") == 0)
        return (options.set = load_set_find(value)) != NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (known[i].text)
            *known[i].text = value;
        else
            *known[i].number = (unsigned)strtoul(value, NULL, 10);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    bool ok = argc % 2 == 1;
    for (int i = 1; ok && i + 1 < argc; i += 2)
        ok = take_option(argv[i], argv[i + 1]);
    if (!ok || !options.port || (!options.set && !options.idle)) {
        fprintf(stderr, "load: unknown or missing options; see the head of load.c\n");
        return 2;
    }
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    return options.idle ? run_idle() : run_load();
}
