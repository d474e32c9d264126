/*
 * What the machine allows: measured beside rdc, on the same file system, in the same run.
 *
 *   floor disk FOLDER SIZE THREADS OBJECTS LOG   objects of SIZE bytes appended to one file around
 *       the page cache, then LOG bytes for each to another one, as a database's log; a thread
 *       waits until both are synced, and those that wait at the same time share the syncs
 *   floor cpu FOLDER SIZE OBJECTS                CPU time that one object takes at the least:
 *       received over loopback, digested, written around the page cache
 *
 * Prints one JSON line. No protocol, no rows, no answers: nothing that stores with
 * this guarantee can be faster.
 */
#include "base/digest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ALIGN = 4096, PIECE = 256 << 10, THREADS_MAX = 256 };

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static size_t up(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* Not all zero: some disks do less for zeros. */
static uint8_t *make_bytes(size_t n)
{
    uint8_t *p = aligned_alloc(ALIGN, up(n));
    uint32_t x = 2463534242U;
    if (!p)
        die("memory");
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        p[i] = (uint8_t)x;
    }
    return p;
}

/* A file that is gone when it is closed. */
static int make_file(const char *folder, size_t room, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/floor-XXXXXX", folder);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        die(path);
    close(fd);
    fd = open(path, O_RDWR | O_CLOEXEC | flags);
    unlink(path);
    if (fd < 0)
        die("open");
    int err = posix_fallocate(fd, 0, (off_t)room);
    if (err) {
        fprintf(stderr, "floor: %s\n", strerror(err));
        exit(1);
    }
    return fd;
}

/* ---- disk: group commit without anything around it ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t synced;
    int data;
    int log;
    const uint8_t *bytes;
    size_t size;
    size_t log_size;
    size_t log_at;
    unsigned objects;
    unsigned next;
    unsigned waiting;    /* written, not yet in a round of syncs */
    unsigned long begun; /* rounds of syncs; one at a time */
    unsigned long ended;
} d = {.lock = PTHREAD_MUTEX_INITIALIZER, .synced = PTHREAD_COND_INITIALIZER};

/* One sync of the data for all that have written, then their commit. */
static void sync_round(void)
{
    size_t n = up(d.waiting * d.log_size);
    off_t at = (off_t)d.log_at;
    d.waiting = 0;
    d.log_at += n;
    d.begun++;
    pthread_mutex_unlock(&d.lock);
    if (fdatasync(d.data) != 0)
        die("fdatasync");
    for (size_t done = 0; done < n; done += ALIGN)
        if (pwrite(d.log, d.bytes, ALIGN, at + (off_t)done) != ALIGN)
            die("log");
    if (n && fdatasync(d.log) != 0)
        die("fdatasync");
    pthread_mutex_lock(&d.lock);
    d.ended++;
    pthread_cond_broadcast(&d.synced);
}

static void *run_thread(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&d.lock);
    while (d.next < d.objects) {
        off_t at = (off_t)d.next++ * (off_t)up(d.size);
        pthread_mutex_unlock(&d.lock);
        if (pwrite(d.data, d.bytes, up(d.size), at) != (ssize_t)up(d.size))
            die("write");
        pthread_mutex_lock(&d.lock);
        d.waiting++;
        /* A round that was under way before does not cover this object. */
        unsigned long mine = d.begun + 1;
        while (d.ended < mine) {
            if (d.begun == d.ended)
                sync_round();
            else
                pthread_cond_wait(&d.synced, &d.lock);
        }
    }
    pthread_mutex_unlock(&d.lock);
    return NULL;
}

