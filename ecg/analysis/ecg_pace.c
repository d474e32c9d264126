#include "ecg/analysis/ecg_pace.h"

#include "ecg/analysis/ecg_window.h"

#include <math.h>
#include <string.h>

enum {
    LEADS = 16,
    LEADS_LEAST = 3,
    SPIKES_LEAST = 3,
    BLOCK = 4096,
    QUIET = 4 /* times 2 ms before a spike */
};
static const float JUMP_UV = 100;
static const double REFRACTORY_S = 0.05; /* of biventricular pacing there are two in this time */

struct leads {
    const struct ecg_lead *lead[LEADS];
    size_t n;
    size_t step; /* samples in 2 ms */
    size_t samples;
};

static bool choose_leads(const struct ecg_record *r, struct leads *l)
{
    *l = (struct leads){0};
    for (size_t i = 0; i < r->nleads && l->n < LEADS; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        if (!ecg_window_can(lead))
            continue;
        if (l->n && (fabs(lead->rate_hz - l->lead[0]->rate_hz) > 1e-6 ||
                     fabs(lead->start_s - l->lead[0]->start_s) > 1e-6))
            return false;
        l->samples = l->n && l->samples < lead->samples ? l->samples : lead->samples;
        l->lead[l->n++] = lead;
    }
    if (l->n < LEADS_LEAST || l->lead[0]->rate_hz < 499)
        return false;
    l->step = (size_t)lrint(l->lead[0]->rate_hz / 500);
    return true;
}

/* Adds one for each lead in which the signal goes far enough from this sample to the next. */
static void count_jumps(const struct leads *l, size_t from, size_t n, uint8_t *votes)
{
    memset(votes, 0, n);
    for (size_t k = 0; k < l->n; k++) {
        const struct ecg_lead *lead = l->lead[k];
        float least = JUMP_UV / fabsf((float)lead->uv_per_count);
        if (lead->i16) {
            const int16_t *x = lead->i16 + from, *y = x + l->step;
            int32_t counts = least < 65536 ? (int32_t)least : 65536;
            for (size_t i = 0; i < n; i++) {
                int32_t d = y[i] - x[i];
                votes[i] = (uint8_t)(votes[i] + (d > counts || d < -counts));
            }
        } else {
            const int32_t *x = lead->i32 + from, *y = x + l->step;
            for (size_t i = 0; i < n; i++)
                votes[i] = (uint8_t)(votes[i] + (fabsf((float)y[i] - (float)x[i]) > least));
        }
    }
}

/* The line is quiet before the jump, and does not go on that way after it, as a complex does. */
static bool jumps(const struct ecg_lead *lead, size_t step, size_t at)
{
    enum { MOST = 256 };
    float x[MOST];
    size_t before = QUIET * step, n = before + 2 * step + 1;
    if (n > MOST || at < before || at + 2 * step >= lead->samples)
        return false;
    ecg_lead_read_uv(lead, at - before, n, x);
    float low = x[0], high = x[0];
    for (size_t i = 1; i <= before; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    float jump = x[before + step] - x[before];
    float onward = (x[before + 2 * step] - x[before + step]) * (jump < 0 ? -1 : 1);
    return fabsf(jump) >= JUMP_UV && high - low <= fabsf(jump) / 6 && onward <= fabsf(jump) * 0.4F;
}

static bool is_spike(const struct leads *l, size_t at)
{
    size_t n = 0;
    for (size_t k = 0; k < l->n; k++)
        n += jumps(l->lead[k], l->step, at);
    return n * 2 >= l->n;
}

size_t ecg_pace_find(const struct ecg_record *r, double *at_s, size_t max)
{
    struct leads l;
    uint8_t votes[BLOCK];
    size_t n = 0;
    if (!choose_leads(r, &l))
        return 0;
    size_t apart = (size_t)(REFRACTORY_S * l.lead[0]->rate_hz), next = 0;
    for (size_t from = 0; from + l.step < l.samples; from += BLOCK) {
        size_t count = l.samples - l.step - from;
        count = count < BLOCK ? count : BLOCK;
        count_jumps(&l, from, count, votes);
        for (size_t i = 0; i < count && n < max; i++) {
            if (votes[i] * 2U < l.n || from + i < next || !is_spike(&l, from + i))
                continue;
            at_s[n++] = l.lead[0]->start_s + (double)(from + i) / l.lead[0]->rate_hz;
            next = from + i + apart;
        }
    }
    return n < SPIKES_LEAST ? 0 : n;
}
