#include "net/net_http_parse.h"

#include "base/utf8.h"
#include "dicom/dicom_pdu.h"

#include <assert.h>
#include <ctype.h>
#include <llhttp.h>
#include <strings.h>

/*
 *   HEAD ─► LENGTH ───────────────────────────────► DONE ─next─► HEAD
 *     │                                              ▲
 *     ├─► SIZE ─► EXTENSION ─► SIZE_LF ─► CHUNK ─► CHUNK_CR ─► CHUNK_LF ─► SIZE
 *     │                            └─(size 0)─► TRAILER ─► TRAILER_LF ─┐
 *     └─(no body)───────────────────────────────────────────────────► DONE
 */
enum state {
    HEAD,
    LENGTH,
    SIZE,
    EXTENSION,
    SIZE_LF,
    CHUNK,
    CHUNK_CR,
    CHUNK_LF,
    TRAILER,
    TRAILER_LF,
    DONE,
    REFUSED
};

enum {
    REQUEST_LINE_REST = 64, /* method, version and blanks around the target */
    EMPTY_LINES_MAX = 4
};

void net_http_parser_init(struct net_http_parser *p)
{
    *p = (struct net_http_parser){.state = HEAD};
}

void net_http_parser_deinit(struct net_http_parser *p)
{
    base_buf_deinit(&p->head.bytes);
}

void net_http_parser_next(struct net_http_parser *p)
{
    assert(p->state == DONE);
    net_http_parser_deinit(p);
    net_http_parser_init(p);
}

bool net_http_parser_begun(const struct net_http_parser *p)
{
    return p->state != HEAD || p->head.bytes.n > 0;
}

static enum net_http_event refuse(struct net_http_parser *p, int status, const char *cause)
{
    p->state = REFUSED;
    p->status = status;
    p->cause = cause;
    return NET_HTTP_REFUSED;
}

/* ---- the head ---- */

/* Why the byte at i of the head must be refused; NULL if it may stand there. */
static const char *bad_byte(const struct base_buf *b, size_t i, size_t line)
{
    uint8_t c = b->p[i];
    bool after_cr = i > line && b->p[i - 1] == '\r';
    if (after_cr && c != '\n')
        return "a carriage return without a line feed"; /* RFC 9112 2.2 */
    if (c == '\n' && !after_cr)
        return "a line feed without a carriage return";
    if (i == 0 && c == 0x16)
        return "this looks like TLS, and this port speaks plain HTTP: write http:// in place of "
               "https://";
    if (i == 0 && c == DICOM_PDU_ASSOCIATE_RQ)
        return "this looks like DICOM, and this port speaks HTTP: use the DICOM port";
    if (i == 0 && c == 0x0B)
        return "this looks like HL7, and this port speaks HTTP: use the HL7 port";
    if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
        return "a control character in the head";
    if (i == line && (c == ' ' || c == '\t'))
        return "a line that begins with a blank"; /* RFC 9112 5.2 obs-fold */
    return NULL;
}

/* RFC 9112 2.2: an empty line before a request is ignored; a few are. The scan
 * goes on at the next byte, which the loop steps to. */
static bool skip_empty_line(struct net_http_parser *p)
{
    base_buf_consume(&p->head.bytes, 2);
    p->scanned = SIZE_MAX;
    p->line = 0;
    return ++p->empty_lines <= EMPTY_LINES_MAX;
}

/* Scans what is new. True when the head is complete and ends before scanned. */
static bool scan_head(struct net_http_parser *p, enum net_http_event *event)
{
    struct base_buf *b = &p->head.bytes;
    bool first_line = p->line == 0;
    for (; p->scanned < b->n; p->scanned++) {
        const char *cause = bad_byte(b, p->scanned, p->line);
        if (cause) {
            *event = refuse(p, 400, cause);
            return false;
        }
        if (first_line && p->scanned >= NET_HTTP_TARGET_MAX + REQUEST_LINE_REST) {
            *event = refuse(p, 414, "the request line is too long");
            return false;
        }
        if (b->p[p->scanned] == '\n') {
            bool empty = p->scanned - p->line == 1;
            p->line = p->scanned + 1;
            if (empty && !first_line) {
                p->scanned++;
                return true;
            }
            if (empty && !skip_empty_line(p)) {
                *event = refuse(p, 400, "empty lines instead of a request");
                return false;
            }
            first_line = empty;
        }
    }
    *event = NET_HTTP_MORE;
    if (b->n >= NET_HTTP_HEAD_MAX)
        *event = refuse(p, 431, "the header fields are too long");
    return false;
}

struct reading {
    struct net_http_head *head;
    const char *target;
    size_t target_n;
    const char *value;
    size_t value_n;
    const char *name;
    size_t name_n;
    bool too_many;
};

