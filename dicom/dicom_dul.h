/*
 * The DICOM upper layer state machine (PS3.8 9.2): one table of the action for each
 * event in each state, and one of the state that each action leads to. No I/O:
 * net/net_assoc performs the actions.
 *
 *                    AE-5 ┌──────┐ AE-6  ┌──────┐ AE-7
 *              ┌─────────►│ Sta2 ├──────►│ Sta3 ├──────┐
 *           ┌──┴───┐      └──────┘       └──────┘      ▼
 *   closed  │ Sta1 │                               ┌──────┐ AR-1 ┌──────┐ AR-3
 *           └──┬───┘      ┌──────┐ AE-2  ┌──────┐  │ Sta6 ├─────►│ Sta7 ├────► Sta1
 *              └─────────►│ Sta4 ├──────►│ Sta5 ├─►└──┬───┘      └──────┘
 *                    AE-1 └──────┘       └──────┘     │ AR-2 ┌──────┐ AR-4
 *                                          AE-3       └─────►│ Sta8 ├────► Sta13
 *                                                            └──────┘
 * Release collision (both sent A-RELEASE-RQ in Sta7): AR-8 leads the requestor
 * Sta9 ─AR-9► Sta11 ─AR-3► Sta1, the acceptor Sta10 ─AR-10► Sta12 ─AR-4► Sta13.
 * Any abort leads to Sta13, which waits for the peer to close (ARTIM), or to
 * Sta1. Invariants: a transport connection exists in every state but Sta1; ARTIM
 * runs in Sta2 and Sta13 and in no other.
 */
#ifndef DICOM_DUL_H
#define DICOM_DUL_H

#include <stdint.h>

/* PS3.8 Tables 9-1 to 9-5 */
enum dicom_dul_state {
    DUL_STA1 = 1, /* idle */
    DUL_STA2,     /* transport connection open, awaiting A-ASSOCIATE-RQ */
    DUL_STA3,     /* awaiting the local A-ASSOCIATE response */
    DUL_STA4,     /* awaiting the transport connection to open */
    DUL_STA5,     /* awaiting A-ASSOCIATE-AC or -RJ */
    DUL_STA6,     /* association established */
    DUL_STA7,     /* awaiting A-RELEASE-RP */
    DUL_STA8,     /* awaiting the local A-RELEASE response */
    DUL_STA9,     /* collision, requestor: awaiting the local A-RELEASE response */
    DUL_STA10,    /* collision, acceptor: awaiting A-RELEASE-RP */
    DUL_STA11,    /* collision, requestor: awaiting A-RELEASE-RP */
    DUL_STA12,    /* collision, acceptor: awaiting the local A-RELEASE response */
    DUL_STA13,    /* awaiting the transport connection to close */
    DUL_STA_END
};

/* PS3.8 Table 9-10, rows */
enum dicom_dul_event {
    DUL_EVT1 = 1, /* A-ASSOCIATE request primitive */
    DUL_EVT2,     /* transport connect confirmation */
    DUL_EVT3,     /* A-ASSOCIATE-AC received */
    DUL_EVT4,     /* A-ASSOCIATE-RJ received */
    DUL_EVT5,     /* transport connection indication */
    DUL_EVT6,     /* A-ASSOCIATE-RQ received */
    DUL_EVT7,     /* A-ASSOCIATE response primitive, accept */
    DUL_EVT8,     /* A-ASSOCIATE response primitive, reject */
    DUL_EVT9,     /* P-DATA request primitive */
    DUL_EVT10,    /* P-DATA-TF received */
    DUL_EVT11,    /* A-RELEASE request primitive */
    DUL_EVT12,    /* A-RELEASE-RQ received */
    DUL_EVT13,    /* A-RELEASE-RP received */
    DUL_EVT14,    /* A-RELEASE response primitive */
    DUL_EVT15,    /* A-ABORT request primitive */
    DUL_EVT16,    /* A-ABORT received */
    DUL_EVT17,    /* transport connection closed */
    DUL_EVT18,    /* ARTIM expired */
    DUL_EVT19,    /* unrecognized or invalid PDU received */
    DUL_EVT_END
};

/* PS3.8 Tables 9-6 to 9-9: X(enumerator, name, next state, alternative next
 * state (else the same), what is done) */
