/*
 * Protocol data units of the upper layer (PS3.8 9.3, user information of
 * PS3.7 Annex D). The decoder takes bytes as they arrive, split anywhere. Small PDUs
 * come out whole; P-DATA-TF comes out piece by piece, as views into the input, and is
 * never buffered.
 */
#ifndef DICOM_PDU_H
#define DICOM_PDU_H

#include "base/arena.h"
#include "base/buf.h"
#include "dicom/dicom_uid.h"

enum dicom_pdu_type {
    DICOM_PDU_ASSOCIATE_RQ = 1,
    DICOM_PDU_ASSOCIATE_AC = 2,
    DICOM_PDU_ASSOCIATE_RJ = 3,
    DICOM_PDU_DATA = 4,
    DICOM_PDU_RELEASE_RQ = 5,
    DICOM_PDU_RELEASE_RP = 6,
    DICOM_PDU_ABORT = 7
};

enum {
    DICOM_PDU_HEADER = 6,
    DICOM_PDV_HEADER = 6,             /* item length, context, control header */
    DICOM_ASSOCIATE_MAX = 256 * 1024, /* longest A-ASSOCIATE-RQ or -AC we accept */
    DICOM_CONTEXTS_MAX = 128,         /* PS3.8 7.1.1.13: odd ids from 1 to 255 */
    DICOM_SYNTAXES_MAX = 256,         /* per presentation context */
    DICOM_ROLES_MAX = 1024,           /* role selection items */
    DICOM_AET_SIZE = 17,              /* 16 characters and our NUL */
};

/* PS3.8 Table 9-21 */
enum dicom_rj_result { DICOM_RJ_PERMANENT = 1, DICOM_RJ_TRANSIENT = 2 };
enum dicom_rj_source { DICOM_RJ_USER = 1, DICOM_RJ_ACSE = 2, DICOM_RJ_PRESENTATION = 3 };
enum dicom_rj_reason {
    DICOM_RJ_USER_NO_REASON = 1,
    DICOM_RJ_USER_APPLICATION_CONTEXT = 2,
    DICOM_RJ_USER_CALLING_AET = 3,
    DICOM_RJ_USER_CALLED_AET = 7,
    DICOM_RJ_ACSE_NO_REASON = 1,
    DICOM_RJ_ACSE_PROTOCOL_VERSION = 2,
    DICOM_RJ_PRESENTATION_CONGESTION = 1,
    DICOM_RJ_PRESENTATION_LIMIT = 2
};
/* PS3.8 Table 9-26 */
enum dicom_abort_source { DICOM_ABORT_USER = 0, DICOM_ABORT_PROVIDER = 2 };
enum dicom_abort_reason {
    DICOM_ABORT_NOT_SPECIFIED = 0,
    DICOM_ABORT_UNRECOGNIZED_PDU = 1,
    DICOM_ABORT_UNEXPECTED_PDU = 2,
    DICOM_ABORT_UNRECOGNIZED_PARAMETER = 4,
    DICOM_ABORT_UNEXPECTED_PARAMETER = 5,
    DICOM_ABORT_INVALID_PARAMETER = 6
};
/* PS3.8 Table 9-18 */
enum dicom_context_result {
    DICOM_CONTEXT_ACCEPTED = 0,
    DICOM_CONTEXT_USER_REJECTED = 1,
    DICOM_CONTEXT_NO_REASON = 2,
    DICOM_CONTEXT_ABSTRACT_SYNTAX = 3,
    DICOM_CONTEXT_TRANSFER_SYNTAXES = 4
};

/* The abstract syntax of a proposed context that has none, or something else than a UID. */
#define DICOM_NO_UID "malformed"

/* A presentation context. In an A-ASSOCIATE-AC, abstract is NULL and syntaxes
 * has one entry, without meaning unless accepted. */
struct dicom_context {
    uint8_t id;
    uint8_t result;
    uint16_t n_syntaxes;
    const char *abstract;
    const char *const *syntaxes;
};

struct dicom_role {
    const char *sop_class;
    bool scu;
    bool scp;
};

struct dicom_identity {
    uint8_t type; /* 0 = none; PS3.7 Table D.3-14: 1 name, 2 name and passcode, 3.. tickets */
    bool response_requested;
    struct base_bytes primary;
    struct base_bytes secondary;
};

/* The content of an A-ASSOCIATE-RQ or -AC. Strings and arrays belong to the
 * arena given to the decoder, or to whoever filled it in. */
struct dicom_associate {
    uint16_t version;            /* bit 0 = version 1 */
    char called[DICOM_AET_SIZE]; /* without leading and trailing spaces */
    char calling[DICOM_AET_SIZE];
    const char *application_context;
    const struct dicom_context *contexts;
    unsigned n_contexts;
    uint32_t max_length;              /* longest P-DATA-TF that its sender accepts; 0 = no limit */
    const char *implementation_class; /* "" when absent */
    const char *implementation_version; /* "" when absent */
    bool has_async;
    uint16_t async_invoked;
    uint16_t async_performed;
    const struct dicom_role *roles;
    unsigned n_roles;
    struct dicom_identity identity; /* of a request */
    bool has_identity_response;     /* of an accept */
    struct base_bytes identity_response;
};

