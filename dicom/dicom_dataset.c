#include "dicom/dicom_dataset.h"

#include <assert.h>

/* What stands before a value. */
struct header {
    uint32_t tag;
    uint32_t length;
    enum dicom_vr vr;
    unsigned size; /* bytes */
};

/* What is seldom, out of the way of what is done for each element. */
#define SELDOM __attribute__((cold, noinline))

SELDOM static void report(struct dicom_cursor *c, enum base_err code, uint64_t pos,
                          const char *what, uint32_t tag)
{
    char text[DICOM_TAG_TEXT_SIZE];
    base_fail(&c->error, code, pos, "%s %s%s%s at byte %llu", what, dicom_tag_text(tag, text),
              *dicom_tag_keyword(tag) ? " " : "", dicom_tag_keyword(tag), (unsigned long long)pos);
    c->state = DICOM_BAD;
}

static enum dicom_step fail(struct dicom_cursor *c, enum base_err code, uint64_t pos,
                            const char *what, uint32_t tag)
{
    report(c, code, pos, what, tag);
    return DICOM_BAD;
}

/* The bytes at pos..pos+n are needed: the prefix ends, or the data set is cut. */
static enum dicom_step out_of_bytes(struct dicom_cursor *c, uint32_t tag)
{
    if (!c->complete)
        return c->state = DICOM_MORE;
    return fail(c, BASE_EFORMAT, c->pos, "the data set ends inside element", tag);
}

void dicom_cursor_init(struct dicom_cursor *c, struct base_bytes bytes,
                       enum dicom_encoding encoding, bool complete)
{
    c->bytes = bytes;
    c->pos = 0;
    c->resume = 0;
    c->complete = complete;
    c->pending = false;
    c->state = DICOM_ELEMENT;
    c->depth = 0;
    c->error.code = BASE_OK;
    c->error.msg[0] = 0;
    c->last = (struct dicom_element){0};
    memset(c->known, 0, sizeof c->known);
    c->known[0].vr = DICOM_VR_UL; /* of tag 0, the length of a group */
    c->level[0] = (struct dicom_level){
        .end = complete ? bytes.n : UINT64_MAX,
        .kind = DICOM_LEVEL_DATASET,
        .encoding = encoding,
    };
}

static bool is_delimiter_group(uint32_t tag)
{
    return DICOM_GROUP(tag) == 0xFFFE;
}

#define WIDE_BIT(name, wide, pad) | (uint64_t)(wide) << DICOM_VR_##name
static const uint64_t wide_vrs = 0 DICOM_VR_MAP(WIDE_BIT);
#undef WIDE_BIT

/* PS3.5 7.1.2: reads VR and length of an explicit encoding. */
static enum dicom_step read_explicit(struct dicom_cursor *c, const uint8_t *p, bool big,
                                     struct header *h)
{
    h->vr = dicom_vr_of((char)p[4], (char)p[5]);
    bool wide = wide_vrs >> h->vr & 1;
    if (h->vr == DICOM_VR_NONE) {
        /* A VR of a later edition has the wide form; "??" is what old toolkits
         * wrote for unknown, in the narrow form. */
        bool letters = p[4] >= 'A' && p[4] <= 'Z' && p[5] >= 'A' && p[5] <= 'Z';
        if (!letters && !(p[4] == '?' && p[5] == '?'))
            return fail(c, BASE_EFORMAT, c->pos, "no valid VR in element", h->tag);
        wide = letters;
        h->vr = DICOM_VR_UN;
    }
    if (!wide) {
        h->size = 8;
        h->length = big ? base_load_be16(p + 6) : base_load_le16(p + 6);
        return DICOM_ELEMENT;
    }
    h->size = 12;
    if (c->bytes.n - c->pos < 12)
        return out_of_bytes(c, h->tag);
    h->length = big ? base_load_be32(p + 8) : base_load_le32(p + 8);
    return DICOM_ELEMENT;
}