/* llhttp hands out a span in one piece, as the head is given whole. */
static int on_target(llhttp_t *h, const char *at, size_t n)
{
    struct reading *r = h->data;
    r->target = at;
    r->target_n = n;
    return 0;
}

static int on_name(llhttp_t *h, const char *at, size_t n)
{
    struct reading *r = h->data;
    if (r->name && r->name + r->name_n == at) {
        r->name_n += n;
        return 0;
    }
    r->name = at;
    r->name_n = n;
    r->value = NULL;
    r->value_n = 0;
    return 0;
}

static int on_value(llhttp_t *h, const char *at, size_t n)
{
    struct reading *r = h->data;
    if (!r->value)
        r->value = at;
    r->value_n = (size_t)(at - r->value) + n;
    return 0;
}

/* The head is our own memory, handed to llhttp as const. */
static void terminate(struct net_http_head *h, const char *at)
{
    h->bytes.p[(const uint8_t *)at - h->bytes.p] = 0;
}

static int on_value_complete(llhttp_t *h)
{
    struct reading *r = h->data;
    struct net_http_head *head = r->head;
    if (head->field_count == NET_HTTP_FIELDS_MAX) {
        r->too_many = true;
        return -1;
    }
    while (r->value_n && strchr(" \t", r->value[r->value_n - 1]))
        r->value_n--;
    head->fields[head->field_count++] =
        (struct net_http_field){r->name, r->value_n ? r->value : ""};
    r->name = NULL;
    return 0;
}

static int on_headers_complete(llhttp_t *h)
{
    /* An offer to upgrade may be ignored (RFC 9110 7.8); bodies are ours. */
    h->upgrade = 0;
    return 1;
}

static int on_message_complete(llhttp_t *h)
{
    (void)h;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

const char *net_http_head_field(const struct net_http_head *h, const char *name)
{
    for (size_t i = 0; i < h->field_count; i++) {
        if (strcasecmp(h->fields[i].name, name) == 0)
            return h->fields[i].value;
    }
    return NULL;
}

static size_t count_fields(const struct net_http_head *h, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < h->field_count; i++)
        n += strcasecmp(h->fields[i].name, name) == 0;
    return n;
}

bool net_http_list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    while (list && *list) {
        list += strspn(list, ", \t");
        size_t len = strcspn(list, ", \t");
        if (len == n && strncasecmp(list, word, n) == 0)
            return true;
        list += len;
    }
    return false;
}

static const char *check_length(struct net_http_head *h)
{
    const char *s = net_http_head_field(h, "Content-Length");
    if (!s)
        return NULL;
    if (count_fields(h, "Content-Length") > 1)
        return "more than one Content-Length";
    if (!*s || strlen(s) > 18 || strspn(s, "0123456789") != strlen(s))
        return "a Content-Length that is no number";
    for (h->length = 0; *s; s++)
        h->length = h->length * 10 + (uint64_t)(*s - '0');
    return NULL;
}

/* RFC 9112 6.1, 6.3: the length of a body must be beyond doubt. */
static enum net_http_event check_framing(struct net_http_parser *p)
{
    struct net_http_head *h = &p->head;
    const char *te = net_http_head_field(h, "Transfer-Encoding");
    if (te) {
        if (net_http_head_field(h, "Content-Length"))
            return refuse(p, 400, "both Content-Length and Transfer-Encoding");
        if (h->http10)
            return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
        if (count_fields(h, "Transfer-Encoding") > 1 || strcasecmp(te, "chunked") != 0)
            return refuse(p, 501, "a Transfer-Encoding other than chunked");
        h->chunked = true;
        return NET_HTTP_HEAD;
    }
    const char *cause = check_length(h);
    return cause ? refuse(p, 400, cause) : NET_HTTP_HEAD;
}

/* RFC 9110 5.6.2; llhttp 8.1 lets blanks before the colon pass. */
static bool is_token(const char *s)
{
    size_t n = strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && s[n] == 0;
}

static enum net_http_event check_fields(struct net_http_parser *p)
{
    struct net_http_head *h = &p->head;
    for (size_t i = 0; i < h->field_count; i++) {
        if (!is_token(h->fields[i].name))
            return refuse(p, 400, "a malformed field name");
    }
    size_t hosts = count_fields(h, "Host");
    /* RFC 9112 3.2: 400 for a missing or repeated Host. */
    if (hosts > 1 || (hosts == 0 && !h->http10))
        return refuse(p, 400, "exactly one Host field must be sent");
    const char *connection = net_http_head_field(h, "Connection");
    h->keep_alive = h->http10 ? net_http_list_has(connection, "keep-alive")
                              : !net_http_list_has(connection, "close");
    const char *expect = net_http_head_field(h, "Expect");
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return refuse(p, 417, "an expectation other than 100-continue");
    h->expect_continue = expect && !h->http10;
    /* RFC 9110 8.4: 415 for a coding that is not understood. */
    const char *coding = net_http_head_field(h, "Content-Encoding");
    if (coding && strcasecmp(coding, "identity") != 0)
        return refuse(p, 415, "a compressed body; send it without Content-Encoding");
    return check_framing(p);
}

