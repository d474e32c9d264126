/*
 * One ECG recording, whatever format it came from.
 *
 * A parser makes it, ecg_record_free drops it with all it points to: every
 * pointer in it is owned by the record and valid as long as the record is.
 * Strings are UTF-8 and never NULL ("" = not stated). Samples are planar, one
 * array per lead, of 16 bits where the format has no more: half the memory to
 * move. Read them with ecg_lead_sample, or blocks of them with ecg_lead_read and
 * ecg_lead_read_uv, which do not care:
 *
 *     value in µV = sample × uv_per_count + offset_uv
 *     time in s   = start_s + i / rate_hz        after the record's start
 *
 * What the device measured and stated is kept apart from anything we compute:
 * measurements, statements and marks here are the device's own.
 */
#ifndef ECG_RECORD_H
#define ECG_RECORD_H

#include "base/arena.h"
#include "base/pages.h"
#include "base/bytes.h"
#include "base/err.h"
#include "ecg/ecg_code.h"
#include "ecg/ecg_lead.h"
#include "ecg/ecg_measure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sample that the device marked as missing (padding value, lead off), as
 * ecg_lead_sample gives it and as i32 has it; i16 has ECG_SAMPLE_NONE16. */
#define ECG_SAMPLE_NONE   INT32_MIN
#define ECG_SAMPLE_NONE16 INT16_MIN

/* Caps on what one file may make us hold, and where it is held. */
struct ecg_limits {
    size_t bytes;             /* of all inputs together */
    size_t leads;             /* per group (rhythm, median) */
    size_t samples;           /* of all leads together; 2 or 4 bytes each */
    size_t text;              /* bytes of all strings together, and one more per sample */
    size_t items;             /* statements, measurements and notes, each; marks, and one more
                               * per 8 samples */
    struct base_pages *pages; /* of the caller: large arrays come from there and go back with
                               * the record, which must go first. NULL = none */
};
/* 1 GiB, 256 leads, 256 Mi samples, 256 KiB of text, 4096 items: a record takes
 * at most 1 MiB and 16 bytes per sample. */
extern const struct ecg_limits ecg_limits_default;

/* month and day 1-based; all zero = not stated. */
struct ecg_date {
    int year;
    int month;
    int day;
};

/* A day of the calendar, of the years 1 to 9999. */
bool ecg_date_is_real(long year, long month, long day);
/* "02-MAY-1951", the month in English in any case. False: it is no such day. */
bool ecg_date_of_name(const char *s, struct ecg_date *out);

struct ecg_time {
    struct ecg_date date;
    bool has_time;
    int hour;
    int minute;
    int second;
    int usec;
    bool has_zone;
    int zone_min; /* minutes east of UTC */
};

/* Sets the time of day, with usec 0; false, and nothing is changed, when it is none. A leap second
 * is the one before it: few formats have a place for a 60. */
bool ecg_time_set(struct ecg_time *t, long hour, long minute, long second);
/* Sets the time zone, in minutes east of UTC; false, and nothing is changed, beyond 14 hours either
 * side, where there is none. */
bool ecg_time_set_zone(struct ecg_time *t, int minutes);

struct ecg_text {
    const char *utf8;
    struct base_bytes raw; /* as in the file; empty when not kept */
    bool guessed;          /* the character set was not declared, or wrongly */
};

/* Taken while the samples are decoded, so that nobody reads them all once more for it. */
struct ecg_tally {
    int64_t sum;    /* of the samples that are not missing */
    size_t missing; /* samples */
    bool known;     /* of every lead that ecg_open returns; makers of records may leave it false */
};

struct ecg_lead {
    int id;           /* ecg_lead.h; 0 = the device's own, see name */
    const char *name; /* standard name, else the device's label */
    const char *unit; /* "" = uV; of others[]: what value and offset are in, "mmHg" */
    bool is_ecg;      /* the file says so, whatever the name says */
    double rate_hz;
    double uv_per_count;
    double offset_uv;
    double start_s; /* of the first sample, after the record's start, with its skew */
    size_t samples;
    int16_t *i16; /* one of the two; both NULL without samples */
    int32_t *i32;
    struct ecg_tally tally;
};

struct ecg_patient {
    struct ecg_text name; /* DICOM form, "family^given" */
    struct ecg_text id;
    char sex; /* 'M', 'F', 'O'; 0 = not stated */
    struct ecg_date birth;
    int age;       /* 0 = not stated */
    char age_unit; /* 'Y', 'M', 'W', 'D', 'H' */
    double height_cm;
    double weight_kg; /* 0 = not stated */
    const char *history;
};

struct ecg_device {
    const char *manufacturer;
    const char *model;
    const char *serial;
    const char *software;
    const char *institution;
    const char *department;
    const char *technician;
    const char *referring; /* physician */
};

