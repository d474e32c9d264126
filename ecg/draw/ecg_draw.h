/*
 * ECGs as paper from a cardiograph: A4 landscape in true size on millimetre paper,
 * at 25 or 50 mm/s and 5, 10 or 20 mm/mV. Four kinds of pages: the leads in one of
 * the usual arrangements, the mean beats with their measurements, a strip of any
 * length, and the overview of a long recording. One drawing serves PDF, SVG and PNG.
 *
 * What the device says and what our analysis proposes are told apart everywhere,
 * and the page says that nobody has confirmed it until somebody has.
 */
#ifndef ECG_DRAW_H
#define ECG_DRAW_H

#include "base/buf.h"
#include "ecg/analysis/ecg_compare.h"
#include "ecg/analysis/ecg_trend.h"
#include "ecg/analysis/ecg_waves.h"

enum ecg_draw_kind { ECG_DRAW_PNG, ECG_DRAW_PDF, ECG_DRAW_SVG };

enum ecg_draw_page { ECG_DRAW_LEADS, ECG_DRAW_BEATS, ECG_DRAW_STRIP, ECG_DRAW_HOLTER };

/* Of the page of leads: rows x columns, and strips of the whole time below. */
enum ecg_draw_format { ECG_DRAW_3X4_1, ECG_DRAW_3X4_3, ECG_DRAW_6X2, ECG_DRAW_12X1 };

/* Ours, of this record; borrowed during the call. NULL where it was not made. Of what cannot be
 * measured there is nothing but the findings, which say so. */
struct ecg_draw_analysis {
    const char *version; /* of the program that made it */
    const struct ecg_beats *beats;
    const struct ecg_waves *waves; /* of each beat */
    const struct ecg_figures *figures;
    const struct ecg_findings *findings;
    const struct ecg_trend *trend; /* of the overview of a long recording; NULL = none */
    /* Since an earlier recording of the patient, and when that was; NULL = not compared. */
    const struct ecg_changes *changes;
    const struct ecg_time *earlier;
    const double *spike_s; /* of a pacemaker, where the device marked none */
    size_t nspikes;
};

/* Zero-initialised is good. Strings are UTF-8, borrowed during the call. */
struct ecg_draw_options {
    enum ecg_draw_kind kind;
    enum ecg_draw_page page;
    enum ecg_draw_format format;
    bool cabrera;      /* limb leads as aVL I -aVR II aVF III */
    bool marks;        /* where P, QRS and T are, classes of beats, intervals */
    bool device_beats; /* of the page of beats: those that the device stored */
    double dpi;        /* of the PNG; 0 = 203.2 (8 pixels per mm), 25.4 to 600 */
    double mm_per_s;   /* 25 or 50; 0 = 25, of the page of beats 50 */
    double mm_per_mv;  /* 5, 10 or 20; 0 = 10 */
    double from_s;     /* where it begins */
    double seconds;    /* of a strip; 0 = what one page holds */
    const char *leads; /* "II,V1": of the strips; NULL = II, V1, V5, or what there is */
    unsigned number;   /* the page to draw, of several; 0 = all in PDF, else the first */
    /* Who confirmed the reading, when; NULL: the sheet says that nobody did. */
    const char *confirmed_by;
    /* What the order knows better than the file; NULL = from the record. */
    const char *patient_name;
    const char *patient_id;
    const char *accession;
    const char *institution;
    const struct ecg_draw_analysis *analysis; /* NULL = none */
};

/* Appends the file to out; out->cap limits it. BASE_EUNSUPPORTED: the record has
 * nothing of what is to be drawn; BASE_EINVAL: an option, *err says which;
 * BASE_ELIMIT, BASE_ENOMEM. Uses no I/O but fontconfig's reading of fonts. May be
 * called from any thread. */
enum base_err ecg_draw_sheet(const struct ecg_record *r, const struct ecg_draw_options *options,
                             struct base_buf *out, struct base_error *err) BASE_MUST_CHECK;

#endif
