/*
 * The store: immutable objects, each written once, synced, and then only read.
 *
 * An object is known by its location, a text that callers keep (in a row) and
 * never take apart; this implementation makes it a path below the data folder:
 *
 *   <data>/store/<incarnation>/<folder number>/<sequence number>.<ext>
 *   <data>/store/<incarnation>/s<segment number>/<offset>-<size>.<ext>
 *   <data>/lost/...             objects that no row knew, kept for people to look at
 *
 * A small object is a record in a segment, a file that many share: what finishes
 * together is one write and one sync (store_record.h says how it lies there). A
 * larger one, or one that comes while memory is short, is a file of its own.
 *
 * Every open store (one per worker process) writes below an incarnation folder
 * of its own, held by a flock on its file .lock for the life of the process.
 * Objects are written in place under their last name. So an object in the folder
 * of a dead incarnation is either known to the database or debris, and
 * store_sweep tells which.
 *
 * All functions belong to the loop thread; what blocks runs on the disk pool,
 * digests of large objects on the CPU pool; the loop has both.
 * Callbacks run on the loop thread and never before the call that took them has
 * returned. Sizes are in bytes.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct store;
struct statvfs;
struct iovec;

/* The system calls through which objects are changed. Tests put their own in
 * to make the n-th call fail; they run on several threads at once. Each behaves
 * as its namesake, with errno. */
struct store_fs {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*write)(int fd, const void *p, size_t n);
    ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t at);
    int (*fallocate)(int fd, int mode, off_t at, off_t n);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*mkdir)(const char *path, mode_t mode);
    int (*unlink)(const char *path);
    int (*rename)(const char *from, const char *to);
    int (*statvfs)(const char *path, struct statvfs *out);
    int (*fsetxattr)(int fd, const char *name, const void *value, size_t n, int flags);
};

/* All zero is the safe default. */
struct store_config {
    uint64_t reserve;          /* disk space that stays free for others (PostgreSQL) */
    size_t memory;             /* for the data of all puts on its way to the disk; 0 = 64 MiB */
    unsigned folder_files;     /* files per folder; 0 = 1000 */
    uint64_t segment;          /* of a segment, less on a small disk; 0 = 256 MiB */
    bool files_only;           /* every object in a file of its own */
    bool unsafe_no_sync;       /* for benchmarks: an acknowledged object may be lost */
    bool buffered;             /* write through the page cache, not around it */
    bool held;                 /* nothing is made before store_begin */
    const struct store_fs *fs; /* NULL = the system's; outlives the store */
};

/* Blocks shortly; for the start of a worker. data is an existing folder, slot
 * the worker's number (it shows in the folder's name). config NULL = default.
 * BASE_ENOTFOUND, BASE_EDENIED, BASE_ENOSPC, BASE_EIO, BASE_ENOMEM. */
enum base_err store_open(struct loop *l, const char *data, unsigned slot,
                         const struct store_config *config, struct store **out) BASE_MUST_CHECK;
/* Where the configuration says held: makes the folder that objects are written to, with the
 * errors of store_open. Until then new objects are BASE_EUNAVAILABLE. */
enum base_err store_begin(struct store *s) BASE_MUST_CHECK;
/* No call may follow; what is under way still ends with its callback, and with
 * the last of them the store is freed and its lock given up. So loop_run or
 * loop_free comes after. Takes NULL. */
void store_close(struct store *s);

/* ---- writing ---- */

enum { STORE_LOCATION = 96 };

struct store_object {
    char location[STORE_LOCATION];
    uint8_t sha256[BASE_SHA256]; /* of the digested part */
    uint64_t size;               /* of all of it */
    uint64_t digested;           /* of the digested part */
};

/*
 * An object that arrives:
 *
 *   new ─► [header] ─► write* ─► finish ─► callback       abort at any time before it
 *
 * The put belongs to the store. The caller's pointer ends with store_put_abort
 * or when the last callback of store_put_finish starts.
 */
struct store_put;

/* object is borrowed and set only when err is BASE_OK: then the object, and the
 * way to it, are durable. Otherwise it is gone: BASE_ENOSPC, BASE_EIO,
 * BASE_EDENIED, BASE_ENOMEM, BASE_ECANCELED (the loop ends). Nothing is tried
 * twice on the same file; write the object anew. */
typedef void store_put_fn(void *arg, enum base_err err, const struct store_object *object);

/* ext: 1 to 8 of a-z 0-9. BASE_ENOSPC when only the reserve is left,
 * BASE_EINVAL, BASE_ENOMEM. */
enum base_err store_put_new(struct store *s, const char *ext, enum loop_class class,
                            struct store_put **out) BASE_MUST_CHECK;
/* The first n bytes of the object are not digested (PS3.10 7.1: preamble, prefix
 * and file meta group). Before the first write. */
void store_put_header(struct store_put *put, uint64_t n);
/* Copies. Takes any amount also without room, but who wants to bound memory
 * asks store_put_room first. An error is that of an earlier write to the disk,
 * or BASE_ENOMEM; finish would then report it too. */
enum base_err store_put_write(struct store_put *put, const void *p, size_t n) BASE_MUST_CHECK;
/* Where the next bytes will be, and how many fit there: what is put there and then written from
 * there is not copied. Until the next call for this put. 0: out of memory. */
size_t store_put_space(struct store_put *put, uint8_t **to);
/* Whether more should come now. After false, the callback set by
 * store_put_on_room runs once there is room again. A failed put has room. */
