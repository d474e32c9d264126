#include "dicom/dicom_tag.h"

#include <stdio.h>
#include <stdlib.h>

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

static int compare(const void *key, const void *entry)
{
    uint32_t a = *(const uint32_t *)key;
    uint32_t b = ((const struct dicom_tag_entry *)entry)->tag;
    return (a > b) - (a < b);
}

const struct dicom_tag_entry *dicom_tag_find(uint32_t tag)
{
    return bsearch(&tag, dictionary, sizeof dictionary / sizeof dictionary[0], sizeof dictionary[0],
                   compare);
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

enum dicom_vr dicom_vr_of(char a, char b)
{
    for (unsigned i = 0; i < DICOM_VR_COUNT; i++)
        if (vrs[i].text[0] == a && vrs[i].text[1] == b)
            return (enum dicom_vr)i;
    return DICOM_VR_NONE;
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