/* 0 = not stated. */
struct ecg_filters {
    double high_pass_hz;
    double low_pass_hz;
    double notch_hz;
};

struct ecg_measurement {
    enum ecg_measure what;
    int lead_id; /* 0 = of all leads */
    double value;
    const char *name; /* key of the table, or the device's name for OTHER */
    const char *unit;
};

struct ecg_statement {
    const char *text;
    const char *code; /* "" if free text */
};

enum ecg_confirmed {
    ECG_CONFIRMED_UNSTATED,
    ECG_CONFIRMED_NO, /* as the device's program made it */
    ECG_CONFIRMED_YES,
    ECG_CONFIRMED_OVERREAD
};

enum ecg_mark_kind {
    ECG_MARK_OTHER, /* see code and text */
    ECG_MARK_BEAT,  /* at = fiducial point; from, to = zone if known */
    ECG_MARK_PACE,  /* pacemaker spike */
    ECG_MARK_P_ON,
    ECG_MARK_P_PEAK,
    ECG_MARK_P_OFF,
    ECG_MARK_QRS_ON,
    ECG_MARK_QRS_PEAK,
    ECG_MARK_QRS_OFF,
    ECG_MARK_T_ON,
    ECG_MARK_T_PEAK,
    ECG_MARK_T_OFF,
    ECG_MARK_U_ON,
    ECG_MARK_U_PEAK,
    ECG_MARK_U_OFF,
    ECG_MARK_RHYTHM,  /* from here on; text says which, as in "(AFIB" */
    ECG_MARK_QUALITY, /* noise, lead off; from, to = where */
    ECG_MARK_COUNT
};

/* Of the device, or of those who annotated its recording. Times are in s after
 * the record's start, of marks on the median beat after its start. */
struct ecg_mark {
    enum ecg_mark_kind kind;
    enum ecg_code code; /* class of a BEAT; what else an annotation is. 0 = not stated */
    int lead_id;        /* 0 = all leads */
    bool on_median;
    int8_t subtype; /* as WFDB has them: of the code; 0 = none */
    int8_t number;
    uint8_t channel;
    double at_s;
    double from_s; /* = at_s when it is a point */
    double to_s;
    const char *text; /* beat type, or what OTHER is */
};

/* What could not be read, or was read against the letter of the standard. */
struct ecg_note {
    uint64_t pos; /* byte in the file, or BASE_NOPOS */
    const char *text;
    bool is_damage; /* something of the recording is lost, or may be wrong */
};

struct ecg_record {
    const char *format; /* "SCP-ECG", "DICOM", "WFDB" */
    const char *version;
    struct ecg_time start;
    struct ecg_patient patient;
    struct ecg_device device;
    struct ecg_filters filters;
    const char *accession; /* order number, "" if none */
    const char *study_uid;
    const char *comment;

    struct ecg_lead *leads;
    size_t nleads;
    struct ecg_lead *others; /* channels that are no ECG: pressure, respiration, EEG */
    size_t nothers;
    struct ecg_lead *medians; /* representative beat, one per lead */
    size_t nmedians;
    double median_fiducial_s; /* after the start of the median; < 0 if not stated */

    enum ecg_confirmed confirmed;
    struct ecg_statement *statements;
    size_t nstatements;
    struct ecg_measurement *measurements;
    size_t nmeasurements;
    struct ecg_mark *marks;
    size_t nmarks;
    struct ecg_note *notes;
    size_t nnotes;

    /* For the makers of records only. */
    struct base_arena arena;
    const struct ecg_limits *limits; /* borrowed while parsing, then the default */
    struct base_pages *pages;        /* of limits */
    size_t samples_used;
    struct ecg_room {
        uint8_t *p;
        size_t size;
        size_t used;
    } block;             /* of the samples of several leads; see ecg_record_expect */
    enum base_err err;   /* first failure of an add function below */
    bool marks_left_out; /* over the limit; noted once */
};

/* i < lead->samples. */
static inline int32_t ecg_lead_sample(const struct ecg_lead *lead, size_t i)
{
    if (!lead->i16)
        return lead->i32[i];
    return lead->i16[i] == ECG_SAMPLE_NONE16 ? ECG_SAMPLE_NONE : lead->i16[i];
}
/* Samples from .. from + n - 1, which must exist; missing ones ECG_SAMPLE_NONE. */
void ecg_lead_read(const struct ecg_lead *lead, size_t from, size_t n, int32_t *out);
/* The same in µV; missing ones NAN. */
void ecg_lead_read_uv(const struct ecg_lead *lead, size_t from, size_t n, float *out);

/* An empty record; NULL when out of memory. limits is borrowed until the
 * record is complete; NULL = default. */
