#include "hl7/hl7_batch.h"

#include "hl7/hl7_message.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

enum kind { NONE, FHS, BHS, MSH, BTS, FTS };
static const char *const names[] = {"", "FHS", "BHS", "MSH", "BTS", "FTS"};

enum { REFERENCE = 12 /* FHS-12, BHS-12; the ID of its own is in the field before */ };

/* A segment of the batch, or a message: all up to the next such item. */
struct item {
    enum kind kind;
    struct base_bytes text;
};

/* CR and LF, and capitals behind them, are in no character of GBK, GB18030 or UTF-8, so this needs
 * no decoding. */
static enum kind kind_at(struct base_bytes text)
{
    if (text.n < 3 || (text.n > 3 && isalnum(text.p[3])))
        return NONE;
    for (enum kind k = FHS; k <= FTS; k++)
        if (memcmp(text.p, names[k], 3) == 0)
            return k;
    return NONE;
}

static bool is_end(uint8_t c)
{
    return c == '\r' || c == '\n';
}

/* NONE: neither a segment of a batch nor in a message. False: there is no more. */
static bool next_item(struct base_bytes *rest, struct item *out)
{
    struct base_bytes r = hl7_beginning(*rest);
    size_t n = 0;
    out->kind = kind_at(r);
    for (; n < r.n; n++)
        if (is_end(r.p[n]) &&
            (out->kind != MSH || kind_at(base_bytes_of(r.p + n + 1, r.n - n - 1)) != NONE))
            break;
    out->text = base_bytes_of(r.p, n);
    *rest = base_bytes_of(r.p + n, r.n - n);
    return n > 0;
}

/* By the delimiter behind the segment's name; the separator itself is field 1 of a header. */
static struct base_bytes field(struct item item, unsigned number)
{
    unsigned part = item.kind == FHS || item.kind == BHS ? number - 1 : number;
    return item.text.n > 3 ? hl7_part(item.text, (char)item.text.p[3], part)
                           : base_bytes_of(NULL, 0);
}

/* Is the first field of a trailer this number, or empty? */
static bool agrees(struct item trailer, unsigned counted)
{
    struct base_bytes v = field(trailer, 1);
    unsigned said = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!isdigit(v.p[i]) || said > HL7_BATCH_MESSAGES_MAX)
            return false;
        said = said * 10 + (unsigned)(v.p[i] - '0');
    }
    return v.n == 0 || said == counted;
}

bool hl7_is_batch(struct base_bytes text)
{
    enum kind k = kind_at(text);
    return k == FHS || k == BHS;
}

bool hl7_batch_refers(struct base_bytes text)
{
    struct item item;
    return next_item(&text, &item) && hl7_is_batch(item.text) && field(item, REFERENCE).n > 0;
}

enum base_err hl7_batch_check(struct base_bytes text, unsigned *messages, struct base_error *error)
{
    const uint8_t *start = text.p;
    struct hl7_delimiters d;
    struct item item;
    enum kind last = NONE;
    unsigned all = 0;
    unsigned batches = 0;
    unsigned in_batch = 0;
    enum base_err err = BASE_OK;
    while (!err && next_item(&text, &item)) {
        uint64_t pos = (uint64_t)(item.text.p - start);
        bool header = item.kind == FHS || item.kind == BHS;
        /* [FHS] { [BHS] [ { MSH … } ] [BTS] } [FTS] */
        if (item.kind == NONE || last == FTS || (item.kind == FHS && last != NONE))
            return base_fail(
                error, BASE_EFORMAT, pos,
                "a batch is FHS, BHS, messages, BTS, FTS, and this stands elsewhere or "
                "is none of them: nothing of it was taken");
        if (header)
            err = hl7_read_delimiters(item.text, names[item.kind], &d, error);
        if (item.kind == BHS || (item.kind == MSH && last != MSH && last != BHS)) {
            batches++;
            in_batch = 0;
        }
        in_batch += item.kind == MSH;
        all += item.kind == MSH;
        if ((item.kind == BTS && !agrees(item, in_batch)) ||
            (item.kind == FTS && !agrees(item, batches)))
            return base_fail(error, BASE_EFORMAT, pos,
                             "there are %u %s, but %s-1 says another number: nothing was taken, "
                             "send the whole again",
                             item.kind == BTS ? in_batch : batches,
                             item.kind == BTS ? "messages in the batch" : "batches in the file",
                             names[item.kind]);
        if (item.kind == BTS)
            in_batch = 0;
        if (all > HL7_BATCH_MESSAGES_MAX)
            return base_fail(error, BASE_ELIMIT, pos,
                             "more than %d messages: send them in several batches",
                             HL7_BATCH_MESSAGES_MAX);
        last = item.kind;
    }
    if (!err)
        *messages = all;
    return err;
}

/* ---- the answer ---- */

/* The five that a header names, or, where it is refused for them, the usual ones. */
static const char *delimiters_of(struct base_bytes header, enum kind kind)
{
    struct hl7_delimiters d;
    return hl7_read_delimiters(header, names[kind], &d, NULL) == BASE_OK
               ? (const char *)header.p + 3
               : "|^~\\&";
}

/* 2.14.1, 2.14.3: the receiver answers the sender, and names the batch in the last field. */
static void add_header(struct item item, struct base_buf *out)
{
    static const unsigned ends[] = {5, 6, 3, 4};
    const char *d = delimiters_of(item.text, item.kind);
    base_buf_printf(out, "%s%.5s%c", names[item.kind], d, d[0]);
    for (size_t i = 0; i < 4; i++) {
        struct base_bytes v = field(item, ends[i]);
        base_buf_add(out, v.p, v.n);
        base_buf_add_byte(out, (uint8_t)d[0]);
    }
    base_buf_add_fill(out, (uint8_t)d[0], REFERENCE - 7);
    struct base_bytes id = field(item, REFERENCE - 1);
    base_buf_add(out, id.p, id.n);
    base_buf_add_byte(out, '\r');
}

static void begin(struct hl7_batch *b, struct item item, struct base_buf *out)
{
    *(item.kind == FHS ? &b->file : &b->batch) = item.text;
    add_header(item, out);
}

/* As many trailers as headers. */
static void end_batch(struct hl7_batch *b, struct base_buf *out)
{
    if (b->batch.n)
        base_buf_printf(out, "BTS%c%u\r", delimiters_of(b->batch, BHS)[0], b->answers);
    b->batches += b->batch.n || b->answers;
    b->batch = base_bytes_of(NULL, 0);
    b->answers = 0;
}

bool hl7_batch_next(struct hl7_batch *b, struct base_bytes *message, struct base_buf *answer)
{
    struct item item;
    while (next_item(&b->rest, &item)) {
        assert(item.kind != NONE); /* the batch was checked */
        if (item.kind == MSH) {
            *message = item.text;
            return true;
        }
        if (item.kind == BHS || item.kind == BTS)
            end_batch(b, answer);
        if (item.kind == FHS || item.kind == BHS)
            begin(b, item, answer);
    }
    end_batch(b, answer);
    if (b->file.n)
        base_buf_printf(answer, "FTS%c%u\r", delimiters_of(b->file, FHS)[0], b->batches);
    b->file = base_bytes_of(NULL, 0);
    return false;
}

void hl7_batch_refuse(struct hl7_batch *b, struct base_buf *answer)
{
    struct item item;
    if (next_item(&b->rest, &item) && hl7_is_batch(item.text))
        begin(b, item, answer);
    b->rest.n = 0;
}
