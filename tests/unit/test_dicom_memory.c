/* What becomes of a data set without memory: all of it is read and written, or nothing. */
#include "dicom/dicom_header.h"
#include "dicom/dicom_json.h"
#include "dicom/dicom_model.h"
#include "without_memory.h"

static void write_set(struct base_buf *b)
{
    struct dicom_writer w;
    static const uint16_t pixels[64];
    dicom_writer_init(&w, b, DICOM_EXPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "GB18030");
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_CT_IMAGE);
    dicom_write_text(&w, DICOM_TAG_SOPInstanceUID, "1.2.3.4");
    dicom_write_text(&w, DICOM_TAG_Modality, "CT");
    dicom_write_text(&w, DICOM_TAG_InstitutionName, "\xCD\xF5");
    dicom_write_seq_open(&w, DICOM_TAG_ReferencedPerformedProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_ReferencedSOPInstanceUID, "1.2.9");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    dicom_write_text(&w, DICOM_TAG_PatientName, "Wang=\xCD\xF5^\xD0\xA1\xB6\xAB ");
    dicom_write_text(&w, DICOM_TAG_PatientID, "P1");
    dicom_write_text(&w, DICOM_TAG_StudyInstanceUID, "1.2.3");
    dicom_write_text(&w, DICOM_TAG_SeriesInstanceUID, "1.2.3.1");
    dicom_write_int(&w, DICOM_TAG_Rows, 8);
    dicom_write_int(&w, DICOM_TAG_Columns, 8);
    dicom_write_u16(&w, DICOM_TAG_PixelData, DICOM_VR_OW, pixels, 64);
    ck_assert_int_eq(b->err, BASE_OK);
}

static enum base_err run_scan(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct base_buf *set = arg;
    static struct dicom_header h;
    memset(&h, 0, sizeof h);
    enum dicom_scan scan = dicom_header_scan(base_buf_bytes(set), true,
                                             dicom_syntax_find("1.2.840.10008.1.2.1"), &h, err);
    memory_is_back();
    if (scan == DICOM_SCAN_DONE)
        base_buf_add(out, &h, sizeof h);
    return scan == DICOM_SCAN_DONE ? BASE_OK : err->code;
}

/* Where it cannot it says BAD, and DCMTK reads the data set. */
static enum base_err run_json(const void *arg, struct base_buf *out, struct base_error *err)
{
    const struct base_buf *set = arg;
    uint64_t end;
    (void)err;
    enum dicom_scan scan = dicom_json_write(base_buf_bytes(set), true,
                                            dicom_syntax_find("1.2.840.10008.1.2.1"), out, &end);
    return scan == DICOM_SCAN_DONE ? BASE_OK : BASE_ENOMEM;
}

static enum base_err add_model(enum base_err e, struct dicom_model *m, struct base_buf *out)
{
    memory_is_back();
    if (!e) {
        base_buf_add(out, m->data.p, m->data.n);
        base_buf_add_str(out, m->sop_instance);
        for (size_t i = 0; i < m->n_bulks; i++)
            base_buf_printf(out, " %zu %s", m->bulks[i].at, m->bulks[i].uri);
    }
    dicom_model_deinit(m);
    return e;
}

static const char json[] =
    "{\"00080016\":{\"vr\":\"UI\",\"Value\":[\"1.2.840.10008.5.1.4.1.1.2\"]},"
    "\"00080018\":{\"vr\":\"UI\",\"Value\":[\"1.2.3.4\"]},"
    "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Test\",\"Ideographic\":\"测试^一\"}]}"
    ","
    "\"00081111\":{\"vr\":\"SQ\",\"Value\":[{\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]}}]},"
    "\"00280010\":{\"vr\":\"US\",\"Value\":[8]},"
    "\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"bulk/1\"}}";

static enum base_err run_model_json(const void *arg, struct base_buf *out, struct base_error *err)
{
    struct dicom_model m;
    (void)arg;
    enum base_err e = dicom_model_read_json(base_bytes_str(json), &m, err);
    return add_model(e, &m, out);
}

static const char xml[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><NativeDicomModel>"
    "<DicomAttribute tag=\"00080016\" vr=\"UI\" keyword=\"SOPClassUID\"><Value number=\"1\">"
    "1.2.840.10008.5.1.4.1.1.2</Value></DicomAttribute>"
    "<DicomAttribute tag=\"00080018\" vr=\"UI\" keyword=\"SOPInstanceUID\"><Value number=\"1\">"
    "1.2.3.4</Value></DicomAttribute>"
    "<DicomAttribute tag=\"00100010\" vr=\"PN\" keyword=\"PatientName\"><PersonName number=\"1\">"
    "<Ideographic><FamilyName>测试</FamilyName><GivenName>一</GivenName></Ideographic>"
    "</PersonName></DicomAttribute>"
    "<DicomAttribute tag=\"7FE00010\" vr=\"OW\" keyword=\"PixelData\"><BulkData uri=\"bulk/1\"/>"
    "</DicomAttribute></NativeDicomModel>";

static enum base_err run_model_xml(const void *arg, struct base_buf *out, struct base_error *err)
{
    struct dicom_model m;
    (void)arg;
    enum base_err e = dicom_model_read_xml(base_bytes_str(xml), &m, err);
    return add_model(e, &m, out);
}

START_TEST(a_header_is_read_whole_or_not)
{
    struct base_buf set = {0};
    write_set(&set);
    without_memory("header", run_scan, &set);
    without_memory("JSON", run_json, &set);
    base_buf_deinit(&set);
}
END_TEST

START_TEST(metadata_of_a_client_become_a_data_set_or_none)
{
    without_memory("model in JSON", run_model_json, NULL);
    without_memory("model in XML", run_model_xml, NULL);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, a_header_is_read_whole_or_not);
    tcase_add_test(tcase, metadata_of_a_client_become_a_data_set_or_none);
    Suite *suite = suite_create("dicom_memory");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n != 0;
}
