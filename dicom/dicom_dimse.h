/*
 * DIMSE messages (PS3.7): command sets, and the assembler that builds messages from
 * P-DATA fragments. It passes the data set of a message on piece by piece.
 */
#ifndef DICOM_DIMSE_H
#define DICOM_DIMSE_H

#include "dicom/dicom_pdu.h"

/* Fields of a command set; PS3.7 9.3, 10.3 and Table E.1-1. */
enum dicom_dimse_field {
    DIMSE_HAS_CLASS = 1 << 0,     /* (0000,0002) Affected, or in N- requests 0003 Requested */
    DIMSE_HAS_INSTANCE = 1 << 1,  /* (0000,1000) or (0000,1001), likewise */
    DIMSE_HAS_MESSAGE = 1 << 2,   /* (0000,0110) Message ID */
    DIMSE_HAS_RESPONDED = 1 << 3, /* (0000,0120) */
    DIMSE_HAS_PRIORITY = 1 << 4,
    DIMSE_HAS_STATUS = 1 << 5,
    DIMSE_HAS_DESTINATION = 1 << 6,
    DIMSE_HAS_ORIGINATOR = 1 << 7, /* (0000,1030) and (0000,1031) */
    DIMSE_HAS_COUNTS = 1 << 8,     /* (0000,1020)–(0000,1023) */
    DIMSE_HAS_EVENT = 1 << 9,
    DIMSE_HAS_ACTION = 1 << 10,
    DIMSE_HAS_ATTRIBUTES = 1 << 11, /* (0000,1005) */
    DIMSE_REQUESTED = 1 << 12       /* class and instance are Requested SOP … UID */
};

#define DIMSE_RQ  (DIMSE_HAS_CLASS | DIMSE_HAS_MESSAGE)
#define DIMSE_RSP (DIMSE_HAS_RESPONDED | DIMSE_HAS_STATUS)
#define DIMSE_SOP (DIMSE_HAS_CLASS | DIMSE_HAS_INSTANCE)

/* X(name, command field, required fields, further fields, data set: 1 always,
 * 0 never, 2 may be) */
