/* STOW-RS: POST /dicom-web/studies[/{study}] (PS3.18 10.5). */
#ifndef INGEST_STOW_H
#define INGEST_STOW_H

#include "net/net_http.h"

/* A handler of routes; arg is the struct ingest. */
void ingest_stow_post(struct net_http_request *req, void *arg);

#endif
