/*
 * Lists of whole numbers in text, as HL7 aECG has its samples, decoded while the
 * text comes in pieces that may part a number. Private to ecg/.
 */
#ifndef ECG_DIGITS_H
#define ECG_DIGITS_H

#include "ecg/ecg_record.h"
#include "ecg/ecg_simd.h"

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
bool ecg_digits_add(enum ecg_simd level, struct ecg_digits *d, const char *s, size_t n, size_t most,
                    enum base_err *err);
/* The same up to the first character that is of no list of numbers: returns how many were taken.
 * *err is set when there would be more than `most`, or no memory. */
size_t ecg_digits_add_plain(enum ecg_simd level, struct ecg_digits *d, const char *s, size_t n,
                            size_t most, enum base_err *err);
/* The text has ended: its last number too. */
void ecg_digits_end(struct ecg_digits *d);
/* Moves the numbers to the lead's samples, 16 bits where all fit, and empties the
 * list, whose memory stays for the next. */
enum base_err ecg_digits_place(struct ecg_digits *d, struct ecg_record *r,
                               struct ecg_lead *lead) BASE_MUST_CHECK;
void ecg_digits_free(struct ecg_digits *d);

/* Kernels: the numbers from s + at on, as long as they are plain (a sign, few digits, white space
 * behind) and far enough from the end. Returns where it stopped, which is no place inside a number.
 * out has room for half of the bytes. */
struct ecg_digits_run {
    int32_t *out;
    size_t n;
    bool wide; /* one does not fit 16 bits, or is -32768 */
};
size_t ecg_digits_take(const char *s, size_t at, size_t n, struct ecg_digits_run *run);
#if ECG_SIMD_X86
size_t ecg_digits_take_avx2(const char *s, size_t at, size_t n, struct ecg_digits_run *run);
size_t ecg_digits_take_avx512(const char *s, size_t at, size_t n, struct ecg_digits_run *run);
#endif

#endif
