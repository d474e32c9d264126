/*
 * What the figures of a recording mean: statements about rhythm and shape, alarms, and what
 * speaks for recording it again, each with the figures that led to it. A proposal for the
 * reader, never a diagnosis: whoever shows one says that nobody has confirmed it.
 */
#ifndef ECG_FINDING_H
#define ECG_FINDING_H

#include "ecg/analysis/ecg_figures.h"
#include "ecg/analysis/ecg_quality.h"

enum ecg_finding_kind {
    ECG_FINDING_STATEMENT,
    ECG_FINDING_ALARM, /* somebody must look at once */
    ECG_FINDING_RETAKE /* record again while the patient is there */
};

/* X(enumerator, kind, key, English, Chinese) */
#define ECG_FINDING_MAP(X)                                                                         \
    X(SINUS, STATEMENT, "sinus_rhythm", "sinus rhythm", "窦性心律")                                \
    X(SINUS_BRADY, STATEMENT, "sinus_bradycardia", "sinus bradycardia", "窦性心动过缓")            \
    X(SINUS_TACHY, STATEMENT, "sinus_tachycardia", "sinus tachycardia", "窦性心动过速")            \
    X(SINUS_ARRHYTHMIA, STATEMENT, "sinus_arrhythmia", "sinus arrhythmia", "窦性心律不齐")         \
    X(AF, STATEMENT, "atrial_fibrillation", "atrial fibrillation", "心房颤动")                     \
    X(FLUTTER, STATEMENT, "atrial_flutter", "atrial flutter", "心房扑动")                          \
    X(FLUTTER_2_TO_1, STATEMENT, "possible_atrial_flutter_2_to_1",                                 \
      "possible atrial flutter with 2:1 conduction", "可疑心房扑动(2:1下传)")                      \
    X(NO_P, STATEMENT, "no_p_waves", "regular rhythm without P waves", "规则心律,未见P波")         \
    X(WIDE_TACHY, STATEMENT, "wide_qrs_tachycardia",                                               \
      "tachycardia with wide QRS, P waves cannot be told", "宽QRS心动过速,P波不能辨认")            \
    X(PACED, STATEMENT, "paced", "paced rhythm", "起搏心律")                                       \
    X(PVC, STATEMENT, "pvc", "ventricular premature beats", "室性早搏")                            \
    X(PAC, STATEMENT, "pac", "atrial premature beats", "房性早搏")                                 \
    X(V_RUN, STATEMENT, "ventricular_run", "run of ventricular beats", "连发室性搏动")             \
    X(PAUSE, STATEMENT, "pause", "pause", "长间歇")                                                \
    X(AVB_1, STATEMENT, "av_block_1", "first degree AV block", "一度房室传导阻滞")                 \
    X(AVB_2_1, STATEMENT, "av_block_2_type_1", "second degree AV block, type I (Wenckebach)",      \
      "二度I型房室传导阻滞(文氏型)")                                                               \
    X(AVB_2_2, STATEMENT, "av_block_2_type_2", "second degree AV block, type II (Mobitz)",         \
      "二度II型房室传导阻滞")                                                                      \
    X(AVB_2_TO_1, STATEMENT, "av_block_2_to_1", "AV block 2:1", "2:1房室传导阻滞")                 \
    X(AVB_ADVANCED, STATEMENT, "av_block_advanced", "advanced AV block", "高度房室传导阻滞")       \
    X(AVB_3, STATEMENT, "av_block_3", "third degree AV block", "三度房室传导阻滞")                 \
    X(PREEXCITATION, STATEMENT, "preexcitation", "possible pre-excitation", "可疑预激")            \
    X(RBBB, STATEMENT, "rbbb", "right bundle branch block", "完全性右束支传导阻滞")                \
    X(IRBBB, STATEMENT, "incomplete_rbbb", "incomplete right bundle branch block",                 \
      "不完全性右束支传导阻滞")                                                                    \
    X(LBBB, STATEMENT, "lbbb", "left bundle branch block", "完全性左束支传导阻滞")                 \
    X(IVCD, STATEMENT, "ivcd", "intraventricular conduction delay", "室内传导延迟")                \
    X(LAFB, STATEMENT, "lafb", "left anterior fascicular block", "左前分支阻滞")                   \
    X(LPFB, STATEMENT, "lpfb", "possible left posterior fascicular block", "可疑左后分支阻滞")     \
    X(AXIS_LEFT, STATEMENT, "left_axis", "left axis deviation", "电轴左偏")                        \
    X(AXIS_RIGHT, STATEMENT, "right_axis", "right axis deviation", "电轴右偏")                     \
    X(LVH_SOKOLOW, STATEMENT, "lvh_sokolow", "left ventricular hypertrophy by Sokolow-Lyon",       \
      "左心室肥大(Sokolow-Lyon标准)")                                                              \
    X(LVH_CORNELL, STATEMENT, "lvh_cornell", "left ventricular hypertrophy by Cornell",            \
      "左心室肥大(Cornell标准)")                                                                   \
    X(RVH, STATEMENT, "rvh", "possible right ventricular hypertrophy", "可疑右心室肥大")           \
    X(LEFT_ATRIUM, STATEMENT, "left_atrial_enlargement", "possible left atrial enlargement",       \
      "可疑左心房扩大")                                                                            \
    X(RIGHT_ATRIUM, STATEMENT, "right_atrial_enlargement", "possible right atrial enlargement",    \
      "可疑右心房扩大")                                                                            \
    X(LOW_VOLTAGE, STATEMENT, "low_voltage", "low limb lead voltage", "肢体导联低电压")            \
    X(ST_ANTERIOR, STATEMENT, "st_elevation_anterior", "ST elevation, anterior leads",             \
      "前壁导联ST段抬高")                                                                          \
    X(ST_INFERIOR, STATEMENT, "st_elevation_inferior", "ST elevation, inferior leads",             \
      "下壁导联ST段抬高")                                                                          \
    X(ST_LATERAL, STATEMENT, "st_elevation_lateral", "ST elevation, lateral leads",                \
      "侧壁导联ST段抬高")                                                                          \
    X(ST_DEPRESSION, STATEMENT, "st_depression", "ST depression", "ST段压低")                      \
    X(Q_ANTERIOR, STATEMENT, "q_anterior", "Q waves as of an old anterior infarct", "前壁异常Q波") \
    X(Q_INFERIOR, STATEMENT, "q_inferior", "Q waves as of an old inferior infarct", "下壁异常Q波") \
    X(Q_LATERAL, STATEMENT, "q_lateral", "Q waves as of an old lateral infarct", "侧壁异常Q波")    \
    X(QT_LONG, STATEMENT, "long_qt", "prolonged QT interval", "QT间期延长")                        \
    X(QT_SHORT, STATEMENT, "short_qt", "short QT interval", "QT间期缩短")                          \
    X(ALARM_ASYSTOLE, ALARM, "alarm_asystole", "asystole or a long pause", "停搏或长间歇")         \
    X(ALARM_BRADY, ALARM, "alarm_bradycardia", "very low heart rate", "心率过低")                  \
    X(ALARM_VT, ALARM, "alarm_vt", "ventricular tachycardia", "室性心动过速")                      \
    X(ALARM_VF, ALARM, "alarm_vf", "ventricular fibrillation or flutter", "心室颤动或扑动")        \
    X(ALARM_TORSADES, ALARM, "alarm_torsades", "polymorphic ventricular tachycardia with long QT", \
      "多形性室速伴长QT,疑尖端扭转型室速")                                                         \
    X(ALARM_AVB_3, ALARM, "alarm_av_block_3", "third degree AV block", "三度房室传导阻滞")         \
    X(ALARM_SVT, ALARM, "alarm_svt", "very fast supraventricular rhythm", "快速室上性心律")        \
    X(ALARM_AF, ALARM, "alarm_af", "very fast atrial fibrillation", "快速心房颤动")                \
    X(ALARM_PREEXCITED_AF, ALARM, "alarm_preexcited_af",                                           \
      "irregular wide complexes at very short intervals", "极短间期不规则宽QRS")                   \
    X(ALARM_STEMI, ALARM, "alarm_st_elevation", "ST elevation as of an acute infarct",             \
      "ST段抬高,疑急性心肌梗死")                                                                   \
    X(ALARM_QT, ALARM, "alarm_qt", "very long QT interval with R on T", "QT间期极长伴R-on-T")      \
    X(ALARM_POTASSIUM, ALARM, "alarm_hyperkalaemia", "pattern of hyperkalaemia", "高钾血症样改变") \
    X(RETAKE_DAMAGED, RETAKE, "ecg_damaged", "file damaged: send it again", "文件损坏,请重新发送") \
    X(RETAKE_FLAT, RETAKE, "ecg_lead_flat", "leads without a signal", "导联无信号,请检查电极")     \
    X(RETAKE_SATURATED, RETAKE, "ecg_lead_saturated", "leads out of range",                        \
      "导联信号饱和,请检查电极")                                                                   \
    X(RETAKE_MAINS, RETAKE, "ecg_mains_noise", "mains noise", "工频干扰明显,请考虑重采")           \
    X(RETAKE_SHORT, RETAKE, "ecg_short", "recording shorter than 10 s", "记录不足10秒,请重采")     \
    X(RETAKE_ARMS, RETAKE, "ecg_arms_reversed", "possible: arm electrodes exchanged",              \
      "可能左右手电极接反,请核对后重采")                                                           \
    X(RETAKE_LEG, RETAKE, "ecg_limb_foot_reversed",                                                \
      "possible: an arm and a leg electrode exchanged", "可能上肢与下肢电极接反,请核对后重采")     \
    X(RETAKE_CHEST, RETAKE, "ecg_chest_order", "possible: chest electrodes in another order",      \
      "可能胸前电极顺序错误,请核对后重采")                                                         \
    X(RETAKE_GAIN, RETAKE, "ecg_gain", "amplitudes out of range: gain or calibration",             \
      "幅度超出正常范围,请检查增益与定标")                                                         \
    X(RETAKE_NO_SIGNAL, RETAKE, "ecg_no_signal",                                                   \
      "no lead has a signal: look at the patient, then at electrodes and cable",                   \
      "所有导联均无信号,请先查看患者,再检查电极与导联线")                                          \
    X(RETAKE_NO_LEAD, RETAKE, "ecg_no_lead", "no channel is an ECG that can be measured",          \
      "无可测量的心电导联")                                                                        \
    X(RETAKE_RATE, RETAKE, "ecg_sampling_rate", "sampled at a frequency that cannot be measured",  \
      "采样率不适合测量,请调整采样率后重采")                                                       \
    X(RETAKE_UNMEASURED, RETAKE, "ecg_not_measured", "could not be measured: read it by hand",     \
      "未能自动测量,请人工判读")

