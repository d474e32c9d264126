/* One frame of an image object as PNG, through DCMTK's image pipeline. */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "dcmtk/dcmimage/diregist.h" /* colour images */
#include "dcmtk/dcmimgle/dcmimage.h"

/* Values over this size stay on disk: pixel data is read frame by frame. */
static const Uint32 lazy_value = 65536;

struct frame_size {
    uint32_t columns, rows, frames;
};

static enum base_err check_size(DcmDataset &ds, uint32_t frame, struct frame_size *size,
                                struct base_error *e)
{
    Uint16 rows = 0, columns = 0, samples = 1;
    Sint32 frames = 1;
    if (!ds.tagExists(DCM_PixelData))
        return base_fail(e, BASE_EUNSUPPORTED, BASE_NOPOS, "the object has no pixel data");
    if (ds.findAndGetUint16(DCM_Rows, rows).bad() ||
        ds.findAndGetUint16(DCM_Columns, columns).bad() || rows == 0 || columns == 0)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "Rows or Columns is missing or zero");
    ds.findAndGetUint16(DCM_SamplesPerPixel, samples);
    ds.findAndGetSint32(DCM_NumberOfFrames, frames);
    if (samples != 1 && samples != 3 && samples != 4)
        return base_fail(e, BASE_EUNSUPPORTED, BASE_NOPOS, "%u samples per pixel", samples);
    if (static_cast<uint64_t>(rows) * columns > SHIM_RENDER_MAX_PIXELS)
        return base_fail(e, BASE_ELIMIT, BASE_NOPOS, "%u x %u is over the limit of %u pixels",
                         columns, rows, SHIM_RENDER_MAX_PIXELS);
    if (frames < 1)
        frames = 1;
    if (frame > static_cast<uint32_t>(frames))
        return base_fail(e, BASE_ENOTFOUND, BASE_NOPOS, "there is no frame %u of %d", frame,
                         static_cast<int>(frames));
    *size = {columns, rows, static_cast<uint32_t>(frames)};
    return BASE_OK;
}

/* Copies a value of one item of a functional group to the top of the data set. */
static void lift(DcmItem &from, DcmDataset &ds, const DcmTagKey &tag)
{
    DcmElement *el = nullptr;
    if (from.findAndGetElement(tag, el).good() && el) {
        std::unique_ptr<DcmElement> copy(static_cast<DcmElement *>(el->clone()));
        if (ds.insert(copy.get(), OFTrue).good())
            copy.release();
    }
}

static void lift_groups(DcmItem &groups, DcmDataset &ds)
{
    DcmItem *item = nullptr;
    if (groups.findAndGetSequenceItem(DCM_PixelValueTransformationSequence, item, 0).good()) {
        lift(*item, ds, DCM_RescaleIntercept);
        lift(*item, ds, DCM_RescaleSlope);
    }
    if (groups.findAndGetSequenceItem(DCM_FrameVOILUTSequence, item, 0).good()) {
        lift(*item, ds, DCM_WindowCenter);
        lift(*item, ds, DCM_WindowWidth);
        lift(*item, ds, DCM_VOILUTFunction);
    }
}

/* Enhanced objects keep rescale and window in functional groups (PS3.3
 * C.7.6.16.2.9 and .10), where DCMTK's image classes do not look. */
static void apply_groups(DcmDataset &ds, uint32_t frame)
{
    DcmItem *groups = nullptr;
    if (ds.findAndGetSequenceItem(DCM_SharedFunctionalGroupsSequence, groups, 0).good())
        lift_groups(*groups, ds);
    if (ds.findAndGetSequenceItem(DCM_PerFrameFunctionalGroupsSequence, groups,
                                  static_cast<signed long>(frame) - 1)
            .good())
        lift_groups(*groups, ds);
}

/* The codestream of one frame. A frame may be cut into fragments (PS3.5 A.4);
 * each starts with SOC SIZ, whatever the offset table says. */
