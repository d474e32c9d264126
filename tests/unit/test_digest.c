#include "base/digest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 40, MAX = 5000 };

static uint8_t bytes[MANY][MAX];

static void setup(void)
{
    uint32_t x = 1;
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < MAX; j++)
            bytes[i][j] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
}

static void expect(const uint8_t digest[BASE_SHA256], const char *hex)
{
    char text[BASE_SHA256_HEX];
    base_hex(digest, BASE_SHA256, text);
    ck_assert_str_eq(text, hex);
}

/* FIPS 180-4's examples: one and two blocks, and no byte at all. */
START_TEST(the_vectors_of_the_standard)
{
    static const char *const vectors[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    uint8_t digest[BASE_SHA256];
    struct base_sha256 *h = base_sha256_new();
    ck_assert_ptr_nonnull(h);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        base_sha256_once(vectors[i][0], strlen(vectors[i][0]), digest);
        expect(digest, vectors[i][1]);
        base_sha256_add(h, vectors[i][0], strlen(vectors[i][0]));
        base_sha256_end(h, digest); /* and h begins anew */
        expect(digest, vectors[i][1]);
    }
    base_sha256_free(h);
}
END_TEST

/* A copy of so many bytes, of which a sanitizer knows the end. */
static struct base_bytes copy_of(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n + !n);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, p, n);
    return base_bytes_of(copy, n);
}

/* Digests that take in pieces of all lengths together are those that each has alone. */
START_TEST(many_at_a_time)
{
    struct base_sha256 *h[MANY];
    size_t at[MANY] = {0};
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_nonnull(h[i] = base_sha256_new());
    srand((unsigned)_i);
    for (int round = 0; round < 20; round++) {
        struct base_sha256_part parts[MANY];
        size_t n = 0;
        for (int i = 0; i < MANY; i++) {
            static const size_t most[] = {1, 63, 64, 65, 128, 200, 1000};
            size_t take = (size_t)rand() % (most[rand() % 7] + 1);
            if (rand() % 4 < _i % 4) /* all, and down to a quarter */
                continue;
            take = take < MAX - at[i] ? take : MAX - at[i];
            parts[n++] = (struct base_sha256_part){h[i], copy_of(bytes[i] + at[i], take)};
            at[i] += take;
        }
        base_sha256_add_all(parts, n);
        for (size_t i = 0; i < n; i++)
            free((void *)(uintptr_t)parts[i].bytes.p);
    }
    for (int i = 0; i < MANY; i++) {
        uint8_t digest[BASE_SHA256], alone[BASE_SHA256];
        base_sha256_end(h[i], digest);
        base_sha256_once(bytes[i], at[i], alone);
        ck_assert_mem_eq(digest, alone, BASE_SHA256);
        base_sha256_free(h[i]);
    }
}
END_TEST

/* The length in bits needs more than one word, from half a gibibyte on. */
START_TEST(more_than_half_a_gibibyte)
{
    enum { PIECE = 1 << 20, BEFORE = 511 };
    uint8_t *piece = malloc(PIECE);
    struct base_sha256 *h[3];
    uint8_t digest[3][BASE_SHA256];
    ck_assert_ptr_nonnull(piece);
    memset(piece, 'a', PIECE);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(h[i] = base_sha256_new());
    for (int i = 0; i < BEFORE; i++) {
        base_sha256_add(h[1], piece, PIECE);
        base_sha256_add(h[2], piece, PIECE);
    }
    for (int i = 0; i < 2; i++) {
        const struct base_sha256_part both[] = {{h[0], base_bytes_of(piece, PIECE)},
                                                {h[1], base_bytes_of(piece, PIECE)}};
        base_sha256_add_all(both, 2);
        base_sha256_add(h[2], piece, PIECE);
    }
    for (int i = 0; i < 3; i++) {
        base_sha256_end(h[i], digest[i]);
        base_sha256_free(h[i]);
    }
    ck_assert_mem_eq(digest[1], digest[2], BASE_SHA256);
    ck_assert_mem_ne(digest[0], digest[1], BASE_SHA256);
    free(piece);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("digest");
    TCase *c = tcase_create("sha256");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_vectors_of_the_standard);
    tcase_add_loop_test(c, many_at_a_time, 0, 200);
    tcase_add_test(c, more_than_half_a_gibibyte);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