#define ECG_FINDING_ENUM(name, kind, key, en, zh) ECG_FINDING_##name,
enum ecg_finding_code { ECG_FINDING_MAP(ECG_FINDING_ENUM) ECG_FINDING_COUNT };
#undef ECG_FINDING_ENUM

struct ecg_finding_row {
    enum ecg_finding_kind kind;
    const char *key;
    const char *en;
    const char *zh;
};
/* code < ECG_FINDING_COUNT. */
const struct ecg_finding_row *ecg_finding_row(enum ecg_finding_code code);

struct ecg_finding {
    enum ecg_finding_code code;
    char figures[160]; /* "PR 232 ms > 200" */
};

/* X(name, default), of alarms: at or beyond these. */
#define ECG_ALARM_LIMIT_MAP(X)                                                                     \
    X(pause_s, 3)                                                                                  \
    X(brady_bpm, 35) /* below */                                                                   \
    X(vt_bpm, 150)   /* of three beats or more */                                                  \
    X(svt_bpm, 180)                                                                                \
    X(af_bpm, 180)                                                                                 \
    X(preexcited_rr_ms, 250) /* below */                                                           \
    X(st_limb_uv, 100)       /* also V4 to V6 */                                                   \
    X(st_chest_uv, 300)      /* V1 to V3, above */                                                 \
    X(qtc_ms, 550)           /* with R on T */                                                     \
    X(vf_s, 3)               /* of fibrillation or flutter */                                      \
    X(torsades_qtc_ms, 480)  /* of the beats beside it: then it is torsades */                     \
    X(av_block_bpm, 60)      /* third degree block: below */                                       \
    X(t_wave_uv, 1000)       /* of hyperkalaemia */

