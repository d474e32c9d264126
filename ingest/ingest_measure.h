/*
 * Looks at what acknowledged objects hold, one after another, in a separate process, which ends
 * after some idle time and is restarted after a crash: measures ECGs (jobs of kind "measure", in
 * `rdc measure`), and decodes compressed images (kind "pixels", in `rdc pixels`). Each kind has a
 * process of its own, so that no ECG waits for images. Results are written to the database several
 * at a time.
 *
 * The process reads one line per object: LIMITS, a tab, a path as store_path() gives it, a tab,
 * and the path of an earlier ECG of the patient, or nothing; of an image only its path stands
 * there. It answers with one line: a JSON object, or "!" and why there is none.
 */
#ifndef INGEST_MEASURE_H
#define INGEST_MEASURE_H

#include "ingest/ingest.h"

struct ingest_measure;

enum ingest_measure_kind { INGEST_MEASURE_ECG, INGEST_MEASURE_PIXELS };

/* Ingest goes first: while rows wait to be committed few ECGs are claimed at a time, and while
 * objects come, until a second after the last, few images, unless they are STAT. */
enum base_err ingest_measure_start(const struct ingest *g, enum ingest_measure_kind kind,
                                   struct ingest_measure **out) BASE_MUST_CHECK;
/* An object of the kind was committed. */
void ingest_measure_poke(struct ingest_measure *m, enum loop_class class);
/* Claims no more; what was claimed goes on. */
void ingest_measure_drain(struct ingest_measure *m);
/* See model_jobs_let_go. */
void ingest_measure_let_go(struct ingest_measure *m);
/* Jobs under way, and the process. */
unsigned ingest_measure_busy(const struct ingest_measure *m);
/* When ingest_measure_busy is 0, or after ingest_measure_let_go. Takes NULL. */
void ingest_measure_free(struct ingest_measure *m);

#endif
