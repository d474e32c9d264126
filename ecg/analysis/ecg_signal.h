/*
 * The leads of a record as the analysis wants them: on one time grid, at a rate
 * near 200 Hz, in whole units of 5 µV about a slow baseline, missing samples bridged. For
 * finding and comparing complexes only: the baseline filter and the range of ±28 mV make
 * it no signal to measure on.
 */
#ifndef ECG_SIGNAL_H
#define ECG_SIGNAL_H

#include "ecg/ecg_record.h"

/* RANGE: sums of 64 squares fit in 32 bits. BEHIND: samples behind the last of each lead that may
 * be read, whatever they are. */
enum {
    ECG_SIGNAL_BEHIND = 32,
    ECG_SIGNAL_LEADS = 8,
    ECG_SIGNAL_UV = 5 /* one unit */,
    ECG_SIGNAL_RANGE = 5700
};

struct ecg_signal {
    double rate_hz; /* of the grid */
    size_t n;       /* samples per lead */
    size_t nleads;
    const struct ecg_lead *source[ECG_SIGNAL_LEADS];
    int16_t *x[ECG_SIGNAL_LEADS]; /* n samples each */
    int16_t *memory;              /* what x points into; owned, of the pool */
    struct base_pages *pages;     /* of the record; NULL = none */
};

/* Of all leads, or of this one (NULL = all). Of the twelve, III and the aV leads are
 * left out: they are sums of I and II. At most ECG_SIGNAL_LEADS are taken, those with
 * samples at a rate of 50 Hz to 20 kHz. BASE_EUNSUPPORTED: there is none. On BASE_OK
 * the caller owns *out (ecg_signal_deinit), which borrows the record. */
enum base_err ecg_signal_init(const struct ecg_record *r, const struct ecg_lead *only,
                              struct ecg_signal *out, struct base_error *err) BASE_MUST_CHECK;
void ecg_signal_deinit(struct ecg_signal *s);

/* Samples of windows of this length on the grid, at least 1. */
size_t ecg_signal_span(const struct ecg_signal *s, double ms);

#endif
