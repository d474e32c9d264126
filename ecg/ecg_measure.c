#include "ecg/ecg_measure.h"

#include <string.h>

#define ECG_MEASURE_ROW(name, key, unit, code, meaning) {key, unit, code, meaning},
static const struct ecg_measure_row rows[ECG_MEASURE_COUNT] = {ECG_MEASURE_MAP(ECG_MEASURE_ROW)};
#undef ECG_MEASURE_ROW

/* Codes that devices use beside those of the table. */
static const struct {
    const char *scheme;
    const char *code;
    enum ecg_measure what;
} others[] = {
    {"LN", "8867-4", ECG_MEASURE_HEART_RATE},
    {"MDC", "2:16770", ECG_MEASURE_HEART_RATE},
    {"LN", "8626-4", ECG_MEASURE_P_AXIS},
    {"LN", "8632-2", ECG_MEASURE_QRS_AXIS},
    {"LN", "8638-9", ECG_MEASURE_T_AXIS},
    {"MDC", "2:15880", ECG_MEASURE_QTC},
    {"MDC", "2:15884", ECG_MEASURE_QTC},
    {"MDC", "2:15892", ECG_MEASURE_QTC},
    {"SCPECG", "5.10.2.1-3", ECG_MEASURE_RR},
    {"SCPECG", "5.10.2.1-5", ECG_MEASURE_PP},
    {"SCPECG", "5.10.2.5-1", ECG_MEASURE_HEART_RATE},
    {"SCPECG", "5.10.2.5-3", ECG_MEASURE_ATRIAL_RATE},
    {"SCPECG", "5.10.2.5-5", ECG_MEASURE_QTC},
    {"SCPECG", "5.10.3-11", ECG_MEASURE_P_AXIS},
    {"SCPECG", "5.10.3-13", ECG_MEASURE_QRS_AXIS},
    {"SCPECG", "5.10.3-15", ECG_MEASURE_T_AXIS},
    {"SCPECG", "5.13.5-5", ECG_MEASURE_P_DURATION},
    {"SCPECG", "5.13.5-7", ECG_MEASURE_PR},
    {"SCPECG", "5.13.5-9", ECG_MEASURE_QRS},
    {"SCPECG", "5.13.5-11", ECG_MEASURE_QT},
};

const struct ecg_measure_row *ecg_measure_row(enum ecg_measure what)
{
    return &rows[(unsigned)what < ECG_MEASURE_COUNT ? what : ECG_MEASURE_OTHER];
}

enum ecg_measure ecg_measure_by_code(struct base_bytes scheme, struct base_bytes code)
{
    bool mdc = base_bytes_are(scheme, "MDC");
    for (unsigned i = 0; i < ECG_MEASURE_COUNT && mdc && code.n; i++)
        if (base_bytes_are(code, rows[i].code))
            return (enum ecg_measure)i;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (base_bytes_are(code, others[i].code) && base_bytes_are(scheme, others[i].scheme))
            return others[i].what;
    return ECG_MEASURE_OTHER;
}
