#include "ecg/ecg_unit.h"

#include <stdbool.h>
#include <strings.h>

/* "V", "volt", "volts"; in the 8 bytes that EDF has, "millivolt" loses its end. */
static bool is_volt(struct base_bytes word, bool may_be_cut)
{
    static const char volts[] = "volts";
    enum { VOLT = 4 };
    return word.n > 0 && word.n < sizeof volts &&
           strncasecmp((const char *)word.p, volts, word.n) == 0 &&
           (word.n == 1 || word.n >= VOLT || may_be_cut);
}

double ecg_unit_uv(struct base_bytes unit)
{
    enum { EDF_UNIT = 8 };
    static const struct {
        const char *prefix;
        double uv;
    } rows[] = {{"u", 1},        {"m", 1e3},      {"", 1e6},
                {"n", 1e-3},     {"\xc2\xb5", 1}, /* micro sign */
                {"\xce\xbc", 1},                  /* Greek mu */
                {"\xb5", 1},                      /* ISO 8859-1 */
                {"\xa6\xcc", 1},                  /* Greek mu in GBK */
                {"\xe6", 1},                      /* code pages 437 and 850 */
                {"micro", 1},    {"milli", 1e3},  {"nano", 1e-3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].prefix);
        if (unit.n > n && strncasecmp((const char *)unit.p, rows[i].prefix, n) == 0 &&
            is_volt(base_bytes_of(unit.p + n, unit.n - n), unit.n == EDF_UNIT))
            return rows[i].uv;
    }
    return 0;
}
