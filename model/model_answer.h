/* The JSON with which a function of the database answers. */
#ifndef MODEL_ANSWER_H
#define MODEL_ANSWER_H

#include "db/db.h"

#include <jansson.h>

/* The first column of the first row of the n-th statement, as the caller's own. NULL: SQL null,
 * the transaction failed, or out of memory. */
json_t *model_answer(const struct db_outcome *outcome, size_t n);

#endif
