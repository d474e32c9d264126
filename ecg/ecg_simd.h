/*
 * Kernels in several forms: a scalar one, which is the definition, and faster ones
 * for what the processor has. A family of kernels is
 *
 *     ecg_NAME.h               a struct of function pointers, and ecg_NAME_choose(level)
 *     ecg_NAME.c               the scalar forms
 *     ecg_NAME_simd_sse41.c    each a const table; compiled for that processor
 *     ecg_NAME_simd_avx2.c     (ecg/CMakeLists.txt), with NULL for a kernel in which
 *     ecg_NAME_simd_avx512.c   it has nothing to gain
 *
 * Nothing is remembered: the compiler's runtime asks cpuid once, before main, and
 * ecg_simd_level only looks at that; callers take the table once per recording.
 * Kernels never read or write past what they are given: tests/unit/simd_fixture.h
 * runs each against the scalar form with both ends at a guard page.
 */
#ifndef ECG_SIMD_H
#define ECG_SIMD_H

#if defined(__x86_64__)
#define ECG_SIMD_X86 1
#else
#define ECG_SIMD_X86 0
#endif

enum ecg_simd {
    ECG_SIMD_SCALAR,
    ECG_SIMD_SSE41,
    ECG_SIMD_AVX2,   /* with BMI, BMI2 and PCLMULQDQ */
    ECG_SIMD_AVX512, /* F, BW, VL, VBMI and VBMI2, with POPCNT */
    ECG_SIMD_COUNT
};

/* The best that this machine has. */
static inline enum ecg_simd ecg_simd_level(void)
{
#if ECG_SIMD_X86
    if (!__builtin_cpu_supports("sse4.1"))
        return ECG_SIMD_SCALAR;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("pclmul"))
        return ECG_SIMD_SSE41;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
        __builtin_cpu_supports("popcnt"))
        return ECG_SIMD_AVX512;
    return ECG_SIMD_AVX2;
#else
    return ECG_SIMD_SCALAR;
#endif
}

#endif
