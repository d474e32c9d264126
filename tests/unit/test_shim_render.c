#include "dicom/shim/shim.h"
#include "shim_fixture.h"

#include <math.h>
#include <openjpeg.h>
#include <png.h>

struct picture {
    unsigned w, h, channels;
    uint8_t *pixels;
};

static struct picture decode_png(const struct base_buf *png)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    struct picture out = {0};
    ck_assert_int_ne(png_image_begin_read_from_memory(&image, png->p, png->n), 0);
    out.channels = image.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
    image.format = out.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    out.w = image.width;
    out.h = image.height;
    out.pixels = malloc((size_t)out.w * out.h * out.channels);
    ck_assert_int_ne(png_image_finish_read(&image, NULL, out.pixels, 0, NULL), 0);
    return out;
}

static struct picture render(const char *path, const struct shim_render *how)
{
    struct base_buf png = {0};
    struct base_error e = {0};
    enum base_err err = shim_render_png(path, how, &png, &e);
    ck_assert_msg(err == BASE_OK, "%s: %s", path, e.msg);
    struct picture p = decode_png(&png);
    base_buf_deinit(&png);
    return p;
}

static enum base_err fails(const char *path, const struct shim_render *how)
{
    struct base_buf png = {0};
    struct base_error e = {0};
    enum base_err err = shim_render_png(path, how, &png, &e);
    base_buf_deinit(&png);
    ck_assert_msg(err == BASE_OK || e.msg[0] != 0, "no message");
    return err;
}

/* 64 x 32, 16 bits, value = 16 * x in each row; frames differ by 1000. */
static void make_grey(const char *path, const char *photometric, unsigned frames,
                      const char *center, const char *width)
{
    struct base_buf b = {0};
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    char number[8];
    struct base_buf px = {0};
    snprintf(number, sizeof number, "%u", frames);
    fixture_us(&b, 0x28, 2, 1);
    fixture_text(&b, 0x28, 4, "CS", photometric);
    fixture_text(&b, 0x28, 8, "IS", number);
    fixture_us(&b, 0x28, 0x10, 32);
    fixture_us(&b, 0x28, 0x11, 64);
    fixture_us(&b, 0x28, 0x100, 16);
    fixture_us(&b, 0x28, 0x101, 12);
    fixture_us(&b, 0x28, 0x102, 11);
    fixture_us(&b, 0x28, 0x103, 0);
    if (center) {
        fixture_text(&b, 0x28, 0x1050, "DS", center);
        fixture_text(&b, 0x28, 0x1051, "DS", width);
    }
    for (unsigned f = 0; f < frames; f++)
        for (unsigned y = 0; y < 32; y++)
            for (unsigned x = 0; x < 64; x++)
                base_buf_add_le16(&px, (uint16_t)(16 * x + 1000 * f));
    fixture_bytes(&b, 0x7fe0, 0x10, "OW", px.p, px.n);
    fixture_write(path, &b);
    base_buf_deinit(&px);
    base_buf_deinit(&b);
}

START_TEST(grey_without_window_spans_black_to_white)
{
    char path[256];
    struct shim_render how = {0};
    make_grey(fixture_path("grey.dcm", path), "MONOCHROME2", 1, NULL, NULL);
    struct picture p = render(path, &how);
    ck_assert_uint_eq(p.w, 64);
    ck_assert_uint_eq(p.h, 32);
    ck_assert_uint_eq(p.channels, 1);
    ck_assert_uint_le(p.pixels[0], 2);
    ck_assert_uint_ge(p.pixels[63], 253);
    free(p.pixels);
}
END_TEST

