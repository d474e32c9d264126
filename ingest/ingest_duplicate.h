/*
 * Something came that is here already. Who sends it again may delete its copy on our word, and
 * perhaps sends it again since something is wrong: so what is here is read back first, and what
 * is missing or changed is marked as damaged, so that the new file takes its place.
 */
#ifndef INGEST_DUPLICATE_H
#define INGEST_DUPLICATE_H

#include "ingest/ingest_priv.h"

#include <jansson.h>

/* BASE_OK: it is whole. BASE_ENOTFOUND: it is damaged, and marked. Others: nobody knows. */
typedef void ingest_duplicate_fn(void *arg, enum base_err err);

/* have: the files, as ingest_one() names them; class: of what came. fn runs exactly once, never
 * inside this call. BASE_ENOMEM. */
enum base_err ingest_duplicate_check(struct ingest *g, const json_t *have, enum loop_class class,
                                     ingest_duplicate_fn *fn, void *arg) BASE_MUST_CHECK;

#endif
