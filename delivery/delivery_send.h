/* One delivery over one association, as Storage SCU (PS3.4 B). */
#ifndef DELIVERY_SEND_H
#define DELIVERY_SEND_H

#include "delivery/delivery.h"

#include <jansson.h>

enum delivery_outcome {
    DELIVERY_OK,       /* every object was answered with success or a warning */
    DELIVERY_RETRY,    /* a passing failure */
    DELIVERY_PERMANENT /* the peer will never take it like this */
};

/* message: what went wrong, for an operator; when OK the warnings, "" without any. Borrowed. */
typedef void delivery_sent_fn(void *arg, enum delivery_outcome outcome, const char *message);

/* row is what delivery_claim() returned; borrowed until fn, which runs exactly
 * once, perhaps inside this call. */
void delivery_send(const struct delivery_config *config, const json_t *row, delivery_sent_fn *fn,
                   void *arg);

#endif
