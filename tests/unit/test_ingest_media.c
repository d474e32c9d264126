#include "ingest/ingest_media.h"

#include <check.h>

/* Beginnings of JPEG streams: SOI, a comment, SOF with one component, SOS up to its end. */
#define HEAD                                                                                       \
    "\xff\xd8\xff\xfe\0\x04"                                                                       \
    "ab\xff\xff"
#define FRAME    "\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0"
#define SCAN(ss) "\xff\xda\0\x08\x01\x01\0" ss "\0\0\x7f"
static const struct {
    const char *bytes;
    size_t n;
    const char *syntax; /* NULL: none of the four */
} streams[] = {
#define STREAM(sof, ss, syntax)                                                                    \
    {                                                                                              \
        HEAD sof FRAME SCAN(ss), sizeof(HEAD sof FRAME SCAN(ss)) - 1, syntax                       \
    }
    STREAM("\xc0", "\0", DICOM_UID_JPEG_BASELINE),
    STREAM("\xc1", "\0", DICOM_UID_JPEG_EXTENDED),
    STREAM("\xc3", "\x01", DICOM_UID_JPEG_LOSSLESS),
    STREAM("\xc3", "\x05", DICOM_UID_JPEG_LOSSLESS_ANY),
    STREAM("\xc2", "\0", NULL),              /* progressive */
    {"\xff\x4f\xff\x51\0\x04\0\0", 8, NULL}, /* JPEG 2000 */
    {"\xff\xd8\xff\xc0\0\x01", 6, NULL},     /* a length that is none */
    {"GIF89a", 6, NULL},
};

static struct dicom_jpeg fed(size_t i, size_t cut, size_t n)
{
    struct dicom_jpeg j = {0};
    dicom_jpeg_feed(&j, base_bytes_of(streams[i].bytes, cut));
    dicom_jpeg_feed(&j, base_bytes_of(streams[i].bytes + cut, n - cut));
    return j;
}

START_TEST(a_jpeg_stream_says_which_it_is_however_it_is_cut)
{
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        for (size_t cut = 0; cut <= streams[i].n; cut++) {
            struct dicom_jpeg j = fed(i, cut, streams[i].n);
            ck_assert_pstr_eq(dicom_jpeg_syntax(&j), streams[i].syntax);
        }
}
END_TEST

START_TEST(a_short_prefix_of_one_says_nothing)
{
    for (size_t n = 0; n + 3 < streams[0].n; n++) {
        struct dicom_jpeg j = fed(0, 0, n);
        ck_assert_ptr_null(dicom_jpeg_syntax(&j));
        ck_assert(!dicom_jpeg_is(&j, DICOM_UID_JPEG_BASELINE));
    }
}
END_TEST

static const struct {
    const char *type;
    const char *hint;
    int stream; /* -1: none */
    enum ingest_media kind;
    const char *syntax;
} cases[] = {
    {"", "", -1, INGEST_MEDIA_OCTETS, DICOM_UID_EXPLICIT_LE},
    {"application/octet-stream", "", -1, INGEST_MEDIA_OCTETS, DICOM_UID_EXPLICIT_LE},
    /* what the metadata say of another encoding is not true of octets */
    {"application/octet-stream", DICOM_UID_RLE, -1, INGEST_MEDIA_OCTETS, DICOM_UID_EXPLICIT_LE},
    {"application/octet-stream; transfer-syntax=1.2.840.10008.1.2", "", -1, INGEST_MEDIA_OCTETS,
     DICOM_UID_EXPLICIT_LE},
    {"application/octet-stream; transfer-syntax=1.2.840.10008.1.2.2", "", -1, INGEST_MEDIA_MISMATCH,
     NULL},
    {"image/png", "", -1, INGEST_MEDIA_UNKNOWN, NULL},
    {"image/jpeg", "", 0, INGEST_MEDIA_FRAME, DICOM_UID_JPEG_BASELINE},
    {"Image/JPEG", "", 2, INGEST_MEDIA_FRAME, DICOM_UID_JPEG_LOSSLESS},
    {"image/jpeg", "", 4, INGEST_MEDIA_MISMATCH, NULL},
    {"image/jpeg", "", 7, INGEST_MEDIA_MISMATCH, NULL},
    {"image/jpeg", DICOM_UID_JPEG_EXTENDED, 0, INGEST_MEDIA_FRAME, DICOM_UID_JPEG_EXTENDED},
    {"image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.57", "", 2, INGEST_MEDIA_FRAME,
     DICOM_UID_JPEG_LOSSLESS_ANY},
    {"image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70", "", 3, INGEST_MEDIA_MISMATCH, NULL},
    {"image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", "", 1, INGEST_MEDIA_MISMATCH, NULL},
    {"image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.90", "", 0, INGEST_MEDIA_MISMATCH, NULL},
    {"image/jls", "", -1, INGEST_MEDIA_FRAME, DICOM_UID_JPEG_LS_LOSSLESS},
    {"image/x-jls", "1.2.840.10008.1.2.4.81", -1, INGEST_MEDIA_FRAME, "1.2.840.10008.1.2.4.81"},
    {"image/jp2; transfer-syntax=\"1.2.840.10008.1.2.4.91\"", "", -1, INGEST_MEDIA_FRAME,
     DICOM_UID_JPEG_2000},
    {"image/dicom-rle", "", -1, INGEST_MEDIA_FRAME, DICOM_UID_RLE},
    {"video/mpeg", "", -1, INGEST_MEDIA_VIDEO, "1.2.840.10008.1.2.4.100"},
    {"video/mp4;transfer-syntax=1.2.840.10008.1.2.4.105", "", -1, INGEST_MEDIA_VIDEO,
     "1.2.840.10008.1.2.4.105"},
};

START_TEST(a_media_type_stands_for_its_transfer_syntaxes)
{
    struct dicom_jpeg j = {0};
    const struct dicom_syntax *syntax = NULL;
    if (cases[_i].stream >= 0)
        j = fed((size_t)cases[_i].stream, 0, streams[cases[_i].stream].n);
    ck_assert_msg(ingest_media_of(cases[_i].type, cases[_i].hint, &j, &syntax) == cases[_i].kind,
                  "%s", cases[_i].type);
    ck_assert_pstr_eq(syntax ? syntax->uid : NULL, cases[_i].syntax);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest_media");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, a_jpeg_stream_says_which_it_is_however_it_is_cut);
    tcase_add_test(tc, a_short_prefix_of_one_says_nothing);
    tcase_add_loop_test(tc, a_media_type_stands_for_its_transfer_syntaxes, 0,
                        (int)(sizeof cases / sizeof cases[0]));
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
