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
    bool alive;   /* its owner runs: it may not be acknowledged yet */
    uint64_t size;
    int64_t age_s; /* since it was last written */
};

/* data as in store_open. A store that was never used is empty. BASE_EDENIED, BASE_EIO, BASE_ENOMEM.
 */
enum base_err store_tree_open(const char *data, struct store_tree **out) BASE_MUST_CHECK;
/* Takes NULL. */
void store_tree_close(struct store_tree *t);
/* The next file, in no order. *found false: there was none left. Files that
 * vanish meanwhile are passed over. */
enum base_err store_tree_next(struct store_tree *t, struct store_tree_file *out,
                              bool *found) BASE_MUST_CHECK;
/* Incarnations whose owner runs, among those seen so far. */
unsigned store_tree_alive(const struct store_tree *t);

/* Moves an unknown object to <data>/lost. BASE_ECONFLICT when its owner runs,
 * BASE_ENOTFOUND, BASE_EEXISTS, BASE_EIO. */
enum base_err store_tree_lose(const char *data, const char *location) BASE_MUST_CHECK;
/* Appends the file's path. BASE_EINVAL when it is not a location. */
enum base_err store_tree_path(const char *data, const char *location,
                              struct base_buf *out) BASE_MUST_CHECK;

#endif
