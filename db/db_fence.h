/*
 * A fence against servers that a failover left behind. The old primary may come back
 * and still think it is the primary; it has the same data up to a point, and accepts
 * writes. The timeline of PostgreSQL tells the two apart: it rises with each promotion.
 *
 * A small file (DATA/timeline) keeps the highest timeline that any worker has
 * seen of this cluster. A server with a lower one is not used, not even by connections
 * that exist already. All workers and the command line read the file; workers write it.
 */
#ifndef DB_DB_FENCE_H
#define DB_DB_FENCE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct db_fence {
    char *path; /* NULL: nothing is kept beyond this process */
    uint64_t system;
    uint32_t timeline;
    bool bound;           /* a server has passed: from now on only its cluster can */
    struct timespec read; /* the file's time when it was read */
};

/* path is copied and may be NULL. */
enum base_err db_fence_init(struct db_fence *f, const char *path) BASE_MUST_CHECK;
void db_fence_deinit(struct db_fence *f);
/* Reads the file when it has changed. True when the fence has risen. */
bool db_fence_look(struct db_fence *f);
/* May this server be used? False when it was left behind. A higher timeline is kept, and
 * with `write` also in the file; if that cannot be written, it is logged and the fence
 * stands in memory. Another cluster than the file's (a restored dump) passes only as the
 * first one that this process sees. */
bool db_fence_pass(struct db_fence *f, uint64_t system, uint32_t timeline, bool write);
/* Is a server that has passed before still good? */
bool db_fence_holds(const struct db_fence *f, uint64_t system, uint32_t timeline);

#endif