/* Of an element that should be in implicit VR: are its letters, as a length, odd or 64 KiB
 * at least? */
static bool is_explicit(const uint8_t *p)
{
    return dicom_vr_of((char)p[4], (char)p[5]) != DICOM_VR_NONE &&
           (p[4] % 2 == 1 || base_load_le16(p + 6) != 0);
}

/* Data sets have few tags many times, and the dictionary is large. */
static enum dicom_vr known_vr(struct dicom_cursor *c, uint32_t tag)
{
    unsigned i = (tag ^ tag >> 4 ^ tag >> 16) % DICOM_KNOWN;
    if (c->known[i].tag != tag) {
        c->known[i].tag = tag;
        c->known[i].vr = dicom_tag_vr(tag);
    }
    return c->known[i].vr;
}

static uint32_t load_tag(const uint8_t *p, bool big)
{
    return big ? base_load_be32(p) : DICOM_TAG(base_load_le16(p), base_load_le16(p + 2));
}

/* Fewer than 8 bytes are left at c->pos. */
static enum dicom_step no_header(struct dicom_cursor *c)
{
    uint64_t left = c->bytes.n - c->pos;
    bool big = c->level[c->depth].encoding == DICOM_EXPLICIT_BE;
    return out_of_bytes(c, left < 4 ? c->last.tag : load_tag(c->bytes.p + c->pos, big));
}

/* Reads what stands before the value at c->pos; does not move. */
static enum dicom_step read_header(struct dicom_cursor *c, struct header *h)
{
    struct dicom_level *at = &c->level[c->depth];
    bool big = at->encoding == DICOM_EXPLICIT_BE;
    if (c->pos + 8 > c->bytes.n)
        return no_header(c);
    const uint8_t *p = c->bytes.p + c->pos;
    h->tag = load_tag(p, big);
    bool delimiter = is_delimiter_group(h->tag);
    if (at->doubtful && at->kind == DICOM_LEVEL_DATASET && !delimiter) {
        at->doubtful = false;
        if (is_explicit(p))
            at->encoding = DICOM_EXPLICIT_LE;
    }
    if (at->encoding != DICOM_IMPLICIT_LE && !delimiter)
        return read_explicit(c, p, big, h);
    h->size = 8;
    h->length = big ? base_load_be32(p + 4) : base_load_le32(p + 4);
    h->vr = delimiter ? DICOM_VR_NONE : known_vr(c, h->tag);
    return DICOM_ELEMENT;
}

/* A delimiter was read: the level ends here, or the delimiter is a stray one. DEVIATION (PS3.5
 * 7.5): a stray one is passed over. */
static enum dicom_step take_delimiter(struct dicom_cursor *c, const struct header *h)
{
    const struct dicom_level *at = &c->level[c->depth];
    uint32_t own = at->kind == DICOM_LEVEL_DATASET ? DICOM_TAG_ITEM_END : DICOM_TAG_SEQ_END;
    if (h->tag != own || h->length != 0 || c->depth == 0 || h->size > at->end - c->pos)
        return fail(c, BASE_EFORMAT, c->pos, "unexpected", h->tag);
    c->pos += h->size;
    return at->undefined ? DICOM_END : DICOM_ELEMENT;
}

/* What encloses a level of undefined length ended before its delimiter. */
static enum dicom_step no_delimiter(struct dicom_cursor *c)
{
    if (c->level[c->depth].end == c->bytes.n)
        return out_of_bytes(c, c->last.tag);
    return fail(c, BASE_EFORMAT, c->pos, "no delimiter after", c->last.tag);
}

