/*
 * How a long recording goes, piece by piece of a minute: whether the atria fibrillate, and ST of
 * each lead. Ours and unconfirmed. Of each piece one block of beats is measured, so that a day
 * costs what some hundred short recordings do.
 */
#ifndef ECG_TREND_H
#define ECG_TREND_H

#include "ecg/analysis/ecg_rhythm.h"

enum { ECG_TREND_ST = 3 /* of ecg_figures_lead.st_uv: J+60 */ };

struct ecg_trend_piece {
    bool is_known; /* enough beats to tell a rhythm */
    bool is_af;
    float st_uv[ECG_MEAN_LEADS]; /* NAN: no usual beat */
};

struct ecg_trend {
    double width_s;
    size_t n;
    struct ecg_trend_piece *piece; /* n, from the record's start on; owned */
    size_t nleads;
    const char *name[ECG_MEAN_LEADS];
    double known_s; /* of the pieces that are known, and of those with fibrillation */
    double af_s;
};

/* A minute each, longer ones where there would be more than a few thousand. On BASE_OK the caller
 * owns *out (ecg_trend_deinit). BASE_EUNSUPPORTED: no lead to measure on. */
enum base_err ecg_trend_find(const struct ecg_record *r, const struct ecg_beats *b,
                             struct ecg_trend *out, struct base_error *err) BASE_MUST_CHECK;
void ecg_trend_deinit(struct ecg_trend *t);

#endif
