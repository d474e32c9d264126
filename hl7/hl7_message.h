/*
 * HL7 v2 messages (v2.5.1 chapter 2): segments, fields, repetitions, components,
 * subcomponents, escape sequences. Pure; the text is UTF-8 already, because in
 * GBK and GB18030 the second byte of a character may be a delimiter.
 *
 * A message borrows the bytes that it was parsed from.
 */
#ifndef HL7_MESSAGE_H
#define HL7_MESSAGE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

enum { HL7_SEGMENTS_MAX = 2000, HL7_MESSAGE_MAX = 4 << 20 };

struct hl7_segment {
    char name[4];
    struct base_bytes text; /* the whole segment without its end */
};

/* The delimiters of MSH-1 and MSH-2 (2.5.4). */
struct hl7_delimiters {
    char field;
    char component;
    char repetition;
    char escape;
    char subcomponent;
};

/* Reads the delimiters that a header (MSH; FHS, BHS) names in its first two fields. */
enum base_err hl7_read_delimiters(struct base_bytes text, const char *header,
                                  struct hl7_delimiters *d,
                                  struct base_error *error) BASE_MUST_CHECK;
/* Part i (from 0) between delimiters; empty when there are fewer. */
struct base_bytes hl7_part(struct base_bytes b, char delimiter, unsigned i);

struct hl7_message {
    struct hl7_delimiters d;
    size_t n;
    struct hl7_segment segments[HL7_SEGMENTS_MAX];
};

/* Without the byte order mark and the blanks before its MSH, which editors and scripts put there.
 */
struct base_bytes hl7_beginning(struct base_bytes text);

/* Segments end with CR; LF and CRLF are accepted as well, since files have them. In a message with
 * CR, an LF that no segment follows is part of the text around it.
 * BASE_EFORMAT: no MSH, bad delimiters, or an invalid segment name (pos = byte);
 * BASE_ELIMIT: too many segments or bytes. */
enum base_err hl7_parse(struct base_bytes text, struct hl7_message *out,
                        struct base_error *error) BASE_MUST_CHECK;

/* The n-th segment of this name from segment `from` on; SIZE_MAX when none. */
size_t hl7_find(const struct hl7_message *m, const char *name, size_t from);

/* Field `field` of a segment (from 1; MSH-1 is the field separator itself), repetition from 0, and
 * the first subcomponent of component (from 1; 0 = the whole field, with delimiters). Escape
 * sequences are resolved; NUL-terminated, cut between characters to fit. False when empty
 * or null (""). */
bool hl7_text(const struct hl7_message *m, size_t segment, unsigned field, unsigned repetition,
              unsigned component, char *out, size_t size);
/* Number of repetitions of a field; 0 when it is empty. */
unsigned hl7_repetitions(const struct hl7_message *m, size_t segment, unsigned field);

/* What an acknowledgement says. */
struct hl7_ack {
    const char *code;       /* MSA-1: AA, AE, AR, or CA, CE, CR (table 0008) */
    const char *text;       /* ERR-8, for the sender's operator; NULL when fine */
    const char *error_code; /* ERR-3, table 0357 */
    const char *error_name;
    const char *location;   /* ERR-2, such as "PID^1^3"; NULL */
    const char *control_id; /* of the acknowledgement, MSH-10 */
    const char *time;       /* MSH-7, YYYYMMDDHHMMSS+ZZZZ */
};
/* Appends an ACK for m (its sender becomes the receiver), in UTF-8, with CR at the end of each
 * segment, in the version of m, or 2.5.1 if we do not know that. m NULL: the message could not be
 * parsed. */
void hl7_write_ack(const struct hl7_message *m, const struct hl7_ack *ack, struct base_buf *out);

#endif
