/* What viewer*.c share. */
#ifndef VIEWER_PRIV_H
#define VIEWER_PRIV_H

#include "viewer-export/viewer.h"
#include "viewer-export/viewer_helper.h"

struct viewer {
    struct viewer_config config;
    struct viewer_helper *helper;
    unsigned reading; /* files under way */
    bool closing;     /* freed by the last of them */
};

/* Around the reading of a file: the viewer is not freed in between. */
void viewer_reading(struct viewer *v);
void viewer_read_done(struct viewer *v);

/* GET /api/v1/instances/{uid}/rendered */
void viewer_get_rendered(struct net_http_request *req, void *arg);
/* GET /api/v1/exams/{id}/report.pdf */
void viewer_get_report(struct net_http_request *req, void *arg);

#endif
