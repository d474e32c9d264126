/*
 * Specific Character Set (0008,0005): text of a data set to UTF-8 and back
 * (PS3.3 C.12.1.1.2, PS3.5 6.1 and Annexes H–K), with glibc's iconv.
 *
 * Always convert whole values: in GB18030 and GBK the second byte of a character may
 * equal a delimiter of PS3.5 6.2 (backslash, ^, =). So never split raw bytes; split the
 * UTF-8.
 *
 * Devices in the field declare wrong sets. Bytes above 7F without a declared set,
 * under ISO_IR 100 or under ISO 2022 IR 58 without its escape, and text that
 * fails in its declared set, are read as the first that fits of: UTF-8; GBK
 * with at least one common hanzi (GB 2312 rows 16–55); ISO 8859-1. The result
 * then says "guessed", except for ISO_IR 100 read as ISO 8859-1, which is what
 * was declared.
 */
#ifndef DICOM_CHARSET_H
#define DICOM_CHARSET_H

#include "base/buf.h"

#include <stdbool.h>

enum { DICOM_CHARSET_TERMS = 8, DICOM_CHARSET_TEXT_MAX = 1 << 20 /* bytes per value */ };

struct dicom_charset {
    uint8_t n;
    uint8_t set[DICOM_CHARSET_TERMS];
    bool unknown; /* a term was not understood, and ignored */
};

/* Zero-initialised is the default repertoire (ASCII). value: the whole value
 * of (0008,0005), or a term from configuration, or a name of IANA's that other formats declare
 * ("windows-1251", "Shift_JIS", "EUC-JP", "EUC-KR", "Big5", "KOI8-R"). Never fails: see `unknown`.
 */
void dicom_charset_parse(struct dicom_charset *cs, struct base_bytes value);

/*
 * Appends the value as valid UTF-8 without its padding and without control
 * characters other than TAB, LF, FF, CR. Sets *guessed when the set had to be
 * guessed, else leaves it alone. BASE_ELIMIT over DICOM_CHARSET_TEXT_MAX, or
 * out's own error.
 */
BASE_MUST_CHECK enum base_err dicom_charset_to_utf8(const struct dicom_charset *cs,
                                                    struct base_bytes value, struct base_buf *out,
                                                    bool *guessed);

/* Is the value, whose set is not known, read as GBK? No: as UTF-8 (ASCII too) or ISO 8859-1. */
bool dicom_charset_is_gbk(struct base_bytes value);

/* Appends UTF-8 text in the set. BASE_EUNSUPPORTED when the set cannot express
 * it (nothing is appended), BASE_EINVAL when the text is not UTF-8. Japanese
 * multi-byte sets are read but not written. */
BASE_MUST_CHECK enum base_err dicom_charset_from_utf8(const struct dicom_charset *cs,
                                                      const char *utf8, size_t n,
                                                      struct base_buf *out);

#endif
