/*
 * A stored object, for commands: blocking reads, its digest as in the index (of a
 * DICOM object: without preamble and meta group), and its meta group.
 */
#ifndef INGEST_FILE_H
#define INGEST_FILE_H

#include "base/digest.h"
#include "dicom/dicom_part10.h"
#include "store/store_tree.h"

struct ingest_file {
    struct store_tree_object at; /* where it lies */
    uint64_t size;
    bool is_dicom;
    struct base_buf head;       /* the first bytes */
    struct dicom_part10 part10; /* of a DICOM object */
};

/* data: the folder of the store. BASE_ENOTFOUND, BASE_EDENIED, BASE_EIO,
 * BASE_EINVAL (location), BASE_ENOMEM; with is_dicom also BASE_EFORMAT: no file
 * of the store begins like this. Only after BASE_OK it must be closed. */
enum base_err ingest_file_open(const char *data, const char *location, bool is_dicom,
                               struct ingest_file *out) BASE_MUST_CHECK;
void ingest_file_close(struct ingest_file *f);
/* Reads all of it, and hands each piece of the digested part to fn (may be NULL),
 * whose error ends it. BASE_EIO when it cannot be read or has shrunk. */
enum base_err ingest_file_digest(struct ingest_file *f, uint8_t sha256[BASE_SHA256],
                                 enum base_err (*fn)(void *arg, struct base_bytes piece),
                                 void *arg) BASE_MUST_CHECK;

#endif
