/*
 * Moves a file of a watched folder once it was stored or refused. Anyone who writes into the folder
 * may put anything there at any time, even links: so no link is followed, nothing is overwritten,
 * and a file that turns out not to be the one that was read is moved back.
 */
#include "ingest/ingest_watch_priv.h"

#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COUNTED = 100, TRIES = 110 };

static bool is_free(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
}

/* A free name there, for a .txt as well. Files of the same name may have come before; if there are
 * many, it does not try all numbers. */
static int find_target(int folder, const char *name, bool explained, char *to, char *text)
{
    for (unsigned i = 0; i < TRIES; i++) {
        char number[24] = "";
        size_t most = INGEST_WATCH_NAME - 1 - (explained ? strlen(".txt") : 0);
        uint64_t random;
        base_random(&random, sizeof random);
        if (i && i < COUNTED)
            snprintf(number, sizeof number, ".%u", i);
        else if (i)
            snprintf(number, sizeof number, ".%016" PRIx64, random);
        snprintf(to, INGEST_WATCH_NAME, "%.*s%s", (int)(most - strlen(number)), name, number);
        snprintf(text, INGEST_WATCH_NAME + 4, "%s.txt", to);
        if (is_free(folder, to) && (!explained || is_free(folder, text)))
            return 0;
    }
    return EEXIST;
}

static int write_text(int folder, const char *name, const struct base_buf *text)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    int error = fd < 0 ? errno : 0;
    for (size_t at = 0; !error && at < text->n;) {
        ssize_t n = write(fd, text->p + at, text->n - at);
        if (n < 0 && errno != EINTR)
            error = errno;
        at += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0 && close(fd) && !error)
        error = errno;
    return error;
}

/* Some network file systems do not support it. */
int ingest_watch_rename(int from, const char *name, int to, const char *target)
{
    if (renameat2(from, name, to, target, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (!is_free(to, target))
        return EEXIST;
    return renameat(from, name, to, target) ? errno : 0;
}

static int move_into(int from, int to, const char *name, const struct ingest_watch_look *look,
                     const struct base_buf *text, char target[INGEST_WATCH_NAME])
{
    struct stat st;
    char beside[INGEST_WATCH_NAME + 4];
    int error = find_target(to, name, text, target, beside);
    if (!error && text)
        error = write_text(to, beside, text);
    if (error)
        return error;
    error = ingest_watch_rename(from, name, to, target);
    /* Which file was renamed is certain only afterwards. */
    if (!error &&
        (fstatat(to, target, &st, AT_SYMLINK_NOFOLLOW) || !ingest_watch_looks(&st, look))) {
        int back = ingest_watch_rename(to, target, from, name);
        error = back && back != EEXIST ? back : ESTALE;
    }
    if (error && text)
        unlinkat(to, beside, 0);
    return error;
}

int ingest_watch_move(int from, const char *sub, const char *name,
                      const struct ingest_watch_look *look, const struct base_buf *text,
                      char target[INGEST_WATCH_NAME])
{
    if (mkdirat(from, sub, 0755) && errno != EEXIST)
        return errno;
    int to = openat(from, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0)
        return errno;
    int error = move_into(from, to, name, look, text, target);
    close(to);
    return error;
}
