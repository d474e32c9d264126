/*
 * Objects for the load generator, made in memory: a header of a few hundred
 * bytes with UIDs of its own, and bulk data that all objects of a set share.
 * Explicit VR Little Endian.
 */
#ifndef BENCH_LOAD_OBJECT_H
#define BENCH_LOAD_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_UID = 65, LOAD_HEADER = 2048 };

struct load_set {
    const char *name;
    const char *sop_class;
    const char *modality;
    unsigned per_study; /* objects that share study and series */
    unsigned rows;
    unsigned columns;
    size_t bulk_n;
    uint8_t *bulk; /* pixel data or the waveform sequence, with its element header */
};

/* An object: head, then the set's bulk. */
struct load_object {
    char sop_uid[LOAD_UID];
    uint8_t head[LOAD_HEADER];
    size_t head_n;
};

/* "ct" 0.5 MiB, "ecg" 120 KiB, "dx" 15 MiB; NULL for any other name, or when
 * out of memory. For the life of the process. */
struct load_set *load_set_find(const char *name);
/* The number-th object of this lane; run makes the UIDs of a run its own. */
void load_object_make(const struct load_set *set, uint32_t run, unsigned lane, unsigned number,
                      struct load_object *out);

#endif
