#include "store/store_record.h"

#include "base/clock.h"
#include "store/store_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, LIVE = 1, REMOVED = 2, CHECKED = STORE_RECORD_HEAD - BASE_SHA256 };

static const uint8_t magic[8] = {'r', 'd', 'c', '-', 'r', 'e', 'c', '\n'};

_Static_assert(sizeof(((struct store_walk *)0)->block) == STORE_ALIGN, "one block");

/* ---- locations ---- */

static bool read_number(const char **s, char end, uint64_t *out)
{
    char *stop;
    if (**s < '0' || **s > '9')
        return false;
    errno = 0;
    *out = strtoull(*s, &stop, 10);
    if (errno || *stop != end)
        return false;
    *s = stop + 1;
    return true;
}

bool store_is_segment(const char *name)
{
    size_t n = strspn(name + (name[0] == 's'), "0123456789");
    return name[0] == 's' && n > 0 && n <= 10 && name[n + 1] == 0;
}

bool store_place_of(const char *location, struct store_place *out)
{
    char segment[STORE_LOCATION];
    if (!store_location_valid(location))
        return false;
    const char *last = strrchr(location, '/') + 1;
    *out = (struct store_place){0};
    snprintf(out->file, sizeof out->file, "%.*s", (int)(last - location - 1), location);
    snprintf(segment, sizeof segment, "%s", strchr(out->file, '/') + 1);
    out->is_record = store_is_segment(segment);
    if (!out->is_record) {
        snprintf(out->file, sizeof out->file, "%s", location);
        return true;
    }
    return strlen(out->file) < STORE_PLACE && read_number(&last, '-', &out->at) &&
           read_number(&last, '.', &out->size) && out->at % STORE_ALIGN == 0 &&
           out->at <= INT64_MAX / 2 && out->size <= INT64_MAX / 2;
}

uint64_t store_record_room(uint64_t size)
{
    return STORE_ALIGN + (size + STORE_ALIGN - 1) / STORE_ALIGN * STORE_ALIGN;
}

static void path_below(const char *root, const char *file, char out[STORE_PATH])
{
    snprintf(out, STORE_PATH, "%s/%s", root, file);
}

/* ---- the header block ---- */

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | p[n];
    return v;
}

void store_record_write(const struct store_record *r, uint8_t *block)
{
    memset(block, 0, STORE_ALIGN);
    memcpy(block, magic, sizeof magic);
    put_le(block + 8, VERSION, 4);
    put_le(block + 12, r->removed ? REMOVED : LIVE, 4);
    put_le(block + 16, r->size, 8);
    put_le(block + 24, r->digested, 8);
    memcpy(block + 32, r->sha256, BASE_SHA256);
    put_le(block + 64, (uint64_t)r->written_us, 8);
    memcpy(block + 72, r->location, strlen(r->location));
    base_sha256_once(block, CHECKED, block + CHECKED);
}

static bool is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* BASE_ENOTFOUND: zeros. BASE_EUNSUPPORTED: of a later version. BASE_EFORMAT:
 * no record of `file` at `at`. block: STORE_RECORD_HEAD bytes and n in all. */
static enum base_err read_record(const uint8_t *block, size_t n, const char *file, uint64_t at,
                                 struct store_record *out)
{
    uint8_t sha[BASE_SHA256];
    struct store_place place;
    if (is_zero(block, n))
        return BASE_ENOTFOUND;
    if (n < STORE_RECORD_HEAD || memcmp(block, magic, sizeof magic) != 0)
        return BASE_EFORMAT;
    base_sha256_once(block, CHECKED, sha);
    if (memcmp(sha, block + CHECKED, sizeof sha) != 0 || block[72 + STORE_LOCATION - 1])
        return BASE_EFORMAT;
    if (get_le(block + 8, 4) != VERSION)
        return BASE_EUNSUPPORTED;
    *out = (struct store_record){
        .removed = get_le(block + 12, 4) == REMOVED,
        .size = get_le(block + 16, 8),
        .digested = get_le(block + 24, 8),
        .written_us = (int64_t)get_le(block + 64, 8),
    };
    memcpy(out->sha256, block + 32, BASE_SHA256);
    memcpy(out->location, block + 72, STORE_LOCATION);
    bool right = store_place_of(out->location, &place) && place.is_record && place.at == at &&
                 place.size == out->size && strcmp(place.file, file) == 0 &&
                 out->digested <= out->size;
    return right ? BASE_OK : BASE_EFORMAT;
}

