/*
 * What the bytes of an XML file are, and what its texts mean. Carts declare sets that they do not
 * write: bytes that are not UTF-8 are fed to the parser one by one, as if they were ISO 8859-1,
 * and decoded when a text is asked for. Private to ecg_xml*.c.
 */
#ifndef ECG_XML_CHARSET_H
#define ECG_XML_CHARSET_H

#include "base/buf.h"
#include "dicom/dicom_charset.h"
#include "ecg/ecg_record.h"

struct ecg_xml_charset {
    bool bytewise; /* the text is the file's bytes as if of ISO 8859-1 */
    bool windows;  /* declared as Windows-1252, or as the set it extends */
    bool guessed;  /* which was declared otherwise */
    struct dicom_charset declared;
    struct base_buf raw; /* scratch: a text as the bytes of the file; the user's to init and free */
};

/* Whether it is of two bytes to a character. */
bool ecg_xml_is_wide(struct base_bytes file, bool *big_endian);
/* Bytes at its beginning that the parser need not see: a byte order mark, which has done its work,
 * and what some write before the XML declaration, which must be the first: blank lines, comments.
 */
size_t ecg_xml_lead(struct base_bytes file);
/* From the declaration and all bytes. The name of the set as which they are to be fed, static. */
const char *ecg_xml_charset_choose(struct ecg_xml_charset *cs, struct base_bytes file);
/* What came from the parser as text of the record, in UTF-8. *raw: as the file has it, borrowed
 * until the next call. *guessed: the set was not declared, or wrongly. Failures are in r->err. */
const char *ecg_xml_charset_text(struct ecg_xml_charset *cs, struct ecg_record *r,
                                 struct base_bytes text, struct base_bytes *raw, bool *guessed);

#endif
