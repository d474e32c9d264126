#include "db/db_fence.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* "system 7412345678901234567 timeline 2\n", padded with blanks: one write of
 * the same length each time, far below a sector. */
enum { RECORD = 64 };

enum base_err db_fence_init(struct db_fence *f, const char *path)
{
    *f = (struct db_fence){.path = path ? strdup(path) : NULL};
    if (path && !f->path)
        return BASE_ENOMEM;
    (void)db_fence_look(f);
    return BASE_OK;
}

void db_fence_deinit(struct db_fence *f)
{
    free(f->path);
    f->path = NULL;
}

static bool parse(int fd, uint64_t *system, uint32_t *timeline)
{
    char text[RECORD + 1] = {0};
    return pread(fd, text, RECORD, 0) > 0 &&
           sscanf(text, "system %" SCNu64 " timeline %" SCNu32, system, timeline) == 2;
}

/* A higher timeline of the same cluster, or another cluster than before. */
static bool rises(const struct db_fence *f, uint64_t system, uint32_t timeline)
{
    return system == f->system ? timeline > f->timeline : !f->bound;
}

bool db_fence_look(struct db_fence *f)
{
    struct stat st;
    uint64_t system;
    uint32_t timeline;
    if (!f->path || stat(f->path, &st) != 0 || memcmp(&st.st_mtim, &f->read, sizeof f->read) == 0)
        return false;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    bool risen = fd >= 0 && parse(fd, &system, &timeline) && rises(f, system, timeline);
    if (fd >= 0) {
        f->read = st.st_mtim;
        close(fd);
    }
    if (risen) {
        f->system = system;
        f->timeline = timeline;
    }
    return risen;
}

static bool write_record(int fd, const struct db_fence *f)
{
    char text[RECORD + 1];
    int n =
        snprintf(text, sizeof text, "system %" PRIu64 " timeline %" PRIu32, f->system, f->timeline);
    memset(text + n, ' ', (size_t)(RECORD - n));
    text[RECORD - 1] = '\n';
    return pwrite(fd, text, RECORD, 0) == RECORD && fdatasync(fd) == 0;
}

/* Under a lock, so that of two workers the one who has seen more is last. */
static void keep(struct db_fence *f)
{
    uint64_t system;
    uint32_t timeline;
    int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && flock(fd, LOCK_EX) == 0;
    if (ok && parse(fd, &system, &timeline) && system == f->system && timeline >= f->timeline)
        f->timeline = timeline;
    else if (ok)
        ok = write_record(fd, f);
    if (!ok)
        BASE_LOG(WARN, "db_fence_not_kept", LOG_S("cause", strerror(errno)));
    if (fd >= 0)
        close(fd);
}

bool db_fence_pass(struct db_fence *f, uint64_t system, uint32_t timeline, bool write)
{
    (void)db_fence_look(f);
    if (!rises(f, system, timeline)) {
        bool same = db_fence_holds(f, system, timeline);
        f->bound |= same;
        return same;
    }
    if (f->system)
        BASE_LOG(WARN, "db_timeline", LOG_U("from", f->timeline), LOG_U("to", timeline));
    f->system = system;
    f->timeline = timeline;
    f->bound = true;
    if (write && f->path)
        keep(f);
    return timeline == f->timeline;
}

bool db_fence_holds(const struct db_fence *f, uint64_t system, uint32_t timeline)
{
    return system == f->system && timeline == f->timeline;
}
