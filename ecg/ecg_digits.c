#include "ecg/ecg_digits.h"

#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <stdlib.h>

/* Room for the numbers that n more bytes can be: a digit and a space each. */
static bool make_room(struct ecg_digits *d, size_t n, size_t most, enum base_err *err)
{
    size_t more = n / 2 + 2;
    if (more <= d->size - d->n)
        return true;
    if (d->n > most) {
        *err = BASE_ELIMIT;
        return false;
    }
    size_t size = d->n + d->n / 2 + more;
    int32_t *v = realloc(d->v, size * sizeof *v);
    if (!v) {
        *err = BASE_ENOMEM;
        return false;
    }
    d->v = v;
    d->size = size;
    return true;
}

/* ECG_SAMPLE_NONE is no number that a list may have. */
static void close_number(struct ecg_digits *d)
{
    d->open = false;
    if (!d->any || d->value > INT32_MAX) {
        d->bad = true;
        return;
    }
    int32_t v = d->negative ? -(int32_t)d->value : (int32_t)d->value;
    d->wide |= v <= INT16_MIN || v > INT16_MAX;
    assert(d->n < d->size);
    d->v[d->n++] = v;
}

/* A character of a number, or the one that ends it. False: it is neither. */
static bool step(struct ecg_digits *d, char c)
{
    unsigned digit = (unsigned)(uint8_t)c - '0';
    if (digit <= 9) {
        if (!d->open)
            d->negative = false;
        d->value = d->open && d->any ? d->value : 0;
        d->value = d->value > INT32_MAX ? d->value : d->value * 10 + digit;
        d->open = d->any = true;
    } else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        if (d->open)
            close_number(d);
        d->any = false;
    } else if ((c == '-' || c == '+') && !d->open) {
        d->open = true;
        d->any = false;
        d->negative = c == '-';
    } else {
        return false;
    }
    return !d->bad;
}

size_t ecg_digits_take(const char *s, size_t at, size_t n, struct ecg_digits_run *run)
{
    enum { LONGEST = 7 /* a sign, five digits and a space */ };
    while (at + LONGEST < n) {
        const char *p = s + at;
        int32_t sign = -(*p == '-');
        p -= sign;
        unsigned c = (unsigned)(uint8_t)*p++ - '0';
        if (c > 9)
            break;
        int32_t v = (int32_t)c;
        for (int k = 0; k < 4; k++) {
            c = (unsigned)(uint8_t)*p - '0';
            if (c > 9)
                break;
            v = v * 10 + (int32_t)c;
            p++;
        }
        if (*p != ' ')
            break;
        v = (v ^ sign) - sign;
        run->wide |= v <= INT16_MIN || v > INT16_MAX;
        run->out[run->n++] = v;
        at = (size_t)(p + 1 - s);
    }
    return at;
}

static size_t take(enum ecg_simd level, struct ecg_digits *d, const char *s, size_t at, size_t n)
{
    struct ecg_digits_run run = {.out = d->v + d->n, .wide = d->wide};
#if ECG_SIMD_X86
    at = level >= ECG_SIMD_AVX512 ? ecg_digits_take_avx512(s, at, n, &run)
         : level >= ECG_SIMD_AVX2 ? ecg_digits_take_avx2(s, at, n, &run)
                                  : ecg_digits_take(s, at, n, &run);
#else
    (void)level;
    at = ecg_digits_take(s, at, n, &run);
#endif
    assert(run.n <= d->size - d->n); /* make_room counted what the bytes can be */
    d->n += run.n;
    d->wide = run.wide;
    return at;
}

size_t ecg_digits_add_plain(enum ecg_simd level, struct ecg_digits *d, const char *s, size_t n,
                            size_t most, enum base_err *err)
{
    size_t i = 0;
    if (d->bad || !make_room(d, n, most, err))
        return 0;
    while (i < n) {
        if (!d->open)
            i = take(level, d, s, i, n);
        if (i == n || !step(d, s[i]))
            break;
        i++;
    }
    if (d->n > most)
        *err = BASE_ELIMIT;
    return i;
}

bool ecg_digits_add(enum ecg_simd level, struct ecg_digits *d, const char *s, size_t n, size_t most,
                    enum base_err *err)
{
    *err = BASE_OK;
    if (!d->bad && ecg_digits_add_plain(level, d, s, n, most, err) < n && !*err)
        d->bad = true;
    return !*err;
}

void ecg_digits_end(struct ecg_digits *d)
{
    enum base_err err;
    if (d->open && !d->bad && make_room(d, 0, SIZE_MAX, &err))
        close_number(d);
    d->open = false;
}

enum base_err ecg_digits_place(struct ecg_digits *d, struct ecg_record *r, struct ecg_lead *lead)
{
    struct ecg_unpack u;
    ecg_unpack_choose(ecg_simd_level(), &u);
    enum base_err e =
        d->wide ? ecg_record_set_i32(r, lead, d->n) : ecg_record_set_i16(r, lead, d->n);
    if (!e && d->wide)
        memcpy(lead->i32, d->v, d->n * sizeof *d->v);
    else if (!e)
        u.narrow(d->v, d->n, lead->i16);
    int32_t *v = d->v;
    size_t size = d->size;
    *d = (struct ecg_digits){.v = v, .size = size};
    return e;
}

void ecg_digits_free(struct ecg_digits *d)
{
    free(d->v);
    *d = (struct ecg_digits){0};
}
