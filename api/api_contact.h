/*
 * The connection doctor's ear: what each device, and each stranger, last
 * wanted and why it did not get it. Notes are counted here and written to the
 * table device_contact once in a second, beside the work: nothing waits for
 * them, and each peer costs at most one row of a write.
 *
 * Everything runs on the loop thread. What cannot be noted (no memory, too many
 * different peers in one second) is left out; the log has it all the same.
 */
#ifndef API_CONTACT_H
#define API_CONTACT_H

#include "db/db.h"
#include "model/model_cause.h"
#include "net/net_assoc.h"

struct api_contact;

/* Who; strings are copied where they are kept. */
struct api_contact_peer {
    int64_t device_id; /* 0 = a stranger */
    const char *address;
    const char *calling; /* "" when it did not get so far */
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
/* An association was accepted, in whole, in part, or with no context at all. */
void api_contact_note_answer(struct api_contact *c, const struct api_contact_peer *peer,
                             const struct dicom_associate *rq, const struct dicom_associate *ac);
/* This response goes out; success is not noted. */
void api_contact_note_status(struct api_contact *c, const struct api_contact_peer *peer,
                             const struct dicom_dimse *response);

/* The cause of an end that the upper layer tells; text is what came with it. */
enum model_cause api_contact_cause(enum net_assoc_cause cause, const char *text);
/* The same of a text that begins with a word of net_tls_cause_word and a colon. */
enum model_cause api_contact_cause_of_tls(const char *text);

#endif
