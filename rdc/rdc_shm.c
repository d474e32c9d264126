#include "rdc/rdc_shm.h"

#include <inttypes.h>
#include <sys/mman.h>

enum kind { counter, gauge };

struct row {
    const char *name;
    const char *help;
    enum kind kind;
    size_t offset;
};

static const struct row rows[] = {
#define ROW(name, kind, help) {#name, help, kind, offsetof(struct base_counters, name)},
    BASE_COUNTERS(ROW)
#undef ROW
};

static _Atomic int64_t *counter_at(struct base_counters *c, const struct row *row)
{
    return (_Atomic int64_t *)(void *)((char *)c + row->offset);
}

enum base_err rdc_shm_open(unsigned workers, struct rdc_shm **out)
{
    void *p = mmap(NULL, sizeof(struct rdc_shm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED)
        return BASE_ENOMEM;
    struct rdc_shm *shm = p;
    enum base_err err = base_quota_init(&shm->quota, workers);
    if (err) {
        munmap(p, sizeof *shm);
        return err;
    }
    shm->workers = workers;
    *out = shm;
    return BASE_OK;
}

void rdc_shm_begin(struct rdc_shm *shm, unsigned slot)
{
    base_count(&shm->slots[slot].counters.worker_starts_total, 1);
}

void rdc_shm_end(struct rdc_shm *shm, unsigned slot)
{
    struct base_counters *c = &shm->slots[slot].counters;
    atomic_store(&shm->slots[slot].reloads, 0);
    atomic_store(&shm->slots[slot].ready, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].kind == gauge)
            atomic_store(counter_at(c, &rows[i]), 0);
    base_quota_give_back(&shm->quota, slot);
}

void rdc_shm_print(const struct rdc_shm *shm, struct base_buf *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t sum = 0;
        for (unsigned k = 0; k < shm->workers; k++) {
            const char *base = (const char *)&shm->slots[k].counters + rows[i].offset;
            sum += atomic_load((const _Atomic int64_t *)(const void *)base);
        }
        base_buf_printf(out, "# HELP rdc_%s %s\n# TYPE rdc_%s %s\nrdc_%s %" PRId64 "\n",
                        rows[i].name, rows[i].help, rows[i].name,
                        rows[i].kind == gauge ? "gauge" : "counter", rows[i].name, sum);
    }
}
