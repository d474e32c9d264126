/*
 * UIDs: transfer syntaxes, SOP classes, and what makes a UID valid.
 */
#ifndef DICOM_UID_H
#define DICOM_UID_H

#include "base/bytes.h"
#include "dicom/dicom_tag.h"

enum { DICOM_UID_SIZE = 65 }; /* PS3.5 9.1: 64 characters, and our NUL */

/* How the elements of a data set are laid out (PS3.5 Annex A). */
enum dicom_encoding { DICOM_IMPLICIT_LE, DICOM_EXPLICIT_LE, DICOM_EXPLICIT_BE };

enum dicom_syntax_flags {
    DICOM_TS_ENCAPSULATED = 1, /* pixel data in fragments */
    DICOM_TS_DEFLATED = 2,     /* PS3.5 A.5; the data set must be inflated first */
    DICOM_TS_LOSSY = 4,        /* may be lossy */
    DICOM_TS_VIDEO = 8,
    DICOM_TS_STORED = 16,  /* we accept and keep objects in it */
    DICOM_TS_RETIRED = 32, /* retired by the standard, or private */
};

struct dicom_syntax {
    const char *uid;
    const char *name;
    enum dicom_encoding encoding;
    unsigned flags; /* enum dicom_syntax_flags */
};

enum dicom_sop_flags {
    DICOM_SOP_STORAGE = 1,
    DICOM_SOP_RETIRED = 2, /* retired or a draft; storage classes are still accepted */
    DICOM_SOP_VERIFICATION = 4,
    DICOM_SOP_COMMITMENT = 8,
    DICOM_SOP_WORKLIST = 16,
    DICOM_SOP_MPPS = 32,
    DICOM_SOP_QUERY = 64,
    DICOM_SOP_UPS = 128,
    DICOM_SOP_ECG = 512,     /* storage of waveforms that are ECGs or, in the field, hold one */
    DICOM_SOP_PRIVATE = 256, /* in no table of ours, and perhaps storage; see dicom_sop_flags_of */
};

struct dicom_sop_class {
    const char *uid;
    unsigned flags; /* enum dicom_sop_flags */
    const char *name;
    const char *keyword;
};

#define DICOM_UID_APPLICATION_CONTEXT "1.2.840.10008.3.1.1.1"

#define DICOM_UID_IMPLICIT_LE        "1.2.840.10008.1.2"
#define DICOM_UID_EXPLICIT_LE        "1.2.840.10008.1.2.1"
#define DICOM_UID_DEFLATED           "1.2.840.10008.1.2.1.99"
#define DICOM_UID_EXPLICIT_BE        "1.2.840.10008.1.2.2"
#define DICOM_UID_JPEG_BASELINE      "1.2.840.10008.1.2.4.50"
#define DICOM_UID_JPEG_EXTENDED      "1.2.840.10008.1.2.4.51"
#define DICOM_UID_JPEG_LOSSLESS_ANY  "1.2.840.10008.1.2.4.57"
#define DICOM_UID_JPEG_LOSSLESS      "1.2.840.10008.1.2.4.70"
#define DICOM_UID_JPEG_LS_LOSSLESS   "1.2.840.10008.1.2.4.80"
#define DICOM_UID_JPEG_2000_LOSSLESS "1.2.840.10008.1.2.4.90"
#define DICOM_UID_JPEG_2000          "1.2.840.10008.1.2.4.91"
#define DICOM_UID_RLE                "1.2.840.10008.1.2.5"

#define DICOM_UID_VERIFICATION        "1.2.840.10008.1.1"
#define DICOM_UID_MEDIA_DIRECTORY     "1.2.840.10008.1.3.10"
#define DICOM_UID_STORAGE_COMMITMENT  "1.2.840.10008.1.20.1"
#define DICOM_UID_COMMITMENT_INSTANCE "1.2.840.10008.1.20.1.1"
#define DICOM_UID_MPPS                "1.2.840.10008.3.1.2.3.3"
#define DICOM_UID_WORKLIST_FIND       "1.2.840.10008.5.1.4.31"

#define DICOM_UID_CT_IMAGE          "1.2.840.10008.5.1.4.1.1.2"
#define DICOM_UID_SC_IMAGE          "1.2.840.10008.5.1.4.1.1.7"
#define DICOM_UID_TWELVE_LEAD_ECG   "1.2.840.10008.5.1.4.1.1.9.1.1"
#define DICOM_UID_GENERAL_ECG       "1.2.840.10008.5.1.4.1.1.9.1.2"
#define DICOM_UID_AMBULATORY_ECG    "1.2.840.10008.5.1.4.1.1.9.1.3"
#define DICOM_UID_GENERAL_32BIT_ECG "1.2.840.10008.5.1.4.1.1.9.1.4"

/* Our Implementation Class UID and Version Name (PS3.7 D.3.3.2). */
#define DICOM_IMPLEMENTATION_UID     "2.25.195751245664669214813368048798936763014"
#define DICOM_IMPLEMENTATION_VERSION "RDC_" RDC_VERSION
/* (0002,0100) of the private information in our files. */
#define DICOM_PRIVATE_INFORMATION_UID "2.25.164987389157861108824392838666829228503"

/* NULL when unknown. */
const struct dicom_syntax *dicom_syntax_find(const char *uid);
const struct dicom_sop_class *dicom_sop_class_find(const char *uid);
/* The flags of a class. One that we do not know is DICOM_SOP_PRIVATE where it can be one
 * of storage: outside of the root of the standard, or where the standard has its storage
 * classes (of a later edition); else, and when it is no UID, 0. */
unsigned dicom_sop_flags_of(const char *uid);
/* For tests: the whole tables, ordered by UID as text. */
const struct dicom_syntax *dicom_syntax_all(size_t *n);
const struct dicom_sop_class *dicom_sop_class_all(size_t *n);
/* Name of a SOP class or transfer syntax, or the UID itself: for messages. */
const char *dicom_uid_name(const char *uid);

/* PS3.5 9.1: 1–64 characters, digits and single dots between them. DEVIATION: a
 * component with leading zeros is let through. For what we or a person write. */
bool dicom_uid_valid(const char *uid);
/* What devices in the field send: 1–64 digits and dots, a digit first. DEVIATION: components may
 * be empty, since who gets such an object cannot mend it, and it is unique all the same. */
bool dicom_uid_usable(const char *uid);

#endif
