/*
 * Which presentation contexts of a request are accepted, in which transfer
 * syntax and with which roles (PS3.8 7.1.1.13, PS3.7 D.3.3.4). Pure.
 */
#ifndef DICOM_NEGOTIATE_H
#define DICOM_NEGOTIATE_H

#include "dicom/dicom_pdu.h"

enum dicom_offer_syntaxes {
    DICOM_OFFER_UNCOMPRESSED, /* implicit and explicit little endian, explicit big endian */
    DICOM_OFFER_STORED        /* all that we store: DICOM_TS_STORED */
};

/* A row of what an application accepts. */
struct dicom_offer {
    const char *sop_class; /* NULL: every class with one of the flags */
    unsigned flags;        /* enum dicom_sop_flags, when sop_class is NULL */
    enum dicom_offer_syntaxes syntaxes;
    bool requestor_scu; /* the requestor may be SCU, as it is without role selection */
    bool requestor_scp; /* it may be SCP: C-STORE of a C-GET, N-EVENT-REPORT */
};

/*
 * Fills *ac, the answer to rq, except for called, calling and max_length,
 * which the caller may change: result 0, 3 or 4 per context; the roles that were
 * proposed, as far as allowed; asynchronous operations 1/1 when proposed.
 *
 * The transfer syntax is the first proposed one that the row allows; but where
 * that is implicit VR or big endian and explicit VR little endian was also
 * proposed, it is the latter, which says more about the data and costs the
 * sender nothing. A compressed syntax that comes first is taken, since
 * objects are stored as received and lines to the centres are slow.
 *
 * Arrays come from the arena; strings are those of rq. *n_accepted, which may
 * be NULL, is the number of contexts accepted. BASE_ENOMEM.
 */
BASE_MUST_CHECK enum base_err dicom_negotiate(const struct dicom_associate *rq,
                                              const struct dicom_offer *offers, unsigned n_offers,
                                              uint32_t max_length, struct base_arena *arena,
                                              struct dicom_associate *ac, unsigned *n_accepted);

#endif
