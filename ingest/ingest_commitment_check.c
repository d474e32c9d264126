#include "ingest/ingest_commitment_check.h"

#include "dicom/dicom_part10.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const struct ingest_config *config;
    const json_t *items;
    enum loop_class class;
    uint16_t *failures;
    size_t n;
    size_t at;
    struct store_read *read; /* of the item under way */
    struct base_sha256 *sha;
    struct base_bytes piece; /* borrowed from read */
    bool begun;              /* the first piece was there */
    bool end;
    bool readable; /* the file meta group could be passed */
    struct loop_job pool;
    struct loop_call later;
    ingest_checked_fn *fn;
    void *arg;
};

static void go_on(void *arg);

static const char *text_of(const json_t *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item, name));
    return text ? text : "";
}

static void finish(struct check *k, bool stopped)
{
    store_read_close(k->read);
    base_sha256_free(k->sha);
    k->fn(k->arg, stopped ? NULL : k->failures, k->n);
    free(k->failures);
    free(k);
}

/* Ends the item under way with this result. */
static void decide(struct check *k, uint16_t failure)
{
    assert(k->at < k->n);
    store_read_close(k->read);
    k->read = NULL;
    k->failures[k->at++] = failure;
    /* From the loop, so that a long list neither recurses nor blocks others. */
    loop_post(k->config->loop, &k->later, go_on, k);
}

/* The digest covers the data set, not the file meta group before it. */
static void hash(void *arg)
{
    struct check *k = arg;
    struct base_bytes bytes = k->piece;
    if (!k->begun && json_is_true(json_object_get(json_array_get(k->items, k->at), "plain"))) {
        k->begun = k->readable = true;
    } else if (!k->begun) {
        struct dicom_part10 file;
        k->begun = true;
        k->readable = dicom_part10_read(bytes, k->end, &file, NULL) == DICOM_SCAN_DONE &&
                      file.dataset <= bytes.n;
        if (!k->readable)
            return;
        bytes = base_bytes_of(bytes.p + file.dataset, bytes.n - file.dataset);
    }
    base_sha256_add(k->sha, bytes.p, bytes.n);
}

static bool as_it_was(struct check *k)
{
    const json_t *item = json_array_get(k->items, k->at);
    uint8_t digest[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    base_sha256_end(k->sha, digest);
    base_hex(digest, sizeof digest, hex);
    return k->readable && strcmp(hex, text_of(item, "sha256")) == 0 &&
           store_read_size(k->read) == (uint64_t)json_integer_value(json_object_get(item, "size"));
}

static void on_piece(void *arg, enum base_err err, struct base_bytes data, bool end);

static void on_hashed(void *arg, bool cancelled)
{
    struct check *k = arg;
    if (cancelled)
        finish(k, true);
    else if (k->end || !k->readable)
        decide(k, as_it_was(k) ? INGEST_COMMITTED : INGEST_FAILURE_PROCESSING);
    else
        store_read_next(k->read, on_piece, k);
}

static void on_piece(void *arg, enum base_err err, struct base_bytes data, bool end)
{
    struct check *k = arg;
    if (err == BASE_ECANCELED) {
        finish(k, true);
    } else if (err) {
        decide(k, INGEST_FAILURE_PROCESSING);
    } else {
        k->piece = data;
        k->end = end;
        loop_work(k->config->loop, &k->pool, LOOP_CPU, k->class, hash, on_hashed, k);
    }
}

/* The next item. */
static void go_on(void *arg)
{
    struct check *k = arg;
    assert(!k->read && k->n == json_array_size(k->items));
    if (k->at == k->n) {
        finish(k, false);
        return;
    }
    const json_t *item = json_array_get(k->items, k->at);
    const char *asked = text_of(item, "asked_class");
    const char *location = text_of(item, "location");
    const struct dicom_sop_class *class = dicom_sop_class_find(asked);
    k->begun = k->end = k->readable = false;
    base_sha256_free(k->sha);
    k->sha = base_sha256_new();
    if (!location[0])
        decide(k, class && class->flags & DICOM_SOP_STORAGE ? INGEST_FAILURE_NO_SUCH_OBJECT
                                                            : INGEST_FAILURE_CLASS_UNSUPPORTED);
    else if (strcmp(asked, text_of(item, "sop_class")) != 0)
        decide(k, INGEST_FAILURE_CLASS_CONFLICT);
    else if (!k->sha || store_read_open(k->config->store, location, 0, k->class, &k->read))
        decide(k, INGEST_FAILURE_PROCESSING);
    else
        store_read_next(k->read, on_piece, k);
}

enum base_err ingest_commitment_check(const struct ingest_config *config, const json_t *items,
                                      enum loop_class class, ingest_checked_fn *fn, void *arg)
{
    struct check *k = calloc(1, sizeof *k);
    size_t n = json_array_size(items);
    uint16_t *failures = calloc(n ? n : 1, sizeof *failures);
    if (!k || !failures) {
        free(k);
        free(failures);
        return BASE_ENOMEM;
    }
    *k = (struct check){.config = config,
                        .items = items,
                        .class = class,
                        .failures = failures,
                        .n = n,
                        .fn = fn,
                        .arg = arg};
    loop_post(config->loop, &k->later, go_on, k);
    return BASE_OK;
}