/*
 * Decodes the body (what follows the 6-byte header) of an A-ASSOCIATE-RQ
 * (accept false) or -AC. Unknown items and sub-items are ignored, as are
 * extended negotiations. BASE_EFORMAT with what and where, BASE_ELIMIT,
 * BASE_ENOMEM. An unsupported protocol version or application context is no
 * error here, since the acceptor must answer it with a rejection.
 */
BASE_MUST_CHECK enum base_err dicom_associate_decode(struct base_bytes body, bool accept,
                                                     struct base_arena *arena,
                                                     struct dicom_associate *out,
                                                     struct base_error *error);
/* Only the AE titles, which also a request that cannot be decoded has. False: it is too short. */
BASE_MUST_CHECK bool dicom_associate_titles(struct base_bytes body, char called[DICOM_AET_SIZE],
                                            char calling[DICOM_AET_SIZE]);
/* Appends the whole PDU. Errors are sticky in out (BASE_ELIMIT: an item does not fit). */
void dicom_associate_encode(const struct dicom_associate *a, bool accept, struct base_buf *out);

struct dicom_reject {
    uint8_t result;
    uint8_t source;
    uint8_t reason;
};
struct dicom_abort {
    uint8_t source;
    uint8_t reason;
};

void dicom_reject_encode(struct dicom_reject rj, struct base_buf *out);
void dicom_abort_encode(struct dicom_abort ab, struct base_buf *out);
/* DICOM_PDU_RELEASE_RQ or _RP */
void dicom_release_encode(enum dicom_pdu_type type, struct base_buf *out);
/* The headers in front of the n bytes of a P-DATA-TF PDU with one fragment. */
enum { DICOM_DATA_HEADER = DICOM_PDU_HEADER + DICOM_PDV_HEADER };
void dicom_data_header(uint8_t context, bool command, bool last, uint32_t n,
                       uint8_t out[DICOM_DATA_HEADER]);

/* In words, for logs and people. */
const char *dicom_reject_text(struct dicom_reject rj);
const char *dicom_abort_text(struct dicom_abort ab);
const char *dicom_context_result_text(uint8_t result);

/* -- incremental decoder -- */

enum dicom_pdu_step {
    DICOM_PDU_MORE,     /* all input was taken, and nothing is complete */
    DICOM_PDU_WHOLE,    /* a PDU other than P-DATA-TF is complete: type and body */
    DICOM_PDU_FRAGMENT, /* a piece of a P-DATA-TF fragment */
    DICOM_PDU_INVALID   /* final; abort_reason says what to send */
};

struct dicom_pdu {
    enum dicom_pdu_type type;
    struct base_bytes body; /* WHOLE: what follows the header, until the next call */
    /* FRAGMENT */
    uint8_t context;
    bool command;               /* else data set */
    bool last;                  /* of the message's last fragment … */
    bool ends;                  /* … and of the fragment, its last piece */
    struct base_bytes bytes;    /* view into the input; may be empty */
    struct dicom_reject reject; /* WHOLE of A-ASSOCIATE-RJ */
    struct dicom_abort abort;   /* WHOLE of A-ABORT */
};

struct dicom_pdu_decoder {
    uint32_t max_length; /* our limit for P-DATA-TF; 0 = none */
    enum { DICOM_AT_HEADER, DICOM_AT_BODY, DICOM_AT_PDV, DICOM_AT_FRAGMENT, DICOM_AT_ERROR } at;
    uint8_t head[6];
    unsigned head_n;
    uint8_t type;
    uint32_t left;       /* of the PDU */
    uint32_t pdv_length; /* bytes of the fragment */
    uint32_t pdv_left;   /* of these */
    uint8_t context;
    uint8_t control;
    struct base_buf body;
    uint64_t taken; /* bytes since the start, for error positions */
    enum dicom_abort_reason abort_reason;
    struct base_error error;
};

void dicom_pdu_decoder_init(struct dicom_pdu_decoder *d, uint32_t max_length);
void dicom_pdu_decoder_deinit(struct dicom_pdu_decoder *d);
/* Takes the bytes of the next step from the front of *in. */
enum dicom_pdu_step dicom_pdu_decode(struct dicom_pdu_decoder *d, struct base_bytes *in,
                                     struct dicom_pdu *out);

/* What a peer probably speaks if its first bytes are not a PDU of PS3.8. */
enum dicom_stranger {
    DICOM_STRANGER_NONE, /* looks like DICOM, or nothing arrived */
    DICOM_STRANGER_TLS,
    DICOM_STRANGER_HTTP,
    DICOM_STRANGER_MLLP,
    DICOM_STRANGER_SSH,
    DICOM_STRANGER_GARBAGE
};
enum dicom_stranger dicom_stranger_of(struct base_bytes first);
/* "TLS hello on the plain port: …" – what to do about it. */
const char *dicom_stranger_text(enum dicom_stranger s);

#endif