/* The next header of this level, delimiters dealt with: DICOM_ELEMENT or DICOM_END. */
static enum dicom_step next_header(struct dicom_cursor *c, struct header *h)
{
    const struct dicom_level *at = &c->level[c->depth];
    for (;;) {
        if (c->pos >= at->end)
            return at->undefined ? no_delimiter(c) : DICOM_END;
        enum dicom_step step = read_header(c, h);
        if (step != DICOM_ELEMENT)
            return step;
        if (h->tag != DICOM_TAG_ITEM_END && h->tag != DICOM_TAG_SEQ_END)
            break;
        step = take_delimiter(c, h);
        if (step != DICOM_ELEMENT)
            return step;
    }
    bool item = h->tag == DICOM_TAG_ITEM;
    if (item != (at->kind != DICOM_LEVEL_DATASET))
        return fail(c, BASE_EFORMAT, c->pos,
                    item ? "an item outside a sequence:" : "no item in a sequence but", h->tag);
    return DICOM_ELEMENT;
}

/* The kind of level inside an element, or false when it holds plain bytes. */
static bool inner_kind(const struct dicom_cursor *c, const struct dicom_element *e,
                       enum dicom_level_kind *kind)
{
    enum dicom_level_kind here = c->level[c->depth].kind;
    if (here == DICOM_LEVEL_FRAGMENTS)
        return false;
    if (here == DICOM_LEVEL_SEQUENCE) {
        *kind = DICOM_LEVEL_DATASET;
        return true;
    }
    if (e->vr == DICOM_VR_SQ || (e->length == DICOM_UNDEFINED && e->vr == DICOM_VR_UN)) {
        *kind = DICOM_LEVEL_SEQUENCE;
        return true;
    }
    if (e->length != DICOM_UNDEFINED)
        return false;
    /* PS3.5 A.4: pixel data in fragments. Anything else of undefined length can
     * only be a sequence whose VR our dictionary does not have. */
    bool bulk = e->vr == DICOM_VR_OB || e->vr == DICOM_VR_OW;
    *kind = bulk ? DICOM_LEVEL_FRAGMENTS : DICOM_LEVEL_SEQUENCE;
    return true;
}

/* Moves over the header and describes the element; the value must fit its level. What is known of
 * it is put together before any is stored: what is read back at once in other pieces than it was
 * written waits for that. */
static enum dicom_step take_element(struct dicom_cursor *c, const struct header *h,
                                    struct dicom_element *e)
{
    const struct dicom_level *at = &c->level[c->depth];
    uint64_t start = c->pos + h->size;
    uint64_t have = c->bytes.n - start;
    bool is_open = h->length == DICOM_UNDEFINED;
    if (is_open && at->kind == DICOM_LEVEL_FRAGMENTS) {
        c->pending = true;
        return fail(c, BASE_EFORMAT, c->pos, "undefined length of fragment", h->tag);
    }
    if (!is_open) {
        bool fits = start <= at->end && h->length <= at->end - start;
        c->pending = false;
        if (!fits && at->end == c->bytes.n)
            return out_of_bytes(c, h->tag);
        if (!fits)
            return fail(c, BASE_EFORMAT, c->pos, "longer than what encloses it: element", h->tag);
    }
    bool partial = !is_open && h->length > have;
    const struct dicom_element found = {
        .tag = h->tag,
        .vr = h->vr,
        .length = h->length,
        .big_endian = at->encoding == DICOM_EXPLICIT_BE,
        .partial = partial,
        .offset = c->pos,
        .value = {c->bytes.p + start, is_open   ? 0
                                      : partial ? (size_t)have
                                                : h->length},
    };
    c->pending = is_open;
    c->resume = is_open ? start : start + h->length;
    c->pos = start;
    c->last = found;
    *e = found;
    return DICOM_ELEMENT;
}

bool dicom_cursor_can_enter(const struct dicom_cursor *c)
{
    enum dicom_level_kind kind;
    return c->state == DICOM_ELEMENT && inner_kind(c, &c->last, &kind);
}

/* PS3.5 6.2.2 Note 2: UN of undefined length is implicit little endian inside. DEVIATION: some
 * devices write it as the rest; what is in explicit VR is read so. */
