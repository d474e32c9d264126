/*
 * What is said of each recording, or of each piece of ten seconds of a long one, beside what its
 * annotators say of that piece: for bench_ecg_alarms.py.
 */
#include "ecg/analysis/ecg_finding.h"
#include "ecg_score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double PIECE_S = 10;
static const double WHOLE_S = 65; /* a recording up to this is one piece */

/* The rhythm that an annotator names there, and whether there is ventricular flutter. */
static void print_marks(const struct ecg_record *r, double from_s, double to_s)
{
    const char *rhythm = "";
    bool in_flutter = false, has_flutter = false;
    size_t ventricular = 0, beats = 0;
    printf(", \"rhythms\": [");
    for (size_t i = 0, shown = 0; i < r->nmarks && r->marks[i].at_s < to_s; i++) {
        const struct ecg_mark *m = &r->marks[i];
        bool is_inside = m->at_s >= from_s;
        if (m->code == ECG_CODE_RHYTHM) {
            if (is_inside)
                printf("%s\"%s\"", shown++ ? ", " : "", rhythm);
            rhythm = m->text;
        }
        in_flutter =
            m->code == ECG_CODE_FLUTTER_ON || (in_flutter && m->code != ECG_CODE_FLUTTER_OFF);
        has_flutter |= is_inside && (in_flutter || m->code == ECG_CODE_FLUTTER_OFF);
        beats += is_inside && ecg_code_is_beat(m->code);
        ventricular += is_inside && m->code == ECG_CODE_PVC;
    }
    printf("], \"rhythm\": \"%s\", \"flutter\": %s, \"beats\": %zu, \"pvc\": %zu", rhythm,
           has_flutter || in_flutter ? "true" : "false", beats, ventricular);
}

static bool judge(const char *path, const struct ecg_record *r, double from_s, double to_s,
                  struct ecg_figures *f)
{
    struct ecg_part piece;
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_quality quality;
    struct ecg_findings findings;
    ecg_part_take(r, from_s, to_s, &piece);
    bool ok = !ecg_beats_find(&piece.record, NULL, &beats, &err) &&
              !ecg_figures_measure(&piece.record, NULL, &beats, f, &err);
    if (ok) {
        ecg_quality_find(&piece.record, &quality);
        ok = !ecg_findings_make(&piece.record, &beats, f, &quality, NULL, &findings);
    }
    if (ok) {
        ecg_score_name(path);
        printf(", \"from_s\": %.0f", from_s);
        print_marks(r, from_s, to_s);
        printf(", \"findings\": {");
        for (size_t i = 0; i < findings.n; i++)
            printf("%s\"%s\": \"%s\"", i ? ", " : "", ecg_finding_row(findings.of[i].code)->key,
                   findings.of[i].figures);
        printf("}}\n");
    }
    ecg_beats_deinit(&beats);
    return ok;
}

int ecg_score_alarms(const char *path, const char *annotators)
{
    struct ecg_score_record x;
    if (!ecg_score_open(path, annotators[0] ? annotators : NULL, &x)) {
        ecg_score_close(&x);
        return 1;
    }
    struct ecg_figures *f = malloc(sizeof *f);
    double seconds = ecg_record_seconds(x.record);
    double step_s = seconds <= WHOLE_S ? seconds + 1 : PIECE_S;
    for (double at_s = 0; f && at_s < seconds; at_s += step_s)
        (void)judge(path, x.record, at_s, at_s + step_s, f);
    bool ok = f != NULL;
    free(f);
    ecg_score_close(&x);
    return !ok;
}
