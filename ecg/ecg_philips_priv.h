/* What the files of the Philips XML parser share. Private to ecg_philips*.c. */
#ifndef ECG_PHILIPS_PRIV_H
#define ECG_PHILIPS_PRIV_H

#include "base/buf.h"
#include "ecg/ecg_xml.h"

struct philips {
    struct ecg_xml *x;
    struct ecg_record *r;
    bool known; /* documenttype is one that we read */
    char type[64];

    struct base_buf encoded; /* Base64, of the element that is open */
    struct base_buf data;
    bool data_cut; /* there should be more of it */
    bool in_data;
    unsigned line;

    /* signalcharacteristics, which parsedwaveforms may say better */
    double rate;
    double resolution;
    double duration_ms;
    size_t nleads;
    bool is_counted;  /* nleads is how many there are samples of */
    bool is_unsigned; /* so are samples that are not compressed; and they have this offset */
    double offset;
    bool is_notched; /* the samples were filtered of the mains, */
    double mains_hz;
    double notch_hz; /* at this frequency; 0 = at that of the mains */
    double bits;     /* of a sample, as it is stated */
    bool compressed;
    char unknown[24]; /* a way of packing samples that we do not know; "" = none */
    bool plain;       /* dataencoding "Plain": numbers instead of Base64, nothing is compressed */
    const char *labels;

    /* repbeats and the repbeat that is open */
    double beat_rate;
    double beat_resolution;
    char beat_lead[24];
    double beat[6]; /* pdur, print, qonset, qrsdur, tonset, qtint in ms; NAN without */

    int lead_id;                        /* of the leadmeasurement that is open; 0 = none of ours */
    double measured[ECG_MEASURE_COUNT]; /* global; NAN without */
    bool interpreted[ECG_MEASURE_COUNT];
    char interpreted_at[48]; /* date and time of the last interpretation; "" = none yet */
    bool is_earlier;         /* one that is open is older than that */
    const char *code;        /* of the statement that is open */
    const char *left;
    const char *right;
    const char *names[3]; /* last, first, middle */
};

/* Of numbers in p->encoded, parted by blanks or commas, the same bytes in p->data as Base64 has.
 * False: something else came, what follows is left out. */
bool ecg_philips_numbers(struct philips *p);
/* The leads of <parsedwaveforms>, of which the decoded bytes are in p->data. */
void ecg_philips_waves(struct philips *p);
/* The median beat of <repbeat>, likewise. */
void ecg_philips_beat(struct philips *p);
/* <interpretation> begins: of several the last one is told. */
void ecg_philips_interpretation(struct philips *p);
/* Whether what is open is said of another recording than this one. */
bool ecg_philips_is_elsewhere(struct philips *p);
/* The text of an element that ends within measurements or an interpretation. */
void ecg_philips_finding(struct philips *p, const char *name);
/* What stood until the document's end. */
void ecg_philips_findings_end(struct philips *p);

struct ecg_philips_chunk {
    struct base_bytes bytes;
    bool is_cut;   /* there should be more bytes */
    int16_t first; /* of the differences */
    size_t count;  /* samples; 0 = not known */
};

/* Undoes XLI: LZW with codes of 10 bits, then differences of second order. Appends
 * little-endian samples to out, `most` at most. False: the chunk is damaged. Of a cut one those
 * samples are appended both of whose bytes are there; of one that gives another number of
 * samples none, since a wrong code changes all that follows. */
bool ecg_philips_xli(const struct ecg_philips_chunk *chunk, size_t most, struct base_buf *out);

#endif
