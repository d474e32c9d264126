#include "hl7/hl7_patient.h"

#include <limits.h>
#include <string.h>

enum { TEXT_MAX = 1024, NAMES_MAX = 8 /* repetitions looked at */ };

/* What would part a PN, or cannot stand in one, came by an escape sequence. */
static void add_name_part(struct base_buf *name, const char *part)
{
    for (; *part; part++) {
        bool plain = (uint8_t)*part >= ' ' && *part != 0x7f && !strchr("^=\\", *part);
        base_buf_add_byte(name, plain ? (uint8_t)*part : ' ');
    }
}

void hl7_person_name(const struct hl7_message *m, size_t segment, unsigned field,
                     unsigned repetition, unsigned from, struct base_buf *name)
{
    static const unsigned order[] = {0, 1, 2, 4, 3};
    char part[TEXT_MAX];
    size_t begin = name->n;
    for (size_t i = 0; i < 5; i++) {
        if (i)
            base_buf_add_byte(name, '^');
        if (hl7_text(m, segment, field, repetition, from + order[i], part, sizeof part))
            add_name_part(name, part);
    }
    while (name->n > begin && name->p[name->n - 1] == '^')
        name->p[--name->n] = 0;
}

void hl7_person_write(struct base_json *j, const char *key, struct base_buf *name)
{
    base_json_member_filled(j, key, base_buf_cstr(name));
    if (name->err == BASE_ENOMEM)
        j->out->err = name->err;
    base_buf_deinit(name);
}

/* XPN-7, table 0200: an alias, the name at birth, a maiden, nick- or pseudonym. */
static bool is_other_name(const struct hl7_message *m, size_t pid, unsigned repetition)
{
    char type[8];
    return hl7_text(m, pid, 5, repetition, 7, type, sizeof type) && !type[1] &&
           strchr("ABMNS", type[0]);
}

/* The repetition whose XPN-8 (table 0465: A, I, P) is this; UINT_MAX when none is. */
static unsigned representation(const struct hl7_message *m, size_t pid, char code)
{
    unsigned n = hl7_repetitions(m, pid, 5);
    for (unsigned r = 0; r < n && r < NAMES_MAX; r++) {
        char text[8];
        if (hl7_text(m, pid, 5, r, 8, text, sizeof text) && text[0] == code &&
            !is_other_name(m, pid, r))
            return r;
    }
    return UINT_MAX;
}

/* The first repetition that is the person's name, else the first. */
static unsigned first_name(const struct hl7_message *m, size_t pid)
{
    unsigned n = hl7_repetitions(m, pid, 5);
    for (unsigned r = 0; r < n && r < NAMES_MAX; r++)
        if (!is_other_name(m, pid, r))
            return r;
    return 0;
}

/* PID-5. Where its repetitions say that they are alphabetic, ideographic and
 * phonetic, they are the groups of a PN; else the first is the name. */
static void add_patient_name(const struct hl7_message *m, size_t pid, struct base_json *j)
{
    static const char groups[] = "AIP";
    struct base_buf name = {.cap = TEXT_MAX};
    if (representation(m, pid, 'A') == UINT_MAX) {
        unsigned ideographic = representation(m, pid, 'I');
        hl7_person_name(m, pid, 5, ideographic == UINT_MAX ? first_name(m, pid) : ideographic, 1,
                        &name);
    } else {
        for (size_t i = 0; groups[i]; i++) {
            unsigned r = representation(m, pid, groups[i]);
            if (i)
                base_buf_add_byte(&name, '=');
            if (r != UINT_MAX)
                hl7_person_name(m, pid, 5, r, 1, &name);
        }
        while (name.n && name.p[name.n - 1] == '=')
            name.p[--name.n] = 0;
    }
    hl7_person_write(j, "patient_name", &name);
}

/* PID-3: the identifiers by their types (table 0203). That of type NNCHN or NI is the resident
 * ID; that of type MR or PI, else the first other one (of a visit, a card), the Patient ID. False
 * when there is none. */
static bool add_ids(const struct hl7_message *m, size_t pid, struct base_json *j)
{
    char resident[TEXT_MAX] = "";
    char id[TEXT_MAX] = "";
    bool record = false;
    for (unsigned r = 0; r < hl7_repetitions(m, pid, 3); r++) {
        char text[TEXT_MAX];
        char type[16];
        hl7_text(m, pid, 3, r, 5, type, sizeof type);
        bool of_record = strcmp(type, "MR") == 0 || strcmp(type, "PI") == 0;
        if (!hl7_text(m, pid, 3, r, 1, text, sizeof text))
            continue;
        if (strcmp(type, "NNCHN") == 0 || strcmp(type, "NI") == 0) {
            if (!resident[0])
                memcpy(resident, text, strlen(text) + 1);
        } else if (!id[0] || (of_record && !record)) {
            memcpy(id, text, strlen(text) + 1);
            record = of_record;
        }
    }
    base_json_member_filled(j, "patient_id", id);
    base_json_member_filled(j, "resident_id", resident);
    return id[0];
}

/* PID-7, a TS (2.A.77): YYYY and YYYYMM, also as YYYY0000 and YYYYMM00, are no date of a DICOM
 * patient, and no reason to refuse the order. */
static void add_birth_date(const struct hl7_message *m, size_t pid, struct base_json *j)
{
    char text[TEXT_MAX];
    if (!hl7_text(m, pid, 7, 0, 1, text, sizeof text))
        return;
    size_t digits = strspn(text, "0123456789");
    if (digits >= 8)
        text[8] = 0;
    if (digits >= 8 && (memcmp(text + 4, "00", 2) == 0 || memcmp(text + 6, "00", 2) == 0))
        return;
    if (digits >= 8 || text[digits] == '-')
        base_json_member_filled(j, "birth_date", text);
}

bool hl7_patient_write(const struct hl7_message *m, size_t pid, struct base_json *j)
{
    char text[TEXT_MAX];
    bool known = add_ids(m, pid, j);
    add_patient_name(m, pid, j);
    add_birth_date(m, pid, j);
    if (hl7_text(m, pid, 8, 0, 1, text, sizeof text) && strchr("MFO", text[0]) && !text[1])
        base_json_member_filled(j, "sex", text);
    return known;
}