static enum net_http_event check_target(struct net_http_parser *p)
{
    struct net_http_head *h = &p->head;
    for (const char *s = h->target; *s; s++) {
        if (*s <= ' ' || *s > '~' || *s == '#')
            return refuse(p, 400, "a character in the address that must be percent-encoded");
    }
    if (strlen(h->target) > NET_HTTP_TARGET_MAX)
        return refuse(p, 414, "the address is too long");
    if (h->target[0] == '/' || (strcmp(h->target, "*") == 0 && strcmp(h->method, "OPTIONS") == 0))
        return check_fields(p);
    /* RFC 9112 3.2.2: a server must accept the absolute form. */
    if (strncasecmp(h->target, "http://", 7) != 0 && strncasecmp(h->target, "https://", 8) != 0)
        return refuse(p, 400, "an address that does not begin with /");
    const char *path = strchr(h->target + 8, '/');
    h->target = path ? path : "/";
    return check_fields(p);
}

static enum net_http_event llhttp_refusal(struct net_http_parser *p, llhttp_errno_t err)
{
    if (err == HPE_INVALID_METHOD)
        return refuse(p, 501, "an unknown method");
    if (err == HPE_INVALID_VERSION)
        return refuse(p, 505, "a version other than HTTP/1.1 and HTTP/1.0");
    if (err == HPE_UNEXPECTED_CONTENT_LENGTH)
        return refuse(p, 400, "both Content-Length and Transfer-Encoding, or two of one");
    if (p->head.bytes.n >= 4 && memcmp(p->head.bytes.p, "PRI ", 4) == 0) /* RFC 9113 3.4 */
        return refuse(p, 505, "HTTP/2, and this port speaks HTTP/1.1");
    return refuse(p, 400, "a malformed request line or header field");
}

static enum net_http_event read_head(struct net_http_parser *p)
{
    struct net_http_head *head = &p->head;
    struct reading r = {.head = head};
    llhttp_t h;
    llhttp_init(&h, HTTP_REQUEST, &settings);
    h.data = &r;
    llhttp_errno_t err = llhttp_execute(&h, (const char *)head->bytes.p, head->bytes.n);
    if (r.too_many)
        return refuse(p, 431, "too many header fields");
    if (err != HPE_PAUSED)
        return llhttp_refusal(p, err);
    if (h.http_major != 1 || h.http_minor > 1)
        return refuse(p, 505, "a version other than HTTP/1.1 and HTTP/1.0");
    head->method = llhttp_method_name((llhttp_method_t)h.method);
    head->http10 = h.http_minor == 0;
    head->target = r.target;
    terminate(head, r.target + r.target_n);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct net_http_field *f = &head->fields[i];
        terminate(head, f->name + strcspn(f->name, ":"));
        if (*f->value) {
            const char *end = f->value + strcspn(f->value, "\r");
            while (end[-1] == ' ' || end[-1] == '\t')
                end--;
            terminate(head, end);
        }
    }
    return check_target(p);
}

static void begin_body(struct net_http_parser *p)
{
    p->left = p->head.length;
    p->body_max = UINT64_MAX;
    p->state = p->head.chunked ? SIZE : p->left ? LENGTH : DONE;
}

static size_t parse_head(struct net_http_parser *p, struct base_bytes in,
                         enum net_http_event *event)
{
    struct base_buf *b = &p->head.bytes;
    size_t room = NET_HTTP_HEAD_MAX - b->n;
    size_t taken = in.n < room ? in.n : room;
    base_buf_add(b, in.p, taken);
    if (b->err) {
        *event = refuse(p, 503, "out of memory");
        return 0;
    }
    if (!scan_head(p, event))
        return taken;
    taken -= b->n - p->scanned;
    b->n = p->scanned;
    *event = read_head(p);
    if (*event == NET_HTTP_HEAD)
        begin_body(p);
    return taken;
}

/* ---- bodies ---- */

