/* What the files of the MFER parser share. Private to ecg_mfer*.c. References are to
 * ISO 22077-1, which names the tags MWF_*. */
#ifndef ECG_MFER_PRIV_H
#define ECG_MFER_PRIV_H

#include "dicom/dicom_charset.h"
#include "ecg/ecg_record.h"

/* ISO 22077-1: MWF_ and these letters. */
enum mfer_tag {
    MFER_TAG_ZRO = 0x00,
    MFER_TAG_BLE = 0x01,
    MFER_TAG_TXC = 0x03,
    MFER_TAG_BLK = 0x04,
    MFER_TAG_CHN = 0x05,
    MFER_TAG_SEQ = 0x06,
    MFER_TAG_WFM = 0x08,
    MFER_TAG_LDN = 0x09,
    MFER_TAG_DTP = 0x0a,
    MFER_TAG_IVL = 0x0b,
    MFER_TAG_SEN = 0x0c,
    MFER_TAG_OFF = 0x0d,
    MFER_TAG_CMP = 0x0e,
    MFER_TAG_FLT = 0x11,
    MFER_TAG_NUL = 0x12,
    MFER_TAG_NTE = 0x16,
    MFER_TAG_MAN = 0x17,
    MFER_TAG_WAV = 0x1e,
    MFER_TAG_ATT = 0x3f,
    MFER_TAG_PRE = 0x40,
    MFER_TAG_EVT = 0x41,
    MFER_TAG_VAL = 0x42,
    MFER_TAG_SET = 0x67,
    MFER_TAG_END = 0x80,
    MFER_TAG_PNM = 0x81,
    MFER_TAG_PID = 0x82,
    MFER_TAG_AGE = 0x83,
    MFER_TAG_SEX = 0x84,
    MFER_TAG_TIM = 0x85
};

enum mfer_type {
    MFER_I16,
    MFER_U16,
    MFER_I32,
    MFER_U8,
    MFER_STATUS16,
    MFER_I8,
    MFER_U32,
    MFER_F32,
    MFER_F64,
    MFER_AHA8,
    MFER_TYPES
};

enum { MFER_DOMINANT_BEAT = 9, MFER_RAW = 8 };

/* unit, and mantissa times ten to the exponent. */
struct mfer_number {
    bool set;
    uint8_t unit;
    double value;
};

/* A value in the type of the samples, as stored. */
struct mfer_raw {
    uint8_t n;
    uint8_t bytes[MFER_RAW];
};

/* What holds for a channel, or for all that say nothing else. */
struct mfer_defs {
    uint32_t block;     /* samples in a row; 0 = not stated: 1 */
    uint32_t sequences; /* 0 = as many as there are */
    bool has_type;
    uint8_t type;
    bool has_waveform;
    uint16_t waveform;
    bool has_lead;
    uint16_t lead;
    const char *label; /* text of the record; NULL = none */
    struct mfer_number interval;
    struct mfer_number sensitivity;
    struct mfer_raw offset;
    struct mfer_raw missing;
};

/* Frames that have the same channels, joined. */
struct mfer_group {
    size_t nchannels; /* 0: there is none */
    struct mfer_defs *channels;
    bool big_endian;
    struct base_bytes *frames;
    size_t nframes;
};

struct mfer_text {
    struct dicom_charset charset;
    bool utf16;
    bool utf16_big;
};

struct mfer_event {
    struct base_bytes value;
    struct mfer_text text;
    bool big_endian;
    int channel; /* -1: of all */
};

struct mfer_file {
    struct base_bytes all;
    struct ecg_record *rec;
    struct base_error *err;
    enum base_err failed;
    bool big_endian;
    struct mfer_text text;
    struct mfer_defs common;
    size_t nchannels;
    struct mfer_defs *channels; /* only what is set there goes before common */
    struct mfer_group rhythm;
    struct mfer_group beat;
    struct mfer_event *events;
    size_t nevents;
    bool left_out; /* frames of other channels; noted */
    bool ended;
};

/* Of up to 8 bytes; 0 of none. */
uint64_t ecg_mfer_uint(struct base_bytes b, bool big_endian);
int64_t ecg_mfer_int(struct base_bytes b, bool big_endian);
/* Text of the record, in UTF-8; failures are in r->err. */
const char *ecg_mfer_string(struct ecg_record *r, const struct mfer_text *t, struct base_bytes b);
/* MWF_TXC: the character set of what follows; f->text. */
void ecg_mfer_charset(struct mfer_file *f, struct base_bytes value);
/* Takes a definition that is no matter of samples, of this channel (-1: of all), into the record;
 * passes over one that it does not know. Out of memory is in f->failed. */
void ecg_mfer_header(struct mfer_file *f, unsigned tag, struct base_bytes value, int channel);
/* Both groups to leads, others and medians; then the events, which are in their time. */
enum base_err ecg_mfer_waves(struct mfer_file *f) BASE_MUST_CHECK;

#endif
