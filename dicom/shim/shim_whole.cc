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

static enum base_err check_encapsulated(DcmDataset &ds, DcmPixelData &data, Sint32 frames,
                                        struct base_error *e)
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
    if (!DcmCodecList::canChangeCoding(syntax, EXS_LittleEndianExplicit))
        return BASE_OK; /* as far as can be seen without a decoder */
    OFCondition cond = ds.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
    if (cond.good())
        return BASE_OK;
    return base_fail(e, cond == EC_MemoryExhausted ? BASE_ENOMEM : BASE_EFORMAT, BASE_NOPOS,
                     "pixel data cannot be decoded: %s", cond.text());
}

/* Of the meta group: a data set in a syntax that DCMTK does not know says another of itself. */
static bool is_known(DcmFileFormat &file)
{
    OFString uid;
    return file.getMetaInfo()->findAndGetOFString(DCM_TransferSyntaxUID, uid).good() &&
           DcmXfer(uid.c_str()).getXfer() != EXS_Unknown;
}

static enum base_err check_pixels(DcmFileFormat &file, struct base_error *e)
{
    DcmDataset &ds = *file.getDataset();
    Uint16 rows = 0, columns = 0;
    Sint32 frames = 1;
    DcmElement *el = nullptr;
    ds.findAndGetUint16(DCM_Rows, rows);
    ds.findAndGetUint16(DCM_Columns, columns);
    ds.findAndGetSint32(DCM_NumberOfFrames, frames);
    if (rows == 0 || columns == 0 || ds.tagExists(DCM_FloatPixelData) ||
        ds.tagExists(DCM_DoubleFloatPixelData) || ds.tagExists(DCM_PixelDataProviderURL))
        return BASE_OK;
    if (ds.findAndGetElement(DCM_PixelData, el).bad() || !el)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "an image without pixel data");
    frames = frames < 1 ? 1 : frames;
    DcmPixelData *data = dynamic_cast<DcmPixelData *>(el);
    if (!data || !is_known(file))
        return BASE_OK; /* as far as can be seen */
    if (DcmXfer(ds.getOriginalXfer()).isEncapsulated())
        return check_encapsulated(ds, *data, frames, e);
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
            return check_pixels(file, e);
        });
}
