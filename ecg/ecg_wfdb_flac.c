/* signal(5), formats 508, 516, 524: FLAC streams of up to 8 channels. */
#include "ecg/ecg_wfdb_priv.h"

#include <FLAC/stream_decoder.h>
#include <stdlib.h>

/* A frame that is damaged, in front of the sound one with this number. */
struct lost {
    size_t frame;
    size_t samples;
};

struct decoding {
    struct wfdb_flac_frames frames_in;
    struct base_bytes now; /* to be given to the decoder */
    size_t sound;          /* frames that were given to it, */
    size_t written;        /* and that it gave back */
    struct lost *lost;
    size_t nlost;
    size_t next_lost;
    unsigned bits;
    struct ecg_record *r;
    struct ecg_lead *const *leads;
    size_t n;
    uint64_t most; /* frames */
    size_t room;
    size_t frames;
    int32_t *data[8];
    enum base_err err;
};

static bool add_lost(struct decoding *d, size_t samples)
{
    enum { STEP = 64 };
    if (d->nlost % STEP == 0) {
        struct lost *more = realloc(d->lost, (d->nlost + STEP) * sizeof *more);
        if (!more) {
            d->err = BASE_ENOMEM;
            return false;
        }
        d->lost = more;
    }
    d->lost[d->nlost++] = (struct lost){d->sound, samples};
    return true;
}

/* The decoder sees sound frames alone: by what others say of their size it would take memory, and
 * what it makes of them is silence. */
static bool next_bytes(struct decoding *d)
{
    struct wfdb_flac_frame frame;
    while (d->now.n == 0) {
        size_t at = d->frames_in.at;
        if (!ecg_wfdb_flac_next(&d->frames_in, &frame))
            return false;
        size_t begin = (size_t)(frame.bytes.p - d->frames_in.file.p);
        if (begin > at)
            ecg_record_damage(d->r, at, "WFDB: damaged FLAC data: %zu bytes that are of no frame",
                              begin - at);
        if (!frame.is_sound)
            ecg_record_damage(d->r, begin,
                              "WFDB: damaged FLAC data: a frame of %zu samples is damaged",
                              frame.samples);
        if (!frame.is_sound && !add_lost(d, frame.samples))
            return false;
        d->now = frame.is_sound ? frame.bytes : d->now;
        d->sound += frame.is_sound;
    }
    return true;
}

static FLAC__StreamDecoderReadStatus on_read(const FLAC__StreamDecoder *decoder, FLAC__byte *to,
                                             size_t *n, void *arg)
{
    struct decoding *d = arg;
    (void)decoder;
    if (!next_bytes(d)) {
        *n = 0;
        return d->err ? FLAC__STREAM_DECODER_READ_STATUS_ABORT
                      : FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM;
    }
    *n = *n < d->now.n ? *n : d->now.n;
    memcpy(to, d->now.p, *n);
    d->now = base_bytes_of(d->now.p + *n, d->now.n - *n);
    return FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

/* Grows with what was decoded, whatever the stream announces. */
static bool make_room(struct decoding *d, size_t n)
{
    size_t most = d->r->limits->samples / d->n;
    if (d->frames + n <= d->room)
        return true;
    size_t room = d->room ? 2 * d->room : 1 << 14;
    room = room > d->frames + n ? room : d->frames + n;
    if (d->frames + n > most) {
        d->err = BASE_ELIMIT;
        return false;
    }
    for (size_t i = 0; i < d->n; i++) {
        int32_t *p = realloc(d->data[i], room * sizeof *p);
        if (!p) {
            d->err = BASE_ENOMEM;
            return false;
        }
        d->data[i] = p;
    }
    d->room = room;
    return true;
}

static size_t at_most(const struct decoding *d, size_t n)
{
    return d->most && n > d->most - d->frames ? (size_t)(d->most - d->frames) : n;
}

static bool leave_out(struct decoding *d, size_t samples)
{
    size_t n = at_most(d, samples);
    if (!make_room(d, n))
        return false;
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < n; k++)
            d->data[i][d->frames + k] = ECG_SAMPLE_NONE;
    d->frames += n;
    return true;
}

