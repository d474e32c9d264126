/* MLLP frames in any split, and the messages and batches in them. The first byte is the
 * size of the pieces. */
#include "base/json.h"
#include "hl7/hl7_batch.h"
#include "hl7/hl7_order.h"
#include "net/net_mllp.h"

#include <stdlib.h>

static struct hl7_message message;

static void take_message(struct base_bytes text)
{
    struct base_buf out = {.cap = 1 << 20};
    struct base_error error;
    struct base_json j;
    struct hl7_problem problem = {.text = ""};
    base_json_init(&j, &out);
    if (hl7_parse(text, &message, &error) == BASE_OK) {
        enum base_err err = hl7_orders_write(&message, &j, &problem);
        base_buf_reset(&out);
        hl7_write_ack(&message,
                      &(struct hl7_ack){.code = "AA",
                                        .text = err ? problem.text : NULL,
                                        .error_code = err ? problem.code : "0",
                                        .error_name = err ? problem.name : "",
                                        .location = problem.location,
                                        .control_id = "1",
                                        .time = "2026"},
                      &out);
    }
    base_buf_deinit(&out);
}

static void take_frame(struct base_bytes text)
{
    struct base_buf answer = {0};
    struct hl7_batch b = {.rest = text};
    struct base_bytes one;
    unsigned messages;
    unsigned taken = 0;
    if (!hl7_is_batch(text)) {
        take_message(text);
    } else if (hl7_batch_check(text, &messages, &(struct base_error){0})) {
        hl7_batch_refuse(&b, &answer);
        if (hl7_batch_next(&b, &one, &answer))
            abort();
    } else {
        for (; hl7_batch_next(&b, &one, &answer); b.answers++, taken++)
            take_message(one);
        if (taken != messages)
            abort();
    }
    base_buf_deinit(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_mllp_decoder d = {.message = {.cap = 64 * 1024}};
    size_t step = size ? 1 + data[0] : 1;
    for (size_t at = 1; at < size; at += step) {
        struct base_bytes in = base_bytes_of(data + at, size - at < step ? size - at : step);
        enum net_mllp_step s = NET_MLLP_MORE;
        while (in.n && (s = net_mllp_decode(&d, &in)) == NET_MLLP_MESSAGE) {
            take_frame(hl7_beginning(base_buf_bytes(&d.message)));
            net_mllp_next(&d);
        }
        if (s == NET_MLLP_NOISE || s == NET_MLLP_TOO_LONG)
            break;
    }
    base_buf_deinit(&d.message);
    return 0;
}
