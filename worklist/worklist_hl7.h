/*
 * Orders by HL7 v2 (ORM^O01, OMI^O23, OMG^O19), and what a registration corrects (ADT^A08, A31),
 * over MLLP: each message is answered once it is committed. Senders are registered by MSH-3^MSH-4,
 * address and, where one is given, certificate. A control ID that came before gets the same answer
 * again.
 */
#ifndef WORKLIST_HL7_H
#define WORKLIST_HL7_H

#include "db/db.h"

struct worklist_hl7;

struct worklist_hl7_config {
    struct loop *loop;
    struct db *db; /* as rdc_ingest */
    int fd;        /* bound; -1 = not served */
    int tls_fd;    /* the same, over TLS */
    struct net_tls_context *tls;
    /* A client that speaks something else, fails at TLS or may not send: as net_http.h has it. */
    void (*on_stranger)(void *arg, const char *address, const char *text);
    void *arg;
};
enum base_err worklist_hl7_start(const struct worklist_hl7_config *config,
                                 struct worklist_hl7 **out) BASE_MUST_CHECK;
/* Accepts no more connections and closes idle ones. */
void worklist_hl7_drain(struct worklist_hl7 *h);
/* Messages under way. */
unsigned worklist_hl7_busy(const struct worklist_hl7 *h);
/* When nothing is under way. Takes NULL. */
void worklist_hl7_free(struct worklist_hl7 *h);

#endif
