/* What the parts of bench_ecg_score share. */
#ifndef ECG_SCORE_H
#define ECG_SCORE_H

#include "ecg/analysis/ecg_delineate.h"
#include "rdc/rdc_ecg_files.h"

struct ecg_score_record {
    struct rdc_ecg_files files;
    struct ecg_record *record;
    struct ecg_beats beats;
    double open_s;  /* CPU seconds of opening, */
    double beats_s; /* and of finding beats */
};

double ecg_score_cpu_s(void);
/* Opens, and finds beats; false with a line on standard error. To be closed in any case. */
bool ecg_score_open(const char *path, const char *annotators, struct ecg_score_record *out);
void ecg_score_close(struct ecg_score_record *x);
/* The beginning of a JSON object with the record's name, without an end. */
void ecg_score_name(const char *path);

/* The marks that annotators make of each point. */
extern const enum ecg_mark_kind ecg_score_kinds[ECG_POINT_COUNT];

/* annotators: one = marks of all leads together, several = one of each lead. */
int ecg_score_waves(const char *path, const char *annotators);
int ecg_score_edges(const char *path, const char *annotators);
/* The codes of what was found. */
int ecg_score_rhythm(const char *path);
/* annotators: "" = none. */
int ecg_score_alarms(const char *path, const char *annotators);

#endif
