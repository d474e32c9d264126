#include "dicom/dicom_header.h"

#include <check.h>
#include <stdlib.h>
#include <zlib.h>

static void write_header(struct base_buf *b, enum dicom_encoding encoding, bool undefined)
{
    struct dicom_writer w;
    static const uint16_t pixels[64];
    static const uint8_t private_data[3000];
    dicom_writer_init(&w, b, encoding);
    w.undefined_lengths = undefined;
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "GB18030");
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_CT_IMAGE);
    dicom_write_text(&w, DICOM_TAG_SOPInstanceUID, "1.2.3.4");
    dicom_write_text(&w, DICOM_TAG_StudyDate, "20260131");
    dicom_write_text(&w, DICOM_TAG_AccessionNumber, "A1");
    dicom_write_text(&w, DICOM_TAG_Modality, "CT");
    dicom_write_text(&w, DICOM_TAG_InstitutionName, "\xCD\xF5");
    dicom_write_seq_open(&w, DICOM_TAG_ReferencedPerformedProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_ReferencedSOPInstanceUID, "1.2.9");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    dicom_write(&w, DICOM_TAG(0x0009, 0x1001), DICOM_VR_OB, private_data, sizeof private_data);
    dicom_write_text(&w, DICOM_TAG_PatientName, "Wang=\xCD\xF5^\xD0\xA1\xB6\xAB ");
    dicom_write_text(&w, DICOM_TAG_PatientID, " P1 ");
    dicom_write_text(&w, DICOM_TAG_StudyInstanceUID, "1.2.3");
    dicom_write_text(&w, DICOM_TAG_SeriesInstanceUID, "1.2.3.1");
    dicom_write_text(&w, DICOM_TAG_InstanceNumber, "12");
    dicom_write_int(&w, DICOM_TAG_Rows, 64);
    dicom_write_seq_open(&w, DICOM_TAG_RequestAttributesSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_ScheduledProcedureStepID, "S1");
    dicom_write_text(&w, DICOM_TAG_RequestedProcedureID, "R1");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    dicom_write_u16(&w, DICOM_TAG_PixelData, DICOM_VR_OW, pixels, 64);
    ck_assert_int_eq(b->err, BASE_OK);
}

static void check_header(const struct dicom_header *h)
{
    ck_assert_str_eq(h->charset, "GB18030");
    ck_assert_str_eq(h->sop_class, DICOM_UID_CT_IMAGE);
    ck_assert_str_eq(h->sop_instance, "1.2.3.4");
    ck_assert_str_eq(h->study_uid, "1.2.3");
    ck_assert_str_eq(h->series_uid, "1.2.3.1");
    ck_assert_str_eq(h->study_date, "20260131");
    ck_assert_str_eq(h->accession_number, "A1");
    ck_assert_str_eq(h->institution, "王");
    ck_assert_str_eq(h->patient_name, "Wang=王^小东");
    ck_assert_uint_eq(h->patient_name_raw_n, 12);
    ck_assert_str_eq(h->patient_id, "P1");
    ck_assert_str_eq(h->pps_uid, "1.2.9");
    ck_assert_str_eq(h->sps_id, "S1");
    ck_assert_str_eq(h->requested_procedure_id, "R1");
    ck_assert_int_eq(h->instance_number, 12);
    ck_assert_int_eq(h->rows, 64);
    ck_assert_int_eq(h->columns, DICOM_NO_NUMBER);
    ck_assert(!h->guessed && !h->cut && !h->damaged);
}

static const struct {
    const char *uid;
    bool undefined;
} forms[] = {
    {DICOM_UID_IMPLICIT_LE, false}, {DICOM_UID_IMPLICIT_LE, true},  {DICOM_UID_EXPLICIT_LE, false},
    {DICOM_UID_EXPLICIT_LE, true},  {DICOM_UID_EXPLICIT_BE, false}, {DICOM_UID_EXPLICIT_BE, true},
};