bool store_put_room(struct store_put *put);
void store_put_on_room(struct store_put *put, void (*fn)(void *arg), void *arg);
/* The first bytes that were written, as many as lie in memory in one piece; none
 * once they are on their way to the disk. Borrowed until the next call. */
struct base_bytes store_put_view(const struct store_put *put);
/* Ends the object. done runs exactly once, unless the put is aborted. Objects
 * that finish while others are being synced share the next round of syncs.
 * written (may be NULL) runs at most once before done, with BASE_OK: what the
 * object is called, its size and digest stand, and its round is about to begin.
 * So what must wait for done can be made ready beside the sync; done tells
 * whether it came about. */
void store_put_finish(struct store_put *put, store_put_fn *written, store_put_fn *done, void *arg);
/* Removes the object; no callback comes. Takes NULL. */
void store_put_abort(struct store_put *put);

/* No write of gathered objects begins until store_resume, 8 ms at most: for the sync of another
 * file that callers wait for, such as the database's log. A disk that is asked to sync takes first
 * what was written before. STAT objects, and what is under way, go on. */
void store_pause(struct store *s);
void store_resume(struct store *s);

/* All of the above in one, for objects that we made ourselves. Copies. */
enum base_err store_put_mem(struct store *s, const char *ext, enum loop_class class,
                            struct base_bytes header, struct base_bytes data, store_put_fn *fn,
                            void *arg) BASE_MUST_CHECK;

/* Removes an object whose transaction is known to have failed; not one whose
 * outcome is unknown, which the sweep decides. fn may be NULL.
 * BASE_EINVAL (location), BASE_ENOMEM; in fn also BASE_ENOTFOUND, BASE_EIO. */
typedef void store_done_fn(void *arg, enum base_err err);
enum base_err store_remove(struct store *s, const char *location, store_done_fn *fn,
                           void *arg) BASE_MUST_CHECK;

/* ---- reading ---- */

/* The object's path, for programs that read files only (DCMTK); they pass it
 * through store_plain_open, since it may lead into a segment. Refuses what is not
 * a location with BASE_EINVAL. */
enum base_err store_path(const struct store *s, const char *location,
                         struct base_buf *out) BASE_MUST_CHECK;

struct store_read;
/* data is borrowed until the next call on the read. end: nothing follows.
 * On an error data is empty and only store_read_close may follow. */
typedef void store_read_fn(void *arg, enum base_err err, struct base_bytes data, bool end);

/* Reads from offset `from`. Opens the file with the first store_read_next,
 * which tells BASE_ENOTFOUND, BASE_EDENIED, BASE_EIO, or BASE_EINVAL when from
 * lies behind the end. BASE_EINVAL (location), BASE_ENOMEM. */
enum base_err store_read_open(struct store *s, const char *location, uint64_t from,
                              enum loop_class class, struct store_read **out) BASE_MUST_CHECK;
/* One piece of at most 512 KiB; ask for the next one when it has been used. */
void store_read_next(struct store_read *r, store_read_fn *fn, void *arg);
/* Of the whole file; known once a piece came. */
uint64_t store_read_size(const struct store_read *r);
/* At any time; a callback that was due does not come. Takes NULL. */
void store_read_close(struct store_read *r);

/* The whole object. The callback may keep the content by copying *buf and
 * setting it to zero; otherwise it is freed. BASE_ELIMIT when the object is
 * larger than cap; others as above. */
typedef void store_read_all_fn(void *arg, enum base_err err, struct base_buf *buf);
enum base_err store_read_all(struct store *s, const char *location, size_t cap,
                             enum loop_class class, store_read_all_fn *fn,
                             void *arg) BASE_MUST_CHECK;

/* ---- sweeping ---- */

enum { STORE_SWEEP_BATCH = 500 };
struct store_sweep;

struct store_sweep_result {
    uint64_t folders; /* incarnations looked through */
    uint64_t busy;    /* incarnations left alone: their owner lives, or another sweeps */
    uint64_t kept;    /* objects that the database knows */
    uint64_t young;   /* unknown ones left for a later sweep */
    uint64_t lost;    /* unknown ones moved to <data>/lost */
};

struct store_sweep_ops {
    /* Looks up n locations (at most STORE_SWEEP_BATCH, borrowed until the
     * answer) and calls store_sweep_answer, now or later. */
    void (*check)(void *arg, struct store_sweep *sweep, const char *const *locations, size_t n);
    /* Once, at the end; the result says how far it came. */
    void (*done)(void *arg, enum base_err err, const struct store_sweep_result *result);
    void *arg;
    /* Unknown files younger than this stay: a transaction of the dead process
     * may still be running in the database. In seconds, more than the longest
     * transaction may take. */
    unsigned grace_s;
};

/* Goes through the folders of dead incarnations; those once found clean are
 * marked and passed over from then on. Where one cannot be read or swept it stays for a later
 * sweep, the others are swept, and done gets the first error. BASE_ECONFLICT when a sweep of this
 * store is under way, BASE_ENOMEM. */
enum base_err store_sweep(struct store *s, const struct store_sweep_ops *ops) BASE_MUST_CHECK;
/* keep[i] says whether location i is known; NULL = the lookup failed: the sweep
 * ends with BASE_EUNAVAILABLE and leaves everything else as it is. */
void store_sweep_answer(struct store_sweep *sweep, const bool *keep);

#endif
