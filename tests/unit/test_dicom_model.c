#include "dicom/dicom_dataset.h"
#include "dicom/dicom_json.h"
#include "dicom/dicom_model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum base_err read_json(const char *json, struct dicom_model *m, struct base_error *e)
{
    memset(e, 0, sizeof *e);
    return dicom_model_read_json(base_bytes_str(json), m, e);
}

static enum base_err read_xml(const char *attributes, struct dicom_model *m, struct base_error *e)
{
    struct base_buf xml = {0};
    memset(e, 0, sizeof *e);
    base_buf_printf(&xml,
                    "<NativeDicomModel xmlns=\"http://dicom.nema.org/PS3.19/models/"
                    "NativeDICOM\" xml:space=\"preserve\">\n%s</NativeDicomModel>",
                    attributes);
    enum base_err err = dicom_model_read_xml(base_buf_bytes(&xml), m, e);
    base_buf_deinit(&xml);
    return err;
}

/* The data set must be (0008,0005) ISO_IR 192 and then these bytes. */
static void expect_after_charset(const struct dicom_model *m, const void *want, size_t n)
{
    static const char charset[] = "\x08\0\x05\0CS\x0a\0ISO_IR 192";
    ck_assert_uint_ge(m->data.n, 18);
    ck_assert_mem_eq(m->data.p, charset, 18);
    ck_assert_uint_eq(m->data.n - 18, n);
    ck_assert_mem_eq(m->data.p + 18, want, n);
}

/* Pieces of the example in PS3.18 F.4 (in the order of their tags). */
static const char f4[] = "{\"00091002\":{\"vr\":\"UN\",\"InlineBinary\":\"z0x9c8v7\"},"
                         "\"00090010\":{\"vr\":\"LO\",\"Value\":[\"Vendor A\"]},"
                         "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Wang^XiaoDong\","
                         "\"Ideographic\":\"王^小東\"}]},"
                         "\"00101002\":{\"vr\":\"SQ\",\"Value\":["
                         "{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"54321\"]},"
                         "\"00100022\":{\"vr\":\"CS\",\"Value\":[\"TEXT\"]}},"
                         "{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"24680\"]},"
                         "\"00100022\":{\"vr\":\"CS\",\"Value\":[\"TEXT\"]}}]}}";
static const char f4_bytes[] =
    "\x09\0\x10\0LO\x08\0Vendor A"
    "\x09\0\x02\x10UN\0\0\x06\0\0\0\xcf\x4c\x7d\x73\xcb\xfb"
    "\x10\0\x10\0PN\x18\0Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1"
    "\x10\0\x02\x10SQ\0\0\xff\xff\xff\xff"
    "\xfe\xff\0\xe0\xff\xff\xff\xff\x10\0\x20\0LO\x06\0"
    "54321 \x10\0\x22\0CS\x04\0TEXT\xfe\xff\x0d\xe0\0\0\0\0"
    "\xfe\xff\0\xe0\xff\xff\xff\xff\x10\0\x20\0LO\x06\0"
    "24680 \x10\0\x22\0CS\x04\0TEXT\xfe\xff\x0d\xe0\0\0\0\0"
    "\xfe\xff\xdd\xe0\0\0\0\0";

START_TEST(the_example_of_the_standard_in_json_is_read)
{
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(read_json(f4, &m, &e) == BASE_OK, "%s", e.msg);
    expect_after_charset(&m, f4_bytes, sizeof f4_bytes - 1);
    dicom_model_deinit(&m);
}
END_TEST

/* The same in the form of PS3.19 A.1. */
static const char f4_xml[] =
    "<DicomAttribute tag=\"00091002\" vr=\"UN\" privateCreator=\"Vendor A\">"
    "<InlineBinary>z0x9 c8v7</InlineBinary></DicomAttribute>\n"
    "<DicomAttribute tag=\"00100010\" vr=\"PN\" keyword=\"PatientName\"><PersonName number=\"1\">"
    "<Alphabetic><FamilyName>Wang</FamilyName><GivenName>XiaoDong</GivenName></Alphabetic>"
    "<Ideographic><FamilyName>王</FamilyName><GivenName>小東</GivenName></Ideographic>"
    "</PersonName></DicomAttribute>\n"
    "<DicomAttribute tag=\"00101002\" vr=\"SQ\" keyword=\"OtherPatientIDsSequence\">"
    "<Item number=\"1\"><DicomAttribute tag=\"00100020\" vr=\"LO\"><Value "
    "number=\"1\">54321</Value>"
    "</DicomAttribute><DicomAttribute tag=\"00100022\" vr=\"CS\"><Value number=\"1\">TEXT</Value>"
    "</DicomAttribute></Item>"
    "<Item number=\"2\"><DicomAttribute tag=\"00100020\" vr=\"LO\"><Value "
    "number=\"1\">24680</Value>"
    "</DicomAttribute><DicomAttribute tag=\"00100022\" vr=\"CS\"><Value number=\"1\">TEXT</Value>"
    "</DicomAttribute></Item></DicomAttribute>\n";

