/* What the files of the DICOM ECG writer share. Private to ecg_dicom*.c. */
#ifndef ECG_DICOM_WRITE_PRIV_H
#define ECG_DICOM_WRITE_PRIV_H

#include "ecg/ecg_dicom_write.h"

/* Of any class: PS3.3 A.34.3.4, A.34.4.4. */
enum { ECG_DICOM_MULTIPLEX_MAX = 5, ECG_DICOM_CHANNELS_MAX = 24 };

/* A multiplex group to be written. */
struct ecg_dicom_multiplex {
    const struct ecg_lead *lead[ECG_DICOM_CHANNELS_MAX]; /* borrowed from the record */
    size_t n;
    size_t samples; /* per channel, after alignment */
    double rate;    /* Hz */
    bool padded;    /* some samples are missing */
    bool median;
};

struct ecg_dicom_layout {
    const char *sop_class; /* static */
    unsigned bits;         /* of a sample: 16 or 32 */
    struct ecg_dicom_multiplex of[ECG_DICOM_MULTIPLEX_MAX];
    size_t n;
    size_t leads;       /* in all of them, medians not counted */
    size_t room;        /* samples that may come yet */
    bool medians;       /* the last group is the median beat */
    char left_out[200]; /* as in ecg_dicom_written */
};

/* samples: at most, of all leads, padded. BASE_EUNSUPPORTED, BASE_ELIMIT and BASE_ENOMEM as
 * ecg_dicom_write. */
enum base_err ecg_dicom_lay_out(const struct ecg_record *r, size_t samples,
                                struct ecg_dicom_layout *out,
                                struct base_error *err) BASE_MUST_CHECK;

#endif
