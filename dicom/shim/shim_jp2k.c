/* JPEG 2000 by openjpeg, from and to memory: DCMTK 3.6.7 has no decoder. */
#include "dicom/shim/shim_priv.h"

#include <openjpeg.h>

struct reader {
    struct base_bytes in;
    size_t pos;
};

static OPJ_SIZE_T on_read(void *to, OPJ_SIZE_T n, void *ctx)
{
    struct reader *r = ctx;
    size_t left = r->in.n - r->pos;
    if (left == 0)
        return (OPJ_SIZE_T)-1;
    if (n > left)
        n = left;
    memcpy(to, r->in.p + r->pos, n);
    r->pos += n;
    return n;
}

static OPJ_OFF_T on_skip(OPJ_OFF_T n, void *ctx)
{
    struct reader *r = ctx;
    if (n < 0 || (uint64_t)n > r->in.n - r->pos)
        return -1;
    r->pos += (size_t)n;
    return n;
}

static OPJ_BOOL on_seek(OPJ_OFF_T to, void *ctx)
{
    struct reader *r = ctx;
    if (to < 0 || (uint64_t)to > r->in.n)
        return OPJ_FALSE;
    r->pos = (size_t)to;
    return OPJ_TRUE;
}

static void on_message(const char *text, void *ctx)
{
    (void)text;
    (void)ctx;
}

static enum base_err check_image(const opj_image_t *image, uint32_t columns, uint32_t rows,
                                 struct shim_jp2k *info, struct base_error *e)
{
    if (image->numcomps != 1 && image->numcomps != 3)
        return base_fail(e, BASE_EUNSUPPORTED, BASE_NOPOS, "JPEG 2000 with %u components",
                         image->numcomps);
    for (uint32_t i = 0; i < image->numcomps; i++) {
        const opj_image_comp_t *c = &image->comps[i];
        if (c->w != columns || c->h != rows)
            return base_fail(e, BASE_EFORMAT, BASE_NOPOS,
                             "JPEG 2000 frame is %u x %u, the header says %u x %u", c->w, c->h,
                             columns, rows);
        if (c->prec < 1 || c->prec > 16 || c->prec != image->comps[0].prec ||
            c->sgnd != image->comps[0].sgnd)
            return base_fail(e, BASE_EUNSUPPORTED, BASE_NOPOS, "JPEG 2000 with %u bits", c->prec);
    }
    *info = (struct shim_jp2k){.columns = columns,
                               .rows = rows,
                               .samples = image->numcomps,
                               .bits = image->comps[0].prec,
                               .is_signed = image->comps[0].sgnd != 0};
    return BASE_OK;
}

static enum base_err copy_samples(const opj_image_t *image, const struct shim_jp2k *info,
                                  struct base_buf *pixels)
{
    size_t n = (size_t)info->columns * info->rows;
    size_t width = info->bits > 8 ? 2 : 1;
    uint8_t *to = base_buf_reserve(pixels, n * info->samples * width);
    if (!to)
        return pixels->err;
    for (unsigned s = 0; s < info->samples; s++) {
        const OPJ_INT32 *from = image->comps[s].data;
        uint8_t *p = to + s * width;
        if (!from)
            return BASE_EFORMAT;
        for (size_t i = 0; i < n; i++, p += info->samples * width) {
            if (width == 1)
                *p = (uint8_t)from[i];
            else
                base_store_le16(p, (uint16_t)from[i]);
        }
    }
    pixels->n += n * info->samples * width;
    return BASE_OK;
}

static enum base_err decode(opj_codec_t *codec, opj_stream_t *stream, opj_image_t **image,
                            uint32_t columns, uint32_t rows, struct shim_jp2k *info,
                            struct base_error *e)
{
    opj_dparameters_t params;
    opj_set_default_decoder_parameters(&params);
    opj_set_info_handler(codec, on_message, NULL);
    opj_set_warning_handler(codec, on_message, NULL);
    opj_set_error_handler(codec, on_message, NULL);
    if (!opj_setup_decoder(codec, &params) || !opj_read_header(stream, codec, image))
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "damaged JPEG 2000 header");
    /* Before the samples are allocated: the sizes are those declared in the data set. */
    enum base_err err = check_image(*image, columns, rows, info, e);
    if (err)
        return err;
    if (!opj_decode(codec, stream, *image))
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "damaged JPEG 2000 frame");
    return check_image(*image, columns, rows, info, e);
}

enum base_err shim_jp2k_decode(struct base_bytes stream, uint32_t columns, uint32_t rows,
                               struct shim_jp2k *info, struct base_buf *pixels,
                               struct base_error *e)
{
    struct reader reader = {.in = stream};
    struct shim_jp2k found;
    enum base_err err = BASE_ENOMEM;
    opj_image_t *image = NULL;
    /* PS3.5 A.4.4 wants the bare codestream (FF4F FF51); some writers send JP2. */
    bool bare = stream.n >= 4 && base_load_be32(stream.p) == 0xff4fff51u;
    opj_codec_t *codec = opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *in = opj_stream_default_create(OPJ_TRUE);
    if (codec && in) {
        opj_stream_set_user_data(in, &reader, NULL);
        opj_stream_set_user_data_length(in, stream.n);
        opj_stream_set_read_function(in, on_read);
        opj_stream_set_skip_function(in, on_skip);
        opj_stream_set_seek_function(in, on_seek);
        err = decode(codec, in, &image, columns, rows, &found, e);
        if (!err)
            err = copy_samples(image, &found, pixels);
    }
    opj_image_destroy(image);
    opj_stream_destroy(in);
    opj_destroy_codec(codec);
    if (!err)
        *info = found;
    return err;
}