struct ecg_record *ecg_record_new(const struct ecg_limits *limits);
void ecg_record_free(struct ecg_record *r);

/* The lead with this number and samples, or NULL. */
const struct ecg_lead *ecg_record_lead(const struct ecg_record *r, int id);
/* The first global device measurement of this kind, or NULL. */
const struct ecg_measurement *ecg_record_measurement(const struct ecg_record *r,
                                                     enum ecg_measure what);
/* Whether a lead has samples. */
bool ecg_record_has_leads(const struct ecg_record *r);
/* Seconds from the start to the end of the longest lead; without leads, of the longest of
 * the others. */
double ecg_record_seconds(const struct ecg_record *r);

/*
 * For makers of records. The add functions and ecg_record_text remember the
 * first failure in r->err, so that a parser checks once, at its end; they
 * never make a record that holds a NULL string.
 */

/* What a maker could not do: kept as r->err, if it is the first. BASE_OK is none. */
void ecg_record_fail(struct ecg_record *r, enum base_err err);
/* n leads in a group (r->leads, others or medians), zeroed but for name, unit = "". */
enum base_err ecg_record_set_leads(struct ecg_record *r, size_t n) BASE_MUST_CHECK;
enum base_err ecg_record_set_others(struct ecg_record *r, size_t n) BASE_MUST_CHECK;
enum base_err ecg_record_set_medians(struct ecg_record *r, size_t n) BASE_MUST_CHECK;
/* One more lead of a group that was made by these only, zeroed as above; valid until
 * the next. NULL when there are too many, or no memory. */
struct ecg_lead *ecg_record_add_lead(struct ecg_record *r);
struct ecg_lead *ecg_record_add_other(struct ecg_record *r);
struct ecg_lead *ecg_record_add_median(struct ecg_record *r);
/* Before the first samples: `leads` leads with `bytes` bytes of samples in all follow. Short
 * recordings have them in one block then, which is quicker than one for each lead. */
void ecg_record_expect(struct ecg_record *r, size_t leads, size_t bytes);
/* Room for n samples of 16 or of 32 bits, not initialised. n must be what the
 * bytes that are left can hold: no file's word is taken for it. BASE_ELIMIT over
 * the limit of samples. */
enum base_err ecg_record_set_i16(struct ecg_record *r, struct ecg_lead *lead,
                                 size_t n) BASE_MUST_CHECK;
enum base_err ecg_record_set_i32(struct ecg_record *r, struct ecg_lead *lead,
                                 size_t n) BASE_MUST_CHECK;
/* From 32 bits to 16, where all samples fit and none is -32768; else it stays. */
void ecg_record_narrow(struct ecg_record *r, struct ecg_lead *lead);
/* From 16 bits to 32, with -32768 as an ordinary value: for formats in which it
 * is one, when it occurs. */
enum base_err ecg_record_widen(struct ecg_record *r, struct ecg_lead *lead) BASE_MUST_CHECK;
/* Samples from .. past - 1 are missing ones. */
void ecg_lead_miss(struct ecg_lead *lead, size_t from, size_t past);
/* The tally of a lead whose maker took none. */
void ecg_record_count(struct ecg_lead *lead);
/* Of a lead that will not be one of the record's. */
void ecg_record_free_samples(struct ecg_record *r, struct ecg_lead *lead);
/* A copy of n bytes of UTF-8. */
const char *ecg_record_text(struct ecg_record *r, const char *s, size_t n);
/* The same of a text that is made of several. */
const char *ecg_record_printf(struct ecg_record *r, const char *fmt, ...) BASE_PRINTF(2, 3);
struct base_bytes ecg_record_bytes(struct ecg_record *r, struct base_bytes b);
/* text and code are owned by the record already. */
void ecg_record_add_statement(struct ecg_record *r, const char *text, const char *code);
/* name and unit come from the table unless given. An interval or a rate of all leads that is 0
 * was not measured, as carts say it: it is left out. */
void ecg_record_add_measurement(struct ecg_record *r, enum ecg_measure what, int lead_id,
                                double value, const char *name, const char *unit);
/* Marks over the limit are left out with one note. Samples come first: they raise
 * the limit. What would end before it begins is a point. */
void ecg_record_add_mark(struct ecg_record *r, struct ecg_mark mark);
/* Notes over the limit are dropped silently, without an error. */
void ecg_record_note(struct ecg_record *r, uint64_t pos, const char *fmt, ...) BASE_PRINTF(3, 4);
/* The same of what is lost or may be wrong: whoever sent the file should know at once. */
void ecg_record_damage(struct ecg_record *r, uint64_t pos, const char *fmt, ...) BASE_PRINTF(3, 4);

#endif
