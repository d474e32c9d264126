/*
 * Limb leads that recorders do not store because they follow from others
 * (Einthoven, Goldberger):
 *
 *     III = II - I,  aVR = -(I + II)/2,  aVL = I - II/2,  aVF = II - I/2
 */
#ifndef ECG_DERIVE_H
#define ECG_DERIVE_H

#include "ecg/ecg_record.h"

/* III, aVR, aVL or aVF from leads I and II of a group. Exact when these have one
 * unit: the result is in half units. On BASE_OK the caller owns out->i32 (free).
 * BASE_ENOTFOUND: the lead is none of these, or I and II are not both there with
 * one rate, start and length. */
enum base_err ecg_derive(const struct ecg_lead *leads, size_t n, int id,
                         struct ecg_lead *out) BASE_MUST_CHECK;

#endif
