/*
 * Scores our analysis on annotated recordings, for bench_ecg_accuracy.py.
 *
 *     bench_ecg_score beats RECORD.hea...
 *
 * prints a JSON object per record: the pairs of reference and found beats, counted as
 * EC57 wants it and as its reference program bxb does, and the CPU seconds of opening
 * and of the analysis. Errors of detection go to a list [seconds, "FN" or "FP", class].
 *
 *     bench_ecg_score waves ANNOTATORS RECORD.hea...
 *
 * prints how well the boundaries of waves agree: ecg_score_waves.c.
 *
 *     bench_ecg_score edges ANNOTATORS RECORD.hea...
 *
 * prints what the boundaries of waves are corrected by: ecg_score_edges.c.
 *
 *     bench_ecg_score findings RECORD.hea...
 *
 * prints the codes of what was found.
 *
 *     bench_ecg_score terms RECORD.hea...
 *
 * prints, for fit_ecg_class.py, for each beat found the class of the reference beat that it
 * was paired with, and the terms that its own class is decided from.
 *
 *     bench_ecg_score alarms ANNOTATORS RECORD...
 *
 * prints what was found in each piece of ten seconds: ecg_score_alarms.c.
 */
#include "ecg_score.h"

#include "ecg/analysis/ecg_class_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { START_S = 300, NEVER_S = 1 << 30, ERRORS_SHOWN = 200 };
static const double WINDOW_S = 0.15;

/* Classes of EC57; O = no beat there. */
static const char classes[] = "NSVFQO";
enum { NCLASSES = 6, CLASS_V = 2, CLASS_O = 5 };

struct mark {
    long at; /* in samples of the reference */
    char class;
};

struct marks {
    struct mark *m; /* ends with two at NEVER */
    size_t n;
};

struct span {
    long from;
    long to;
};

struct score {
    long pair[NCLASSES][NCLASSES]; /* [reference][found] */
    struct {
        long at;
        char class;
        bool missed;
    } error[ERRORS_SHOWN];
    size_t nerrors;
    char *paired; /* for each found beat the reference's class, 0 = not counted; may be NULL */
};

double ecg_score_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ANSI/AAMI EC57 4.3.2: N, S, V, F and Q. */
static char class_of(enum ecg_code code)
{
    const char *name = ecg_code_mnemonic(code);
    if (!ecg_code_is_beat(code) || !name[0])
        return 0;
    if (strchr("NLRBejn", name[0]))
        return 'N';
    if (strchr("aJASn", name[0]))
        return 'S';
    if (strchr("VEr", name[0]))
        return 'V';
    return name[0] == 'F' ? 'F' : 'Q';
}

static void end_marks(struct marks *out, double rate)
{
    for (size_t i = 0; i < 2; i++)
        out->m[out->n + i] = (struct mark){(long)(NEVER_S * rate), 'O'};
}

/* Beats outside of ventricular flutter, and where that is. */
static struct marks read_reference(const struct ecg_record *r, double rate, struct span *flutter,
                                   size_t *nflutter, size_t max_flutter)
{
    struct marks out = {.m = calloc(r->nmarks + 2, sizeof *out.m)};
    bool in_flutter = false;
    *nflutter = 0;
    for (size_t i = 0; i < r->nmarks && out.m; i++) {
        long at = lround(r->marks[i].at_s * rate);
        enum ecg_code code = r->marks[i].code;
        if (code == ECG_CODE_FLUTTER_ON && *nflutter < max_flutter) {
            in_flutter = true;
            flutter[(*nflutter)++] = (struct span){at, (long)(NEVER_S * rate)};
        } else if (code == ECG_CODE_FLUTTER_OFF && in_flutter) {
            in_flutter = false;
            flutter[*nflutter - 1].to = at;
        } else if (!in_flutter && class_of(code)) {
            out.m[out.n++] = (struct mark){at, class_of(code)};
        }
    }
    if (out.m)
        end_marks(&out, rate);
    return out;
}

static struct marks read_found(const struct ecg_beats *b, double rate)
{
    struct marks out = {.m = calloc(b->n + 2, sizeof *out.m)};
    for (size_t i = 0; i < b->n && out.m; i++)
        out.m[out.n++] = (struct mark){lround(b->beat[i].at_s * rate), class_of(b->beat[i].code)};
    if (out.m)
        end_marks(&out, rate);
    return out;
}

