/*
 * The DICOM server of a worker: who may associate, which presentation contexts are
 * accepted, and which folder serves a request. Each flow folder exports a table of
 * its DIMSE services, as it does of its HTTP routes; rdc/ joins them. C-ECHO
 * (PS3.4 A) is answered here.
 *
 * An association has one request under way at a time (PS3.7 D.3.3.3: the
 * asynchronous window is 1/1). All of it runs on the loop thread.
 */
#ifndef API_SCP_H
#define API_SCP_H

#include "api/api_limits.h"
#include "base/conf.h"
#include "base/counters.h"
#include "db/db.h"
#include "net/net_assoc.h"

struct api_scp;
struct api_scp_call;

/* A service: requests with this command on contexts of this class. */
struct api_scp_service {
    uint16_t command;      /* enum dicom_dimse_command */
    const char *sop_class; /* the abstract syntax; NULL = every storage class */
    /* C-CANCEL may come while it is under way; see api_scp_cancelled. */
    bool cancellable;
    /* The command has come. This may finish the call; otherwise the data set
     * follows, if the request has one. */
    void (*begin)(struct api_scp_call *call, void *arg);
    /* The data set, piece by piece; after the last one the call must be
     * finished, now or later. NULL: the data set is skipped. */
    void (*data)(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last);
    /* As on_space of net_assoc.h, for the data set. May be NULL. */
    size_t (*space)(struct api_scp_call *call, void *arg, uint8_t **to);
    /* The association ended before the call was finished: it can no longer be
     * answered, and is freed when this returns. May be NULL. */
    void (*gone)(struct api_scp_call *call, void *arg);
};

struct api_scp_table {
    const struct api_scp_service *services;
    size_t n;
    void *arg;
};

/* A registered device (device_find() of the database). */
struct api_scp_device {
    int64_t id;
    int64_t centre_id;
    int64_t quiet_seconds;
    const char *centre; /* its code */
    const char *aet;    /* "" when a field is not set; borrowed for the association's life */
    const char *charset;
};

struct api_scp_config {
    struct loop *loop;
    struct db *db; /* as rdc_ingest */
    const struct base_conf *conf;
    struct base_counters *counters;
    struct api_limits *limits;
    int fd;                      /* bound and listening */
    int tls_fd;                  /* the same for DICOM over TLS */
    struct net_tls_context *tls; /* NULL: tls_fd is not served */
    const struct api_scp_table *tables;
    size_t table_count;
};

/* Borrows what config points to. */
enum base_err api_scp_start(const struct api_scp_config *config,
                            struct api_scp **out) BASE_MUST_CHECK;
/* Accepts no more connections; associations go on. */
void api_scp_drain(struct api_scp *s);
/* Aborts open associations; done runs from the loop when all are closed. */
void api_scp_stop(struct api_scp *s, void (*done)(void *arg), void *arg);
/* After done. Takes NULL. */
void api_scp_free(struct api_scp *s);
/* Notes for `rdc device doctor` a client that failed at TLS on another of our ports; text
 * as of on_stranger of net_http.h. The caller logs it. */
void api_scp_note_stranger(struct api_scp *s, const char *address, const char *text);

/* ---- a call ---- */

const struct api_scp_device *api_scp_device(const struct api_scp_call *call);
const struct dicom_dimse *api_scp_request(const struct api_scp_call *call);
const char *api_scp_transfer_syntax(const struct api_scp_call *call);
/* A pointer that the service keeps with this call. */
void api_scp_set(struct api_scp_call *call, void *context);
void *api_scp_get(const struct api_scp_call *call);

/* Back-pressure on the data set: bytes read already still come. Each pause needs a
 * resume. */
void api_scp_pause(struct api_scp_call *call);
void api_scp_resume(struct api_scp_call *call);
/* The data set is urgent: no limit on bytes in flight holds it up. */
void api_scp_hurry(struct api_scp_call *call);
/* Has the peer sent C-CANCEL? */
bool api_scp_cancelled(const struct api_scp_call *call);

/* A pending response, with its data set (copied). */
enum base_err api_scp_respond(struct api_scp_call *call, const struct dicom_dimse *response,
                              struct base_bytes data) BASE_MUST_CHECK;
/* The last response; frees the call. comment may be NULL; it is for a technician and
 * has no patient data. */
void api_scp_finish(struct api_scp_call *call, uint16_t status, const char *comment);
void api_scp_finish_with(struct api_scp_call *call, const struct dicom_dimse *response,
                         struct base_bytes data);
/* Aborts the association; gone is not called. */
void api_scp_abort(struct api_scp_call *call);

/* ---- a request of our own, on an association that a device opened ---- */

/* The association and context of a call, kept beyond the end of the call, for a service
 * whose result is a request of our own (N-EVENT-REPORT, PS3.4 J.3.3). */
struct api_scp_hold;

/* The response; NULL when the association ended without one. Borrowed. */
typedef void api_scp_answer_fn(void *arg, const struct dicom_dimse *response);

/* NULL when out of memory. */
struct api_scp_hold *api_scp_hold(struct api_scp_call *call);
/* Borrowed; "" when the association is gone. */
const char *api_scp_hold_syntax(const struct api_scp_hold *hold);
bool api_scp_hold_open(const struct api_scp_hold *hold);
/* Is the association still there, without a request under way in either direction? */
bool api_scp_hold_idle(const struct api_scp_hold *hold);
/* Sends a request; its message ID is given here. Takes the hold, also on failure;
 * fn runs exactly once unless it fails. BASE_ECLOSED, BASE_ECONFLICT when not
 * idle, and as net_assoc_send. */
enum base_err api_scp_ask(struct api_scp_hold *hold, const struct dicom_dimse *request,
                          struct base_bytes data, api_scp_answer_fn *fn, void *arg) BASE_MUST_CHECK;
/* Ends a hold without a request. Takes NULL. */
void api_scp_let_go(struct api_scp_hold *hold);

#endif