static int run_disk(char **argv)
{
    pthread_t threads[THREADS_MAX];
    unsigned n = (unsigned)strtoul(argv[2], NULL, 10);
    d.size = strtoull(argv[1], NULL, 10);
    d.objects = (unsigned)strtoul(argv[3], NULL, 10);
    d.log_size = strtoull(argv[4], NULL, 10);
    if (n == 0 || n > THREADS_MAX || d.size == 0)
        return 2;
    d.bytes = make_bytes(d.size > ALIGN ? d.size : ALIGN);
    d.data = make_file(argv[0], d.objects * up(d.size), O_DIRECT);
    d.log = make_file(argv[0], d.objects * (up(d.log_size) + ALIGN), 0);
    double began = now(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, run_thread, NULL) != 0)
            die("thread");
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    double took = now(CLOCK_MONOTONIC) - began;
    printf("{\"per_second\": %.1f, \"mib_per_second\": %.1f, \"objects_per_sync\": %.1f}\n",
           d.objects / took, d.objects / took * (double)d.size / 1048576,
           (double)d.objects / (double)d.ended);
    return 0;
}

/* ---- CPU: what each part takes alone ---- */

struct sender {
    struct sockaddr_in to;
    const uint8_t *bytes;
    size_t size;
    unsigned objects;
};

static void *run_sender(void *arg)
{
    const struct sender *s = arg;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&s->to, sizeof s->to) != 0)
        die("connect");
    for (unsigned i = 0; i < s->objects; i++) {
        for (size_t at = 0; at < s->size;) {
            ssize_t r = send(fd, s->bytes + at, s->size - at < PIECE ? s->size - at : PIECE, 0);
            if (r <= 0)
                die("send");
            at += (size_t)r;
        }
    }
    close(fd);
    return NULL;
}

static double receive_seconds(const uint8_t *bytes, size_t size, unsigned objects)
{
    struct sender s = {.bytes = bytes,
                       .size = size,
                       .objects = objects,
                       .to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof s.to;
    static uint8_t buffer[PIECE];
    pthread_t thread;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(l, (struct sockaddr *)&s.to, n) != 0 || listen(l, 1) != 0 ||
        getsockname(l, (struct sockaddr *)&s.to, &n) != 0 ||
        pthread_create(&thread, NULL, run_sender, &s) != 0)
        die("listen");
    int fd = accept(l, NULL, NULL);
    double began = now(CLOCK_THREAD_CPUTIME_ID);
    while (recv(fd, buffer, sizeof buffer, 0) > 0)
        ;
    double took = now(CLOCK_THREAD_CPUTIME_ID) - began;
    pthread_join(thread, NULL);
    close(fd);
    close(l);
    return took;
}

static double digest_seconds(const uint8_t *bytes, size_t size, unsigned objects)
{
    uint8_t digest[BASE_SHA256];
    double began = now(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < objects; i++) {
        struct base_sha256 *sha = base_sha256_new();
        if (!sha)
            die("sha256");
        base_sha256_add(sha, bytes, size);
        base_sha256_end(sha, digest);
        base_sha256_free(sha);
    }
    return now(CLOCK_THREAD_CPUTIME_ID) - began;
}

static double write_seconds(const char *folder, const uint8_t *bytes, size_t size, unsigned objects)
{
    int fd = make_file(folder, objects * up(size), O_DIRECT);
    double began = now(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < objects; i++)
        if (pwrite(fd, bytes, up(size), (off_t)i * (off_t)up(size)) != (ssize_t)up(size))
            die("write");
    if (fdatasync(fd) != 0)
        die("fdatasync");
    double took = now(CLOCK_THREAD_CPUTIME_ID) - began;
    close(fd);
    return took;
}

static int run_cpu(char **argv)
{
    size_t size = strtoull(argv[1], NULL, 10);
    unsigned objects = (unsigned)strtoul(argv[2], NULL, 10);
    if (size == 0 || objects == 0)
        return 2;
    const uint8_t *bytes = make_bytes(size);
    double ms = 1000.0 / objects;
    printf("{\"receive_ms\": %.4f, \"sha256_ms\": %.4f, \"write_ms\": %.4f}\n",
           receive_seconds(bytes, size, objects) * ms, digest_seconds(bytes, size, objects) * ms,
           write_seconds(argv[0], bytes, size, objects) * ms);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "disk") == 0)
        return run_disk(argv + 2);
    if (argc == 5 && strcmp(argv[1], "cpu") == 0)
        return run_cpu(argv + 2);
    fprintf(stderr, "floor: unknown or missing arguments; see the head of floor.c\n");
    return 2;
}
