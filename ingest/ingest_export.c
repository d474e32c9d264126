#include "ingest/ingest_export.h"

#include "ingest/ingest_file.h"
#include "store/store_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME = 128, PATH = 4200 };

/* The columns of export_objects. */
enum column {
    CENTRE,
    SOP_UID,
    VARIANT,
    SOP_CLASS,
    SYNTAX,
    LOCATION,
    SHA256,
    ORIGINAL_LOCATION,
    ORIGINAL_SHA256
};

struct export
{
    const char *data;
    const struct ingest_export *what;
    struct ingest_export_counts *counts;
    struct base_error *error;
    const struct db_rows *rows;
    size_t row;
};

static const char *text(const struct export *x, enum column column)
{
    return db_rows_text(x->rows, x->row, column);
}

static bool has_original(const struct export *x)
{
    return !db_rows_null(x->rows, x->row, ORIGINAL_LOCATION);
}

/* Safe as a path: the index guarantees that UIDs are digits and dots. */
static void path_of(const struct export *x, bool original, char out[PATH])
{
    char name[NAME];
    const char *dot = strrchr(text(x, original ? ORIGINAL_LOCATION : LOCATION), '.');
    int64_t variant = db_rows_int(x->rows, x->row, VARIANT);
    if (variant)
        snprintf(name, sizeof name, "%s-%lld", text(x, SOP_UID), (long long)variant + 1);
    else
        snprintf(name, sizeof name, "%s", text(x, SOP_UID));
    snprintf(out, PATH, "%s/%s%s", x->what->folder, name, dot ? dot : "");
}

static enum base_err refuse_existing(const struct export *x, bool original)
{
    char path[PATH];
    struct stat st;
    path_of(x, original, path);
    if (lstat(path, &st) == 0)
        return base_fail(x->error, BASE_EEXISTS, BASE_NOPOS, "%s exists already", path);
    return BASE_OK;
}

static enum base_err write_all(int fd, struct base_bytes bytes)
{
    while (bytes.n) {
        ssize_t done = write(fd, bytes.p, bytes.n);
        if (done < 0 && errno != EINTR)
            return base_err_from_errno(errno);
        if (done > 0)
            bytes = base_bytes_of(bytes.p + done, bytes.n - (size_t)done);
    }
    return BASE_OK;
}

static enum base_err write_piece(void *arg, struct base_bytes piece)
{
    return write_all(*(const int *)arg, piece);
}

/* An ordinary meta group, without our private information on where the object came from. */
static enum base_err write_meta(const struct ingest_file *f, int fd)
{
    struct base_buf meta = {0};
    dicom_part10_write_meta(&meta, f->part10.sop_class, f->part10.sop_instance,
                            f->part10.syntax->uid, NULL);
    enum base_err err = meta.err ? meta.err : write_all(fd, base_buf_bytes(&meta));
    base_buf_deinit(&meta);
    return err;
}

static enum base_err copy_to(struct ingest_file *f, int fd, const char *sha256)
{
    uint8_t sha[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    enum base_err err = f->is_dicom ? write_meta(f, fd) : BASE_OK;
    if (!err)
        err = ingest_file_digest(f, sha, write_piece, &fd);
    if (err)
        return err;
    base_hex(sha, sizeof sha, hex);
    return strcmp(hex, sha256) == 0 ? BASE_OK : BASE_EFORMAT;
}

static enum base_err copy(struct export *x, bool original)
{
    char path[PATH];
    struct ingest_file file;
    const char *location = text(x, original ? ORIGINAL_LOCATION : LOCATION);
    path_of(x, original, path);
    enum base_err err = ingest_file_open(x->data, location, !original, &file);
    if (err)
        return base_fail(x->error, err, BASE_NOPOS, "%s: %s", location, base_err_text(err));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        err = base_err_from_errno(errno);
    } else {
        err = copy_to(&file, fd, text(x, original ? ORIGINAL_SHA256 : SHA256));
        if (close(fd) != 0 && !err)
            err = base_err_from_errno(errno);
        if (err)
            unlink(path);
    }
    x->counts->bytes += file.size;
    ingest_file_close(&file);
    if (err == BASE_EFORMAT)
        return base_fail(x->error, err, BASE_NOPOS, "%s: its SHA-256 is not that of the index",
                         location);
    return err ? base_fail(x->error, err, BASE_NOPOS, "%s: %s", path, base_err_text(err)) : BASE_OK;
}

static enum base_err check_all(struct export *x)
{
    enum base_err err = BASE_OK;
    size_t n = db_rows_count(x->rows);
    if (n == 0)
        return base_fail(
            x->error, BASE_ENOTFOUND, BASE_NOPOS,
            "no study %s%s%s; `rdc worklist` has the UIDs of those that wait to be read",
            x->what->study_uid, x->what->centre ? " of the centre " : "",
            x->what->centre ? x->what->centre : "");
    if (strcmp(db_rows_text(x->rows, 0, CENTRE), db_rows_text(x->rows, n - 1, CENTRE)) != 0)
        return base_fail(x->error, BASE_ECONFLICT, BASE_NOPOS,
                         "several centres sent a study of this UID; say which: --centre CODE");
    if (mkdir(x->what->folder, 0777) != 0 && errno != EEXIST)
        return base_fail(x->error, base_err_from_errno(errno), BASE_NOPOS, "%s: %s",
                         x->what->folder, strerrordesc_np(errno));
    for (x->row = 0; x->row < n && !err; x->row++) {
        err = refuse_existing(x, false);
        if (!err && has_original(x))
            err = refuse_existing(x, true);
    }
    return err;
}

enum base_err ingest_export(struct db_sync *db, const char *data, const struct ingest_export *what,
                            struct ingest_export_counts *counts, struct base_error *error)
{
    struct export x = {.data = data, .what = what, .counts = counts, .error = error};
    struct db_param params[] = {db_text(what->study_uid), db_text(what->centre)};
    *counts = (struct ingest_export_counts){0};
    enum base_err err = db_sync_exec(db, DB_Q_EXPORT_OBJECTS, params, 2, &x.rows, error);
    if (!err)
        err = check_all(&x);
    for (x.row = 0; !err && x.row < db_rows_count(x.rows); x.row++) {
        err = copy(&x, false);
        counts->objects += !err;
        if (!err && has_original(&x)) {
            err = copy(&x, true);
            counts->originals += !err;
        }
    }
    return err;
}
