/* What the files of the DICOM waveform parser share. Private to ecg_dicom*.c. */
#ifndef ECG_DICOM_PRIV_H
#define ECG_DICOM_PRIV_H

#include "dicom/dicom_charset.h"
#include "dicom/dicom_dataset.h"
#include "ecg/ecg_record.h"

enum { ECG_DICOM_GROUPS_MAX = 64 };

/* A code sequence item, PS3.3 8.8: views of the data set, empty where it has none. */
struct ecg_dicom_code {
    struct base_bytes value;  /* trimmed */
    struct base_bytes scheme; /* trimmed */
    struct base_bytes meaning;
};

/* What the definition of a channel says of it. */
struct ecg_dicom_channel {
    int id;
    const char *name;
    bool other; /* not a voltage: pressure, sound; or of another part of the body */
    bool is_ecg;
    bool elsewhere;
    const char *unit;
    bool has_sensitivity;
    bool has_unit;
    bool has_no_correction; /* it is stated, and no factor */
    double sensitivity;
    double correction;
    double baseline;
    double unit_uv; /* of sensitivity and baseline */
    double time_skew;
    double sample_skew;
    unsigned stored;
    double high_pass;
    double low_pass;
    double notch;
};

/* One multiplex group after reading: which leads of the record it became. */
struct ecg_dicom_group {
    bool median;
    size_t channels;
    size_t samples;
    double rate_hz;
    double start_s;
    const int *lead_ids; /* per channel; owned by the reader */
};

struct ecg_dicom_reader {
    struct base_bytes dataset;
    enum dicom_encoding encoding;
    uint64_t offset; /* of the data set in the file, for positions */
    struct ecg_record *rec;
    struct base_error *err;
    struct dicom_charset charset;
    struct ecg_dicom_annotations *annotations; /* NULL = none */
    size_t ngroups;
    struct ecg_dicom_group groups[ECG_DICOM_GROUPS_MAX];
};

/* The first item of the code sequence at which the cursor stands; empty
 * when there is none. */
void ecg_dicom_read_code(struct dicom_cursor *c, struct ecg_dicom_code *out);
const char *ecg_dicom_text(struct ecg_dicom_reader *d, struct base_bytes value);

/* A number that is one; else false, and *out as it was. */
bool ecg_dicom_number(const struct dicom_element *e, double *out);

/* Of which nothing is said. */
extern const struct ecg_dicom_channel ecg_dicom_channel_default;
/* The item of (003A,0200) at which the cursor stands, over the default. */
void ecg_dicom_channel_read(struct ecg_dicom_reader *d, struct dicom_cursor *c,
                            struct ecg_dicom_channel *ch);
/* What its amplitudes need, (003A,0210) to (003A,0212), and is not there, and what is taken
 * instead; NULL = nothing. */
const char *ecg_dicom_channel_lacks(const struct ecg_dicom_channel *ch);

/* (5400,0100), at which the cursor stands: fills leads, medians and d->groups. */
enum base_err ecg_dicom_waves(struct ecg_dicom_reader *d, struct dicom_cursor *c) BASE_MUST_CHECK;
/* (0040,B020), at which the cursor stands, before the waveforms, whose channels it names: keeps
 * what it says in d->annotations, and goes behind it where it is sound. */
enum base_err ecg_dicom_keep_annotations(struct ecg_dicom_reader *d,
                                         struct dicom_cursor *c) BASE_MUST_CHECK;
/* Into the record; after ecg_dicom_waves. */
void ecg_dicom_add_annotations(struct ecg_dicom_reader *d);

/* (0018,A001): what could not be read of the file that the object was made of. */
void ecg_dicom_write_notes(struct dicom_writer *w, const struct ecg_record *r,
                           const char *left_out);
/* At which the cursor stands: the same, into the record. */
void ecg_dicom_read_notes(struct ecg_dicom_reader *d, const struct dicom_cursor *at);

#endif
