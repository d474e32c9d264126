/*
 * Text of recorders into UTF-8. Private to ecg/.
 *
 * Recorders declare character sets badly: Chinese ones write GBK whatever they
 * declare. So UTF-8 is taken as such when it is valid, GBK when the bytes look
 * like Chinese, else the declared set.
 */
#ifndef ECG_TEXT_H
#define ECG_TEXT_H

#include "ecg/ecg_record.h"

/* declared: an iconv name, NULL if none. Ends at the first NUL byte, white
 * space around it is dropped, control characters become spaces. Never fails:
 * bytes that cannot be converted become U+FFFD, memory fails in r->err. */
const char *ecg_text_utf8(struct ecg_record *r, struct base_bytes raw, const char *declared,
                          bool *guessed);
/* The same with the raw bytes kept. */
struct ecg_text ecg_text_of(struct ecg_record *r, struct base_bytes raw, const char *declared);

#endif
