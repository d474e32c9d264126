/*
 * Opens a recording in any format that we read, told by its content: file
 * names lie. No I/O: the caller brings the bytes, of several files where a
 * format has several. Which ones is known only from the content, so ecg_open
 * asks:
 *
 *     files[0] = what the user named; n = 1;
 *     while (ecg_open(files, n, NULL, &needs, &record, &err) == BASE_ENOTFOUND && needs.n)
 *         for each needs.name: append it, with bytes.p = NULL where there is none
 *
 * It never asks twice for one name, nor for one with a path in it.
 */
#ifndef ECG_OPEN_H
#define ECG_OPEN_H

#include "ecg/ecg_record.h"

struct ecg_input {
    const char *name;        /* without a path; "" if there is none */
    struct base_bytes bytes; /* p = NULL: was asked for, there is no such file */
};

enum { ECG_NAME_SIZE = 256, ECG_NEEDS_MAX = 64, ECG_INPUTS_MAX = 1024 };

/* Names of files that a recording also consists of, or may (annotations). */
struct ecg_needs {
    size_t n;
    char name[ECG_NEEDS_MAX][ECG_NAME_SIZE];
    bool optional[ECG_NEEDS_MAX]; /* nothing is missing without it */
};

/* To add one, see ecg_format.h. */
enum ecg_format {
    ECG_FORMAT_UNKNOWN,
    ECG_FORMAT_SCP,
    ECG_FORMAT_DICOM,
    ECG_FORMAT_AECG,
    ECG_FORMAT_MUSE,
    ECG_FORMAT_PHILIPS,
    ECG_FORMAT_MFER,
    ECG_FORMAT_ISHNE,
    ECG_FORMAT_EDF, /* and BDF */
    ECG_FORMAT_WFDB,
    ECG_FORMAT_CSV,
    ECG_FORMAT_COUNT
};

/* "SCP-ECG"; "unknown". */
const char *ecg_format_name(enum ecg_format format);
/* From the name or a file's extension, in any case; else UNKNOWN. */
enum ecg_format ecg_format_by_name(const char *name);
/* Those that are usual for it, "dcm dicom"; separated by spaces. */
const char *ecg_format_extensions(enum ecg_format format);
/* The media type under which a file of it is kept. */
const char *ecg_format_media(enum ecg_format format);
/* One that is no DICOM object: a recording to be made one. */
bool ecg_format_is_foreign(enum ecg_format format);
bool ecg_format_writes(enum ecg_format format);
/* One whose recordings may consist of several files. */
bool ecg_format_has_files(enum ecg_format format);
enum ecg_format ecg_detect(struct base_bytes file);
/* The names of files that this one asks for, being the first of a recording. */
void ecg_find_needs(const struct ecg_input *file, struct ecg_needs *out);
/* Of several files that were sent together: the one to begin with, which is the
 * first that is a recording and that no other one of them names. n when there is none. */
size_t ecg_find_first(const struct ecg_input *files, size_t n);

/* Parses files[0], with the others beside it. limits NULL = default. On BASE_OK
 * the caller owns *out (ecg_record_free) and the inputs may go; what was doubtful
 * stands in its notes. BASE_ENOTFOUND: *needs names the files that are missing;
 * when needs is NULL, that is BASE_EFORMAT. BASE_EFORMAT, BASE_EUNSUPPORTED, BASE_ELIMIT,
 * BASE_ENOMEM: *err says what, at which byte, and what to do; *out is untouched. */
enum base_err ecg_open(const struct ecg_input *files, size_t n, const struct ecg_limits *limits,
                       struct ecg_needs *needs, struct ecg_record **out,
                       struct base_error *err) BASE_MUST_CHECK;
/* The same where the caller has all files that there are: a name that is not among them
 * is of no file. */
enum base_err ecg_open_all(const struct ecg_input *files, size_t n, const struct ecg_limits *limits,
                           struct ecg_record **out, struct base_error *err) BASE_MUST_CHECK;

#endif
