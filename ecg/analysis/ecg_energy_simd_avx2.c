#include "ecg/analysis/ecg_energy.h"

#include "ecg/analysis/ecg_energy_loops.h"
#include "ecg/analysis/ecg_signal.h"

#include <assert.h>
#include <immintrin.h>

enum {
    WIDE = 16, /* words of a vector */
    TERMS = 5, /* samples of which a word holds the sum */
    PLACES = ECG_ENERGY_SEGMENT + 2 * ECG_ENERGY_WINDOW + WIDE,
};
static_assert(TERMS * ECG_SIGNAL_RANGE <= INT16_MAX, "sums are words, and so is what parts two");

static __m256i load(const void *p)
{
    return _mm256_loadu_si256(p);
}

/* The amounts of WIDE slopes. Samples that both means have, when they overlap, go out. */
static inline __m256i slopes(const int16_t *x, size_t terms, size_t apart)
{
    __m256i a = load(x), b = load(x + apart);
    for (size_t j = 1; j < terms; j++) {
        a = _mm256_add_epi16(a, load(x + j));
        b = _mm256_add_epi16(b, load(x + apart + j));
    }
    return _mm256_sub_epi16(_mm256_max_epi16(a, b), _mm256_min_epi16(a, b));
}

/* The sums of eight up to each. */
static inline __m256i sums_to(__m256i v)
{
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 4));
    v = _mm256_add_epi32(v, _mm256_slli_si256(v, 8));
    return _mm256_add_epi32(v, _mm256_shuffle_epi32(_mm256_permute2x128_si256(v, v, 0x08), 0xff));
}

/* Stores them after what there is, and adds the last to that. */
static inline __m256i put(uint32_t *total, __m256i v, __m256i all)
{
    _mm256_storeu_si256((void *)total, _mm256_add_epi32(all, v));
    return _mm256_add_epi32(all, _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(7)));
}

static void add_amounts(const int16_t *x, size_t n, size_t terms, size_t apart, uint32_t *total)
{
    int16_t end[WIDE + ECG_ENERGY_WINDOW + TERMS] = {0}; /* what is behind is not there */
    __m256i all = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += WIDE) {
        const int16_t *from = x + i;
        if (n - i < WIDE) {
            memcpy(end, from, (n - i + apart + terms - 1) * sizeof *end);
            from = end;
        }
        __m256i v = slopes(from, terms, apart);
        __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(v));
        __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1));
        all = put(total + i, sums_to(low), all);
        all = put(total + i + WIDE / 2, sums_to(high), all);
    }
}

static inline __m256i quarter(const uint32_t *total, size_t window)
{
    return _mm256_srli_epi32(_mm256_sub_epi32(load(total + window), load(total)), 2);
}

static void energy_narrow(const int16_t *x, size_t n, const struct ecg_energy_spans *s,
                          uint16_t *out)
{
    uint32_t total[PLACES + ECG_ENERGY_WINDOW];
    size_t terms = s->mean < s->slope ? s->mean : s->slope;
    uint16_t v[WIDE];
    memset(total, 0, s->window * sizeof *total);
    add_amounts(x, n, terms, s->mean + s->slope - terms, total + s->window);
    for (size_t i = s->skip; i < n; i += WIDE) {
        __m256i low = quarter(total + i, s->window);
        __m256i high = quarter(total + i + WIDE / 2, s->window);
        __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
        bool whole = n - i >= WIDE;
        _mm256_storeu_si256((void *)(whole ? out + (i - s->skip) : v), words);
        if (!whole)
            memcpy(out + (i - s->skip), v, (n - i) * sizeof *out);
    }
}

static void energy_of(const int16_t *x, size_t n, const struct ecg_energy_spans *s, uint16_t *out)
{
    bool narrow = s->mean <= TERMS || s->slope <= TERMS;
    (narrow ? energy_narrow : energy)(x, n, s, out);
}

const struct ecg_energy ecg_energy_avx2 = {
    .pairs = pairs, .energy = energy_of, .smallest = smallest};
