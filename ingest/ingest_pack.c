#include "ingest/ingest_pack.h"

#include <zlib.h>

/* APPNOTE.TXT 4.3.7 and 4.3.12 have these fields alike: version to extract, flags (UTF-8
 * names), method 0, time and date of 1980-01-01, CRC, sizes, length of the name. */
static void add_common(struct base_buf *b, const char *name, struct base_bytes file)
{
    base_buf_add_le16(b, 20);
    base_buf_add_le16(b, 1 << 11);
    base_buf_add_le16(b, 0);
    base_buf_add_le16(b, 0);
    base_buf_add_le16(b, 1 << 5 | 1);
    base_buf_add_le32(b, (uint32_t)crc32(0, file.p, (uInt)file.n));
    base_buf_add_le32(b, (uint32_t)file.n);
    base_buf_add_le32(b, (uint32_t)file.n);
    base_buf_add_le16(b, (uint16_t)strlen(name));
    base_buf_add_le16(b, 0);
}

void ingest_pack_add(struct ingest_pack *p, const char *name, struct base_bytes file)
{
    size_t at = p->zip.n;
    if (file.n > UINT32_MAX - at || p->n == UINT16_MAX) {
        p->zip.err = BASE_ELIMIT;
        return;
    }
    base_buf_add(&p->zip, "PK\3\4", 4);
    add_common(&p->zip, name, file);
    base_buf_add_str(&p->zip, name);
    base_buf_add(&p->zip, file.p, file.n);
    base_buf_add(&p->directory, "PK\1\2", 4);
    base_buf_add_le16(&p->directory, 20);
    add_common(&p->directory, name, file);
    base_buf_add_fill(&p->directory, 0, 2 + 2 + 2 + 4);
    base_buf_add_le32(&p->directory, (uint32_t)at);
    base_buf_add_str(&p->directory, name);
    p->n++;
}

void ingest_pack_end(struct ingest_pack *p)
{
    size_t at = p->zip.n;
    base_buf_add(&p->zip, p->directory.p, p->directory.n);
    base_buf_add(&p->zip, "PK\5\6\0\0\0\0", 8);
    base_buf_add_le16(&p->zip, p->n);
    base_buf_add_le16(&p->zip, p->n);
    base_buf_add_le32(&p->zip, (uint32_t)p->directory.n);
    base_buf_add_le32(&p->zip, (uint32_t)at);
    base_buf_add_le16(&p->zip, 0);
    if (p->directory.err && !p->zip.err)
        p->zip.err = p->directory.err;
    base_buf_deinit(&p->directory);
}
