/*
 * The C face of DCMTK: metadata as DICOM JSON, images as PNG, structured
 * reports and encapsulated PDF. This is the only library with C++ inside.
 *
 * Threads. shim_init runs once, before any other thread exists. After that
 * every function may run on any thread: each call has its own data set, and no
 * data set is ever shared. Nothing here keeps state between calls.
 *
 * Errors. No C++ exception leaves the library: running out of memory is
 * BASE_ENOMEM, anything unforeseen BASE_EINTERNAL. Where struct base_error is
 * taken it may be NULL. Output buffers belong to the caller and are appended
 * to; after an error their content is undefined. DCMTK's own log is silent,
 * because its messages quote values, patient names among them.
 *
 * All text that goes in and out is UTF-8; strings are borrowed for the call.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Loads DCMTK's data dictionary and registers the decoders (JPEG, JPEG-LS,
 * RLE). BASE_ENOTFOUND when the dictionary file is missing (package
 * libdcmtk17, or $DCMDICTPATH points elsewhere). A second call does nothing. */
enum base_err shim_init(struct base_error *e) BASE_MUST_CHECK;

/* A DICOM file (PS3.10, with meta group): a path, or when path is NULL its bytes. */
struct shim_source {
    const char *path;
    struct base_bytes bytes;
};

/* Can DCMTK parse the whole file, and does it have SOP Class and Instance UID? BASE_EFORMAT
 * says why not. For tests. */
enum base_err shim_is_valid_file(const char *path, struct base_error *e) BASE_MUST_CHECK;

/*
 * The data set as one DICOM JSON object (PS3.18 Annex F), all text as UTF-8
 * and (0008,0005) = ISO_IR 192. Left out: group lengths, the meta group, pixel,
 * waveform, overlay and document bulk, binary values over 1 KiB, number lists
 * over 64 KiB, texts over 1 MiB. A DS or IS that is no number is written as a string.
 * *guessed (may be NULL) is set when some text did not fit the declared
 * character set and a set had to be guessed.
 */
enum base_err shim_metadata_json(const struct shim_source *src, struct base_buf *out, bool *guessed,
                                 struct base_error *e) BASE_MUST_CHECK;

/*
 * Do two files hold the same object: is every attribute and every decoded pixel equal,
 * apart from byte order, value representation, lengths of sequences, padding behind the
 * data set, and what an encoder says of itself? BASE_EUNSUPPORTED: there is no decoder.
 * Decodes pixels, so call it in a process with limits.
 */
enum base_err shim_same_object(const char *a, const char *b, bool *same,
                               struct base_error *e) BASE_MUST_CHECK;

/*
 * Is all of the object there: can its data set be read to the end, is there as much pixel data as
 * it states, and can that be decoded where there is a decoder (JPEG, JPEG-LS, RLE, JPEG 2000)?
 * BASE_EFORMAT: no, and e says why. *waveform: it has one, which is not looked at. Decodes pixels,
 * as shim_same_object.
 */
enum base_err shim_is_whole(const char *path, bool *waveform, struct base_error *e) BASE_MUST_CHECK;

/* The pixel data alone: is there as much as the object states, and (decodes) can it be decoded, as
 * above? BASE_EFORMAT: no, and e says why. BASE_EUNSUPPORTED: the file as a whole cannot be read.
 */
enum base_err shim_check_pixels(const char *path, bool decodes,
                                struct base_error *e) BASE_MUST_CHECK;

struct shim_render {
    uint32_t frame;      /* from 1; 0 means 1 */
    uint32_t max_width;  /* larger images are scaled down, aspect kept; 0 = no limit */
    uint32_t max_height; /* the same */
    bool windowed;       /* use the window below instead of the object's own */
    double window_center;
    double window_width; /* at least 1, and both finite */
};

/* Largest frame that is decoded, in pixels; checked before memory is taken. */
#define SHIM_RENDER_MAX_PIXELS 150000000u