START_TEST(the_same_in_xml_is_the_same_data_set)
{
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(read_xml(f4_xml, &m, &e) == BASE_OK, "%s", e.msg);
    expect_after_charset(&m, f4_bytes, sizeof f4_bytes - 1);
    dicom_model_deinit(&m);
}
END_TEST

/* What the writer of JSON makes of the bytes is read back to the same bytes. */
START_TEST(what_our_writer_wrote_comes_back_byte_by_byte)
{
    struct base_buf data = {0};
    struct base_buf json = {0};
    struct dicom_writer w;
    struct dicom_model m;
    struct base_error e;
    uint64_t end;
    static const uint16_t us[] = {1, 65535};
    dicom_writer_init(&w, &data, DICOM_EXPLICIT_LE);
    w.undefined_lengths = true;
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "ISO_IR 192");
    dicom_write_text(&w, DICOM_TAG_ImageType, "ORIGINAL\\PRIMARY\\\\AXIAL");
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_SC_IMAGE);
    dicom_write_text(&w, DICOM_TAG_SOPInstanceUID, "1.2.3");
    dicom_write_text(&w, DICOM_TAG_StudyDate, NULL);
    dicom_write_text(&w, DICOM_TAG_PatientName, "TEST^ONE=测试^一=ce^shi");
    dicom_write(&w, DICOM_TAG(0x0010, 0x4000), DICOM_VR_LT, " a\\b\r\nc", 7);
    dicom_write_text(&w, DICOM_TAG_ImagePositionPatient, "-1.5\\0.1\\123456.789012");
    dicom_write_text(&w, DICOM_TAG_NumberOfFrames, "1");
    dicom_write_tag(&w, DICOM_TAG(0x0028, 0x0009), DICOM_TAG(0x0018, 0x1063));
    dicom_write(&w, DICOM_TAG(0x0028, 0x0123), DICOM_VR_FD, "\0\0\0\0\0\0\xf8\x3f", 8);
    dicom_write(&w, DICOM_TAG(0x0029, 0x0010), DICOM_VR_LO, "RDC TEST", 8);
    dicom_write_u16(&w, DICOM_TAG(0x0029, 0x1001), DICOM_VR_US, us, 2);
    dicom_write(&w, DICOM_TAG(0x0029, 0x1002), DICOM_VR_UL, "\0\0\0\0\xff\xff\xff\xff", 8);
    dicom_write(&w, DICOM_TAG(0x0029, 0x1003), DICOM_VR_OB, "odd", 3);
    dicom_write_seq_begin(&w, DICOM_TAG(0x0029, 0x1004));
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_CodeValue, "C1");
    dicom_write_item_close(&w);
    dicom_write_item_open(&w);
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(data.err, BASE_OK);
    ck_assert_int_eq(dicom_json_write(base_buf_bytes(&data), true,
                                      dicom_syntax_find(DICOM_UID_EXPLICIT_LE), &json, &end),
                     DICOM_SCAN_DONE);
    ck_assert_msg(read_json(base_buf_cstr(&json), &m, &e) == BASE_OK, "%s", e.msg);
    ck_assert_uint_eq(m.data.n, data.n);
    ck_assert_mem_eq(m.data.p, data.p, data.n);
    ck_assert_str_eq(m.sop_class, DICOM_UID_SC_IMAGE);
    ck_assert_str_eq(m.sop_instance, "1.2.3");
    dicom_model_deinit(&m);
    base_buf_deinit(&data);
    base_buf_deinit(&json);
}
END_TEST

