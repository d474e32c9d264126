/*
 * The figures of a recording as a cardiologist measures them: rate, intervals, axes, and of
 * each lead the amplitudes, on the mean of the usual beats. Ours and unconfirmed.
 *
 * Times are in ms, amplitudes in uV over the level before QRS. NAN: there is none, or it
 * cannot be told.
 */
#ifndef ECG_FIGURES_H
#define ECG_FIGURES_H

#include "ecg/analysis/ecg_delineate.h"

enum { ECG_FIGURES_ST = 5 /* J, J+20, J+40, J+60, J+80 */ };

struct ecg_figures_lead {
    int id; /* ecg_lead.h */
    const char *name;
    float p_uv;
    float q_uv; /* <= 0; of a complex that is all negative it is S that has it */
    float r_uv;
    float s_uv;  /* <= 0 */
    float r2_uv; /* R' */
    float t_uv;
    float q_ms;
    float r_ms;
    float s_ms;
    float r_peak_ms; /* from the onset of QRS over all leads */
    float st_uv[ECG_FIGURES_ST];
    float qrs_range_uv; /* highest less lowest */
};

/* A lead of which nothing is measured. */
struct ecg_figures_lead ecg_figures_none(int id, const char *name);

struct ecg_figures {
    struct ecg_rate rate;
    size_t in_mean;  /* beats of the mean */
    float rr_ms;     /* that QTc is of: the median, in an irregular rhythm the mean */
    float irregular; /* usual change of the interval from beat to beat, over the interval */
    float p_ms;
    float pr_ms;
    float qrs_ms;
    float qt_ms;
    float qtc_bazett_ms;
    float qtc_fridericia_ms;
    float qtc_framingham_ms;
    float qtc_hodges_ms;
    float p_axis_deg; /* -180..180, frontal: 0 = I, 90 = aVF */
    float qrs_axis_deg;
    float t_axis_deg;
    float p_likeness;       /* of the P waves of two halves of the beats */
    float flutter_bpm;      /* of waves of the atria one after the other; NAN */
    int flutter_conduction; /* waves to a complex where they lie in QRS and T: 2, 3; 0 = not told */
    float flutter_likeness; /* of one of those and the next; NAN */
    size_t nleads;
    struct ecg_figures_lead lead[ECG_MEAN_LEADS];
    /* What they were measured on. */
    struct ecg_mean mean;
    struct ecg_waves_of_mean waves;
};

/* Of all leads, or of this one (NULL = all). *out is large: about 150 KiB. BASE_EUNSUPPORTED:
 * there is no lead to measure on. A recording without beats gives figures that are NAN; so has a
 * lead all of whose samples are missing no heights, and no axis is taken of it. */
enum base_err ecg_figures_measure(const struct ecg_record *r, const struct ecg_lead *only,
                                  const struct ecg_beats *b, struct ecg_figures *out,
                                  struct base_error *err) BASE_MUST_CHECK;

/* What was taken for a P wave is none: it, PR and its axis are not there. */
void ecg_figures_forget_p(struct ecg_figures *f);

/* Leads that look at the heart from sides next to each other (Thygesen 2018): in each chain an
 * entry and the next are neighbours; 0 ends it. */
enum { ECG_FIGURES_CHAINS = 3 };
extern const int ecg_figures_chains[ECG_FIGURES_CHAINS][8];

/* The lead with this number, or NULL. */
const struct ecg_figures_lead *ecg_figures_lead(const struct ecg_figures *f, int id);

#endif
