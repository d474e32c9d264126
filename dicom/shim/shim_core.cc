/* Start-up, reading and writing files, and the attributes common to documents. */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

extern "C" {
#include "dicom/dicom_uid.h"
}

#include <cstdio>
#include <cstring>
#include <ctime>

#include "dcmtk/dcmdata/dcistrmb.h"
#include "dcmtk/dcmdata/dcrledrg.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpls/djdecode.h"
#include "dcmtk/oflog/oflog.h"

enum base_err shim_init(struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            static bool done;
            if (done)
                return BASE_OK;
            OFLog::configure(OFLogger::OFF_LOG_LEVEL);
            if (!dcmDataDict.isDictionaryLoaded())
                return base_fail(
                    e, BASE_ENOTFOUND, BASE_NOPOS,
                    "DCMTK found no data dictionary; is the package libdcmtk17 installed, "
                    "and does DCMDICTPATH (if set) name a file?");
            /* as dicom_part10_encoding */
            dcmAcceptUnexpectedImplicitEncoding.set(OFTrue);
            DJDecoderRegistration::registerCodecs();
            DJLSDecoderRegistration::registerCodecs();
            DcmRLEDecoderRegistration::registerCodecs();
            done = true;
            return BASE_OK;
        });
}

static enum base_err load_memory(struct base_bytes bytes, DcmFileFormat &file, Uint32 max_value,
                                 OFCondition &cond)
{
    DcmInputBufferStream stream;
    stream.setBuffer(bytes.p, static_cast<offile_off_t>(bytes.n));
    stream.setEos();
    file.transferInit();
    cond = file.read(stream, EXS_Unknown, EGL_noChange, max_value);
    file.transferEnd();
    /* Without its last bytes a value stays open, which read() does not call an error. */
    return cond.good() && file.getDataset()->transferState() == ERW_inWork ? BASE_EFORMAT : BASE_OK;
}

enum base_err shim_load(const struct shim_source &src, DcmFileFormat &file, Uint32 max_value,
                        struct base_error *e)
{
    OFCondition cond;
    enum base_err err =
        src.path ? shim_depth_check_file(src.path, e) : shim_depth_check(src.bytes, e);
    if (err)
        return err;
    /* ERM_fileOnly would refuse a transfer syntax that DCMTK does not know, such
     * as HTJ2K; all of these are explicit VR little endian but for the pixels. */
    if (src.path)
        cond = file.loadFile(src.path, EXS_Unknown, EGL_noChange, max_value, ERM_autoDetect);
    else if (load_memory(src.bytes, file, max_value, cond))
        return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "the file ends inside a value");
    if (cond.good())
        return BASE_OK;
    return base_fail(e, cond == EC_MemoryExhausted ? BASE_ENOMEM : BASE_EFORMAT, BASE_NOPOS,
                     "not a readable DICOM file: %s", cond.text());
}

enum base_err shim_is_valid_file(const char *path, struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            DcmFileFormat file;
            struct shim_source src = {path, {nullptr, 0}};
            enum base_err err = shim_load(src, file, DCM_MaxReadLength, e);
            if (err)
                return err;
            DcmDataset *ds = file.getDataset();
            if (ds->card() == 0)
                return base_fail(e, BASE_EFORMAT, BASE_NOPOS, "the data set is empty");
            if (!ds->tagExistsWithValue(DCM_SOPClassUID) ||
                !ds->tagExistsWithValue(DCM_SOPInstanceUID))
                return base_fail(e, BASE_EFORMAT, BASE_NOPOS,
                                 "no SOP Class UID or SOP Instance UID in the data set");
            return BASE_OK;
        });
}