/* Up to n bytes; fewer only at the end of the file. */
static enum base_err read_some(const struct store_fs *fs, int fd, uint8_t *p, size_t n, uint64_t at,
                               size_t *got)
{
    *got = 0;
    while (*got < n) {
        ssize_t done = fs->pread(fd, p + *got, n - *got, (off_t)(at + *got));
        if (done == 0)
            break;
        if (done > 0)
            *got += (size_t)done;
        else if (errno != EINTR)
            return base_err_from_errno(errno);
    }
    return BASE_OK;
}

static enum base_err open_file(const struct store_fs *fs, const char *root, const char *file,
                               int flags, int *fd, uint64_t *size, int64_t *mtime_us)
{
    char path[STORE_PATH];
    struct stat st;
    path_below(root, file, path);
    int f = fs->open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0);
    if (f < 0)
        return errno == ENOTDIR ? BASE_ENOTFOUND : base_err_from_errno(errno);
    if (fstat(f, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(f);
        return BASE_EIO;
    }
    *fd = f;
    *size = (uint64_t)st.st_size;
    *mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    return BASE_OK;
}

/* Of the object at a place whose segment is open. */
static enum base_err read_header(const struct store_fs *fs, int fd, const struct store_place *p,
                                 const char *location, struct store_record *out)
{
    uint8_t head[STORE_RECORD_HEAD];
    size_t n;
    enum base_err err = read_some(fs, fd, head, sizeof head, p->at, &n);
    if (!err)
        err = read_record(head, n, p->file, p->at, out);
    if (!err && strcmp(out->location, location) != 0)
        err = BASE_EFORMAT;
    if (!err && out->removed)
        err = BASE_ENOTFOUND;
    return err;
}

enum base_err store_span_open(const struct store_fs *fs, const char *root, const char *location,
                              struct store_span *out)
{
    struct store_place p;
    struct store_span s = {.fd = -1};
    if (!store_place_of(location, &p))
        return BASE_EINVAL;
    enum base_err err = open_file(fs, root, p.file, O_RDONLY, &s.fd, &s.size, &s.written_us);
    if (err)
        return err;
    if (p.is_record) {
        uint64_t file_size = s.size;
        s.base = p.at + STORE_ALIGN;
        s.size = p.size;
        err = read_header(fs, s.fd, &p, location, &s.record);
        if (s.record.written_us < s.written_us)
            s.written_us = s.record.written_us;
        if (!err && file_size < s.base + s.size)
            err = BASE_EFORMAT;
    }
    if (err)
        close(s.fd);
    else
        *out = s;
    return err;
}

int64_t store_object_age(const struct store_fs *fs, const char *root, const char *location)
{
    struct store_span s;
    if (store_span_open(fs, root, location, &s))
        return -1;
    close(s.fd);
    return (base_clock_wall_us() - s.written_us) / 1000000;
}

/* ---- giving back space ---- */

static bool has_data(int fd)
{
    return lseek(fd, 0, SEEK_DATA) >= 0 || errno != ENXIO;
}

/* On a file system without holes, a mark says that the record is removed. */
static enum base_err mark_removed(const struct store_fs *fs, int fd, const struct store_place *p,
                                  const char *location)
{
    uint8_t block[STORE_ALIGN];
    struct store_record r = {.removed = true, .size = p->size};
    snprintf(r.location, sizeof r.location, "%s", location);
    store_record_write(&r, block);
    if (lseek(fd, (off_t)p->at, SEEK_SET) < 0)
        return base_err_from_errno(errno);
    ssize_t n = fs->write(fd, block, sizeof block);
    return n == (ssize_t)sizeof block ? BASE_OK : n < 0 ? base_err_from_errno(errno) : BASE_EIO;
}