#define DICOM_DIMSE_MAP(X)                                                                         \
    X(C_STORE_RQ, 0x0001, DIMSE_RQ | DIMSE_HAS_INSTANCE,                                           \
      DIMSE_HAS_PRIORITY | DIMSE_HAS_ORIGINATOR, 1)                                                \
    X(C_STORE_RSP, 0x8001, DIMSE_RSP, DIMSE_SOP, 0)                                                \
    X(C_GET_RQ, 0x0010, DIMSE_RQ, DIMSE_HAS_PRIORITY, 1)                                           \
    X(C_GET_RSP, 0x8010, DIMSE_RSP, DIMSE_HAS_CLASS | DIMSE_HAS_COUNTS, 2)                         \
    X(C_FIND_RQ, 0x0020, DIMSE_RQ, DIMSE_HAS_PRIORITY, 1)                                          \
    X(C_FIND_RSP, 0x8020, DIMSE_RSP, DIMSE_HAS_CLASS, 2)                                           \
    X(C_MOVE_RQ, 0x0021, DIMSE_RQ | DIMSE_HAS_DESTINATION, DIMSE_HAS_PRIORITY, 1)                  \
    X(C_MOVE_RSP, 0x8021, DIMSE_RSP, DIMSE_HAS_CLASS | DIMSE_HAS_COUNTS, 2)                        \
    X(C_ECHO_RQ, 0x0030, DIMSE_RQ, 0, 0)                                                           \
    X(C_ECHO_RSP, 0x8030, DIMSE_RSP, DIMSE_HAS_CLASS, 0)                                           \
    X(N_EVENT_REPORT_RQ, 0x0100, DIMSE_RQ | DIMSE_HAS_INSTANCE | DIMSE_HAS_EVENT, 0, 2)            \
    X(N_EVENT_REPORT_RSP, 0x8100, DIMSE_RSP, DIMSE_SOP | DIMSE_HAS_EVENT, 2)                       \
    X(N_GET_RQ, 0x0110, DIMSE_RQ | DIMSE_HAS_INSTANCE | DIMSE_REQUESTED, DIMSE_HAS_ATTRIBUTES, 0)  \
    X(N_GET_RSP, 0x8110, DIMSE_RSP, DIMSE_SOP, 2)                                                  \
    X(N_SET_RQ, 0x0120, DIMSE_RQ | DIMSE_HAS_INSTANCE | DIMSE_REQUESTED, 0, 1)                     \
    X(N_SET_RSP, 0x8120, DIMSE_RSP, DIMSE_SOP | DIMSE_HAS_ATTRIBUTES, 2)                           \
    X(N_ACTION_RQ, 0x0130, DIMSE_RQ | DIMSE_HAS_INSTANCE | DIMSE_REQUESTED | DIMSE_HAS_ACTION, 0,  \
      2)                                                                                           \
    X(N_ACTION_RSP, 0x8130, DIMSE_RSP, DIMSE_SOP | DIMSE_HAS_ACTION, 2)                            \
    X(N_CREATE_RQ, 0x0140, DIMSE_RQ, DIMSE_HAS_INSTANCE, 2)                                        \
    X(N_CREATE_RSP, 0x8140, DIMSE_RSP, DIMSE_SOP | DIMSE_HAS_ATTRIBUTES, 2)                        \
    X(N_DELETE_RQ, 0x0150, DIMSE_RQ | DIMSE_HAS_INSTANCE | DIMSE_REQUESTED, 0, 0)                  \
    X(N_DELETE_RSP, 0x8150, DIMSE_RSP, DIMSE_SOP, 0)                                               \
    X(C_CANCEL_RQ, 0x0FFF, DIMSE_HAS_RESPONDED, 0, 0)

#define DICOM_DIMSE_ENUM(name, value, required, further, data) DIMSE_##name = value,
enum dicom_dimse_command { DICOM_DIMSE_MAP(DICOM_DIMSE_ENUM) DIMSE_RESPONSE_BIT = 0x8000 };
#undef DICOM_DIMSE_ENUM

enum { DIMSE_PRIORITY_MEDIUM = 0, DIMSE_PRIORITY_HIGH = 1, DIMSE_PRIORITY_LOW = 2 };

/* PS3.7 Annex C and PS3.4 Tables B.2-1, C.4-1 … */
enum dicom_dimse_status {
    DIMSE_SUCCESS = 0x0000,
    DIMSE_PENDING = 0xFF00,
    DIMSE_PENDING_WARNING = 0xFF01,
    DIMSE_CANCEL = 0xFE00,
    DIMSE_NO_SUCH_SOP_CLASS = 0x0118,
    DIMSE_NO_SUCH_ACTION = 0x0123,
    DIMSE_INVALID_ARGUMENT = 0x0115,
    DIMSE_MISTYPED_ARGUMENT = 0x0212,
    DIMSE_RESOURCE_LIMITATION = 0x0213,
    DIMSE_SOP_CLASS_NOT_SUPPORTED = 0x0122,
    DIMSE_UNRECOGNIZED_OPERATION = 0x0211,
    DIMSE_NOT_AUTHORIZED = 0x0124,
    DIMSE_PROCESSING_FAILURE = 0x0110,
    DIMSE_DUPLICATE_INSTANCE = 0x0111,
    DIMSE_STORE_OUT_OF_RESOURCES = 0xA700,
    DIMSE_STORE_WRONG_SOP_CLASS = 0xA900, /* data set does not match SOP class */
    DIMSE_STORE_CANNOT_UNDERSTAND = 0xC000
};

enum {
    DICOM_COMMAND_MAX = 64 * 1024, /* bytes of a command set */
    DICOM_COMMENT_SIZE = 65        /* (0000,0902) is LO */
};

