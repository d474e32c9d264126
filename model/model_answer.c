#include "model/model_answer.h"

json_t *model_answer(const struct db_outcome *outcome, size_t n)
{
    const struct db_rows *rows = db_outcome_rows(outcome, n);
    struct base_bytes text = rows ? db_rows_view(rows, 0, 0) : base_bytes_of("", 0);
    return json_loadb((const char *)text.p, text.n, 0, NULL);
}
