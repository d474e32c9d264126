/*
 * Data sets (PS3.5): a cursor that reads elements out of memory, and a writer
 * that appends them to a base_buf. The cursor allocates nothing; its views borrow
 * the bytes it was given.
 *
 * Reading:
 *
 *   struct dicom_cursor c;
 *   struct dicom_element e;
 *   dicom_cursor_init(&c, bytes, DICOM_EXPLICIT_LE, true);
 *   while (dicom_cursor_next(&c, &e) == DICOM_ELEMENT) {
 *       if (e.tag == DICOM_TAG_WaveformSequence) {
 *           dicom_cursor_enter(&c);                        // into the sequence
 *           while (dicom_cursor_next(&c, &e) == DICOM_ELEMENT) { // each item
 *               dicom_cursor_enter(&c);                    // into the item
 *               while (dicom_cursor_next(&c, &e) == DICOM_ELEMENT) ...
 *               dicom_cursor_leave(&c);
 *           }
 *           dicom_cursor_leave(&c);
 *       }
 *   }
 *
 * What is not entered is skipped by the next call. A cursor over a prefix
 * (complete = false) answers DICOM_MORE where it needs bytes beyond it; start
 * again with a longer prefix. DICOM_MORE and DICOM_BAD are final: every later
 * call answers the same, so a nested loop may end on "not DICOM_ELEMENT" and
 * look at dicom_cursor_state once, at the end.
 */
#ifndef DICOM_DATASET_H
#define DICOM_DATASET_H

#include "base/buf.h"
#include "base/err.h"
#include "dicom/dicom_tag.h"
#include "dicom/dicom_uid.h"

enum {
    DICOM_DEPTH_MAX = 64, /* sequences and items, each counts one */
    DICOM_KNOWN = 64      /* a power of two */
};

enum dicom_step {
    DICOM_ELEMENT, /* *e is the next element or item */
    DICOM_END,     /* nothing more at this level */
    DICOM_MORE,    /* the prefix ends here */
    DICOM_BAD      /* malformed: see c->error */
};

struct dicom_element {
    uint32_t tag;    /* DICOM_TAG_ITEM for items and fragments */
    uint32_t length; /* as encoded, may be DICOM_UNDEFINED */
    enum dicom_vr vr;
    bool big_endian; /* of the numbers in value */
    bool partial;    /* the prefix ends inside the value */
    uint64_t offset; /* of the tag, from the start of the data set */
    /* The value; empty when length is undefined. Of a sequence or an item of
     * defined length: its encoded content. Shorter than length when partial. */
    struct base_bytes value;
};

enum dicom_level_kind { DICOM_LEVEL_DATASET, DICOM_LEVEL_SEQUENCE, DICOM_LEVEL_FRAGMENTS };

struct dicom_level {
    uint64_t end; /* first byte after it, the enclosing end when undefined */
    enum dicom_level_kind kind;
    enum dicom_encoding encoding;
    bool undefined; /* ended by a delimiter */
    bool doubtful;  /* inside UN: the first element shows the encoding */
};

struct dicom_cursor {
    struct base_bytes bytes;
    uint64_t pos;
    uint64_t resume; /* after the value of the last element */
    struct dicom_element last;
    bool complete;
    bool pending;          /* last is of undefined length and was neither entered nor skipped */
    enum dicom_step state; /* DICOM_ELEMENT until DICOM_MORE or DICOM_BAD, which are final */
    unsigned depth;
    struct {
        uint32_t tag;
        enum dicom_vr vr;
    } known[DICOM_KNOWN]; /* of implicit encodings: what the dictionary said last */
    struct dicom_level level[DICOM_DEPTH_MAX + 1];
    struct base_error error; /* when state is DICOM_BAD */
};

void dicom_cursor_init(struct dicom_cursor *c, struct base_bytes bytes,
                       enum dicom_encoding encoding, bool complete);
/* The next element of this level, or the next item of an entered sequence. */
enum dicom_step dicom_cursor_next(struct dicom_cursor *c, struct dicom_element *e);
/* True when the last element is a sequence, an item, or in fragments. */
bool dicom_cursor_can_enter(const struct dicom_cursor *c);
/* Enters the last element. Turns DICOM_BAD where dicom_cursor_can_enter is false, since
 * the data are not what was expected, and beyond DICOM_DEPTH_MAX (code BASE_ELIMIT). */
