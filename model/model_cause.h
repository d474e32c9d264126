/*
 * Why a device, or a stranger at one of our ports, did not get what it wanted:
 * the one table of causes. A cause is stored by its code (device_contact) and
 * told with its texts, to technicians: what is wrong, and what to do about it.
 */
#ifndef MODEL_CAUSE_H
#define MODEL_CAUSE_H

#include "base/buf.h"

/* X(name, code) */
#define MODEL_CAUSE_MAP(X)                                                                         \
    X(NONE, "") /* nothing is wrong */                                                             \
    X(UNKNOWN_AET, "unknown_aet")                                                                  \
    X(DISABLED, "disabled")                                                                        \
    X(WRONG_ADDRESS, "wrong_address")                                                              \
    X(WRONG_CALLED, "wrong_called")                                                                \
    X(NO_CONTEXT, "no_context")                                                                    \
    X(CONTEXT_REFUSED, "context_refused")                                                          \
    X(SOP_CLASS, "sop_class_not_supported")                                                        \
    X(TRANSFER_SYNTAX, "no_common_transfer_syntax")                                                \
    X(NOT_ACCEPTABLE, "association_not_acceptable")                                                \
    X(TLS_ON_PLAIN, "tls_on_plain_port")                                                           \
    X(PLAIN_ON_TLS, "plain_on_tls_port")                                                           \
    X(TLS_FAILED, "tls_failed")                                                                    \
    X(CERTIFICATE_MISSING, "certificate_missing")                                                  \
    X(CERTIFICATE_UNKNOWN, "certificate_unknown")                                                  \
    X(CERTIFICATE_EXPIRED, "certificate_expired")                                                  \
    X(CERTIFICATE_BAD, "certificate_bad")                                                          \
    X(HTTP, "http_on_dicom_port")                                                                  \
    X(MLLP, "hl7_on_dicom_port")                                                                   \
    X(SSH, "ssh_on_dicom_port")                                                                    \
    X(DICOM_ON_HTTP, "dicom_on_http_port")                                                         \
    X(HL7_ON_HTTP, "hl7_on_http_port")                                                             \
    X(DICOM_ON_HL7, "dicom_on_hl7_port")                                                           \
    X(HTTP_ON_HL7, "http_on_hl7_port")                                                             \
    X(NOT_DICOM, "not_dicom")                                                                      \
    X(NOT_HL7, "not_hl7")                                                                          \
    X(HL7_UNKNOWN, "hl7_sender_unknown")                                                           \
    X(HL7_REFUSED, "hl7_sender_refused")                                                           \
    X(TOO_MANY, "too_many_associations")                                                           \
    X(DEVICE_TOO_MANY, "too_many_associations_of_device")                                          \
    X(TOO_FAST, "too_many_requests")                                                               \
    X(PDU_TOO_LARGE, "pdu_too_large")                                                              \
    X(SILENT, "timed_out")                                                                         \
    X(PROTOCOL_ERROR, "protocol_error")                                                            \
    X(PEER_ABORTED, "aborted_by_device")                                                           \
    X(PEER_CLOSED, "connection_lost")                                                              \
    X(ABORTED, "aborted_by_server")                                                                \
    X(DATABASE, "database_unavailable")                                                            \
    X(BUSY, "busy")                                                                                \
    X(NO_ROOM, "out_of_resources")                                                                 \
    X(FOLDER, "watched_folder_unusable")                                                           \
    X(FILE_WAITS, "watched_file_waits")                                                            \
    X(FILE_REFUSED, "watched_file_refused")                                                        \
    X(BAD_OBJECT, "object_refused")                                                                \
    X(SERVICE_REFUSED, "request_refused")

#define MODEL_CAUSE_ENUM(name, code) MODEL_CAUSE_##name,
enum model_cause { MODEL_CAUSE_MAP(MODEL_CAUSE_ENUM) MODEL_CAUSE_COUNT };
#undef MODEL_CAUSE_ENUM

struct model_cause_text {
    const char *en;
    const char *zh;
    const char *remedy_en;
    const char *remedy_zh;
};

const char *model_cause_code(enum model_cause cause);
const struct model_cause_text *model_cause_text(enum model_cause cause);
/* The cause with this code; MODEL_CAUSE_SERVICE_REFUSED when it is none. */
enum model_cause model_cause_find(const char *code);
/* Appends {"unknown_aet": {"text_en": …, "text_zh": …, "remedy_en": …,
 * "remedy_zh": …}, …}, which queries join by code. */
void model_cause_json(struct base_buf *out);

#endif
