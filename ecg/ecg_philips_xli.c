/*
 * XLI, the compression of Philips XML: LZW with codes of 10 bits, most significant
 * bit first, which never grow and of which none clears the dictionary. The bytes
 * that it gives are the high bytes of all differences, then the low ones.
 */
#include "ecg/ecg_philips_priv.h"

#include <assert.h>

enum { BITS = 10, FIRST_CODE = 256, LAST_CODE = 1022 };

struct lzw {
    struct base_bytes in;
    size_t at;
    uint32_t bits;
    unsigned nbits;
    uint16_t prefix[LAST_CODE + 1];
    uint8_t suffix[LAST_CODE + 1];
    uint16_t length[LAST_CODE + 1];
};

static bool next_code(struct lzw *z, unsigned *code)
{
    while (z->nbits < BITS) {
        if (z->at == z->in.n)
            return false;
        z->bits = z->bits << 8 | z->in.p[z->at++];
        z->nbits += 8;
    }
    z->nbits -= BITS;
    *code = z->bits >> z->nbits & ((1U << BITS) - 1);
    return true;
}

/* The string of a code, written from its end. Returns its first byte. */
static uint8_t expand(const struct lzw *z, unsigned code, uint8_t *out)
{
    assert(code <= LAST_CODE && z->length[code] > 0);
    for (size_t i = z->length[code]; i > 0; i--) {
        out[i - 1] = z->suffix[code];
        code = z->prefix[code];
    }
    return out[0];
}

static bool unpack(struct lzw *z, size_t most, struct base_buf *out)
{
    unsigned code;
    unsigned before = LAST_CODE + 1; /* none */
    unsigned next = FIRST_CODE;
    for (unsigned i = 0; i < FIRST_CODE; i++) {
        z->suffix[i] = (uint8_t)i;
        z->length[i] = 1;
    }
    while (out->n < most && next_code(z, &code)) {
        bool first = before > LAST_CODE;
        /* A code may be the one that it defines itself. */
        if (code > LAST_CODE || code > next || (code == next && (first || next > LAST_CODE)) ||
            (first && code >= FIRST_CODE))
            return false;
        size_t n = code == next ? (size_t)z->length[before] + 1 : z->length[code];
        uint8_t *to = base_buf_reserve(out, n);
        if (!to)
            return false;
        uint8_t head;
        if (code == next) {
            head = expand(z, before, to);
            to[n - 1] = head;
        } else {
            head = expand(z, code, to);
        }
        out->n += n;
        if (!first && next <= LAST_CODE) {
            z->prefix[next] = (uint16_t)before;
            z->suffix[next] = head;
            z->length[next] = (uint16_t)(z->length[before] + 1);
            next++;
        }
        before = code;
    }
    return true;
}

bool ecg_philips_xli(const struct ecg_philips_chunk *chunk, size_t most, struct base_buf *out)
{
    struct lzw z = {.in = chunk->bytes};
    struct base_buf bytes = {0};
    bool whole = unpack(&z, 2 * most, &bytes);
    size_t count = chunk->count;
    size_t low = bytes.n / 2 < most ? bytes.n / 2 : most; /* where the low bytes begin */
    size_t n = low;
    whole = !chunk->is_cut && (count ? bytes.n == 2 * count : whole);
    if (chunk->is_cut) {
        low = count < bytes.n ? count : bytes.n;
        n = bytes.n - low < low ? bytes.n - low : low;
    } else if (!whole) {
        n = 0;
    }
    assert(low + n <= bytes.n && n <= most);
    uint8_t *to = base_buf_reserve(out, 2 * n);
    int32_t x = 0;
    int32_t y = 0;
    int32_t last = chunk->first;
    for (size_t i = 0; to && i < n; i++) {
        int16_t d = (int16_t)base_load_be16((uint8_t[]){bytes.p[i], bytes.p[low + i]});
        int16_t v = i < 2 ? d : (int16_t)(uint16_t)(2 * y - x - last);
        if (i >= 2)
            last = d - 64;
        base_store_le16(to + 2 * i, (uint16_t)v);
        x = y;
        y = v;
    }
    if (to)
        out->n += 2 * n;
    if (bytes.err)
        out->err = bytes.err;
    base_buf_deinit(&bytes);
    return whole && to;
}
