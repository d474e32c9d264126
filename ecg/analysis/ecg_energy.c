#include "ecg/analysis/ecg_energy.h"

#include "ecg/analysis/ecg_energy_loops.h"

static const struct ecg_energy scalar = {.pairs = pairs, .energy = energy, .smallest = smallest};

const struct ecg_energy *ecg_energy_choose(enum ecg_simd level)
{
#if ECG_SIMD_X86
    if (level >= ECG_SIMD_AVX2)
        return &ecg_energy_avx2;
#else
    (void)level;
#endif
    return &scalar;
}
