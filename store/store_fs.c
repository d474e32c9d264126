/* System calls, and loops around them. */
#include "store/store_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static int system_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

const struct store_fs store_fs_system = {
    .open = system_open,
    .write = write,
    .pread = pread,
    .pwritev = pwritev,
    .fallocate = fallocate,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .mkdir = mkdir,
    .unlink = unlink,
    .rename = rename,
    .statvfs = statvfs,
    .fsetxattr = fsetxattr,
};

enum base_err store_fs_mkdir(const struct store_fs *fs, const char *path)
{
    if (fs->mkdir(path, 0700) == 0 || errno == EEXIST)
        return BASE_OK;
    return base_err_from_errno(errno);
}

DIR *store_fs_open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

enum base_err store_fs_sync_folder(const struct store_fs *fs, const char *path)
{
    int fd = fs->open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return base_err_from_errno(errno);
    enum base_err err = fs->fsync(fd) == 0 ? BASE_OK : base_err_from_errno(errno);
    close(fd);
    return err;
}

int store_fs_create(const struct store_fs *fs, const char *path, bool *direct)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = fs->open(path, *direct ? flags | O_DIRECT : flags, 0600);
    if (fd < 0 && errno == EINVAL && *direct) {
        *direct = false;
        fd = fs->open(path, flags & ~O_EXCL, 0600); /* it may have made the file */
    }
    return fd;
}

void store_fs_leave_direct(int fd, bool *direct)
{
    int flags = fcntl(fd, F_GETFL);
    *direct = false;
    if (flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_DIRECT) != 0)
        BASE_LOG(WARN, "store_stays_direct", LOG_S("cause", strerrorname_np(errno)));
}

enum base_err store_fs_read(const struct store_fs *fs, int fd, void *p, size_t n, uint64_t at)
{
    uint8_t *to = p;
    while (n > 0) {
        ssize_t done = fs->pread(fd, to, n, (off_t)at);
        if (done > 0) {
            to += done;
            at += (uint64_t)done;
            n -= (size_t)done;
        } else if (done == 0) {
            return BASE_EIO;
        } else if (errno != EINTR) {
            return base_err_from_errno(errno);
        }
    }
    return BASE_OK;
}
