#include "ingest/ingest_rebuild.h"

#include "ingest/ingest_file.h"
#include "ingest/ingest_record.h"
#include "model/model_provenance.h"
#include "store/store_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* HEADER_MAX: bytes read of an object to find its header. */
enum { HEADER_MAX = 1 << 20, OBJECTS_PER_COMMIT = 200 };

static const char other_digest[] = "its SHA-256 is not the one that was written with it";

struct entry {
    int64_t received_us;
    char location[STORE_LOCATION];
};

struct rebuild {
    struct db_sync *db;
    const char *data;
    const struct ingest_fsck_ops *ops;
    struct ingest_rebuild_counts *counts;
    struct base_error *error;
    struct ingest_fsck_counts progress;
    struct entry *entries; /* DICOM objects, in the order of their arrival */
    size_t n;
    size_t size;
    struct entry *others; /* files that are not DICOM */
    size_t others_n;
    size_t others_size;
    struct entry *cut; /* DICOM objects whose data set does not end with the file */
    size_t cut_n;
    size_t cut_size;
};

static void note(struct rebuild *r, const char *kind, const char *location, const char *why)
{
    struct ingest_fsck_finding finding = {
        .kind = kind, .subject = location, .detail = why, .state = INGEST_FSCK_NOTE};
    r->ops->finding(r->ops->arg, &finding);
}

static void skip(struct rebuild *r, const char *location, const char *why)
{
    r->counts->skipped++;
    note(r, "file_not_rebuilt", location, why);
}

/* ---- what is there ---- */

static enum base_err add_entry(struct entry **list, size_t *n, size_t *size, int64_t received_us,
                               const char *location)
{
    if (*n == *size) {
        size_t more = *size ? *size * 2 : 1024;
        struct entry *grown = realloc(*list, more * sizeof *grown);
        if (!grown)
            return BASE_ENOMEM;
        *list = grown;
        *size = more;
    }
    struct entry *e = &(*list)[(*n)++];
    e->received_us = received_us;
    snprintf(e->location, sizeof e->location, "%s", location);
    return BASE_OK;
}

static bool is_dicom_name(const char *location)
{
    const char *dot = strrchr(location, '.');
    return dot && strcmp(dot, ".dcm") == 0;
}

static enum base_err list_file(struct rebuild *r, const struct store_tree_file *f)
{
    struct ingest_file file;
    struct model_provenance p;
    struct model_provenance_text *text;
    r->counts->files++;
    if (!is_dicom_name(f->location))
        return add_entry(&r->others, &r->others_n, &r->others_size, 0, f->location);
    enum base_err err = ingest_file_open(r->data, f->location, true, &file);
    if (err == BASE_ENOMEM)
        return err;
    if (err) {
        skip(r, f->location, base_err_text(err));
        return BASE_OK;
    }
    err = model_provenance_read(file.part10.private_information, &p, &text);
    if (err) {
        skip(r, f->location, "its meta group does not say where it came from");
        err = BASE_OK;
    } else {
        err = add_entry(&r->entries, &r->n, &r->size, p.received_us, f->location);
        model_provenance_free(text);
    }
    ingest_file_close(&file);
    return err;
}

static enum base_err list_files(struct rebuild *r)
{
    struct store_tree *tree;
    struct store_tree_file file;
    bool found = true;
    enum base_err err = store_tree_open(r->data, &tree);
    if (err)
        return base_fail(r->error, err, BASE_NOPOS, "%s/store: %s", r->data, base_err_text(err));
    while (!err && found) {
        err = store_tree_next(tree, &file, &found);
        if (!err && found && !file.strange && !file.torn)
            err = list_file(r, &file);
    }
    if (err)
        base_fail(r->error, err, BASE_NOPOS, "%s/store: %s", r->data, base_err_text(err));
    else if (store_tree_alive(tree))
        err = base_fail(r->error, BASE_ECONFLICT, BASE_NOPOS,
                        "rdc serve is running on this store; stop it first");
    store_tree_close(tree);
    return err;
}

static int by_arrival(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->received_us != y->received_us)
        return x->received_us < y->received_us ? -1 : 1;
    return strcmp(x->location, y->location);
}

/* ---- one object ---- */

/* Does the data set end with the file? If not, it came that way, or a power failure cut
 * it. Deflated ones are not checked. */
static bool is_whole(struct base_bytes dataset, const struct dicom_syntax *syntax)
{
    struct dicom_cursor c;
    struct dicom_element e;
    enum dicom_step step = DICOM_ELEMENT;
    if (syntax->flags & DICOM_TS_DEFLATED)
        return true;
    dicom_cursor_init(&c, dataset, dicom_part10_encoding(dataset, syntax), true);
    while (step == DICOM_ELEMENT)
        step = dicom_cursor_next(&c, &e);
    return step == DICOM_END;
}