static FLAC__StreamDecoderWriteStatus on_write(const FLAC__StreamDecoder *decoder,
                                               const FLAC__Frame *frame,
                                               const FLAC__int32 *const buffer[], void *arg)
{
    struct decoding *d = arg;
    size_t n = frame->header.blocksize;
    (void)decoder;
    if (frame->header.channels != d->n || frame->header.bits_per_sample != d->bits) {
        d->err = BASE_EFORMAT;
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    }
    for (; d->next_lost < d->nlost && d->lost[d->next_lost].frame <= d->written; d->next_lost++)
        if (!leave_out(d, d->lost[d->next_lost].samples))
            return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    d->written++;
    n = at_most(d, n);
    if (!make_room(d, n))
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    int32_t least = -(1 << (d->bits - 1));
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < n; k++)
            d->data[i][d->frames + k] = buffer[i][k] == least ? ECG_SAMPLE_NONE : buffer[i][k];
    d->frames += n;
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

static void on_error(const FLAC__StreamDecoder *decoder, FLAC__StreamDecoderErrorStatus status,
                     void *arg)
{
    struct decoding *d = arg;
    (void)decoder;
    ecg_record_damage(d->r, BASE_NOPOS, "WFDB: damaged FLAC data: %s",
                      FLAC__StreamDecoderErrorStatusString[status]);
}

static void run(struct decoding *d)
{
    FLAC__StreamDecoder *decoder = FLAC__stream_decoder_new();
    if (!decoder ||
        FLAC__stream_decoder_init_stream(decoder, on_read, NULL, NULL, NULL, NULL, on_write, NULL,
                                         on_error, d) != FLAC__STREAM_DECODER_INIT_STATUS_OK)
        d->err = BASE_ENOMEM;
    while (!d->err && (d->most == 0 || d->frames < d->most) &&
           FLAC__stream_decoder_process_single(decoder) &&
           FLAC__stream_decoder_get_state(decoder) < FLAC__STREAM_DECODER_END_OF_STREAM)
        continue;
    if (decoder)
        FLAC__stream_decoder_delete(decoder);
}

enum base_err ecg_wfdb_flac(struct base_bytes file, unsigned bits, struct ecg_record *r,
                            struct ecg_lead *const *leads, size_t n, uint64_t frames,
                            struct base_error *err)
{
    struct decoding d = {.bits = bits, .r = r, .leads = leads, .n = n, .most = frames};
    if (!ecg_wfdb_flac_begin(file, (unsigned)n, bits, &d.frames_in))
        d.err = BASE_EFORMAT;
    d.now = base_bytes_of(file.p, d.frames_in.begin);
    if (!d.err && d.now.n)
        run(&d);
    free(d.lost);
    if (d.err == BASE_EFORMAT && d.frames == 0)
        base_fail(err, d.err, BASE_NOPOS, "WFDB: the FLAC stream is not of %zu channels of %u bits",
                  n, bits);
    else if (d.err)
        base_fail(err, d.err, BASE_NOPOS, "WFDB: FLAC data: %s", base_err_text(d.err));
    enum base_err e = d.err;
    for (size_t i = 0; i < n && !e; i++) {
        e = ecg_record_set_i32(r, leads[i], d.frames);
        if (!e && d.frames)
            memcpy(leads[i]->i32, d.data[i], d.frames * sizeof *d.data[i]);
        if (!e && bits <= 16)
            ecg_record_narrow(r, leads[i]);
        if (e)
            base_fail(err, e, BASE_NOPOS, "WFDB: %zu frames: %s", d.frames, base_err_text(e));
        free(d.data[i]);
        d.data[i] = NULL;
    }
    for (size_t i = 0; i < n; i++)
        free(d.data[i]);
    return e;
}
