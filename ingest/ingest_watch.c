#include "ingest/ingest_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "ingest/ingest_watch_priv.h"
#include "model/model_answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000, LEASE_SECONDS = 10, PARALLEL = 16, NOTE_MS = 30000 };

struct ingest_watch {
    struct ingest *g;
    struct api_contact *contact;
    struct loop_timer *timer;
    char owner[33];
    bool asking;
    bool stopped;
    struct ingest_watch_folder *folders;
};

/* ---- one folder ---- */

static void scan(struct ingest_watch_folder *f);
static void take_more(struct ingest_watch_folder *f);

/* A device without an address is noted under this machine's own. */
void ingest_watch_note(struct ingest_watch_folder *f, enum model_cause cause, const char *detail)
{
    struct api_contact_peer peer = {
        .device_id = f->device_id, .address = "127.0.0.1", .calling = f->aet, .called = ""};
    api_contact_note(f->contact, &peer, cause, detail);
}

static void tell_failures(struct ingest_watch_folder *f)
{
    char detail[224];
    if (f->failed) {
        snprintf(detail, sizeof detail, "%u of them: %s", f->failed, f->why);
        ingest_watch_note(f, MODEL_CAUSE_FILE_WAITS, detail);
    }
    if (f->news)
        BASE_LOG(
            WARN, "watched_files_wait", LOG_I("device", f->device_id), LOG_U("files", f->failed),
            LOG_S("cause", f->why),
            LOG_S("remedy", "they are tried again; rdc must be allowed to read and move them"));
    f->failed = 0;
    f->news = 0;
}

static void on_taken(struct ingest_watch_folder *f)
{
    assert(f->busy && f->taking > 0);
    f->taking--;
    take_more(f);
    if (f->taking)
        return;
    assert(f->sets == 0 && f->at <= f->n);
    tell_failures(f);
    base_count(&f->g->config->counters->watched_files_total, f->taken);
    base_count(&f->g->config->counters->watched_rounds_total, f->taken > 0);
    f->taken = 0;
    f->busy = false;
    /* Files left over need not wait for the next tick. */
    if ((f->left || f->at < f->n) && f->claimed)
        scan(f);
}

/* Takes files that are still, some at a time, until the next scan is due. A file met again
 * after that counts as new: it could not be moved, or failed for now. */
static void take_more(struct ingest_watch_folder *f)
{
    int64_t now = base_clock_mono_ms();
    if (f->left && !f->sets) {
        f->at = f->left_at; /* the next recording; what is behind it may be under way */
        f->left = false;
    }
    while (f->at < f->n && f->taking <= PARALLEL && f->claimed && now < f->until_ms) {
        struct ingest_watch_file *file = &f->files[f->at++];
        if (!ingest_watch_is_still(file, now) || file->waits)
            continue;
        if (file->set && f->sets) {
            f->left_at = f->left ? f->left_at : f->at - 1;
            f->left = true;
            continue;
        }
        file->waits = true;
        file->since_ms = now;
        f->taking += ingest_watch_take(f, file, on_taken);
        f->taken++;
    }
}

static void take_ready(struct ingest_watch_folder *f)
{
    f->at = 0;
    f->left = false;
    /* On a slow share a scan takes long too: take files for as long as it took. */
    f->until_ms = base_clock_mono_ms() + TICK_MS + (base_clock_mono_ms() - f->scan_ms);
    /* One reference, until some are begun. */
    f->taking = 1;
    on_taken(f);
}

static void scan_work(void *arg)
{
    ingest_watch_scan(arg);
}

static void on_scanned(void *arg, bool cancelled)
{
    struct ingest_watch_folder *f = arg;
    f->g->objects--;
    if (cancelled || !f->claimed || f->error)
        f->busy = false;
    if (cancelled)
        return;
    if (f->error && (f->error != f->told || f->scan_ms - f->noted_ms >= NOTE_MS)) {
        char detail[sizeof f->dir + 64];
        snprintf(detail, sizeof detail, "%s: %s", strerror(f->error), f->dir);
        ingest_watch_note(f, MODEL_CAUSE_FOLDER, detail);
        f->noted_ms = f->scan_ms;
    }
    if (f->error && f->error != f->told)
        BASE_LOG(WARN, "watched_folder_unusable", LOG_I("device", f->device_id),
                 LOG_S("error", strerror(f->error)),
                 LOG_S("remedy", "the folder must exist, be mounted, and rdc be allowed to read it "
                                 "and to write into it"));
    else if (!f->error && f->told)
        BASE_LOG(INFO, "watched_folder_is_back", LOG_I("device", f->device_id));
    f->told = f->error;
    if (f->grown)
        BASE_LOG(WARN, "watched_files_grew", LOG_I("device", f->device_id),
                 LOG_U("files", f->grown),
                 LOG_S("remedy", "let the device write under a name that begins with a dot, and "
                                 "rename"));
    if (f->busy)
        take_ready(f);
}

