/* Inside of struct store; only for store/. */
#ifndef STORE_PRIV_H
#define STORE_PRIV_H

#include "store/store.h"

#include <dirent.h>

enum {
    STORE_INCARNATION = 48, /* start time, 16 hex digits, slot */
    STORE_PATH = 4096,
    STORE_ALIGN = 4096, /* for O_DIRECT: of memory, offset and size */
    /* Of a chunk, with room for the header of a record in front. */
    STORE_CHUNK_TINY = (64 << 10) - STORE_ALIGN,
    STORE_CHUNK_SMALL = (256 << 10) - STORE_ALIGN,
    STORE_CHUNK_LARGE = (512 << 10) - STORE_ALIGN,
    STORE_SLAB = 2 << 20,       /* memory from which chunks are cut */
    STORE_PUT_QUEUE = 1 << 20,  /* per put, beyond which it has no room */
    STORE_RECORD_MAX = 1 << 20, /* what is larger gets a file of its own */
    STORE_DIGEST_PARTS = 8,     /* chunks of streams that one job digests */
};

/* A piece of an object on its way to the disk. */
struct store_chunk {
    struct store_chunk *next;
    size_t size;
    size_t n;
    size_t digested; /* of n */
    uint8_t *data;   /* aligned, behind STORE_ALIGN bytes for the header of a record */
    bool alone;      /* its memory is its own, not a slab's */
};

/* Tiny ones never lie in slabs. */
enum store_chunk_kind { STORE_SMALL, STORE_LARGE, STORE_KINDS, STORE_TINY = STORE_KINDS };

/* A folder of objects below the incarnation's. Shared by its lane, while new
 * files go there, and by the puts in it. */
struct store_folder {
    struct store_lane *lane;
    size_t users;
    unsigned number;
    unsigned files;
    bool linked; /* its entry in the incarnation folder is durable */
    bool bad;    /* a sync of it failed: no new files here */
    bool in_round;
    enum base_err err; /* of this round */
    struct store_folder *next;
    struct loop_job job;
};

struct store_put_list {
    struct store_put *first;
    struct store_put *last;
};

/* Puts of one class: their folders and their rounds of syncs. A STAT object
 * shares neither with the others, so it does not wait for a round of theirs. */
struct store_lane {
    struct store *store;
    enum loop_class class;
    struct store_folder *folder;   /* where the next file goes; NULL = a new one */
    struct store_put_list pending; /* wait for the next round of syncs */
    struct store_put_list round;
    struct store_folder *round_folders;
    size_t round_left; /* jobs of the round that still run */
    bool round_due;    /* round_call is posted */
    struct loop_call round_call;
};

/* Where records go; its fields belong to the pool while a job runs. */
struct store_segment {
    int fd; /* -1: none yet, or a new one is needed */
    unsigned number;
    uint64_t end; /* where the next record goes */
    uint64_t size;
    bool direct;
};

/* Parts that puts stream, being digested; n = 0 while no job runs. */
struct store_digest_job {
    size_t n;
    struct store_put *puts[STORE_DIGEST_PARTS];
    struct store_chunk *chunks[STORE_DIGEST_PARTS];
    struct base_sha256_part parts[STORE_DIGEST_PARTS];
    struct loop_job job;
};

struct store {
    struct loop *loop;
    const struct store_fs *fs;
    struct store_config config;
    char *data;                          /* <data> */
    char *root;                          /* <data>/store */
    char incarnation[STORE_INCARNATION]; /* below root */
    unsigned slot;
    int lock;
    bool begun;   /* incarnation is there */
    bool marks;   /* files of their own get theirs */
    size_t users; /* puts, reads, removals, a sweep: keep a closed store alive */
    bool closing;

    uint64_t seq;
    unsigned folders;
    struct store_lane lanes[LOOP_CLASS_COUNT];

    struct store_put *undigested; /* have gathered what is not digested yet */
    bool digest_due;              /* digest_call is posted */
    struct loop_call digest_call;

    struct store_put_list streams[LOOP_CLASS_COUNT]; /* have full chunks to digest */
    struct store_digest_job digest;

    size_t memory; /* chunks in use, bytes */
    struct store_chunk *spare[STORE_KINDS];
    struct store_slab *slabs;
    size_t slabs_left[STORE_KINDS]; /* that may still be made */

    int64_t space_ms; /* when the disk was asked */
    uint64_t space;   /* its answer, less what was written since */

    unsigned segments; /* the number of the next one */
    struct store_segment segment;
    struct store_segment fresh;    /* being made */
    struct store_put_list records; /* wait for the next write to the segment */
    struct store_put_list batch;   /* are being written and synced */
    bool segment_busy;             /* a job runs */
    bool segment_due;              /* segment_call is posted */
    bool paused;                   /* by store_pause */
    struct loop_timer *pause_timer;
    enum base_err segment_err; /* of the job */
    uint64_t segment_need;     /* of the first record of a new segment */
    struct loop_job segment_job;
    struct loop_call segment_call;

