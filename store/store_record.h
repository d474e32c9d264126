/*
 * Objects as they lie on the disk, whoever looks: a file of its own, or a
 * record inside a segment. Blocking; for store/ only.
 *
 *   <incarnation>/<folder number>/<sequence number>.<ext>    a file
 *   <incarnation>/s<segment number>/<offset>-<size>.<ext>    a record
 *
 * A segment is the file <incarnation>/s<segment number>. Its records begin at
 * multiples of STORE_ALIGN with a block that says what follows, then come the
 * bytes of the object, padded with zeros to whole blocks:
 *
 *   0    8  "rdc-rec\n"
 *   8    4  version, 1                    (numbers are little endian)
 *   12   4  1 = live, 2 = removed
 *   16   8  bytes of the object
 *   24   8  how many of them, from the end, are digested
 *   32  32  their SHA-256
 *   64   8  when it was written, microseconds since 1970
 *   72  96  its location, padded with zeros
 *   168 32  SHA-256 of these 168 bytes
 *
 * The location holds the random part of the incarnation's name, so that no
 * sender can make bytes that would pass for a record. Blocks of zeros are space
 * that was preallocated or given back; a removed record is a hole, or marked
 * where the file system has no holes. What is neither was torn by a power cut.
 *
 * A file of its own says so in its extended attribute user.rdc.object, which it
 * gets before the sync that comes before every acknowledgement:
 *
 *   0    8  bytes of the object           (numbers are little endian)
 *   8    8  how many of them, from the end, are digested
 *   16   32 their SHA-256
 *
 * The folder of an incarnation has user.rdc.marks where the file system knows
 * such attributes. There, a file without its own was never acknowledged; where a
 * copy has lost both, that cannot be told.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "store/store.h"

enum {
    STORE_RECORD_HEAD = 200, /* of the first block; the rest of it is zero */
    STORE_PLACE = 64,        /* <incarnation>/s<number> */
};

/* Where an object is, from its location alone. */
struct store_place {
    char file[STORE_LOCATION]; /* below the store */
    bool is_record;
    uint64_t at; /* of a record: its header block */
    uint64_t size;
};

struct store_record {
    bool removed;
    uint64_t size;
    uint64_t digested;
    uint8_t sha256[BASE_SHA256];
    int64_t written_us;
    char location[STORE_LOCATION];
};

/* An object that was opened: `size` bytes from `base` of fd. */
struct store_span {
    int fd;
    uint64_t base;
    uint64_t size;
    int64_t written_us;
    struct store_record record; /* all zero of a file */
};

/* False: no location. */
bool store_place_of(const char *location, struct store_place *out);
/* Whether an entry of an incarnation's folder is a segment. */
bool store_is_segment(const char *name);
/* Bytes of a segment that an object takes. */
uint64_t store_record_room(uint64_t size);

/* block: STORE_ALIGN bytes. */
void store_record_write(const struct store_record *r, uint8_t *block);

/* ---- the marks of files ---- */

/* *marks: whether the files below get marks, which the folder then says. */
enum base_err store_mark_folder(const struct store_fs *fs, const char *folder,
                                bool *marks) BASE_MUST_CHECK;
/* The object is a file. */
bool store_mark_is_promised(const char *root, const char *location);
enum base_err store_mark_write(const struct store_fs *fs, int fd,
                               const struct store_object *object) BASE_MUST_CHECK;
/* False: there is none. Only size, digested and sha256 are set. */
bool store_mark_read(int fd, struct store_object *out);

/* root: <data>/store. BASE_EINVAL (location), BASE_ENOTFOUND, BASE_EFORMAT: what
 * is there is not that object, or not all of it. The caller closes out->fd. */
enum base_err store_span_open(const struct store_fs *fs, const char *root, const char *location,
                              struct store_span *out) BASE_MUST_CHECK;

enum store_erase {
    STORE_ERASE_KNOWN, /* only what is that object */
    STORE_ERASE_TORN   /* its space, whatever was written there */
};
/* Gives back the space of an object. sealed: nothing is appended to its segment
 * any more, which goes too when nothing is left in it. */
enum base_err store_object_erase(const struct store_fs *fs, const char *root, const char *location,
                                 enum store_erase how, bool sealed) BASE_MUST_CHECK;
/* Moves it to <data>/lost, as a file. */
enum base_err store_object_lose(const struct store_fs *fs, const char *data,
                                const char *location) BASE_MUST_CHECK;
/* In seconds, since it was written; -1 when that cannot be told. */
int64_t store_object_age(const struct store_fs *fs, const char *root, const char *location);

/* ---- the records of a segment, one after the other ---- */

struct store_walk {
    const struct store_fs *fs;
    int fd;
    char file[STORE_PLACE];
    uint64_t at;
    uint64_t size;
    int64_t changed_us; /* the segment was last: no record is younger */
    uint64_t end;       /* of the last record or torn bytes so far */
    bool torn;          /* there were bytes that are no record, the last ones from torn_at */
    uint64_t torn_at;
    bool later; /* there was a record of a later version: the rest is left alone */
    uint8_t block[4096];
};

/* file: <incarnation>/s<number>. The caller closes it. */
enum base_err store_walk_open(const struct store_fs *fs, const char *root, const char *file,
                              struct store_walk *out) BASE_MUST_CHECK;
void store_walk_close(struct store_walk *w);
/* *found false: there was none left. */
enum base_err store_walk_next(struct store_walk *w, struct store_record *out,
                              bool *found) BASE_MUST_CHECK;
/* Of a segment that nobody appends to: cuts off what follows the last record,
 * or removes it when there is none. *gone: removed. */
enum base_err store_segment_trim(const struct store_fs *fs, const char *root, const char *file,
                                 bool *gone) BASE_MUST_CHECK;

#endif
