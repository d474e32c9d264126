#include "ingest/ingest_fsck.h"

#include "ingest/ingest_file.h"
#include "store/store_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KNOWN_BATCH = 500,
    ROWS_BATCH = 500,
    /* A dead worker's transaction may still be running in the database. */
    GRACE_SECONDS = 120,
};

struct fsck {
    struct db_sync *db;
    const char *data;
    const struct ingest_fsck_ops *ops;
    struct ingest_fsck_counts *counts;
    struct base_error *error;
};

const char *ingest_fsck_state_text(enum ingest_fsck_state state)
{
    static const char *const texts[] = {"open", "queued", "repaired", "note"};
    return texts[state];
}

static void find(struct fsck *f, const char *kind, const char *subject,
                 enum ingest_fsck_state state, const char *detail)
{
    struct ingest_fsck_finding finding = {
        .kind = kind, .subject = subject, .detail = detail, .state = state};
    f->counts->findings[state]++;
    f->ops->finding(f->ops->arg, &finding);
}

/* ---- every row has its file ---- */

/* Copied from the rows, since a repair calls the database meanwhile. */
struct object {
    int64_t id;
    char location[STORE_LOCATION];
    char sha256[BASE_SHA256_HEX];
    uint64_t size;
    bool is_dicom;
};

static enum base_err count_piece(void *arg, struct base_bytes piece)
{
    struct fsck *f = arg;
    f->counts->bytes += piece.n;
    f->ops->progress(f->ops->arg, f->counts);
    return BASE_OK;
}

/* A file that another user, or a later fsck, may be able to read is not lost. */
static bool is_lost(enum base_err err)
{
    return err != BASE_EDENIED && err != BASE_ENOMEM;
}

/* NULL when the file is what the row says. */
static const char *wrong_with(struct fsck *f, const struct object *o, const char **kind, bool *lost)
{
    struct ingest_file file;
    uint8_t sha[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    enum base_err err = ingest_file_open(f->data, o->location, o->is_dicom, &file);
    *kind = err == BASE_ENOTFOUND ? "file_missing" : "file_unreadable";
    *lost = is_lost(err);
    if (err == BASE_EFORMAT)
        *kind = "file_damaged";
    if (err)
        return err == BASE_ENOTFOUND ? "the index knows it, the store does not have it"
               : err == BASE_EFORMAT ? "it does not begin as a file of the store"
                                     : base_err_text(err);
    bool same_size = file.size == o->size;
    err = same_size ? ingest_file_digest(&file, sha, count_piece, f) : BASE_OK;
    ingest_file_close(&file);
    *lost = is_lost(err);
    if (err)
        return base_err_text(err);
    *kind = "file_damaged";
    if (!same_size)
        return "its size is not that of the index";
    base_hex(sha, sizeof sha, hex);
    return strcmp(hex, o->sha256) == 0 ? NULL : "its SHA-256 is not that of the index";
}

static enum base_err check_object(struct fsck *f, const struct object *o)
{
    const char *kind;
    const struct db_rows *rows;
    f->counts->objects++;
    f->ops->progress(f->ops->arg, f->counts);
    bool lost;
    const char *wrong = wrong_with(f, o, &kind, &lost);
    if (wrong && !lost)
        find(f, kind, o->location, INGEST_FSCK_OPEN, wrong);
    if (!wrong || !lost)
        return BASE_OK;
    enum base_err err =
        db_sync_exec(f->db, DB_Q_INTEGRITY_RERENDER,
                     (struct db_param[]){db_int(o->id), db_text(o->location)}, 2, &rows, f->error);
    if (!err && !db_rows_null(rows, 0, 0))
        find(f, kind, o->location, db_rows_bool(rows, 0, 0) ? INGEST_FSCK_QUEUED : INGEST_FSCK_OPEN,
             wrong);
    return err;
}

static size_t copy_rows(const struct db_rows *rows, struct object *out)
{
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n && i < ROWS_BATCH; i++) {
        struct object *o = &out[i];
        o->id = db_rows_int(rows, i, 0);
        snprintf(o->location, sizeof o->location, "%s", db_rows_text(rows, i, 1));
        snprintf(o->sha256, sizeof o->sha256, "%s", db_rows_text(rows, i, 2));
        o->size = (uint64_t)db_rows_int(rows, i, 3);
        o->is_dicom = db_rows_bool(rows, i, 4);
    }
    return n < ROWS_BATCH ? n : ROWS_BATCH;
}

