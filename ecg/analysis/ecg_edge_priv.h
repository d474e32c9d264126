/*
 * Boundaries as cardiologists mark them: how far their marks lie from where the rules of
 * ecg_delineate.c put a boundary is predicted in each lead from the terms below, by a sum of
 * small trees that tests/bench/fit_ecg_edge.py grows (docs/ECG.md). A rule knows one threshold;
 * a reader marks otherwise where a wave is flat, or where the next one follows at once.
 */
#ifndef ECG_EDGE_PRIV_H
#define ECG_EDGE_PRIV_H

#include "ecg/analysis/ecg_delineate.h"

enum ecg_edge {
    ECG_EDGE_P_ON,
    ECG_EDGE_P_OFF,
    ECG_EDGE_QRS_ON,
    ECG_EDGE_QRS_OFF,
    ECG_EDGE_T_OFF,
    ECG_EDGE_COUNT
};

enum { ECG_EDGE_TERMS = 65, ECG_EDGE_DEPTH = 3 };

/* Each level asks one question of all its branches, term > limit; the first answer is the highest
 * bit of the place in `add`. Terms and limits are whole numbers: a tree says the same on any
 * machine. */
struct ecg_edge_tree {
    uint8_t term[ECG_EDGE_DEPTH];
    int16_t limit[ECG_EDGE_DEPTH];
    int16_t add[1 << ECG_EDGE_DEPTH]; /* 1/100 of a sample */
};

struct ecg_edge_model {
    const struct ecg_edge_tree *tree;
    size_t n;
};
extern const struct ecg_edge_model ecg_edge_models[ECG_EDGE_COUNT];
/* Of a beat beside the mean that it lies in: its terms, after them by how much they are more. */
enum { ECG_EDGE_BEAT_TERMS = 2 * ECG_EDGE_TERMS };
extern const struct ecg_edge_model ecg_edge_beat_models[ECG_EDGE_COUNT];

enum ecg_point ecg_edge_point(enum ecg_edge which);

/* What all boundaries are looked at in. */
struct ecg_edge_scene {
    const struct ecg_mean *mean;
    const struct ecg_waves_of_mean *waves; /* as the rules have them */
    double sum[ECG_MEAN_LEADS][ECG_WINDOW + 1];
    float noise[ECG_MEAN_LEADS]; /* how far the halves of the beats are apart, uV */
    float swing[ECG_MEAN_LEADS]; /* of QRS, uV */
};
/* Borrows m and w; noise and swing remain the mean's. */
void ecg_edge_scene_init(struct ecg_edge_scene *s, const struct ecg_mean *m,
                         const struct ecg_waves_of_mean *w);

/* The terms of a boundary in each lead, where the rules have found it. */
void ecg_edge_terms(const struct ecg_edge_scene *s, enum ecg_edge which,
                    int16_t (*out)[ECG_EDGE_TERMS]);
/* Puts a single beat in place of the mean of a lead. */
void ecg_edge_scene_put(struct ecg_edge_scene *s, size_t lead, const float x[ECG_WINDOW]);
void ecg_edge_beat_terms(const int16_t beat[ECG_EDGE_TERMS], const int16_t mean[ECG_EDGE_TERMS],
                         int16_t out[ECG_EDGE_BEAT_TERMS]);
/* By how much later it is marked, in samples. */
float ecg_edge_later(const struct ecg_edge_model *m, const int16_t *term);
/* Moves the boundaries of each lead, and those over all with them. */
void ecg_edge_correct(const struct ecg_mean *m, struct ecg_waves_of_mean *w);

#endif
