#include "ecg/ecg_unit.h"

double ecg_unit_uv(struct base_bytes unit)
{
    static const struct {
        const char *unit;
        double uv;
    } rows[] = {{"uV", 1},        {"mV", 1e3},      {"nV", 1e-3},
                {"V", 1e6},       {"\xc2\xb5V", 1}, /* micro sign */
                {"\xce\xbcV", 1},                   /* Greek mu */
                {"\xb5V", 1},                       /* ISO 8859-1 */
                {"mv", 1e3},      {"uv", 1},        /* as some write them */
                {"UV", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (base_bytes_equal(unit, base_bytes_str(rows[i].unit)))
            return rows[i].uv;
    return 0;
}
