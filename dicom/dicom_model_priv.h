/* What dicom_model*.c share. */
#ifndef DICOM_MODEL_PRIV_H
#define DICOM_MODEL_PRIV_H

#include "dicom/dicom_model.h"

#include <jansson.h>

/* From an object in the shape of PS3.18 F.2. Empties out first. */
enum base_err dicom_model_build(const json_t *dataset, struct dicom_model *out,
                                struct base_error *error) BASE_MUST_CHECK;

#endif
