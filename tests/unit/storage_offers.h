/* What an archive accepts: verification, and all storage classes in all syntaxes that we store. */
#ifndef STORAGE_OFFERS_H
#define STORAGE_OFFERS_H

#include "dicom/dicom_negotiate.h"

static const struct dicom_offer storage_offers[] = {
    {DICOM_UID_VERIFICATION, 0, DICOM_OFFER_UNCOMPRESSED, true, false},
    {NULL, DICOM_SOP_STORAGE, DICOM_OFFER_STORED, true, false},
};
enum { STORAGE_OFFERS = sizeof storage_offers / sizeof storage_offers[0] };

#endif
