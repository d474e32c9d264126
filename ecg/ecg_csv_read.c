/* CSV as ecg_csv.c writes it: a sampling rate in the header, then µV. */
#include "base/utf8.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { FIELD = 40, COLUMNS_MAX = 257, DECIMALS_MAX = 9 };

static const char first_word[] = "sample (";

struct table {
    struct base_bytes text;
    struct ecg_record *r;
    struct base_error *err;
    size_t body;  /* where the lines of samples begin */
    size_t leads; /* columns but the first */
    size_t rows;
    double rate_hz;
    double first; /* number of the first row */
    unsigned decimals[COLUMNS_MAX];
    double most[COLUMNS_MAX];
};

bool ecg_csv_probe(struct base_bytes file)
{
    size_t n = sizeof first_word - 1;
    struct base_bytes b = file;
    if (b.n >= 3 && memcmp(b.p, "\xef\xbb\xbf", 3) == 0)
        b = base_bytes_of(b.p + 3, b.n - 3);
    if (b.n > 0 && *b.p == '"')
        b = base_bytes_of(b.p + 1, b.n - 1);
    return b.n > n && memcmp(b.p, first_word, n) == 0;
}

/* The field at *at, without its quotes; *at is moved behind the comma or line end, of which *last
 * tells. How long it is: from size on what is in out was cut; SIZE_MAX = it does not end. */
static size_t next_field(struct base_bytes b, size_t *at, char *out, size_t size, bool *last)
{
    size_t n = 0;
    size_t i = *at;
    bool quoted = i < b.n && b.p[i] == '"';
    for (i += quoted; i < b.n; i++) {
        char c = (char)b.p[i];
        if (quoted && c == '"') {
            if (i + 1 < b.n && b.p[i + 1] == '"') {
                i++;
            } else {
                quoted = false;
                continue;
            }
        } else if (!quoted && (c == ',' || c == '\n' || c == '\r')) {
            break;
        }
        if (n + 1 < size)
            out[n] = c;
        n++;
    }
    out[n < size ? n : size - 1] = '\0';
    if (quoted)
        return SIZE_MAX;
    *last = i >= b.n || b.p[i] != ',';
    if (i < b.n && b.p[i] == '\r')
        i++;
    *at = i < b.n ? i + 1 : i;
    return n;
}

static bool next_number(struct base_bytes b, size_t *at, char out[FIELD], bool *last)
{
    return next_field(b, at, out, FIELD, last) < FIELD;
}

/* "sample (500 Hz)" */
static bool read_rate(const char *field, double *out)
{
    char number[FIELD];
    const char *open = strchr(field, '(');
    const char *hz = open ? strstr(open, " Hz)") : NULL;
    if (!hz || (size_t)(hz - open) >= sizeof number)
        return false;
    memcpy(number, open + 1, (size_t)(hz - open - 1));
    number[hz - open - 1] = '\0';
    return ecg_text_number(number, out) && *out > 1e-6 && *out < 1e9;
}

static enum base_err read_header(struct table *t)
{
    enum { NAME = 256 };
    char field[NAME];
    size_t at = t->text.n >= 3 && t->text.p[0] == 0xef ? 3 : 0;
    bool last = false;
    if (next_field(t->text, &at, field, sizeof field, &last) >= sizeof field ||
        !read_rate(field, &t->rate_hz))
        return base_fail(t->err, BASE_EFORMAT, 0,
                         "CSV: the first column does not say the sampling rate; its name must be "
                         "as in \"sample (500 Hz)\"");
    while (!last) {
        size_t pos = at;
        size_t n = next_field(t->text, &at, field, sizeof field, &last);
        if (n == SIZE_MAX)
            return base_fail(t->err, BASE_EFORMAT, pos,
                             "CSV: a name of a column that does not end");
        if (n >= sizeof field) {
            field[base_utf8_cut(field, strlen(field), sizeof field - 2)] = '\0';
            ecg_record_note(t->r, pos, "CSV: a name of %zu bytes: cut to %zu", n, strlen(field));
        }
        struct ecg_lead *lead = t->leads + 1 < COLUMNS_MAX ? ecg_record_add_lead(t->r) : NULL;
        if (!lead)
            return base_fail(t->err, t->r->err ? t->r->err : BASE_ELIMIT, pos,
                             "CSV: more columns than there may be leads");
        ecg_text_name_lead(t->r, base_bytes_str(field), lead);
        lead->rate_hz = t->rate_hz;
        t->leads++;
    }
    t->body = at;
    return t->leads ? BASE_OK
                    : base_fail(t->err, BASE_EFORMAT, 0,
                                "CSV: no lead stands behind the first column, after a comma");
}

/* How many digits stand behind the point, the exponent counted in. */
static unsigned decimals_of(const char *s)
{
    const char *point = strchr(s, '.');
    const char *e = strpbrk(s, "eE");
    long n = point ? (long)strspn(point + 1, "0123456789") : 0;
    n -= e ? strtol(e + 1, NULL, 10) : 0;
    return n < 0 ? 0 : n > DECIMALS_MAX ? DECIMALS_MAX : (unsigned)n;
}

