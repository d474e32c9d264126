/*
 * Objects for the load generator, made in memory: a header of a few hundred
 * bytes with UIDs of its own, and bulk data that all objects of a set share. Bulk
 * data of gigabytes are a few MiB that repeat. Explicit VR Little Endian.
 */
#ifndef BENCH_LOAD_OBJECT_H
#define BENCH_LOAD_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_UID = 65, LOAD_HEADER = 2048, LOAD_PIECE = 1 << 20 };

struct load_set {
    const char *name;
    const char *sop_class;
    const char *modality;
    unsigned per_study; /* objects that share study and series */
    unsigned rows;
    unsigned columns;
    unsigned frames; /* 0: not a multi-frame object */
    size_t bulk_n;
    uint8_t *bulk; /* pixel data or the waveform sequence, with its element header */
    size_t period; /* after so many bytes it begins again */
};

/* An object: head, then the set's bulk. */
struct load_object {
    char sop_uid[LOAD_UID];
    uint8_t head[LOAD_HEADER];
    size_t head_n;
};

/* "ct" 0.5 MiB, "ecg" 120 KiB, "dx" 15 MiB, "large" 128 MiB, "huge" almost
 * 4 GiB; NULL for any other name, or when out of memory. For the life of the process. */
struct load_set *load_set_find(const char *name);
/* Where the bulk goes on at this offset: LOAD_PIECE bytes there, or up to its end. */
const uint8_t *load_bulk_at(const struct load_set *set, size_t at);
/* The number-th object of this lane; run makes the UIDs of a run its own. */
void load_object_make(const struct load_set *set, uint32_t run, unsigned lane, unsigned number,
                      struct load_object *out);

#endif