static const char *scan(const struct ingest_file *f, struct dicom_header *h, bool *whole)
{
    struct base_error error;
    size_t slack = (size_t)(f->at.base % (uint64_t)sysconf(_SC_PAGESIZE));
    size_t mapped = (size_t)f->size + slack;
    void *map = mmap(NULL, mapped, PROT_READ, MAP_PRIVATE, f->at.fd, (off_t)(f->at.base - slack));
    if (map == MAP_FAILED)
        return "it cannot be read";
    struct base_bytes all = base_bytes_of((const uint8_t *)map + slack + f->part10.dataset,
                                          (size_t)f->size - f->part10.dataset);
    struct base_bytes prefix =
        base_bytes_of(all.p, all.n < HEADER_MAX ? all.n : (size_t)HEADER_MAX);
    enum dicom_scan step =
        dicom_header_scan(prefix, prefix.n == all.n, f->part10.syntax, h, &error);
    const char *wrong = NULL;
    if (step == DICOM_SCAN_BAD || dicom_header_check(h, &error))
        wrong = "its data set cannot be read";
    /* With a digest, all that was acknowledged is there. */
    *whole = f->at.has_sha256 || is_whole(all, f->part10.syntax);
    munmap(map, mapped);
    return wrong;
}

static void fill_in(char *field, size_t size, const char *value)
{
    if (!field[0] && value)
        snprintf(field, size, "%s", value);
}

static bool from_hex(const char *hex, uint8_t out[BASE_SHA256])
{
    if (!hex || strlen(hex) != 2 * BASE_SHA256)
        return false;
    for (size_t i = 0; i < BASE_SHA256; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &out[i]) != 1)
            return false;
    return true;
}

static enum base_err insert(struct rebuild *r, const struct ingest_record *record,
                            struct base_bytes provenance)
{
    struct base_buf json = {0};
    struct base_json j;
    const struct db_rows *rows;
    while (provenance.n && provenance.p[provenance.n - 1] == 0)
        provenance.n--;
    base_json_init(&j, &json);
    base_json_open_object(&j);
    ingest_record_write(record, &j);
    base_json_close_object(&j);
    struct db_param params[] = {db_buf(&json), db_text_n((const char *)provenance.p, provenance.n)};
    enum base_err err = db_sync_exec(r->db, DB_Q_REBUILD_ONE, params, 2, &rows, r->error);
    base_buf_deinit(&json);
    if (err)
        return err;
    const char *outcome = db_rows_text(rows, 0, 0);
    if (strcmp(outcome, "error") == 0)
        skip(r, record->object->location, "the index cannot take a value of its header");
    else if (strcmp(outcome, "duplicate") == 0)
        r->counts->duplicates++;
    else
        r->counts->stored++;
    return BASE_OK;
}

/* Adds the rows of an object whose header and provenance are known. */
static enum base_err index_object(struct rebuild *r, const struct ingest_file *file,
                                  struct dicom_header *h, const struct store_object *object,
                                  const struct model_provenance *p)
{
    struct store_object original = {0};
    if (p->original_location) {
        snprintf(original.location, sizeof original.location, "%s", p->original_location);
        original.size = (uint64_t)p->original_size;
    }
    bool has_original = p->original_location && from_hex(p->original_sha256, original.sha256);
    h->guessed |= p->charset_guessed;
    fill_in(h->patient_id, sizeof h->patient_id, p->patient_id);
    fill_in(h->patient_name, sizeof h->patient_name, p->patient_name);
    fill_in(h->accession_number, sizeof h->accession_number, p->accession);
    struct ingest_record record = {
        .quiet_seconds = p->quiet_seconds,
        .priority = p->priority,
        .single = p->single,
        .transfer_syntax = file->part10.syntax->uid,
        .header = h,
        .object = object,
        .original = has_original ? &original : NULL,
        .original_media = p->original_media,
    };
    return insert(r, &record, file->part10.private_information);
}

/* The data set of the object ends too early. True: it is left out, or comes later. */
static bool pass_over_cut(struct rebuild *r, const struct ingest_file *file, const char *location,
                          int64_t received_us, bool cut_too, enum base_err *err)
{
    *err = BASE_OK;
    if (file->at.unacknowledged) {
        note(r, "file_torn", location, "it came when the power failed, and was not acknowledged");
        return true;
    }
    if (!cut_too) {
        r->progress.objects_total++;
        *err = add_entry(&r->cut, &r->cut_n, &r->cut_size, received_us, location);
        return true;
    }
    note(r, "file_cut_off", location,
         "its data set cannot be read to its end, and the store has lost what tells whether "
         "it came so or a power failure cut it");
    return false;
}

