/* What the files of the GE MUSE parser share. Private to ecg_muse*.c. */
#ifndef ECG_MUSE_PRIV_H
#define ECG_MUSE_PRIV_H

#include "base/buf.h"
#include "ecg/ecg_xml.h"

struct muse {
    struct ecg_xml *x;
    struct ecg_record *r;
    struct base_buf encoded; /* Base64, of the element that is open */
    struct base_buf data;    /* the same decoded */
    bool in_data;
    bool median;     /* of the waveform */
    double base;     /* samples per second: base * 10^exponent */
    double exponent; /* of the waveform, or of the measurements */
    size_t first_lead;

    double per_bit; /* of the lead, in its unit */
    double unit_uv;
    double time_offset_ms;
    double first_sample; /* of the waveform, where the lead begins */
    unsigned line;
    char lead[24];
    bool has_crc;
    uint32_t crc;
    size_t stated; /* samples */
    bool lead_off;
    bool wrong_size;
    bool odd_scale; /* its amplitude is stated in a way that is not known */

    double onsets[5]; /* POnset, POffset, QOnset, QOffset, TOffset, in samples */
    double beat_ms;
    char beat_type[16];
    struct base_buf statement;
    const char *part; /* of it, that is open */
    bool ends_line;
    bool is_deleted;
    char age_unit; /* 0 = not stated */
    bool is_age_odd;
    const char *last_name;
    const char *first_name;
    char date[24];
    char time[24];
};

/* Samples per second: base * 10^exponent; 0 when that is no rate. */
double ecg_muse_rate(double base, double exponent);
/* <Waveform> and <LeadData> begin and end; of a lead the decoded bytes are in m->data. */
void ecg_muse_waveform_begin(struct muse *m);
void ecg_muse_waveform_end(struct muse *m);
void ecg_muse_lead_begin(struct muse *m);
void ecg_muse_lead_end(struct muse *m);
/* The text of an element that ends within them. */
void ecg_muse_waveform_field(struct muse *m, const char *name);
void ecg_muse_lead_field(struct muse *m, const char *name);
#endif
