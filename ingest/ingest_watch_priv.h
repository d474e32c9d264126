/* What the files of watched folders share. */
#ifndef INGEST_WATCH_PRIV_H
#define INGEST_WATCH_PRIV_H

#include "api/api_contact.h"
#include "ingest/ingest_beside.h"
#include "ingest/ingest_priv.h"

#include <sys/stat.h>

enum {
    INGEST_WATCH_PATH = 1280,
    INGEST_WATCH_NAME = 256, /* NAME_MAX and a NUL */
    INGEST_WATCH_LATER = 2,  /* how often a file that was moved is looked at again */
    INGEST_WATCH_STILL_MS = 2000,
    /* How long the files of a recording wait for those that are not there yet. */
    INGEST_WATCH_PARTS_MS = 30000,
    /* What fails is tried again later and later, up to this. */
    INGEST_WATCH_AGAIN_MS = 30000,
};

/* Tells a file from another of the same name, and from itself after a write. */
struct ingest_watch_look {
    uint64_t inode;
    uint64_t size;
    int64_t mtime_ns;
};

/* A file in the folder. */
struct ingest_watch_file {
    char *name;
    struct ingest_watch_look look;
    int64_t ctime_ns; /* rises with its rights, which may be what it waits for */
    int64_t since_ms; /* how long it has looked like this; later when it is to wait longer */
    bool looked;      /* into it, since then */
    bool may_have_parts;
    bool waits;     /* for other files of its recording, or is under way; else ready once still */
    unsigned tries; /* that failed since then */
    struct ingest_beside *set; /* the recording that it begins; NULL: it is taken by itself */
    struct ingest_watch_look *set_looks; /* of its files */
};

struct ingest_watch_moved;

/* Those moved or looked at first come first. */
struct ingest_watch_queue {
    struct ingest_watch_moved *first;
    struct ingest_watch_moved *last;
};

/* A folder that this worker watches, or has watched. */
struct ingest_watch_folder {
    struct ingest_watch_folder *next;
    struct ingest *g;
    struct api_contact *contact;
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
    bool left;        /* recordings are ready, but not begun: */
    size_t left_at;   /* the first */
    int64_t scan_ms;  /* when the last scan began */
    int64_t until_ms; /* then what is new is looked for */
    unsigned taking;  /* under way */
    unsigned taken;   /* up in this round */
    unsigned sets;    /* of those, recordings of several files: each is in memory */
    int error;        /* errno of the last scan */
    int told;         /* the error that was logged */
    int64_t noted_ms; /* when it was last noted for the doctor */
    struct ingest_watch_queue moved[INGEST_WATCH_LATER];
    size_t n_moved;
    unsigned grown;  /* files of the last scan that were moved too early, and went back */
    unsigned failed; /* files of this round */
    unsigned news;   /* of those, the ones that did for the first time */
    char why[160];   /* one of them did */
};

/* On the disk pool: what lies in the folder now. */
void ingest_watch_scan(struct ingest_watch_folder *f);
/* Has it been unchanged long enough? */
bool ingest_watch_is_still(const struct ingest_watch_file *file, int64_t now_ms);
/* The file will be tried again later. Logged once per round, with this reason, but without the
 * name of the file: a device may name it after the patient. */
void ingest_watch_fail(struct ingest_watch_folder *f, struct ingest_watch_file *file,
                       const char *why);
void ingest_watch_note(struct ingest_watch_folder *f, enum model_cause cause, const char *detail);
void ingest_watch_forget(struct ingest_watch_folder *f);
bool ingest_watch_looks(const struct stat *st, const struct ingest_watch_look *look);

/* Which files are of one recording, and which of them wait. On the disk pool, by the scan. */
void ingest_watch_join(struct ingest_watch_folder *f);

/* Moves it from `from` into its subfolder `sub`, which is made, under its name or a similar free
 * one, which is in target then; text, if any, goes beside it as a .txt. On a pool. 0, or errno:
 * ESTALE when the name is now another file, or this one was written to since: then it stays. */
int ingest_watch_move(int from, const char *sub, const char *name,
                      const struct ingest_watch_look *look, const struct base_buf *text,
                      char target[INGEST_WATCH_NAME]) BASE_MUST_CHECK;
/* Renames without overwriting; 0 or errno. */
int ingest_watch_rename(int from, const char *name, int to, const char *target) BASE_MUST_CHECK;

/* On the loop: the file of this look was moved into sub, which is borrowed for ever, under this
 * name. */
void ingest_watch_later(struct ingest_watch_folder *f, const char *sub, const char *name,
                        const struct ingest_watch_look *look, bool explained);
/* On the disk pool, by the scan: looks again at what was moved some time ago. */
void ingest_watch_review(struct ingest_watch_folder *f, int dir);
void ingest_watch_drop_later(struct ingest_watch_folder *f);

/* Takes one file, or the recording that it begins, which is the callee's then; *file is borrowed
 * until done(f), when it lies where it belongs. False: out of memory, done never runs. */
bool ingest_watch_take(struct ingest_watch_folder *f, struct ingest_watch_file *file,
                       void (*done)(struct ingest_watch_folder *f));

#endif
