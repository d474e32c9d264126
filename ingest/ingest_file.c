#include "ingest/ingest_file.h"

#include "store/store_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAD = 16 << 10, /* our meta group is far smaller */
    PIECE = 1 << 20,
};

/* Up to n bytes from `at`, appended; fewer only at the end of the file. */
static enum base_err read_some(int fd, uint64_t at, size_t n, struct base_buf *out)
{
    uint8_t *to = base_buf_reserve(out, n);
    if (!to)
        return BASE_ENOMEM;
    while (n) {
        ssize_t done = pread(fd, to, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return base_err_from_errno(errno);
        if (done == 0)
            break;
        to += done;
        at += (uint64_t)done;
        out->n += (size_t)done;
        n -= (size_t)done;
    }
    return BASE_OK;
}

static enum base_err read_head(struct ingest_file *f)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return base_err_from_errno(errno);
    f->size = (uint64_t)st.st_size;
    enum base_err err = read_some(f->fd, 0, HEAD, &f->head);
    if (err || !f->is_dicom)
        return err;
    struct base_error error;
    if (dicom_part10_read(base_buf_bytes(&f->head), f->head.n == f->size, &f->part10, &error) !=
            DICOM_SCAN_DONE ||
        !f->part10.has_meta)
        return BASE_EFORMAT;
    return BASE_OK;
}

enum base_err ingest_file_open(const char *data, const char *location, bool is_dicom,
                               struct ingest_file *out)
{
    struct ingest_file f = {.is_dicom = is_dicom};
    struct base_buf path = {0};
    enum base_err err = store_tree_path(data, location, &path);
    if (!err) {
        f.fd = open(base_buf_cstr(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        err = f.fd < 0 ? base_err_from_errno(errno) : read_head(&f);
        if (err && f.fd >= 0)
            ingest_file_close(&f);
    }
    base_buf_deinit(&path);
    if (!err)
        *out = f;
    return err;
}

void ingest_file_close(struct ingest_file *f)
{
    close(f->fd);
    base_buf_deinit(&f->head);
}

enum base_err ingest_file_digest(struct ingest_file *f, uint8_t sha256[BASE_SHA256],
                                 enum base_err (*fn)(void *arg, struct base_bytes piece), void *arg)
{
    struct base_sha256 *sha = base_sha256_new();
    struct base_buf piece = {0};
    uint64_t at = f->is_dicom ? f->part10.dataset : 0;
    enum base_err err = sha ? BASE_OK : BASE_ENOMEM;
    while (!err && at < f->size) {
        base_buf_reset(&piece);
        err = read_some(f->fd, at, PIECE, &piece);
        if (!err && piece.n == 0)
            err = BASE_EIO;
        if (err)
            break;
        base_sha256_add(sha, piece.p, piece.n);
        at += piece.n;
        if (fn)
            err = fn(arg, base_buf_bytes(&piece));
    }
    if (!err)
        base_sha256_end(sha, sha256);
    base_buf_deinit(&piece);
    base_sha256_free(sha);
    return err;
}