START_TEST(bulk_data_leave_a_gap_and_the_size_of_the_pixels_is_told)
{
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(read_json("{\"00020010\":{\"vr\":\"UI\",\"Value\":[\"1.2.840.10008.1.2.4.80\"]},"
                            "\"00280002\":{\"vr\":\"US\",\"Value\":[3]},"
                            "\"00280008\":{\"vr\":\"IS\",\"Value\":[2]},"
                            "\"00280010\":{\"vr\":\"US\",\"Value\":[5]},"
                            "\"00280011\":{\"vr\":\"US\",\"Value\":[7]},"
                            "\"00280100\":{\"vr\":\"US\",\"Value\":[16]},"
                            "\"54000100\":{\"vr\":\"SQ\",\"Value\":[{\"54001010\":{\"vr\":\"OW\","
                            "\"BulkDataURI\":\"b/1\"}}]},"
                            "\"7FE00010\":{\"vr\":\"OB\",\"BulkDataURI\":\"b/2\"}}",
                            &m, &e) == BASE_OK,
                  "%s", e.msg);
    ck_assert_uint_eq(m.n_bulks, 2);
    ck_assert_str_eq(m.bulks[0].uri, "b/1");
    ck_assert(m.bulks[0].nested && !m.bulks[1].nested);
    /* behind it: the ends of item and sequence */
    ck_assert_uint_eq(m.bulks[0].at, m.data.n - 16);
    ck_assert_uint_eq(m.bulks[1].at, m.data.n);
    ck_assert_int_eq(m.bulks[1].vr, DICOM_VR_OW); /* 16 bits are words */
    ck_assert_uint_eq(m.pixel_bytes, 2 * 5 * 7 * 3 * 2);
    ck_assert_uint_eq(m.frames, 2);
    ck_assert_str_eq(m.transfer_syntax, "1.2.840.10008.1.2.4.80");
    dicom_model_deinit(&m);
}
END_TEST

START_TEST(numbers_take_each_form_that_json_and_the_standard_allow)
{
    static const char want[] = "\x10\0\x10\x10"
                               "AS\x04\0"
                               "030Y"
                               "\x20\0\x13\0IS\x02\0-7"
                               "\x20\0\x32\0DS\x16\0"
                               "1e-07\\0.333333333333\\5"
                               "\x28\0\x23\x01"
                               "FD\x10\0\0\0\0\0\0\0\xf0\x7f\0\0\0\0\0\0\x04\xc0"
                               "\x28\0\x01\x11SS\x04\0\xff\xff\x02\0"
                               "\x72\0\x82\0SV\0\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xdf\xff";
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(read_json("{\"00101010\":{\"vr\":\"AS\",\"Value\":[\"030Y\"]},"
                            "\"00200013\":{\"vr\":\"IS\",\"Value\":[\"-7\"]},"
                            "\"00200032\":{\"vr\":\"DS\",\"Value\":[1e-7,0.333333333333,\"5\"]},"
                            "\"00281101\":{\"vr\":\"SS\",\"Value\":[-1,\"2\"]},"
                            "\"00280123\":{\"vr\":\"FD\",\"Value\":[\"inf\",-2.5]},"
                            "\"00720082\":{\"vr\":\"SV\",\"Value\":[-9007199254740993]}}",
                            &m, &e) == BASE_OK,
                  "%s", e.msg);
    expect_after_charset(&m, want, sizeof want - 1);
    dicom_model_deinit(&m);
}
END_TEST

START_TEST(numbers_at_the_ends_of_their_ranges_are_taken_and_beyond_refused)
{
    static const char want[] = "\x20\0\x13\0IS\x12\0-2147483648\\1\\ 2\\3"
                               "\x20\0\x32\0DS\x10\0001.2345678901e+17"
                               "\x72\0\x83\0UV\0\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    static const char *const beyond[][2] = {{"IS", "2147483648"},
                                            {"IS", "\"3000000000\""},
                                            {"IS", "-9223372036854775808"},
                                            {"UV", "\"18446744073709551616\""},
                                            {"UV", "\"-1\""},
                                            {"SV", "\"9223372036854775808\""},
                                            {"FL", "1e300"},
                                            {"SL", "2147483648"}};
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(read_json("{\"00200013\":{\"vr\":\"IS\",\"Value\":[-2147483648,1.0,\" 2\",3]},"
                            "\"00200032\":{\"vr\":\"DS\",\"Value\":[123456789012345678]},"
                            "\"00720083\":{\"vr\":\"UV\",\"Value\":[\"18446744073709551615\"]}}",
                            &m, &e) == BASE_OK,
                  "%s", e.msg);
    expect_after_charset(&m, want, sizeof want - 1);
    dicom_model_deinit(&m);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        char json[120];
        snprintf(json, sizeof json, "{\"00091001\":{\"vr\":\"%s\",\"Value\":[%s]}}", beyond[i][0],
                 beyond[i][1]);
        ck_assert_msg(read_json(json, &m, &e) == BASE_EFORMAT, "%s", json);
        dicom_model_deinit(&m);
    }
}
END_TEST

