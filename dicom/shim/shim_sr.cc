/* Basic Text SR after TID 2000. The data set is built directly: the tree is
 * small and fixed, and every value, UIDs and times too, is the caller's. */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

#include <cstdio>
#include <string>

static DcmItem &new_item(DcmItem &parent, const DcmTagKey &sequence)
{
    DcmItem *item = nullptr;
    if (parent.findOrCreateSequenceItem(sequence, item, -2).bad() || !item)
        throw std::bad_alloc();
    return *item;
}

/* A content item without its value (PS3.3 C.17.3). */
static DcmItem &add_content(DcmItem &parent, const char *relationship, const char *type,
                            const struct shim_code &name)
{
    DcmItem &item = new_item(parent, DCM_ContentSequence);
    shim_put(item, DCM_RelationshipType, relationship);
    shim_put(item, DCM_ValueType, type);
    shim_put_code(item, DCM_ConceptNameCodeSequence, name);
    return item;
}

/* PS3.5 6.2: a line of UT ends with CR LF; other control characters are not allowed. */
static std::string sr_text(const char *s)
{
    std::string out;
    for (; *s; s++) {
        unsigned char c = static_cast<unsigned char>(*s);
        if (c == '\r' && s[1] == '\n')
            continue;
        if (c == '\n' || c == '\r')
            out += "\r\n";
        else if (c >= 0x20 || c == '\t' || c == '\f')
            out += static_cast<char>(c);
    }
    return out;
}

static void add_text(DcmItem &parent, const char *relationship, const struct shim_code &name,
                     const char *text)
{
    DcmItem &item = add_content(parent, relationship, "TEXT", name);
    item.putAndInsertString(DCM_TextValue, sr_text(text).c_str());
}

static DcmItem &add_code(DcmItem &parent, const char *relationship, const struct shim_code &name,
                         const struct shim_code &value)
{
    DcmItem &item = add_content(parent, relationship, "CODE", name);
    shim_put_code(item, DCM_ConceptCodeSequence, value);
    return item;
}

/* TID 1204: the language and, below it, the country. */
static void add_language(DcmItem &root)
{
    DcmItem &language = add_code(root, "HAS CONCEPT MOD",
                                 {"121049", "DCM", "Language of Content Item and Descendants"},
                                 {"zh", "RFC5646", "Chinese"});
    add_code(language, "HAS CONCEPT MOD", {"121046", "DCM", "Country of Language"},
             {"CN", "ISO3166_1", "CHINA"});
}

/* TID 1001: who observed (TID 1002, 1003) and in which procedure (TID 1005). */
static void add_context(DcmItem &root, const struct shim_sr &in)
{
    static const char has[] = "HAS OBS CONTEXT";
    add_code(root, has, {"121005", "DCM", "Observer Type"}, {"121006", "DCM", "Person"});
    DcmItem &name = add_content(root, has, "PNAME", {"121008", "DCM", "Person Observer Name"});
    shim_put(name, DCM_PersonName, in.author_name);
    add_text(root, has, {"121009", "DCM", "Person Observer's Organization Name"}, in.author_org);
    DcmItem &study =
        add_content(root, has, "UIDREF", {"121018", "DCM", "Procedure Study Instance UID"});
    shim_put(study, DCM_UID, in.doc.study_uid);
    if (!shim_empty(in.doc.accession))
        add_text(root, has, {"121022", "DCM", "Accession Number"}, in.doc.accession);
}

static void add_section(DcmItem &root, const struct shim_code &heading,
                        const struct shim_code &element, const char *remark, const char *text)
{
    if (shim_empty(remark) && shim_empty(text))
        return;
    DcmItem &section = add_content(root, "CONTAINS", "CONTAINER", heading);
    shim_put(section, DCM_ContinuityOfContent, "SEPARATE");
    for (const char *t : {remark, text})
        if (!shim_empty(t))
            add_text(section, "CONTAINS", element, t);
}

static void add_tree(DcmItem &root, const struct shim_sr &in)
{
    shim_put(root, DCM_ValueType, "CONTAINER");
    shim_put_code(root, DCM_ConceptNameCodeSequence, in.doc.title);
    shim_put(root, DCM_ContinuityOfContent, "SEPARATE");
    DcmItem &tmpl = new_item(root, DCM_ContentTemplateSequence);
    shim_put(tmpl, DCM_MappingResource, "DCMR");
    shim_put(tmpl, DCM_TemplateIdentifier, "2000");
    add_language(root);
    add_context(root, in);
    add_section(root, {"59776-5", "LN", "Findings"}, {"121071", "DCM", "Finding"}, in.remark,
                in.findings);
    add_section(root, {"19005-8", "LN", "Impressions"}, {"121073", "DCM", "Impression"}, nullptr,
                in.impression);
}

