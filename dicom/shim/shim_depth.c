/*
 * Refuses what DCMTK 3.6.7 would die of: it parses sequences recursively
 * without a limit, so that a file of some 100 KB with sequences ten thousand
 * deep overflows the stack. Our cursor has no stack to overflow.
 */
#include "dicom/shim/shim_priv.h"

#include "dicom/dicom_part10.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* So few items cannot nest too deep, whatever else is wrong with the file. */
enum { HARMLESS_ITEMS = 500, INFLATED_MAX = 64 << 20 };

/* Bytes that start an item in either byte order (PS3.5 7.5); also chance hits. */
static bool has_few_items(struct base_bytes in)
{
    static const uint8_t marks[2][4] = {{0xfe, 0xff, 0x00, 0xe0}, {0xff, 0xfe, 0xe0, 0x00}};
    unsigned found = 0;
    for (unsigned m = 0; m < 2; m++) {
        const uint8_t *at = in.p, *end = in.p + in.n;
        while (at < end && (at = memmem(at, (size_t)(end - at), marks[m], 4)) != NULL) {
            if (++found > HARMLESS_ITEMS)
                return false;
            at += 4;
        }
    }
    return true;
}

static enum base_err walk(struct base_bytes in, enum dicom_encoding encoding, struct base_error *e)
{
    struct dicom_cursor c;
    struct dicom_element el;
    dicom_cursor_init(&c, in, encoding, true);
    unsigned depth = 0;
    for (;;) {
        enum dicom_step step = dicom_cursor_next(&c, &el);
        if (step == DICOM_ELEMENT) {
            if (dicom_cursor_can_enter(&c)) {
                dicom_cursor_enter(&c);
                depth++;
            }
        } else if (step == DICOM_END && depth > 0) {
            dicom_cursor_leave(&c);
            depth--;
        } else {
            break;
        }
    }
    enum dicom_step state = dicom_cursor_state(&c);
    if (state != DICOM_BAD && state != DICOM_MORE)
        return BASE_OK;
    if (c.error.code != BASE_ELIMIT && has_few_items(in))
        return BASE_OK; /* what is malformed in it, DCMTK may be able to read */
    return base_fail(e, c.error.code == BASE_ELIMIT ? BASE_ELIMIT : BASE_EFORMAT, c.pos, "%s",
                     c.error.code ? c.error.msg : "the data set ends too early");
}

static enum base_err check_deflated(struct base_bytes in, struct base_error *e)
{
    struct base_buf out = {0};
    bool ended = false;
    enum base_err err = dicom_inflate(in, INFLATED_MAX, &out, &ended);
    if (err || !ended)
        err = base_fail(e, err ? err : BASE_ELIMIT, BASE_NOPOS,
                        "deflated data set is damaged or over %d bytes", INFLATED_MAX);
    else
        err = walk(base_buf_bytes(&out), DICOM_EXPLICIT_LE, e);
    base_buf_deinit(&out);
    return err;
}

enum base_err shim_depth_check(struct base_bytes file, struct base_error *e)
{
    struct dicom_part10 head;
    /* DCMTK would take anything else for a data set without meta group. */
    if (file.n < 132 || memcmp(file.p + 128, "DICM", 4) != 0)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "no DICM at byte 128");
    enum dicom_scan scan = dicom_part10_read(file, true, &head, e);
    if (scan != DICOM_SCAN_DONE)
        return has_few_items(file) ? BASE_OK
                                   : base_fail(e, BASE_EFORMAT, 0, "not a readable DICOM file");
    struct base_bytes in = base_bytes_of(file.p + head.dataset, file.n - head.dataset);
    if (head.syntax->flags & DICOM_TS_DEFLATED)
        return check_deflated(in, e);
    return walk(in, dicom_part10_encoding(in, head.syntax), e);
}

enum base_err shim_depth_check_file(const char *path, struct base_error *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return base_fail(e, base_err_from_errno(errnum), BASE_NOPOS, "cannot open the file: %s",
                         strerror(errnum));
    }
    size_t n = (size_t)st.st_size;
    void *p = n ? mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (p == MAP_FAILED)
        return base_fail(e, n ? BASE_EIO : BASE_EFORMAT, BASE_NOPOS,
                         n ? "cannot read the file" : "the file is empty");
    enum base_err err = shim_depth_check(base_bytes_of(p, n), e);
    munmap(p, n);
    return err;
}
