#include "hl7/hl7_message.h"

#include "base/utf8.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

static bool is_name(const uint8_t *p)
{
    for (int i = 0; i < 3; i++)
        if (!((p[i] >= 'A' && p[i] <= 'Z') || (i > 0 && p[i] >= '0' && p[i] <= '9')))
            return false;
    return true;
}

/* With a byte order mark or a first letter of two bytes. */
static bool is_utf16(struct base_bytes text)
{
    return text.n >= 2 &&
           (memcmp(text.p, "\xFF\xFE", 2) == 0 || memcmp(text.p, "\xFE\xFF", 2) == 0 ||
            memcmp(text.p, "M", 2) == 0 || memcmp(text.p, "\0M", 2) == 0);
}

/* 2.5.4: all are different, none is a letter. */
enum base_err hl7_read_delimiters(struct base_bytes text, const char *header,
                                  struct hl7_delimiters *d, struct base_error *error)
{
    if (is_utf16(text))
        return base_fail(error, BASE_EFORMAT, 0,
                         "the text is in UTF-16, which MLLP does not carry: send it in UTF-8 or "
                         "GB 18030, as MSH-18 then says");
    if (text.n < 8 || memcmp(text.p, header, 3) != 0)
        return base_fail(error, BASE_EFORMAT, 0, "the message does not begin with %s", header);
    const char *p = (const char *)text.p;
    for (size_t i = 3; i < 8; i++)
        for (size_t k = 3; k < 8; k++)
            if (p[i] <= ' ' || p[i] > '~' || (i != k && p[i] == p[k]))
                return base_fail(error, BASE_EFORMAT, i,
                                 "%s-1 and %s-2 must be five different "
                                 "characters, such as |^~\\&",
                                 header, header);
    *d = (struct hl7_delimiters){p[3], p[4], p[5], p[6], p[7]};
    return BASE_OK;
}

/* How many blanks and ends of segments stand at its front. */
static size_t blanks_of(struct base_bytes text)
{
    size_t n = 0;
    while (n < text.n && memchr("\r\n\t ", text.p[n], 4))
        n++;
    return n;
}

struct base_bytes hl7_beginning(struct base_bytes text)
{
    size_t mark = text.n >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    size_t n = mark + blanks_of(base_bytes_of(text.p + mark, text.n - mark));
    return base_bytes_of(text.p + n, text.n - n);
}

static enum base_err add_segment(struct hl7_message *m, struct base_bytes line, size_t pos,
                                 struct base_error *error)
{
    if (line.n < 3 || !is_name(line.p) || (line.n > 3 && (char)line.p[3] != m->d.field))
        return base_fail(error, BASE_EFORMAT, pos,
                         "segment %zu is none: it needs a name of three capitals or digits and the "
                         "field separator",
                         m->n + 1);
    if (m->n == HL7_SEGMENTS_MAX)
        return base_fail(error, BASE_ELIMIT, pos, "more than %d segments", HL7_SEGMENTS_MAX);
    struct hl7_segment *s = &m->segments[m->n++];
    memcpy(s->name, line.p, 3);
    s->name[3] = 0;
    s->text = line;
    return BASE_OK;
}

/* 2.5.3: CR ends a segment. Files have LF or CRLF instead; but where it is CR, an LF that no
 * segment follows was typed into a text. */
static bool is_end(struct base_bytes text, size_t at, char field, bool lf_is_text)
{
    const uint8_t *next = text.p + at + 1;
    size_t left = text.n - at - 1;
    if (text.p[at] != '\n' || !lf_is_text || left == 0)
        return text.p[at] == '\r' || text.p[at] == '\n';
    if (next[0] == '\r' || next[0] == '\n')
        return true;
    return left >= 3 && is_name(next) && (left == 3 || (char)next[3] == field || next[3] < ' ');
}

