/*
 * An ECG drawn with our analysis on it: what `rdc ecg plot` and the helper behind
 * /rendered share, so that both know the same options by the same names.
 */
#ifndef RDC_ECG_PLOT_H
#define RDC_ECG_PLOT_H

#include "ecg/draw/ecg_draw.h"

/* What the options are, for usage texts: lines that begin with two spaces. */
extern const char *const rdc_ecg_plot_help;

/* Takes "--speed", "50". Values are borrowed. BASE_ENOTFOUND: there is no such option;
 * BASE_EINVAL: *err says what is wrong with its value. */
enum base_err rdc_ecg_plot_option(struct ecg_draw_options *o, const char *name, const char *value,
                                  struct base_error *err) BASE_MUST_CHECK;
/* True of options that stand alone; their value is then "yes". */
bool rdc_ecg_plot_is_flag(const char *name);

/* Analyses the record and draws it; where it cannot be analysed, without. earlier: a recording of
 * the same patient, to compare with where that can be; NULL = none. */
enum base_err rdc_ecg_plot(const struct ecg_record *r, const struct ecg_record *earlier,
                           const struct ecg_draw_options *options, struct base_buf *out,
                           struct base_error *err) BASE_MUST_CHECK;

#endif
