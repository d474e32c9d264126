/* BioSig as its manual has it: sopen, sread of all records, the data summed. */
#include "ecg_speed.h"

#ifdef RDC_BENCH_BIOSIG
#include <biosig.h>

static double add_up(const double *v, size_t n)
{
    double part[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            part[k] += v[i + k];
    for (; i < n; i++)
        part[0] += v[i];
    for (size_t k = 1; k < 8; k++)
        part[0] += part[k];
    return part[0];
}

static int read_biosig(const char *path, struct ecg_speed_sum *sum)
{
    HDRTYPE *h = sopen(path, "r", NULL);
    int failed = -1;
    if (h && !serror2(h)) {
        h->FLAG.UCAL = 1; /* counts, which is quicker than volts */
        sread(NULL, 0, (size_t)h->NRec, h);
        size_t n = (size_t)h->data.size[0] * (size_t)h->data.size[1];
        if (!serror2(h) && h->data.block && n) {
            sum->sum += add_up(h->data.block, n);
            sum->samples += n;
            failed = 0;
        }
    }
    destructHDR(h);
    return failed;
}

ecg_speed_reader *ecg_speed_biosig(void)
{
    return read_biosig;
}
#else
ecg_speed_reader *ecg_speed_biosig(void)
{
    return NULL;
}
#endif
