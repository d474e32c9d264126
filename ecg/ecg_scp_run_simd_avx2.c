#include <immintrin.h>
#include <stdint.h>

static inline void store_run(uint64_t run, int32_t *out)
{
    __m128i v = _mm_cvtsi64_si128((long long)run);
    _mm256_storeu_si256((void *)out, _mm256_cvtepi8_epi32(v));
}

#define scp_run_store store_run
#include "ecg/ecg_scp_run.h"

void ecg_scp_runs_avx2(struct scp_bits *a, const uint64_t *a_runs, struct scp_bits *b,
                       const uint64_t *b_runs)
{
    scp_take_runs(a, a_runs, b, b_runs);
}
