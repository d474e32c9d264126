#include "dicom/shim/shim.h"
#include "shim_fixture.h"

#include <string.h>

static char folder[] = "/tmp/rdc-whole-XXXXXX";
static char path[64];

static const char *const rle = "1.2.840.10008.1.2.5";
static const char *const htj2k = "1.2.840.10008.1.2.4.201"; /* which DCMTK does not know */

/* An image of 2 x 2 bytes, up to its pixel data. */
static void begin(struct base_buf *b, const char *syntax, const char *frames)
{
    fixture_begin(b, syntax);
    fixture_text(b, 8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7");
    fixture_text(b, 8, 0x18, "UI", "2.25.1");
    fixture_us(b, 0x28, 2, 1);
    fixture_text(b, 0x28, 4, "CS", "MONOCHROME2");
    if (frames)
        fixture_text(b, 0x28, 8, "IS", frames);
    fixture_us(b, 0x28, 0x10, 2);
    fixture_us(b, 0x28, 0x11, 2);
    fixture_us(b, 0x28, 0x100, 8);
    fixture_us(b, 0x28, 0x101, 8);
    fixture_us(b, 0x28, 0x102, 7);
    fixture_us(b, 0x28, 0x103, 0);
}

/* Of undefined length, with an empty offset table, n fragments, and the delimiter if it ends. */
static void fragments(struct base_buf *b, unsigned n, bool ends)
{
    /* PS3.5 G.5: one segment at 64, which repeats the byte 7 four times */
    static const uint8_t frame[66] = {[0] = 1, [4] = 64, [64] = 0xFD, [65] = 7};
    static const uint8_t pixels[12] = {0xE0, 0x7F, 0x10, 0, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
    static const uint8_t item[4] = {0xFE, 0xFF, 0x00, 0xE0};
    static const uint8_t end[8] = {0xFE, 0xFF, 0xDD, 0xE0};
    base_buf_add(b, pixels, sizeof pixels);
    base_buf_add(b, item, sizeof item);
    base_buf_add_le32(b, 0);
    for (unsigned i = 0; i < n; i++) {
        base_buf_add(b, item, sizeof item);
        base_buf_add_le32(b, sizeof frame);
        base_buf_add(b, frame, sizeof frame);
    }
    if (ends)
        base_buf_add(b, end, sizeof end);
}

/* Whether it is whole; b is emptied. */
static enum base_err look(struct base_buf *b, struct base_error *e)
{
    bool waveform = true;
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(b->p, 1, b->n, f), b->n);
    fclose(f);
    base_buf_deinit(b);
    *e = (struct base_error){0};
    enum base_err err = shim_is_whole(path, &waveform, e);
    ck_assert(err || !waveform);
    return err;
}

START_TEST(native_pixel_data_is_as_long_as_the_image_states)
{
    static const uint8_t pixels[8];
    static const struct {
        const char *frames;
        size_t n;
        enum base_err err;
    } cases[] = {{NULL, 4, BASE_OK}, {NULL, 6, BASE_OK},     {NULL, 2, BASE_EFORMAT},
                 {"2", 8, BASE_OK},  {"2", 6, BASE_EFORMAT}, {"2000000000", 8, BASE_EFORMAT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct base_buf b = {0};
        struct base_error e;
        begin(&b, FIXTURE_EXPLICIT_LE, cases[i].frames);
        fixture_bytes(&b, 0x7FE0, 0x10, "OB", pixels, cases[i].n);
        ck_assert_int_eq(look(&b, &e), cases[i].err);
        if (i == 2)
            ck_assert_str_eq(e.msg, "2 bytes of pixel data, 4 stated");
    }
}
END_TEST

START_TEST(a_data_set_that_breaks_off_is_damaged)
{
    static const uint8_t pixels[4];
    struct base_error e;
    for (size_t cut = 1; cut <= 4; cut++) {
        struct base_buf b = {0};
        begin(&b, FIXTURE_EXPLICIT_LE, NULL);
        fixture_bytes(&b, 0x7FE0, 0x10, "OB", pixels, 4);
        b.n -= cut;
        ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    }
    struct base_buf b = {0};
    begin(&b, FIXTURE_EXPLICIT_LE, NULL);
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    ck_assert_str_eq(e.msg, "an image without pixel data");
}
END_TEST

START_TEST(each_frame_has_a_fragment_that_can_be_decoded)
{
    struct base_buf b = {0};
    struct base_error e;
    begin(&b, rle, "2");
    fragments(&b, 2, true);
    ck_assert_msg(look(&b, &e) == BASE_OK, "%s", e.msg);
    begin(&b, rle, "2");
    fragments(&b, 1, true);
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    ck_assert_str_eq(e.msg, "1 fragments of pixel data for 2 frames");
    begin(&b, rle, NULL);
    fragments(&b, 1, false);
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    begin(&b, rle, NULL);
    fragments(&b, 1, true);
    b.p[b.n - 8 - 66] = 9; /* more segments than there are samples */
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    ck_assert_msg(strncmp(e.msg, "pixel data cannot be decoded: ", 30) == 0, "%s", e.msg);
    /* the runs of a segment come to three pixels, and to four of which one is beyond the end */
    for (uint8_t code = 0xFE; code >= 3; code = code == 0xFE ? 3 : 0) {
        begin(&b, rle, "2");
        fragments(&b, 2, true);
        b.p[b.n - 8 - 2] = code;
        ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
        ck_assert_msg(strstr(e.msg, ": frame 2 has fewer pixels than stated") != NULL, "%s", e.msg);
    }
}
END_TEST

START_TEST(pixel_data_are_looked_at_apart_from_the_file)
{
    struct base_buf b = {0};
    struct base_error e;
    begin(&b, rle, NULL);
    fragments(&b, 1, true);
    b.p[b.n - 8 - 2] = 0xFE;
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT); /* and the file is there */
    ck_assert_int_eq(shim_check_pixels(path, false, &e), BASE_OK);
    ck_assert_int_eq(shim_check_pixels(path, true, &e), BASE_EFORMAT);
    begin(&b, rle, NULL);
    fragments(&b, 1, false);
    b.n -= 40;
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    ck_assert_int_eq(shim_check_pixels(path, true, &e), BASE_EUNSUPPORTED);
    ck_assert_int_eq(shim_check_pixels("/nowhere", true, &e), BASE_ENOTFOUND);
}
END_TEST

START_TEST(what_nobody_here_decodes_is_whole_as_far_as_can_be_seen)
{
    struct base_buf b = {0};
    struct base_error e;
    begin(&b, htj2k, NULL);
    fragments(&b, 1, true);
    ck_assert_msg(look(&b, &e) == BASE_OK, "%s", e.msg);
    begin(&b, htj2k, NULL);
    fragments(&b, 1, true);
    b.n -= 20;
    ck_assert_int_eq(look(&b, &e), BASE_EFORMAT);
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_text(&b, 8, 0x18, "UI", "2.25.1");
    ck_assert_int_eq(look(&b, &e), BASE_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shim_whole");
    TCase *tc = tcase_create("whole");
    struct base_error e = {0};
    char command[64];
    if (shim_init(&e) || !mkdtemp(folder)) {
        fprintf(stderr, "test_shim_whole: %s\n", e.msg);
        return 1;
    }
    snprintf(path, sizeof path, "%s/a.dcm", folder);
    tcase_add_test(tc, native_pixel_data_is_as_long_as_the_image_states);
    tcase_add_test(tc, a_data_set_that_breaks_off_is_damaged);
    tcase_add_test(tc, each_frame_has_a_fragment_that_can_be_decoded);
    tcase_add_test(tc, pixel_data_are_looked_at_apart_from_the_file);
    tcase_add_test(tc, what_nobody_here_decodes_is_whole_as_far_as_can_be_seen);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) != 0 || failed != 0;
}
