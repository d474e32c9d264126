/* What dicom_model*.c share. */
#ifndef DICOM_MODEL_PRIV_H
#define DICOM_MODEL_PRIV_H

#include "dicom/dicom_model.h"

#include <jansson.h>

/* ---- dicom_model_value.c ---- */

/* The value of an element, empty at first. */
struct dicom_model_value {
    struct base_buf bytes; /* its err is to be looked at */
    char wrong[160];       /* after BASE_EFORMAT: what */
};
/* Appends the Value of an attribute (an array, or NULL). BASE_EFORMAT. */
enum base_err dicom_model_add_values(struct dicom_model_value *to, enum dicom_vr vr,
                                     const json_t *values) BASE_MUST_CHECK;
/* The same for its InlineBinary. */
enum base_err dicom_model_add_inline(struct dicom_model_value *to, enum dicom_vr vr,
                                     const json_t *text) BASE_MUST_CHECK;

/* ---- dicom_model.c ---- */

/* From an object in the shape of PS3.18 F.2. Empties out first. */
enum base_err dicom_model_build(const json_t *dataset, struct dicom_model *out,
                                struct base_error *error) BASE_MUST_CHECK;

#endif
