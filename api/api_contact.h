/*
 * What `rdc device doctor` knows: what each device, and each stranger, last wanted
 * and why it did not get it. Notes are gathered here and written to the table
 * device_contact once a second, in the background: nothing waits for them, and each
 * peer costs at most one row per write.
 *
 * Everything runs on the loop thread. A note that finds no room (no memory, too many
 * different peers in one second) is dropped; the log has it all the same.
 */
#ifndef API_CONTACT_H
#define API_CONTACT_H

#include "db/db.h"
#include "model/model_cause.h"
#include "net/net_assoc.h"

struct api_contact;

/* Whom a note is about; strings are copied where they are kept. */
struct api_contact_peer {
    int64_t device_id; /* 0 = a stranger */
    const char *address;
    const char *calling; /* "" when it did not get that far */
    const char *called;
};

/* db as rdc_ingest. BASE_ENOMEM. */
enum base_err api_contact_new(struct loop *loop, struct db *db,
                              struct api_contact **out) BASE_MUST_CHECK;
/* Writes what was noted so far, now. */
void api_contact_flush(struct api_contact *c);
/* Once the database is closed. Takes NULL. */
void api_contact_free(struct api_contact *c);

/* MODEL_CAUSE_NONE: all is well. detail is English, without patient data. */
void api_contact_note(struct api_contact *c, const struct api_contact_peer *peer,
                      enum model_cause cause, const char *detail);
/* An association was accepted, with all, some, or none of its contexts. */
void api_contact_note_answer(struct api_contact *c, const struct api_contact_peer *peer,
                             const struct dicom_associate *rq, const struct dicom_associate *ac);
/* This response is being sent; success is not noted. */
void api_contact_note_status(struct api_contact *c, const struct api_contact_peer *peer,
                             const struct dicom_dimse *response);

/* The cause of an association's end; text is what came with it. */
enum model_cause api_contact_cause(enum net_assoc_cause cause, const char *text);
/* The cause that a text begins with: a word of net_tls_cause_word and a colon. */
enum model_cause api_contact_cause_of_tls(const char *text);

#endif
