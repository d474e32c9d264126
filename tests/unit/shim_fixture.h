/* DICOM files made by the shim's tests: explicit VR little endian elements, a
 * meta group, a temporary folder, and running a tool of another project. */
#ifndef SHIM_FIXTURE_H
#define SHIM_FIXTURE_H

#include "base/buf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIXTURE_EXPLICIT_LE "1.2.840.10008.1.2.1"

static inline void fixture_bytes(struct base_buf *b, uint16_t group, uint16_t element,
                                 const char *vr, const void *p, size_t n)
{
    bool wide = strcmp(vr, "OB") == 0 || strcmp(vr, "OW") == 0 || strcmp(vr, "UN") == 0 ||
                strcmp(vr, "UT") == 0 || strcmp(vr, "SQ") == 0;
    base_buf_add_le16(b, group);
    base_buf_add_le16(b, element);
    base_buf_add(b, vr, 2);
    if (wide) {
        base_buf_add_le16(b, 0);
        base_buf_add_le32(b, (uint32_t)(n + (n & 1)));
    } else {
        base_buf_add_le16(b, (uint16_t)(n + (n & 1)));
    }
    base_buf_add(b, p, n);
    if (n & 1)
        base_buf_add_byte(b, strcmp(vr, "UI") == 0 || vr[0] == 'O' ? 0 : ' ');
}

static inline void fixture_text(struct base_buf *b, uint16_t group, uint16_t element,
                                const char *vr, const char *text)
{
    fixture_bytes(b, group, element, vr, text, strlen(text));
}

static inline void fixture_us(struct base_buf *b, uint16_t group, uint16_t element, unsigned v)
{
    uint8_t bytes[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    fixture_bytes(b, group, element, "US", bytes, 2);
}

/* Preamble and meta group; then the caller appends its data set. */
static inline void fixture_begin(struct base_buf *b, const char *transfer_syntax)
{
    struct base_buf meta = {0};
    fixture_text(&meta, 2, 2, "UI", "1.2.840.10008.5.1.4.1.1.7");
    fixture_text(&meta, 2, 3, "UI", "2.25.1");
    fixture_text(&meta, 2, 0x10, "UI", transfer_syntax);
    base_buf_add_fill(b, 0, 128);
    base_buf_add(b, "DICM", 4);
    uint8_t length[4];
    base_store_le32(length, (uint32_t)meta.n);
    fixture_bytes(b, 2, 0, "UL", length, 4);
    base_buf_add(b, meta.p, meta.n);
    base_buf_deinit(&meta);
}

static inline void fixture_sop(struct base_buf *b)
{
    fixture_text(b, 8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7");
    fixture_text(b, 8, 0x18, "UI", "2.25.1");
}

/* Attributes of an image without its pixels; bits 8 or 16. */
static inline void fixture_image(struct base_buf *b, const char *photometric, unsigned samples,
                                 unsigned columns, unsigned rows, unsigned bits)
{
    fixture_us(b, 0x28, 2, samples);
    fixture_text(b, 0x28, 4, "CS", photometric);
    if (samples > 1)
        fixture_us(b, 0x28, 6, 0);
    fixture_us(b, 0x28, 0x10, rows);
    fixture_us(b, 0x28, 0x11, columns);
    fixture_us(b, 0x28, 0x100, bits);
    fixture_us(b, 0x28, 0x101, bits);
    fixture_us(b, 0x28, 0x102, bits - 1);
    fixture_us(b, 0x28, 0x103, 0);
}

/* The folder of this process, made on first use and removed when it ends. */
static char fixture_folder[64];

static inline void fixture_remove(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", fixture_folder);
    if (system(command) != 0)
        fprintf(stderr, "%s stays behind\n", fixture_folder);
}

static inline const char *fixture_path(const char *name, char out[256])
{
    if (!fixture_folder[0]) {
        snprintf(fixture_folder, sizeof fixture_folder, "/tmp/rdc-shim-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(fixture_folder));
        atexit(fixture_remove);
    }
    snprintf(out, 256, "%s/%s", fixture_folder, name);
    return out;
}

static inline void fixture_write(const char *path, const struct base_buf *b)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(b->p, 1, b->n, f), b->n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void fixture_read(const char *path, struct base_buf *b)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s is missing", path);
    for (;;) {
        uint8_t *to = base_buf_reserve(b, 65536);
        ck_assert_ptr_nonnull(to);
        size_t n = fread(to, 1, 65536, f);
        if (n == 0)
            break;
        b->n += n;
    }
    fclose(f);
    base_buf_add(b, "", 0);
}

/* True when the tool is installed; else says that a check is left out. */
static inline bool fixture_has(const char *tool)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", tool);
    if (system(command) == 0)
        return true;
    printf("skipped a comparison: %s is not installed\n", tool);
    return false;
}

/* What a shell command prints (both streams), appended to out; its exit status. */
static inline int fixture_run(struct base_buf *out, const char *command)
{
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    char block[4096];
    size_t n;
    while ((n = fread(block, 1, sizeof block, p)) > 0)
        base_buf_add(out, block, n);
    base_buf_add(out, "", 0);
    return pclose(p);
}

#endif
