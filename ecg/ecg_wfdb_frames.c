/*
 * The frames of a FLAC stream (RFC 9639, 9), found and checked before a decoder sees them: what a
 * frame says of its size makes the decoder take memory, whatever is there of it.
 */
#include "ecg/ecg_wfdb_priv.h"

#include <assert.h>

enum { FRAME_BYTES = 10 /* at least: header, one subframe, checksum */ };

static uint16_t crc16_of(uint8_t byte)
{
    uint32_t c = (uint32_t)byte << 8;
    for (int i = 0; i < 8; i++)
        c = c & 0x8000 ? c << 1 ^ 0x8005 : c << 1;
    return (uint16_t)c;
}

static uint8_t crc8(const uint8_t *p, size_t n)
{
    unsigned c = 0;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c & 0x80 ? (c << 1 ^ 0x07) & 0xff : c << 1;
    }
    return (uint8_t)c;
}

/* Bytes of the coded number of frame or sample (as in UTF-8, of up to 36 bits); 0 = none. */
static size_t number_size(uint8_t first)
{
    size_t n = 0;
    while (n < 8 && first & 0x80 >> n)
        n++;
    return n == 0 ? 1 : n == 1 || n == 8 ? 0 : n;
}

/* Samples of each channel; 0 = no block of this size, or bytes are missing. *n: bytes taken. */
static size_t block_size(unsigned code, const uint8_t *p, size_t left, size_t *n)
{
    *n = code == 6 ? 1 : code == 7 ? 2 : 0;
    if (code == 0 || left < *n)
        return 0;
    if (code == 1)
        return 192;
    if (code < 6)
        return (size_t)576 << (code - 2);
    return code == 6   ? p[0] + (size_t)1
           : code == 7 ? base_load_be16(p) + (size_t)1
                       : (size_t)256 << (code - 8);
}

static bool is_of_bits(unsigned code, unsigned bits)
{
    static const uint8_t of[] = {0, 8, 12, 0, 16, 20, 24, 32};
    return code == 0 || of[code] == bits;
}

/* Whether a frame of this stream begins here: all that its header says is as the stream's, and its
 * checksum is right. Its size in samples; 0 = none does. */
static size_t frame_at(const struct wfdb_flac_frames *f, size_t at)
{
    const uint8_t *p = f->file.p + at;
    size_t left = f->file.n - at, extra;
    if (left < FRAME_BYTES || p[0] != 0xff || (p[1] & 0xfe) != 0xf8 || p[3] & 1)
        return 0;
    unsigned channels = p[3] >> 4, rate = p[2] & 15;
    bool is_known = channels < 8 ? channels + 1 == f->channels : channels < 11 && f->channels == 2;
    size_t n = 4 + number_size(p[4]);
    if (!is_known || n == 4 || rate == 15 || !is_of_bits(p[3] >> 1 & 7, f->bits) || n > left)
        return 0;
    size_t samples = block_size(p[2] >> 4, p + n, left - n, &extra);
    n += extra + (rate == 12 ? 1 : rate > 12 ? 2 : 0);
    if (samples == 0 || samples > f->largest || n >= left || crc8(p, n) != p[n])
        return 0;
    return samples;
}

bool ecg_wfdb_flac_begin(struct base_bytes file, unsigned channels, unsigned bits,
                         struct wfdb_flac_frames *f)
{
    enum { MAGIC = 4, HEAD = 4, STREAMINFO = 34 };
    *f = (struct wfdb_flac_frames){.file = file, .channels = channels, .bits = bits, .at = file.n};
    const uint8_t *p = file.p;
    if (file.n < MAGIC || memcmp(p, "fLaC", MAGIC) != 0)
        return false;
    if (file.n < MAGIC + HEAD + STREAMINFO)
        return true;
    const uint8_t *info = p + MAGIC + HEAD;
    unsigned packed = base_load_be16(info + 12);
    f->largest = base_load_be16(info + 2);
    if ((p[MAGIC] & 127) != 0 || (packed >> 9 & 7) + 1 != channels ||
        (packed >> 4 & 31) + 1 != bits)
        return false;
    size_t at = MAGIC;
    for (bool is_last = false; !is_last;) {
        if (file.n - at < HEAD)
            return true;
        size_t size = base_load_be32(p + at) & 0xffffff;
        is_last = p[at] & 0x80;
        if (file.n - at - HEAD < size)
            return true;
        at += HEAD + size;
    }
    for (unsigned i = 0; i < 256; i++)
        f->crc[i] = crc16_of((uint8_t)i);
    f->at = f->begin = at;
    return true;
}

bool ecg_wfdb_flac_next(struct wfdb_flac_frames *f, struct wfdb_flac_frame *out)
{
    enum { TRIES = 4 }; /* what looks like the next frame, and is not, is rare */
    const uint8_t *p = f->file.p;
    size_t samples = 0, first = f->at;
    while (first < f->file.n && (samples = frame_at(f, first)) == 0)
        first++;
    if (samples == 0) {
        f->at = f->file.n;
        return false;
    }
    unsigned crc = f->crc[p[first]], tries = 0;
    size_t at = first + 1,
           next = f->file.n; /* where another begins, whatever this one's checksum */
    bool is_sound = false;
    for (; at < f->file.n && tries < TRIES; at++) {
        if (p[at] == 0xff && frame_at(f, at)) {
            next = tries++ ? next : at;
            is_sound = crc == 0;
        }
        if (is_sound)
            break;
        crc = (f->crc[crc >> 8 ^ p[at]] ^ crc << 8) & 0xffff;
    }
    is_sound = is_sound || (at == f->file.n && crc == 0);
    f->at = is_sound ? at : next;
    assert(first < f->at && f->at <= f->file.n);
    *out = (struct wfdb_flac_frame){
        .bytes = base_bytes_of(p + first, f->at - first), .samples = samples, .is_sound = is_sound};
    return true;
}
