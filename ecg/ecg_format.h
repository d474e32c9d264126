/* The parsers behind ecg_open. Private to ecg/. Each fills an empty record;
 * r->limits hold. */
#ifndef ECG_FORMAT_H
#define ECG_FORMAT_H

#include "ecg/ecg_record.h"

bool ecg_scp_probe(struct base_bytes file);
enum base_err ecg_scp_parse(struct base_bytes file, struct ecg_record *r,
                            struct base_error *err) BASE_MUST_CHECK;

bool ecg_dicom_probe(struct base_bytes file);
enum base_err ecg_dicom_parse(struct base_bytes file, struct ecg_record *r,
                              struct base_error *err) BASE_MUST_CHECK;

#endif
