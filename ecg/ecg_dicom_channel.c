/* Channel Definition Sequence (003A,0200), PS3.3 C.10.9: which lead a channel is, and what its
 * samples mean. */
#include "ecg/ecg_dicom_priv.h"

#include "ecg/ecg_unit.h"

const struct ecg_dicom_channel ecg_dicom_channel_default = {
    .name = "", .unit = "", .sensitivity = 1, .correction = 1, .unit_uv = 1};

/* By 0 a recorder that does not know it would make every sample 0. False: *out is as it was. */
static bool read_factor(const struct dicom_element *e, double *out)
{
    double v;
    if (!ecg_dicom_number(e, &v) || v == 0)
        return false;
    *out = v;
    return true;
}

/* ISO/IEEE 11073-10101: leads are codes of partition 2, sites (as CID 3030 of the electrodes
 * of EEG, EMG and EOG has them) of partition 7. */
static bool is_site(const struct ecg_dicom_code *code)
{
    return code->value.n > 2 && memcmp(code->value.p, "7:", 2) == 0 &&
           base_bytes_are(code->scheme, "MDC");
}

/* "Unspecified lead", which says less than the channel's label. */
static bool is_unspecified(const struct ecg_dicom_code *code)
{
    return base_bytes_are(code->value, "2:0") && base_bytes_are(code->scheme, "MDC");
}

/* The code of the source, which may stand in front of it, knows better. */
static void read_label(struct ecg_dicom_reader *d, struct base_bytes value,
                       struct ecg_dicom_channel *ch)
{
    if (ch->id)
        return;
    ch->name = ecg_dicom_text(d, value);
    size_t n = strlen(ch->name);
    ch->id = ecg_lead_by_name(ch->name, n);
    if (ch->id)
        ch->name = ecg_lead_shown(ch->id, ch->name, n);
}

static void read_source(struct ecg_dicom_reader *d, struct dicom_cursor *c,
                        struct ecg_dicom_channel *ch)
{
    struct ecg_dicom_code code;
    ecg_dicom_read_code(c, &code);
    ch->elsewhere = is_site(&code);
    int id = ecg_lead_by_code(code.scheme, code.value);
    const char *meaning = id ? "" : ecg_dicom_text(d, code.meaning);
    if (!id)
        id = ecg_lead_by_meaning(meaning);
    if (id) {
        ch->id = id;
        ch->name = ecg_lead_shown(id, ch->name, strlen(ch->name));
        ch->is_ecg = true;
    } else if (meaning[0] && !(ch->name[0] && is_unspecified(&code))) {
        ch->name = meaning;
    }
}

static void read_unit(struct ecg_dicom_reader *d, struct dicom_cursor *c,
                      struct ecg_dicom_channel *ch)
{
    struct ecg_dicom_code code;
    ecg_dicom_read_code(c, &code);
    ch->has_unit = code.value.n > 0;
    if (!ch->has_unit)
        return;
    ch->unit_uv = ecg_unit_uv(code.value);
    ch->other = ch->unit_uv == 0;
    if (ch->other)
        ch->unit_uv = 1;
    ch->unit = ch->other ? ecg_dicom_text(d, code.value) : "";
}

void ecg_dicom_channel_read(struct ecg_dicom_reader *d, struct dicom_cursor *c,
                            struct ecg_dicom_channel *ch)
{
    struct dicom_element e;
    int64_t bits;
    dicom_cursor_enter(c);
    while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        switch (e.tag) {
        case DICOM_TAG_ChannelLabel:
            read_label(d, e.value, ch);
            break;
        case DICOM_TAG_ChannelSourceSequence:
            read_source(d, c, ch);
            break;
        case DICOM_TAG_ChannelSensitivity:
            ch->has_sensitivity = read_factor(&e, &ch->sensitivity);
            break;
        case DICOM_TAG_ChannelSensitivityUnitsSequence:
            read_unit(d, c, ch);
            break;
        case DICOM_TAG_ChannelSensitivityCorrectionFactor:
            ch->has_no_correction = !read_factor(&e, &ch->correction);
            break;
        case DICOM_TAG_ChannelBaseline:
            ecg_dicom_number(&e, &ch->baseline);
            break;
        case DICOM_TAG_ChannelTimeSkew:
            ecg_dicom_number(&e, &ch->time_skew);
            break;
        case DICOM_TAG_ChannelSampleSkew:
            ecg_dicom_number(&e, &ch->sample_skew);
            break;
        case DICOM_TAG_WaveformBitsStored:
            if (dicom_value_int(&e, 0, &bits) && bits > 0 && bits <= 32)
                ch->stored = (unsigned)bits;
            break;
        case DICOM_TAG_FilterLowFrequency:
            ecg_dicom_number(&e, &ch->high_pass);
            break;
        case DICOM_TAG_FilterHighFrequency:
            ecg_dicom_number(&e, &ch->low_pass);
            break;
        case DICOM_TAG_NotchFilterFrequency:
            ecg_dicom_number(&e, &ch->notch);
            break;
        default:
            break;
        }
    }
    dicom_cursor_leave(c);
    if (ch->elsewhere && !ch->other) {
        ch->id = ECG_LEAD_NONE;
        ch->is_ecg = false;
        ch->other = true;
        ch->unit = "uV";
    }
}

const char *ecg_dicom_channel_lacks(const struct ecg_dicom_channel *ch)
{
    if (ch->other)
        return NULL;
    if (!ch->has_sensitivity)
        return "no sensitivity: 1 uV per count";
    if (!ch->has_unit)
        return "no unit of its sensitivity: uV";
    return ch->has_no_correction ? "no factor as its correction: 1" : NULL;
}
