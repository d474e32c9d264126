/*
 * The folder of the store as commands look at it: blocking, without an
 * incarnation of its own, beside workers that may be running.
 */
#ifndef STORE_STORE_TREE_H
#define STORE_STORE_TREE_H

#include "store/store.h"

struct store_tree;

struct store_tree_file {
    char location[STORE_LOCATION]; /* or, of a strange one, where it lies below the store */
    bool strange; /* no object: a name or a kind of file that the store never makes */
    bool torn;    /* no object: bytes in a segment that are no record */
    bool alive;   /* its owner runs: it may not be acknowledged yet */
    uint64_t size;
    int64_t age_s; /* since it was last written */
};

/* data as in store_open. A store that was never used is empty. BASE_EDENIED, BASE_EIO, BASE_ENOMEM.
 */
enum base_err store_tree_open(const char *data, struct store_tree **out) BASE_MUST_CHECK;
/* Whether the folder that a location begins with is there: BASE_OK, BASE_ENOTFOUND,
 * BASE_EDENIED, BASE_EIO, BASE_EINVAL (no such name). */
enum base_err store_tree_find(const char *data, const char *incarnation) BASE_MUST_CHECK;
/* Takes NULL. */
void store_tree_close(struct store_tree *t);
/* The next file, in no order. *found false: there was none left. Files that
 * vanish meanwhile are passed over. */
enum base_err store_tree_next(struct store_tree *t, struct store_tree_file *out,
                              bool *found) BASE_MUST_CHECK;
/* Incarnations whose owner runs, among those seen so far. */
unsigned store_tree_alive(const struct store_tree *t);

/* Moves an unknown object to <data>/lost. BASE_ECONFLICT when its owner runs,
 * BASE_ENOTFOUND, BASE_EIO. */
enum base_err store_tree_lose(const char *data, const char *location) BASE_MUST_CHECK;
/* Appends what store_path gives. BASE_EINVAL when it is not a location. */
enum base_err store_tree_path(const char *data, const char *location,
                              struct base_buf *out) BASE_MUST_CHECK;

/* An object open for reading: size bytes from base of fd, which the caller closes. */
struct store_tree_object {
    int fd;
    uint64_t base;
    uint64_t size;
    bool has_sha256;     /* the store itself knows it */
    bool unacknowledged; /* it lacks what all have there that were ever acknowledged */
    uint8_t sha256[BASE_SHA256];
};
/* BASE_EINVAL (location), BASE_ENOTFOUND, BASE_EFORMAT (something else is in its
 * place), BASE_EDENIED, BASE_EIO. */
enum base_err store_tree_object_open(const char *data, const char *location,
                                     struct store_tree_object *out) BASE_MUST_CHECK;

/* What store_path gave as a path that any program of this process can open: a
 * file as it is, an object inside a segment as a copy in memory. Other paths
 * stay what they are. Blocks. */
struct store_plain {
    const char *path; /* borrows from this struct, or from what was given */
    int fd;
    char memory[32];
};
enum base_err store_plain_open(const char *path, struct store_plain *out) BASE_MUST_CHECK;
void store_plain_close(struct store_plain *p);

#endif
