/*
 * Which device is calling: device_find() in the database, cached by each worker
 * for API_DEVICE_MS, so that a device that opens an association per object does not
 * cost a transaction each time. Only devices that were found are cached. For that
 * long a device that was disabled or changed can still associate as before.
 */
#ifndef API_DEVICE_H
#define API_DEVICE_H

#include "base/digest.h"
#include "db/db.h"
#include "dicom/dicom_pdu.h"

#include <jansson.h>

enum { API_DEVICE_MS = 1000, API_DEVICE_ADDRESS = 64 };

struct api_devices;

/* What identifies a device. */
struct api_device_key {
    char calling[DICOM_AET_SIZE];
    char called[DICOM_AET_SIZE];
    char address[API_DEVICE_ADDRESS];
    char certificate[BASE_SHA256_HEX]; /* fingerprint of what it showed over TLS; "" = none */
};

/* row: the result of device_find(), borrowed for the call; keep it with json_incref.
 * NULL when the database did not answer. */
typedef void api_device_fn(void *arg, json_t *row);

/* db as rdc_ingest. */
enum base_err api_devices_new(struct db *db, struct api_devices **out) BASE_MUST_CHECK;
/* No call may be under way (db_close ends them). Takes NULL. */
void api_devices_free(struct api_devices *d);
/* The cached row, borrowed until the next call here; NULL when there is none. */
json_t *api_devices_known(struct api_devices *d, const struct api_device_key *key);
/* Asks the database. fn runs once, never inside this call. As db_call. */
enum base_err api_devices_ask(struct api_devices *d, const struct api_device_key *key,
                              api_device_fn *fn, void *arg) BASE_MUST_CHECK;

#endif