static size_t parse_data(struct net_http_parser *p, struct base_bytes in,
                         enum net_http_event *event, struct base_bytes *data)
{
    size_t n = in.n < p->left ? in.n : (size_t)p->left;
    if (n > p->body_max - p->body_n) {
        *event = refuse(p, 413, "the body is too long");
        return 0;
    }
    p->left -= n;
    p->body_n += n;
    *data = base_bytes_of(in.p, n);
    *event = NET_HTTP_DATA;
    if (p->left == 0)
        p->state = p->head.chunked ? CHUNK_CR : DONE;
    return n;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum net_http_event chunk_size_byte(struct net_http_parser *p, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++p->digits > 15)
            return refuse(p, 400, "a chunk size with too many digits");
        p->left = p->left << 4 | (uint64_t)digit;
        return NET_HTTP_MORE;
    }
    if (p->digits == 0)
        return refuse(p, 400, "a chunk without a size");
    if (c == '\r')
        p->state = SIZE_LF;
    else if (c == ';' || c == ' ' || c == '\t')
        p->state = EXTENSION;
    else
        return refuse(p, 400, "a malformed chunk size");
    return NET_HTTP_MORE;
}

static enum net_http_event trailer_byte(struct net_http_parser *p, uint8_t c)
{
    if (c == '\r') {
        p->state = TRAILER_LF;
        return NET_HTTP_MORE;
    }
    if ((c < ' ' && c != '\t') || c == 0x7f || (!p->line_has_bytes && (c == ' ' || c == '\t')))
        return refuse(p, 400, "a malformed trailer");
    p->line_has_bytes = true;
    return NET_HTTP_MORE;
}

static enum net_http_event line_feed(struct net_http_parser *p, uint8_t c, enum state next)
{
    if (c != '\n')
        return refuse(p, 400, "a carriage return without a line feed in the chunk framing");
    p->state = (int)next;
    return NET_HTTP_MORE;
}

/* After the size line: data, or the trailer after the chunk of size 0. */
static enum net_http_event size_complete(struct net_http_parser *p, uint8_t c)
{
    enum net_http_event e = line_feed(p, c, p->left ? CHUNK : TRAILER);
    p->framing = 0;
    p->digits = 0;
    p->line_has_bytes = false;
    return e;
}

/* One byte of the chunk framing. Trailers are read and dropped (RFC 9110 6.5.1). */
static enum net_http_event framing_byte(struct net_http_parser *p, uint8_t c)
{
    bool trailer = p->state == TRAILER || p->state == TRAILER_LF;
    size_t most = trailer ? NET_HTTP_TRAILER_MAX : NET_HTTP_CHUNK_LINE_MAX;
    if (++p->framing > most)
        return refuse(p, 400, "the chunk framing is too long");
    switch ((enum state)p->state) {
    case SIZE:
        return chunk_size_byte(p, c);
    case EXTENSION:
        if (c == '\r')
            p->state = SIZE_LF;
        else if ((c < ' ' && c != '\t') || c == 0x7f)
            return refuse(p, 400, "a control character in a chunk extension");
        return NET_HTTP_MORE;
    case SIZE_LF:
        return size_complete(p, c);
    case CHUNK_CR:
        if (c != '\r')
            return refuse(p, 400, "a chunk longer than its size");
        p->state = CHUNK_LF;
        return NET_HTTP_MORE;
    case CHUNK_LF:
        p->framing = 0;
        return line_feed(p, c, SIZE);
    case TRAILER:
        return trailer_byte(p, c);
    case TRAILER_LF: {
        bool more = p->line_has_bytes;
        p->line_has_bytes = false;
        return line_feed(p, c, more ? TRAILER : DONE);
    }
    case HEAD:
    case LENGTH:
    case CHUNK:
    case DONE:
    case REFUSED:
        break;
    }
    assert(0);
    return refuse(p, 500, "internal error");
}

size_t net_http_parse(struct net_http_parser *p, struct base_bytes in, enum net_http_event *event,
                      struct base_bytes *data)
{
    size_t used = 0;
    assert(p->state != REFUSED);
    if (p->state == HEAD) {
        *event = NET_HTTP_MORE;
        while (*event == NET_HTTP_MORE && used < in.n)
            used += parse_head(p, base_bytes_of(in.p + used, in.n - used), event);
        return used;
    }
    *event = NET_HTTP_MORE;
    while (*event == NET_HTTP_MORE) {
        if (p->state == DONE) {
            *event = NET_HTTP_END;
            break;
        }
        if (used == in.n)
            break;
        if (p->state == LENGTH || p->state == CHUNK)
            used += parse_data(p, base_bytes_of(in.p + used, in.n - used), event, data);
        else
            *event = framing_byte(p, in.p[used++]);
    }
    return used;
}

/* ---- percent-encoding ---- */

bool net_http_percent_decode(const char *s, size_t n, bool plus, char *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_digit((uint8_t)s[i + 1]) : -1;
            int low = i + 2 < n ? hex_digit((uint8_t)s[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0)
            return false;
        out[k++] = c;
    }
    out[k] = 0;
    return base_utf8_valid(out, k);
}