/* A fixed meta group: DCMTK would name itself as the implementation. */
static void put_meta(DcmFileFormat &file)
{
    DcmMetaInfo *meta = file.getMetaInfo();
    DcmDataset *ds = file.getDataset();
    const Uint8 version[2] = {0, 1};
    OFString value;
    meta->putAndInsertUint8Array(DCM_FileMetaInformationVersion, version, 2);
    if (ds->findAndGetOFString(DCM_SOPClassUID, value).good())
        shim_put(*meta, DCM_MediaStorageSOPClassUID, value.c_str());
    if (ds->findAndGetOFString(DCM_SOPInstanceUID, value).good())
        shim_put(*meta, DCM_MediaStorageSOPInstanceUID, value.c_str());
    shim_put(*meta, DCM_TransferSyntaxUID, UID_LittleEndianExplicitTransferSyntax);
    shim_put(*meta, DCM_ImplementationClassUID, DICOM_IMPLEMENTATION_UID);
    shim_put(*meta, DCM_ImplementationVersionName, DICOM_IMPLEMENTATION_VERSION);
    /* PS3.10 7.1: the group length counts what follows it. */
    meta->putAndInsertUint32(DCM_FileMetaInformationGroupLength, 0);
    meta->computeGroupLengthAndPadding(EGL_recalcGL, EPD_noChange, EXS_LittleEndianExplicit,
                                       EET_ExplicitLength);
}

static OFCondition append(DcmObject &obj, struct base_buf *out)
{
    return shim_encode(obj, EXS_LittleEndianExplicit,
                       [out](const void *p, size_t n) { base_buf_add(out, p, n); });
}

enum base_err shim_save(DcmFileFormat &file, struct base_buf *out, struct base_error *e)
{
    put_meta(file);
    base_buf_add_fill(out, 0, 128);
    base_buf_add(out, "DICM", 4);
    OFCondition cond = EC_Normal;
    DcmMetaInfo *meta = file.getMetaInfo();
    DcmObject *obj = nullptr;
    while (cond.good() && (obj = meta->nextInContainer(obj)) != nullptr)
        cond = append(*obj, out);
    if (cond.good())
        cond = append(*file.getDataset(), out);
    if (cond.bad())
        return base_fail(e, BASE_EINTERNAL, BASE_NOPOS, "cannot encode: %s", cond.text());
    if (out->err)
        return base_fail(e, out->err, BASE_NOPOS, "%s", base_err_text(out->err));
    return BASE_OK;
}

void shim_put(DcmItem &item, const DcmTagKey &tag, const char *text)
{
    if (shim_empty(text))
        item.insertEmptyElement(tag);
    else
        item.putAndInsertString(tag, text);
}

void shim_put_code(DcmItem &item, const DcmTagKey &tag, const struct shim_code &code)
{
    DcmItem *entry = nullptr;
    item.findAndDeleteElement(tag);
    if (item.findOrCreateSequenceItem(tag, entry, 0).bad())
        throw std::bad_alloc();
    shim_put(*entry, DCM_CodeValue, code.value);
    shim_put(*entry, DCM_CodingSchemeDesignator, code.scheme);
    shim_put(*entry, DCM_CodeMeaning, code.meaning);
}

void shim_time_of(int64_t us, int utc_offset_minutes, struct shim_time *out)
{
    int64_t local = us + static_cast<int64_t>(utc_offset_minutes) * 60 * 1000000;
    int64_t micros = local % 1000000;
    time_t seconds = static_cast<time_t>(local / 1000000);
    if (micros < 0) {
        micros += 1000000;
        seconds -= 1;
    }
    struct tm tm;
    gmtime_r(&seconds, &tm);
    int minutes = utc_offset_minutes < 0 ? -utc_offset_minutes : utc_offset_minutes;
    snprintf(out->date, sizeof out->date, "%04d%02d%02d", (tm.tm_year + 1900) % 10000,
             tm.tm_mon + 1, tm.tm_mday);
    snprintf(out->time, sizeof out->time, "%02d%02d%02d.%06d", tm.tm_hour, tm.tm_min, tm.tm_sec,
             static_cast<int>(micros));
    snprintf(out->zone, sizeof out->zone, "%c%02d%02d", utc_offset_minutes < 0 ? '-' : '+',
             minutes / 60 % 100, minutes % 60);
    snprintf(out->datetime, sizeof out->datetime, "%.8s%.13s%.5s", out->date, out->time, out->zone);
}

