/*
 * DICOM files (PS3.10 7): finds the start and the transfer syntax of the data set,
 * even in files without preamble or meta group; and writes our own meta group in front
 * of what we store.
 */
#ifndef DICOM_PART10_H
#define DICOM_PART10_H

#include "dicom/dicom_dataset.h"

enum dicom_scan {
    DICOM_SCAN_DONE,
    DICOM_SCAN_MORE, /* the prefix is too short; try again with more of the data */
    DICOM_SCAN_BAD
};

struct dicom_part10 {
    size_t dataset; /* bytes before the data set */
    bool has_meta;  /* false: the syntax was deduced from the first element */
    const struct dicom_syntax *syntax;
    char sop_class[DICOM_UID_SIZE]; /* of the meta group, "" when absent */
    char sop_instance[DICOM_UID_SIZE];
    char implementation_class[DICOM_UID_SIZE];
    /* (0002,0102) of a file that we wrote; borrowed from the prefix; else empty */
    struct base_bytes private_information;
};

/* Reads the first bytes of a file (complete: all of it). 1 KiB is nearly always
 * enough. DICOM_SCAN_BAD: BASE_EFORMAT when it is not DICOM, BASE_EUNSUPPORTED
 * when the transfer syntax is not in our table. out is set only when done. */
enum dicom_scan dicom_part10_read(struct base_bytes prefix, bool complete, struct dicom_part10 *out,
                                  struct base_error *error);

/*
 * The encoding of a data set that starts with these bytes. DEVIATION (PS3.10 7.1): it is
 * the syntax's, but where that and the first element disagree about explicit VR in
 * little endian, the element is believed, since devices and programs write such files.
 */
enum dicom_encoding dicom_part10_encoding(struct base_bytes prefix,
                                          const struct dicom_syntax *syntax);

struct dicom_part10_meta {
    const char *sop_class;
    const char *sop_instance;
    const char *syntax_uid;
    const char *source_aet;                /* NULL = none */
    struct base_bytes private_information; /* under our creator UID; empty = none */
};
/* Do the bytes begin with a preamble and "DICM"? */
bool dicom_part10_has_preamble(struct base_bytes b);
/* Appends preamble, "DICM" and the meta group; the caller appends the data set as it was
 * received. Errors are sticky in out. */
void dicom_part10_write(struct base_buf *out, const struct dicom_part10_meta *meta);
/* The same without private information. source_aet may be NULL. */
void dicom_part10_write_meta(struct base_buf *out, const char *sop_class, const char *sop_instance,
                             const char *syntax_uid, const char *source_aet);

#endif
