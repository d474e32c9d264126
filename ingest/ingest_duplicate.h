/*
 * An object came that is stored already. Its sender may delete its copy on our word, and may be
 * sending it again because something went wrong. So the stored files are read back first; those
 * missing or changed are marked as damaged, so that the new file takes their place.
 */
#ifndef INGEST_DUPLICATE_H
#define INGEST_DUPLICATE_H

#include "ingest/ingest_priv.h"

#include <jansson.h>

/* BASE_OK: whole. BASE_ENOTFOUND: damaged, and marked so. Others: could not be told. */
typedef void ingest_duplicate_fn(void *arg, enum base_err err);

/* have: the stored files, as ingest_one() returns them; class: that of the new object. fn runs
 * exactly once, never inside this call. BASE_ENOMEM. */
enum base_err ingest_duplicate_check(struct ingest *g, const json_t *have, enum loop_class class,
                                     ingest_duplicate_fn *fn, void *arg) BASE_MUST_CHECK;

#endif