START_TEST(dates_and_times_in_each_form_are_taken)
{
    static const char *const forms[][2] = {{"DA", "19800102"},  {"DA", "1980.01.02"},
                                           {"DA", ""},          {"TM", "080000.123456"},
                                           {"TM", "08:00:00"},  {"TM", "08 "},
                                           {"DT", "2026-0500"}, {"DT", "20260102080000.5+0800"},
                                           {"AS", "003W"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct dicom_model m;
        struct base_error e;
        char json[120];
        snprintf(json, sizeof json, "{\"00091001\":{\"vr\":\"%s\",\"Value\":[\"%s\"]}}",
                 forms[i][0], forms[i][1]);
        ck_assert_msg(read_json(json, &m, &e) == BASE_OK, "%s: %s", json, e.msg);
        dicom_model_deinit(&m);
    }
}
END_TEST

/* A DS has at most 16 characters (PS3.5 6.2), and comes as near as these can. */
START_TEST(decimals_fit_their_vr)
{
    static const double values[] = {0.1 + 0.2, -1.0 / 3, 1e300, -2.2250738585072014e-308, 1e22};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char json[200];
        struct dicom_model m;
        struct base_error e;
        snprintf(json, sizeof json,
                 "{\"00181030\":{\"vr\":\"LO\"},\"00200032\":"
                 "{\"vr\":\"DS\",\"Value\":[%.17g]}}",
                 values[i]);
        ck_assert_msg(read_json(json, &m, &e) == BASE_OK, "%s", e.msg);
        const char *text = (const char *)m.data.p + 18 + 8 + 8;
        size_t n = m.data.n - 18 - 8 - 8;
        ck_assert_uint_le(n, 16);
        double back = strtod(text, NULL);
        ck_assert_double_eq_tol(back / values[i], 1, 1e-8);
        dicom_model_deinit(&m);
    }
}
END_TEST