void dicom_cursor_enter(struct dicom_cursor *c);
/* Leaves the level entered last, skipping the rest of it. */
void dicom_cursor_leave(struct dicom_cursor *c);
/* DICOM_MORE or DICOM_BAD once either has occurred; else DICOM_ELEMENT or DICOM_END. */
enum dicom_step dicom_cursor_state(const struct dicom_cursor *c);
/* Moves forward at this level to the tag, past lower ones. DICOM_END when a higher tag
 * comes first: the next call returns that one. */
enum dicom_step dicom_cursor_find(struct dicom_cursor *c, uint32_t tag, struct dicom_element *e);

/* -- values -- */

/* Text without trailing padding (spaces, NULs), and unless keep_leading
 * without leading spaces. */
struct base_bytes dicom_value_text(struct base_bytes value);
/* Part i (from 0) of a value separated by backslashes, trimmed; false when there
 * are fewer. Only for VRs without a character set, or on UTF-8: in GBK and
 * others a backslash byte can be half a character. */
bool dicom_value_part(struct base_bytes value, unsigned i, struct base_bytes *out);
/* Number of values: by size for binary VRs, by backslashes for text; 0 if empty. */
uint32_t dicom_value_count(const struct dicom_element *e);
/* Value i as an integer: US UL SS SL UV SV AT, IS, and DS when integral. False
 * when absent or not a number. */
bool dicom_value_int(const struct dicom_element *e, unsigned i, int64_t *out);
/* Value i as a number: the above, FL, FD and DS. */
bool dicom_value_double(const struct dicom_element *e, unsigned i, double *out);
/* Trimmed text into out of size n, NUL-terminated; false (out is "") when it
 * does not fit. For UI, CS, DA, TM, IS … */
bool dicom_value_copy(struct base_bytes value, char *out, size_t n);

/* -- writing -- */

/*
 * Appends to out. Tags must come in ascending order at each level (asserted,
 * as our own code decides them). Errors are sticky in out->err: BASE_ELIMIT when
 * a value is too long for its VR's length field. Check once, at the end.
 */
struct dicom_writer {
    struct base_buf *out;
    enum dicom_encoding encoding;
    bool undefined_lengths; /* sequences and items; default false: defined */
    unsigned depth;
    struct {
        uint64_t least;   /* lowest tag that may come next */
        size_t length_at; /* where the length goes at close */
        bool sequence;
    } level[DICOM_DEPTH_MAX + 1];
};

void dicom_writer_init(struct dicom_writer *w, struct base_buf *out, enum dicom_encoding encoding);
/* Any value as bytes in the right byte order; padded to even as the VR asks. */
void dicom_write(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, const void *p, size_t n);
/* Text with the dictionary's VR (the tag must be known). NULL writes no value. */
void dicom_write_text(struct dicom_writer *w, uint32_t tag, const char *s);
/* One number with the dictionary's VR: US UL SS SL UV SV as binary, IS and DS as text. */
void dicom_write_int(struct dicom_writer *w, uint32_t tag, int64_t v);
/* One number with the dictionary's VR: DS (at most 16 characters), FL, FD. */
void dicom_write_double(struct dicom_writer *w, uint32_t tag, double v);
/* n values of a VR of 16 bits (US SS OW, AT as pairs). */
void dicom_write_u16(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, const uint16_t *v,
                     size_t n);
/* VR AT. */
void dicom_write_tag(struct dicom_writer *w, uint32_t tag, uint32_t value);
/* Reserves the place of an element that the caller inserts later: checks only the order. */
void dicom_write_gap(struct dicom_writer *w, uint32_t tag);
void dicom_write_seq_open(struct dicom_writer *w, uint32_t tag);
/* The same for a tag that need not be in our dictionary. */
void dicom_write_seq_begin(struct dicom_writer *w, uint32_t tag);
void dicom_write_item_open(struct dicom_writer *w);
void dicom_write_item_close(struct dicom_writer *w);
void dicom_write_seq_close(struct dicom_writer *w);
/* A code of PS3.3 8.8-1 as a sequence of one item; version may be NULL. */
void dicom_write_code(struct dicom_writer *w, uint32_t tag, const char *value, const char *scheme,
                      const char *version, const char *meaning);

/* -- deflate (PS3.5 A.5) -- */

/*
 * Inflates raw deflate data and appends at most cap bytes to out. *ended: the
 * stream's end was reached. Stopping at the cap or at the end of the input
 * without the stream's end is BASE_OK with *ended false. BASE_EFORMAT when it is
 * not a deflate stream (what came before the damage has been appended).
 */
BASE_MUST_CHECK enum base_err dicom_inflate(struct base_bytes in, size_t cap, struct base_buf *out,
                                            bool *ended);

#endif