/* The lowest and the highest too: what has few values shows each. */
START_TEST(a_mask_of_few_values_shows_each_of_them)
{
    static const uint8_t values[] = {0, 1, 2, 3};
    struct base_buf b = {0};
    char path[256];
    struct shim_render how = {0};
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    fixture_us(&b, 0x28, 0x02, 1);
    fixture_text(&b, 0x28, 0x04, "CS", "MONOCHROME2");
    fixture_us(&b, 0x28, 0x10, 1);
    fixture_us(&b, 0x28, 0x11, 4);
    fixture_us(&b, 0x28, 0x100, 8);
    fixture_us(&b, 0x28, 0x101, 8);
    fixture_us(&b, 0x28, 0x102, 7);
    fixture_us(&b, 0x28, 0x103, 0);
    fixture_bytes(&b, 0x7fe0, 0x10, "OB", values, sizeof values);
    fixture_write(fixture_path("mask.dcm", path), &b);
    struct picture p = render(path, &how);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(p.pixels[i], 85 * i);
    free(p.pixels);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(monochrome1_is_shown_inverted)
{
    char path[256];
    struct shim_render how = {0};
    make_grey(fixture_path("inverse.dcm", path), "MONOCHROME1", 1, NULL, NULL);
    struct picture p = render(path, &how);
    ck_assert_uint_ge(p.pixels[0], 253);
    ck_assert_uint_le(p.pixels[63], 2);
    free(p.pixels);
}
END_TEST

START_TEST(the_window_of_the_file_is_used_and_can_be_replaced)
{
    char path[256];
    struct shim_render how = {0};
    make_grey(fixture_path("window.dcm", path), "MONOCHROME2", 1, "160", "160");
    struct picture p = render(path, &how);
    ck_assert_uint_eq(p.pixels[4], 0);
    ck_assert_uint_eq(p.pixels[20], 255);
    free(p.pixels);
    how = (struct shim_render){.windowed = true, .window_center = 800, .window_width = 100};
    p = render(path, &how);
    ck_assert_uint_eq(p.pixels[20], 0);
    ck_assert_uint_eq(p.pixels[60], 255);
    free(p.pixels);
    how.window_width = 0;
    ck_assert_int_eq(fails(path, &how), BASE_EINVAL);
    how = (struct shim_render){.windowed = true, .window_center = (double)NAN, .window_width = 100};
    ck_assert_int_eq(fails(path, &how), BASE_EINVAL);
    how = (struct shim_render){
        .windowed = true, .window_center = 1, .window_width = (double)INFINITY};
    ck_assert_int_eq(fails(path, &how), BASE_EINVAL);
}
END_TEST

START_TEST(a_frame_is_chosen_and_a_missing_one_is_said)
{
    char path[256];
    struct shim_render how = {
        .frame = 2, .windowed = true, .window_center = 500, .window_width = 1000};
    make_grey(fixture_path("frames.dcm", path), "MONOCHROME2", 3, NULL, NULL);
    struct picture p = render(path, &how);
    ck_assert_uint_eq(p.pixels[0], 255); /* 1000 is above the window */
    free(p.pixels);
    how.frame = 1;
    p = render(path, &how);
    ck_assert_uint_eq(p.pixels[0], 0);
    free(p.pixels);
    how.frame = 4;
    ck_assert_int_eq(fails(path, &how), BASE_ENOTFOUND);
}
END_TEST

START_TEST(a_large_image_is_scaled_to_the_limits)
{
    char path[256];
    struct shim_render how = {.max_width = 32, .max_height = 32};
    make_grey(fixture_path("scale.dcm", path), "MONOCHROME2", 1, NULL, NULL);
    struct picture p = render(path, &how);
    ck_assert_uint_eq(p.w, 32);
    ck_assert_uint_eq(p.h, 16);
    free(p.pixels);
    how = (struct shim_render){.max_height = 8};
    p = render(path, &how);
    ck_assert_uint_eq(p.w, 16);
    ck_assert_uint_eq(p.h, 8);
    free(p.pixels);
}
END_TEST

/* Left half red, right half blue. */
static void make_colour(const char *path)
{
    struct base_buf b = {0}, px = {0};
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    fixture_image(&b, "RGB", 3, 32, 32, 8);
    for (unsigned y = 0; y < 32; y++)
        for (unsigned x = 0; x < 32; x++)
            base_buf_add(&px, x < 16 ? "\xf0\x10\x10" : "\x10\x10\xf0", 3);
    fixture_bytes(&b, 0x7fe0, 0x10, "OB", px.p, px.n);
    fixture_write(path, &b);
    base_buf_deinit(&px);
    base_buf_deinit(&b);
}

static void assert_red_and_blue(struct picture p, int tolerance)
{
    static const int want[2][3] = {{0xf0, 0x10, 0x10}, {0x10, 0x10, 0xf0}};
    ck_assert_uint_eq(p.channels, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_le(abs(p.pixels[(16 * 32 + 4) * 3 + i] - want[0][i]), tolerance);
        ck_assert_int_le(abs(p.pixels[(16 * 32 + 28) * 3 + i] - want[1][i]), tolerance);
    }
    free(p.pixels);
}

START_TEST(colour_is_rgb)
{
    char path[256];
    struct shim_render how = {0};
    make_colour(fixture_path("colour.dcm", path));
    assert_red_and_blue(render(path, &how), 0);
}
END_TEST

START_TEST(a_palette_becomes_colour)
{
    char path[256];
    struct shim_render how = {0};
    struct base_buf b = {0};
    uint8_t lut[512], px[4] = {0, 255, 0, 255};
    uint8_t descriptor[6] = {0, 1, 0, 0, 16, 0}; /* 256 entries from 0, 16 bits */
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    fixture_image(&b, "PALETTE COLOR", 1, 2, 2, 8);
    for (uint16_t c = 0; c < 3; c++)
        fixture_bytes(&b, 0x28, (uint16_t)(0x1101 + c), "US", descriptor, 6);
    for (uint16_t c = 0; c < 3; c++) {
        for (unsigned i = 0; i < 256; i++)
            base_store_le16(lut + 2 * i, (uint16_t)(c == 0 ? i * 257 : 0));
        fixture_bytes(&b, 0x28, (uint16_t)(0x1201 + c), "OW", lut, sizeof lut);
    }
    fixture_bytes(&b, 0x7fe0, 0x10, "OB", px, 4);
    fixture_write(fixture_path("palette.dcm", path), &b);
    struct picture p = render(path, &how);
    ck_assert_uint_eq(p.channels, 3);
    ck_assert_uint_eq(p.pixels[0], 0);
    ck_assert_uint_eq(p.pixels[3], 255);
    ck_assert_uint_eq(p.pixels[4], 0);
    free(p.pixels);
    base_buf_deinit(&b);
}
END_TEST

/* Each compressed form that DCMTK's own tools make gives the picture back. */
START_TEST(compressed_images_decode_as_their_originals)
{
    static const struct {
        const char *tool, *options;
        int colour_tolerance, grey_tolerance;
    } forms[] = {
        {"dcmcjpeg", "+e1", 2, 0},        {"dcmcjpeg", "+eb +q 95", 12, -1},
        {"dcmcjpeg", "+ee +q 95", -1, 4}, {"dcmcjpls", "+el", 0, 0},
        {"dcmcjpls", "+en +md 1", 2, 1},  {"dcmcrle", "", 0, 0},
    };
    char colour[256], grey[256], out[256], command[1024];
    struct shim_render how = {.windowed = true, .window_center = 512, .window_width = 1024};
    make_colour(fixture_path("c.dcm", colour));
    make_grey(fixture_path("g.dcm", grey), "MONOCHROME2", 1, NULL, NULL);
    struct picture want = render(grey, &how);
    fixture_path("z.dcm", out);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (!fixture_has(forms[i].tool))
            continue;
        if (forms[i].colour_tolerance >= 0) {
            snprintf(command, sizeof command, "%s %s %s %s", forms[i].tool, forms[i].options,
                     colour, out);
            ck_assert_msg(system(command) == 0, "%s", command);
            assert_red_and_blue(render(out, &how), forms[i].colour_tolerance);
        }
        if (forms[i].grey_tolerance >= 0) {
            snprintf(command, sizeof command, "%s %s %s %s", forms[i].tool, forms[i].options, grey,
                     out);
            ck_assert_msg(system(command) == 0, "%s", command);
            struct picture got = render(out, &how);
            for (unsigned k = 0; k < want.w * want.h; k++)
                ck_assert_msg(abs(got.pixels[k] - want.pixels[k]) <= forms[i].grey_tolerance,
                              "%s: pixel %u is %d, not %d", command, k, got.pixels[k],
                              want.pixels[k]);
            free(got.pixels);
        }
    }
    free(want.pixels);
}
END_TEST