static const struct {
    const char *json;
    const char *message;
} faults[] = {
    {"{\"0008001\":{}}", "\"0008001\" is no tag of 8 digits"},
    {"{\"00080018\":5}", "(0008,0018): it is no object"},
    {"{\"00080104\":{\"vr\":\"XX\"}}", "(0008,0104): vr is missing, or there is none such"},
    {"{\"00091001\":{\"Value\":[1]}}", "(0009,1001): vr is missing"},
    {"{\"00100010\":{\"vr\":\"LO\"}}", "(0010,0010): vr is LO and must be PN"},
    {"{\"00280010\":{\"vr\":\"UL\",\"Value\":[1]}}", "vr is UL and must be US"},
    {"{\"00000100\":{\"vr\":\"US\"}}", "(0000,0100): it does not belong in a data set"},
    {"{\"FFFEE000\":{\"vr\":\"UN\"}}", "(FFFE,E000): it does not belong"},
    {"{\"0008001a\":{\"vr\":\"UI\"},\"0008001A\":{\"vr\":\"UI\"}}",
     "(0008,001A): it is no object, or"},
    {"{\"00080018\":{\"vr\":\"UI\",\"Value\":[\".1.2\"]}}", "a value of UI is no UID"},
    {"{\"00080018\":{\"vr\":\"UI\",\"Value\":[1]}}", "a value of UI is no text"},
    {"{\"00080018\":{\"vr\":\"UI\",\"Value\":\"1.2\"}}", "Value is no array"},
    {"{\"00080060\":{\"vr\":\"CS\",\"Value\":[\"测\"]}}", "a value of CS is not ASCII"},
    {"{\"00080104\":{\"vr\":\"LO\",\"Value\":[\"a\\\\b\"]}}", "a value has a backslash in it"},
    {"{\"00100030\":{\"vr\":\"DA\",\"Value\":[\"1980-01-02\"]}}", "DA is not written as YYYYMMDD"},
    {"{\"00080030\":{\"vr\":\"TM\",\"Value\":[\"8 Uhr\"]}}", "TM is not written as HHMMSS"},
    {"{\"0008002A\":{\"vr\":\"DT\",\"Value\":[\"2026-01-02\"]}}", "DT is not written as"},
    {"{\"00101010\":{\"vr\":\"AS\",\"Value\":[\"46 years\"]}}", "AS is not written as 045Y"},
    {"{\"00080104\":{\"vr\":\"LO\",\"Value\":[\"a\\u001bb\"]}}", "a value has a control character"},
    {"{\"00104000\":{\"vr\":\"LT\",\"Value\":[\"a\",\"b\"]}}", "LT has one value only"},
    {"{\"00100010\":{\"vr\":\"PN\",\"Value\":[\"A^B\"]}}", "a value of PN is no object of names"},
    {"{\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":1}]}}",
     "Alphabetic of a name is no text"},
    {"{\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Phonetic\":\"a=b\"}]}}",
     "Phonetic of a name has a ="},
    {"{\"00200013\":{\"vr\":\"IS\",\"Value\":[\"seven\"]}}", "a value of IS is no number"},
    {"{\"00200013\":{\"vr\":\"IS\",\"Value\":[3000000000]}}", "a value is out of the range of IS"},
    {"{\"00200013\":{\"vr\":\"IS\",\"Value\":[1.5]}}", "a value of IS is no number"},
    {"{\"00200032\":{\"vr\":\"DS\",\"Value\":[\"1.5mm\"]}}", "a value of DS is no number"},
    {"{\"00200032\":{\"vr\":\"DS\",\"Value\":[\"1.23456789012345678\"]}}",
     "a value of DS is too long"},
    {"{\"00280010\":{\"vr\":\"US\",\"Value\":[65536]}}", "a value is out of the range of US"},
    {"{\"00280010\":{\"vr\":\"US\",\"Value\":[-1]}}", "a value is out of the range of US"},
    {"{\"00280010\":{\"vr\":\"US\",\"Value\":[\"x\"]}}", "a value of US is no whole number"},
    {"{\"00280010\":{\"vr\":\"US\",\"Value\":[null]}}", "a value of US is no whole number"},
    {"{\"00280123\":{\"vr\":\"FD\",\"Value\":[\"0x1p3\"]}}", "a value of FD is no number"},
    {"{\"00280009\":{\"vr\":\"AT\",\"Value\":[\"18\"]}}", "a value of AT is no tag of 8 digits"},
    {"{\"00291001\":{\"vr\":\"OB\",\"Value\":[1]}}", "OB needs InlineBinary or BulkDataURI"},
    {"{\"00291001\":{\"vr\":\"OB\",\"InlineBinary\":\"?\"}}", "InlineBinary is no Base64"},
    {"{\"00291001\":{\"vr\":\"OW\",\"InlineBinary\":\"AA==\"}}",
     "InlineBinary is no multiple of 2 bytes"},
    {"{\"00080104\":{\"vr\":\"LO\",\"InlineBinary\":\"AA==\"}}",
     "LO is not written as InlineBinary"},
    {"{\"00291001\":{\"vr\":\"OB\",\"InlineBinary\":\"\",\"BulkDataURI\":\"a\"}}",
     "more than one of Value"},
    {"{\"00291001\":{\"vr\":\"OB\",\"BulkDataURI\":\"\"}}", "BulkDataURI is no text"},
    {"{\"00291001\":{\"vr\":\"SQ\",\"BulkDataURI\":\"a\"}}", "a sequence cannot be bulk data"},
    {"{\"0040A730\":{\"vr\":\"SQ\",\"Value\":[1]}}",
     "(0040,A730) in (0040,A730)[1]: an item is no object"},
    {"{\"0040A730\":{\"vr\":\"SQ\",\"Value\":[{},{\"00080100\":{\"vr\":\"SH\",\"Value\":[1]}}]}}",
     "(0008,0100) in (0040,A730)[2]: a value of SH is no text"},
    {"{\"00280002\":{\"vr\":\"US\",\"Value\":[1]},\"00280010\":{\"vr\":\"US\",\"Value\":[2]},"
     "\"00280011\":{\"vr\":\"US\",\"Value\":[2]},\"00280100\":{\"vr\":\"US\",\"Value\":[8]},"
     "\"7FE00010\":{\"vr\":\"OB\",\"InlineBinary\":\"AAAA\"}}",
     "(7FE0,0010): 3 bytes"},
    {"[]", "an instance is no JSON object"},
    {"{\"00080018\":{\"vr\":\"UI\",}}", "no JSON at byte 24: it is malformed there"},
    {"{\"00080018\":{},\"00080018\":{}}", "a key stands twice"},
    {"{\"00080018\":{\"vr\":\"UI\",\"Value\":[123456789012345678901234567890]}}",
     "a number is too large"},
};