static enum base_err check_rows(struct fsck *f)
{
    const struct db_rows *rows;
    struct object *batch = calloc(ROWS_BATCH, sizeof *batch);
    int64_t after = 0;
    size_t n = ROWS_BATCH;
    enum base_err err = batch ? BASE_OK : BASE_ENOMEM;
    while (!err && n == ROWS_BATCH) {
        err = db_sync_exec(f->db, DB_Q_INTEGRITY_OBJECTS, (struct db_param[]){db_int(after)}, 1,
                           &rows, f->error);
        n = err ? 0 : copy_rows(rows, batch);
        for (size_t i = 0; i < n && !err; i++)
            err = check_object(f, &batch[i]);
        if (n)
            after = batch[n - 1].id;
    }
    free(batch);
    return err;
}

/* ---- every file has its row ---- */

struct known_batch {
    size_t n;
    struct store_tree_file files[KNOWN_BATCH];
    const char *locations[KNOWN_BATCH];
    const char *known[KNOWN_BATCH]; /* sorted; borrowed from the rows */
    size_t known_n;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void lose(struct fsck *f, const struct store_tree_file *file)
{
    enum base_err err = store_tree_lose(f->data, file->location);
    if (err == BASE_ENOTFOUND)
        return; /* gone by now: a duplicate, or not acknowledged after all */
    const char *text = "no row names it, its worker is dead: moved to lost/";
    if (err == BASE_ECONFLICT)
        text = "no row names it; a worker looks at what that dead one left: run fsck once more";
    else if (err)
        text = base_err_text(err);
    find(f, "file_unknown", file->location, err ? INGEST_FSCK_OPEN : INGEST_FSCK_REPAIRED, text);
}

static void judge_unknown(struct fsck *f, const struct store_tree_file *file)
{
    if (file->alive && file->age_s > GRACE_SECONDS)
        find(f, "file_unacknowledged", file->location, INGEST_FSCK_NOTE,
             "no row names it, but its worker runs; the sweep after its end decides");
    else if (file->alive)
        f->counts->in_flight++;
    else if (file->age_s < GRACE_SECONDS)
        find(f, "file_young", file->location, INGEST_FSCK_NOTE,
             "no row names it; its worker died less than two minutes ago");
    else
        lose(f, file);
}

/* Looks the whole batch up in the index. */
static enum base_err judge(struct fsck *f, struct known_batch *b)
{
    const struct db_rows *rows;
    struct base_buf scratch = {0};
    for (size_t i = 0; i < b->n; i++)
        b->locations[i] = b->files[i].location;
    struct db_param param = db_text_array(&scratch, b->locations, b->n);
    enum base_err err = db_sync_exec(f->db, DB_Q_INTEGRITY_KNOWN, &param, 1, &rows, f->error);
    base_buf_deinit(&scratch);
    if (err)
        return err;
    b->known_n = db_rows_count(rows);
    for (size_t i = 0; i < b->known_n && i < KNOWN_BATCH; i++)
        b->known[i] = db_rows_text(rows, i, 0);
    qsort(b->known, b->known_n, sizeof b->known[0], compare);
    for (size_t i = 0; i < b->n; i++)
        if (!bsearch(&b->locations[i], b->known, b->known_n, sizeof b->known[0], compare))
            judge_unknown(f, &b->files[i]);
    b->n = 0;
    return BASE_OK;
}

static enum base_err check_files(struct fsck *f, struct known_batch *b)
{
    struct store_tree *tree;
    bool found = true;
    enum base_err err = store_tree_open(f->data, &tree);
    if (err)
        return base_fail(f->error, err, BASE_NOPOS, "%s/store: %s", f->data, base_err_text(err));
    while (!err && found) {
        struct store_tree_file *file = &b->files[b->n];
        err = store_tree_next(tree, file, &found);
        if (err) {
            base_fail(f->error, err, BASE_NOPOS, "%s/store: %s", f->data, base_err_text(err));
        } else if (found && file->torn) {
            find(f, "segment_torn", file->location, INGEST_FSCK_NOTE,
                 "bytes that are no object: a write that was cut off before it was acknowledged");
        } else if (found && file->strange) {
            find(f, "file_strange", file->location, INGEST_FSCK_NOTE, "rdc did not put it there");
        } else if (found) {
            f->counts->files++;
            f->ops->progress(f->ops->arg, f->counts);
            if (++b->n == KNOWN_BATCH)
                err = judge(f, b);
        }
    }
    if (!err && b->n)
        err = judge(f, b);
    f->counts->alive = store_tree_alive(tree);
    store_tree_close(tree);
    return err;
}

/* ---- the index itself ---- */

static bool is_repaired_by_job(const char *kind)
{
    return strcmp(kind, "metadata_missing") == 0 || strcmp(kind, "report_unrendered") == 0;
}

static enum base_err check_index(struct fsck *f)
{
    const struct db_rows *rows;
    bool repair = false;
    enum base_err err = db_sync_exec(f->db, DB_Q_INTEGRITY_FINDINGS, NULL, 0, &rows, f->error);
    size_t n = err ? 0 : db_rows_count(rows);
    for (size_t i = 0; i < n; i++) {
        const char *kind = db_rows_text(rows, i, 0);
        enum ingest_fsck_state state =
            db_rows_bool(rows, i, 3) ? INGEST_FSCK_OPEN : INGEST_FSCK_NOTE;
        if (is_repaired_by_job(kind))
            state = INGEST_FSCK_QUEUED;
        else if (strcmp(kind, "job_orphan") == 0 || strcmp(kind, "exam_miscounted") == 0)
            state = INGEST_FSCK_REPAIRED;
        repair |= state == INGEST_FSCK_QUEUED || state == INGEST_FSCK_REPAIRED;
        find(f, kind, db_rows_text(rows, i, 1), state, db_rows_text(rows, i, 2));
    }
    if (!err && repair)
        err = db_sync_exec(f->db, DB_Q_INTEGRITY_REPAIR, NULL, 0, NULL, f->error);
    return err;
}

enum base_err ingest_fsck_store(struct db_sync *db, const char *data, struct base_error *error)
{
    const struct db_rows *rows;
    enum base_err found = BASE_ENOTFOUND;
    enum base_err err = db_sync_exec(db, DB_Q_INTEGRITY_PLACES, NULL, 0, &rows, error);
    size_t n = err ? 0 : db_rows_count(rows);
    for (size_t i = 0; i < n && found == BASE_ENOTFOUND; i++)
        found = store_tree_find(data, db_rows_text(rows, i, 0));
    /* A file that this user may not open does exist. */
    if (err || n == 0 || found == BASE_OK || found == BASE_EDENIED)
        return err;
    if (found == BASE_ENOTFOUND)
        return base_fail(error, found, BASE_NOPOS,
                         "%.100s/store is not the store that the database knows: nothing of it is "
                         "there. Is it mounted?",
                         data);
    return base_fail(error, found, BASE_NOPOS, "%.100s/store: %s", data, base_err_text(found));
}

enum base_err ingest_fsck(struct db_sync *db, const char *data, const struct ingest_fsck_ops *ops,
                          struct ingest_fsck_counts *counts, struct base_error *error)
{
    const struct db_rows *rows;
    struct fsck f = {.db = db, .data = data, .ops = ops, .counts = counts, .error = error};
    struct known_batch *batch = calloc(1, sizeof *batch);
    *counts = (struct ingest_fsck_counts){0};
    base_fail(error, BASE_ENOMEM, BASE_NOPOS, "%s", base_err_text(BASE_ENOMEM));
    if (!batch)
        return BASE_ENOMEM;
    enum base_err err = db_sync_exec(db, DB_Q_INTEGRITY_COUNT, NULL, 0, &rows, error);
    if (!err) {
        counts->objects_total = (uint64_t)db_rows_int(rows, 0, 0);
        counts->bytes_total = (uint64_t)db_rows_int(rows, 0, 1);
        err = check_index(&f);
    }
    if (!err)
        err = check_rows(&f);
    if (!err)
        err = check_files(&f, batch);
    free(batch);
    return err;
}
