/*
 * One DICOM object on its way in, whoever brings it: its header is scanned from
 * the first bytes, the data set goes to the store behind our own meta group,
 * and when it is synced its rows join the next batch.
 *
 *   new ─► write* ─► finish ─► callback        abort at any time before finish
 *
 * An error is detected at the first byte that shows it, but reported only at finish,
 * after the sender has sent all.
 */
#ifndef INGEST_OBJECT_H
#define INGEST_OBJECT_H

#include "ingest/ingest_batch.h"

struct ingest;
struct ingest_object;

/* Where it comes from. Strings are copied. */
struct ingest_source {
    int64_t centre_id;
    const char *centre_code; /* goes into the file, from which the index can be rebuilt */
    int64_t device_id;       /* 0 = not from a device */
    int64_t quiet_seconds;
    const char *aet;      /* of the device; NULL */
    const char *priority; /* NULL = routine */
    bool single;          /* an upload of one file: the exam is complete */
    const struct dicom_syntax *syntax;
    const char *sop_class; /* as the command announced it, NULL = as the object says */
    const char *sop_instance;
    const char *study_uid; /* the study it must belong to; NULL = any */
    /* What the sender says of the patient where the object is silent; NULL, "" */
    const char *patient_id;
    const char *patient_name;
    const char *accession;
    const struct store_object *original; /* the file it was made of; copied; NULL */
    const char *original_media;          /* a literal */
    bool charset_guessed;                /* of a name or ID in that file */
};

struct ingest_result {
    /* BASE_OK: acknowledged. BASE_EFORMAT: not a usable object. BASE_EINVAL: not
     * what was announced. BASE_ELIMIT: too large. BASE_ENOSPC: no disk.
     * BASE_EUNAVAILABLE, BASE_EUNKNOWN, BASE_EIO …: not acknowledged, send again. */
    enum base_err err;
    struct ingest_stored stored; /* when BASE_OK */
    char message[256];           /* otherwise: for the sender; no patient data */
    /* Of the object, as far as it could be read; NULL = not known. Borrowed. */
    const char *sop_class;
    const char *sop_instance;
    const char *series;
    /* Of a file that was converted: what could not be read, or is doubtful, a line each; NULL =
     * nothing. Borrowed. */
    const char *damage;
};

/* Borrowed for the call. */
typedef void ingest_object_fn(void *arg, const struct ingest_result *result);

enum base_err ingest_object_new(struct ingest *g, const struct ingest_source *source,
                                struct ingest_object **out) BASE_MUST_CHECK;
void ingest_object_write(struct ingest_object *o, struct base_bytes bytes);
/* As store_put_space; 0 until the header has been read. */
size_t ingest_object_space(struct ingest_object *o, uint8_t **to);
/* Is there room for more? If not, the on_room callback runs when there is again. */
bool ingest_object_room(struct ingest_object *o);
void ingest_object_on_room(struct ingest_object *o, void (*fn)(void *arg), void *arg);
/* LOOP_STAT once it is known to belong to a STAT exam, from the source, its header or an
 * order. */
enum loop_class ingest_object_class(const struct ingest_object *o);
/* fn runs once, perhaps inside this call; o is gone then. */
void ingest_object_finish(struct ingest_object *o, ingest_object_fn *fn, void *arg);
/* Only before finish. Takes NULL. */
void ingest_object_abort(struct ingest_object *o);

#endif
