/* The analysis of arbitrary samples: a byte for the number of leads and their rates, then
 * samples of 16 bits. What it finds must be in order and within the recording. */
#include "ecg/analysis/ecg_beats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double rates_hz[] = {128, 200, 360, 500, 1000, 50, 8000, 49};
    if (size < 4)
        return 0;
    size_t nleads = 1 + data[0] % 9;
    struct ecg_record *r = ecg_record_new(NULL);
    if (!r || ecg_record_set_leads(r, nleads))
        abort();
    size_t n = (size - 4) / 2 / nleads;
    for (size_t k = 0; k < nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        size_t odd = k == 1 ? data[1] % 4 : 0;
        size_t count = n > odd ? n - odd : 0;
        if (ecg_record_set_i16(r, lead, count))
            abort();
        for (size_t i = 0; i < count; i++)
            memcpy(&lead->i16[i], data + 4 + (k * n + i) * 2, 2);
        lead->rate_hz = rates_hz[(data[2] >> (k & 1 ? 3 : 0)) & 7];
        lead->uv_per_count = (int8_t)data[3] / 4.0;
        lead->start_s = k ? (int8_t)data[1] / 64.0 : 0;
    }
    struct ecg_beats beats = {0};
    struct ecg_rate rate;
    struct base_error err;
    if (ecg_beats_find(r, NULL, &beats, &err) == BASE_OK) {
        for (size_t i = 0; i < beats.n; i++) {
            double at = beats.beat[i].at_s;
            if (!(at > -1 && at < beats.seconds + 1) || (i && at < beats.beat[i - 1].at_s) ||
                !(beats.beat[i].certainty >= 0 && beats.beat[i].certainty <= 1))
                abort();
        }
        if (ecg_beats_rate(&beats, &rate))
            abort();
    }
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
    return 0;
}
