#include "ecg/ecg_code.h"

#include <string.h>

struct row {
    const char *mnemonic;
    const char *mdc;
    const char *meaning;
    bool is_beat;
};

#define ROW(name, wfdb, mnemonic, beat, mdc, meaning) [wfdb] = {mnemonic, mdc, meaning, beat},
static const struct row rows[ECG_CODE_COUNT] = {ECG_CODE_MAP(ROW)};
#undef ROW

static const struct row *row_of(enum ecg_code code)
{
    static const struct row none = {"", "", "", false};
    const struct row *row = (unsigned)code < ECG_CODE_COUNT ? &rows[code] : &none;
    return row->mnemonic ? row : &none;
}

const char *ecg_code_mnemonic(enum ecg_code code)
{
    return row_of(code)->mnemonic;
}

const char *ecg_code_meaning(enum ecg_code code)
{
    return row_of(code)->meaning;
}

const char *ecg_code_mdc(enum ecg_code code)
{
    return row_of(code)->mdc;
}

bool ecg_code_is_beat(enum ecg_code code)
{
    return row_of(code)->is_beat;
}

enum ecg_code ecg_code_by_name(const char *name, size_t n)
{
    for (unsigned i = 1; i < ECG_CODE_COUNT && n; i++) {
        const struct row *row = row_of((enum ecg_code)i);
        if ((strlen(row->mnemonic) == n && memcmp(row->mnemonic, name, n) == 0) ||
            (strlen(row->mdc) == n && memcmp(row->mdc, name, n) == 0))
            return (enum ecg_code)i;
    }
    return ECG_CODE_NONE;
}
