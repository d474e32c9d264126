/*
 * The fence against a server that was left behind. After a failover the old
 * primary may come back and take itself for the primary still; it has the same
 * data up to a point, and accepts whatever is written. What tells the two apart
 * is the timeline of PostgreSQL, which rises with each promotion.
 *
 * A small file (DATA/timeline) keeps the highest timeline that any worker has
 * seen of this cluster; a server with a lower one is not used, by connections
 * that exist neither. All workers and the command line read it; workers write.
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
    bool bound;           /* a server has passed: only its cluster does from now on */
    struct timespec read; /* the file's time when it was read */
};

/* path is copied and may be NULL. */
enum base_err db_fence_init(struct db_fence *f, const char *path) BASE_MUST_CHECK;
void db_fence_deinit(struct db_fence *f);
/* Reads the file when it has changed. True when the fence has risen. */
bool db_fence_look(struct db_fence *f);
/* A server shows itself. False when it was left behind. What is newer is kept
 * from now on, in the file where write is given; a file that cannot be written
 * is logged and the fence stands in memory. Another cluster than the file's (a
 * restored dump) passes only as the first that this process sees. */
bool db_fence_pass(struct db_fence *f, uint64_t system, uint32_t timeline, bool write);
/* Is a server that has passed before still good? */
bool db_fence_holds(const struct db_fence *f, uint64_t system, uint32_t timeline);

#endif