START_TEST(a_header_is_read_from_the_prefix_before_the_pixels)
{
    const struct dicom_syntax *ts = dicom_syntax_find(forms[_i].uid);
    struct base_buf b = {0};
    struct dicom_header h;
    struct base_error error;
    write_header(&b, ts->encoding, forms[_i].undefined);
    size_t bulk = b.n - 128 - (ts->encoding == DICOM_IMPLICIT_LE ? 8 : 12);
    for (size_t n = 0; n <= b.n; n++) {
        uint8_t *p = malloc(n ? n : 1);
        ck_assert_ptr_nonnull(p);
        memcpy(p, b.p, n);
        enum dicom_scan result = dicom_header_scan(base_bytes_of(p, n), false, ts, &h, &error);
        if (n < bulk + 8) {
            ck_assert_int_eq(result, DICOM_SCAN_MORE);
            ck_assert_int_eq(error.code, BASE_EUNAVAILABLE);
        } else if (n >= bulk + 12) {
            ck_assert_int_eq(result, DICOM_SCAN_DONE);
            check_header(&h);
        }
        free(p);
    }
    ck_assert_int_eq(dicom_header_scan(base_buf_bytes(&b), true, ts, &h, &error), DICOM_SCAN_DONE);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_deflated_data_set_is_inflated_first)
{
    struct base_buf b = {0};
    struct dicom_header h;
    struct base_error error;
    uint8_t packed[8192];
    z_stream z = {0};
    write_header(&b, DICOM_EXPLICIT_LE, false);
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = b.p;
    z.avail_in = (uInt)b.n;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = sizeof packed - z.avail_out;
    deflateEnd(&z);
    const struct dicom_syntax *ts = dicom_syntax_find(DICOM_UID_DEFLATED);
    ck_assert_int_eq(dicom_header_scan(base_bytes_of(packed, n), true, ts, &h, &error),
                     DICOM_SCAN_DONE);
    check_header(&h);
    ck_assert_int_eq(dicom_header_scan(base_bytes_of(packed, n / 2), false, ts, &h, &error),
                     DICOM_SCAN_MORE);
    memset(packed, 0xFF, n);
    ck_assert_int_eq(dicom_header_scan(base_bytes_of(packed, n), true, ts, &h, &error),
                     DICOM_SCAN_BAD);
    base_buf_deinit(&b);
}
END_TEST

static enum dicom_scan scan(struct base_buf *b, struct dicom_header *h, struct base_error *error)
{
    enum dicom_scan result = dicom_header_scan(base_buf_bytes(b), true,
                                               dicom_syntax_find(DICOM_UID_EXPLICIT_LE), h, error);
    base_buf_deinit(b);
    return result;
}

static void write_uids(struct dicom_writer *w, const char *sop, const char *study)
{
    dicom_write_text(w, DICOM_TAG_SOPClassUID, DICOM_UID_CT_IMAGE);
    dicom_write_text(w, DICOM_TAG_SOPInstanceUID, sop);
    if (study)
        dicom_write_text(w, DICOM_TAG_StudyInstanceUID, study);
    dicom_write_text(w, DICOM_TAG_SeriesInstanceUID, "1.2.3.1");
}

START_TEST(missing_and_invalid_uids_are_named)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    struct dicom_header h;
    struct base_error error;
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    write_uids(&w, "1.2", NULL);
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_BAD);
    ck_assert_int_eq(error.code, BASE_EFORMAT);
    ck_assert_str_eq(error.msg, "StudyInstanceUID (0020,000D) is missing");
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    write_uids(&w, "1.2.x", "1.2");
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_BAD);
    ck_assert_str_eq(error.msg, "SOPInstanceUID (0008,0018) is not a UID: \"1.2.x\"");
}
END_TEST

START_TEST(damage_behind_the_identity_is_noted_and_before_it_is_an_error)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    struct dicom_header h;
    struct base_error error;
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    write_uids(&w, "1.2", "1.2.3");
    base_buf_add(&b, "\x28\0\x10\0??\xFF\x7F", 8);
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_DONE);
    ck_assert(h.damaged);
    ck_assert_ptr_nonnull(strstr(h.damage, "(0028,0010)"));
    base_buf_add(&b, "\x08\0\x16\0??\xFF\x7F", 8);
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_BAD);
    ck_assert_ptr_nonnull(strstr(error.msg, "(0008,0016)"));
}
END_TEST

