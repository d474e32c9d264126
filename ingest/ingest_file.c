#include "ingest/ingest_file.h"

#include <errno.h>
#include <unistd.h>

enum {
    HEAD = 16 << 10, /* our meta group is far smaller */
    PIECE = 1 << 20,
};

/* Up to n bytes from `at`, appended; fewer only at the end of the object. */
static enum base_err read_some(const struct ingest_file *f, uint64_t at, size_t n,
                               struct base_buf *out)
{
    uint64_t rest = at < f->size ? f->size - at : 0;
    n = rest < n ? (size_t)rest : n;
    uint8_t *to = base_buf_reserve(out, n);
    if (!to)
        return BASE_ENOMEM;
    while (n) {
        ssize_t done = pread(f->at.fd, to, n, (off_t)(f->at.base + at));
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
    enum base_err err = read_some(f, 0, HEAD, &f->head);
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
    enum base_err err = store_tree_object_open(data, location, &f.at);
    if (err)
        return err;
    f.size = f.at.size;
    err = read_head(&f);
    if (err)
        ingest_file_close(&f);
    else
        *out = f;
    return err;
}

void ingest_file_close(struct ingest_file *f)
{
    close(f->at.fd);
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
        err = read_some(f, at, PIECE, &piece);
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
