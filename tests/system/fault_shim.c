/*
 * Loaded before libc into a program under test: makes its syncs fail or slow,
 * and its wall clock wrong, as the files in the folder $RDC_TEST_SHIM say.
 *
 *   sync-fails   one in this many syncs of files returns EIO
 *   sync-ms      each sync of a file takes this much longer
 *   sync-nothing syncs of files succeed and do nothing
 *   clock-step   seconds that the wall clock is off
 *   list-fails   folders below one called "watched" open, but cannot be listed (ESTALE)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name)
{
    const char *folder = getenv("RDC_TEST_SHIM");
    char path[512];
    char text[32] = "";
    if (!folder)
        return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (syscall(SYS_read, fd, text, sizeof text - 1) < 0)
        text[0] = 0;
    syscall(SYS_close, fd);
    return strtol(text, NULL, 10);
}

static int sync_file(int fd, long how)
{
    static atomic_long calls;
    long one_in = setting("sync-fails");
    long ms = setting("sync-ms");
    if (ms)
        usleep((useconds_t)ms * 1000);
    if (setting("sync-nothing"))
        return 0;
    if (one_in && atomic_fetch_add(&calls, 1) % one_in == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(how, fd);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return (int)syscall(SYS_fsync, fd);
    return sync_file(fd, SYS_fsync);
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    static _Thread_local struct timespec read_at;
    static _Thread_local long step;
    struct timespec now;
    if (syscall(SYS_clock_gettime, id, out) != 0)
        return -1;
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
        return 0;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    if (now.tv_sec != read_at.tv_sec)
        step = setting("clock-step");
    read_at = now;
    out->tv_sec += step;
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

struct dirent *readdir(DIR *dir)
{
    static struct dirent *(*next)(DIR *);
    int before = errno;
    char name[64];
    char path[512];
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "readdir");
    snprintf(name, sizeof name, "/proc/self/fd/%d", dirfd(dir));
    ssize_t n = readlink(name, path, sizeof path - 1);
    if (n > 0 && setting("list-fails")) {
        path[n] = 0;
        if (strstr(path, "/watched/")) {
            errno = ESTALE;
            return NULL;
        }
    }
    errno = before; /* at the end of a folder it stays as it was */
    return next(dir);
}
