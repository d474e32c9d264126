/*
 * Runs a fuzz target over every file of a corpus folder, and over mutations of
 * each: bytes flipped, cut, repeated and set to extremes, from a fixed seed, so
 * that a failure repeats. An empty corpus is a failure.
 *
 *   fuzz_x CORPUS [MUTATIONS-PER-FILE]
 */
#include "mutate.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 1 << 20 };

/* Exact-size copies, so that the sanitizer sees a read past the end. */
static void run_once(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static int run_file(const char *path, unsigned long mutations)
{
    static uint8_t original[FILE_MAX];
    static uint8_t changed[FILE_MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    size_t n = fread(original, 1, sizeof original, f);
    fclose(f);
    run_once(original, n);
    uint64_t seed = 88172645463325252ULL ^ n;
    for (unsigned long i = 0; i < mutations; i++) {
        memcpy(changed, original, n);
        run_once(changed, mutate(changed, n, &seed));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS [MUTATIONS-PER-FILE]\n", argv[0]);
        return 2;
    }
    unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
    DIR *d = opendir(argv[1]);
    if (!d) {
        perror(argv[1]);
        return 1;
    }
    unsigned files = 0;
    int failed = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        failed |= run_file(path, mutations);
        files++;
    }
    closedir(d);
    printf("%u files, %lu mutations each\n", files, mutations);
    if (files == 0)
        fprintf(stderr, "%s: empty corpus\n", argv[1]);
    return failed || files == 0;
}