static enum base_err jp2k_frame(DcmDataset &ds, const struct frame_size &size, uint32_t frame,
                                struct base_buf *stream, struct base_error *e)
{
    DcmElement *el = nullptr;
    DcmPixelSequence *fragments = nullptr;
    if (ds.findAndGetElement(DCM_PixelData, el).bad())
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "no pixel data");
    DcmPixelData *data = dynamic_cast<DcmPixelData *>(el);
    E_TransferSyntax xfer = ds.getOriginalXfer();
    if (!data || data->getEncapsulatedRepresentation(xfer, nullptr, fragments).bad() || !fragments)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "pixel data is not encapsulated");
    unsigned long n = fragments->card();
    uint32_t seen = 0;
    for (unsigned long i = 1; i < n && seen <= frame; i++) {
        DcmPixelItem *fragment = nullptr;
        Uint8 *p = nullptr;
        if (fragments->getItem(fragment, i).bad() || fragment->getUint8Array(p).bad() || !p)
            return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "fragment %lu cannot be read", i);
        size_t len = fragment->getLength();
        bool starts = len >= 4 && base_load_be32(p) == 0xff4fff51u;
        if (starts || n - 1 == size.frames || i == 1)
            seen++;
        if (seen == frame)
            base_buf_add(stream, p, len);
        if (stream->err)
            return base_fail(e, stream->err, BASE_NOPOS, "%s", base_err_text(stream->err));
    }
    if (stream->n == 0)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "frame %u has no fragment", frame);
    return BASE_OK;
}

/* The frame as the only, uncompressed pixel data of plain. */
static void put_pixels(DcmDataset &plain, const struct shim_jp2k &info, const struct base_buf &px)
{
    Uint16 was_signed = 0;
    OFString colour;
    plain.findAndGetUint16(DCM_PixelRepresentation, was_signed);
    plain.findAndGetOFString(DCM_PhotometricInterpretation, colour);
    /* openjpeg undoes the component transform: PS3.5 8.2.4 */
    if (colour == "YBR_RCT" || colour == "YBR_ICT")
        plain.putAndInsertString(DCM_PhotometricInterpretation, "RGB");
    plain.putAndInsertString(DCM_NumberOfFrames, "1");
    plain.putAndInsertUint16(DCM_SamplesPerPixel, static_cast<Uint16>(info.samples));
    plain.putAndInsertUint16(DCM_PlanarConfiguration, 0);
    plain.putAndInsertUint16(DCM_BitsAllocated, info.bits > 8 ? 16 : 8);
    plain.putAndInsertUint16(DCM_BitsStored, static_cast<Uint16>(info.bits));
    plain.putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(info.bits - 1));
    /* Some writers keep signed values in an unsigned codestream, bit for bit. */
    plain.putAndInsertUint16(DCM_PixelRepresentation, info.is_signed || was_signed ? 1 : 0);
    if (info.bits > 8) {
        std::vector<Uint16> words(px.n / 2);
        for (size_t i = 0; i < words.size(); i++)
            words[i] = base_load_le16(px.p + 2 * i);
        plain.putAndInsertUint16Array(DCM_PixelData, words.data(), words.size());
    } else {
        plain.putAndInsertUint8Array(DCM_PixelData, px.p, px.n);
    }
}

static enum base_err decode_jp2k(DcmDataset &ds, const struct frame_size &size, uint32_t frame,
                                 DcmDataset &plain, struct base_error *e)
{
    struct base_buf stream, pixels;
    struct shim_jp2k info;
    base_buf_init(&stream, 0);
    base_buf_init(&pixels, 0);
    enum base_err err = shim_guard(
        e, [&]() -> enum base_err {
            enum base_err failed = jp2k_frame(ds, size, frame, &stream, e);
            if (!failed)
                failed = shim_jp2k_decode(base_buf_bytes(&stream), size.columns, size.rows, &info,
                                          &pixels, e);
            if (failed)
                return failed;
            DcmObject *next = nullptr;
            while ((next = ds.nextInContainer(nullptr)) != nullptr) {
                DcmElement *el = ds.remove(next);
                if (el->getTag() == DCM_PixelData || plain.insert(el, OFTrue).bad())
                    delete el;
            }
            put_pixels(plain, info, pixels);
            return BASE_OK;
        });
    base_buf_deinit(&pixels);
    base_buf_deinit(&stream);
    return err;
}

/* From the least value to the largest. What has more values than a screen has greys is often padded
 * with one beyond its own: there the two at the ends are put aside. */
static void set_span(DicomImage &image)
{
    double least = 0, largest = 0;
    bool few = image.getMinMaxValues(least, largest) != 0 && largest - least < 256;
    if (few || !image.setMinMaxWindow(1))
        image.setMinMaxWindow(0);
}

