/*
 * The beats of a recording: where, and of which kind. Our own finding, a proposal that
 * nobody has confirmed: it never enters the record, which holds the statements of the
 * device. Pure computation; method and figures reached stand in docs/ECG.md.
 *
 * All leads are looked at together (the first eight; of the standard twelve without
 * the four limb leads that are sums of others), each weighted at each time by how well
 * complexes stand out in it, or one lead alone.
 */
#ifndef ECG_BEATS_H
#define ECG_BEATS_H

#include "ecg/ecg_record.h"

enum { ECG_SHAPES = 16, ECG_SHAPE_NONE = 255 };

struct ecg_beat {
    double at_s;        /* main extremum of the QRS complex, after the record's start */
    enum ecg_code code; /* NORMAL, PVC, ATRIAL_PREMATURE; PACED after a spike */
    float certainty;    /* of the code, 0..1 */
    uint8_t shape;      /* beats with the same number look alike; ECG_SHAPE_NONE: like none */
    bool after_gap;     /* the time since the beat before is no interval: there may be others */
};

/* Without a sample in any lead. */
struct ecg_gap {
    double from_s;
    double to_s;
};

struct ecg_beats {
    struct ecg_beat *beat; /* n, in order of time; owned */
    size_t n;
    uint8_t dominant;    /* shape of the usual beats */
    double seconds;      /* of signal that was looked at */
    size_t leads;        /* that were looked at */
    bool in_sections;    /* leads were stored one group after the other: ecg_section.h */
    struct ecg_gap *gap; /* ngaps, in order of time; owned */
    size_t ngaps;
};

/* only: one of the record's leads, or NULL = all. On BASE_OK the caller owns *out
 * (ecg_beats_deinit); no beat at all (asystole, a flat line, a record of one sample) is
 * no error. BASE_EUNSUPPORTED: there is no lead with samples at 50 Hz to 20 kHz. */
enum base_err ecg_beats_find(const struct ecg_record *r, const struct ecg_lead *only,
                             struct ecg_beats *out, struct base_error *err) BASE_MUST_CHECK;
void ecg_beats_deinit(struct ecg_beats *b);

/* Of all beats, and of the intervals without a gap: 0 where there is none. */
struct ecg_rate {
    size_t beats;
    size_t pvc;
    size_t atrial_premature;
    size_t paced;
    double hr_bpm; /* from the mean of the intervals */
    double rr_ms;  /* mean */
    double rr_median_ms;
    double rr_min_ms;
    double rr_max_ms;
};
enum base_err ecg_beats_rate(const struct ecg_beats *b, struct ecg_rate *out) BASE_MUST_CHECK;

#endif