static bool is_blank(const char *field)
{
    return field[strspn(field, " ")] == '\0';
}

/* One line: its number, and a value or NAN per lead into out, which may be NULL. */
static bool read_row(struct table *t, size_t *at, double *number, double *out)
{
    char field[FIELD];
    bool last = false;
    if (!next_number(t->text, at, field, &last) || last || !ecg_text_number(field, number))
        return false;
    for (size_t i = 0; i < t->leads; i++) {
        double v = (double)NAN;
        if (last || !next_number(t->text, at, field, &last))
            return false;
        if (!is_blank(field)) {
            if (!ecg_text_number(field, &v))
                return false;
            unsigned d = decimals_of(field);
            t->decimals[i] = d > t->decimals[i] ? d : t->decimals[i];
            t->most[i] = fabs(v) > t->most[i] ? fabs(v) : t->most[i];
        }
        if (out)
            out[i] = v;
    }
    return last;
}

/* How many lines are sound and in sequence. */
static enum base_err count_rows(struct table *t)
{
    size_t at = t->body;
    while (at < t->text.n) {
        size_t pos = at;
        double number;
        bool sound = read_row(t, &at, &number, NULL);
        if (sound && t->rows == 0)
            t->first = number;
        if (!sound || number != t->first + (double)t->rows) {
            if (t->rows == 0)
                return base_fail(t->err, BASE_EFORMAT, pos,
                                 "CSV: line 2 is no number of a sample and %zu values", t->leads);
            ecg_record_damage(
                t->r, pos,
                "CSV: line %zu is not number %.0f and %zu values; what follows is not "
                "read",
                t->rows + 2, t->first + (double)t->rows, t->leads);
            break;
        }
        if (at == t->text.n && t->rows && t->text.p[at - 1] != '\n') {
            ecg_record_note(t->r, pos, "CSV: the last line, %zu, does not end: it is left out",
                            t->rows + 2);
            break;
        }
        t->rows++;
    }
    if (t->rows == 0)
        return base_fail(t->err, BASE_EFORMAT, t->body, "CSV: there is no sample");
    return BASE_OK;
}

/* As few decimals as the values have, and as many as 32 bits hold. */
static double scale_of(const struct table *t, size_t lead)
{
    double scale = pow(10, t->decimals[lead]);
    while (t->most[lead] * scale >= INT32_MAX)
        scale /= 10;
    return scale;
}

/* By what all samples can be divided: the step of the converter, nearly always. */
static void reduce(struct ecg_lead *lead)
{
    uint32_t step = 0;
    for (size_t i = 0; i < lead->samples && step != 1; i++) {
        int32_t v = lead->i32[i];
        uint32_t b = v == ECG_SAMPLE_NONE ? 0 : (uint32_t)(v < 0 ? -v : v);
        while (b) {
            uint32_t rest = step % b;
            step = b;
            b = rest;
        }
    }
    if (step < 2)
        return;
    for (size_t i = 0; i < lead->samples; i++)
        if (lead->i32[i] != ECG_SAMPLE_NONE)
            lead->i32[i] /= (int32_t)step;
    lead->uv_per_count *= step;
}

static enum base_err read_rows(struct table *t)
{
    double scale[COLUMNS_MAX];
    double values[COLUMNS_MAX];
    size_t at = t->body;
    enum base_err e = BASE_OK;
    for (size_t i = 0; i < t->leads && !e; i++) {
        struct ecg_lead *lead = &t->r->leads[i];
        scale[i] = scale_of(t, i);
        lead->uv_per_count = 1 / scale[i];
        lead->start_s = t->first / t->rate_hz;
        e = ecg_record_set_i32(t->r, lead, t->rows);
    }
    if (e)
        return base_fail(t->err, e, t->body, "CSV: %zu samples of %zu leads: %s", t->rows, t->leads,
                         base_err_text(e));
    for (size_t row = 0; row < t->rows; row++) {
        double number;
        bool sound = read_row(t, &at, &number, values); /* as count_rows found it */
        assert(sound && number == t->first + (double)row);
        (void)sound;
        for (size_t i = 0; i < t->leads; i++)
            t->r->leads[i].i32[row] =
                isnan(values[i]) ? ECG_SAMPLE_NONE : (int32_t)lround(values[i] * scale[i]);
    }
    for (size_t i = 0; i < t->leads; i++) {
        reduce(&t->r->leads[i]);
        ecg_record_narrow(t->r, &t->r->leads[i]);
    }
    return BASE_OK;
}

enum base_err ecg_csv_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    t->text = file;
    t->r = r;
    t->err = err;
    enum base_err e = read_header(t);
    if (!e)
        e = count_rows(t);
    if (!e)
        e = read_rows(t);
    free(t);
    return e;
}
