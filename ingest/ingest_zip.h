/*
 * Reads a ZIP archive (APPNOTE 6.3.10) as its bytes arrive, by the local headers: stored and
 * deflated entries, ZIP64, data descriptors. Of the central directory at the end only the number
 * of entries is looked at. Archives may follow one another. Pure but for zlib's memory.
 */
#ifndef INGEST_ZIP_H
#define INGEST_ZIP_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

struct ingest_zip;

enum ingest_zip_event {
    INGEST_ZIP_MORE,      /* the input is used up */
    INGEST_ZIP_ENTRY,     /* a file begins; folders are passed over */
    INGEST_ZIP_DATA,      /* some of its content */
    INGEST_ZIP_ENTRY_END, /* it is complete and its CRC is right */
    INGEST_ZIP_ENTRY_BAD, /* its CRC is wrong: what came of it is damaged */
    INGEST_ZIP_END,       /* the last entry is behind us, if no other archive follows */
    INGEST_ZIP_REFUSED
};

/* Archives that inflate to more than max_total bytes, or to more than 300 times
 * their size (beyond the first 64 MiB), are refused. */
enum base_err ingest_zip_new(uint64_t max_total, struct ingest_zip **out) BASE_MUST_CHECK;
/* Takes NULL. */
void ingest_zip_free(struct ingest_zip *z);

/* Does a file that begins like this look like an archive? From 4 bytes on. */
bool ingest_zip_is(struct base_bytes head);

/* Uses up to in.n bytes and returns how many; *event says why it stopped. Call
 * again with what is left (it may be empty) until INGEST_ZIP_MORE. *data is
 * borrowed from in, or from z until the next call. Not after REFUSED. */
size_t ingest_zip_parse(struct ingest_zip *z, struct base_bytes in, enum ingest_zip_event *event,
                        struct base_bytes *data);
/* Has the end of the entries been seen? */
bool ingest_zip_complete(const struct ingest_zip *z);

/* Of the entry under way, or that the last event ended; as UTF-8. "": there is none. */
const char *ingest_zip_name(const struct ingest_zip *z);
/* After REFUSED: BASE_EFORMAT, BASE_EUNSUPPORTED, BASE_ELIMIT, BASE_ENOMEM, and
 * why, for a person. */
enum base_err ingest_zip_error(const struct ingest_zip *z, const char **cause);

#endif
