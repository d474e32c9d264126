/* Makes a ZIP archive of files in memory, uncompressed and without times: the same files
 * give the same bytes. */
#ifndef INGEST_PACK_H
#define INGEST_PACK_H

#include "base/buf.h"

/* Zero-initialised is empty. */
struct ingest_pack {
    struct base_buf zip;
    struct base_buf directory;
    uint16_t n;
};

/* Bytes of an archive beyond its files: FILE and twice the name for each, and END once. */
enum { INGEST_PACK_FILE = 30 + 46, INGEST_PACK_END = 22 };

/* Files under 4 GiB in all; errors stand in zip.err. */
void ingest_pack_add(struct ingest_pack *p, const char *name, struct base_bytes file);
/* Completes the archive in zip, which the caller frees. */
void ingest_pack_end(struct ingest_pack *p);

#endif
