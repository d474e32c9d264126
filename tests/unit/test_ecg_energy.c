/* The kernels of finding complexes and of comparing shapes, against their scalar forms. */
#include "ecg/analysis/ecg_dots.h"
#include "ecg/analysis/ecg_energy.h"
#include "simd_fixture.h"

#include <stdlib.h>

/* Samples in the range that the signal has. */
static void fill_samples(struct guarded *g, uint32_t seed)
{
    int16_t *x = (int16_t *)(void *)g->p;
    guarded_fill(g, seed);
    for (size_t i = 0; i < g->n / sizeof *x; i++)
        x[i] = (int16_t)(x[i] > 5700 ? 5700 : x[i] < -5700 ? -5700 : seed % 3 ? x[i] : x[i] / 64);
}

/* As ecg_energy.h says it, place by place. */
static uint16_t energy_at(const int16_t *x, size_t i, const struct ecg_energy_spans *s)
{
    uint32_t all = 0;
    for (size_t w = i + 1 > s->window ? i + 1 - s->window : 0; w <= i; w++) {
        int32_t d = 0;
        for (size_t j = 0; j < s->mean; j++)
            d += x[w + s->slope + j] - x[w + j];
        all += (uint32_t)abs(d);
    }
    return (uint16_t)(all >> 2 > UINT16_MAX ? UINT16_MAX : all >> 2);
}

START_TEST(energy_is_the_sum_of_slopes)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    const struct ecg_energy *kernels = ecg_energy_choose(level);
    for (size_t n = 1; simd_has(level) && n < 300; n += 7) {
        struct ecg_energy_spans s = {
            .mean = 1 + n % 7, .slope = 1 + n % 5, .window = 3 + n % 30, .skip = n % 4 ? n / 3 : 0};
        struct guarded x = guarded_new((n + s.mean + s.slope) * sizeof(int16_t));
        struct guarded out = guarded_new((n - s.skip) * sizeof(uint16_t));
        fill_samples(&x, (uint32_t)n);
        kernels->energy((const int16_t *)(void *)x.p, n, &s, (uint16_t *)(void *)out.p);
        for (size_t i = s.skip; i < n; i++)
            ck_assert_uint_eq(((uint16_t *)(void *)out.p)[i - s.skip],
                              energy_at((const int16_t *)(void *)x.p, i, &s));
        guarded_free(&x);
        guarded_free(&out);
    }
}
END_TEST

static int by_value(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

enum { MANY = 144 };

START_TEST(the_smallest_but_k_is_that_of_the_sorted_ones)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    const struct ecg_energy *kernels = ecg_energy_choose(level);
    for (size_t n = 1; simd_has(level) && n <= MANY; n++) {
        uint16_t v[MANY], sorted[MANY];
        struct guarded g = guarded_new(sizeof v);
        guarded_fill(&g, (uint32_t)n);
        memset(v, 0xff, sizeof v);
        for (size_t i = 0; i < n; i++) {
            memcpy(&v[i], g.p + 2 * i, sizeof *v);
            v[i] = (uint16_t)(n % 2 ? v[i] & 0xfff : v[i] == UINT16_MAX ? 0x8000 : v[i]);
        }
        memcpy(sorted, v, sizeof v);
        qsort(sorted, n, sizeof *sorted, by_value);
        for (size_t k = 0; k < n; k++) {
            for (size_t places = 16; places <= MANY; places += 16)
                if (places >= n)
                    ck_assert_uint_eq(kernels->smallest(v, places, k), sorted[k]);
        }
        guarded_free(&g);
    }
}
END_TEST

/* Place by place, and the floats as the definition has them, bit by bit. */
static void check_products(const struct ecg_dots *k, const int16_t *x, const int16_t *t, size_t n)
{
    float likeness[ECG_DOTS], factor[ECG_DOTS], norm = 3 + (float)(n % 5);
    int32_t sums[2], own[2] = {0};
    for (size_t d = 0; d < ECG_DOTS; d++) {
        likeness[d] = (float)d / 7;
        factor[d] = 1 / (float)(d + 3);
    }
    k->correlate(x, t, n, factor, norm, likeness);
    for (size_t d = 0; d < ECG_DOTS; d++) {
        int32_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[d + i] * t[i];
        float due = (float)d / 7 + factor[d] * (float)sum / norm;
        ck_assert_mem_eq(&likeness[d], &due, sizeof due);
    }
    for (size_t i = 0; i < n - 3; i++) {
        own[0] += x[i];
        own[1] += x[i] * x[i];
    }
    k->sums(x, n - 3, &sums[0], &sums[1]);
    ck_assert_mem_eq(sums, own, sizeof own);
    int32_t added[64];
    for (int32_t i = 0; i < 64; i++)
        added[i] = i;
    k->add(x, n - 3, added);
    for (size_t i = 0; i < 64; i++)
        ck_assert_int_eq(added[i], (int32_t)i + (i < n - 3 ? x[i] : 0));
}

