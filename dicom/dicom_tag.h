/*
 * Tags, value representations, and the part of the data dictionary that the
 * engine needs: every attribute of patient, study, series, equipment, general
 * image, waveform (PS3.3 C.10.9), SR, encapsulated document, worklist, MPPS,
 * UPS and the command set. DCMTK, behind dicom/shim, has the whole dictionary.
 */
#ifndef DICOM_TAG_H
#define DICOM_TAG_H

#include <stdbool.h>
#include <stdint.h>

/* A tag as one number: group in the upper half. Ordered as in a data set. */
#define DICOM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))
#define DICOM_GROUP(tag)          ((uint16_t)((tag) >> 16))
#define DICOM_ELEMENT_NUMBER(tag) ((uint16_t)(tag))

/* PS3.5 7.5 */
#define DICOM_TAG_ITEM      UINT32_C(0xFFFEE000)
#define DICOM_TAG_ITEM_END  UINT32_C(0xFFFEE00D)
#define DICOM_TAG_SEQ_END   UINT32_C(0xFFFEE0DD)
#define DICOM_UNDEFINED     UINT32_C(0xFFFFFFFF) /* undefined length */
#define DICOM_TAG_TEXT_SIZE 12                   /* "(0010,0020)" and NUL */

/* PS3.5 6.2. X(VR, length is 32 bits in explicit encodings (7.1.2), pad byte) */
#define DICOM_VR_MAP(X)                                                                            \
    X(AE, 0, ' ')                                                                                  \
    X(AS, 0, ' ')                                                                                  \
    X(AT, 0, 0)                                                                                    \
    X(CS, 0, ' ')                                                                                  \
    X(DA, 0, ' ')                                                                                  \
    X(DS, 0, ' ')                                                                                  \
    X(DT, 0, ' ')                                                                                  \
    X(FD, 0, 0)                                                                                    \
    X(FL, 0, 0)                                                                                    \
    X(IS, 0, ' ')                                                                                  \
    X(LO, 0, ' ')                                                                                  \
    X(LT, 0, ' ')                                                                                  \
    X(OB, 1, 0)                                                                                    \
    X(OD, 1, 0)                                                                                    \
    X(OF, 1, 0)                                                                                    \
    X(OL, 1, 0)                                                                                    \
    X(OV, 1, 0)                                                                                    \
    X(OW, 1, 0)                                                                                    \
    X(PN, 0, ' ')                                                                                  \
    X(SH, 0, ' ')                                                                                  \
    X(SL, 0, 0)                                                                                    \
    X(SQ, 1, 0)                                                                                    \
    X(SS, 0, 0)                                                                                    \
    X(ST, 0, ' ')                                                                                  \
    X(SV, 1, 0)                                                                                    \
    X(TM, 0, ' ')                                                                                  \
    X(UC, 1, ' ')                                                                                  \
    X(UI, 0, 0)                                                                                    \
    X(UL, 0, 0)                                                                                    \
    X(UN, 1, 0)                                                                                    \
    X(UR, 1, ' ')                                                                                  \
    X(US, 0, 0)                                                                                    \
    X(UT, 1, ' ')                                                                                  \
    X(UV, 1, 0)

#define DICOM_VR_ENUM(name, wide, pad) DICOM_VR_##name,
enum dicom_vr { DICOM_VR_MAP(DICOM_VR_ENUM) DICOM_VR_COUNT, DICOM_VR_NONE = DICOM_VR_COUNT };
#undef DICOM_VR_ENUM

/* DICOM_TAG_PatientID and so on: the standard's keywords. */
#define X(group, element, vr, keyword) DICOM_TAG_##keyword = (int)DICOM_TAG(group, element),
enum dicom_tag {
#include "dicom/dicom_tags.def"
};
#undef X

struct dicom_tag_entry {
    uint32_t tag;
    enum dicom_vr vr;
    const char *keyword;
};

/* NULL when the tag is not in our part of the dictionary. */
const struct dicom_tag_entry *dicom_tag_find(uint32_t tag);
/* The VR in an implicit encoding: dictionary, then the rules of PS3.5 for group
 * lengths and private creators, else UN. Where the dictionary says "US or SS"
 * it is US, where it says "OB or OW" it is OW. */
enum dicom_vr dicom_tag_vr(uint32_t tag);
/* The keyword, or "" when unknown. */
const char *dicom_tag_keyword(uint32_t tag);
/* "(0010,0020)" into out; returns out. */
const char *dicom_tag_text(uint32_t tag, char out[DICOM_TAG_TEXT_SIZE]);

/* Two letters, never NULL ("??" for DICOM_VR_NONE). */
const char *dicom_vr_text(enum dicom_vr vr);
/* DICOM_VR_NONE when the two letters name no VR. */
enum dicom_vr dicom_vr_of(char a, char b);
/* True when explicit encodings give this VR a 32-bit length. */
bool dicom_vr_wide(enum dicom_vr vr);
/* True for VRs of characters. */
bool dicom_vr_is_text(enum dicom_vr vr);
/* True for text that follows Specific Character Set: LO LT PN SH ST UC UT. */
bool dicom_vr_has_charset(enum dicom_vr vr);

#endif
