/* Whether all of an object is there, and its pixels can be decoded. */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

#include "dcmtk/dcmdata/dccodec.h"

/* Of native pixel data; as a double, which no claim of a header overflows. */
static double native_bytes(DcmDataset &ds, Uint16 rows, Uint16 columns, Sint32 frames)
{
    Uint16 samples = 1, bits = 8;
    OFString colour;
    ds.findAndGetUint16(DCM_SamplesPerPixel, samples);
    ds.findAndGetUint16(DCM_BitsAllocated, bits);
    ds.findAndGetOFString(DCM_PhotometricInterpretation, colour);
    double total = static_cast<double>(rows) * columns * samples * bits * frames / 8;
    /* PS3.3 C.7.6.3.1.2: two pixels share their chrominance. */
    return colour == "YBR_FULL_422" ? total * 2 / 3 : total;
}

/* Freed also where DCMTK throws. */
struct buffer {
    struct base_buf b;
    buffer()
    {
        base_buf_init(&b, 0);
    }
    ~buffer()
    {
        base_buf_deinit(&b);
    }
};

static enum base_err check_frame(const struct base_buf *stream, Uint16 rows, Uint16 columns,
                                 struct base_error *e)
{
    struct buffer pixels;
    struct shim_jp2k info;
    if (stream->err)
        return base_fail(e, stream->err, BASE_NOPOS, "%s", base_err_text(stream->err));
    enum base_err err =
        shim_jp2k_decode(base_buf_bytes(stream), columns, rows, &info, &pixels.b, e);
    return err == BASE_EUNSUPPORTED ? BASE_OK : err;
}

/* JPEG 2000. A frame may be cut into fragments (PS3.5 A.4); the first of each begins with SOC SIZ.
 */
static enum base_err check_jpeg2000(DcmPixelSequence &fragments, Uint16 rows, Uint16 columns,
                                    struct base_error *e)
{
    struct buffer stream;
    unsigned long n = fragments.card();
    enum base_err err = BASE_OK;
    for (unsigned long i = 1; !err && i < n; i++) {
        DcmPixelItem *fragment = nullptr;
        Uint8 *p = nullptr;
        if (fragments.getItem(fragment, i).bad() || fragment->getUint8Array(p).bad() || !p)
            return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "fragment %lu cannot be read", i);
        size_t length = fragment->getLength();
        if (stream.b.n && length >= 4 && base_load_be32(p) == 0xff4fff51u) {
            err = check_frame(&stream.b, rows, columns, e);
            base_buf_reset(&stream.b);
        }
        base_buf_add(&stream.b, p, length);
        fragment->compact(); /* its value, which can be read again */
    }
    return err ? err : check_frame(&stream.b, rows, columns, e);
}

/* PS3.5 G.3.1, G.5: each segment of a frame comes to a byte of every pixel. DCMTK takes what is
 * missing at the end of one for zeros. */
static bool is_rle_whole(const Uint8 *p, size_t n, size_t pixels)
{
    uint32_t segments = n >= 64 ? base_load_le32(p) : 0;
    if (segments == 0 || segments > 15)
        return false;
    for (uint32_t i = 0; i < segments; i++) {
        size_t at = base_load_le32(p + 4 + 4 * i);
        size_t end = i + 1 < segments ? base_load_le32(p + 8 + 4 * i) : n;
        size_t seen = 0;
        if (at < 64 || end > n)
            return false;
        while (at < end && seen < pixels) {
            unsigned code = p[at++];
            if (code == 128)
                continue;
            at += code < 128 ? code + 1 : 1;
            seen += code < 128 ? code + 1 : 257 - code;
        }
        if (at > end || seen < pixels)
            return false;
    }
    return true;
}

static enum base_err check_rle(DcmPixelSequence &fragments, size_t pixels, struct base_error *e)
{
    unsigned long n = fragments.card();
    for (unsigned long i = 1; i < n; i++) {
        DcmPixelItem *fragment = nullptr;
        Uint8 *p = nullptr;
        if (fragments.getItem(fragment, i).bad() || fragment->getUint8Array(p).bad() || !p ||
            !is_rle_whole(p, fragment->getLength(), pixels))
            return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "frame %lu has fewer pixels than stated",
                             i);
        fragment->compact(); /* its value, which can be read again */
    }
    return BASE_OK;
}

