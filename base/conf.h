/*
 * Configuration: one table of keys. A value comes from the default, then the
 * file, then the environment, then the flags; the last one wins.
 *
 *   file         http.address = 127.0.0.1:8080      (# starts a comment line)
 *   environment  RDC_HTTP_ADDRESS=127.0.0.1:8080    ('.' and '-' become '_')
 *   flag         --http.address 127.0.0.1:8080, or --http.address=127.0.0.1:8080
 *
 * An unknown key or a bad value is an error whose message names where it stands
 * and what is allowed. Blanks around a value are dropped; it may contain '#' and '='.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A numeric IP address and a port; port 0 lets the system choose. */
struct base_conf_addr {
    char host[46]; /* without the brackets of IPv6 */
    uint16_t port;
    bool v6;
};

/* X(type, field, key, default, least, most, allowed, doc)
 *   STRING, PATH  const char *, never NULL; most = longest, in bytes
 *   TITLE         the same, in printable ASCII without backslash
 *   INT           int64_t between least and most
 *   BOOL          bool: yes, no
 *   ADDR          struct base_conf_addr
 *   OPTADDR       the same, where empty means none: host is "" then
 *   SIZE          uint64_t bytes; K, M, G are powers of 1024
 *   DURATION      uint64_t milliseconds; ms, s (the default), m, h
 *   ENUM          int, the position in allowed, whose words are parted by '|' */
