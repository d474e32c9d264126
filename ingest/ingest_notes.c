#include "ingest/ingest_notes.h"

#include <assert.h>

void ingest_note_add(struct ingest_note_list *list, struct ingest_note *note)
{
    note->next = NULL;
    if (list->last)
        list->last->next = note;
    else
        list->first = note;
    list->last = note;
}

struct ingest_note *ingest_note_take(struct ingest_note_list *list)
{
    struct ingest_note *note = list->first;
    if (note) {
        list->first = note->next;
        if (!note->next)
            list->last = NULL;
    }
    return note;
}

static void end_sent(struct ingest_notes *notes, enum base_err err)
{
    struct ingest_note_list sent = notes->sent;
    notes->sent = (struct ingest_note_list){0};
    for (struct ingest_note *note; (note = ingest_note_take(&sent));) {
        model_job_excuse(note->job, err);
        notes->end(notes->arg, note, err ? base_err_text(err) : NULL);
    }
}

static void send_soon(struct ingest_notes *notes);

static void on_noted(void *arg, const struct db_outcome *outcome)
{
    struct ingest_notes *notes = arg;
    end_sent(notes, outcome->err);
    send_soon(notes);
}

static void on_turn(void *arg)
{
    struct ingest_notes *notes = arg;
    assert(notes->due && !notes->sent.first && notes->ready.first); /* one statement at a time */
    notes->due = false;
    notes->sent = notes->ready;
    notes->ready = (struct ingest_note_list){0};
    enum base_err err = notes->send(notes->arg, notes->sent.first, on_noted, notes);
    if (err)
        end_sent(notes, err);
}

/* In the next turn of the loop: what was claimed together is often ready together. */
static void send_soon(struct ingest_notes *notes)
{
    if (notes->due || notes->sent.first || !notes->ready.first)
        return;
    notes->due = true;
    loop_post(notes->loop, &notes->call, on_turn, notes);
}

void ingest_notes_add(struct ingest_notes *notes, struct ingest_note *note)
{
    ingest_note_add(&notes->ready, note);
    send_soon(notes);
}
