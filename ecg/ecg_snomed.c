#include "ecg/ecg_snomed.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *number;
    const char *name;
} rows[] = {
    {"6374002", "bundle branch block"},
    {"10370003", "pacing rhythm"},
    {"11157007", "ventricular bigeminy"},
    {"17338001", "ventricular premature beats"},
    {"27885002", "complete heart block"},
    {"39732003", "left axis deviation"},
    {"47665007", "right axis deviation"},
    {"55827005", "left ventricular high voltage"},
    {"55930002", "ST changes"},
    {"57054005", "acute myocardial infarction"},
    {"59118001", "right bundle branch block"},
    {"59931005", "T wave inversion"},
    {"63593006", "supraventricular premature beats"},
    {"74390002", "Wolff-Parkinson-White pattern"},
    {"89792004", "right ventricular hypertrophy"},
    {"111975006", "prolonged QT interval"},
    {"164865005", "myocardial infarction"},
    {"164867002", "old myocardial infarction"},
    {"164873001", "left ventricular hypertrophy"},
    {"164889003", "atrial fibrillation"},
    {"164890007", "atrial flutter"},
    {"164895002", "ventricular tachycardia"},
    {"164896001", "ventricular fibrillation"},
    {"164909002", "left bundle branch block"},
    {"164917005", "abnormal Q wave"},
    {"164931005", "ST elevation"},
    {"164934002", "abnormal T wave"},
    {"164947007", "prolonged PR interval"},
    {"195042002", "second degree AV block"},
    {"251120003", "incomplete left bundle branch block"},
    {"251146004", "low QRS voltages"},
    {"253352002", "left atrial abnormality"},
    {"270492004", "first degree AV block"},
    {"284470004", "premature atrial contraction"},
    {"365413008", "poor R wave progression"},
    {"425419005", "inferior ischaemia"},
    {"425623009", "lateral ischaemia"},
    {"426177001", "sinus bradycardia"},
    {"426434006", "anterior ischaemia"},
    {"426627000", "bradycardia"},
    {"426761007", "supraventricular tachycardia"},
    {"426783006", "sinus rhythm"},
    {"427084000", "sinus tachycardia"},
    {"427172004", "premature ventricular contractions"},
    {"427393009", "sinus arrhythmia"},
    {"428417006", "early repolarization"},
    {"428750005", "nonspecific ST-T abnormality"},
    {"429622005", "ST depression"},
    {"445118002", "left anterior fascicular block"},
    {"445211001", "left posterior fascicular block"},
    {"698252002", "nonspecific intraventricular conduction disorder"},
    {"713422000", "atrial tachycardia"},
    {"713426002", "incomplete right bundle branch block"},
    {"713427006", "complete right bundle branch block"},
    {"733534002", "complete left bundle branch block"},
    {"67741000119109", "left atrial enlargement"},
};

const char *ecg_snomed_name(const char *number)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].number, number) == 0)
            return rows[i].name;
    return NULL;
}