static void set_window(DicomImage &image, const struct shim_render &how)
{
    if (!image.isMonochrome())
        return;
    if (how.windowed && image.setWindow(how.window_center, how.window_width))
        return;
    if (!how.windowed && image.getVoiLutCount() > 0 && image.setVoiLut(0))
        return;
    if (!how.windowed && image.getWindowCount() > 0 && image.setWindow(0))
        return;
    set_span(image);
}

/* The size within the limits of how; never larger than the image. */
static void fit(const DicomImage &image, const struct shim_render &how, unsigned long *w,
                unsigned long *h)
{
    double scale = 1;
    if (how.max_width && static_cast<double>(*w) > how.max_width)
        scale = how.max_width / static_cast<double>(*w);
    if (how.max_height && static_cast<double>(*h) * scale > how.max_height)
        scale = how.max_height / static_cast<double>(*h);
    *w = static_cast<unsigned long>(static_cast<double>(image.getWidth()) * scale + 0.5);
    *h = static_cast<unsigned long>(static_cast<double>(image.getHeight()) * scale + 0.5);
    *w = *w ? *w : 1;
    *h = *h ? *h : 1;
}

static enum base_err encode(DicomImage &image, struct base_buf *png, struct base_error *e)
{
    unsigned channels = image.isMonochrome() ? 1 : 3;
    size_t n = static_cast<size_t>(image.getWidth()) * image.getHeight() * channels;
    std::vector<uint8_t> pixels(n);
    if (!image.getOutputData(pixels.data(), n, 8))
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "the frame cannot be rendered: %s",
                         DicomImage::getString(image.getStatus()));
    enum base_err err = shim_png_write(pixels.data(), static_cast<uint32_t>(image.getWidth()),
                                       static_cast<uint32_t>(image.getHeight()), channels, png);
    return err ? base_fail(e, err, BASE_NOPOS, "PNG: %s", base_err_text(err)) : BASE_OK;
}

static enum base_err draw(DcmDataset &ds, E_TransferSyntax xfer, uint32_t index,
                          const struct shim_render &how, struct base_buf *png, struct base_error *e)
{
    DicomImage image(&ds, xfer, CIF_UsePartialAccessToPixelData | CIF_NeverAccessEmbeddedOverlays,
                     index, 1);
    if (image.getStatus() != EIS_Normal)
        return base_fail(e,
                         image.getStatus() == EIS_MemoryFailure       ? BASE_ENOMEM
                         : image.getStatus() == EIS_NotSupportedValue ? BASE_EUNSUPPORTED
                                                                      : BASE_EFORMAT,
                         BASE_NOPOS, "the image cannot be decoded: %s",
                         DicomImage::getString(image.getStatus()));
    set_window(image, how);
    unsigned long w = image.getWidth(), h = image.getHeight();
    fit(image, how, &w, &h);
    if (w == image.getWidth() && h == image.getHeight())
        return encode(image, png, e);
    std::unique_ptr<DicomImage> small(image.createScaledImage(w, h, 1, 0));
    if (!small || small->getStatus() != EIS_Normal)
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "the image cannot be scaled");
    return encode(*small, png, e);
}

enum base_err shim_render_png(const char *path, const struct shim_render *how, struct base_buf *png,
                              struct base_error *e)
{
    if (how->windowed && !(how->window_width >= 1 && std::isfinite(how->window_width)))
        return base_fail(e, BASE_EINVAL, BASE_NOPOS, "the window's width must be at least 1");
    if (how->windowed && !std::isfinite(how->window_center))
        return base_fail(e, BASE_EINVAL, BASE_NOPOS, "the window's center must be a number");
    return shim_guard(
        e, [&]() -> enum base_err {
            uint32_t frame = how->frame ? how->frame : 1;
            struct shim_source src = {path, {nullptr, 0}};
            struct frame_size size = {0, 0, 0};
            DcmFileFormat file;
            enum base_err err = shim_load(src, file, lazy_value, e);
            if (!err)
                err = check_size(*file.getDataset(), frame, &size, e);
            if (err)
                return err;
            DcmDataset *ds = file.getDataset();
            E_TransferSyntax xfer = ds->getOriginalXfer();
            apply_groups(*ds, frame);
            if (!shim_is_jpeg2000(xfer))
                return draw(*ds, xfer, frame - 1, *how, png, e);
            DcmDataset plain;
            err = decode_jp2k(*ds, size, frame, plain, e);
            return err ? err : draw(plain, EXS_LittleEndianExplicit, 0, *how, png, e);
        });
}
