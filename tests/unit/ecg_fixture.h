/*
 * What the ECG tests share: files of testdata/scp with their expected samples,
 * and recordings made by others, which lie in $RDC_ECG_DATA where there are any.
 */
#ifndef ECG_FIXTURE_H
#define ECG_FIXTURE_H

#include "base/buf.h"
#include "ecg/ecg_open.h"
#include "tests/unit/ecg_sound.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool read_whole(const char *path, struct base_buf *out)
{
    FILE *f = fopen(path, "rb");
    size_t n = 1;
    if (!f)
        return false;
    while (n > 0) {
        uint8_t *to = base_buf_reserve(out, 1 << 16);
        ck_assert_ptr_nonnull(to);
        n = fread(to, 1, 1 << 16, f);
        out->n += n;
    }
    fclose(f);
    return true;
}

static inline void load_testdata(const char *name, struct base_buf *out)
{
    char path[512];
    snprintf(path, sizeof path, RDC_SOURCE_DIR "/testdata/scp/%s", name);
    ck_assert_msg(read_whole(path, out), "%s is missing", path);
}

/* False, having said so, when there are no recordings by others here. */
static inline bool load_other(const char *name, struct base_buf *out)
{
    char path[512];
    const char *folder = getenv("RDC_ECG_DATA");
    if (!folder || !folder[0]) {
        printf("skipped: RDC_ECG_DATA names no folder with %s\n", name);
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (read_whole(path, out))
        return true;
    printf("skipped: there is no %s\n", path);
    return false;
}

static inline enum base_err open_bytes(struct base_bytes bytes, const struct ecg_limits *limits,
                                       struct ecg_record **out, struct base_error *err)
{
    /* An exact copy, so that the sanitizer sees a read past the end. */
    uint8_t *copy = malloc(bytes.n ? bytes.n : 1);
    ck_assert_ptr_nonnull(copy);
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    struct ecg_input input = {.name = "", .bytes = base_bytes_of(copy, bytes.n)};
    enum base_err e = ecg_open(&input, 1, limits, NULL, out, err);
    ck_assert(e || !ecg_record_fault(*out));
    free(copy);
    return e;
}

static inline struct ecg_record *must_open(const struct base_buf *b)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    enum base_err e = open_bytes(base_buf_bytes(b), NULL, &r, &err);
    ck_assert_msg(e == BASE_OK, "%s", err.msg);
    return r;
}

static inline struct ecg_record *open_testdata(const char *name)
{
    struct base_buf b = {0};
    load_testdata(name, &b);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&b);
    return r;
}

/* Equal samples and units, lead by lead. */
static inline void assert_same_leads(const struct ecg_lead *a, const struct ecg_lead *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(a[i].name, b[i].name);
        ck_assert_int_eq(a[i].id, b[i].id);
        ck_assert_uint_eq(a[i].samples, b[i].samples);
        ck_assert_double_eq_tol(a[i].rate_hz, b[i].rate_hz, 1e-9);
        ck_assert_double_eq_tol(a[i].uv_per_count, b[i].uv_per_count, 1e-9);
        ck_assert_double_eq_tol(a[i].offset_uv, b[i].offset_uv, 1e-9);
        for (size_t k = 0; k < a[i].samples; k++)
            ck_assert_int_eq(ecg_lead_sample(&a[i], k), ecg_lead_sample(&b[i], k));
    }
}

/* These samples, whether the lead has them in 16 or in 32 bits. */
static inline void assert_samples(const struct ecg_lead *lead, const int32_t *want, size_t n)
{
    ck_assert_uint_eq(lead->samples, n);
    for (size_t k = 0; k < n; k++)
        ck_assert_int_eq(ecg_lead_sample(lead, k), want[k]);
}

/* Room for n samples of 32 bits, set to zero. */
static inline int32_t *must_have_samples(struct ecg_record *r, struct ecg_lead *lead, size_t n)
{
    ck_assert_int_eq(ecg_record_set_i32(r, lead, n), BASE_OK);
    memset(lead->i32, 0, n * sizeof *lead->i32);
    return lead->i32;
}

static inline bool has_note(const struct ecg_record *r, const char *words)
{
    for (size_t i = 0; i < r->nnotes; i++)
        if (strstr(r->notes[i].text, words))
            return true;
    return false;
}

#endif