    struct store_sweep *sweep;
};

/* One put. The job's half belongs to the pool while running is set, sha while digesting. */
struct store_put {
    struct store *store;
    struct store_folder *folder; /* of the file of its own; NULL = it is gathered in memory */
    enum loop_class class;
    struct store_put *next;
    char ext[9];
    enum base_err err; /* first failure */
    bool running;      /* a write, sync or removal is on the pool */
    bool created;      /* a first write was started: something may be on the disk */
    bool finished;
    bool syncing; /* in pending or round, records or batch */
    bool aborted;
    bool wants_room;
    struct store_chunk *open; /* being filled */
    struct store_chunk *first;
    struct store_chunk *last;
    size_t queued;   /* bytes in full chunks, waiting or being written */
    bool digesting;  /* in a list of streams, or in the job that digests them */
    bool undigested; /* in that list of the store */
    struct store_put *undigested_next;
    void (*on_room)(void *arg);
    void *room_arg;
    store_put_fn *written;
    store_put_fn *done;
    void *arg;

    struct loop_job job;
    struct store_chunk *writing;
    int fd;
    bool direct; /* fd has O_DIRECT, and all so far was whole blocks */
    enum base_err job_err;
    uint64_t header; /* bytes still to leave out of the digest */
    struct base_sha256 *sha;
    struct store_object object;
};

extern const struct store_fs store_fs_system;

/* store.c */
void store_retain(struct store *s);
void store_release(struct store *s);
bool store_location_valid(const char *location);
/* root and the location in out (STORE_PATH bytes); the location is valid. */
void store_full_path(const struct store *s, const char *location, char *out);
/* BASE_ENOSPC when n more bytes would touch the reserve. */
enum base_err store_space_check(struct store *s, uint64_t n) BASE_MUST_CHECK;

/* store_fs.c: helpers that return a base_err for errno */
enum base_err store_fs_mkdir(const struct store_fs *fs, const char *path) BASE_MUST_CHECK;
/* To be listed; not through a link. NULL and errno. */
DIR *store_fs_open_folder(const char *path);
enum base_err store_fs_sync_folder(const struct store_fs *fs, const char *path) BASE_MUST_CHECK;
/* A new file, or -1 and errno. Around the page cache where *direct says so and the file system can:
 * copying into it and writing it out again is the largest cost of a store. */
int store_fs_create(const struct store_fs *fs, const char *path, bool *direct);
/* What is no whole block goes through the page cache; the sync that follows covers both. */
void store_fs_leave_direct(int fd, bool *direct);
/* Fills n bytes or fails: BASE_EIO when the file is shorter. */
enum base_err store_fs_read(const struct store_fs *fs, int fd, void *p, size_t n,
                            uint64_t at) BASE_MUST_CHECK;

/* store_chunk.c */
/* Large, or small; tiny when the store's memory is in use. NULL when out of memory. */
struct store_chunk *store_chunk_get(struct store *s, bool small);
/* Takes a list. */
void store_chunk_put(struct store *s, struct store_chunk *list);
/* All of the store's memory is in use; half of it. */
bool store_chunk_pressed(const struct store *s);
bool store_chunk_scarce(const struct store *s);
/* When none is in use. */
void store_chunk_drop_slabs(struct store *s);

/* store_digest.c */
/* The put has gathered new bytes. */
void store_digest_later(struct store_put *put);
/* All that was gathered; before chunks are given back, a put streams, or its digest is ended. */
void store_digest_now(struct store *s);
/* The put streams and may have full chunks to digest: on the pool, then store_put_advance. */
void store_digest_stream(struct store_put *put);

/* store_sync.c */
void store_put_list_add(struct store_put_list *list, struct store_put *put);
struct store_put *store_put_list_take(struct store_put_list *list);
void store_folder_release(struct store_folder *f);
/* The put is written completely: syncs it in the next round. */
void store_sync_add(struct store_put *put);

/* store_segment.c */
/* The put is whole in memory: a record in the next write. */
void store_segment_add(struct store_put *put);
enum base_err store_segment_init(struct store *s) BASE_MUST_CHECK;
/* Cuts it off behind the last record. Blocks. */
void store_segment_seal(struct store *s);

/* store_put.c */
/* A job of the put has ended, or there is more of it: what comes next? May end it. */
void store_put_advance(struct store_put *put);
/* After a failure or an abort; while a chunk is being digested, not yet. */
void store_put_drop_chunks(struct store_put *put);
/* Ends a put that left its round. */
void store_put_synced(struct store_put *put);

#endif