enum base_err shim_document_check(const struct shim_document &doc, struct base_error *e)
{
    const struct {
        const char *name, *value;
    } required[] = {{"study UID", doc.study_uid},
                    {"series UID", doc.series_uid},
                    {"SOP instance UID", doc.sop_instance_uid},
                    {"title code", doc.title.value},
                    {"title coding scheme", doc.title.scheme},
                    {"title meaning", doc.title.meaning}};
    for (const auto &field : required)
        if (shim_empty(field.value))
            return base_fail(e, BASE_EINVAL, BASE_NOPOS, "%s is missing", field.name);
    return BASE_OK;
}

enum base_err shim_references_check(const struct shim_reference *refs, size_t n,
                                    struct base_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (shim_empty(refs[i].study_uid) || shim_empty(refs[i].series_uid) ||
            shim_empty(refs[i].sop_class_uid) || shim_empty(refs[i].sop_instance_uid))
            return base_fail(e, BASE_EINVAL, i, "reference %zu lacks one of its four UIDs", i);
    return BASE_OK;
}

/* The date or time if DCMTK takes it as valid, else no value. */
static const char *valid_date(const char *s)
{
    return !shim_empty(s) && DcmDate::checkStringValue(s, "1").good() ? s : nullptr;
}

static const char *valid_time(const char *s)
{
    return !shim_empty(s) && DcmTime::checkStringValue(s, "1").good() ? s : nullptr;
}

static const char *valid_sex(const char *s)
{
    return !shim_empty(s) && s[1] == 0 && strchr("MFO", s[0]) ? s : nullptr;
}

void shim_document_put(DcmItem &item, const struct shim_document &doc, const char *modality,
                       const char *sop_class_uid)
{
    struct shim_time now;
    char number[16];
    shim_time_of(doc.content_us, doc.utc_offset_minutes, &now);

    shim_put(item, DCM_SpecificCharacterSet, "ISO_IR 192");
    shim_put(item, DCM_InstanceCreationDate, now.date);
    shim_put(item, DCM_InstanceCreationTime, now.time);
    shim_put(item, DCM_TimezoneOffsetFromUTC, now.zone);
    shim_put(item, DCM_SOPClassUID, sop_class_uid);
    shim_put(item, DCM_SOPInstanceUID, doc.sop_instance_uid);
    shim_put(item, DCM_ContentDate, now.date);
    shim_put(item, DCM_ContentTime, now.time);
    shim_put(item, DCM_SeriesDate, now.date);
    shim_put(item, DCM_SeriesTime, now.time);
    shim_put(item, DCM_Modality, modality);
    shim_put(item, DCM_Manufacturer, "rdc");
    shim_put(item, DCM_SoftwareVersions, RDC_VERSION);
    if (!shim_empty(doc.institution))
        shim_put(item, DCM_InstitutionName, doc.institution);

    shim_put(item, DCM_PatientName, doc.patient_name);
    shim_put(item, DCM_PatientID, doc.patient_id);
    shim_put(item, DCM_PatientBirthDate, valid_date(doc.patient_birth_date));
    shim_put(item, DCM_PatientSex, valid_sex(doc.patient_sex));

    shim_put(item, DCM_StudyInstanceUID, doc.study_uid);
    shim_put(item, DCM_StudyDate, valid_date(doc.study_date));
    shim_put(item, DCM_StudyTime, valid_time(doc.study_time));
    shim_put(item, DCM_StudyID, doc.study_id);
    shim_put(item, DCM_AccessionNumber, doc.accession);
    shim_put(item, DCM_ReferringPhysicianName, doc.referring_physician);
    if (!shim_empty(doc.study_description))
        shim_put(item, DCM_StudyDescription, doc.study_description);

    shim_put(item, DCM_SeriesInstanceUID, doc.series_uid);
    if (!shim_empty(doc.series_description))
        shim_put(item, DCM_SeriesDescription, doc.series_description);
    snprintf(number, sizeof number, "%u", doc.series_number);
    shim_put(item, DCM_SeriesNumber, number);
    snprintf(number, sizeof number, "%u", doc.instance_number);
    shim_put(item, DCM_InstanceNumber, number);
}
