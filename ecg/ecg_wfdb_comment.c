/*
 * Comments of a header. header(5) gives them no form; databases write
 *
 *     # 72 F 750 1629 x1           age, sex, and their own numbers
 *     #<age>: 51 <sex>: F          and lines of text after #<diagnoses>:
 *     # Age: 78   # Sex: Male   # Dx: 67741000119109,426177001
 */
#include "ecg/ecg_wfdb_priv.h"

#include "base/buf.h"
#include "ecg/ecg_snomed.h"
#include "ecg/ecg_text.h"

#include <stdlib.h>
#include <strings.h>

/* In any case, and not as the end of a longer word. */
static bool ends_with(struct base_bytes text, const char *key)
{
    size_t n = strlen(key);
    if (text.n < n || strncasecmp((const char *)text.p + text.n - n, key, n) != 0)
        return false;
    int before = text.n > n ? text.p[text.n - n - 1] | 32 : 0;
    return before < 'a' || before > 'z';
}

/* The value after "key:" or "<key>:" in a line, to the next "<" or the end. */
static struct base_bytes value_of(struct base_bytes line, const char *key)
{
    for (size_t at = 0; at < line.n; at++) {
        const uint8_t *colon = memchr(line.p + at, ':', line.n - at);
        if (!colon)
            break;
        at = (size_t)(colon - line.p);
        if (!ends_with(base_bytes_of(line.p, at - (at && colon[-1] == '>')), key))
            continue;
        for (at++; at < line.n && line.p[at] == ' ';)
            at++;
        const uint8_t *next = at < line.n ? memchr(line.p + at, '<', line.n - at) : NULL;
        return base_bytes_of(line.p + at, (next ? (size_t)(next - line.p) : line.n) - at);
    }
    return base_bytes_of(NULL, 0);
}

static void set_age(struct ecg_patient *p, struct base_bytes word)
{
    char text[16];
    char *end;
    ecg_wfdb_copy(word, text, sizeof text);
    long age = strtol(text, &end, 10);
    if (end != text && age > 0 && age < 150 && !p->age) {
        p->age = (int)age;
        p->age_unit = 'Y';
    }
}

static void set_sex(struct ecg_patient *p, struct base_bytes word)
{
    if (word.n && !p->sex && strchr("MmFf", *word.p))
        p->sex = *word.p == 'M' || *word.p == 'm' ? 'M' : 'F';
}

static void add_codes(struct ecg_record *r, struct base_bytes list)
{
    size_t at = 0;
    while (at < list.n) {
        const uint8_t *from = list.p + at;
        const uint8_t *comma = memchr(from, ',', list.n - at);
        size_t n = comma ? (size_t)(comma - from) : list.n - at;
        const char *code = ecg_text_undeclared(r, base_bytes_of(from, n));
        const char *name = ecg_snomed_name(code);
        if (code[0])
            ecg_record_add_statement(r, name ? name : code, code);
        at += n + 1;
    }
}

/* "69 M 1085 1629 x1": the first comment of a record of MIT-BIH. */
static bool take_plain(struct ecg_patient *p, struct base_bytes line)
{
    struct base_bytes age = ecg_wfdb_word(&line);
    struct base_bytes sex = ecg_wfdb_word(&line);
    if (age.n == 0 || age.n > 3 || sex.n != 1 || !strchr("MF", *sex.p) ||
        !((*age.p >= '0' && *age.p <= '9') || *age.p == '-'))
        return false;
    set_age(p, age);
    set_sex(p, sex);
    return true;
}

void ecg_wfdb_comments(struct ecg_record *r, struct base_bytes text)
{
    struct base_bytes line;
    struct base_buf all;
    size_t at = 0;
    size_t number = 0;
    bool diagnoses = false;
    base_buf_init(&all, 1 << 16);
    while (ecg_wfdb_next_line(text, &at, &number, &line)) {
        if (line.n == 0 || *line.p != '#')
            continue;
        line.p++;
        line.n--;
        while (line.n && *line.p == ' ') {
            line.p++;
            line.n--;
        }
        base_buf_add(&all, line.p, line.n);
        base_buf_add_byte(&all, '\n');
        set_age(&r->patient, value_of(line, "age"));
        set_sex(&r->patient, value_of(line, "sex"));
        add_codes(r, value_of(line, "Dx"));
        if (value_of(line, "diagnoses").p)
            diagnoses = true;
        else if (diagnoses && line.n)
            ecg_record_add_statement(r, ecg_text_undeclared(r, line), "");
        else if (!r->patient.age && !r->patient.sex)
            (void)take_plain(&r->patient, line);
    }
    ecg_record_fail(r, all.err == BASE_ENOMEM ? all.err : BASE_OK); /* what is too long is cut */
    r->comment = ecg_text_undeclared(r, base_buf_bytes(&all));
    base_buf_deinit(&all);
}
