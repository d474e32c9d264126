/*
 * Numbers as text, for writers of millions of them. Private to ecg/.
 */
#ifndef ECG_NUMBER_H
#define ECG_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes that one takes; no NUL follows. */
enum { ECG_NUMBER_TEXT = 24 };

/* Return how many bytes they wrote. */
size_t ecg_number_whole(int64_t v, uint8_t *to);
/* What printf makes of it with %.9g. */
size_t ecg_number_decimal(double v, uint8_t *to);

#endif
