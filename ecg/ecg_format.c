#include "ecg/ecg_format.h"

#include <strings.h>

/* In the order in which ecg_detect asks: those that cannot be mistaken first. */
static const struct ecg_format_row formats[ECG_FORMAT_COUNT] = {
    [ECG_FORMAT_UNKNOWN] = {.name = "unknown", .extensions = ""},
    [ECG_FORMAT_SCP] = {.name = "SCP-ECG",
                        .extensions = "scp ecg",
                        .media = "application/x-scp-ecg",
                        .probe = ecg_scp_probe,
                        .parse = ecg_scp_parse,
                        .write = ecg_scp_write_row},
    [ECG_FORMAT_DICOM] = {.name = "DICOM",
                          .extensions = "dcm dicom",
                          .media = "application/dicom",
                          .probe = ecg_dicom_probe,
                          .parse = ecg_dicom_parse,
                          .write = ecg_dicom_write_row},
    [ECG_FORMAT_AECG] = {.name = "HL7 aECG",
                         .extensions = "xml aecg",
                         .media = "application/xml",
                         .probe = ecg_aecg_probe,
                         .parse = ecg_aecg_parse,
                         .write = ecg_aecg_write_row},
    [ECG_FORMAT_MUSE] = {.name = "GE MUSE XML",
                         .extensions = "muse",
                         .media = "application/xml",
                         .probe = ecg_muse_probe,
                         .parse = ecg_muse_parse},
    [ECG_FORMAT_PHILIPS] = {.name = "Philips XML",
                            .extensions = "sierra",
                            .media = "application/xml",
                            .probe = ecg_philips_probe,
                            .parse = ecg_philips_parse},
    [ECG_FORMAT_MFER] = {.name = "MFER",
                         .extensions = "mwf mfr mfer",
                         .probe = ecg_mfer_probe,
                         .parse = ecg_mfer_parse},
    [ECG_FORMAT_ISHNE] = {.name = "ISHNE",
                          .extensions = "ishne hol ann",
                          .probe = ecg_ishne_probe,
                          .parse_set = ecg_ishne_parse},
    [ECG_FORMAT_EDF] = {.name = "EDF",
                        .extensions = "edf bdf rec edf+",
                        .probe = ecg_edf_probe,
                        .parse = ecg_edf_parse,
                        .write = ecg_edf_write_row},
    [ECG_FORMAT_WFDB] = {.name = "WFDB",
                         .extensions = "hea dat",
                         .probe = ecg_wfdb_probe,
                         .parse_set = ecg_wfdb_parse,
                         .write = ecg_wfdb_write_row},
    [ECG_FORMAT_CSV] = {.name = "CSV",
                        .extensions = "csv",
                        .media = "text/csv",
                        .probe = ecg_csv_probe,
                        .parse = ecg_csv_parse,
                        .write = ecg_csv_write_row},
};

const struct ecg_format_row *ecg_format_row(enum ecg_format format)
{
    return &formats[(unsigned)format < ECG_FORMAT_COUNT ? format : ECG_FORMAT_UNKNOWN];
}

const char *ecg_format_name(enum ecg_format format)
{
    return ecg_format_row(format)->name;
}

const char *ecg_format_media(enum ecg_format format)
{
    const char *media = ecg_format_row(format)->media;
    return media ? media : "application/octet-stream";
}

bool ecg_format_is_foreign(enum ecg_format format)
{
    return format != ECG_FORMAT_UNKNOWN && format != ECG_FORMAT_DICOM;
}

bool ecg_format_writes(enum ecg_format format)
{
    return ecg_format_row(format)->write != NULL;
}

bool ecg_format_has_files(enum ecg_format format)
{
    return ecg_format_row(format)->parse_set != NULL;
}

const char *ecg_format_extensions(enum ecg_format format)
{
    return ecg_format_row(format)->extensions;
}

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *w = words; *w && n;) {
        size_t len = strcspn(w, " ");
        if (len == n && strncasecmp(w, word, n) == 0)
            return true;
        w += len + strspn(w + len, " ");
    }
    return false;
}

enum ecg_format ecg_format_by_name(const char *name)
{
    for (unsigned i = ECG_FORMAT_UNKNOWN + 1; i < ECG_FORMAT_COUNT; i++)
        if (strcasecmp(formats[i].name, name) == 0 || has_word(formats[i].extensions, name))
            return (enum ecg_format)i;
    return ECG_FORMAT_UNKNOWN;
}

enum ecg_format ecg_detect(struct base_bytes file)
{
    for (unsigned i = ECG_FORMAT_UNKNOWN + 1; i < ECG_FORMAT_COUNT; i++)
        if (formats[i].probe && formats[i].probe(file))
            return (enum ecg_format)i;
    return ECG_FORMAT_UNKNOWN;
}