static enum base_err erase_record(const struct store_fs *fs, const char *root,
                                  const struct store_place *p, const char *location,
                                  enum store_erase how, bool sealed)
{
    int fd;
    uint64_t size;
    int64_t mtime;
    struct store_record r;
    char path[STORE_PATH];
    enum base_err err = open_file(fs, root, p->file, O_RDWR, &fd, &size, &mtime);
    if (err)
        return err;
    if (how == STORE_ERASE_KNOWN)
        err = read_header(fs, fd, p, location, &r);
    if (!err && fs->fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)p->at,
                              (off_t)store_record_room(p->size)) != 0)
        err = errno == EOPNOTSUPP || errno == ENOSYS ? mark_removed(fs, fd, p, location)
                                                     : base_err_from_errno(errno);
    path_below(root, p->file, path);
    if (!err && sealed && !has_data(fd) && fs->unlink(path) != 0 && errno != ENOENT)
        err = base_err_from_errno(errno);
    close(fd);
    return err;
}

enum base_err store_object_erase(const struct store_fs *fs, const char *root, const char *location,
                                 enum store_erase how, bool sealed)
{
    struct store_place p;
    char path[STORE_PATH];
    if (!store_place_of(location, &p))
        return BASE_EINVAL;
    if (p.is_record)
        return erase_record(fs, root, &p, location, how, sealed);
    path_below(root, p.file, path);
    return fs->unlink(path) == 0 ? BASE_OK : base_err_from_errno(errno);
}

/* ---- what nobody knows ---- */

static enum base_err copy_out(const struct store_fs *fs, const struct store_span *from, int to)
{
    uint8_t piece[16 << 10];
    enum base_err err = BASE_OK;
    for (uint64_t at = 0; at < from->size && !err;) {
        uint64_t rest = from->size - at;
        size_t n = rest < sizeof piece ? (size_t)rest : sizeof piece;
        err = store_fs_read(fs, from->fd, piece, n, from->base + at);
        for (size_t done = 0; done < n && !err;) {
            ssize_t w = fs->write(to, piece + done, n - done);
            if (w > 0)
                done += (size_t)w;
            else if (w == 0 || errno != EINTR)
                err = w == 0 ? BASE_EIO : base_err_from_errno(errno);
        }
        at += n;
    }
    if (!err && fs->fdatasync(to) != 0)
        err = base_err_from_errno(errno);
    return err;
}

/* The copy and its name are on the disk before the record is removed. */
static enum base_err lose_record(const struct store_fs *fs, const char *root, const char *location,
                                 const char *folder, const char *to)
{
    struct store_span s;
    enum base_err err = store_span_open(fs, root, location, &s);
    if (err)
        return err;
    int fd = fs->open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    err = fd < 0 ? base_err_from_errno(errno) : copy_out(fs, &s, fd);
    close(s.fd);
    if (fd >= 0)
        close(fd);
    if (!err)
        err = store_fs_sync_folder(fs, folder);
    if (!err)
        err = store_object_erase(fs, root, location, STORE_ERASE_KNOWN, false);
    else if (fd >= 0)
        fs->unlink(to);
    return err;
}