#define BASE_CONF_MAP(X)                                                                           \
    X(PATH, data, "data", "var", 1, 4000, NULL, "Folder of everything that rdc stores.")           \
    X(ADDR, http_address, "http.address", "127.0.0.1:8080", 0, 0, NULL, "Where HTTP is served.")   \
    X(ADDR, dicom_address, "dicom.address", "127.0.0.1:11112", 0, 0, NULL,                         \
      "Where DICOM associations are accepted.")                                                    \
    X(OPTADDR, https_address, "https.address", "", 0, 0, NULL,                                     \
      "Where HTTP over TLS is served; empty = nowhere. Needs tls.certificate and tls.key.")        \
    X(OPTADDR, dicom_tls_address, "dicom-tls.address", "", 0, 0, NULL,                             \
      "Where DICOM over TLS is accepted (PS3.15 B.12); empty = nowhere.")                          \
    X(OPTADDR, hl7_address, "hl7.address", "", 0, 0, NULL,                                         \
      "Where HL7 orders are taken over MLLP; empty = nowhere.")                                    \
    X(OPTADDR, hl7_tls_address, "hl7-tls.address", "", 0, 0, NULL,                                 \
      "Where HL7 orders are taken over MLLP with TLS; empty = nowhere.")                           \
    X(STRING, tls_certificate, "tls.certificate", "", 0, 4000, NULL,                               \
      "File with our certificate and the intermediate ones, PEM.")                                 \
    X(STRING, tls_key, "tls.key", "", 0, 4000, NULL, "File with the private key of it, PEM.")      \
    X(STRING, tls_client_ca, "tls.client-ca", "", 0, 4000, NULL,                                   \
      "File with the CA certificates of devices and HL7 senders; then TLS demands one of them.")   \
    X(STRING, tls_peer_ca, "tls.peer-ca", "", 0, 4000, NULL,                                       \
      "File with the CA certificates of destinations over TLS; empty = those of the system.")      \
    X(BOOL, tls_peer_name, "tls.peer-name", "yes", 0, 0, NULL,                                     \
      "Whether a destination's certificate must carry the host name or address it has here.")      \
    X(TITLE, dicom_aet, "dicom.aet", "RDC", 1, 16, NULL, "Our AE title, which devices must call.") \
    X(STRING, database, "database", "", 0, 4000, NULL,                                             \
      "PostgreSQL, as a libpq connection string, such as host=/run/rdc dbname=rdc.")               \
    X(INT, database_connections, "database.connections", "4", 1, 64, NULL,                         \
      "Database connections of each worker.")                                                      \
    X(INT, workers, "workers", "0", 0, 64, NULL,                                                   \
      "Worker processes; 0: one for each two cores, since PostgreSQL needs the other.")            \
    X(INT, disk_threads, "pool.disk-threads", "4", 1, 64, NULL,                                    \
      "Threads of each worker that write and read files.")                                         \
    X(INT, cpu_threads, "pool.cpu-threads", "2", 1, 64, NULL,                                      \
      "Threads of each worker that compute (digests, indexing, drawing).")                         \
    X(DURATION, stop_timeout, "stop.timeout", "10s", 0, 600000, NULL,                              \
      "How long a stop waits for work under way before it ends the workers.")                      \
    X(ENUM, log_level, "log.level", "info", 0, 0, "debug|info|warn|error",                         \
      "Least level that is logged.")                                                               \
    X(ENUM, log_format, "log.format", "logfmt", 0, 0, "logfmt|json", "Form of the log lines.")     \
    X(INT, dicom_max_associations, "dicom.max-associations", "4000", 1, 100000, NULL,              \
      "DICOM associations served at the same time, by all workers together.")                      \
    X(INT, dicom_device_max_associations, "dicom.device-max-associations", "2500", 0, 100000,      \
      NULL, "The same of one device, unless it has a limit of its own (rdc device); 0 = none.")    \
    X(INT, dicom_max_rate, "dicom.max-rate", "0", 0, 1000000, NULL,                                \
      "DIMSE requests in a second, by all workers together; what is more waits. 0 = no limit.")    \
    X(INT, dicom_device_max_rate, "dicom.device-max-rate", "0", 0, 1000000, NULL,                  \
      "The same of one device, unless it has a limit of its own (rdc device); 0 = no limit.")      \
    X(SIZE, dicom_device_max_bytes, "dicom.device-max-bytes-in-flight", "256M", 0, INT64_MAX,      \
      NULL,                                                                                        \
      "Bytes of one device's objects that came and are not answered yet; beyond, one of its "      \
      "objects is read at a time. Of one object 16M count. 0 = no limit.")                         \
    X(SIZE, max_bytes_in_flight, "max-bytes-in-flight", "1G", 0, INT64_MAX, NULL,                  \
      "The same of all devices and uploads together; then only those wait who hold more than a "   \
      "sixteenth of it. 0 = no limit.")                                                            \
    X(BOOL, dicom_private_classes, "dicom.private-classes", "no", 0, 0, NULL,                      \
      "Whether SOP classes that rdc does not know are accepted as storage classes: private "       \
      "ones, and those of later editions of the standard.")                                        \
    X(SIZE, dicom_max_pdu, "dicom.max-pdu", "128K", 4096, 16777216, NULL,                          \
      "Largest PDU that we accept, told to the peer.")                                             \
    X(INT, dicom_artim_seconds, "dicom.artim-seconds", "30", 1, 3600, NULL,                        \
      "How long a new connection may stay without an association (PS3.8 ARTIM).")                  \
    X(INT, dicom_idle_seconds, "dicom.idle-seconds", "600", 1, 86400, NULL,                        \
      "How long an association may be silent.")                                                    \
    X(INT, http_max_connections, "http.max-connections", "10000", 1, 1000000, NULL,                \
      "HTTP connections open at the same time, per worker.")                                       \
    X(INT, http_max_rate, "http.max-rate", "0", 0, 1000000, NULL,                                  \
      "HTTP requests in a second, by all workers together; others hear 429. 0 = no limit.")        \
    X(INT, http_organisation_max_rate, "http.organisation-max-rate", "0", 0, 1000000, NULL,        \
      "The same of all sessions of one organisation; 0 = no limit.")                               \
    X(INT, http_session_max_rate, "http.session-max-rate", "1000", 0, 1000000, NULL,               \
      "The same of one session, or of one address without a session; 0 = no limit.")               \
    X(SIZE, http_session_max_bytes, "http.session-max-bytes-in-flight", "256M", 0, INT64_MAX,      \
      NULL, "As dicom.device-max-bytes-in-flight, of the uploads of one session.")                 \
    X(SIZE, http_max_body, "http.max-body", "1M", 1024, 1073741824, NULL,                          \
      "Largest JSON request body. Uploads have upload.max-bytes.")                                 \
    X(DURATION, http_header_timeout, "http.header-timeout", "10s", 100, 600000, NULL,              \
      "How long the head of a request may take.")                                                  \
    X(DURATION, http_body_timeout, "http.body-timeout", "30s", 100, 3600000, NULL,                 \
      "How long a body may take for each KiB, and the reading of a response stand still.")         \
    X(DURATION, http_idle_timeout, "http.idle-timeout", "60s", 100, 3600000, NULL,                 \
      "How long a connection is kept open between requests.")                                      \
    X(SIZE, upload_max_bytes, "upload.max-bytes", "4G", 1024, INT64_MAX, NULL,                     \
      "Largest single object that is accepted, by HTTP or DICOM.")                                 \
    X(SIZE, upload_max_body, "upload.max-body", "0", 0, INT64_MAX, NULL,                           \
      "Largest body of one upload or STOW-RS request, with all its files; 0 = four times "         \
      "upload.max-bytes.")                                                                         \
    X(SIZE, disk_reserve, "disk.reserve", "512M", 0, INT64_MAX, NULL,                              \
      "Free space below which nothing more is accepted, so that the database keeps room.")         \
    X(SIZE, store_segment, "store.segment", "256M", 65536, 17179869184, NULL,                      \
      "Disk space that a worker takes at a time for small objects; less on a small disk.")         \
    X(BOOL, store_buffered, "store.buffered", "no", 0, 1, NULL,                                    \
      "Objects are written through the page cache, not around it.")                                \
    X(INT, lease_seconds, "lease.seconds", "300", 10, 86400, NULL,                                 \
      "How long a claimed exam is held without a sign of life from its reader.")                   \
    X(INT, worklist_expire_hours, "worklist.expire-hours", "24", 1, 8760, NULL,                    \
      "How long after its time an order stays on the modality worklist.")                          \
    X(INT, worklist_max_answers, "worklist.max-answers", "500", 1, 10000, NULL,                    \
      "Most answers to one modality worklist query.")                                              \
    X(STRING, metrics_token, "metrics.token", "", 0, 256, NULL,                                    \
      "Bearer token for /metrics from other machines; empty = this machine only.")                 \
    X(INT, delivery_retry_min_seconds, "delivery.retry-min-seconds", "2", 1, 3600, NULL,           \
      "First wait before a failed delivery is tried again; it doubles each time.")                 \
    X(INT, delivery_retry_max_seconds, "delivery.retry-max-seconds", "300", 1, 604800, NULL,       \
      "Longest wait between two tries of a delivery.")                                             \
    X(INT, render_timeout_seconds, "render.timeout-seconds", "30", 1, 3600, NULL,                  \
      "How long rendering one image may take.")                                                    \
    X(SIZE, render_memory, "render.memory", "1G", 67108864, INT64_MAX, NULL,                       \
      "Most memory that rendering one image may take.")