static void scan(struct ingest_watch_folder *f)
{
    if (f->busy)
        return;
    f->busy = true;
    f->scan_ms = base_clock_mono_ms();
    f->g->objects++;
    loop_work(f->g->config->loop, &f->job, LOOP_FOLDER, LOOP_ORDINARY, scan_work, on_scanned, f);
}

/* ---- which folders ---- */

static struct ingest_watch_folder *find(struct ingest_watch *w, int64_t device)
{
    struct ingest_watch_folder *f = w->folders;
    while (f && f->device_id != device)
        f = f->next;
    if (f)
        return f;
    f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->g = w->g;
    f->contact = w->contact;
    f->device_id = device;
    f->next = w->folders;
    w->folders = f;
    return f;
}

static void copy_text(char *to, size_t size, const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    snprintf(to, size, "%s", text ? text : "");
}

static void claim(struct ingest_watch *w, const json_t *row)
{
    struct ingest_watch_folder *f = find(w, json_integer_value(json_object_get(row, "id")));
    if (!f)
        return;
    f->claimed = true;
    if (f->busy)
        return;
    f->centre_id = json_integer_value(json_object_get(row, "centre_id"));
    f->quiet_seconds = json_integer_value(json_object_get(row, "quiet"));
    copy_text(f->aet, sizeof f->aet, row, "aet");
    copy_text(f->centre_code, sizeof f->centre_code, row, "code");
    copy_text(f->dir, sizeof f->dir, row, "dir");
    scan(f);
}

static void on_claimed(void *arg, const struct db_outcome *outcome)
{
    struct ingest_watch *w = arg;
    const json_t *row;
    size_t i;
    w->asking = false;
    w->g->objects--;
    if (outcome->err || w->stopped)
        return;
    for (struct ingest_watch_folder *f = w->folders; f; f = f->next)
        f->claimed = false;
    json_t *rows = model_answer(outcome, 0);
    json_array_foreach(rows, i, row)
    {
        claim(w, row);
    }
    json_decref(rows);
}

static void on_tick(void *arg)
{
    struct ingest_watch *w = arg;
    if (w->asking || w->stopped)
        return;
    if (db_call(w->g->config->db, DB_Q_WATCH_CLAIM,
                (struct db_param[]){db_text(w->owner), db_int(LEASE_SECONDS)}, 2, on_claimed, w))
        return; /* busy: at the next tick */
    w->asking = true;
    w->g->objects++;
}

/* ---- life ---- */

enum base_err ingest_watch_start(struct ingest *g, struct ingest_watch **out)
{
    uint8_t random[16];
    struct ingest_watch *w = calloc(1, sizeof *w);
    if (!w)
        return BASE_ENOMEM;
    w->g = g;
    base_random(random, sizeof random);
    base_hex(random, sizeof random, w->owner);
    enum base_err err = loop_timer_new(g->config->loop, on_tick, w, &w->timer);
    if (!err)
        err = api_contact_new(g->config->loop, g->config->db, &w->contact);
    if (err) {
        loop_timer_free(w->timer);
        free(w);
        return err;
    }
    loop_timer_start(w->timer, TICK_MS, TICK_MS);
    loop_timer_unref(w->timer);
    *out = w;
    return BASE_OK;
}

void ingest_watch_stop(struct ingest_watch *w)
{
    if (!w)
        return;
    w->stopped = true;
    loop_timer_stop(w->timer);
    for (struct ingest_watch_folder *f = w->folders; f; f = f->next)
        f->claimed = false;
    api_contact_flush(w->contact);
}

void ingest_watch_free(struct ingest_watch *w)
{
    if (!w)
        return;
    loop_timer_free(w->timer);
    api_contact_free(w->contact);
    for (struct ingest_watch_folder *f = w->folders; f;) {
        struct ingest_watch_folder *next = f->next;
        ingest_watch_forget(f);
        ingest_watch_drop_later(f);
        free(f);
        f = next;
    }
    free(w);
}
