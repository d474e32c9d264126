/*
 * Orders by HL7 v2 (ORM^O01, OMI^O23) over MLLP: each message is answered when
 * its orders are committed. Senders are registered by MSH-3^MSH-4 and address;
 * a control ID that came before is answered as it was.
 */
#ifndef WORKLIST_HL7_H
#define WORKLIST_HL7_H

#include "base/base_conf.h"
#include "db/db.h"
#include "net/net_mllp.h"

struct worklist_hl7;

/* fd is bound; db works as rdc_ingest. */
enum base_err worklist_hl7_start(struct loop *loop, struct db *db, int fd,
                                 struct worklist_hl7 **out) BASE_MUST_CHECK;
/* Accepts no more connections and closes idle ones. */
void worklist_hl7_drain(struct worklist_hl7 *h);
/* Messages under way. */
unsigned worklist_hl7_busy(const struct worklist_hl7 *h);
/* When nothing is under way. Takes NULL. */
void worklist_hl7_free(struct worklist_hl7 *h);

#endif
