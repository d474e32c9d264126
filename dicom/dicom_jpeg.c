#include "dicom/dicom_jpeg.h"

#include "dicom/dicom_uid.h"

/*
 *   START ─FF─► MARKER ─length─► SEGMENT ─its end─► BETWEEN ─FF─► MARKER
 *
 * A marker has two bytes, and its length two more (B.1.1.4).
 */
enum { START, MARKER, LENGTH_HIGH, LENGTH_LOW, SEGMENT, BETWEEN, DONE };
enum { SOI = 0xD8, SOS = 0xDA, SOF0 = 0xC0, SOF1 = 0xC1, SOF3 = 0xC3, SOF15 = 0xCF };

/* C4, C8 and CC are among the frame headers' numbers and are none. */
static bool is_frame(uint8_t marker)
{
    return marker >= SOF0 && marker <= SOF15 && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* A scan header (B.2.3): number of components, two bytes for each, then Ss. */
static void segment_byte(struct dicom_jpeg *j, uint8_t c)
{
    if (j->marker == SOS && j->at == 0)
        j->components = c;
    else if (j->marker == SOS && j->at == 1U + 2U * j->components) {
        j->selection = c;
        j->scan = true;
    }
    j->at++;
    if (--j->left == 0)
        j->state = j->marker == SOS ? DONE : BETWEEN;
}

static void byte(struct dicom_jpeg *j, uint8_t c)
{
    switch (j->state) {
    case START:
    case BETWEEN:
        j->state = c == 0xFF ? MARKER : DONE;
        break;
    case MARKER:
        j->marker = c;
        if (c == SOI)
            j->state = BETWEEN;
        else if (c != 0xFF) /* B.1.1.2: fill bytes */
            j->state = LENGTH_HIGH;
        if (is_frame(c) && !j->frame)
            j->frame = c;
        break;
    case LENGTH_HIGH:
        j->left = (uint32_t)c << 8;
        j->state = LENGTH_LOW;
        break;
    case LENGTH_LOW:
        j->left |= c;
        j->at = 0;
        j->state = j->left < 2 ? DONE : j->left == 2 ? BETWEEN : SEGMENT;
        j->left -= j->left < 2 ? j->left : 2;
        break;
    default:
        segment_byte(j, c);
        break;
    }
}

void dicom_jpeg_feed(struct dicom_jpeg *j, struct base_bytes bytes)
{
    for (size_t i = 0; i < bytes.n && j->state != DONE; i++)
        byte(j, bytes.p[i]);
}

/* PS3.5 8.2.1, A.4.1: which process each transfer syntax is. */
const char *dicom_jpeg_syntax(const struct dicom_jpeg *j)
{
    if (!j->scan)
        return NULL;
    if (j->frame == SOF0)
        return DICOM_UID_JPEG_BASELINE;
    if (j->frame == SOF1)
        return DICOM_UID_JPEG_EXTENDED;
    if (j->frame == SOF3)
        return j->selection == 1 ? DICOM_UID_JPEG_LOSSLESS : DICOM_UID_JPEG_LOSSLESS_ANY;
    return NULL;
}

bool dicom_jpeg_is(const struct dicom_jpeg *j, const char *syntax)
{
    const char *own = dicom_jpeg_syntax(j);
    if (!own)
        return false;
    /* A decoder of the extended process reads baseline, one of all predictors the first. */
    return strcmp(own, syntax) == 0 ||
           (strcmp(syntax, DICOM_UID_JPEG_EXTENDED) == 0 && j->frame == SOF0) ||
           (strcmp(syntax, DICOM_UID_JPEG_LOSSLESS_ANY) == 0 && j->frame == SOF3);
}