static enum base_err rebuild_object(struct rebuild *r, const char *location,
                                    struct ingest_file *file, bool cut_too)
{
    bool whole = true;
    struct model_provenance p;
    struct model_provenance_text *text;
    struct dicom_header *h = calloc(1, sizeof *h);
    struct store_object object = {.size = file->size};
    enum base_err err = h ? ingest_file_digest(file, object.sha256, NULL, NULL) : BASE_ENOMEM;
    const char *wrong = err ? base_err_text(err) : scan(file, h, &whole);
    if (!wrong && file->at.has_sha256 &&
        memcmp(file->at.sha256, object.sha256, sizeof object.sha256) != 0)
        wrong = other_digest;
    if (wrong || model_provenance_read(file->part10.private_information, &p, &text)) {
        if (err != BASE_ENOMEM)
            skip(r, location, wrong ? wrong : "its meta group does not say where it came from");
        free(h);
        return err == BASE_ENOMEM ? err : BASE_OK;
    }
    if (whole || !pass_over_cut(r, file, location, p.received_us, cut_too, &err)) {
        snprintf(object.location, sizeof object.location, "%s", location);
        err = index_object(r, file, h, &object, &p);
    }
    model_provenance_free(text);
    free(h);
    return err;
}

static enum base_err rebuild_dicom(struct rebuild *r, const struct entry *e, bool cut_too)
{
    struct ingest_file file;
    enum base_err err = ingest_file_open(r->data, e->location, true, &file);
    if (err == BASE_ENOMEM)
        return err;
    if (err) {
        skip(r, e->location, base_err_text(err));
        return BASE_OK;
    }
    err = rebuild_object(r, e->location, &file, cut_too);
    ingest_file_close(&file);
    return err;
}

static enum base_err rebuild_entry(struct rebuild *r, const struct entry *e)
{
    return rebuild_dicom(r, e, false);
}

/* After all whole objects, so that it does not take the place of one under its UID. */
static enum base_err rebuild_cut(struct rebuild *r, const struct entry *e)
{
    return rebuild_dicom(r, e, true);
}

/* PDFs of reports. Other originals came with the objects made of them; one
 * whose object is not there was never acknowledged. */
static enum base_err rebuild_other(struct rebuild *r, const struct entry *e)
{
    struct ingest_file file;
    uint8_t sha[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    const char *dot = strrchr(e->location, '.');
    if (!dot || strcmp(dot, ".pdf") != 0)
        return BASE_OK;
    enum base_err err = ingest_file_open(r->data, e->location, false, &file);
    bool other = false;
    if (!err) {
        err = ingest_file_digest(&file, sha, NULL, NULL);
        other = file.at.has_sha256 && memcmp(file.at.sha256, sha, sizeof sha) != 0;
        ingest_file_close(&file);
    }
    if (err || other) {
        skip(r, e->location, other ? other_digest : base_err_text(err));
        return err == BASE_ENOMEM ? err : BASE_OK;
    }
    base_hex(sha, sizeof sha, hex);
    struct db_param params[] = {db_text(e->location), db_text(hex), db_int((int64_t)file.size),
                                db_text("application/pdf")};
    return db_sync_exec(r->db, DB_Q_REBUILD_FILE, params, 4, NULL, r->error);
}

/* ---- all ---- */

static enum base_err rebuild_list(struct rebuild *r, const struct entry *list, size_t n,
                                  enum base_err (*one)(struct rebuild *r, const struct entry *e))
{
    enum base_err err = BASE_OK;
    for (size_t i = 0; i < n && !err; i++) {
        if (i % OBJECTS_PER_COMMIT == 0)
            err = db_sync_begin(r->db, r->error);
        if (!err)
            err = one(r, &list[i]);
        if (!err && (i + 1 == n || (i + 1) % OBJECTS_PER_COMMIT == 0))
            err = db_sync_commit(r->db, r->error);
        r->progress.objects++;
        r->ops->progress(r->ops->arg, &r->progress);
    }
    if (err)
        db_sync_rollback(r->db);
    return err;
}

static enum base_err is_empty(struct rebuild *r)
{
    const struct db_rows *rows;
    enum base_err err = db_sync_exec(r->db, DB_Q_INTEGRITY_COUNT, NULL, 0, &rows, r->error);
    if (!err && db_rows_int(rows, 0, 0) != 0)
        err = base_fail(r->error, BASE_ECONFLICT, BASE_NOPOS,
                        "the index is not empty: --rebuild fills a new database only; name one in "
                        "the configuration (database), and run rdc db migrate");
    return err;
}

enum base_err ingest_rebuild(struct db_sync *db, const char *data,
                             const struct ingest_fsck_ops *ops,
                             struct ingest_rebuild_counts *counts, struct base_error *error)
{
    struct rebuild r = {.db = db, .data = data, .ops = ops, .counts = counts, .error = error};
    *counts = (struct ingest_rebuild_counts){0};
    base_fail(error, BASE_ENOMEM, BASE_NOPOS, "%s", base_err_text(BASE_ENOMEM));
    enum base_err err = is_empty(&r);
    if (!err)
        err = list_files(&r);
    r.progress.objects_total = r.n + r.others_n;
    if (!err && r.n)
        qsort(r.entries, r.n, sizeof *r.entries, by_arrival);
    if (!err)
        err = rebuild_list(&r, r.entries, r.n, rebuild_entry);
    if (!err)
        err = rebuild_list(&r, r.others, r.others_n, rebuild_other);
    if (!err)
        err = rebuild_list(&r, r.cut, r.cut_n, rebuild_cut);
    free(r.cut);
    free(r.entries);
    free(r.others);
    return err;
}
