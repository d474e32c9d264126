/*
 * Uploads that survive a broken line:
 *
 *   POST /api/v1/uploads, Upload-Length, no body  → 201, Location
 *   HEAD /api/v1/uploads/{id}                     → Upload-Offset
 *   PATCH …, Upload-Offset, a piece               → 204, Upload-Offset; with the
 *                                                   last piece the answer to the whole
 *   DELETE …                                      → 204
 *
 * PATCH answers when the piece is synced. When the answer to the last one got
 * lost, an empty PATCH at the end gives it again.
 */
#ifndef INGEST_RESUME_H
#define INGEST_RESUME_H

#include "ingest/ingest.h"
#include "net/net_http.h"

/* Handlers of routes; arg is the struct ingest. */
void ingest_resume_begin(struct net_http_request *req, void *arg);
void ingest_resume_get(struct net_http_request *req, void *arg);
void ingest_resume_patch(struct net_http_request *req, void *arg);
void ingest_resume_delete(struct net_http_request *req, void *arg);

/* Removes what nobody has touched for a day: rows, files, and debris. */
void ingest_resume_sweep(struct ingest *g);

#endif
