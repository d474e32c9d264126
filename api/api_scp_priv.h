/*
 * Inside the DICOM server: what api_scp*.c share.
 *
 *   api_scp_admit.c   who may associate, and for what
 *   api_scp.c         the server; requests on their way to a service
 *   api_scp_call.c    what a service asks and answers
 */
#ifndef API_SCP_PRIV_H
#define API_SCP_PRIV_H

#include "api/api_contact.h"
#include "api/api_device.h"
#include "api/api_scp.h"
#include "base/digest.h"
#include "dicom/dicom_negotiate.h"

#include <jansson.h>

enum { API_SCP_OFFERS_MAX = 32 };

struct api_scp {
    const struct api_scp_config *config;
    struct net_assoc_server *server;
    struct api_contact *contact;
    struct api_devices *devices;
    struct net_assoc_server *tls_server; /* NULL: not served */
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct dicom_offer offers[API_SCP_OFFERS_MAX];
    unsigned n_offers;
};

struct api_scp_call {
    struct api_scp_assoc *assoc;
    const struct api_scp_service
        *service; /* NULL: none serves it, its data set is read and dropped */
    void *arg;
    void *context;
    uint8_t context_id;
    bool complete; /* the request is whole; reading is paused unless cancellable */
    bool cancelled;
    bool wrong_class;         /* service is NULL because the request names another class */
    struct api_flight flight; /* of its data set; where it waits, the association is paused */
    struct dicom_dimse request;
};

/* One association. It lives until it is closed and its device was looked up. */
struct api_scp_assoc {
    struct api_scp *s;
    struct net_assoc *a; /* NULL once closed */
    bool asking;         /* the device is being looked up */
    bool accepted;
    unsigned contexts;                 /* accepted */
    char certificate[BASE_SHA256_HEX]; /* fingerprint of the device's; "" = none shown */
    json_t *row;                       /* of the device, which borrows its strings */
    struct api_scp_device device;
    bool seated;                  /* counts in the machine's associations */
    bool device_seated;           /* and in those of its device */
    struct base_quota_row *quota; /* of its device; NULL = not known yet */
    struct api_share share;
    bool prepaid;              /* the limits of rate have counted the next request already */
    int64_t wait_ms;           /* how long the next request must wait after this one */
    struct api_rest rest;      /* while it rests, the association is paused */
    struct api_scp_call *call; /* under way */
    unsigned holds;
    uint16_t message_id;       /* of our last request */
    api_scp_answer_fn *answer; /* of our request under way; NULL = there is none */
    void *answer_arg;
};

struct api_scp_hold {
    struct api_scp_assoc *assoc;
    uint8_t context_id;
};

/* Only while its connection is open. */
struct api_contact_peer api_scp_peer(const struct api_scp_assoc *as);
struct api_limits *api_scp_limits(const struct api_scp_assoc *as);
/* Stops reading for ms. */
void api_scp_rest(struct api_scp_assoc *as, int64_t ms);
/* Stops reading for wait_ms of the request just answered. */
void api_scp_rest_after_request(struct api_scp_assoc *as);
/* Unless something still refers to it. */
void api_scp_free_assoc(struct api_scp_assoc *as);

/* Accepts or rejects it, perhaps after this call. */
void api_scp_admit(struct api_scp_assoc *as, const struct dicom_associate *rq);

/* Ends our own request; response NULL: none will come. */
void api_scp_end_ask(struct api_scp_assoc *as, const struct dicom_dimse *response);

#endif
