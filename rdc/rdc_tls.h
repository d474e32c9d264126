/*
 * The certificates of a process: ours on the ports with TLS, and those we look
 * at when we connect. Read when a process starts and on SIGHUP.
 */
#ifndef RDC_TLS_H
#define RDC_TLS_H

#include "base/conf.h"
#include "net/net_tls.h"

struct rdc_tls {
    struct net_tls_context *https;     /* NULL unless https.address is set */
    struct net_tls_context *dicom_tls; /* NULL unless dicom-tls.address is set */
    struct net_tls_context *hl7_tls;   /* NULL unless hl7-tls.address is set */
    struct net_tls_context *peers;     /* for destinations */
};

/* The error names the key or file. Nothing to be closed if it fails. */
enum base_err rdc_tls_open(const struct base_conf *conf, struct rdc_tls *out,
                           struct base_error *error) BASE_MUST_CHECK;
/* Reads the files again; a context whose files cannot be read stays as it was. Logs either. */
void rdc_tls_reload(struct rdc_tls *t);
void rdc_tls_close(struct rdc_tls *t);

#endif
