/*
 * The identifier of a modality worklist C-FIND (PS3.4 K.6.1.2): what it asks
 * for, what it matches on, and the answers to it.
 *
 * Pure: bytes in, bytes out. The matching itself is worklist_find() in the
 * database, which gets the matching keys as JSON.
 */
#ifndef WORKLIST_QUERY_H
#define WORKLIST_QUERY_H

#include "base/buf.h"
#include "base/err.h"
#include "dicom/dicom_charset.h"
#include "dicom/dicom_dataset.h"

#include <jansson.h>
#include <stdbool.h>

enum { WORKLIST_KEYS_MAX = 192, WORKLIST_IDENTIFIER_MAX = 64 * 1024 };

/* The character set that a device reads. */
struct worklist_charset {
    struct dicom_charset set;
    const char *term; /* of (0008,0005); NULL = ASCII: names and texts in pinyin */
};

struct worklist_key {
    uint8_t parent; /* number of the sequence it stands in, 0 = the data set itself */
    enum dicom_vr vr;
    uint32_t tag;
};

struct worklist_query {
    struct worklist_key keys[WORKLIST_KEYS_MAX]; /* [0] is the data set itself */
    size_t n;
    json_t *match;                  /* name: value; owned */
    bool unmatched;                 /* it has an optional key that we do not support */
    struct dicom_charset requested; /* its own Specific Character Set */
    bool gbk;                       /* a key that this does not fit is in GBK */
};

/* Reads a whole identifier. BASE_EFORMAT with the cause in error (a text for
 * the technician, without values), BASE_ECONFLICT for a key with two values, BASE_ELIMIT for
 * too many keys, BASE_ENOMEM.
 * After BASE_OK the caller ends with worklist_query_deinit. */
BASE_MUST_CHECK enum base_err worklist_query_parse(struct base_bytes identifier,
                                                   enum dicom_encoding encoding,
                                                   struct worklist_query *out,
                                                   struct base_error *error);
void worklist_query_deinit(struct worklist_query *q);

/* The Scheduled Station AE Title of a step that has none of its own: the calling AE title, unless
 * only others are asked for; then the first of these. */
void worklist_query_station(const struct worklist_query *q, const char *calling, char out[17]);

/* The character set of the answers: the one configured for the device (UTF-8, ISO_IR
 * 192, GB18030, GBK, ISO 2022 IR 58, ASCII), else that of the query if we can write it
 * and it has Chinese, else GBK if a key of the query is in it, else UTF-8. */
void worklist_charset_choose(const char *configured, const struct worklist_query *q,
                             struct worklist_charset *out);

/* Appends the answer for one row of worklist_find(): every attribute asked for,
 * empty where we have none, and always a Study Instance UID. What the set cannot
 * express is written in pinyin. BASE_ENOMEM, or BASE_EINVAL for a bad row. */
BASE_MUST_CHECK enum base_err worklist_query_answer(const struct worklist_query *q,
                                                    const json_t *row,
                                                    const struct worklist_charset *charset,
                                                    enum dicom_encoding encoding,
                                                    struct base_buf *out);

#endif
