/*
 * What of a batch belongs together: the objects of one study, series and patient,
 * and the order in which all workers lock their rows. ingest_plain() in
 * db/migrations/003_queues.sql makes each row of a study once, and would have to sort
 * for what is found here in some microseconds.
 */
#ifndef INGEST_GROUP_H
#define INGEST_GROUP_H

#include "base/json.h"
#include "ingest/ingest_record.h"

/* Of an object in its batch. Numbers begin with 1 and are the same in what belongs together. */
struct ingest_place {
    unsigned study; /* 0: about the objects of this study each is decided alone */
    unsigned series;
    unsigned patient;
    unsigned many;        /* objects of this study in the batch */
    bool leads;           /* the first of its study … */
    bool brings_series;   /* … and of its series */
    bool complete;        /* one of the study's completes its exam */
    const char *priority; /* the highest in the study; NULL = routine */
};

/* By study, then instance; as strcmp. */
int ingest_group_compare(const struct ingest_record *a, const struct ingest_record *b);
/* all are in that order; out has n places. */
void ingest_group(const struct ingest_record *const *all, size_t n, struct ingest_place *out);
/* The members of a record that say it; i counts from 0. */
void ingest_place_write(const struct ingest_place *p, size_t i, struct base_json *j);

#endif