/* PS3.3 Table C.17-3b: study > series > instance, each study and series once. */
static void add_reference(DcmItem &parent, const DcmTagKey &sequence,
                          const struct shim_reference &ref)
{
    auto find = [](DcmItem &in, const DcmTagKey &seq, const DcmTagKey &key,
                   const char *uid) -> DcmItem & {
        DcmItem *item = nullptr;
        OFString value;
        for (signed long i = 0; in.findAndGetSequenceItem(seq, item, i).good(); i++)
            if (item->findAndGetOFString(key, value).good() && value == uid)
                return *item;
        DcmItem &made = new_item(in, seq);
        shim_put(made, key, uid);
        return made;
    };
    DcmItem &study = find(parent, sequence, DCM_StudyInstanceUID, ref.study_uid);
    DcmItem &series =
        find(study, DCM_ReferencedSeriesSequence, DCM_SeriesInstanceUID, ref.series_uid);
    DcmItem &sop = new_item(series, DCM_ReferencedSOPSequence);
    shim_put(sop, DCM_ReferencedSOPClassUID, ref.sop_class_uid);
    shim_put(sop, DCM_ReferencedSOPInstanceUID, ref.sop_instance_uid);
}

/* PS3.3 C.17.2: the state of the document and who stands for it. */
static void add_state(DcmItem &ds, const struct shim_sr &in)
{
    bool verified = !shim_empty(in.verifier_name);
    struct shim_time at;
    shim_put(ds, DCM_CompletionFlag, "COMPLETE");
    shim_put(ds, DCM_VerificationFlag, verified ? "VERIFIED" : "UNVERIFIED");
    shim_put(ds, DCM_PreliminaryFlag, in.preliminary ? "PRELIMINARY" : "FINAL");
    if (verified) {
        DcmItem &who = new_item(ds, DCM_VerifyingObserverSequence);
        shim_time_of(in.verified_us, in.doc.utc_offset_minutes, &at);
        shim_put(who, DCM_VerifyingOrganization, in.verifier_org);
        shim_put(who, DCM_VerificationDateTime, at.datetime);
        shim_put(who, DCM_VerifyingObserverName, in.verifier_name);
        who.insertEmptyElement(DCM_VerifyingObserverIdentificationCodeSequence);
    }
    DcmItem &author = new_item(ds, DCM_AuthorObserverSequence);
    shim_put(author, DCM_InstitutionName, in.author_org);
    author.insertEmptyElement(DCM_InstitutionCodeSequence);
    shim_put(author, DCM_ObserverType, "PSN");
    shim_put(author, DCM_PersonName, in.author_name);
    author.insertEmptyElement(DCM_PersonIdentificationCodeSequence);
}

static void add_request(DcmItem &ds, const struct shim_document &doc)
{
    if (shim_empty(doc.accession))
        return;
    DcmItem &request = new_item(ds, DCM_ReferencedRequestSequence);
    shim_put(request, DCM_StudyInstanceUID, doc.study_uid);
    request.insertEmptyElement(DCM_ReferencedStudySequence);
    shim_put(request, DCM_AccessionNumber, doc.accession);
    request.insertEmptyElement(DCM_PlacerOrderNumberImagingServiceRequest);
    request.insertEmptyElement(DCM_FillerOrderNumberImagingServiceRequest);
    request.insertEmptyElement(DCM_RequestedProcedureID);
    request.insertEmptyElement(DCM_RequestedProcedureDescription);
    request.insertEmptyElement(DCM_RequestedProcedureCodeSequence);
}

static enum base_err check(const struct shim_sr &in, struct base_error *e)
{
    enum base_err err = shim_document_check(in.doc, e);
    if (err)
        return err;
    if (shim_empty(in.author_name) || shim_empty(in.author_org))
        return base_fail(e, BASE_EINVAL, BASE_NOPOS,
                         "the author's name or organisation is missing");
    if (!shim_empty(in.verifier_name) && shim_empty(in.verifier_org))
        return base_fail(e, BASE_EINVAL, BASE_NOPOS, "the verifier's organisation is missing");
    if (shim_empty(in.findings) && shim_empty(in.impression))
        return base_fail(e, BASE_EINVAL, BASE_NOPOS, "neither findings nor impression");
    err = shim_references_check(in.evidence, in.evidence_n, e);
    return err || !in.predecessor ? err : shim_references_check(in.predecessor, 1, e);
}

enum base_err shim_sr_write(const struct shim_sr *in, struct base_buf *part10, struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            enum base_err err = check(*in, e);
            if (err)
                return err;
            DcmFileFormat file;
            DcmDataset &ds = *file.getDataset();
            shim_document_put(ds, in->doc, "SR", SHIM_UID_BASIC_TEXT_SR);
            ds.insertEmptyElement(DCM_ReferencedPerformedProcedureStepSequence);
            ds.insertEmptyElement(DCM_PerformedProcedureCodeSequence);
            add_state(ds, *in);
            add_request(ds, in->doc);
            if (in->predecessor)
                add_reference(ds, DCM_PredecessorDocumentsSequence, *in->predecessor);
            for (size_t i = 0; i < in->evidence_n; i++)
                add_reference(ds, DCM_CurrentRequestedProcedureEvidenceSequence, in->evidence[i]);
            add_tree(ds, *in);
            return shim_save(file, part10, e);
        });
}