#define DICOM_DUL_ACTION_MAP(X)                                                                    \
    X(AE_1, "AE-1", DUL_STA4, DUL_STA4, "connect")                                                 \
    X(AE_2, "AE-2", DUL_STA5, DUL_STA5, "send A-ASSOCIATE-RQ")                                     \
    X(AE_3, "AE-3", DUL_STA6, DUL_STA6, "confirm the association")                                 \
    X(AE_4, "AE-4", DUL_STA1, DUL_STA1, "confirm the rejection, close")                            \
    X(AE_5, "AE-5", DUL_STA2, DUL_STA2, "accept the connection, start ARTIM")                      \
    X(AE_6, "AE-6", DUL_STA3, DUL_STA13,                                                           \
      "stop ARTIM; indicate the association, or else send A-ASSOCIATE-RJ, start ARTIM")            \
    X(AE_7, "AE-7", DUL_STA6, DUL_STA6, "send A-ASSOCIATE-AC")                                     \
    X(AE_8, "AE-8", DUL_STA13, DUL_STA13, "send A-ASSOCIATE-RJ, start ARTIM")                      \
    X(DT_1, "DT-1", DUL_STA6, DUL_STA6, "send P-DATA-TF")                                          \
    X(DT_2, "DT-2", DUL_STA6, DUL_STA6, "indicate P-DATA")                                         \
    X(AR_1, "AR-1", DUL_STA7, DUL_STA7, "send A-RELEASE-RQ")                                       \
    X(AR_2, "AR-2", DUL_STA8, DUL_STA8, "indicate the release")                                    \
    X(AR_3, "AR-3", DUL_STA1, DUL_STA1, "confirm the release, close")                              \
    X(AR_4, "AR-4", DUL_STA13, DUL_STA13, "send A-RELEASE-RP, start ARTIM")                        \
    X(AR_5, "AR-5", DUL_STA1, DUL_STA1, "stop ARTIM")                                              \
    X(AR_6, "AR-6", DUL_STA7, DUL_STA7, "indicate P-DATA")                                         \
    X(AR_7, "AR-7", DUL_STA8, DUL_STA8, "send P-DATA-TF")                                          \
    X(AR_8, "AR-8", DUL_STA9, DUL_STA10,                                                           \
      "indicate the release, a collision; alternative: we are the acceptor")                       \
    X(AR_9, "AR-9", DUL_STA11, DUL_STA11, "send A-RELEASE-RP")                                     \
    X(AR_10, "AR-10", DUL_STA12, DUL_STA12, "confirm the release")                                 \
    X(AA_1, "AA-1", DUL_STA13, DUL_STA13, "send A-ABORT (user), start or restart ARTIM")           \
    X(AA_2, "AA-2", DUL_STA1, DUL_STA1, "stop ARTIM, close")                                       \
    X(AA_3, "AA-3", DUL_STA1, DUL_STA1, "indicate the abort, close")                               \
    X(AA_4, "AA-4", DUL_STA1, DUL_STA1, "indicate a provider abort")                               \
    X(AA_5, "AA-5", DUL_STA1, DUL_STA1, "stop ARTIM")                                              \
    X(AA_6, "AA-6", DUL_STA13, DUL_STA13, "ignore the PDU")                                        \
    X(AA_7, "AA-7", DUL_STA13, DUL_STA13, "send A-ABORT (provider)")                               \
    X(AA_8, "AA-8", DUL_STA13, DUL_STA13,                                                          \
      "send A-ABORT (provider), indicate a provider abort, start ARTIM")

#define DICOM_DUL_ENUM(id, name, next, other, text) DUL_##id,
enum dicom_dul_action {
    DUL_NONE, /* an empty cell: the event cannot happen in this state */
    DICOM_DUL_ACTION_MAP(DICOM_DUL_ENUM) DUL_ACTION_COUNT
};
#undef DICOM_DUL_ENUM

struct dicom_dul_action_info {
    const char *name; /* "AE-1" */
    const char *text;
    enum dicom_dul_state next;
    enum dicom_dul_state alternative; /* of AE-6 and AR-8, else as next */
};

extern const struct dicom_dul_action_info dicom_dul_actions[DUL_ACTION_COUNT];

/* The cell of PS3.8 Table 9-10. */
enum dicom_dul_action dicom_dul_action(enum dicom_dul_event event, enum dicom_dul_state state);

#endif
