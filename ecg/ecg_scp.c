/*
 * SCP-ECG: file, pointer section and checksums. EN 1064 5.2: u16 CRC, u32
 * length, then sections in any order, found through section 0. Positions in
 * section 0 are 1-based.
 */
#include "ecg/ecg_scp_priv.h"

#include "ecg/ecg_crc.h"
#include "ecg/ecg_format.h"

#include <stdlib.h>

enum { FILE_HEADER = 6, POINTER = 10 };

bool ecg_scp_probe(struct base_bytes file)
{
    if (file.n < FILE_HEADER + SCP_SECTION_HEADER + POINTER)
        return false;
    const uint8_t *s0 = file.p + FILE_HEADER;
    if (base_load_le16(s0 + 2) != 0)
        return false;
    if (memcmp(s0 + 10, "SCPECG", 6) == 0)
        return true;
    /* Versions before 1.3 have zeros there: then section 0 must point to itself. */
    const uint8_t *entry = s0 + SCP_SECTION_HEADER;
    uint32_t length = base_load_le32(s0 + 4);
    return base_load_le16(entry) == 0 && base_load_le32(entry + 2) == length && length >= 32 &&
           length <= file.n && (base_load_le32(entry + 6) == 7 || base_load_le32(entry + 6) == 6);
}

/* 0xFFFF stands where a writer computes none. b: from behind the checksum on. */
static bool agrees(uint16_t stated, struct base_bytes b)
{
    enum { NOT_COMPUTED = 0xffff };
    return stated == NOT_COMPUTED || stated == ecg_crc_ccitt(b);
}

static void check_file(struct scp_file *f)
{
    uint32_t length = base_load_le32(f->all.p + 2);
    if (length != f->all.n)
        (length > f->all.n ? ecg_record_damage : ecg_record_note)(
            f->rec, 2, "SCP-ECG: the file says it has %u bytes, there are %zu", length, f->all.n);
    if (length < FILE_HEADER || length > f->all.n)
        return;
    struct base_bytes checked = base_bytes_of(f->all.p + 2, length - 2);
    if (!agrees(base_load_le16(f->all.p), checked))
        ecg_record_damage(f->rec, 0,
                          "SCP-ECG: checksum of the file is wrong (%04x, should be %04x)",
                          base_load_le16(f->all.p), ecg_crc_ccitt(checked));
}

/* Where the header of a section is, 0 if not where the pointer says. */
static size_t find_header(const struct scp_file *f, unsigned id, uint32_t index)
{
    /* Some recorders count from 0. */
    for (size_t pos = index ? index - 1 : 0; pos <= index; pos++)
        if (pos >= FILE_HEADER && pos <= f->all.n && f->all.n - pos >= SCP_SECTION_HEADER &&
            base_load_le16(f->all.p + pos + 2) == id)
            return pos;
    return 0;
}

static void take_section(struct scp_file *f, unsigned id, uint32_t length, uint32_t index,
                         size_t entry)
{
    if (length == 0)
        return;
    f->has_tables |= id == 2 && length > SCP_SECTION_HEADER;
    size_t pos = find_header(f, id, index);
    if (pos == 0) {
        ecg_record_damage(f->rec, entry, "SCP-ECG: section %u is not at byte %u as section 0 says",
                          id, index);
        return;
    }
    if (pos == index)
        ecg_record_note(f->rec, entry, "SCP-ECG: position of section %u counts from 0", id);
    const uint8_t *p = f->all.p + pos;
    size_t have = f->all.n - pos;
    size_t n = base_load_le32(p + 4);
    if (n != length)
        ecg_record_note(f->rec, pos + 4, "SCP-ECG: section %u has length %zu, section 0 says %u",
                        id, n, length);
    if (n < SCP_SECTION_HEADER || n > have) {
        ecg_record_damage(f->rec, pos + 4, "SCP-ECG: section %u of %zu bytes, only %zu are left",
                          id, n, have);
        n = length >= SCP_SECTION_HEADER && length < have ? length : have;
    } else if (!agrees(base_load_le16(p), base_bytes_of(p + 2, n - 2))) {
        ecg_record_damage(f->rec, pos, "SCP-ECG: checksum of section %u is wrong", id);
    }
    f->sec[id].body = base_bytes_of(p + SCP_SECTION_HEADER, n - SCP_SECTION_HEADER);
    f->sec[id].pos = pos + SCP_SECTION_HEADER;
}

static enum base_err read_pointers(struct scp_file *f)
{
    const uint8_t *s0 = f->all.p + FILE_HEADER;
    size_t n = base_load_le32(s0 + 4);
    size_t have = f->all.n - FILE_HEADER;
    if (n < SCP_SECTION_HEADER + POINTER || n > have)
        return base_fail(f->err, BASE_EFORMAT, FILE_HEADER + 4,
                         "SCP-ECG section 0 has a length of %zu bytes, %zu are left: the file is "
                         "cut or damaged",
                         n, have);
    if (!agrees(base_load_le16(s0), base_bytes_of(s0 + 2, n - 2)))
        ecg_record_damage(f->rec, FILE_HEADER, "SCP-ECG: checksum of section 0 is wrong");
    f->protocol = s0[9];
    for (size_t at = SCP_SECTION_HEADER; n - at >= POINTER; at += POINTER) {
        enum { LONG_TERM = 12 };
        unsigned id = base_load_le16(s0 + at);
        f->long_term |= id == LONG_TERM && base_load_le32(s0 + at + 2) > SCP_SECTION_HEADER;
        if (id > 0 && id < SCP_SECTIONS)
            take_section(f, id, base_load_le32(s0 + at + 2), base_load_le32(s0 + at + 6),
                         FILE_HEADER + at);
    }
    return BASE_OK;
}

enum base_err ecg_scp_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    /* On the heap: the lead table is too large for a small thread's stack. */
    struct scp_file *f = calloc(1, sizeof *f);
    if (!f)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    f->all = file;
    f->rec = r;
    f->err = err;
    check_file(f);
    enum base_err e = read_pointers(f);
    if (!e) {
        ecg_scp_patient(f);
        e = ecg_scp_waves(f);
    }
    if (!e)
        ecg_scp_findings(f);
    free(f);
    return e;
}
