/*
 * Windows of a lead to measure on: in µV, at one rate whatever the lead's, about a beat.
 * Nothing is filtered but for what the change of rate needs.
 */
#ifndef ECG_WINDOW_H
#define ECG_WINDOW_H

#include "ecg/ecg_record.h"

/* Samples of 2 ms. BEFORE: of a beat's window that lie before its fiducial point. */
enum { ECG_WINDOW_HZ = 500, ECG_WINDOW_BEFORE = 250, ECG_WINDOW = 640 };

/* Samples of so many ms. */
static inline int ecg_window_ms(int ms)
{
    return ms * ECG_WINDOW_HZ / 1000;
}

enum { ECG_WINDOW_LEAST_HZ = 50, ECG_WINDOW_MOST_HZ = 20000 };
/* True of leads that windows can be read from: with samples at 50 Hz to 20 kHz. */
bool ecg_window_can(const struct ecg_lead *lead);
/* n samples from this time on, by straight lines between the lead's samples (means of groups
 * of them, from 750 Hz on). Before its start and after its end, and where samples are
 * missing, the nearest before (or the first) is repeated. False: more than a tenth of
 * them is so. */
bool ecg_window_read(const struct ecg_lead *lead, double from_s, size_t n, float *out);

/* The leads of a record that windows can be read from, without those of the twelve that are sums
 * of others; up to max. How many. */
size_t ecg_window_leads(const struct ecg_record *r, const struct ecg_lead **leads, size_t max);

enum { ECG_WINDOW_LEADS = 16 };
/* A part of a record, from one time to another: leads that borrow its samples, and no marks. */
struct ecg_part {
    struct ecg_record record;
    struct ecg_lead leads[ECG_WINDOW_LEADS];
};
void ecg_part_take(const struct ecg_record *r, double from_s, double to_s, struct ecg_part *out);

#endif
