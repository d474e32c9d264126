/* The HTTP routes of ingest/. */
#include "ingest/ingest_manifest.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_resume.h"
#include "ingest/ingest_stow.h"
#include "ingest/ingest_upload.h"

/* A body with several objects may have upload.max-body bytes; ingest_object limits each to
 * upload.max-bytes. A piece is limited by the rest of Upload-Length. */
static const struct net_http_route routes[] = {
    {"POST", "/api/v1/uploads", "accession, manifest, patient_id, patient_name, priority, sha256",
     ingest_upload_post, NET_HTTP_BODY_STREAMED, 0, 0},
    {"POST", "/api/v1/manifests", "", ingest_manifest_post, NET_HTTP_BODY_COLLECTED,
     INGEST_MANIFEST_BYTES, 0},
    {"GET", "/api/v1/uploads/{id}", "", ingest_resume_get, NET_HTTP_BODY_NONE, 0, 0},
    {"PATCH", "/api/v1/uploads/{id}", "sha256", ingest_resume_patch, NET_HTTP_BODY_STREAMED,
     UINT64_MAX, 0},
    {"DELETE", "/api/v1/uploads/{id}", "", ingest_resume_delete, NET_HTTP_BODY_NONE, 0, 0},
    {"POST", "/dicom-web/studies", NULL, ingest_stow_post, NET_HTTP_BODY_STREAMED, 0, 0},
    {"POST", "/dicom-web/studies/{study}", NULL, ingest_stow_post, NET_HTTP_BODY_STREAMED, 0, 0},
};

struct net_http_table ingest_http(struct ingest *g)
{
    return (struct net_http_table){routes, sizeof routes / sizeof routes[0], g};
}
