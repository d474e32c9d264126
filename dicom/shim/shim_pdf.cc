/* Encapsulated PDF (PS3.3 A.45.1). */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

#include <cstring>
#include <vector>

static enum base_err check(const struct shim_pdf &in, struct base_bytes pdf, struct base_error *e)
{
    enum base_err err = shim_document_check(in.doc, e);
    if (err)
        return err;
    if (pdf.n < 5 || memcmp(pdf.p, "%PDF-", 5) != 0)
        return base_fail(e, BASE_EINVAL, 0, "the document does not begin with %%PDF-");
    /* One element of explicit length (PS3.5 7.1): even and below 2^32 - 1. */
    if (pdf.n > 0xfffffff0u)
        return base_fail(e, BASE_ELIMIT, BASE_NOPOS, "the document is over 4 GiB");
    return shim_references_check(in.sources, in.sources_n, e);
}

static void add_sources(DcmItem &ds, const struct shim_pdf &in)
{
    for (size_t i = 0; i < in.sources_n; i++) {
        DcmItem *item = nullptr;
        if (ds.findOrCreateSequenceItem(DCM_SourceInstanceSequence, item, -2).bad())
            throw std::bad_alloc();
        shim_put(*item, DCM_ReferencedSOPClassUID, in.sources[i].sop_class_uid);
        shim_put(*item, DCM_ReferencedSOPInstanceUID, in.sources[i].sop_instance_uid);
    }
}

enum base_err shim_pdf_encapsulate(const struct shim_pdf *in, struct base_bytes pdf,
                                   struct base_buf *part10, struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            enum base_err err = check(*in, pdf, e);
            if (err)
                return err;
            DcmFileFormat file;
            DcmDataset &ds = *file.getDataset();
            shim_document_put(ds, in->doc, "DOC", SHIM_UID_ENCAPSULATED_PDF);
            shim_put(ds, DCM_ConversionType, "WSD");
            ds.insertEmptyElement(DCM_AcquisitionDateTime);
            shim_put(ds, DCM_BurnedInAnnotation, "YES");
            add_sources(ds, *in);
            shim_put(ds, DCM_DocumentTitle, in->document_title);
            shim_put_code(ds, DCM_ConceptNameCodeSequence, in->doc.title);
            shim_put(ds, DCM_VerificationFlag, in->verified ? "VERIFIED" : "UNVERIFIED");
            shim_put(ds, DCM_MIMETypeOfEncapsulatedDocument, "application/pdf");
            /* PS3.3 C.24.2: padded with one 00 byte, the true length beside it. */
            std::vector<Uint8> even(pdf.p, pdf.p + pdf.n);
            if (pdf.n & 1)
                even.push_back(0);
            if (ds.putAndInsertUint8Array(DCM_EncapsulatedDocument, even.data(), even.size()).bad())
                throw std::bad_alloc();
            ds.putAndInsertUint32(DCM_EncapsulatedDocumentLength, static_cast<Uint32>(pdf.n));
            return shim_save(file, part10, e);
        });
}
