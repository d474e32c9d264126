#include "load_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not a registered root: these objects never leave the machine. */
#define ROOT "1.3.6.1.4.1.99999.7"

/* Bulk data larger than this are this, again and again. */
enum { PERIOD = 24 << 20 };

struct out {
    uint8_t *p;
    size_t n;
};

static void put16(struct out *o, unsigned v)
{
    o->p[o->n++] = (uint8_t)v;
    o->p[o->n++] = (uint8_t)(v >> 8);
}

static void put32(struct out *o, uint32_t v)
{
    put16(o, v & 0xffff);
    put16(o, v >> 16);
}

static void put_tag(struct out *o, uint32_t tag, const char *vr)
{
    put16(o, tag >> 16);
    put16(o, tag & 0xffff);
    o->p[o->n++] = (uint8_t)vr[0];
    o->p[o->n++] = (uint8_t)vr[1];
}

/* For SQ, OW and the like (PS3.5 7.1.2). */
static void put_long(struct out *o, uint32_t tag, const char *vr, uint32_t n)
{
    put_tag(o, tag, vr);
    put16(o, 0);
    put32(o, n);
}

static void put_text(struct out *o, uint32_t tag, const char *vr, const char *s)
{
    size_t n = strlen(s);
    put_tag(o, tag, vr);
    put16(o, (unsigned)(n + (n & 1)));
    memcpy(o->p + o->n, s, n);
    o->n += n;
    if (n & 1)
        o->p[o->n++] = strcmp(vr, "UI") == 0 ? 0 : ' ';
}

static void put_us(struct out *o, uint32_t tag, unsigned v)
{
    put_tag(o, tag, "US");
    put16(o, 2);
    put16(o, v);
}

static void put_item(struct out *o, uint32_t n)
{
    put16(o, 0xfffe);
    put16(o, 0xe000);
    put32(o, n);
}

/* Slowly changing noise, as pixels and samples are. */
static void fill_samples(uint8_t *p, size_t n)
{
    uint32_t x = 2463534242U;
    int v = 1000;
    for (size_t i = 0; i + 1 < n; i += 2) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        v += (int)(x % 33) - 16;
        v = v < 0 ? 0 : v > 4000 ? 4000 : v;
        p[i] = (uint8_t)v;
        p[i + 1] = (uint8_t)(v >> 8);
    }
}

static void make_pixels(struct load_set *s)
{
    size_t n = (size_t)s->rows * s->columns * 2 * (s->frames ? s->frames : 1);
    s->period = n < PERIOD ? n + 16 : PERIOD;
    s->bulk = malloc(s->period + LOAD_PIECE);
    if (!s->bulk)
        return;
    struct out o = {s->bulk, 0};
    put_long(&o, 0x7fe00010, "OW", (uint32_t)n);
    fill_samples(s->bulk + o.n, s->period + LOAD_PIECE - o.n);
    s->bulk_n = o.n + n;
}

const uint8_t *load_bulk_at(const struct load_set *set, size_t at)
{
    return set->bulk + at % set->period;
}

/* One multiplex group of 12 channels, 10 s at 500 Hz (PS3.3 C.10.9). */
static void make_waveform(struct load_set *s)
{
    const unsigned channels = 12;
    const unsigned samples = 5000;
    const size_t data = (size_t)channels * samples * 2;
    s->bulk = malloc(data + 8192);
    if (!s->bulk)
        return;
    struct out o = {s->bulk, 0};
    put_long(&o, 0x54000100, "SQ", 0xffffffff);
    put_item(&o, 0xffffffff);
    put_text(&o, 0x003a0004, "CS", "ORIGINAL");
    put_us(&o, 0x003a0005, channels);
    put_tag(&o, 0x003a0010, "UL");
    put16(&o, 4);
    put32(&o, samples);
    put_text(&o, 0x003a001a, "DS", "500");
    put_long(&o, 0x003a0200, "SQ", 0xffffffff);
    for (unsigned i = 0; i < channels; i++) {
        put_item(&o, 0xffffffff);
        put_text(&o, 0x003a0210, "DS", "0.001");
        put_us(&o, 0x003a021a, 16);
        put16(&o, 0xfffe), put16(&o, 0xe00d), put32(&o, 0);
    }
    put16(&o, 0xfffe), put16(&o, 0xe0dd), put32(&o, 0);
    put_us(&o, 0x54001004, 16);
    put_text(&o, 0x54001006, "CS", "SS");
    put_long(&o, 0x54001010, "OW", (uint32_t)data);
    fill_samples(s->bulk + o.n, data);
    o.n += data;
    put16(&o, 0xfffe), put16(&o, 0xe00d), put32(&o, 0);
    put16(&o, 0xfffe), put16(&o, 0xe0dd), put32(&o, 0);
    s->bulk_n = s->period = o.n;
}

