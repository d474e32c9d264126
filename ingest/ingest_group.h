/*
 * Which objects of a batch belong together (one study, series, patient), and the order
 * in which all workers lock their rows. ingest_plain() in db/migrations/003_queues.sql
 * makes each row of a study once, and would have to sort for what takes some
 * microseconds here.
 */
#ifndef INGEST_GROUP_H
#define INGEST_GROUP_H

#include "base/json.h"
#include "ingest/ingest_record.h"

/* The place of an object in its batch. Numbers start at 1; objects that belong together share
 * them. */
struct ingest_place {
    unsigned study; /* 0: the objects of this study are decided one by one */
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
/* Writes it as members of the i-th record, from 0. */
void ingest_place_write(const struct ingest_place *p, size_t i, struct base_json *j);

#endif