enum base_err hl7_parse(struct base_bytes text, struct hl7_message *out, struct base_error *error)
{
    out->n = 0;
    if (text.n > HL7_MESSAGE_MAX)
        return base_fail(error, BASE_ELIMIT, BASE_NOPOS, "the message is larger than %d bytes",
                         HL7_MESSAGE_MAX);
    enum base_err err = hl7_read_delimiters(text, "MSH", &out->d, error);
    size_t pos = 0;
    const uint8_t *cr = memchr(text.p, '\r', text.n);
    const uint8_t *lf = memchr(text.p, '\n', text.n);
    bool lf_is_text = cr && lf && cr < lf;
    while (!err && pos < text.n) {
        size_t end = pos;
        while (end < text.n && !is_end(text, end, out->d.field, lf_is_text))
            end++;
        struct base_bytes line = base_bytes_of(text.p + pos, end - pos);
        if (blanks_of(line) < line.n)
            err = add_segment(out, line, pos, error);
        pos = end + 1;
    }
    assert(err || out->n > 0); /* the delimiters that were read stand in its first segment */
    return err;
}

size_t hl7_find(const struct hl7_message *m, const char *name, size_t from)
{
    for (size_t i = from; i < m->n; i++)
        if (strcmp(m->segments[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

struct base_bytes hl7_part(struct base_bytes b, char delimiter, unsigned i)
{
    if (b.n == 0) /* perhaps at no address at all */
        return b;
    const uint8_t *end = b.p + b.n;
    const uint8_t *p = b.p;
    for (; p; i--) {
        const uint8_t *next = p < end ? memchr(p, delimiter, (size_t)(end - p)) : NULL;
        if (i == 0)
            return base_bytes_of(p, (size_t)((next ? next : end) - p));
        p = next ? next + 1 : NULL;
    }
    return base_bytes_of(NULL, 0);
}

/* Raw view, not unescaped; empty when absent or "" (delete). 0 = the whole, with delimiters. */
static struct base_bytes raw(const struct hl7_message *m, size_t segment, unsigned field,
                             unsigned repetition, unsigned component, unsigned subcomponent)
{
    assert(field > 0);
    if (segment >= m->n)
        return base_bytes_of(NULL, 0);
    const struct hl7_segment *s = &m->segments[segment];
    bool header = strcmp(s->name, "MSH") == 0;
    if (header && field == 1)
        return base_bytes_of(s->text.p + 3, s->text.n > 3);
    struct base_bytes v = hl7_part(s->text, m->d.field, header ? field - 1 : field);
    /* MSH-2 is the delimiters, not text with delimiters. */
    if (!(header && field == 2)) {
        v = hl7_part(v, m->d.repetition, repetition);
        if (component)
            v = hl7_part(v, m->d.component, component - 1);
        if (component && subcomponent)
            v = hl7_part(v, m->d.subcomponent, subcomponent - 1);
    }
    /* 2.5.3.1: "" means delete; for us that is empty. */
    return v.n == 2 && memcmp(v.p, "\"\"", 2) == 0 ? base_bytes_of(NULL, 0) : v;
}

unsigned hl7_repetitions(const struct hl7_message *m, size_t segment, unsigned field)
{
    if (segment >= m->n)
        return 0;
    struct base_bytes v = hl7_part(m->segments[segment].text, m->d.field, field);
    unsigned n = v.n ? 1 : 0;
    for (size_t i = 0; i < v.n; i++)
        n += (char)v.p[i] == m->d.repetition;
    return n;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* Where a text goes: what has no room is left out. */
struct text {
    char *p;
    size_t n;
    size_t size;
};

static void put(struct text *t, uint8_t c)
{
    if (t->n < t->size)
        t->p[t->n++] = (char)c;
}

/* 2.7.4: \Xdddd...\ is bytes in hexadecimal. ASCII is taken, CR and LF as one new
 * line; bytes of a character set, which was decoded before, are not. */
static void add_hexadecimal(struct base_bytes digits, struct text *out)
{
    for (size_t i = 0; i + 1 < digits.n; i += 2) {
        int high = hex_digit(digits.p[i]);
        int low = hex_digit(digits.p[i + 1]);
        if (high < 0 || low < 0)
            return;
        int c = high << 4 | low;
        if (c >= ' ' && c < 0x7f)
            put(out, (uint8_t)c);
        else if (c == '\n' || (c == '\r' && (i + 3 >= digits.n || digits.p[i + 3] != 'A')))
            put(out, '\n');
    }
}

/* 2.7.1: \F\ \S\ \T\ \R\ \E\ stand for the delimiters; .br and .sp are a new line; what
 * is unknown is dropped. */
static void add_escape(const struct hl7_message *m, struct base_bytes seq, struct text *out)
{
    static const char letters[] = "FSTRE";
    const char values[] = {m->d.field, m->d.component, m->d.subcomponent, m->d.repetition,
                           m->d.escape};
    const char *at = seq.n == 1 ? strchr(letters, (char)seq.p[0]) : NULL;
    if (at && *at)
        put(out, (uint8_t)values[at - letters]);
    else if (seq.n >= 3 && (memcmp(seq.p, ".br", 3) == 0 || memcmp(seq.p, ".sp", 3) == 0))
        put(out, '\n');
    else if (seq.n >= 3 && seq.p[0] == 'X')
        add_hexadecimal(base_bytes_of(seq.p + 1, seq.n - 1), out);
}

static void unescape(const struct hl7_message *m, struct base_bytes raw, struct text *out)
{
    size_t i = 0;
    while (i < raw.n) {
        const uint8_t *end = (char)raw.p[i] == m->d.escape && i + 1 < raw.n
                                 ? memchr(raw.p + i + 1, m->d.escape, raw.n - i - 1)
                                 : NULL;
        if (end && end - (raw.p + i) <= 64) {
            add_escape(m, base_bytes_of(raw.p + i + 1, (size_t)(end - raw.p) - i - 1), out);
            i = (size_t)(end - raw.p) + 1;
        } else {
            put(out, raw.p[i++]);
        }
    }
}

bool hl7_text(const struct hl7_message *m, size_t segment, unsigned field, unsigned repetition,
              unsigned component, char *out, size_t size)
{
    assert(size > 0);
    struct text t = {.p = out, .size = size - 1};
    struct base_bytes value = raw(m, segment, field, repetition, component, component ? 1 : 0);
    if (!base_bytes_equal(value, base_bytes_str("\"\""))) /* 2.5.3, null: what is there is not so */
        unescape(m, value, &t);
    size_t n = 0;
    for (size_t k; n < t.n && (k = base_utf8_sequence(out + n, t.n - n)); n += k)
        ;
    out[n] = 0;
    return n > 0;
}

static void add_escaped(const struct hl7_delimiters *d, const char *text, struct base_buf *out)
{
    for (; *text; text++) {
        char c = *text;
        const char *name = c == d->field          ? "F"
                           : c == d->component    ? "S"
                           : c == d->subcomponent ? "T"
                           : c == d->repetition   ? "R"
                           : c == d->escape       ? "E"
                                                  : NULL;
        if (name)
            base_buf_printf(out, "%c%s%c", d->escape, name, d->escape);
        else
            base_buf_add_byte(out, c == '\r' || c == '\n' ? ' ' : (uint8_t)c);
    }
}

static void add_field(const struct hl7_message *m, unsigned field, struct base_buf *out)
{
    struct base_bytes v = m ? raw(m, 0, field, 0, 0, 0) : base_bytes_of(NULL, 0);
    base_buf_add(out, v.p, v.n);
}

/* Where acknowledgements differ. */
enum { V2_3 = 2, V2_3_1 = 3, V2_5 = 5, V2_5_1 = 6 };

static const char *const versions[] = {"2.1", "2.2", "2.3",   "2.3.1", "2.4",   "2.5",  "2.5.1",
                                       "2.6", "2.7", "2.7.1", "2.8",   "2.8.1", "2.8.2"};

static size_t version_of(const struct hl7_message *m)
{
    struct base_bytes v = m ? raw(m, 0, 12, 0, 1, 0) : base_bytes_of(NULL, 0);
    size_t i = sizeof versions / sizeof *versions;
    while (i-- > 0)
        if (v.n == strlen(versions[i]) && memcmp(v.p, versions[i], v.n) == 0)
            return i;
    return V2_5_1;
}

/* MSH-9 (2.13.1). Up to 2.2 an answer needs no event, and the structure of a message is told from
 * 2.3.1 on. */
static void add_type(const struct hl7_message *m, char component, size_t version,
                     struct base_buf *out)
{
    struct base_bytes event = m ? raw(m, 0, 9, 0, 2, 0) : base_bytes_of(NULL, 0);
    base_buf_add_str(out, "ACK");
    if (event.n && version >= V2_3) {
        base_buf_add_byte(out, (uint8_t)component);
        base_buf_add(out, event.p, event.n);
    }
    if (event.n && version >= V2_3_1)
        base_buf_printf(out, "%cACK", component);
}

/* The first `most` components of a location. */
static void add_location(const char *location, char component, unsigned most, struct base_buf *out)
{
    unsigned n = 1;
    for (; location && *location; location++) {
        n += *location == '^';
        if (n > most)
            return;
        base_buf_add_byte(out, *location == '^' ? (uint8_t)component : (uint8_t)*location);
    }
    for (; most < UINT_MAX && n < most; n++)
        base_buf_add_byte(out, (uint8_t)component);
}

/* MSA-3 and MSA-6, and ERR-1 (2.16.5.1), before 2.5 made fields of their own of them. */
static void add_old_error(const struct hl7_delimiters *d, const struct hl7_ack *ack,
                          struct base_buf *out)
{
    base_buf_add_byte(out, (uint8_t)d->field);
    add_escaped(d, ack->text, out);
    base_buf_printf(out, "%c%c%c%s%c%s%cHL70357\rERR%c", d->field, d->field, d->field,
                    ack->error_code, d->component, ack->error_name, d->component, d->field);
    add_location(ack->location, d->component, 3, out);
    base_buf_printf(out, "%c%s%c%s%cHL70357\r", d->component, ack->error_code, d->subcomponent,
                    ack->error_name, d->subcomponent);
}

static void add_error(const struct hl7_delimiters *d, const struct hl7_ack *ack,
                      struct base_buf *out)
{
    const char f = d->field;
    base_buf_printf(out, "\rERR%c%c", f, f);
    add_location(ack->location, d->component, UINT_MAX, out);
    base_buf_printf(out, "%c%s%c%s%cHL70357%cE%c%c%c%c", f, ack->error_code, d->component,
                    ack->error_name, d->component, f, f, f, f, f);
    add_escaped(d, ack->text, out);
    base_buf_add_byte(out, '\r');
}

void hl7_write_ack(const struct hl7_message *m, const struct hl7_ack *ack, struct base_buf *out)
{
    static const struct hl7_delimiters usual = {'|', '^', '~', '\\', '&'};
    const struct hl7_delimiters *d = m ? &m->d : &usual;
    const char f = d->field;
    size_t version = version_of(m);
    base_buf_printf(out, "MSH%c%c%c%c%c%c", f, d->component, d->repetition, d->escape,
                    d->subcomponent, f);
    /* The receiver answers the sender: 5, 6 before 3, 4. */
    static const unsigned ends[] = {5, 6, 3, 4};
    for (size_t i = 0; i < 4; i++) {
        add_field(m, ends[i], out);
        base_buf_add_byte(out, (uint8_t)f);
    }
    base_buf_printf(out, "%s%c%c", ack->time, f, f);
    add_type(m, d->component, version, out);
    base_buf_printf(out, "%c%s%c", f, ack->control_id, f);
    if (m && raw(m, 0, 11, 0, 0, 0).n)
        add_field(m, 11, out);
    else
        base_buf_add_byte(out, 'P');
    base_buf_printf(out, "%c%s%c%c%c%c%c%cUNICODE UTF-8\rMSA%c%s%c", f, versions[version], f, f, f,
                    f, f, f, f, ack->code, f);
    add_field(m, 10, out);
    if (!ack->text)
        base_buf_add_byte(out, '\r');
    else if (version < V2_5)
        add_old_error(d, ack, out);
    else
        add_error(d, ack, out);
}
