/*
 * The kernels of ecg_unpack.h in vectors of LANES words, for the files that define, before
 * they include this,
 *
 *     struct-less names   vector (a type), LANES (words in it), WORDS(op) = _mm_op or _mm256_op,
 *                         BITS(op) = _mm_op_si128 or _mm256_op_si256, REST (the next lower form)
 *     load_16(p, step)    16 bytes from p, and in the upper half 16 from p + step
 *     load_half(p)        half as many bytes as a vector has
 *     spread(v)           16 bytes to both halves
 *     pack(a, b)          double words to words, saturated, in order
 *     sums_from(v, b)     sums of double words up to each, and of b
 *     spread_last(v)      the last double word to all places
 *
 * Each does whole vectors as long as a full load stays inside what it was given, and leaves
 * the rest to REST. A vector is one group of 8 words (SSE4.1) or two (AVX2).
 */
enum { GROUPS = LANES / 8 };

static vector load(const void *p)
{
    return BITS(loadu)((const vector *)p);
}

static void store(void *p, vector v)
{
    BITS(storeu)(p, v);
}

/* The most negative value of a narrow format becomes the one of 16 bits: they
 * differ in the bits of `flip`. */
static vector mark_missing(vector v, int16_t least)
{
    vector flip = WORDS(set1_epi16)((int16_t)(least ^ INT16_MIN));
    vector is = WORDS(cmpeq_epi16)(v, WORDS(set1_epi16)(least));
    return BITS(xor)(v, BITS(and)(is, flip));
}

/* Words (b0, b1) to the low 12 bits, sign extended. */
static vector even_212(vector v)
{
    return mark_missing(WORDS(srai_epi16)(WORDS(slli_epi16)(v, 4), 4), -2048);
}

/* Words (b2, b1) to b2 and the high nibble of b1, sign extended. */
static vector odd_212(vector v)
{
    const vector low = WORDS(set1_epi16)(0xff);
    vector high = BITS(andnot)(low, WORDS(srai_epi16)(v, 4));
    return mark_missing(BITS(or)(high, BITS(and)(v, low)), -2048);
}

static void u212(const uint8_t *p, size_t n, int16_t *out)
{
    const vector order = spread(_mm_setr_epi8(0, 1, 2, 1, 3, 4, 5, 4, 6, 7, 8, 7, 9, 10, 11, 10));
    size_t i = 0;
    for (; i + LANES + 4 <= n; i += LANES, p += 12 * GROUPS) { /* reads 4 bytes more */
        vector v = WORDS(shuffle_epi8)(load_16(p, 12), order);
        store(out + i, WORDS(blend_epi16)(even_212(v), odd_212(v), 0xaa));
    }
    REST.u212(p, n - i, out + i);
}

/* Up to so many samples the sum fits a double word, and the missing ones of a place a word. */
enum { PART = 1 << 16 };

/* Sums of pairs, and of missing ones less than there are. */
struct sums {
    vector sum;
    vector missing;
};

static struct sums add_words(struct sums s, vector v)
{
    vector is = WORDS(cmpeq_epi16)(v, WORDS(set1_epi16)(INT16_MIN));
    s.sum = WORDS(add_epi32)(s.sum, WORDS(madd_epi16)(v, WORDS(set1_epi16)(1)));
    s.missing = WORDS(sub_epi16)(s.missing, is);
    return s;
}

static void add_up(struct sums s, struct ecg_tally *t)
{
    int32_t pairs[LANES / 2];
    uint16_t missing[LANES];
    store(pairs, s.sum);
    store(missing, s.missing);
    for (int k = 0; k < LANES / 2; k++)
        t->sum += pairs[k];
    for (int k = 0; k < LANES; k++) {
        t->sum -= (int64_t)missing[k] * INT16_MIN; /* it was added */
        t->missing += missing[k];
    }
}

static void sum16(const int16_t *p, size_t n, struct ecg_tally *t)
{
    size_t i = 0;
    while (i + LANES <= n) {
        struct sums s = {BITS(setzero)(), BITS(setzero)()};
        for (size_t end = n - i < PART ? n : i + PART; i + LANES <= end; i += LANES)
            s = add_words(s, load(p + i));
        add_up(s, t);
    }
    REST.sum16(p + i, n - i, t);
}

