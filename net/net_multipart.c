#include "net/net_multipart.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 *  PREAMBLE ─delimiter─► AFTER ─line end─► HEAD ─empty line─► BODY ─delimiter─► AFTER
 *                          └── "--" ─► CLOSED
 */
enum { PREAMBLE, AFTER, AFTER_DASH, PADDING, AFTER_CR, HEAD, BODY, CLOSED, BAD };

/* ---- field values ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool net_mime_is(const char *value, const char *type)
{
    size_t n = strlen(type);
    if (!value || strncasecmp(value, type, n) != 0)
        return false;
    while (is_blank(value[n]))
        n++;
    return value[n] == '\0' || value[n] == ';';
}

/* The value at s, a token or quoted (RFC 9110 5.6.4), into out (NULL: passed
 * over); returns its end, NULL when it does not fit or its quote is not closed. */
static const char *take_value(const char *s, char *out, size_t size)
{
    size_t n = 0;
    bool quoted = *s == '"';
    s += quoted;
    for (; *s && (quoted ? *s != '"' : *s != ';' && !is_blank(*s)); s++) {
        /* Browsers send backslashes of file names as they are. */
        if (quoted && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
            s++;
        if (out && n + 1 >= size)
            return NULL;
        if (out)
            out[n++] = *s;
    }
    if (quoted && *s != '"')
        return NULL;
    if (out)
        out[n] = '\0';
    return s + quoted;
}

bool net_mime_param(const char *value, const char *name, char *out, size_t size)
{
    size_t name_n = strlen(name);
    const char *s = value ? strchr(value, ';') : NULL;
    assert(size > 0);
    out[0] = '\0';
    while (s && *s == ';') {
        s += 1 + strspn(s + 1, " \t");
        size_t n = strcspn(s, "=;");
        const char *equals = s + n;
        /* RFC 9110 5.6.6 has no blanks around it, but mail may (RFC 2045 5.1). */
        while (n && is_blank(s[n - 1]))
            n--;
        bool mine = n == name_n && strncasecmp(s, name, n) == 0;
        s = equals;
        if (*s != '=')
            continue;
        s += 1 + strspn(s + 1, " \t");
        s = take_value(s, mine ? out : NULL, size);
        if (mine && !s)
            out[0] = '\0';
        if (mine)
            return s != NULL;
        s = s ? s + strspn(s, " \t") : NULL;
    }
    return false;
}

/* ---- the parser ---- */

enum base_err net_multipart_init(struct net_multipart *p, const char *boundary)
{
    size_t n = strlen(boundary);
    memset(p, 0, sizeof *p);
    /* RFC 2046 5.1.1: bcharsnospace at the end; no control character anywhere. */
    if (n == 0 || n > NET_MULTIPART_BOUNDARY_MAX || boundary[n - 1] == ' ')
        return BASE_EINVAL;
    for (size_t i = 0; i < n; i++)
        if (boundary[i] < ' ' || boundary[i] == 0x7F)
            return BASE_EINVAL;
    p->delimiter_n = (size_t)snprintf(p->delimiter, sizeof p->delimiter, "\r\n--%s", boundary);
    /* The first delimiter may stand at the very beginning. */
    p->matched = p->unreal = 2;
    p->state = PREAMBLE;
    return BASE_OK;
}

bool net_multipart_complete(const struct net_multipart *p)
{
    return p->state == CLOSED;
}

const char *net_multipart_lack(const struct net_multipart *p)
{
    return p->state == PREAMBLE ? "the body has no delimiter with the boundary of Content-Type"
                                : "the closing delimiter is missing: the body is incomplete";
}

static const char lf_alone[] =
    "a line of the framing ends with LF alone: between the parts they end with CR LF";

static enum net_multipart_event refuse(struct net_multipart *p, const char *cause)
{
    p->state = BAD;
    p->cause = cause;
    return NET_MULTIPART_REFUSED;
}

static void copy_field(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* Not HTTP's (RFC 9110 8.3.3), but some clients' libraries of mail put it there. */
static bool is_encoded(const char *encoding)
{
    static const char *const plain[] = {"binary", "8bit", "7bit"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (net_mime_is(encoding, plain[i]))
            return false;
    return true;
}

/* False: the content is not the bytes that are meant. */
static bool read_field(struct net_multipart *p, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return true;
    *colon = '\0';
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    if (strcasecmp(line, "Content-Type") == 0)
        copy_field(p->type, sizeof p->type, value);
    else if (strcasecmp(line, "Content-Location") == 0)
        copy_field(p->location, sizeof p->location, value);
    else if (strcasecmp(line, "Content-Disposition") == 0) {
        (void)net_mime_param(value, "name", p->name, sizeof p->name);
        (void)net_mime_param(value, "filename", p->filename, sizeof p->filename);
    } else if (strcasecmp(line, "Content-Transfer-Encoding") == 0) {
        return !is_encoded(value);
    }
    return true;
}

/* The head is complete. */
static enum net_multipart_event begin_part(struct net_multipart *p)
{
    p->type[0] = p->location[0] = p->name[0] = p->filename[0] = '\0';
    char *line = p->head;
    for (char *end; (end = strstr(line, "\r\n")) != NULL && end != line; line = end + 2) {
        *end = '\0';
        if (!read_field(p, line))
            return refuse(p, "a part has a Content-Transfer-Encoding; send its bytes as they are");
    }
    /* The line end of the header may be that of the next delimiter: a part
     * without content. */
    p->matched = p->unreal = 2;
    p->state = BODY;
    return NET_MULTIPART_PART;
}

static bool head_is_complete(const struct net_multipart *p)
{
    return (p->head_n == 2 && memcmp(p->head, "\r\n", 2) == 0) ||
           (p->head_n >= 4 && memcmp(p->head + p->head_n - 4, "\r\n\r\n", 4) == 0);
}

static enum net_multipart_event head_byte(struct net_multipart *p, char c)
{
    if (c == '\0' || (p->head_n && p->head[p->head_n - 1] == '\r' && c != '\n') ||
        (c == '\n' && (!p->head_n || p->head[p->head_n - 1] != '\r')))
        return refuse(p, c == '\n' ? lf_alone : "a header field of a part does not end with CR LF");
    if (p->head_n == NET_MULTIPART_HEAD_MAX)
        return refuse(p, "the header of a part is longer than 8 KiB");
    p->head[p->head_n++] = c;
    p->head[p->head_n] = '\0';
    return head_is_complete(p) ? begin_part(p) : NET_MULTIPART_MORE;
}

/* One byte after a delimiter, or of a header. */
static enum net_multipart_event line_byte(struct net_multipart *p, char c)
{
    switch (p->state) {
    case HEAD:
        return head_byte(p, c);
    case AFTER:
    case PADDING:
        if (c == '-' && p->state == AFTER)
            p->state = AFTER_DASH;
        else if (is_blank(c))
            p->state = PADDING; /* RFC 2046 5.1.1: transport padding */
        else if (c == '\r')
            p->state = AFTER_CR;
        else
            return refuse(p, c == '\n' ? lf_alone
                                       : "a delimiter is followed by something else than the "
                                         "end of its line");
        return NET_MULTIPART_MORE;
    case AFTER_DASH:
        if (c != '-')
            return refuse(p, "the closing delimiter is broken");
        p->state = CLOSED;
        return NET_MULTIPART_END;
    default:
        if (c != '\n')
            return refuse(p, "a delimiter does not end with CR LF");
        p->state = HEAD;
        p->head_n = 0;
        p->head[0] = '\0';
        return NET_MULTIPART_MORE;
    }
}

/* What was held back as a beginning of the delimiter is content after all. */
static bool give_back(struct net_multipart *p, struct base_bytes *data)
{
    *data = base_bytes_of(p->delimiter + p->unreal, p->matched - p->unreal);
    p->matched = p->unreal = 0;
    return data->n > 0;
}

/* Content up to the next delimiter. A delimiter holds no second CR, so that
 * after a mismatch it can begin nowhere but at the byte that did not fit. */
static size_t scan(struct net_multipart *p, struct base_bytes in, bool *found,
                   struct base_bytes *data)
{
    size_t at = 0;
    *found = false;
    *data = base_bytes_of(NULL, 0);
    while (at < in.n) {
        assert(p->unreal <= p->matched && p->matched < p->delimiter_n);
        if (!p->matched) {
            const uint8_t *cr = memchr(in.p + at, '\r', in.n - at);
            size_t n = cr ? (size_t)(cr - in.p) - at : in.n - at;
            if (n) {
                *data = base_bytes_of(in.p + at, n);
                return at + n;
            }
        }
        if (in.p[at] == (uint8_t)p->delimiter[p->matched]) {
            at++;
            if (++p->matched == p->delimiter_n) {
                p->matched = p->unreal = 0;
                *found = true;
                return at;
            }
        } else if (give_back(p, data)) {
            return at;
        }
    }
    return at;
}

static size_t parse_content(struct net_multipart *p, struct base_bytes in,
                            enum net_multipart_event *event, struct base_bytes *data)
{
    bool found;
    size_t used = scan(p, in, &found, data);
    bool body = p->state == BODY;
    *event = NET_MULTIPART_MORE;
    if (found) {
        p->state = AFTER;
        if (body)
            *event = NET_MULTIPART_PART_END;
    } else if (data->n && body) {
        *event = NET_MULTIPART_DATA;
    } else if (data->n) {
        p->preamble += data->n;
        if (p->preamble > NET_MULTIPART_PREAMBLE_MAX)
            *event = refuse(p, "no delimiter in the first 64 KiB: is the boundary right?");
    }
    return used;
}

size_t net_multipart_parse(struct net_multipart *p, struct base_bytes in,
                           enum net_multipart_event *event, struct base_bytes *data)
{
    size_t at = 0;
    assert(p->state != BAD);
    *event = NET_MULTIPART_MORE;
    *data = base_bytes_of(NULL, 0);
    while (at < in.n && *event == NET_MULTIPART_MORE) {
        if (p->state == CLOSED)
            return in.n;
        if (p->state == PREAMBLE || p->state == BODY)
            at += parse_content(p, base_bytes_of(in.p + at, in.n - at), event, data);
        else
            *event = line_byte(p, (char)in.p[at++]);
    }
    return at;
}