enum base_err store_object_lose(const struct store_fs *fs, const char *data, const char *location)
{
    char root[STORE_PATH];
    char from[2 * STORE_PATH];
    char folder[STORE_PATH];
    char to[STORE_PATH];
    char name[STORE_LOCATION];
    struct stat st;
    struct store_place p;
    if (!store_place_of(location, &p))
        return BASE_EINVAL;
    snprintf(folder, sizeof folder, "%s/lost", data);
    enum base_err err = store_fs_mkdir(fs, folder);
    if (err)
        return err;
    snprintf(name, sizeof name, "%s", location);
    for (char *slash; (slash = strchr(name, '/'));)
        *slash = '-';
    int n = snprintf(to, sizeof to, "%s/lost/%s", data, name);
    if (lstat(to, &st) == 0) { /* lost before, put back by a person, and unknown again */
        uint8_t random[8];
        base_random(random, sizeof random);
        to[n++] = '-';
        base_hex(random, sizeof random, to + n);
    }
    snprintf(root, sizeof root, "%s/store", data);
    if (p.is_record)
        return lose_record(fs, root, location, folder, to);
    snprintf(from, sizeof from, "%s/%s", root, p.file);
    return fs->rename(from, to) == 0 ? BASE_OK : base_err_from_errno(errno);
}

/* ---- walking ---- */

enum base_err store_walk_open(const struct store_fs *fs, const char *root, const char *file,
                              struct store_walk *out)
{
    *out = (struct store_walk){.fs = fs, .fd = -1};
    snprintf(out->file, sizeof out->file, "%s", file);
    enum base_err err = open_file(fs, root, file, O_RDONLY, &out->fd, &out->size, &out->changed_us);
    if (!err) /* reading ahead of a writer would only fill the cache with zeros */
        (void)posix_fadvise(out->fd, 0, 0, POSIX_FADV_RANDOM);
    return err;
}

void store_walk_close(struct store_walk *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

/* The next block that may hold something; the end of the file otherwise. */
static void skip_hole(struct store_walk *w)
{
    off_t data = lseek(w->fd, (off_t)w->at, SEEK_DATA);
    if (data < 0)
        w->at = errno == ENXIO ? w->size : w->at;
    else if ((uint64_t)data > w->at)
        w->at = (uint64_t)data / STORE_ALIGN * STORE_ALIGN;
}

static void note_end(struct store_walk *w)
{
    if (w->at > w->size)
        w->at = w->size;
    w->end = w->at;
}

static void pass_torn(struct store_walk *w)
{
    if (!w->torn || w->end != w->at)
        w->torn_at = w->at;
    w->torn = true;
    w->at += STORE_ALIGN;
    note_end(w);
}

enum base_err store_walk_next(struct store_walk *w, struct store_record *out, bool *found)
{
    *found = false;
    for (;;) {
        size_t n;
        skip_hole(w);
        if (w->at >= w->size || w->later)
            return BASE_OK;
        enum base_err err = read_some(w->fs, w->fd, w->block, sizeof w->block, w->at, &n);
        if (err)
            return err;
        err = read_record(w->block, n, w->file, w->at, out);
        if (err == BASE_ENOTFOUND) {
            w->at += STORE_ALIGN;
        } else if (err == BASE_EUNSUPPORTED) {
            w->later = true;
            w->torn_at = w->at;
        } else if (err) {
            pass_torn(w);
        } else {
            w->at += store_record_room(out->size);
            note_end(w);
            *found = !out->removed;
            if (*found)
                return BASE_OK;
        }
    }
}

enum base_err store_segment_trim(const struct store_fs *fs, const char *root, const char *file,
                                 bool *gone)
{
    char path[STORE_PATH];
    struct store_walk *w = malloc(sizeof *w);
    struct store_record r;
    bool any = false;
    bool found = true;
    *gone = false;
    if (!w)
        return BASE_ENOMEM;
    enum base_err err = store_walk_open(fs, root, file, w);
    while (!err && found) {
        err = store_walk_next(w, &r, &found);
        any |= found;
    }
    path_below(root, file, path);
    if (!err && !any && !w->torn && !w->later) {
        err = fs->unlink(path) == 0 ? BASE_OK : base_err_from_errno(errno);
        *gone = !err;
    } else if (!err && !w->later && w->end < w->size && truncate(path, (off_t)w->end) != 0) {
        err = base_err_from_errno(errno);
    }
    store_walk_close(w);
    free(w);
    return err;
}