START_TEST(what_is_wrong_in_json_is_told_with_its_place)
{
    struct dicom_model m;
    struct base_error e;
    ck_assert_int_eq(read_json(faults[_i].json, &m, &e), BASE_EFORMAT);
    ck_assert_int_eq(e.code, BASE_EFORMAT);
    ck_assert_msg(strstr(e.msg, faults[_i].message) != NULL, "%s: %s", faults[_i].json, e.msg);
    dicom_model_deinit(&m);
}
END_TEST

static const struct {
    const char *xml;
    const char *message;
} xml_faults[] = {
    {"<DicomAttribute vr=\"UI\"/>", "line 2: DicomAttribute has no tag of 8 digits"},
    {"\n<Value/>", "line 3: Value does not belong here"},
    {"<DicomAttribute tag=\"00080104\" vr=\"LO\"><Value>a</Value></DicomAttribute>",
     "number is missing"},
    {"<DicomAttribute tag=\"00080104\" vr=\"LO\"><Value "
     "number=\"9999999\">a</Value></DicomAttribute>",
     "number is missing, or not rising"},
    {"<DicomAttribute tag=\"00080008\" vr=\"CS\"><Value number=\"1\">A</Value><Value number=\"1\">B"
     "</Value></DicomAttribute>",
     "not rising from 1"},
    {"<DicomAttribute tag=\"00080104\" vr=\"LO\"/><DicomAttribute tag=\"00080104\" vr=\"LO\"/>",
     "00080104 stands there twice"},
    {"<DicomAttribute tag=\"00291001\" vr=\"OB\"><BulkData/></DicomAttribute>",
     "BulkData has no uri"},
    {"text", "text where an element was expected"},
    {"<DicomAttribute tag=\"00080104\" vr=\"LO\"><Value number=\"1\">&a;</Value></DicomAttribute>",
     "no XML"},
    {"<DicomAttribute tag=\"00080104\" vr=\"LO\">", "no XML"},
    {"<DicomAttribute tag=\"00290010\" vr=\"LO\"><Value number=\"1\">A</Value></DicomAttribute>"
     "<DicomAttribute tag=\"00291001\" vr=\"LO\" privateCreator=\"B\"/>",
     "has another private creator"},
    {"<DicomAttribute tag=\"00100010\" vr=\"PN\"><PersonName "
     "number=\"1\"><Alphabetic><FamilyName>a^b"
     "</FamilyName></Alphabetic></PersonName></DicomAttribute>",
     "a part of a name has a ^"},
    {"<DicomAttribute tag=\"00100010\" vr=\"LO\"/>", "(0010,0010): vr is LO and must be PN"},
};

START_TEST(what_is_wrong_in_xml_is_told_with_its_line)
{
    struct dicom_model m;
    struct base_error e;
    ck_assert_int_eq(read_xml(xml_faults[_i].xml, &m, &e), BASE_EFORMAT);
    ck_assert_msg(strstr(e.msg, xml_faults[_i].message) != NULL, "%s: %s", xml_faults[_i].xml,
                  e.msg);
    dicom_model_deinit(&m);
}
END_TEST

