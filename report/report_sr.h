/* A report as DICOM objects: structured report, and its PDF encapsulated. */
#ifndef REPORT_SR_H
#define REPORT_SR_H

#include "base/buf.h"
#include "base/err.h"
#include "dicom/shim/shim.h"
#include "report/report_content.h"

/* The identity of one object, made once per report version and kept. */
struct report_object {
    const char *series_uid;
    const char *sop_instance_uid;
    uint32_t series_number;
    uint32_t instance_number;
};

/* What the version refers to. Borrowed. */
struct report_evidence {
    const struct shim_reference *shown; /* the objects that the reader saw */
    size_t shown_n;
    const struct shim_reference *predecessor; /* the SR of the version before; NULL for the first */
};

/* Appends the SR (DICOM file) to part10; the same input gives the same bytes.
 * Needs an author; verified when signed. */
enum base_err report_sr_render(const struct report_content *c, const struct report_object *id,
                               const struct report_evidence *evidence, struct base_buf *part10,
                               struct base_error *e) BASE_MUST_CHECK;

/* Appends pdf (of report_pdf_render) as an Encapsulated PDF object to part10. */
enum base_err report_sr_wrap_pdf(const struct report_content *c, const struct report_object *id,
                                 const struct report_evidence *evidence, struct base_bytes pdf,
                                 struct base_buf *part10, struct base_error *e) BASE_MUST_CHECK;

/* That what was read was damaged, in Chinese and English; NULL = it was not. */
const char *report_sr_damage(const struct report_content *c);

/* The title in Chinese for a line: 影像诊断报告, 心电图诊断报告, … */
const char *report_sr_title(const char *line);

#endif