#define ECG_ALARM_LIMIT_FIELD(name, value) double name;
struct ecg_alarm_limits {
    ECG_ALARM_LIMIT_MAP(ECG_ALARM_LIMIT_FIELD)
};
#undef ECG_ALARM_LIMIT_FIELD
extern const struct ecg_alarm_limits ecg_alarm_limits_default;
/* "pause_s=2.5,vt_bpm=120"; names as above. False: a name that there is not, or no number above
 * 0; *out may be changed. */
bool ecg_alarm_limits_parse(const char *text, struct ecg_alarm_limits *out);

struct ecg_findings {
    struct ecg_finding of[ECG_FINDING_COUNT]; /* each code once at most, as found */
    size_t n;
    bool no_complexes; /* what was taken for beats is none: nothing that was measured of it holds */
    bool conducted; /* the ventricles are excited by the usual way, as criteria of ST and T ask */
};

/* The one with this code; NULL = it is not among them. */
const struct ecg_finding *ecg_findings_one(const struct ecg_findings *f,
                                           enum ecg_finding_code code);
/* False: the limb leads may not be what they are called, or amplitudes not what they are, so that
 * shape says nothing. */
bool ecg_findings_leave_shape(const struct ecg_findings *f);

/* limits: NULL = default. Of f are taken out P and PR where the rhythm that is found has none. */
enum base_err ecg_findings_make(const struct ecg_record *r, const struct ecg_beats *b,
                                struct ecg_figures *f, const struct ecg_quality *q,
                                const struct ecg_alarm_limits *limits,
                                struct ecg_findings *out) BASE_MUST_CHECK;
/* Only that the file is damaged, where it is. */
void ecg_findings_of_file(const struct ecg_record *r, struct ecg_findings *out);
/* Of a recording that was not measured for the reason given, or (r: NULL) cannot even be read: that
 * its file is damaged, where it is, and what is in the way: it is sampled too slowly or too fast,
 * no channel is an ECG with samples, or else that it is not measured. There is always one of these.
 */
void ecg_findings_unmeasured(const struct ecg_record *r, const struct base_error *why,
                             struct ecg_findings *out);

#endif
