/* What the files of watched folders share. */
#ifndef INGEST_WATCH_PRIV_H
#define INGEST_WATCH_PRIV_H

#include "ingest/ingest_beside.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_watch.h"

enum {
    INGEST_WATCH_PATH = 1280,
    INGEST_WATCH_STILL_MS = 2000,
    /* How long the files of a recording wait for those that are not there yet. */
    INGEST_WATCH_PARTS_MS = 30000,
};

/* A file in the folder. */
struct ingest_watch_file {
    char *name;
    uint64_t size;
    int64_t mtime_ns;
    uint64_t inode;
    int64_t since_ms; /* how long it has looked like this */
    bool looked;      /* into it, since then */
    bool may_have_parts;
    bool waits; /* for other files of its recording; else it is ready once it is still */
    bool told;  /* that it cannot be read or moved */
    struct ingest_beside *set; /* the recording that it begins; NULL: it is taken by itself */
};

/* A folder that this worker watches, or has watched. */
struct ingest_watch_folder {
    struct ingest_watch_folder *next;
    struct ingest *g;
    int64_t device_id;
    int64_t centre_id;
    int64_t quiet_seconds;
    char aet[20];
    char centre_code[40];
    char dir[INGEST_WATCH_PATH];
    bool claimed;
    bool busy; /* what follows belongs to the disk pool, or to files under way */
    struct loop_job job;
    struct ingest_watch_file *files; /* by name */
    size_t n;
    size_t at;        /* of files: those before it were looked at */
    bool left;        /* some are ready, but not begun */
    int64_t until_ms; /* then what is new is looked for */
    unsigned taking;  /* under way */
    unsigned sets;    /* of those, recordings of several files: each is in memory */
    int error;        /* errno of the last scan */
    int told;         /* the error that was logged */
};

/* On the disk pool: what lies in the folder now. */
void ingest_watch_scan(struct ingest_watch_folder *f);
/* Has it been still long enough? */
bool ingest_watch_is_still(const struct ingest_watch_file *file, int64_t now_ms);
/* The first time since this file has looked as it does. */
bool ingest_watch_tell(struct ingest_watch_folder *f, const char *name);
void ingest_watch_forget(struct ingest_watch_folder *f);

/* Which files are of one recording, and which of them wait. On the disk pool, by the scan. */
void ingest_watch_join(struct ingest_watch_folder *f);

/* Takes one file, or the recording that it begins, which is the callee's then; done(f) when it
 * lies where it belongs. False: out of memory, done never runs. */
bool ingest_watch_take(struct ingest_watch_folder *f, struct ingest_watch_file *file,
                       void (*done)(struct ingest_watch_folder *f));

#endif
