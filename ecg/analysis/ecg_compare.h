/*
 * What changed between two recordings of one patient: figures by more than they vary from day to
 * day, and statements that are new or gone. Ours and unconfirmed, as what it is made from.
 */
#ifndef ECG_COMPARE_H
#define ECG_COMPARE_H

#include "ecg/analysis/ecg_finding.h"

/* X(enumerator, key, English, Chinese) */
#define ECG_CHANGE_MAP(X)                                                                          \
    X(RHYTHM, "rhythm_changed", "another rhythm", "心律改变")                                      \
    X(FASTER, "rate_faster", "faster rate", "心率增快")                                            \
    X(SLOWER, "rate_slower", "slower rate", "心率减慢")                                            \
    X(PR_LONGER, "pr_longer", "longer PR interval", "PR间期延长")                                  \
    X(PR_SHORTER, "pr_shorter", "shorter PR interval", "PR间期缩短")                               \
    X(QRS_WIDER, "qrs_wider", "wider QRS", "QRS增宽")                                              \
    X(QRS_NARROWER, "qrs_narrower", "narrower QRS", "QRS变窄")                                     \
    X(QTC_LONGER, "qtc_longer", "longer QTc interval", "QTc间期延长")                              \
    X(QTC_SHORTER, "qtc_shorter", "shorter QTc interval", "QTc间期缩短")                           \
    X(AXIS_LEFT, "axis_more_left", "QRS axis more to the left", "QRS电轴左移")                     \
    X(AXIS_RIGHT, "axis_more_right", "QRS axis more to the right", "QRS电轴右移")                  \
    X(ST_HIGHER, "st_higher", "higher ST segment", "ST段较前抬高")                                 \
    X(ST_LOWER, "st_lower", "lower ST segment", "ST段较前压低")                                    \
    X(T_INVERTED, "t_inverted", "T waves negative now", "T波较前倒置")                             \
    X(T_UPRIGHT, "t_upright", "T waves positive again", "T波较前直立")                             \
    X(NEW, "statement_new", "new", "新出现")                                                       \
    X(GONE, "statement_gone", "no longer there", "已消失")

#define ECG_CHANGE_ENUM(name, key, en, zh) ECG_CHANGE_##name,
enum ecg_change_code { ECG_CHANGE_MAP(ECG_CHANGE_ENUM) ECG_CHANGE_COUNT };
#undef ECG_CHANGE_ENUM

struct ecg_change_row {
    const char *key;
    const char *en;
    const char *zh;
};
/* code < ECG_CHANGE_COUNT. */
const struct ecg_change_row *ecg_change_row(enum ecg_change_code code);

struct ecg_change {
    enum ecg_change_code code;
    enum ecg_finding_code finding; /* of NEW and GONE: which; else ECG_FINDING_COUNT */
    char figures[96];              /* "QTc 412 to 468 ms" */
};

/* One recording as it was measured. */
struct ecg_measured {
    const struct ecg_figures *f;
    const struct ecg_quality *quality;
    const struct ecg_findings *findings;
};

enum { ECG_CHANGES = ECG_CHANGE_COUNT + ECG_FINDING_COUNT };
struct ecg_changes {
    struct ecg_change of[ECG_CHANGES];
    size_t n; /* 0 = nothing of note changed */
};

/* Whether they are of one patient is for the caller to know. */
void ecg_compare(const struct ecg_measured *earlier, const struct ecg_measured *now,
                 struct ecg_changes *out);

#endif
