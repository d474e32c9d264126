/*
 * The formats behind ecg_open and ecg_write, one row each in ecg_format.c.
 * Private to ecg/.
 *
 * To add a format: its parser in ecg_NAME*.c, declared here, and a row in the
 * table. A parser fills an empty record under r->limits. It takes no allocation's
 * size from the file before that is checked against what the bytes that are left
 * could hold, and makes of a damaged file all that can be read safely, with notes
 * (ecg_record_note). It fails only where nothing can be read.
 */
#ifndef ECG_FORMAT_H
#define ECG_FORMAT_H

#include "ecg/ecg_open.h"
#include "ecg/ecg_write.h"

/* The files that ecg_open was given, for a format that has several. files[0] is
 * the one to begin with. */
struct ecg_set {
    const struct ecg_input *files;
    size_t n;
    struct ecg_needs *needs; /* never NULL */
};

enum ecg_found {
    ECG_FOUND,
    ECG_FOUND_ABSENT,  /* the caller looked, and has none */
    ECG_FOUND_UNKNOWN, /* now in set->needs: fail with BASE_ENOTFOUND when all is asked for */
    ECG_FOUND_UNSAFE   /* the name is a path or otherwise no plain file name */
};

/* The file of this name, case aside if there is none in this case. */
enum ecg_found ecg_set_find(const struct ecg_set *set, const char *name, struct base_bytes *out);
/* The same of a file that most recordings do not have. */
enum ecg_found ecg_set_find_optional(const struct ecg_set *set, const char *name,
                                     struct base_bytes *out);

struct ecg_format_row {
    const char *name;       /* as the record and --to have it */
    const char *extensions; /* "scp ecg", the first for writing; content decides when reading */
    const char *media;      /* NULL: application/octet-stream */
    bool (*probe)(struct base_bytes file);
    /* One of the two: a format of one file, or of several. */
    enum base_err (*parse)(struct base_bytes file, struct ecg_record *r, struct base_error *err);
    enum base_err (*parse_set)(const struct ecg_set *set, struct ecg_record *r,
                               struct base_error *err);
    /* NULL: not written. */
    enum base_err (*write)(const struct ecg_record *r, const struct ecg_write_options *options,
                           struct ecg_outputs *out, struct base_error *err);
};

/* By enum ecg_format; never NULL. */
const struct ecg_format_row *ecg_format_row(enum ecg_format format);

bool ecg_scp_probe(struct base_bytes file);
enum base_err ecg_scp_parse(struct base_bytes file, struct ecg_record *r,
                            struct base_error *err) BASE_MUST_CHECK;

enum base_err ecg_scp_write_row(const struct ecg_record *r, const struct ecg_write_options *options,
                                struct ecg_outputs *out, struct base_error *err) BASE_MUST_CHECK;

bool ecg_wfdb_probe(struct base_bytes file);
enum base_err ecg_wfdb_parse(const struct ecg_set *set, struct ecg_record *r,
                             struct base_error *err) BASE_MUST_CHECK;
enum base_err ecg_wfdb_write_row(const struct ecg_record *r,
                                 const struct ecg_write_options *options, struct ecg_outputs *out,
                                 struct base_error *err) BASE_MUST_CHECK;

bool ecg_aecg_probe(struct base_bytes file);
enum base_err ecg_aecg_parse(struct base_bytes file, struct ecg_record *r,
                             struct base_error *err) BASE_MUST_CHECK;
enum base_err ecg_aecg_write_row(const struct ecg_record *r,
                                 const struct ecg_write_options *options, struct ecg_outputs *out,
                                 struct base_error *err) BASE_MUST_CHECK;
bool ecg_muse_probe(struct base_bytes file);
enum base_err ecg_muse_parse(struct base_bytes file, struct ecg_record *r,
                             struct base_error *err) BASE_MUST_CHECK;
bool ecg_philips_probe(struct base_bytes file);
enum base_err ecg_philips_parse(struct base_bytes file, struct ecg_record *r,
                                struct base_error *err) BASE_MUST_CHECK;

bool ecg_mfer_probe(struct base_bytes file);
enum base_err ecg_mfer_parse(struct base_bytes file, struct ecg_record *r,
                             struct base_error *err) BASE_MUST_CHECK;
bool ecg_ishne_probe(struct base_bytes file);
enum base_err ecg_ishne_parse(const struct ecg_set *set, struct ecg_record *r,
                              struct base_error *err) BASE_MUST_CHECK;
bool ecg_edf_probe(struct base_bytes file);
enum base_err ecg_edf_parse(struct base_bytes file, struct ecg_record *r,
                            struct base_error *err) BASE_MUST_CHECK;

enum base_err ecg_edf_write_row(const struct ecg_record *r, const struct ecg_write_options *options,
                                struct ecg_outputs *out, struct base_error *err) BASE_MUST_CHECK;

bool ecg_dicom_probe(struct base_bytes file);
enum base_err ecg_dicom_parse(struct base_bytes file, struct ecg_record *r,
                              struct base_error *err) BASE_MUST_CHECK;
enum base_err ecg_dicom_write_row(const struct ecg_record *r,
                                  const struct ecg_write_options *options, struct ecg_outputs *out,
                                  struct base_error *err) BASE_MUST_CHECK;

bool ecg_csv_probe(struct base_bytes file);
enum base_err ecg_csv_parse(struct base_bytes file, struct ecg_record *r,
                            struct base_error *err) BASE_MUST_CHECK;
enum base_err ecg_csv_write_row(const struct ecg_record *r, const struct ecg_write_options *options,
                                struct ecg_outputs *out, struct base_error *err) BASE_MUST_CHECK;

#endif
