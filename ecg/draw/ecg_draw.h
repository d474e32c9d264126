/*
 * The ECG sheet: A4 landscape in true size, 25 mm/s and 10 mm/mV on millimetre
 * paper, three rows of four leads in continuous time and a rhythm row; above
 * it patient, time and what the device measured and stated, marked as such.
 * One drawing serves PDF, SVG and PNG.
 */
#ifndef ECG_DRAW_H
#define ECG_DRAW_H

#include "base/buf.h"
#include "ecg/ecg_record.h"

enum ecg_draw_kind { ECG_DRAW_PNG, ECG_DRAW_PDF, ECG_DRAW_SVG };

/* Zero-initialised is good. Strings are UTF-8, borrowed during the call. */
struct ecg_draw_options {
    enum ecg_draw_kind kind;
    unsigned px_per_mm; /* of the PNG; 0 = 8 (203 dpi), at most 24 */
    double from_s;      /* where the 10 s begin */
    /* Who confirmed the reading; NULL: the sheet says that nobody did. */
    const char *confirmed_by;
    /* What the order knows better than the file; NULL = from the record. */
    const char *patient_name;
    const char *patient_id;
    const char *accession;
    const char *institution;
};

/* Appends the file to out; out->cap limits it. BASE_EUNSUPPORTED: the record has
 * no samples to draw; BASE_EINVAL: an option; BASE_ELIMIT, BASE_ENOMEM. Uses no
 * I/O but fontconfig's reading of fonts. May be called from any thread. */
enum base_err ecg_draw_sheet(const struct ecg_record *r, const struct ecg_draw_options *options,
                             struct base_buf *out, struct base_error *err) BASE_MUST_CHECK;

#endif
