/* A report as an A4 PDF in the layout that Chinese hospitals use. */
#ifndef REPORT_PDF_H
#define REPORT_PDF_H

#include "base/buf.h"
#include "base/err.h"
#include "report/report_content.h"

/*
 * Appends the PDF to out. Pure: the same content gives the same bytes, the
 * dates inside are signed_at. The text can be selected and searched. A report
 * that is not final says so in a banner on each page. Any thread; takes some
 * 20–50 ms. Needs the font WenQuanYi Zen Hei. BASE_EINVAL without hospital or
 * version, BASE_ELIMIT over 200 pages.
 */
enum base_err report_pdf_render(const struct report_content *c, struct base_buf *out,
                                struct base_error *e) BASE_MUST_CHECK;

#endif
