/* Text of recorders into UTF-8, through dicom_charset, which also knows what to
 * make of undeclared and wrongly declared bytes. Private to ecg/. */
#ifndef ECG_TEXT_H
#define ECG_TEXT_H

#include "dicom/dicom_charset.h"
#include "ecg/ecg_record.h"

/* Ends at the first NUL byte; white space around it is dropped, control
 * characters but line ends become spaces. *guessed: the character set was not
 * declared, or wrongly. Failures are in r->err. */
const char *ecg_text_utf8(struct ecg_record *r, struct base_bytes raw,
                          const struct dicom_charset *declared, bool *guessed);
/* The same with the raw bytes kept. */
struct ecg_text ecg_text_of(struct ecg_record *r, struct base_bytes raw,
                            const struct dicom_charset *declared);
/* A name of several parts, each with what stands before it (NUL: nothing) where it is not empty.
 * They are decoded together: where the character set must be guessed, one hanzi says too little. */
struct ecg_text ecg_text_of_name(struct ecg_record *r, const struct base_bytes *parts,
                                 const char *before, size_t n,
                                 const struct dicom_charset *declared);
/* The same of text in no declared character set. */
const char *ecg_text_undeclared(struct ecg_record *r, struct base_bytes raw);
/* Number and name of a lead from its label; what is no lead's name is kept as text. */
void ecg_text_name_lead(struct ecg_record *r, struct base_bytes label, struct ecg_lead *lead);
/* To the first NUL byte, without white space around it. */
struct base_bytes ecg_text_trim(struct base_bytes b);
/* "M", "female", in any case: 'M' or 'F'; 0 for all else. */
char ecg_text_sex(const char *s);
/* A plain decimal number, which must be the whole of s but for white space; not
 * infinite. Independent of the locale; some recorders write a comma for the point. */
bool ecg_text_number(const char *s, double *out);

#endif