static size_t class_index(char class)
{
    return (size_t)(strchr(classes, class) - classes);
}

static void count(struct score *s, char reference, char found, long at, ptrdiff_t which)
{
    if (s->paired && which >= 0)
        s->paired[which] = reference;
    s->pair[class_index(reference)][class_index(found)]++;
    if ((reference == 'O' || found == 'O') && s->nerrors < ERRORS_SHOWN) {
        s->error[s->nerrors].at = at;
        s->error[s->nerrors].class = reference == 'O' ? found : reference;
        s->error[s->nerrors++].missed = found == 'O';
    }
}

/* The rules of bxb: the earlier of the two next marks is paired with the other one if
 * that is in the window and no better match follows for it. What is found in flutter is
 * not counted. */
static void compare(const struct marks *ref, const struct marks *found, double rate,
                    const struct span *flutter, size_t nflutter, struct score *s)
{
    long window = (long)(WINDOW_S * rate);
    long start = (long)(START_S * rate);
    long never = (long)(NEVER_S * rate);
    const struct mark *a = ref->m, *b = found->m;
    while (a->at < start)
        a++;
    while (b->at < start)
        b++;
    /* A mark shortly before the start may be that of the first beat after it. */
    if (b > found->m && a->at - b[-1].at <= window && a->at - b[-1].at < labs(a->at - b->at)) {
        count(s, a->class, b[-1].class, a->at, b - 1 - found->m);
        a++;
    } else if (b->at - start <= window && labs(a->at - b[1].at) < labs(a->at - b->at)) {
        b++; /* that of a beat before the start */
    }
    while (a->at < never || b->at < never) {
        long gap = labs(a->at - b->at);
        bool is_found_first = b->at < a->at;
        long rival = is_found_first ? labs(a->at - b[1].at) : labs(b->at - a[1].at);
        if (gap <= window && (gap < rival || labs(a[1].at - b[1].at) < rival)) {
            count(s, a->class, b->class, a->at, b - found->m);
            a++;
            b++;
        } else if (is_found_first) {
            bool is_flutter = false;
            for (size_t i = 0; i < nflutter; i++)
                is_flutter |= flutter[i].from <= b->at && b->at <= flutter[i].to;
            if (!is_flutter)
                count(s, 'O', b->class, b->at, b - found->m);
            b++;
        } else {
            count(s, a->class, 'O', a->at, -1);
            a++;
        }
    }
}

void ecg_score_name(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    printf("{\"record\": \"%.*s\"", (int)strcspn(name, "."), name);
}

bool ecg_score_open(const char *path, const char *annotators, struct ecg_score_record *out)
{
    struct base_error err = {0};
    /* As a program does that reads many. */
    static struct base_pages pages = {.most = (size_t)1 << 30};
    *out = (struct ecg_score_record){.files.pages = &pages};
    double start = ecg_score_cpu_s();
    enum base_err e = rdc_ecg_open(path, annotators, &out->files, &out->record, &err);
    double opened = ecg_score_cpu_s();
    e = e ? e : ecg_beats_find(out->record, NULL, &out->beats, &err);
    out->open_s = opened - start;
    out->beats_s = ecg_score_cpu_s() - opened;
    if (e)
        fprintf(stderr, "%s: %s\n", path, err.msg);
    return !e;
}

void ecg_score_close(struct ecg_score_record *x)
{
    ecg_beats_deinit(&x->beats);
    ecg_record_free(x->record);
    rdc_ecg_files_free(&x->files);
}

static void print_score(const char *path, const struct score *s, double rate,
                        const struct ecg_score_record *x)
{
    ecg_score_name(path);
    printf(", \"hours\": %.6f, \"leads\": %zu, \"open_s\": %.6f, \"analysis_s\": %.6f, "
           "\"pairs\": {",
           x->beats.seconds / 3600, x->beats.leads, x->open_s, x->beats_s);
    for (size_t i = 0; i < NCLASSES * NCLASSES; i++)
        printf("%s\"%c%c\": %ld", i ? ", " : "", classes[i / NCLASSES], classes[i % NCLASSES],
               s->pair[i / NCLASSES][i % NCLASSES]);
    printf("}, \"errors\": [");
    for (size_t i = 0; i < s->nerrors; i++)
        printf("%s[%.2f, \"%s\", \"%c\"]", i ? ", " : "", (double)s->error[i].at / rate,
               s->error[i].missed ? "FN" : "FP", s->error[i].class);
    printf("]}\n");
}

