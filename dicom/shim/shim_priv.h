/* What the files of the shim share, in C++ and C. */
#ifndef SHIM_PRIV_H
#define SHIM_PRIV_H

#include "dicom/shim/shim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Appends a PNG of w × h pixels with 1 (grey) or 3 (RGB) bytes each. */
enum base_err shim_png_write(const uint8_t *pixels, uint32_t w, uint32_t h, unsigned channels,
                             struct base_buf *out) BASE_MUST_CHECK;

/* A decoded JPEG 2000 frame: samples interleaved, little endian, 1 or 2 bytes each. */
struct shim_jp2k {
    uint32_t columns, rows;
    unsigned samples; /* 1 or 3 */
    unsigned bits;    /* 1–16 */
    bool is_signed;
};

/* Decodes a codestream (or JP2) whose size must be columns × rows as declared;
 * appends the samples to pixels. */
enum base_err shim_jp2k_decode(struct base_bytes stream, uint32_t columns, uint32_t rows,
                               struct shim_jp2k *info, struct base_buf *pixels,
                               struct base_error *e) BASE_MUST_CHECK;

/* BASE_OK when it is a PS3.10 file that DCMTK can parse without running out of
 * stack; BASE_ELIMIT: sequences too deep; BASE_EFORMAT; for a path also what open says. */
enum base_err shim_depth_check(struct base_bytes file, struct base_error *e) BASE_MUST_CHECK;
enum base_err shim_depth_check_file(const char *path, struct base_error *e) BASE_MUST_CHECK;

#ifdef __cplusplus
}

#include <exception>
#include <new>

#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dcostrmb.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmdata/dcpxitem.h"

/* Runs f and turns what it throws into an error code. */
template <class F> enum base_err shim_guard(struct base_error *e, F f) noexcept
{
    try {
        return f();
    } catch (const std::bad_alloc &) {
        return base_fail(e, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    } catch (const std::exception &x) {
        return base_fail(e, BASE_EINTERNAL, BASE_NOPOS, "DCMTK: %s", x.what());
    } catch (...) {
        return base_fail(e, BASE_EINTERNAL, BASE_NOPOS, "DCMTK: unknown exception");
    }
}

/* Encodes obj, and hands the bytes to put(p, n) block by block. */
template <class F> OFCondition shim_encode(DcmObject &obj, E_TransferSyntax syntax, F put)
{
    static const size_t block = 65536;
    uint8_t *mem = new uint8_t[block];
    OFCondition cond = EC_StreamNotifyClient;
    DcmOutputBufferStream stream(mem, static_cast<offile_off_t>(block));
    obj.transferInit();
    while (cond == EC_StreamNotifyClient) {
        cond = obj.write(stream, syntax, EET_ExplicitLength, nullptr);
        void *p = nullptr;
        offile_off_t n = 0;
        stream.flushBuffer(p, n);
        put(p, static_cast<size_t>(n));
    }
    obj.transferEnd();
    delete[] mem;
    return cond;
}

/* Parses the file; values longer than max_value bytes stay on disk until used. */
enum base_err shim_load(const struct shim_source &src, DcmFileFormat &file, Uint32 max_value,
                        struct base_error *e);
/* Appends file (preamble, meta group, data set) in Explicit VR Little Endian. */
enum base_err shim_save(DcmFileFormat &file, struct base_buf *out, struct base_error *e);

/* BASE_EINVAL names a required field that is missing. */
enum base_err shim_document_check(const struct shim_document &doc, struct base_error *e);
/* BASE_EINVAL unless every reference has all its UIDs. */
enum base_err shim_references_check(const struct shim_reference *refs, size_t n,
                                    struct base_error *e);
/* Writes the attributes of patient, study, series, equipment and SOP common. */
void shim_document_put(DcmItem &item, const struct shim_document &doc, const char *modality,
                       const char *sop_class_uid);
/* Writes text (NULL = no value), replacing the element if there is one. */
void shim_put(DcmItem &item, const DcmTagKey &tag, const char *text);
/* Writes a sequence with one coded entry. */
void shim_put_code(DcmItem &item, const DcmTagKey &tag, const struct shim_code &code);

/* Local time of a zone as DICOM DA (8), TM (13) and DT with zone (26 characters). */
struct shim_time {
    char date[48], time[48], datetime[48], zone[24];
};
void shim_time_of(int64_t us, int utc_offset_minutes, struct shim_time *out);

/* Of part 1, which shim_jp2k_decode reads. */
static inline bool shim_is_jpeg2000(E_TransferSyntax syntax)
{
    return syntax == EXS_JPEG2000 || syntax == EXS_JPEG2000LosslessOnly;
}

static inline bool shim_empty(const char *s)
{
    return s == nullptr || s[0] == 0;
}
#endif

#endif