#define BASE_CONF_TYPE_STRING   const char *
#define BASE_CONF_TYPE_PATH     const char *
#define BASE_CONF_TYPE_TITLE    const char *
#define BASE_CONF_TYPE_INT      int64_t
#define BASE_CONF_TYPE_BOOL     bool
#define BASE_CONF_TYPE_ADDR     struct base_conf_addr
#define BASE_CONF_TYPE_OPTADDR  struct base_conf_addr
#define BASE_CONF_TYPE_SIZE     uint64_t
#define BASE_CONF_TYPE_DURATION uint64_t
#define BASE_CONF_TYPE_ENUM     int

#define BASE_CONF_FIELD(type, field, key, def, least, most, allowed, doc)                          \
    BASE_CONF_TYPE_##type field;
struct base_conf {
    BASE_CONF_MAP(BASE_CONF_FIELD)
    struct base_arena arena; /* of the strings */
};
#undef BASE_CONF_FIELD

/* All defaults. BASE_ENOMEM. */
enum base_err base_conf_init(struct base_conf *c) BASE_MUST_CHECK;
void base_conf_deinit(struct base_conf *c);

/* Each returns BASE_EINVAL (unknown key, bad value, bad line), BASE_ENOMEM, or
 * what opening the file gave, and fills *e (may be NULL). Keys before the bad
 * one stay set. */
enum base_err base_conf_load_file(struct base_conf *c, const char *path,
                                  struct base_error *e) BASE_MUST_CHECK;
/* Takes every RDC_… variable but RDC_CONFIG, RDC_TOKEN (of rdc send), and those for tests:
 * RDC_ECG_DATA and what begins with RDC_TEST_. */
enum base_err base_conf_load_env(struct base_conf *c, char *const *env,
                                 struct base_error *e) BASE_MUST_CHECK;
/* Takes flags from argv[0] on, up to "--" or the first argument that is not a flag;
 * *used is the number of arguments taken. --config is skipped. */
enum base_err base_conf_load_flags(struct base_conf *c, int argc, char *const *argv, int *used,
                                   struct base_error *e) BASE_MUST_CHECK;

/* Reads a size as in the file: bytes, or with K, M, G. False: not a size. */
bool base_conf_read_size(const char *text, uint64_t *out);

/* The commented example: every key with its default. */
void base_conf_print_example(struct base_buf *out);

#endif
