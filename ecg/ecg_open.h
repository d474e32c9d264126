/*
 * Opens a recording in any format that we read, told by its content: file
 * names lie. No I/O: the caller brings the bytes, of several files where a
 * format has several.
 */
#ifndef ECG_OPEN_H
#define ECG_OPEN_H

#include "ecg/ecg_record.h"

struct ecg_input {
    const char *name; /* for messages, and for formats whose files name each other; may be "" */
    struct base_bytes bytes;
};

enum ecg_format { ECG_FORMAT_UNKNOWN, ECG_FORMAT_SCP, ECG_FORMAT_DICOM, ECG_FORMAT_COUNT };

/* "SCP-ECG"; "unknown". */
const char *ecg_format_name(enum ecg_format format);
enum ecg_format ecg_detect(struct base_bytes file);

/* Parses files[0], with the others beside it. limits NULL = default. On BASE_OK
 * the caller owns *out (ecg_record_free) and the inputs may go; what was doubtful
 * stands in its notes. BASE_EFORMAT, BASE_EUNSUPPORTED, BASE_ELIMIT, BASE_ENOMEM:
 * *err says what, at which byte, and what to do; *out is untouched. */
enum base_err ecg_open(const struct ecg_input *files, size_t n, const struct ecg_limits *limits,
                       struct ecg_record **out, struct base_error *err) BASE_MUST_CHECK;

#endif