/* A command set. Fields that were not there are 0 or "". */
struct dicom_dimse {
    uint16_t command; /* enum dicom_dimse_command */
    uint16_t message_id;
    uint16_t responded_id;
    uint16_t priority;
    uint16_t status;
    bool has_dataset;
    char sop_class[DICOM_UID_SIZE];
    char sop_instance[DICOM_UID_SIZE];
    char move_destination[DICOM_AET_SIZE];
    char move_originator[DICOM_AET_SIZE];
    uint16_t move_originator_id;
    uint16_t event_type;
    uint16_t action_type;
    bool has_counts;
    uint16_t remaining;
    uint16_t completed;
    uint16_t failed;
    uint16_t warning;
    char error_comment[DICOM_COMMENT_SIZE];
    /* Of a decoded request: the status that it is to be answered with, since its command set is
     * wrong; 0 = none. error_comment and offending say how, and other fields may be missing. */
    uint16_t fault;
    uint16_t error_id;  /* (0000,0903), 0 = none */
    uint32_t offending; /* first Offending Element, 0 = none */
    /* Attribute Identifier List as encoded (pairs of little-endian numbers). Borrowed
     * from the decoded bytes; in an assembler, until the next message. */
    struct base_bytes attributes;
};

/* "success", "pending", "warning", "failure" or "cancel" by the class of the status. */
const char *dicom_dimse_status_class(uint16_t status);
static inline bool dicom_dimse_is_pending(uint16_t status)
{
    return status == DIMSE_PENDING || status == DIMSE_PENDING_WARNING;
}

/* Decodes a command set (implicit VR little endian, PS3.7 6.3.1). A request that can be answered
 * decodes whatever is wrong with it; see fault. Else BASE_EFORMAT names the element;
 * BASE_EUNSUPPORTED: an unknown command. Called by the assembler; public for tests. */
BASE_MUST_CHECK enum base_err dicom_dimse_decode(struct base_bytes bytes, struct dicom_dimse *out,
                                                 struct base_error *error);
/* Appends the command set, group length first. The command must be known and
 * its required UIDs filled in (asserted). Errors are sticky in out. */
void dicom_dimse_encode(const struct dicom_dimse *cmd, struct base_buf *out);

/* The response to a request, with its UIDs and message id; status set, no data set. */
struct dicom_dimse dicom_dimse_response(const struct dicom_dimse *rq, uint16_t status);

/* -- assembler -- */

enum dicom_message_kind {
    DICOM_MESSAGE_NONE,    /* the fragment completed nothing */
    DICOM_MESSAGE_COMMAND, /* cmd is complete; so is the message, unless a data set follows */
    DICOM_MESSAGE_DATA     /* bytes of the data set; `last`: the message is complete */
};

struct dicom_message {
    enum dicom_message_kind kind;
    uint8_t context;
    struct base_bytes bytes; /* DATA: a view into the input; may be empty */
    bool last;
};

struct dicom_assembler {
    struct dicom_dimse cmd; /* of the message under way */
    struct base_buf command;
    uint8_t context;
    bool in_data; /* a data set follows or is under way */
};

void dicom_assembler_init(struct dicom_assembler *a);
void dicom_assembler_deinit(struct dicom_assembler *a);
/* Takes one DICOM_PDU_FRAGMENT. BASE_EFORMAT: fragments in an order that PS3.8
 * Annex E forbids, or a bad command set; BASE_EUNSUPPORTED as of dicom_dimse_decode;
 * BASE_ELIMIT, BASE_ENOMEM. After an error only deinit is allowed. */
BASE_MUST_CHECK enum base_err dicom_assembler_take(struct dicom_assembler *a,
                                                   const struct dicom_pdu *fragment,
                                                   struct dicom_message *out,
                                                   struct base_error *error);

#endif