START_TEST(a_file_in_the_place_of_a_data_set_is_called_so)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    struct dicom_header h;
    struct base_error error;
    base_buf_add_fill(&b, 0, 128);
    base_buf_add_str(&b, "DICM");
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    write_uids(&w, "1.2", "1.2.3");
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_BAD);
    ck_assert_ptr_nonnull(strstr(error.msg, "preamble"));
    b = (struct base_buf){0};
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_TransferSyntaxUID, "1.2.840.10008.1.2.1");
    write_uids(&w, "1.2", "1.2.3");
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_BAD);
    ck_assert_ptr_nonnull(strstr(error.msg, "meta group"));
}
END_TEST

START_TEST(long_text_is_cut_at_a_character)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    struct dicom_header h;
    struct base_error error;
    char text[400] = "";
    for (size_t i = 0; i + 3 <= 399; i += 3)
        memcpy(text + i, "王", 3);
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "ISO_IR 192");
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_CT_IMAGE);
    dicom_write_text(&w, DICOM_TAG_SOPInstanceUID, "1.2");
    dicom_write_text(&w, DICOM_TAG_PatientID, text);
    dicom_write_text(&w, DICOM_TAG_StudyInstanceUID, "1.2.3");
    dicom_write_text(&w, DICOM_TAG_SeriesInstanceUID, "1.2.3.1");
    ck_assert_int_eq(scan(&b, &h, &error), DICOM_SCAN_DONE);
    ck_assert(h.cut);
    ck_assert_uint_eq(strlen(h.patient_id), 255);
}
END_TEST

START_TEST(a_data_set_in_the_other_vr_than_its_syntax_says_is_read_and_noted)
{
    const enum dicom_encoding written[] = {DICOM_IMPLICIT_LE, DICOM_EXPLICIT_LE};
    const char *const said[] = {DICOM_UID_JPEG_BASELINE, DICOM_UID_IMPLICIT_LE};
    for (size_t i = 0; i < 2; i++) {
        struct base_buf b = {0};
        struct dicom_header h;
        struct base_error error;
        write_header(&b, written[i], false);
        ck_assert_int_eq(
            dicom_header_scan(base_buf_bytes(&b), true, dicom_syntax_find(said[i]), &h, &error),
            DICOM_SCAN_DONE);
        ck_assert(h.damaged);
        ck_assert_ptr_nonnull(strstr(h.damage, i ? "explicit VR" : "implicit VR"));
        ck_assert_str_ne(h.study_uid, "");
        base_buf_deinit(&b);
    }
}
END_TEST

