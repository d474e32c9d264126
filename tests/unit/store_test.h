/* A throw-away data folder, a store in it, and system calls that fail on
 * demand; for the tests of store/. */
#ifndef STORE_TEST_H
#define STORE_TEST_H

#include "base/log.h"
#include "store/store.h"
#include "store/store_priv.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

enum fault_call {
    FAULT_OPEN,
    FAULT_WRITE,
    FAULT_PREAD,
    FAULT_FALLOCATE,
    FAULT_FDATASYNC,
    FAULT_FSYNC,
    FAULT_MKDIR,
    FAULT_UNLINK,
    FAULT_RENAME,
    FAULT_STATVFS,
    FAULT_XATTR,
    FAULT_CALLS
};

/* The at-th call from now (1 = next) of this kind fails with errnum; 0 = none. */
static struct {
    atomic_int calls[FAULT_CALLS];
    enum fault_call kind;
    atomic_int at;
    int errnum;
    bool short_writes;
    bool attributes; /* the file system has extended ones */
    uint64_t space;  /* answered by statvfs, in blocks of one byte */
} faults;

static bool fault_hit(enum fault_call kind)
{
    atomic_fetch_add(&faults.calls[kind], 1);
    if (kind != faults.kind || atomic_load(&faults.at) == 0 || atomic_fetch_sub(&faults.at, 1) != 1)
        return false;
    errno = faults.errnum;
    return true;
}

static int fault_open(const char *path, int flags, mode_t mode)
{
    return fault_hit(FAULT_OPEN) ? -1 : store_fs_system.open(path, flags, mode);
}

static ssize_t fault_write(int fd, const void *p, size_t n)
{
    if (fault_hit(FAULT_WRITE))
        return -1;
    return write(fd, p, faults.short_writes && n > 1 ? n / 2 : n);
}

static ssize_t fault_pread(int fd, void *p, size_t n, off_t at)
{
    return fault_hit(FAULT_PREAD) ? -1 : pread(fd, p, n, at);
}

/* Counts as a write. */
static ssize_t fault_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (fault_hit(FAULT_WRITE))
        return -1;
    if (faults.short_writes && iov->iov_len > 1)
        return pwrite(fd, iov->iov_base, iov->iov_len / 2, at);
    return pwritev(fd, iov, n, at);
}

static int fault_fallocate(int fd, int mode, off_t at, off_t n)
{
    return fault_hit(FAULT_FALLOCATE) ? -1 : fallocate(fd, mode, at, n);
}

static int fault_fdatasync(int fd)
{
    return fault_hit(FAULT_FDATASYNC) ? -1 : fdatasync(fd);
}

static int fault_fsync(int fd)
{
    return fault_hit(FAULT_FSYNC) ? -1 : fsync(fd);
}

static int fault_mkdir(const char *path, mode_t mode)
{
    return fault_hit(FAULT_MKDIR) ? -1 : mkdir(path, mode);
}

static int fault_unlink(const char *path)
{
    return fault_hit(FAULT_UNLINK) ? -1 : unlink(path);
}

static int fault_rename(const char *from, const char *to)
{
    return fault_hit(FAULT_RENAME) ? -1 : rename(from, to);
}

static int fault_statvfs(const char *path, struct statvfs *out)
{
    if (fault_hit(FAULT_STATVFS))
        return -1;
    if (statvfs(path, out) != 0)
        return -1;
    if (faults.space) {
        out->f_frsize = 1;
        out->f_bavail = faults.space;
    }
    return 0;
}

static int fault_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags)
{
    if (!faults.attributes) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return fault_hit(FAULT_XATTR) ? -1 : fsetxattr(fd, name, value, n, flags);
}

static const struct store_fs fault_fs = {
    .open = fault_open,
    .write = fault_write,
    .pread = fault_pread,
    .pwritev = fault_pwritev,
    .fallocate = fault_fallocate,
    .fdatasync = fault_fdatasync,
    .fsync = fault_fsync,
    .mkdir = fault_mkdir,
    .unlink = fault_unlink,
    .rename = fault_rename,
    .statvfs = fault_statvfs,
    .fsetxattr = fault_fsetxattr,
};

static inline void fail_call(enum fault_call kind, int at, int errnum)
{
    faults.kind = kind;
    faults.errnum = errnum;
    atomic_store(&faults.at, at);
}

static bool use_segments; /* of the stores that are opened next */
static char data_dir[64];
static struct loop *loop;
static struct store *store;

static inline struct store *open_store(const struct store_config *config)
{
    struct store_config c = config ? *config : (struct store_config){0};
    struct store *s = NULL;
    if (!c.fs)
        c.fs = &fault_fs;
    c.files_only = !use_segments;
    ck_assert_int_eq(store_open(loop, data_dir, 3, &c, &s), BASE_OK);
    return s;
}

static inline void set_up_folder(void)
{
    memset(&faults, 0, sizeof faults);
    snprintf(data_dir, sizeof data_dir, "/tmp/rdc-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(data_dir));
}

static inline void set_up_store(void)
{
    struct loop_options o = {.disk_threads = 4, .cpu_threads = 1};
    ck_assert_int_eq(loop_new(&o, &loop), BASE_OK);
    store = open_store(NULL);
}

static inline void set_up(void)
{
    set_up_folder();
    set_up_store();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void tear_down(void)
{
    store_close(store);
    loop_run(loop);
    loop_free(loop);
    nftw(data_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int files_seen;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    files_seen += type == FTW_F && path[at->base] != '.';
    return 0;
}

/* Regular files below data_dir/sub whose name does not begin with a dot. */
static inline int count_files(const char *sub)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", data_dir, sub);
    files_seen = 0;
    nftw(path, count_one, 16, FTW_PHYS);
    return files_seen;
}

/* What a finished put told. */
struct told {
    int times;
    enum base_err err;
    struct store_object object;
};

static inline void tell(void *arg, enum base_err err, const struct store_object *object)
{
    struct told *t = arg;
    t->times++;
    t->err = err;
    if (object)
        t->object = *object;
    ck_assert_int_eq(object == NULL, err != BASE_OK);
}

static inline struct told put_text(struct store *s, const char *text)
{
    struct told t = {0};
    t.err = store_put_mem(s, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0), base_bytes_str(text),
                          tell, &t);
    if (!t.err) {
        loop_run(loop);
        ck_assert_int_eq(t.times, 1);
    }
    return t;
}

#endif
