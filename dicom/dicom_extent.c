#include "dicom/dicom_extent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_of(enum dicom_vr vr, struct base_bytes value)
{
    char text[16];
    if (vr == DICOM_VR_US)
        return value.n >= 2 ? base_load_le16(value.p) : 0;
    if (vr != DICOM_VR_IS || value.n >= sizeof text)
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)value.n, (const char *)value.p);
    long long number = strtoll(text, NULL, 10);
    return number > 0 && number <= INT32_MAX ? (uint64_t)number : 0;
}

static bool begins_with(struct base_bytes value, const char *text)
{
    size_t n = strlen(text);
    return value.n >= n && memcmp(value.p, text, n) == 0;
}

void dicom_extent_take(struct dicom_extent *x, uint32_t tag, enum dicom_vr vr,
                       struct base_bytes value)
{
    switch ((int)tag) {
    case DICOM_TAG_SamplesPerPixel:
        x->samples = number_of(vr, value);
        break;
    case DICOM_TAG_PhotometricInterpretation:
        x->subsampled = begins_with(value, "YBR_FULL_422") || begins_with(value, "YBR_PARTIAL_42");
        break;
    case DICOM_TAG_NumberOfFrames:
        x->frames = number_of(vr, value);
        break;
    case DICOM_TAG_Rows:
        x->rows = number_of(vr, value);
        break;
    case DICOM_TAG_Columns:
        x->columns = number_of(vr, value);
        break;
    case DICOM_TAG_BitsAllocated:
        x->bits = number_of(vr, value);
        break;
    default:
        break;
    }
}

/* PS3.5 8.1: bits over all frames, which need no padding between them. */
uint64_t dicom_extent_bytes(const struct dicom_extent *x)
{
    uint64_t frame = x->rows * x->columns * x->samples * x->bits; /* 16 bits each */
    uint64_t frames = x->frames ? x->frames : 1;
    if (frame == 0 || frame > (UINT64_MAX - 7) / frames || x->subsampled)
        return 0;
    return (frame * frames + 7) / 8;
}