START_TEST(our_meta_group_is_read_back)
{
    struct base_buf b = {0};
    struct dicom_part10 f;
    struct base_error error;
    dicom_part10_write_meta(&b, DICOM_UID_CT_IMAGE, "1.2.3", DICOM_UID_EXPLICIT_LE, "CT1");
    size_t meta = b.n;
    write_header(&b, DICOM_EXPLICIT_LE, false);
    ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_DONE);
    ck_assert(f.has_meta);
    ck_assert_uint_eq(f.dataset, meta);
    ck_assert_uint_eq(base_load_le32(b.p + 140), meta - 144);
    ck_assert_str_eq(f.syntax->uid, DICOM_UID_EXPLICIT_LE);
    ck_assert_str_eq(f.sop_class, DICOM_UID_CT_IMAGE);
    ck_assert_str_eq(f.sop_instance, "1.2.3");
    ck_assert_str_eq(f.implementation_class, DICOM_IMPLEMENTATION_UID);
    for (size_t n = 0; n < meta + 2; n++) {
        uint8_t *p = malloc(n ? n : 1);
        ck_assert_ptr_nonnull(p);
        memcpy(p, b.p, n);
        ck_assert_int_eq(dicom_part10_read(base_bytes_of(p, n), false, &f, &error),
                         DICOM_SCAN_MORE);
        free(p);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(private_information_is_read_back_when_it_is_ours)
{
    struct base_buf b = {0};
    struct dicom_part10 f;
    struct base_error error;
    struct dicom_part10_meta meta = {
        .sop_class = DICOM_UID_CT_IMAGE,
        .sop_instance = "1.2.3",
        .syntax_uid = DICOM_UID_EXPLICIT_LE,
        .private_information = base_bytes_str("{\"centre\":\"C1\"}"),
    };
    dicom_part10_write(&b, &meta);
    size_t end = b.n;
    write_header(&b, DICOM_EXPLICIT_LE, false);
    ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_DONE);
    ck_assert_uint_eq(f.dataset, end);
    ck_assert_uint_eq(f.private_information.n, 16); /* padded to even */
    ck_assert_mem_eq(f.private_information.p, "{\"centre\":\"C1\"}", 16);
    uint8_t *creator = memmem(b.p, b.n, DICOM_PRIVATE_INFORMATION_UID, 20);
    ck_assert_ptr_nonnull(creator);
    creator[5] ^= 1;
    ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_DONE);
    ck_assert_uint_eq(f.private_information.n, 0);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(files_without_preamble_or_meta_group_are_recognised)
{
    struct base_buf b = {0};
    struct dicom_part10 f;
    struct base_error error;
    dicom_part10_write_meta(&b, DICOM_UID_CT_IMAGE, "1.2.3", DICOM_UID_EXPLICIT_BE, NULL);
    size_t meta = b.n;
    write_header(&b, DICOM_EXPLICIT_BE, false);
    for (size_t skip = 128; skip <= 132; skip += 4) {
        ck_assert_int_eq(dicom_part10_read(base_bytes_of(b.p + skip, b.n - skip), true, &f, &error),
                         DICOM_SCAN_DONE);
        ck_assert_uint_eq(f.dataset, meta - skip);
        ck_assert_str_eq(f.syntax->uid, DICOM_UID_EXPLICIT_BE);
    }
    for (int i = 0; i < 6; i++) {
        base_buf_reset(&b);
        write_header(&b, dicom_syntax_find(forms[i].uid)->encoding, forms[i].undefined);
        ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_DONE);
        ck_assert(!f.has_meta);
        ck_assert_uint_eq(f.dataset, 0);
        ck_assert_str_eq(f.syntax->uid, forms[i].uid);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(what_is_not_dicom_is_refused_with_a_reason)
{
    struct base_buf b = {0};
    struct dicom_part10 f;
    struct base_error error;
    ck_assert_int_eq(dicom_part10_read(base_bytes_str("%PDF-1.7 and so on"), true, &f, &error),
                     DICOM_SCAN_BAD);
    ck_assert_int_eq(error.code, BASE_EFORMAT);
    ck_assert_int_eq(dicom_part10_read(base_bytes_str("x"), true, &f, &error), DICOM_SCAN_BAD);
    dicom_part10_write_meta(&b, DICOM_UID_CT_IMAGE, "1.2.3", "1.2.9", NULL);
    ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_BAD);
    ck_assert_int_eq(error.code, BASE_EUNSUPPORTED);
    ck_assert_str_eq(error.msg, "transfer syntax 1.2.9 is not known");
    base_buf_reset(&b);
    dicom_part10_write_meta(&b, DICOM_UID_CT_IMAGE, "1.2.3", "", NULL);
    ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_BAD);
    ck_assert_ptr_nonnull(strstr(error.msg, "no Transfer Syntax UID"));
    memcpy(b.p + 136, "zz", 2);
    ck_assert_int_eq(dicom_part10_read(base_buf_bytes(&b), true, &f, &error), DICOM_SCAN_BAD);
    ck_assert_ptr_nonnull(strstr(error.msg, "no valid VR"));
    ck_assert_uint_eq(error.pos, 132);
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dicom_header");
    TCase *t = tcase_create("header");
    tcase_add_loop_test(t, a_header_is_read_from_the_prefix_before_the_pixels, 0, 6);
    tcase_add_test(t, a_deflated_data_set_is_inflated_first);
    tcase_add_test(t, missing_and_invalid_uids_are_named);
    tcase_add_test(t, damage_behind_the_identity_is_noted_and_before_it_is_an_error);
    tcase_add_test(t, a_file_in_the_place_of_a_data_set_is_called_so);
    tcase_add_test(t, long_text_is_cut_at_a_character);
    suite_add_tcase(s, t);
    t = tcase_create("part10");
    tcase_add_test(t, a_data_set_in_the_other_vr_than_its_syntax_says_is_read_and_noted);
    tcase_add_test(t, our_meta_group_is_read_back);
    tcase_add_test(t, private_information_is_read_back_when_it_is_ours);
    tcase_add_test(t, files_without_preamble_or_meta_group_are_recognised);
    tcase_add_test(t, what_is_not_dicom_is_refused_with_a_reason);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
