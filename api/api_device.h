/*
 * Which device calls: device_find() of the database, remembered by each worker
 * for a moment, so that a device which opens an association for each object
 * costs no transaction each time. Only devices that were found are remembered,
 * and for API_DEVICE_MS: so long may one that was disabled or changed since
 * still open an association as it was.
 */
#ifndef API_DEVICE_H
#define API_DEVICE_H

#include "base/digest.h"
#include "db/db.h"
#include "dicom/dicom_pdu.h"

#include <jansson.h>

enum { API_DEVICE_MS = 1000, API_DEVICE_ADDRESS = 64 };

struct api_devices;

/* What tells devices apart. */
struct api_device_key {
    char calling[DICOM_AET_SIZE];
    char called[DICOM_AET_SIZE];
    char address[API_DEVICE_ADDRESS];
    char certificate[BASE_SHA256_HEX]; /* what was shown over TLS; "" */
};

/* row: as device_find() answers, borrowed for the call, which may keep it with
 * json_incref; NULL when the database did not answer. */
typedef void api_device_fn(void *arg, json_t *row);

/* db as rdc_ingest. */
enum base_err api_devices_new(struct db *db, struct api_devices **out) BASE_MUST_CHECK;
/* No call may be under way (db_close ends them). Takes NULL. */
void api_devices_free(struct api_devices *d);
/* The row, borrowed until the next call here, when it is remembered; else NULL. */
json_t *api_devices_known(struct api_devices *d, const struct api_device_key *key);
/* Asks the database. fn runs once, never inside this call. As db_call. */
enum base_err api_devices_ask(struct api_devices *d, const struct api_device_key *key,
                              api_device_fn *fn, void *arg) BASE_MUST_CHECK;

#endif
