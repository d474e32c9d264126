/*
 * Lists of whole numbers in text, as HL7 aECG has its samples, decoded while the
 * text comes in pieces that may part a number. Private to ecg/.
 */
#ifndef ECG_DIGITS_H
#define ECG_DIGITS_H

#include "ecg/ecg_record.h"

/* Zero-initialised is an empty list. */
struct ecg_digits {
    int32_t *v;
    size_t n;
    size_t size;
    bool wide;      /* one does not fit 16 bits, or is -32768 */
    bool open;      /* a number has begun: */
    bool negative;  /* its sign */
    bool any;       /* it has a digit */
    uint64_t value; /* its digits so far */
    bool bad;       /* something else than numbers came: what follows is left out */
};

/* Appends the numbers of this piece. False when there would be more than `most`, or no
 * memory: *err says which. */
bool ecg_digits_add(struct ecg_digits *d, const char *s, size_t n, size_t most, enum base_err *err);
/* The text has ended: its last number too. */
void ecg_digits_end(struct ecg_digits *d);
/* Moves the numbers to the lead's samples, 16 bits where all fit, and empties the
 * list, whose memory stays for the next. */
enum base_err ecg_digits_place(struct ecg_digits *d, struct ecg_record *r,
                               struct ecg_lead *lead) BASE_MUST_CHECK;
void ecg_digits_free(struct ecg_digits *d);

#endif