static OPJ_SIZE_T jp2k_write(void *p, OPJ_SIZE_T n, void *ctx)
{
    base_buf_add(ctx, p, n);
    return n;
}

/* A lossless codestream of n components; sample = 100 * component + 16 * x. */
static void encode_jp2k(struct base_buf *out, unsigned components, unsigned columns, unsigned rows,
                        unsigned bits)
{
    opj_cparameters_t params;
    opj_image_cmptparm_t parts[3];
    memset(parts, 0, sizeof parts);
    for (unsigned i = 0; i < components; i++)
        parts[i] = (opj_image_cmptparm_t){.dx = 1, .dy = 1, .w = columns, .h = rows, .prec = bits};
    opj_image_t *image =
        opj_image_create(components, parts, components == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
    image->x1 = columns;
    image->y1 = rows;
    for (unsigned c = 0; c < components; c++)
        for (unsigned i = 0; i < columns * rows; i++)
            image->comps[c].data[i] = (OPJ_INT32)(100 * c + 16 * (i % columns));
    opj_set_default_encoder_parameters(&params);
    params.tcp_numlayers = 1;
    params.cp_disto_alloc = 1;
    params.numresolution = 3;
    params.tcp_mct = components == 3;
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_default_create(OPJ_FALSE);
    opj_stream_set_user_data(stream, out, NULL);
    opj_stream_set_write_function(stream, jp2k_write);
    ck_assert(opj_setup_encoder(codec, &params, image));
    ck_assert(opj_start_compress(codec, image, stream));
    ck_assert(opj_encode(codec, stream));
    ck_assert(opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
}

static void add_fragment(struct base_buf *b, const uint8_t *p, size_t n)
{
    base_buf_add_le16(b, 0xfffe);
    base_buf_add_le16(b, 0xe000);
    base_buf_add_le32(b, (uint32_t)(n + (n & 1)));
    base_buf_add(b, p, n);
    if (n & 1)
        base_buf_add_byte(b, 0);
}

/* Two frames, the second cut into two fragments; columns as declared. */
static void make_jp2k(const char *path, unsigned components, unsigned bits, unsigned columns)
{
    struct base_buf b = {0}, stream = {0};
    encode_jp2k(&stream, components, 16, 16, bits);
    fixture_begin(&b, "1.2.840.10008.1.2.4.90");
    fixture_sop(&b);
    fixture_us(&b, 0x28, 2, components);
    fixture_text(&b, 0x28, 4, "CS", components == 3 ? "YBR_RCT" : "MONOCHROME2");
    if (components == 3)
        fixture_us(&b, 0x28, 6, 0);
    fixture_text(&b, 0x28, 8, "IS", "2");
    fixture_us(&b, 0x28, 0x10, 16);
    fixture_us(&b, 0x28, 0x11, columns);
    fixture_us(&b, 0x28, 0x100, bits > 8 ? 16 : 8);
    fixture_us(&b, 0x28, 0x101, bits);
    fixture_us(&b, 0x28, 0x102, bits - 1);
    fixture_us(&b, 0x28, 0x103, 0);
    base_buf_add(&b, "\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff", 12);
    add_fragment(&b, NULL, 0);
    add_fragment(&b, stream.p, stream.n);
    size_t cut = stream.n / 2 & ~(size_t)1;
    add_fragment(&b, stream.p, cut);
    add_fragment(&b, stream.p + cut, stream.n - cut);
    base_buf_add(&b, "\xfe\xff\xdd\xe0\0\0\0\0", 8);
    fixture_write(path, &b);
    base_buf_deinit(&stream);
    base_buf_deinit(&b);
}

START_TEST(jpeg_2000_is_decoded_frame_by_frame)
{
    char path[256];
    struct shim_render how = {.windowed = true, .window_center = 128, .window_width = 256};
    make_jp2k(fixture_path("j2k.dcm", path), 1, 12, 16);
    for (how.frame = 1; how.frame <= 2; how.frame++) {
        struct picture p = render(path, &how);
        ck_assert_uint_eq(p.w, 16);
        for (unsigned x = 0; x < 16; x++)
            ck_assert_int_le(abs(p.pixels[x] - (int)(16 * x)), 1);
        free(p.pixels);
    }
    make_jp2k(path, 3, 8, 16);
    how = (struct shim_render){.frame = 2};
    struct picture p = render(path, &how);
    ck_assert_uint_eq(p.channels, 3);
    ck_assert_uint_eq(p.pixels[0], 0);
    ck_assert_uint_eq(p.pixels[1], 100);
    ck_assert_uint_eq(p.pixels[2], 200);
    free(p.pixels);
}
END_TEST

START_TEST(jpeg_2000_of_another_size_than_declared_is_refused)
{
    char path[256];
    struct shim_render how = {0};
    make_jp2k(fixture_path("j2k-size.dcm", path), 1, 8, 32);
    ck_assert_int_eq(fails(path, &how), BASE_EFORMAT);
}
END_TEST

static void wrap_item(struct base_buf *content)
{
    struct base_buf item = {0};
    base_buf_add(&item, "\xfe\xff\x00\xe0", 4);
    base_buf_add_le32(&item, (uint32_t)content->n);
    base_buf_add(&item, content->p, content->n);
    base_buf_deinit(content);
    *content = item;
}

/* An item of Per-Frame Functional Groups with a rescale and a window. */
static void add_group(struct base_buf *groups, const char *intercept, const char *center)
{
    struct base_buf window = {0}, rescale = {0}, item = {0};
    fixture_text(&window, 0x28, 0x1050, "DS", center);
    fixture_text(&window, 0x28, 0x1051, "DS", "100");
    wrap_item(&window);
    fixture_text(&rescale, 0x28, 0x1052, "DS", intercept);
    fixture_text(&rescale, 0x28, 0x1053, "DS", "1");
    wrap_item(&rescale);
    fixture_bytes(&item, 0x28, 0x9132, "SQ", window.p, window.n);
    fixture_bytes(&item, 0x28, 0x9145, "SQ", rescale.p, rescale.n);
    wrap_item(&item);
    base_buf_add(groups, item.p, item.n);
    base_buf_deinit(&item);
    base_buf_deinit(&window);
    base_buf_deinit(&rescale);
}

START_TEST(an_enhanced_frame_has_its_own_window_and_rescale)
{
    char path[256];
    struct base_buf b = {0}, groups = {0}, px = {0};
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    fixture_us(&b, 0x28, 2, 1);
    fixture_text(&b, 0x28, 4, "CS", "MONOCHROME2");
    fixture_text(&b, 0x28, 8, "IS", "2");
    fixture_us(&b, 0x28, 0x10, 2);
    fixture_us(&b, 0x28, 0x11, 2);
    fixture_us(&b, 0x28, 0x100, 16);
    fixture_us(&b, 0x28, 0x101, 16);
    fixture_us(&b, 0x28, 0x102, 15);
    fixture_us(&b, 0x28, 0x103, 0);
    add_group(&groups, "0", "1000");    /* values 1000 lie in the middle */
    add_group(&groups, "-900", "1000"); /* values 100 lie far below */
    fixture_bytes(&b, 0x5200, 0x9230, "SQ", groups.p, groups.n);
    for (int i = 0; i < 8; i++)
        base_buf_add_le16(&px, 1000);
    fixture_bytes(&b, 0x7fe0, 0x10, "OW", px.p, px.n);
    fixture_write(fixture_path("enhanced.dcm", path), &b);
    for (uint32_t frame = 1; frame <= 2; frame++) {
        struct shim_render how = {.frame = frame};
        struct picture p = render(path, &how);
        if (frame == 1)
            ck_assert_int_le(abs(p.pixels[0] - 128), 2);
        else
            ck_assert_uint_eq(p.pixels[0], 0);
        free(p.pixels);
    }
    base_buf_deinit(&px);
    base_buf_deinit(&groups);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(what_cannot_be_rendered_has_a_cause)
{
    char path[256];
    struct shim_render how = {0};
    struct base_buf b = {0};
    ck_assert_int_eq(fails(fixture_path("nothing.dcm", path), &how), BASE_ENOTFOUND);
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    fixture_write(fixture_path("no-pixels.dcm", path), &b);
    ck_assert_int_eq(fails(path, &how), BASE_EUNSUPPORTED);
    base_buf_reset(&b);
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_sop(&b);
    fixture_image(&b, "MONOCHROME2", 1, 65535, 65535, 16);
    fixture_bytes(&b, 0x7fe0, 0x10, "OW", "\0\0\0\0", 4);
    fixture_write(path, &b);
    ck_assert_int_eq(fails(path, &how), BASE_ELIMIT);
    base_buf_reset(&b);
    base_buf_add_str(&b, "this is no DICOM file");
    fixture_write(path, &b);
    ck_assert_int_eq(fails(path, &how), BASE_EFORMAT);
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    struct base_error e;
    if (shim_init(&e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    Suite *s = suite_create("shim_render");
    TCase *t = tcase_create("render");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, grey_without_window_spans_black_to_white);
    tcase_add_test(t, a_mask_of_few_values_shows_each_of_them);
    tcase_add_test(t, monochrome1_is_shown_inverted);
    tcase_add_test(t, the_window_of_the_file_is_used_and_can_be_replaced);
    tcase_add_test(t, a_frame_is_chosen_and_a_missing_one_is_said);
    tcase_add_test(t, a_large_image_is_scaled_to_the_limits);
    tcase_add_test(t, colour_is_rgb);
    tcase_add_test(t, a_palette_becomes_colour);
    tcase_add_test(t, compressed_images_decode_as_their_originals);
    tcase_add_test(t, jpeg_2000_is_decoded_frame_by_frame);
    tcase_add_test(t, jpeg_2000_of_another_size_than_declared_is_refused);
    tcase_add_test(t, an_enhanced_frame_has_its_own_window_and_rescale);
    tcase_add_test(t, what_cannot_be_rendered_has_a_cause);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
