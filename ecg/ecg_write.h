/*
 * Writes a record in any format that we write: bytes, no I/O. A format may make
 * several files. What it cannot hold is listed.
 */
#ifndef ECG_WRITE_H
#define ECG_WRITE_H

#include "base/buf.h"
#include "ecg/ecg_open.h"

#include <math.h>

enum { ECG_OUTPUTS_MAX = 8 };

struct ecg_write_options {
    const char *stem; /* of the files' names, without path and extension */
    /* What the caller knows better than the record; NULL = from the record. */
    const char *patient_id;
    const char *patient_name;
    const char *accession;
    const char *seed; /* UIDs derive from it; NULL = new ones */
    int64_t now_us;   /* for records that state no time */
};

struct ecg_output {
    char name[ECG_NAME_SIZE]; /* stem and extension */
    struct base_buf bytes;
};

/* file[0] is the one to name to a reader. */
struct ecg_outputs {
    size_t n;
    struct ecg_output file[ECG_OUTPUTS_MAX];
    struct base_buf lost; /* a line for each kind of content that had no place */
};

/* *out is zeroed before; on BASE_OK the caller owns it (ecg_outputs_deinit).
 * BASE_EUNSUPPORTED: the format is not written, or cannot hold this record at
 * all; BASE_EINVAL: an option; BASE_ELIMIT, BASE_ENOMEM. */
enum base_err ecg_write(const struct ecg_record *r, enum ecg_format format,
                        const struct ecg_write_options *options, struct ecg_outputs *out,
                        struct base_error *err) BASE_MUST_CHECK;
void ecg_outputs_deinit(struct ecg_outputs *out);

/* For writers. One more file, "STEM.EXTENSION"; its bytes, empty. */
struct base_buf *ecg_outputs_add(struct ecg_outputs *out, const struct ecg_write_options *options,
                                 const char *extension);
/* One line of out->lost. */
void ecg_outputs_lose(struct ecg_outputs *out, const char *fmt, ...) BASE_PRINTF(2, 3);
/* The text, with blanks for its control characters. */
void ecg_write_clean(struct base_buf *out, const char *text);
/* The number of the lead's first sample, at its rate after the record's start. */
static inline int64_t ecg_write_first(const struct ecg_lead *lead)
{
    return lead->start_s == 0 ? 0 : llround(lead->start_s * lead->rate_hz);
}
/* The sample of that number; missing before the first and after the last. */
static inline int32_t ecg_write_sample(const struct ecg_lead *lead, int64_t number)
{
    int64_t at = number - ecg_write_first(lead);
    return at >= 0 && at < (int64_t)lead->samples ? ecg_lead_sample(lead, (size_t)at)
                                                  : ECG_SAMPLE_NONE;
}
/* All leads and others that have samples, leads first; NULL when out of memory. The
 * caller frees the list. */
const struct ecg_lead **ecg_write_channels(const struct ecg_record *r, size_t *n);
/* Lines for what of this record few formats hold, as told by the flags. */
enum ecg_holds {
    ECG_HOLDS_MEDIANS = 1,
    ECG_HOLDS_MEASUREMENTS = 2,
    ECG_HOLDS_STATEMENTS = 4,
    ECG_HOLDS_MARKS = 8,
    ECG_HOLDS_OTHERS = 16,
    ECG_HOLDS_PATIENT = 32,
    ECG_HOLDS_TIME = 64, /* when the record starts */
    ECG_HOLDS_ZONE = 128
};
void ecg_outputs_lose_all_but(struct ecg_outputs *out, const struct ecg_record *r, unsigned holds);

/* Marks, in any order, as a WFDB annotation file whose times count 1 / rate_hz from the
 * record's start; those on the median beat are left out. Out of memory: out->err. */
void ecg_wfdb_write_annotations(const struct ecg_mark *marks, size_t n, double rate_hz,
                                struct base_buf *out);

#endif
