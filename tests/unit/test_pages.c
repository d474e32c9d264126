#include "base/pages.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

static void *take(struct base_pages *pool, size_t n)
{
    void *p = base_pages_take(pool, n);
    ck_assert_ptr_nonnull(p);
    memset(p, 0x5a, n); /* all of it is ours */
    return p;
}

START_TEST(a_large_array_that_was_given_back_is_given_again)
{
    struct base_pages pool = {.most = 64 * MIB};
    void *a = take(&pool, 5 * MIB);
    void *b = take(&pool, 5 * MIB);
    ck_assert_ptr_ne(a, b);
    base_pages_give(&pool, a);
    ck_assert_uint_eq(pool.kept, 6 * MIB);
    ck_assert_ptr_eq(take(&pool, 6 * MIB), a);
    ck_assert_uint_eq(pool.kept, 0);
    base_pages_give(&pool, a);
    base_pages_give(&pool, b);
    base_pages_drop(&pool);
    ck_assert_uint_eq(pool.n, 0);
    ck_assert_uint_eq(pool.kept, 0);
}
END_TEST

START_TEST(a_kept_array_is_not_given_for_one_that_is_larger_or_far_smaller)
{
    struct base_pages pool = {.most = 64 * MIB};
    void *a = take(&pool, 16 * MIB);
    base_pages_give(&pool, a);
    void *small = take(&pool, MIB);
    void *large = take(&pool, 17 * MIB);
    ck_assert_ptr_ne(small, a);
    ck_assert_ptr_ne(large, a);
    base_pages_give(&pool, small);
    base_pages_give(&pool, large);
    base_pages_drop(&pool);
}
END_TEST

START_TEST(with_a_grain_small_arrays_are_kept_as_well)
{
    struct base_pages pool = {.most = MIB, .grain = 64};
    void *tiny = take(&pool, 63);
    void *a = take(&pool, 65);
    ck_assert_uint_eq(pool.n, 1);
    base_pages_give(&pool, tiny);
    base_pages_give(&pool, a);
    ck_assert_uint_eq(pool.kept, 128);
    ck_assert_ptr_eq(take(&pool, 128), a);
    base_pages_give(&pool, a);
    base_pages_drop(&pool);
    ck_assert_uint_eq(pool.n, 0);
}
END_TEST

START_TEST(it_keeps_no_more_than_it_may)
{
    struct base_pages pool = {.most = 4 * MIB};
    void *list[3];
    for (size_t i = 0; i < 3; i++)
        list[i] = take(&pool, 2 * MIB);
    for (size_t i = 0; i < 3; i++)
        base_pages_give(&pool, list[i]);
    ck_assert_uint_eq(pool.kept, 4 * MIB);
    ck_assert_uint_eq(pool.n, 2);
    base_pages_drop(&pool);
}
END_TEST

START_TEST(more_arrays_than_it_has_places_for_are_given_and_freed)
{
    enum { MANY = BASE_PAGES_BLOCKS + 8 };
    struct base_pages pool = {.most = (size_t)1024 * MIB};
    void *list[MANY];
    for (size_t i = 0; i < MANY; i++) {
        list[i] = base_pages_take(&pool, MIB);
        ck_assert_ptr_nonnull(list[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        base_pages_give(&pool, list[i]);
    ck_assert_uint_eq(pool.n, BASE_PAGES_BLOCKS);
    /* None fits: one makes room for the new one. */
    void *p = take(&pool, 16 * MIB);
    base_pages_give(&pool, p);
    ck_assert_uint_eq(pool.n, BASE_PAGES_BLOCKS);
    ck_assert_uint_eq(pool.kept, (2 * (size_t)(BASE_PAGES_BLOCKS - 1) + 16) * MIB);
    base_pages_drop(&pool);
}
END_TEST

START_TEST(what_is_small_or_of_malloc_is_freed_and_without_a_pool_all_is)
{
    struct base_pages pool = {.most = 64 * MIB};
    base_pages_give(&pool, take(&pool, 100));
    base_pages_give(&pool, malloc(7));
    base_pages_give(&pool, NULL);
    ck_assert_uint_eq(pool.n, 0);
    base_pages_give(NULL, take(NULL, 3 * MIB));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_pages");
    TCase *tc = tcase_create("pages");
    tcase_add_test(tc, a_large_array_that_was_given_back_is_given_again);
    tcase_add_test(tc, a_kept_array_is_not_given_for_one_that_is_larger_or_far_smaller);
    tcase_add_test(tc, with_a_grain_small_arrays_are_kept_as_well);
    tcase_add_test(tc, it_keeps_no_more_than_it_may);
    tcase_add_test(tc, more_arrays_than_it_has_places_for_are_given_and_freed);
    tcase_add_test(tc, what_is_small_or_of_malloc_is_freed_and_without_a_pool_all_is);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
