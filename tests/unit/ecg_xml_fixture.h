/* What the tests of ECG in XML share: files of testdata/ecg-xml, also changed. */
#ifndef ECG_XML_FIXTURE_H
#define ECG_XML_FIXTURE_H

#include "ecg_fixture.h"

static inline struct ecg_record *open_own(const char *name)
{
    char path[128];
    struct base_buf b = {0};
    snprintf(path, sizeof path, "../ecg-xml/%s", name);
    load_testdata(path, &b);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&b);
    return r;
}

static inline enum base_err open_text(const char *text, struct ecg_record **r,
                                      struct base_error *err)
{
    return open_bytes(base_bytes_str(text), NULL, r, err);
}

/* One of testdata, with `with` in place of each `what`. */
static inline struct ecg_record *open_changed(const char *file, const char *what, const char *with)
{
    struct base_buf whole = {0}, b = {0};
    load_testdata(file, &whole);
    const char *from = base_buf_cstr(&whole), *at;
    ck_assert_ptr_nonnull(strstr(from, what));
    for (; (at = strstr(from, what)); from = at + strlen(what)) {
        base_buf_add(&b, from, (size_t)(at - from));
        base_buf_add_str(&b, with);
    }
    base_buf_add_str(&b, from);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&whole);
    base_buf_deinit(&b);
    return r;
}

#endif
