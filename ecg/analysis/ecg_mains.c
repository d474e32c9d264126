#include "ecg/analysis/ecg_mains.h"

#include <math.h>

enum {
    F = ECG_WINDOW_BEFORE,
    PIECE = 50,     /* samples: five periods of 50 Hz, six of 60 */
    HALF = 5,       /* half a period of 50 Hz */
    QRS_FIRST = 45, /* about a beat */
    QRS_LAST = 110,
    LATEST = F + 310
};
static const float LEAST_UV = 8;

struct wave {
    float cosine; /* at the beat */
    float sine;
    float step; /* radians a sample */
};

static float height(const struct wave *w)
{
    return hypotf(w->cosine, w->sine);
}

/* Adds what these samples have of it: what goes on longer is little in what bends so fast. */
static void add(const float *x, int from, int to, struct wave *w)
{
    float step_cos = cosf(w->step), step_sin = sinf(w->step);
    float c = cosf(w->step * (float)(from - F)), s = sinf(w->step * (float)(from - F));
    for (int i = from; i < to; i++) {
        float v = x[i] - (x[i - HALF] + x[i + HALF]) / 2;
        w->cosine += v * c;
        w->sine += v * s;
        float next = c * step_cos - s * step_sin;
        s = s * step_cos + c * step_sin;
        c = next;
    }
}

/* From pieces without a complex, before the beat and after it, of whole periods, so that what is
 * there besides has no part in it. */
static struct wave find(const float *x, int before, int after, float hz)
{
    struct wave w = {0, 0, 2 * (float)M_PI * hz / ECG_WINDOW_HZ};
    int first = F - before + QRS_LAST > HALF ? F - before + QRS_LAST : HALF;
    int last = F + after - QRS_FIRST < LATEST ? F + after - QRS_FIRST : LATEST;
    int n = 0;
    for (int to = F - QRS_FIRST; to - PIECE >= first; to -= PIECE, n += PIECE)
        add(x, to - PIECE, to, &w);
    for (int from = F + QRS_LAST; from + PIECE <= last; from += PIECE, n += PIECE)
        add(x, from, from + PIECE, &w);
    float gain = 1 - cosf(w.step * HALF); /* of what add() looks at */
    w.cosine *= n ? 2 / (gain * (float)n) : 0;
    w.sine *= n ? 2 / (gain * (float)n) : 0;
    return w;
}

void ecg_mains_remove(float x[ECG_WINDOW], int before, int after)
{
    struct wave w = find(x, before, after, 50), other = find(x, before, after, 60);
    if (height(&other) > height(&w))
        w = other;
    if (height(&w) < LEAST_UV)
        return;
    for (int i = 0; i < ECG_WINDOW; i++) {
        float at = w.step * (float)(i - F);
        x[i] -= w.cosine * cosf(at) + w.sine * sinf(at);
    }
}