struct load_set *load_set_find(const char *name)
{
    static struct load_set sets[] = {
        {"ct", "1.2.840.10008.5.1.4.1.1.2", "CT", 100, 512, 512, 0, 0, NULL, 0},
        {"ecg", "1.2.840.10008.5.1.4.1.1.9.1.1", "ECG", 1, 0, 0, 0, 0, NULL, 0},
        {"dx", "1.2.840.10008.5.1.4.1.1.1.1", "DX", 2, 2800, 2808, 0, 0, NULL, 0},
        /* Multi-frame grayscale word secondary capture. The largest even number
         * that a length of 32 bits can say is FFFFFFFE (PS3.5 7.1.1). */
        {"large", "1.2.840.10008.5.1.4.1.1.7.3", "OT", 1, 8192, 8191, 1, 0, NULL, 0},
        {"huge", "1.2.840.10008.5.1.4.1.1.7.3", "OT", 1, 8192, 8191, 32, 0, NULL, 0},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct load_set *s = &sets[i];
        if (strcmp(s->name, name) != 0)
            continue;
        if (!s->bulk && s->rows)
            make_pixels(s);
        else if (!s->bulk)
            make_waveform(s);
        return s->bulk ? s : NULL;
    }
    return NULL;
}

static void put_image(struct out *o, const struct load_set *set)
{
    put_us(o, 0x00280002, 1);
    put_text(o, 0x00280004, "CS", "MONOCHROME2");
    if (set->frames) {
        char text[16];
        snprintf(text, sizeof text, "%u", set->frames);
        put_text(o, 0x00280008, "IS", text);
    }
    put_us(o, 0x00280010, set->rows);
    put_us(o, 0x00280011, set->columns);
    put_us(o, 0x00280100, 16);
    put_us(o, 0x00280101, 12);
    put_us(o, 0x00280102, 11);
    put_us(o, 0x00280103, 0);
}

void load_object_make(const struct load_set *set, uint32_t run, unsigned lane, unsigned number,
                      struct load_object *out)
{
    struct out o = {out->head, 0};
    char study[LOAD_UID];
    char series[LOAD_UID];
    char text[32];
    unsigned group = number / set->per_study;
    snprintf(study, sizeof study, ROOT ".%u.%u.%u", run, lane, group);
    snprintf(series, sizeof series, ROOT ".%u.%u.%u.1", run, lane, group);
    snprintf(out->sop_uid, sizeof out->sop_uid, ROOT ".%u.%u.%u.1.%u", run, lane, group,
             number % set->per_study + 1);
    put_text(&o, 0x00080005, "CS", "ISO_IR 192");
    put_text(&o, 0x00080016, "UI", set->sop_class);
    put_text(&o, 0x00080018, "UI", out->sop_uid);
    put_text(&o, 0x00080020, "DA", "20260301");
    put_text(&o, 0x0008002a, "DT", "20260301080000");
    put_text(&o, 0x00080030, "TM", "080000");
    snprintf(text, sizeof text, "A%u-%u-%u", run % 100000, lane, group);
    put_text(&o, 0x00080050, "SH", text);
    put_text(&o, 0x00080060, "CS", set->modality);
    put_text(&o, 0x00080070, "LO", "Load generator");
    put_text(&o, 0x00081030, "LO", "Benchmark study");
    snprintf(text, sizeof text, "LOAD^P%u-%u", lane, group);
    put_text(&o, 0x00100010, "PN", text);
    snprintf(text, sizeof text, "P%u-%u-%u", run % 100000, lane, group);
    put_text(&o, 0x00100020, "LO", text);
    put_text(&o, 0x00100030, "DA", "19600101");
    put_text(&o, 0x00100040, "CS", "F");
    put_text(&o, 0x0020000d, "UI", study);
    put_text(&o, 0x0020000e, "UI", series);
    put_text(&o, 0x00200010, "SH", "1");
    put_text(&o, 0x00200011, "IS", "1");
    snprintf(text, sizeof text, "%u", number % set->per_study + 1);
    put_text(&o, 0x00200013, "IS", text);
    if (set->rows)
        put_image(&o, set);
    out->head_n = o.n;
}