static void copy16(const uint8_t *p, size_t n, int16_t *out, struct ecg_tally *t)
{
    size_t i = 0;
    while (i + LANES <= n) {
        struct sums s = {BITS(setzero)(), BITS(setzero)()};
        for (size_t end = n - i < PART ? n : i + PART; i + LANES <= end; i += LANES) {
            vector v = load(p + 2 * i);
            store(out + i, v);
            s = add_words(s, v);
        }
        add_up(s, t);
    }
    REST.copy16(p + 2 * i, n - i, out + i, t);
}

static void u212_2(const uint8_t *p, size_t n, int16_t *a, int16_t *b, struct ecg_tally *t)
{
    const vector order = spread(_mm_setr_epi8(0, 1, 3, 4, 6, 7, 9, 10, 2, 1, 5, 4, 8, 7, 11, 10));
    size_t i = 0;
    for (; i + LANES + 2 <= n; i += LANES, p += 24 * GROUPS) { /* reads 4 bytes more */
        vector one = WORDS(shuffle_epi8)(load_16(p, 24), order);
        vector two = WORDS(shuffle_epi8)(load_16(p + 12, 24), order);
        store(a + i, even_212(WORDS(unpacklo_epi64)(one, two)));
        store(b + i, odd_212(WORDS(unpackhi_epi64)(one, two)));
    }
    sum16(a, i, &t[0]);
    sum16(b, i, &t[1]);
    REST.u212_2(p, n - i, a + i, b + i, t);
}

static void u80(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m128i v = _mm_xor_si128(load_half(p + i), _mm_set1_epi8((char)0x80));
        store(out + i, mark_missing(WORDS(cvtepi8_epi16)(v), -128));
    }
    REST.u80(p + i, n - i, out + i);
}

static void u61(const uint8_t *p, size_t n, int16_t *out)
{
    const vector swap = spread(_mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(out + i, WORDS(shuffle_epi8)(load(p + 2 * i), swap));
    REST.u61(p + 2 * i, n - i, out + i);
}

static void u160(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(out + i, BITS(xor)(load(p + 2 * i), WORDS(set1_epi16)(INT16_MIN)));
    REST.u160(p + 2 * i, n - i, out + i);
}

static void u24(const uint8_t *p, size_t n, int32_t *out, struct ecg_tally *t, bool *wide)
{
    const vector order =
        spread(_mm_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11));
    const vector least = WORDS(set1_epi32)(INT16_MIN + 1);
    const vector most = WORDS(set1_epi32)(INT16_MAX);
    vector beyond = BITS(setzero)();
    size_t i = 0;
    for (; i + LANES / 2 + 2 <= n; i += LANES / 2) { /* reads 4 bytes more */
        vector v = WORDS(srai_epi32)(WORDS(shuffle_epi8)(load_16(p + 3 * i, 12), order), 8);
        beyond = BITS(or)(beyond, WORDS(cmpgt_epi32)(v, most));
        beyond = BITS(or)(beyond, WORDS(cmpgt_epi32)(least, v));
        store(out + i, v);
    }
    *wide |= WORDS(movemask_epi8)(beyond) != 0;
    for (size_t k = 0; k < i; k++)
        t->sum += out[k];
    REST.u24(p + 3 * i, n - i, out + i, t, wide);
}

