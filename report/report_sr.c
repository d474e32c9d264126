#include "report/report_sr.h"

const char *report_sr_title(const char *line)
{
    static const struct {
        const char *line, *title;
    } titles[] = {
        {"ecg", "心电图诊断报告"},
        {"ultrasound", "超声诊断报告"},
        {"wound", "伤口评估报告"},
    };
    for (size_t i = 0; line && i < sizeof titles / sizeof titles[0]; i++)
        if (strcmp(line, titles[i].line) == 0)
            return titles[i].title;
    return "影像诊断报告";
}

const char *report_sr_damage(const struct report_content *c)
{
    return c->damaged ? "注意：送检数据有损坏或缺失，本报告依据可读取的部分作出。"
                        "The data were damaged or incomplete; this report is of what could be read."
                      : NULL;
}

/* CID 7000. DEVIATION: PS3.16 prints 11524-0, which fails LOINC's own check digit; the
 * code that LOINC has for an ECG report is 11524-6. */
static struct shim_code title_code(const struct report_content *c)
{
    static const struct {
        const char *line, *modality;
        struct shim_code code;
    } codes[] = {
        {"ecg", NULL, {"11524-6", "LN", "EKG study"}},
        {"ultrasound", NULL, {"25061-3", "LN", "Ultrasound Report"}},
        {"radiology", "CT", {"25045-6", "LN", "CT Report"}},
        {"radiology", "MR", {"25056-3", "LN", "MRI Report"}},
        {"radiology", "CR", {"43468-8", "LN", "X-Ray Report"}},
        {"radiology", "DX", {"43468-8", "LN", "X-Ray Report"}},
    };
    for (size_t i = 0; c->line && i < sizeof codes / sizeof codes[0]; i++) {
        bool modality =
            !codes[i].modality || (c->modality && strcmp(codes[i].modality, c->modality) == 0);
        if (modality && strcmp(c->line, codes[i].line) == 0)
            return codes[i].code;
    }
    return (struct shim_code){"18748-4", "LN", "Diagnostic Imaging Report"};
}

static struct shim_document document_of(const struct report_content *c,
                                        const struct report_object *id)
{
    return (struct shim_document){
        .patient_id = c->patient_id,
        .patient_name = c->patient_name,
        .patient_birth_date = c->patient_birth_date,
        .patient_sex = c->patient_sex,
        .study_uid = c->study_uid,
        .study_id = c->study_id,
        .study_date = c->study_date,
        .study_time = c->study_time,
        .study_description = c->study_description,
        .accession = c->accession,
        .referring_physician = c->referring_physician,
        .institution = c->hospital_name,
        .series_uid = id->series_uid,
        .series_description = report_sr_title(c->line),
        .series_number = id->series_number,
        .sop_instance_uid = id->sop_instance_uid,
        .instance_number = id->instance_number,
        .content_us = c->signed_at_us,
        .utc_offset_minutes = c->utc_offset_minutes,
        .title = title_code(c),
    };
}

enum base_err report_sr_render(const struct report_content *c, const struct report_object *id,
                               const struct report_evidence *evidence, struct base_buf *part10,
                               struct base_error *e)
{
    bool is_signed = c->signer_name && c->signer_name[0];
    struct shim_sr sr = {
        .doc = document_of(c, id),
        .remark = report_sr_damage(c),
        .findings = c->findings,
        .impression = c->impression,
        .author_name = c->author_name,
        .author_org = c->hospital_name,
        .verifier_name = is_signed ? c->signer_name : NULL,
        .verifier_org = c->hospital_name,
        .verified_us = c->signed_at_us,
        .preliminary = c->status == REPORT_DRAFT || c->status == REPORT_PRELIMINARY,
        .predecessor = evidence->predecessor,
        .evidence = evidence->shown,
        .evidence_n = evidence->shown_n,
    };
    return shim_sr_write(&sr, part10, e);
}

enum base_err report_sr_wrap_pdf(const struct report_content *c, const struct report_object *id,
                                 const struct report_evidence *evidence, struct base_bytes pdf,
                                 struct base_buf *part10, struct base_error *e)
{
    struct shim_pdf in = {
        .doc = document_of(c, id),
        .document_title = report_sr_title(c->line),
        .verified = c->signer_name && c->signer_name[0],
        .sources = evidence->shown,
        .sources_n = evidence->shown_n,
    };
    return shim_pdf_encapsulate(&in, pdf, part10, e);
}