static enum dicom_encoding inner_encoding(const struct dicom_cursor *c)
{
    return c->last.vr == DICOM_VR_UN ? DICOM_IMPLICIT_LE : c->level[c->depth].encoding;
}

void dicom_cursor_enter(struct dicom_cursor *c)
{
    enum dicom_level_kind kind = DICOM_LEVEL_DATASET;
    if (c->state != DICOM_ELEMENT)
        return;
    if (!inner_kind(c, &c->last, &kind)) {
        fail(c, BASE_EFORMAT, c->last.offset, "not a sequence: element", c->last.tag);
        return;
    }
    if (c->depth == DICOM_DEPTH_MAX) {
        fail(c, BASE_ELIMIT, c->last.offset, "nested too deep: element", c->last.tag);
        return;
    }
    bool undefined = c->last.length == DICOM_UNDEFINED;
    enum dicom_encoding encoding = inner_encoding(c);
    bool doubtful = c->last.vr == DICOM_VR_UN || c->level[c->depth].doubtful;
    uint64_t end = undefined ? c->level[c->depth].end : c->resume;
    c->pos = (uint64_t)(c->last.value.p - c->bytes.p);
    c->level[++c->depth] = (struct dicom_level){.end = end,
                                                .kind = kind,
                                                .encoding = encoding,
                                                .undefined = undefined,
                                                .doubtful = doubtful};
    c->pending = false;
    c->resume = c->pos;
}

/* Passes over the content of the last element, of undefined length. */
SELDOM static enum dicom_step skip_undefined(struct dicom_cursor *c)
{
    unsigned base = c->depth;
    struct dicom_element e;
    dicom_cursor_enter(c);
    while (c->state == DICOM_ELEMENT && c->depth > base)
        if (dicom_cursor_next(c, &e) == DICOM_END)
            c->depth--;
        else if (c->pending)
            dicom_cursor_enter(c);
    c->pending = false;
    c->resume = c->pos;
    return c->state;
}

enum dicom_step dicom_cursor_next(struct dicom_cursor *c, struct dicom_element *e)
{
    if (c->state != DICOM_ELEMENT)
        return c->state;
    if (c->pending && skip_undefined(c) != DICOM_ELEMENT)
        return c->state;
    c->pos = c->resume;
    if (c->pos > c->bytes.n)
        return out_of_bytes(c, c->last.tag);
    struct header h = {0};
    enum dicom_step step = next_header(c, &h);
    if (step == DICOM_ELEMENT)
        return take_element(c, &h, e);
    c->resume = c->pos;
    struct dicom_level *at = &c->level[c->depth];
    if (step == DICOM_END && at->undefined) {
        at->end = c->pos; /* later calls at this level answer the end again */
        at->undefined = false;
    }
    return step;
}

void dicom_cursor_leave(struct dicom_cursor *c)
{
    struct dicom_element e;
    assert(c->depth > 0 || c->state != DICOM_ELEMENT);
    if (c->state != DICOM_ELEMENT)
        return;
    struct dicom_level *at = &c->level[c->depth];
    if (at->undefined) {
        while (dicom_cursor_next(c, &e) == DICOM_ELEMENT)
            ;
        if (c->state != DICOM_ELEMENT)
            return;
    }
    c->pos = at->end;
    c->resume = c->pos;
    c->pending = false;
    c->depth--;
}

enum dicom_step dicom_cursor_state(const struct dicom_cursor *c)
{
    return c->state;
}

enum dicom_step dicom_cursor_find(struct dicom_cursor *c, uint32_t tag, struct dicom_element *e)
{
    struct dicom_element found;
    for (;;) {
        enum dicom_step step = dicom_cursor_next(c, &found);
        if (step != DICOM_ELEMENT)
            return step;
        if (found.tag == tag) {
            *e = found;
            return DICOM_ELEMENT;
        }
        if (found.tag > tag) {
            c->pos = c->resume = found.offset;
            c->pending = false;
            return DICOM_END;
        }
    }
}