START_TEST(a_document_type_is_never_looked_into)
{
    static const char *const documents[] = {
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><NativeDicomModel/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><NativeDicomModel><DicomAttribute tag=\"00080104\" "
        "vr=\"LO\">"
        "<Value number=\"1\">&x;</Value></DicomAttribute></NativeDicomModel>"};
    for (size_t i = 0; i < 2; i++) {
        struct dicom_model m;
        struct base_error e = {0};
        ck_assert_int_eq(dicom_model_read_xml(base_bytes_str(documents[i]), &m, &e), BASE_EFORMAT);
        ck_assert_str_eq(e.msg, "line 1: a document type is not allowed");
        dicom_model_deinit(&m);
    }
}
END_TEST

START_TEST(no_short_prefix_is_taken_for_the_whole)
{
    struct base_buf xml = {0};
    struct base_error e;
    struct dicom_model m;
    base_buf_printf(&xml, "<NativeDicomModel>%s</NativeDicomModel>", f4_xml);
    for (size_t n = 0; n < xml.n; n++) {
        ck_assert_int_eq(dicom_model_read_xml(base_bytes_of(xml.p, n), &m, &e), BASE_EFORMAT);
        dicom_model_deinit(&m);
    }
    base_buf_deinit(&xml);
    for (size_t n = 0; n < sizeof f4 - 1; n++) {
        struct dicom_model_list list = {.text = base_bytes_of(f4, n)};
        struct base_bytes object;
        ck_assert_int_eq(dicom_model_next(&list, &object, &e), BASE_EFORMAT);
        ck_assert_int_eq(dicom_model_read_json(base_bytes_of(f4, n), &m, &e), BASE_EFORMAT);
        dicom_model_deinit(&m);
    }
}
END_TEST

START_TEST(sequences_may_be_nested_so_deep_and_no_deeper)
{
    for (int depth = DICOM_MODEL_DEPTH; depth <= DICOM_MODEL_DEPTH + 1; depth++) {
        struct base_buf json = {0};
        struct dicom_model m;
        struct base_error e = {0};
        for (int i = 0; i < depth; i++)
            base_buf_add_str(&json, "{\"0040A730\":{\"vr\":\"SQ\",\"Value\":[");
        base_buf_add_str(&json, "{}");
        for (int i = 0; i < depth; i++)
            base_buf_add_str(&json, "]}}");
        ck_assert_int_eq(dicom_model_read_json(base_buf_bytes(&json), &m, &e),
                         depth > DICOM_MODEL_DEPTH ? BASE_EFORMAT : BASE_OK);
        dicom_model_deinit(&m);
        base_buf_deinit(&json);
    }
}
END_TEST

static size_t count(const char *text, enum base_err *last, struct base_error *e)
{
    struct dicom_model_list list = {.text = base_bytes_str(text)};
    struct base_bytes object;
    size_t n = 0;
    while ((*last = dicom_model_next(&list, &object, e)) == BASE_OK)
        n++;
    return n;
}