/* As many templates as there are places in a group of groups, some of which are asked for. */
static void check_compare(const struct ecg_dots *k, const int16_t *x, size_t n, uint32_t seed)
{
    enum { MOST = 4 * ECG_DOTS_GROUP };
    struct guarded g = guarded_new(MOST * ECG_DOTS_SPAN * sizeof(int16_t));
    int16_t(*t)[ECG_DOTS_SPAN] = (int16_t(*)[ECG_DOTS_SPAN])(void *)g.p;
    float likeness[MOST], norm[MOST];
    size_t count = 1 + seed % MOST;
    fill_samples(&g, seed + 7);
    for (size_t i = 0; i < MOST; i++) {
        likeness[i] = (float)i / 7;
        norm[i] = 1 + (float)i / 3;
    }
    k->compare(x, (const int16_t(*)[ECG_DOTS_SPAN])t, count, n, 0.7F, norm, likeness);
    for (size_t i = 0; i < count; i++) {
        int32_t sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += x[j] * t[i][j];
        float due = (float)i / 7 + 0.7F * (float)sum / norm[i];
        ck_assert_mem_eq(&likeness[i], &due, sizeof due);
    }
    guarded_free(&g);
}

/* The floats of all forms are the same, and those of plain sums but for rounding. */
static void check_multiply(const struct ecg_dots *k, const int16_t *x, size_t n)
{
    struct ecg_dots_products own, scalar;
    float r[128];
    double sum = 0;
    for (size_t i = 0; i < 128; i++)
        r[i] = (float)(i * 37 % 101) - 50.3F;
    k->multiply(x, 3.7F, r, n, &own);
    ecg_dots_choose(ECG_SIMD_SCALAR)->multiply(x, 3.7F, r, n, &scalar);
    ck_assert_mem_eq(&own, &scalar, sizeof own);
    for (size_t i = 0; i < n; i++)
        sum += ((double)x[i] - 3.7) * (double)r[i];
    ck_assert_double_eq_tol((double)own.xr, sum, 1 + 1e-4 * (double)n * 5700 * 50);
}

START_TEST(products_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    for (size_t n = ECG_DOTS_VECTOR; simd_has(level) && n <= 64; n += ECG_DOTS_VECTOR)
        for (uint32_t seed = 0; seed < 20; seed++) {
            struct guarded x = guarded_new((n + ECG_DOTS - 1) * sizeof(int16_t));
            struct guarded t = guarded_new(n * sizeof(int16_t));
            fill_samples(&x, seed);
            fill_samples(&t, seed + 100);
            check_products(ecg_dots_choose(level), (const int16_t *)(void *)x.p,
                           (const int16_t *)(void *)t.p, n);
            check_compare(ecg_dots_choose(level), (const int16_t *)(void *)x.p, n, seed);
            check_multiply(ecg_dots_choose(level), (const int16_t *)(void *)x.p, n - seed % 16);
            guarded_free(&x);
            guarded_free(&t);
        }
}
END_TEST

START_TEST(pairs_are_added_unless_a_sample_is_missing)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    const struct ecg_energy *kernels = ecg_energy_choose(level);
    for (size_t n = 1; simd_has(level) && n < 70; n++) {
        struct guarded v = guarded_new(2 * n * sizeof(int16_t));
        struct guarded out = guarded_new(n * sizeof(int32_t));
        int16_t *x = (int16_t *)(void *)v.p;
        int32_t *sum = (int32_t *)(void *)out.p;
        fill_samples(&v, (uint32_t)n);
        float scale = n % 7 ? 0.37F : 1e9F;
        ck_assert(kernels->pairs(x, -77, scale, sum, n));
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(sum[i],
                             ecg_energy_units((float)(x[2 * i] + x[2 * i + 1] + 154) * scale));
        x[n] = INT16_MIN;
        ck_assert(!kernels->pairs(x, -77, scale, sum, n));
        guarded_free(&v);
        guarded_free(&out);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_energy");
    TCase *t = tcase_create("kernels");
    tcase_add_loop_test(t, energy_is_the_sum_of_slopes, ECG_SIMD_SCALAR, ECG_SIMD_COUNT);
    tcase_add_loop_test(t, the_smallest_but_k_is_that_of_the_sorted_ones, ECG_SIMD_SCALAR,
                        ECG_SIMD_COUNT);
    tcase_add_loop_test(t, pairs_are_added_unless_a_sample_is_missing, ECG_SIMD_SCALAR,
                        ECG_SIMD_COUNT);
    tcase_add_loop_test(t, products_equal_the_scalar_form, ECG_SIMD_SCALAR, ECG_SIMD_COUNT);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