/*
 * One frame as an 8-bit PNG for the screen: grey for MONOCHROME1/2, RGB for
 * colour. The window is the first VOI LUT, else the first window of the object
 * (for enhanced objects that of the frame), else minimum to maximum, leaving out these
 * two themselves where there are more than 256 values.
 * BASE_EUNSUPPORTED: no image or no decoder; BASE_EFORMAT: damaged;
 * BASE_ELIMIT: too large; BASE_ENOTFOUND: no such frame.
 */
enum base_err shim_render_png(const char *path, const struct shim_render *how, struct base_buf *png,
                              struct base_error *e) BASE_MUST_CHECK;

/* A coded entry (PS3.3 8.8). */
struct shim_code {
    const char *value;
    const char *scheme;
    const char *meaning;
};

/* An object, for evidence, sources and predecessors; all four are required. */
struct shim_reference {
    const char *study_uid;
    const char *series_uid;
    const char *sop_class_uid;
    const char *sop_instance_uid;
};

/*
 * What SR and encapsulated PDF have in common. NULL and "" are the same: an
 * attribute without value. Dates that are no DICOM dates, and a sex other than
 * M, F, O, are left empty rather than refused: they come from devices.
 */
struct shim_document {
    const char *patient_id;
    const char *patient_name;
    const char *patient_birth_date; /* YYYYMMDD */
    const char *patient_sex;        /* M, F, O */
    const char *study_uid;          /* required */
    const char *study_id;
    const char *study_date; /* YYYYMMDD */
    const char *study_time; /* HHMMSS[.FFFFFF] */
    const char *study_description;
    const char *accession;
    const char *referring_physician;
    const char *institution; /* who issues the document */
    const char *series_uid;  /* required */
    const char *series_description;
    uint32_t series_number;
    const char *sop_instance_uid; /* required; the caller keeps it the same on every build */
    uint32_t instance_number;
    int64_t content_us;     /* content date and time, µs since 1970 UTC */
    int utc_offset_minutes; /* zone in which times are written, and (0008,0201) */
    struct shim_code title; /* document title: CID 7000 or 7020 */
};

/* A Basic Text SR after TID 2000, completed; verified when a verifier is named. */
struct shim_sr {
    struct shim_document doc;
    const char *remark;        /* on what was read: the first finding; left out when empty */
    const char *findings;      /* (59776-5, LN) > (121071, DCM); left out when empty */
    const char *impression;    /* (19005-8, LN) > (121073, DCM); left out when empty */
    const char *author_name;   /* required: person observer and Author Observer */
    const char *author_org;    /* required */
    const char *verifier_name; /* Verifying Observer; empty = UNVERIFIED */
    const char *verifier_org;
    int64_t verified_us;                      /* µs since 1970 UTC */
    bool preliminary;                         /* Preliminary Flag PRELIMINARY instead of FINAL */
    const struct shim_reference *predecessor; /* the version this one replaces; may be NULL */
    const struct shim_reference *evidence;    /* the objects that were shown */
    size_t evidence_n;
};

/* Appends the SR as a DICOM file (Explicit VR Little Endian). The same input
 * gives the same bytes. BASE_EINVAL names a required field that is empty. */
enum base_err shim_sr_write(const struct shim_sr *in, struct base_buf *part10,
                            struct base_error *e) BASE_MUST_CHECK;

/* An Encapsulated PDF (PS3.3 A.45.1). */
struct shim_pdf {
    struct shim_document doc;
    const char *document_title;
    bool verified;
    const struct shim_reference *sources; /* Source Instance Sequence */
    size_t sources_n;
};

/* Appends the encapsulated document as a DICOM file; as shim_sr_write. */
enum base_err shim_pdf_encapsulate(const struct shim_pdf *in, struct base_bytes pdf,
                                   struct base_buf *part10, struct base_error *e) BASE_MUST_CHECK;

#define SHIM_UID_BASIC_TEXT_SR    "1.2.840.10008.5.1.4.1.1.88.11"
#define SHIM_UID_ENCAPSULATED_PDF "1.2.840.10008.5.1.4.1.1.104.1"

#ifdef __cplusplus
}
#endif

#endif
