#include "api/api_device.h"

#include "base/clock.h"
#include "model/model_answer.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256 }; /* on a collision the newer device replaces the older */

struct slot {
    struct api_device_key key;
    json_t *row; /* NULL: free */
    int64_t until;
};

struct api_devices {
    struct db *db;
    struct slot slots[SLOTS];
};

struct ask {
    struct api_devices *devices;
    struct api_device_key key;
    int64_t at; /* when it was asked: the row is at least as new */
    api_device_fn *fn;
    void *arg;
};

enum base_err api_devices_new(struct db *db, struct api_devices **out)
{
    struct api_devices *d = calloc(1, sizeof *d);
    if (!d)
        return BASE_ENOMEM;
    d->db = db;
    *out = d;
    return BASE_OK;
}

void api_devices_free(struct api_devices *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        json_decref(d->slots[i].row);
    free(d);
}

static bool is_same(const struct api_device_key *a, const struct api_device_key *b)
{
    return strcmp(a->calling, b->calling) == 0 && strcmp(a->called, b->called) == 0 &&
           strcmp(a->address, b->address) == 0 && strcmp(a->certificate, b->certificate) == 0;
}

/* FNV-1a. Which slot it is matters only for speed: keys are compared in full. */
static uint32_t hash(uint32_t h, const char *s)
{
    do
        h = (h ^ (uint8_t)*s) * 16777619U;
    while (*s++);
    return h;
}

static struct slot *slot_of(struct api_devices *d, const struct api_device_key *key)
{
    uint32_t h = hash(2166136261U, key->calling);
    h = hash(hash(hash(h, key->called), key->address), key->certificate);
    return &d->slots[h % SLOTS];
}

json_t *api_devices_known(struct api_devices *d, const struct api_device_key *key)
{
    const struct slot *slot = slot_of(d, key);
    bool valid = slot->row && is_same(&slot->key, key) && base_clock_mono_ms() < slot->until;
    return valid ? slot->row : NULL;
}

static void remember(const struct ask *ask, json_t *row)
{
    struct slot *slot = slot_of(ask->devices, &ask->key);
    json_decref(slot->row);
    *slot =
        (struct slot){.key = ask->key, .row = json_incref(row), .until = ask->at + API_DEVICE_MS};
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    struct ask *ask = arg;
    json_t *row = model_answer(outcome, 0);
    if (json_object_get(row, "id"))
        remember(ask, row);
    ask->fn(ask->arg, row);
    json_decref(row);
    free(ask);
}

enum base_err api_devices_ask(struct api_devices *d, const struct api_device_key *key,
                              api_device_fn *fn, void *arg)
{
    struct ask *ask = malloc(sizeof *ask);
    if (!ask)
        return BASE_ENOMEM;
    *ask =
        (struct ask){.devices = d, .key = *key, .fn = fn, .arg = arg, .at = base_clock_mono_ms()};
    struct db_param params[] = {
        db_text(ask->key.calling), db_text(ask->key.address), db_text(ask->key.called),
        ask->key.certificate[0] ? db_text(ask->key.certificate) : db_null()};
    /* STAT, since whether its objects are urgent is not known before the answer. */
    struct db_tx *tx = db_tx_new(d->db, LOOP_STAT);
    db_tx_add(tx, DB_Q_DEVICE_FIND, params, 4);
    enum base_err err = db_tx_submit(tx, on_found, ask);
    if (err)
        free(ask);
    return err;
}