static enum base_err decode(DcmDataset &ds, DcmPixelSequence &fragments, struct base_error *e)
{
    E_TransferSyntax syntax = ds.getOriginalXfer();
    Uint16 rows = 0, columns = 0;
    ds.findAndGetUint16(DCM_Rows, rows);
    ds.findAndGetUint16(DCM_Columns, columns);
    if (shim_is_jpeg2000(syntax))
        return check_jpeg2000(fragments, rows, columns, e);
    if (syntax == EXS_RLELossless)
        return check_rle(fragments, static_cast<size_t>(rows) * columns, e);
    if (!DcmCodecList::canChangeCoding(syntax, EXS_LittleEndianExplicit))
        return BASE_OK; /* as far as can be seen without a decoder */
    OFCondition cond = ds.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
    if (cond.good())
        return BASE_OK;
    return base_fail(e, cond == EC_MemoryExhausted ? BASE_ENOMEM : BASE_EFORMAT, BASE_NOPOS, "%s",
                     cond.text());
}

static enum base_err check_encapsulated(DcmDataset &ds, DcmPixelData &data, Sint32 frames,
                                        bool decodes, struct base_error *e)
{
    E_TransferSyntax syntax = ds.getOriginalXfer();
    DcmPixelSequence *fragments = nullptr;
    if (data.getEncapsulatedRepresentation(syntax, nullptr, fragments).bad() || !fragments)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "pixel data is not encapsulated");
    /* The first item is the offset table. A video may have its frames in one fragment. */
    unsigned long n = fragments->card() - 1;
    bool video =
        syntax >= EXS_MPEG2MainProfileAtMainLevel && syntax <= EXS_HEVCMain10ProfileLevel5_1;
    if (n < (video ? 1 : static_cast<unsigned long>(frames)))
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "%lu fragments of pixel data for %d frames",
                         n, static_cast<int>(frames));
    struct base_error why = {};
    enum base_err err = decodes ? decode(ds, *fragments, &why) : BASE_OK;
    return err ? base_fail(e, err, BASE_NOPOS, "pixel data cannot be decoded: %s", why.msg)
               : BASE_OK;
}

/* Of the meta group: a data set in a syntax that DCMTK does not know says another of itself. */
static bool is_known(DcmFileFormat &file)
{
    OFString uid;
    return file.getMetaInfo()->findAndGetOFString(DCM_TransferSyntaxUID, uid).good() &&
           DcmXfer(uid.c_str()).getXfer() != EXS_Unknown;
}

static enum base_err check_pixels(DcmFileFormat &file, bool decodes, struct base_error *e)
{
    DcmDataset &ds = *file.getDataset();
    Uint16 rows = 0, columns = 0;
    Sint32 frames = 1;
    DcmElement *el = nullptr;
    ds.findAndGetUint16(DCM_Rows, rows);
    ds.findAndGetUint16(DCM_Columns, columns);
    ds.findAndGetSint32(DCM_NumberOfFrames, frames);
    if (rows == 0 || columns == 0 || ds.tagExists(DCM_FloatPixelData) ||
        ds.tagExists(DCM_DoubleFloatPixelData) || ds.tagExists(DCM_PixelDataProviderURL) ||
        ds.tagExists(DCM_SpectroscopyData))
        return BASE_OK;
    if (ds.findAndGetElement(DCM_PixelData, el).bad() || !el)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "an image without pixel data");
    frames = frames < 1 ? 1 : frames;
    DcmPixelData *data = dynamic_cast<DcmPixelData *>(el);
    if (!data || !is_known(file))
        return BASE_OK; /* as far as can be seen */
    if (DcmXfer(ds.getOriginalXfer()).isEncapsulated())
        return check_encapsulated(ds, *data, frames, decodes, e);
    double stated = native_bytes(ds, rows, columns, frames);
    if (static_cast<double>(el->getLength()) + 1 > stated)
        return BASE_OK;
    return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "%u bytes of pixel data, %.0f stated",
                     static_cast<unsigned>(el->getLength()), stated);
}

enum base_err shim_is_whole(const char *path, bool *waveform, struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            DcmFileFormat file;
            struct shim_source src = {path, {nullptr, 0}};
            enum base_err err = shim_load(src, file, DCM_MaxReadLength, e);
            if (err)
                return err;
            *waveform = file.getDataset()->tagExists(DCM_WaveformSequence);
            return check_pixels(file, true, e);
        });
}

enum base_err shim_check_pixels(const char *path, bool decodes, struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            DcmFileFormat file;
            struct shim_source src = {path, {nullptr, 0}};
            enum base_err err = shim_load(src, file, DCM_MaxReadLength, e);
            if (err)
                return err == BASE_EFORMAT ? BASE_EUNSUPPORTED : err;
            return check_pixels(file, decodes, e);
        });
}
