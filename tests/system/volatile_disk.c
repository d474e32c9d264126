/*
 * A disk with a write cache that loses its power: one file in a mounted folder, for a loop device.
 *
 *   volatile_disk IMAGE SEED FOLDER     serves FOLDER/disk, whose lasting content is IMAGE
 *
 * What is written stays in the cache, and reaches IMAGE when the file is synced, as a disk obeys a
 * flush. SIGUSR1 cuts the power: from then on nothing is written, synced or read any more. When
 * FOLDER is unmounted after that, of what was in the cache some blocks have reached IMAGE, some
 * have not and some in part, sector by sector, whatever the order in which they were written: a
 * file system may rely on what it flushed, and on nothing else. SEED chooses which, and how many:
 * none, all, or a share. Without a cut all of it lasts.
 *
 * "ready" on standard output when it can be mounted, "cut" when nothing lasts any more.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK = 4096,
    SECTOR = 512,
    FLUSH_US = 1000, /* so that most cuts find something in the cache */
};

static const char name[] = "/disk";
static int image;
static off_t size;
static uint8_t **cached; /* by block */
static size_t *dirty;    /* the numbers of those that are */
static size_t dirty_n;
static volatile sig_atomic_t is_cut;

static void cut(int signal_number)
{
    (void)signal_number;
    is_cut = 1;
    if (write(STDOUT_FILENO, "cut\n", 4) != 4)
        _exit(1);
}

static void last(size_t block, size_t from, size_t n)
{
    off_t at = (off_t)(block * BLOCK + from);
    if (pwrite(image, cached[block] + from, n, at) != (ssize_t)n) {
        perror("volatile_disk: image");
        _exit(1);
    }
}

static void forget(void)
{
    for (size_t i = 0; i < dirty_n; i++) {
        free(cached[dirty[i]]);
        cached[dirty[i]] = NULL;
    }
    dirty_n = 0;
}

static void flush_cache(void)
{
    for (size_t i = 0; i < dirty_n; i++)
        last(dirty[i], 0, BLOCK);
    forget();
}

/* What the disk had written of its cache by itself. */
static void survive(unsigned seed)
{
    size_t kept = 0, torn = 0;
    srandom(seed);
    long share = seed % 4 == 0 ? 0 : seed % 4 == 1 ? 100 : random() % 100;
    for (size_t i = 0; i < dirty_n; i++) {
        if (random() % 100 >= share)
            continue;
        if (random() % 8) {
            last(dirty[i], 0, BLOCK);
            kept++;
            continue;
        }
        for (size_t at = 0; at < BLOCK; at += SECTOR)
            if (random() % 2)
                last(dirty[i], at, SECTOR);
        torn++;
    }
    printf("of %zu blocks in the cache %zu lasted, %zu in part\n", dirty_n, kept, torn);
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *file)
{
    (void)file;
    memset(st, 0, sizeof *st);
    if (strcmp(path, "/") == 0) {
        st->st_mode = S_IFDIR | 0700;
        st->st_nlink = 2;
        return 0;
    }
    if (strcmp(path, name) != 0)
        return -ENOENT;
    st->st_mode = S_IFREG | 0600;
    st->st_nlink = 1;
    st->st_size = size;
    return 0;
}

static int open_disk(const char *path, struct fuse_file_info *file)
{
    file->direct_io = 1; /* the kernel keeps no copy of it */
    return strcmp(path, name) == 0 ? 0 : -ENOENT;
}

static int read_disk(const char *path, char *to, size_t n, off_t at, struct fuse_file_info *file)
{
    (void)path;
    (void)file;
    if (is_cut)
        return -EIO;
    if (at >= size)
        return 0;
    n = (off_t)n > size - at ? (size_t)(size - at) : n;
    if (pread(image, to, n, at) != (ssize_t)n)
        return -EIO;
    for (size_t done = 0; done < n;) {
        size_t block = ((size_t)at + done) / BLOCK, from = ((size_t)at + done) % BLOCK;
        size_t piece = BLOCK - from < n - done ? BLOCK - from : n - done;
        if (cached[block])
            memcpy(to + done, cached[block] + from, piece);
        done += piece;
    }
    return (int)n;
}

static int write_disk(const char *path, const char *data, size_t n, off_t at,
                      struct fuse_file_info *file)
{
    (void)path;
    (void)file;
    if (is_cut)
        return -EIO;
    if (at + (off_t)n > size)
        return -ENOSPC;
    for (size_t done = 0; done < n;) {
        size_t block = ((size_t)at + done) / BLOCK, from = ((size_t)at + done) % BLOCK;
        size_t piece = BLOCK - from < n - done ? BLOCK - from : n - done;
        if (!cached[block]) {
            uint8_t *p = malloc(BLOCK);
            if (!p || pread(image, p, BLOCK, (off_t)(block * BLOCK)) != BLOCK) {
                free(p);
                return -EIO;
            }
            cached[block] = p;
            dirty[dirty_n++] = block;
        }
        memcpy(cached[block] + from, data + done, piece);
        done += piece;
    }
    return (int)n;
}

static int sync_disk(const char *path, int data_only, struct fuse_file_info *file)
{
    (void)path;
    (void)data_only;
    (void)file;
    if (!is_cut)
        usleep(FLUSH_US); /* ended by the cut */
    if (is_cut)
        return -EIO;
    flush_cache();
    return 0;
}

static void *begin(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    (void)config;
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        _exit(1);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {.init = begin,
                                                      .getattr = get_attributes,
                                                      .open = open_disk,
                                                      .read = read_disk,
                                                      .write = write_disk,
                                                      .fsync = sync_disk};
    struct stat st;
    if (argc != 4 || (image = open(argv[1], O_RDWR | O_CLOEXEC)) < 0 || fstat(image, &st) != 0 ||
        st.st_size % BLOCK != 0) {
        fprintf(stderr, "usage: volatile_disk IMAGE SEED FOLDER (IMAGE of whole blocks)\n");
        return 2;
    }
    size = st.st_size;
    cached = calloc((size_t)(size / BLOCK), sizeof *cached);
    dirty = calloc((size_t)(size / BLOCK), sizeof *dirty);
    if (!cached || !dirty)
        return 1;
    signal(SIGUSR1, cut);
    /* One thread: a sync is over before the next write begins. */
    char *fuse[] = {argv[0], "-f", "-s", argv[3]};
    int status = fuse_main(4, fuse, &operations, NULL);
    if (is_cut)
        survive((unsigned)strtoul(argv[2], NULL, 10));
    else
        flush_cache();
    return status;
}