/* Pairs what was found with the reference; false when there is no memory. */
static bool score_classes(const struct ecg_score_record *x, struct score *score)
{
    enum { FLUTTER_MAX = 64 };
    struct span flutter[FLUTTER_MAX];
    size_t nflutter = 0;
    double rate = x->record->leads[0].rate_hz;
    struct marks ref = read_reference(x->record, rate, flutter, &nflutter, FLUTTER_MAX);
    struct marks found = read_found(&x->beats, rate);
    bool ok = ref.m && found.m;
    if (ok)
        compare(&ref, &found, rate, flutter, nflutter, score);
    free(ref.m);
    free(found.m);
    return ok;
}

static int score_beats(const char *path)
{
    struct ecg_score_record x;
    struct score score = {0};
    bool ok = ecg_score_open(path, "atr", &x) && score_classes(&x, &score);
    if (ok)
        print_score(path, &score, x.record->leads[0].rate_hz, &x);
    ecg_score_close(&x);
    return !ok;
}

static int print_terms(const char *path)
{
    struct ecg_score_record x;
    struct base_error err = {0};
    float(*term)[ECG_CLASS_TERMS] = NULL;
    size_t n = 0;
    bool ok = ecg_score_open(path, "atr", &x);
    struct score score = {.paired = ok ? calloc(x.beats.n + 1, 1) : NULL};
    ok = score.paired && score_classes(&x, &score) && !ecg_beats_terms(x.record, &term, &n, &err) &&
         n == x.beats.n;
    if (ok) {
        ecg_score_name(path);
        printf(", \"missed\": %ld, \"beats\": [", score.pair[CLASS_V][CLASS_O]);
        for (size_t i = 0, shown = 0; i < n; i++) {
            if (!score.paired[i])
                continue;
            printf("%s[\"%c\"", shown++ ? ", " : "", score.paired[i]);
            for (size_t k = 0; k < ECG_CLASS_TERMS; k++)
                printf(", %.5g", (double)term[i][k]);
            printf("]");
        }
        printf("]}\n");
    }
    free(term);
    free(score.paired);
    ecg_score_close(&x);
    return !ok;
}

int main(int argc, char **argv)
{
    int status = 0;
    bool waves = argc > 3 && strcmp(argv[1], "waves") == 0;
    bool edges = argc > 3 && strcmp(argv[1], "edges") == 0;
    bool alarms = argc > 3 && strcmp(argv[1], "alarms") == 0;
    bool findings = argc > 2 && strcmp(argv[1], "findings") == 0;
    bool terms = argc > 2 && strcmp(argv[1], "terms") == 0;
    bool beats = argc > 2 && strcmp(argv[1], "beats") == 0;
    if (!waves && !edges && !alarms && !findings && !terms && !beats) {
        fputs("usage: bench_ecg_score beats RECORD.hea...\n"
              "       bench_ecg_score waves ANNOTATORS RECORD.hea...\n"
              "       bench_ecg_score edges ANNOTATORS RECORD.hea...\n"
              "       bench_ecg_score findings RECORD.hea...\n"
              "       bench_ecg_score terms RECORD.hea...\n"
              "       bench_ecg_score alarms ANNOTATORS RECORD...\n",
              stderr);
        return 2;
    }
    for (int i = waves || edges || alarms ? 3 : 2; i < argc; i++)
        status |= waves      ? ecg_score_waves(argv[i], argv[2])
                  : edges    ? ecg_score_edges(argv[i], argv[2])
                  : alarms   ? ecg_score_alarms(argv[i], argv[2])
                  : findings ? ecg_score_rhythm(argv[i])
                  : terms    ? print_terms(argv[i])
                             : score_beats(argv[i]);
    return status;
}
