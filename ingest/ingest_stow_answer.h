/* The answer to STOW-RS: the Store Instances Response Module (PS3.18 I.2), as JSON or
 * as XML. Pure. */
#ifndef INGEST_STOW_ANSWER_H
#define INGEST_STOW_ANSWER_H

#include "ingest/ingest_many.h"

enum ingest_stow_form { INGEST_STOW_JSON, INGEST_STOW_XML, INGEST_STOW_NEITHER };

/* Which form an Accept field (NULL = absent) prefers; JSON when it has no preference. */
enum ingest_stow_form ingest_stow_form_of(const char *accept);
/* The media type. */
const char *ingest_stow_type(enum ingest_stow_form form);
/* Appends the data set, and returns the status. */
int ingest_stow_answer(enum ingest_stow_form form, const char *origin,
                       struct ingest_many_item *const *items, size_t n, struct base_buf *out);

#endif
