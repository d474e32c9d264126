/* What the files of the WFDB parser share. Private to ecg_wfdb*.c. References are
 * to the WFDB Applications Guide: header(5), signal(5), annot(5). */
#ifndef ECG_WFDB_PRIV_H
#define ECG_WFDB_PRIV_H

#include "ecg/ecg_format.h"

enum { WFDB_SPF_MAX = 1000, WFDB_WORD = 128 };

/* A line of a header that names a signal. */
struct wfdb_signal {
    struct base_bytes file; /* in the header */
    struct base_bytes name; /* description; may be empty */
    struct base_bytes unit;
    size_t line;
    unsigned format; /* 0: no file, a layout's */
    unsigned spf;    /* samples per frame */
    uint32_t skew;   /* frames */
    uint64_t offset; /* bytes before the first sample */
    double gain;     /* counts per unit; 0 = not calibrated */
    int32_t baseline;
    int32_t first; /* initial value, of format 8 */
    bool has_checksum;
    uint16_t checksum;
};

struct wfdb_segment {
    struct base_bytes name;
    uint64_t frames;
    size_t line;
};

struct wfdb_header {
    struct base_bytes text;
    char name[ECG_NAME_SIZE]; /* of the record */
    struct base_bytes folder; /* "was/here/": where it was written */
    double rate;              /* frames per second */
    uint64_t frames;          /* 0 = not stated */
    struct ecg_time start;
    bool start_odd; /* a part of it is no date and no time */
    size_t nsignals;
    struct wfdb_signal *signals;
    size_t nsegments; /* 0: an ordinary record */
    struct wfdb_segment *segments;
    size_t unlisted;  /* segments that were announced beside nsegments */
    size_t more_line; /* that none was announced for; 0 = none */
};

/* Text of one line, and its number from 1. False after the last. */
bool ecg_wfdb_next_line(struct base_bytes text, size_t *at, size_t *number,
                        struct base_bytes *line);
/* The next word of a line, or an empty one. */
struct base_bytes ecg_wfdb_word(struct base_bytes *line);
/* words never longer than a name; longer ones are empty. */
void ecg_wfdb_copy(struct base_bytes word, char *out, size_t size);

/* file: its name, for messages. On BASE_OK: ecg_wfdb_header_free. */
enum base_err ecg_wfdb_header_read(struct base_bytes text, const char *file,
                                   const struct ecg_limits *limits, struct wfdb_header *out,
                                   struct base_error *err) BASE_MUST_CHECK;
void ecg_wfdb_header_free(struct wfdb_header *h);
/* Age, sex, diagnoses and the rest of the comments. */
void ecg_wfdb_comments(struct ecg_record *r, struct base_bytes text);

/* Reads the signals of an ordinary record to leads[0..nsignals), of which samples,
 * rate, name, unit and scale are set. All their files must be there. aligned: without
 * the samples before the start of each, as its skew says. */
enum base_err ecg_wfdb_signals(const struct ecg_set *set, const struct wfdb_header *h, bool aligned,
                               struct ecg_record *r, struct ecg_lead *leads,
                               struct base_error *err) BASE_MUST_CHECK;
/* Name, unit and scale only. */
void ecg_wfdb_describe(struct ecg_record *r, const struct wfdb_header *h, size_t signal,
                       struct ecg_lead *lead);

/* The frames of a FLAC stream, for ecg_wfdb_flac. */
struct wfdb_flac_frames {
    struct base_bytes file;
    unsigned channels;
    unsigned bits;
    size_t largest; /* samples of each channel that a frame may have, as the stream says */
    size_t begin;   /* of the first; 0 = the file ends before */
    size_t at;
    uint16_t crc[256];
};

struct wfdb_flac_frame {
    struct base_bytes bytes;
    size_t samples; /* of each channel, as its header says */
    bool is_sound;  /* its checksum is right */
};

/* False: it is no stream of so many channels and bits. */
bool ecg_wfdb_flac_begin(struct base_bytes file, unsigned channels, unsigned bits,
                         struct wfdb_flac_frames *f);
/* The next one whose header is sound, up to where its checksum is right and another one begins, or
 * the file ends; of one that is damaged or cut up to the next header. False: there is none. */
bool ecg_wfdb_flac_next(struct wfdb_flac_frames *f, struct wfdb_flac_frame *out);

/* Formats 508, 516 and 524: up to `frames` frames of each of n channels. Sets the
 * leads' samples. */
enum base_err ecg_wfdb_flac(struct base_bytes file, unsigned bits, struct ecg_record *r,
                            struct ecg_lead *const *leads, size_t n, uint64_t frames,
                            struct base_error *err) BASE_MUST_CHECK;

/* Annotations of one file to marks of the record. rate: frames per second; lead_id
 * 0 = of all. False when it is no annotation file. */
bool ecg_wfdb_annotations(struct ecg_record *r, struct base_bytes file, const char *name,
                          double rate, int lead_id);

#endif