START_TEST(an_array_is_parted_into_its_objects)
{
    enum base_err last;
    struct base_error e = {0};
    ck_assert_uint_eq(count("\xEF\xBB\xBF [ {\"a\":\"}]\\\"\"} , {\"b\":[{}]} ] ", &last, &e), 2);
    ck_assert_int_eq(last, BASE_ENOTFOUND);
    ck_assert_uint_eq(count("{}", &last, &e), 1);
    ck_assert_int_eq(last, BASE_ENOTFOUND);
    static const struct {
        const char *text;
        size_t n;
        uint64_t pos;
        const char *message;
    } bad[] = {{"", 0, 0, "no array"},
               {"5", 0, 0, "no array"},
               {"[]", 0, 1, "list no instance"},
               {"[{},]", 1, 4, "no array"},
               {"[{}", 1, 3, "not closed"},
               {"[{}{}]", 1, 3, "not closed"},
               {"[{}] x", 1, 5, "follows"},
               {"{} {}", 1, 3, "follows"},
               {"[{\"a\":[}", 0, 1, "in the middle"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_uint_eq(count(bad[i].text, &last, &e), bad[i].n);
        ck_assert_int_eq(last, BASE_EFORMAT);
        ck_assert_msg(strstr(e.msg, bad[i].message) != NULL, "%s: %s", bad[i].text, e.msg);
        ck_assert_msg(e.pos == bad[i].pos, "%s: %llu", bad[i].text, (unsigned long long)e.pos);
    }
}
END_TEST

START_TEST(masked_private_tags_get_blocks_of_their_own)
{
    static const char want[] = "\x29\0\x10\0LO\x02\0A \x29\0\x11\0LO\x02\0B "
                               "\x29\0\x01\x10SH\x02\0x \x29\0\x01\x11SH\x02\0y ";
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(
        read_xml(
            "<DicomAttribute tag=\"00290001\" vr=\"SH\" privateCreator=\"A\"><Value number=\"1\">x"
            "</Value></DicomAttribute><DicomAttribute tag=\"00290001\" vr=\"SH\" "
            "privateCreator=\"B\"><Value number=\"1\">y</Value></DicomAttribute>",
            &m, &e) == BASE_OK,
        "%s", e.msg);
    expect_after_charset(&m, want, sizeof want - 1);
    dicom_model_deinit(&m);
}
END_TEST

START_TEST(attributes_of_xml_are_read_with_their_references)
{
    static const char want[] = "\x29\0\x10\0LO\x04\0A&B \x29\0\x01\x10SH\x02\0x ";
    struct dicom_model m;
    struct base_error e;
    ck_assert_msg(read_xml("<DicomAttribute tag=\"00290001\" vr=\"SH\" privateCreator=\"A&amp;B\">"
                           "<Value number=\"1\">x</Value></DicomAttribute>"
                           "<DicomAttribute tag=\"7FE00010\" vr=\"OB\"><BulkData "
                           "uri=\"http://h/b?a=1&amp;b=2&#38;c\"/></DicomAttribute>",
                           &m, &e) == BASE_OK,
                  "%s", e.msg);
    expect_after_charset(&m, want, sizeof want - 1);
    ck_assert_str_eq(m.bulks[0].uri, "http://h/b?a=1&b=2&c");
    dicom_model_deinit(&m);
}
END_TEST

/* Each asks for a million values and has one. */
START_TEST(numbers_of_values_take_no_memory_that_the_text_has_not_paid_for)
{
    struct base_buf xml = {0};
    struct dicom_model m;
    struct base_error e;
    base_buf_add_str(&xml, "<NativeDicomModel>");
    for (unsigned i = 0; i < 100; i++)
        base_buf_printf(&xml,
                        "<DicomAttribute tag=\"0029%04X\" vr=\"LO\"><Value number=\"1048576\">x"
                        "</Value></DicomAttribute>",
                        0x1000 + i);
    base_buf_add_str(&xml, "</NativeDicomModel>");
    ck_assert_int_eq(dicom_model_read_xml(base_buf_bytes(&xml), &m, &e), BASE_EFORMAT);
    ck_assert_msg(strstr(e.msg, "values are left out") != NULL, "%s", e.msg);
    dicom_model_deinit(&m);
    base_buf_deinit(&xml);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dicom_model");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, the_example_of_the_standard_in_json_is_read);
    tcase_add_test(tc, the_same_in_xml_is_the_same_data_set);
    tcase_add_test(tc, what_our_writer_wrote_comes_back_byte_by_byte);
    tcase_add_test(tc, bulk_data_leave_a_gap_and_the_size_of_the_pixels_is_told);
    tcase_add_test(tc, numbers_take_each_form_that_json_and_the_standard_allow);
    tcase_add_test(tc, numbers_at_the_ends_of_their_ranges_are_taken_and_beyond_refused);
    tcase_add_test(tc, dates_and_times_in_each_form_are_taken);
    tcase_add_test(tc, decimals_fit_their_vr);
    tcase_add_test(tc, attributes_of_xml_are_read_with_their_references);
    tcase_add_test(tc, numbers_of_values_take_no_memory_that_the_text_has_not_paid_for);
    tcase_add_loop_test(tc, what_is_wrong_in_json_is_told_with_its_place, 0,
                        (int)(sizeof faults / sizeof faults[0]));
    tcase_add_loop_test(tc, what_is_wrong_in_xml_is_told_with_its_line, 0,
                        (int)(sizeof xml_faults / sizeof xml_faults[0]));
    tcase_add_test(tc, a_document_type_is_never_looked_into);
    tcase_add_test(tc, no_short_prefix_is_taken_for_the_whole);
    tcase_add_test(tc, sequences_may_be_nested_so_deep_and_no_deeper);
    tcase_add_test(tc, an_array_is_parted_into_its_objects);
    tcase_add_test(tc, masked_private_tags_get_blocks_of_their_own);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
