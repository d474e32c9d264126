#include "dicom/dicom_tag.h"

#include <stdio.h>

#define X(group, element, vr, keyword) {DICOM_TAG(group, element), DICOM_VR_##vr, #keyword},
static const struct dicom_tag_entry dictionary[] = {
#include "dicom/dicom_tags.def"
};
#undef X

#define VR_ROW(name, wide, pad) {#name, wide, pad},
static const struct {
    char text[3];
    bool wide;
    char pad;
} vrs[] = {DICOM_VR_MAP(VR_ROW)};
#undef VR_ROW

/* The dictionary is in order. */
const struct dicom_tag_entry *dicom_tag_find(uint32_t tag)
{
    const struct dicom_tag_entry *at = dictionary;
    for (size_t n = sizeof dictionary / sizeof dictionary[0]; n > 1; n -= n / 2)
        at += at[n / 2].tag <= tag ? n / 2 : 0;
    return at->tag == tag ? at : NULL;
}

enum dicom_vr dicom_tag_vr(uint32_t tag)
{
    uint16_t element = DICOM_ELEMENT_NUMBER(tag);
    if (DICOM_GROUP(tag) % 2) {
        /* PS3.5 7.8.1: private creators */
        if (element >= 0x10 && element <= 0xFF)
            return DICOM_VR_LO;
        return element == 0 ? DICOM_VR_UL : DICOM_VR_UN;
    }
    const struct dicom_tag_entry *entry = dicom_tag_find(tag);
    if (entry)
        return entry->vr;
    return element == 0 ? DICOM_VR_UL : DICOM_VR_UN;
}

const char *dicom_tag_keyword(uint32_t tag)
{
    const struct dicom_tag_entry *entry = dicom_tag_find(tag);
    return entry ? entry->keyword : "";
}

const char *dicom_tag_text(uint32_t tag, char out[DICOM_TAG_TEXT_SIZE])
{
    snprintf(out, DICOM_TAG_TEXT_SIZE, "(%04X,%04X)", (unsigned)DICOM_GROUP(tag),
             (unsigned)DICOM_ELEMENT_NUMBER(tag));
    return out;
}

const char *dicom_vr_text(enum dicom_vr vr)
{
    return vr < DICOM_VR_COUNT ? vrs[vr].text : "??";
}

/* Of each element that is read: as one choice that compilers make a search of few steps. */
enum dicom_vr dicom_vr_of(char a, char b)
{
    int letters = (uint8_t)a << 8 | (uint8_t)b;
#define VR_IF(name, wide, pad) letters == (#name[0] << 8 | #name[1]) ? DICOM_VR_##name:
    return DICOM_VR_MAP(VR_IF) DICOM_VR_NONE;
#undef VR_IF
}

bool dicom_vr_wide(enum dicom_vr vr)
{
    return vr < DICOM_VR_COUNT && vrs[vr].wide;
}

bool dicom_vr_is_text(enum dicom_vr vr)
{
    return vr == DICOM_VR_UI || (vr < DICOM_VR_COUNT && vrs[vr].pad == ' ');
}

bool dicom_vr_has_charset(enum dicom_vr vr)
{
    static const bool set[DICOM_VR_COUNT + 1] = {
        [DICOM_VR_LO] = true, [DICOM_VR_LT] = true, [DICOM_VR_PN] = true, [DICOM_VR_SH] = true,
        [DICOM_VR_ST] = true, [DICOM_VR_UC] = true, [DICOM_VR_UT] = true,
    };
    return set[vr];
}
