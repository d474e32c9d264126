/*
 * What the files of ingest/ share. Where to look:
 *
 *   one object     ingest_object; _record, _group and _batch (its rows, group commit); _duplicate
 *                  (it came again), _urgent (STAT orders)
 *   what is sent   _arrival (a file, by its content), _ecg (one that is no DICOM), _many (several
 *                  files), _parts (multipart), _zip, _set and _pack (of one recording), _intake (a
 *                  whole body), _manifest
 *   by DIMSE       _scp (the table of services), _store_scp, _request (MPPS, N-ACTION), _dataset,
 *                  _commitment (and its _check and _report)
 *   by HTTP        _http (the table of routes), _permit (who sends), _upload, _resume and _spool
 *                  (in pieces), _stow and _stow_answer, _models, _bulk and _media (metadata and
 *                  bulk data)
 *   by folder      _watch, _local, _beside
 *   what follows   _metadata, _check, _measure: jobs; _notes (their outcomes)
 *   upkeep         _sweep; _fsck, _rebuild, _export, _file: commands
 */
#ifndef INGEST_PRIV_H
#define INGEST_PRIV_H

#include "ingest/ingest.h"
#include "ingest/ingest_batch.h"
#include "ingest/ingest_check.h"
#include "ingest/ingest_urgent.h"
#include "model/model_jobs.h"

struct ingest {
    const struct ingest_config *config;
    struct ingest_batch *batch;
    struct ingest_urgent *urgent;
    struct model_jobs *metadata;
    struct ingest_commitment *commitment;
    struct ingest_check *check;
    struct ingest_measure *measure; /* ECGs */
    struct ingest_measure *pixels;  /* compressed images */
    struct ingest_sweep *sweep;
    struct ingest_watch *watch;
    struct loop_timer *expiry; /* of unfinished uploads */
    unsigned objects;          /* and files of uploads, on their way */
    int64_t object_at;         /* when the last of them ended: base_clock_mono_ms */
};

#define INGEST_MUCH_HELD "many ECG recordings come at once; send it again later"

#endif