/* Rows of 8 words to columns, in each group. */
static void transpose_8(vector r[8])
{
    vector a[8];
    vector b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = WORDS(unpacklo_epi16)(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = WORDS(unpackhi_epi16)(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        b[4 * i] = WORDS(unpacklo_epi32)(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = WORDS(unpackhi_epi32)(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = WORDS(unpacklo_epi32)(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = WORDS(unpackhi_epi32)(a[4 * i + 1], a[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        r[2 * i] = WORDS(unpacklo_epi64)(b[i], b[i + 4]);
        r[2 * i + 1] = WORDS(unpackhi_epi64)(b[i], b[i + 4]);
    }
}

/* Of each LANES frames the 8 channels from `first` on, or what there are: the first 8
 * frames in the lower group. Returns how many frames are done. */
static size_t split_8(const uint8_t *p, size_t n, size_t channels, size_t first,
                      int16_t *const *out)
{
    size_t wide = channels - first < 8 ? channels - first : 8;
    size_t frame = 2 * channels;
    size_t i = 0;
    for (; i + LANES <= n && (i + LANES - 1) * frame + 2 * first + 16 <= n * frame; i += LANES) {
        const uint8_t *at = p + i * frame + 2 * first;
        vector r[8];
        for (size_t k = 0; k < 8; k++)
            r[k] = load_16(at + k * frame, 8 * frame);
        transpose_8(r);
        for (size_t c = 0; c < wide; c++)
            store(out[first + c] + i, r[c]);
    }
    return i;
}

static size_t split_2(const uint8_t *p, size_t n, int16_t *const *out)
{
    const vector order =
        spread(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vector one = WORDS(shuffle_epi8)(load_16(p + 4 * i, 32), order);
        vector two = WORDS(shuffle_epi8)(load_16(p + 4 * i + 16, 32), order);
        store(out[0] + i, WORDS(unpacklo_epi64)(one, two));
        store(out[1] + i, WORDS(unpackhi_epi64)(one, two));
    }
    return i;
}

static void split16(const uint8_t *p, size_t n, size_t channels, int16_t *const *out,
                    struct ecg_tally *t)
{
    enum { MOST = 256 };
    int16_t *rest[MOST];
    if (channels == 0 || channels > MOST) {
        ecg_unpack_scalar.split16(p, n, channels, out, t);
        return;
    }
    size_t done = n;
    if (channels == 2) {
        done = split_2(p, n, out);
    } else {
        /* The last eight may overlap those before: they get the same values again. */
        for (size_t first = 0; first < channels; first += 8) {
            size_t from = first + 8 > channels && channels > 8 ? channels - 8 : first;
            size_t k = split_8(p, n, channels, from, out);
            done = k < done ? k : done;
        }
    }
    for (size_t c = 0; c < channels; c++) {
        sum16(out[c], done, &t[c]);
        rest[c] = out[c] + done;
    }
    REST.split16(p + 2 * channels * done, n - done, channels, rest, t);
}

static bool fits16(const int32_t *p, size_t n)
{
    const vector none = WORDS(set1_epi32)(INT32_MIN);
    const vector least = WORDS(set1_epi32)(INT16_MIN);
    vector bad = BITS(setzero)();
    size_t i = 0;
    for (; i + LANES / 2 <= n; i += LANES / 2) {
        vector v = load(p + i);
        vector low = WORDS(srai_epi32)(WORDS(slli_epi32)(v, 16), 16);
        vector good = BITS(andnot)(WORDS(cmpeq_epi32)(v, least), WORDS(cmpeq_epi32)(v, low));
        good = BITS(or)(good, WORDS(cmpeq_epi32)(v, none));
        bad = BITS(or)(bad, BITS(andnot)(good, WORDS(set1_epi32)(-1)));
    }
    return WORDS(movemask_epi8)(bad) == 0 && REST.fits16(p + i, n - i);
}

static void narrow(const int32_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(out + i, pack(load(p + i), load(p + i + LANES / 2)));
    REST.narrow(p + i, n - i, out + i);
}

/* The sums go on from the vector before, which takes less time than the sums within one. */
static void integrate(int32_t *p, size_t n, unsigned order)
{
    size_t i = order;
    if (n < LANES) {
        REST.integrate(p, n, order);
        return;
    }
    vector value = WORDS(set1_epi32)(p[order - 1]);
    vector step = WORDS(set1_epi32)((int32_t)((uint32_t)p[1] - (uint32_t)p[0]));
    for (; i + LANES / 2 <= n; i += LANES / 2) {
        vector v = load(p + i);
        if (order == 2) {
            v = sums_from(v, step);
            step = spread_last(v);
        }
        v = sums_from(v, value);
        value = spread_last(v);
        store(p + i, v);
    }
    uint32_t x = (uint32_t)p[i - 1];
    uint32_t slope = x - (uint32_t)p[i - 2];
    for (; i < n; i++) {
        slope = (order == 2 ? slope : 0) + (uint32_t)p[i];
        x += slope;
        p[i] = (int32_t)x;
    }
}

/* Through a block in the first cache. */
static void u212_3(const uint8_t *p, size_t n, int16_t *const *out, struct ecg_tally *t)
{
    enum { CHANNELS = 3, FRAMES = 2048 };
    int16_t block[CHANNELS * FRAMES];
    int16_t *to[CHANNELS] = {out[0], out[1], out[2]};
    for (size_t step; n > 1; n -= step) {
        step = n < FRAMES ? n / 2 * 2 : FRAMES;
        u212(p, CHANNELS * step, block);
        split16((const uint8_t *)block, step, CHANNELS, to, t);
        p += CHANNELS * step / 2 * 3;
        for (size_t c = 0; c < CHANNELS; c++)
            to[c] += step;
    }
    ecg_unpack_scalar.u212_3(p, n, to, t);
}
