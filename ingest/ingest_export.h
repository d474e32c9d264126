/*
 * A study as ordinary Part 10 files, for `rdc export`: blocking.
 *
 *   DIR/<SOP Instance UID>.dcm       the data set as it was received
 *   DIR/<SOP Instance UID>-<n>.dcm   another object that came under the same UID
 *   DIR/<SOP Instance UID>.<ext>     the file that an ECG object was made of
 */
#ifndef INGEST_EXPORT_H
#define INGEST_EXPORT_H

#include "db/db_sync.h"

struct ingest_export {
    const char *study_uid;
    const char *centre; /* code, where several centres sent a study of this UID; NULL */
    const char *folder; /* made when it is not there */
};

struct ingest_export_counts {
    uint64_t objects;
    uint64_t originals;
    uint64_t bytes;
};

/* Each file is checked against its digest while it is copied, and is complete or not
 * there at all. BASE_ENOTFOUND: no such study. BASE_ECONFLICT: several centres have
 * it. BASE_EEXISTS: a file would be overwritten; nothing was written. Others as
 * ingest_file.h; error says which file. */
enum base_err ingest_export(struct db_sync *db, const char *data, const struct ingest_export *what,
                            struct ingest_export_counts *counts,
                            struct base_error *error) BASE_MUST_CHECK;

#endif
