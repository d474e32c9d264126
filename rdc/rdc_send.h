/*
 * What the files of `rdc send` share: the list of files and the state of each, the
 * journal of what was acknowledged, and the progress that the person sees.
 */
#ifndef RDC_SEND_H
#define RDC_SEND_H

#include "base/err.h"
#include "dicom/dicom_uid.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

struct ingest_beside;
struct stat;

struct rdc_send_file {
    char *path;
    uint64_t size; /* bytes to send: of the file, or of the archive of parts */
    int64_t mtime_ns;
    bool is_part10;              /* it begins as a DICOM file, perhaps a damaged one */
    bool may_have_parts;         /* more files of the same recording */
    struct ingest_beside *parts; /* the archive that is sent; NULL: the file itself */
    enum { RDC_SEND_DICOM, RDC_SEND_ECG } kind;
    enum { RDC_SEND_WAITING, RDC_SEND_TAKEN, RDC_SEND_BEFORE, RDC_SEND_REFUSED } state;
    char *cause; /* when refused; when taken, what of it could not be read, or NULL */
    /* of DICOM files */
    size_t dataset; /* where it begins */
    const struct dicom_syntax *syntax;
    char sop_class[DICOM_UID_SIZE];
    char sop_instance[DICOM_UID_SIZE];
    char study_uid[DICOM_UID_SIZE]; /* "" when it is too far from the start to be read */
};

struct rdc_send_lines {
    char **lines;
    size_t n;
    size_t room;
};

struct rdc_send {
    const char *to;    /* as given */
    const char *aet;   /* calling, for DICOM */
    const char *query; /* "patient_id=…&…" for HTTP, "" */
    const char *token; /* for HTTP */
    struct rdc_send_file *files;
    size_t n;
    size_t next;        /* all before it have been dealt with */
    char **passed_over; /* found in folders, but of no kind that we send */
    size_t n_passed_over;
    bool unseen;    /* something was not looked at: a link, or unreadable */
    uint64_t bytes; /* of all that is to be sent */

    FILE *journal;
    struct rdc_send_lines known; /* its lines of files that were taken, sorted */
    struct rdc_send_lines begun; /* its lines of uploads that were begun, in their order */

    bool terminal;
    bool answered; /* the server has, in this run */
    size_t done;
    uint64_t done_bytes;
    int64_t began_ms;
    int64_t drawn_ms;
    char stopped[256]; /* why sending ended early; "" */
    bool wrong;        /* the command was: it ends the same way each time */
};

/* Set by the first Ctrl-C: the file under way is broken off, and the summary printed as usual. */
extern volatile sig_atomic_t rdc_send_interrupted;

/* Finds the files to send below these paths, sorted by name. Prints its own errors.
 * BASE_ENOTFOUND, BASE_ENOMEM. */
enum base_err rdc_send_collect(struct rdc_send *s, char *const *paths) BASE_MUST_CHECK;
void rdc_send_free(struct rdc_send *s);

/* Joins the files of one recording into one entry, which is sent as an archive. BASE_ENOMEM. */
enum base_err rdc_send_join(struct rdc_send *s) BASE_MUST_CHECK;
/* Opens the bytes to send, from their beginning; the caller closes it. NULL: errno. */
FILE *rdc_send_file_open(const struct rdc_send_file *f);
void rdc_send_file_free(struct rdc_send_file *f);
int64_t rdc_send_mtime_ns(const struct stat *st);
/* Is the open file another than the one that was found? */
bool rdc_send_file_changed(const struct rdc_send_file *f, int fd);
#define RDC_SEND_SHORTER "it became shorter meanwhile"
#define RDC_SEND_CHANGED "it changed while it was sent; send it again"

/* Files that the journal knows become RDC_SEND_BEFORE, unless again. path NULL = the
 * default in the user's state folder. */
enum base_err rdc_send_open_journal(struct rdc_send *s, const char *path,
                                    bool again) BASE_MUST_CHECK;

void rdc_send_note_taken(struct rdc_send *s, const struct rdc_send_file *f);
/* An upload in pieces, and where the last one for this file is; the caller frees it. NULL: none. */
void rdc_send_note_begun(struct rdc_send *s, const struct rdc_send_file *f, const char *location);
char *rdc_send_begun(const struct rdc_send *s, const struct rdc_send_file *f);

/* What became of a file; a file that was taken stands in the journal before
 * this returns. */
/* damage: what the server could not read of it; NULL, "" = nothing. */
void rdc_send_taken(struct rdc_send *s, struct rdc_send_file *f, const char *damage);
void rdc_send_refused(struct rdc_send *s, struct rdc_send_file *f, const char *cause);
/* Bytes of the file under way. */
void rdc_send_progress(struct rdc_send *s, uint64_t bytes);
/* The next file to send; NULL when there is none. */
struct rdc_send_file *rdc_send_next(struct rdc_send *s);

/* What the studies of all DICOM files hold, as the JSON of POST /api/v1/manifests; in
 * several where there are many. fn gets them one by one. */
void rdc_send_manifests(const struct rdc_send *s, void (*fn)(void *arg, const char *json),
                        void *arg);
/* Sends what waits. s->stopped says why some still wait. */
void rdc_send_http(struct rdc_send *s);
void rdc_send_dicom(struct rdc_send *s);
/* POST /api/v1/session; the token is the caller's, NULL on failure (said). */
char *rdc_send_login(const char *url, const char *name, const char *password);

#endif
