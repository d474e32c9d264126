#include "base/sha256_simd.h"

const uint32_t base_sha256_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define FOR_SHA __attribute__((target("sha,sse4.1")))

/* The working variables in the order that the instructions want, and the last 16 words of the
 * message schedule. */
struct lane {
    __m128i abef;
    __m128i cdgh;
    __m128i w[4];
};

bool base_sha256_pair_can(void)
{
    /* cpuid is slow in a virtual machine. */
    static atomic_int known; /* 0: not yet; 1: no; 2: yes */
    int can = atomic_load_explicit(&known, memory_order_relaxed);
    if (!can) {
        unsigned a, b, c, d;
        bool yes = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) &&
                   __builtin_cpu_supports("sse4.1");
        can = yes ? 2 : 1;
        atomic_store_explicit(&known, can, memory_order_relaxed);
    }
    return can == 2;
}

FOR_SHA static inline struct lane lane_of(const uint32_t h[8])
{
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const void *)h), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(h + 4)), 0x1b);
    return (struct lane){.abef = _mm_alignr_epi8(badc, hgfe, 8),
                         .cdgh = _mm_blend_epi16(hgfe, badc, 0xf0)};
}

FOR_SHA static inline void lane_end(const struct lane *l, uint32_t h[8])
{
    __m128i feba = _mm_shuffle_epi32(l->abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(l->cdgh, 0xb1);
    _mm_storeu_si128((void *)h, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Rounds 4 i to 4 i + 3. */
FOR_SHA static inline __attribute__((always_inline)) void rounds(struct lane *l, const uint8_t *p,
                                                                 int i)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i *w = l->w;
    if (i < 4) {
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(p + 16 * i)), big_endian);
    } else {
        __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
        w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
    }
    __m128i wk =
        _mm_add_epi32(w[i & 3], _mm_load_si128((const void *)(base_sha256_constants + 4 * i)));
    l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, wk);
    l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

FOR_SHA void base_sha256_pair(uint32_t *const *state, const uint8_t *const *bytes, size_t blocks)
{
    struct lane a = lane_of(state[0]);
    struct lane b = lane_of(state[1]);
    const uint8_t *p0 = bytes[0];
    const uint8_t *p1 = bytes[1];
    for (; blocks; blocks--, p0 += 64, p1 += 64) {
        const struct lane a0 = a;
        const struct lane b0 = b;
#define BOTH(i) rounds(&a, p0, i), rounds(&b, p1, i)
        BOTH(0), BOTH(1), BOTH(2), BOTH(3), BOTH(4), BOTH(5), BOTH(6), BOTH(7);
        BOTH(8), BOTH(9), BOTH(10), BOTH(11), BOTH(12), BOTH(13), BOTH(14), BOTH(15);
#undef BOTH
        a.abef = _mm_add_epi32(a.abef, a0.abef);
        a.cdgh = _mm_add_epi32(a.cdgh, a0.cdgh);
        b.abef = _mm_add_epi32(b.abef, b0.abef);
        b.cdgh = _mm_add_epi32(b.cdgh, b0.cdgh);
    }
    lane_end(&a, state[0]);
    lane_end(&b, state[1]);
}

#else

bool base_sha256_pair_can(void)
{
    return false;
}

void base_sha256_pair(uint32_t *const *state, const uint8_t *const *bytes, size_t blocks)
{
    (void)state, (void)bytes, (void)blocks;
}

#endif
