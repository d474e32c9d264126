/*
 * Jobs whose outcome is written to the database together: by one statement at a time, and
 * what ends meanwhile is in the next.
 */
#ifndef INGEST_NOTES_H
#define INGEST_NOTES_H

#include "db/db.h"
#include "loop/loop.h"
#include "model/model_jobs.h"

/* A job that has ended but for what the database is to know; part of its owner's struct. */
struct ingest_note {
    struct ingest_note *next;
    struct model_job *job;
};

struct ingest_note_list {
    struct ingest_note *first;
    struct ingest_note *last;
};

void ingest_note_add(struct ingest_note_list *list, struct ingest_note *note);
/* NULL when it is empty. */
struct ingest_note *ingest_note_take(struct ingest_note_list *list);

struct ingest_notes {
    struct loop *loop;
    /* Sends one statement for all of the list, which tells fn(fn_arg). There are as many at
     * the most as model_jobs_config.parallel. */
    enum base_err (*send)(void *arg, struct ingest_note *list, db_done_fn *fn, void *fn_arg);
    /* Ends the note's job, as failed where there is an error; it frees the note. Another job
     * may begin inside this call. */
    void (*end)(void *arg, struct ingest_note *note, const char *error);
    void *arg;

    struct ingest_note_list ready; /* only ingest_notes.c looks at these */
    struct ingest_note_list sent;
    bool due; /* call is posted */
    struct loop_call call;
};

void ingest_notes_add(struct ingest_notes *notes, struct ingest_note *note);

#endif
