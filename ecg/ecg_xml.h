/*
 * XML of recorders, by SAX: nothing of the document is kept but the names of the
 * elements that are open and the text of the innermost one. No file and no network
 * is touched, a DOCTYPE is passed over, entities other than XML's five are not
 * expanded; depth, tags and texts are bounded. Private to ecg/.
 *
 * Encodings: UTF-16 and UTF-8 are what they are. Everything else is fed byte by
 * byte and decoded when a text is asked for, through ecg_text, which also knows
 * what to make of text that is not in its declared set: a wrong declaration never
 * costs the recording.
 */
#ifndef ECG_XML_H
#define ECG_XML_H

#include "ecg/ecg_record.h"

enum {
    ECG_XML_DEPTH = 64,       /* of elements */
    ECG_XML_TEXT = 64 * 1024, /* bytes gathered of one element; the rest is dropped */
    ECG_XML_TAG = 256 * 1024  /* bytes of one tag, comment or document type */
};

struct ecg_xml;

/* Names are local names, without a prefix. Every element that was begun ends, also in
 * a document that breaks off: then with the text gathered of it dropped, for half a
 * number is a wrong one, and ecg_xml_is_broken. text may be NULL. */
struct ecg_xml_handler {
    void (*start)(void *arg, struct ecg_xml *x, const char *name);
    /* After it the element is still open: ecg_xml_text has its own text. */
    void (*end)(void *arg, struct ecg_xml *x, const char *name);
    /* Text as it comes, in pieces. True: taken, so it is not gathered. */
    bool (*text)(void *arg, struct ecg_xml *x, const char *s, size_t n);
    /* Of elements of this name text comes to `plain` first, as the bytes of the file: it returns
     * how many from the first on are characters that mean nothing but themselves in XML, and that
     * it has taken as text. The parser never sees those: long lists of numbers take half the time
     * so. NULL: none. */
    const char *plain_name;
    size_t (*plain)(void *arg, struct ecg_xml *x, const char *s, size_t n);
};

/* The local name of the document's first element, told without a parser; "" when
 * this is no XML. */
void ecg_xml_root(struct base_bytes file, char *out, size_t size);

/* BASE_OK also of a document that breaks off or is damaged after its first element:
 * then r has a note. BASE_EFORMAT: it is no XML. what: "HL7 aECG", for messages. */
enum base_err ecg_xml_read(struct base_bytes file, const char *what,
                           const struct ecg_xml_handler *handler, void *arg, struct ecg_record *r,
                           struct base_error *err) BASE_MUST_CHECK;

/* For handlers. */
bool ecg_xml_is_broken(struct ecg_xml *x);
/* Line, from 1. */
unsigned ecg_xml_line(struct ecg_xml *x);
/* Whether an element of this name is open, the innermost one included. */
bool ecg_xml_in(struct ecg_xml *x, const char *name);
/* The element that is open `up` levels above the innermost; "" above the root. */
const char *ecg_xml_above(struct ecg_xml *x, size_t up);
/* In start only: the attribute's value, "" and false when it is absent or longer
 * than out holds. */
bool ecg_xml_attribute(struct ecg_xml *x, const char *name, char *out, size_t size);
/* The same as text of the record, in UTF-8. */
const char *ecg_xml_attribute_text(struct ecg_xml *x, const char *name);
/* Gathered text of the innermost element: trimmed bytes as they came, ASCII at
 * least; borrowed until the next start or end. */
const char *ecg_xml_bytes(struct ecg_xml *x);
/* The same as text of the record, in UTF-8. */
const char *ecg_xml_text(struct ecg_xml *x);
/* The same, of a part of a name: *guessed is set when its character set was, else left alone. */
const char *ecg_xml_text_of_name(struct ecg_xml *x, bool *guessed);
struct ecg_text ecg_xml_text_raw(struct ecg_xml *x);
/* As a number. False when it is none. */
bool ecg_xml_number(struct ecg_xml *x, double *out);

#endif
