/* What the files of the EDF parser share. Private to ecg_edf*.c. References are to
 * Kemp et al. 1992 (EDF) and Kemp and Olivan 2003 (EDF+); BDF is the same in 24 bits. */
#ifndef ECG_EDF_PRIV_H
#define ECG_EDF_PRIV_H

#include "base/buf.h"
#include "ecg/ecg_record.h"

enum { EDF_HEADER = 256, EDF_TIME_MAX = 1000000000 /* s, of what a file may state */ };

struct edf_channel {
    struct base_bytes label;
    struct base_bytes unit;
    struct base_bytes prefilter;
    size_t per_record; /* samples */
    size_t offset;     /* bytes in a data record */
    bool annotations;
    double uv;             /* of its unit; 0 = no voltage */
    bool scaled;           /* the four extremes make sense */
    double gain;           /* physical units per count */
    double zero;           /* physical value of count 0 */
    struct ecg_lead *lead; /* NULL: it is none */
    size_t next;           /* sample of the lead */
    bool odd;              /* one is -32768, or beyond 16 bits */
};

struct edf_file {
    struct base_bytes data; /* after the header */
    uint64_t pos;           /* of data in the file */
    struct ecg_record *rec;
    size_t width; /* bytes of a sample: 2, or 3 in BDF */
    bool plus;
    bool discontinuous;
    double duration_s;   /* of a data record */
    size_t record_bytes; /* at least 1 */
    size_t records;      /* whole ones */
    size_t rest;         /* bytes of one that is cut off */
    double *times;       /* per record and for the rest, after the first; NULL: without gaps */
    double first_s;      /* time of the first record, by its annotation */
    size_t nchannels;
    struct edf_channel *channels;
};

/* Patient and recording of the header, which has 256 bytes at least. */
void ecg_edf_identity(struct ecg_record *r, const uint8_t *header, bool plus);
/* The time that the first annotation of a data record states, EDF+ 2.2.4. */
bool ecg_edf_record_time(const struct edf_file *f, size_t record, double *out);

/* The label, without blanks around it, of a channel of annotations. */
bool ecg_edf_is_annotations(struct base_bytes label);

/* What becomes of annotations, over all data records. */
struct edf_marker {
    const struct edf_file *f;
    double zero_s; /* of the record's times */
    bool full;     /* the others are left out */
    bool noted;    /* that bytes are none */
};

/* Those of a channel in one data record become marks. */
void ecg_edf_annotations(struct edf_marker *x, const struct edf_channel *c, size_t record);

/* The mark as the text of an annotation: what it means, the code, the text. */
void ecg_edf_mark_write(const struct ecg_mark *m, struct base_buf *out);

#endif
