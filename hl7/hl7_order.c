#include "hl7/hl7_order.h"

#include "base/utf8.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1024 };

static enum base_err refuse(struct hl7_problem *p, enum base_err err, const char *code,
                            const char *name, const char *location, const char *text)
{
    p->code = code;
    p->name = name;
    snprintf(p->location, sizeof p->location, "%s", location);
    snprintf(p->text, sizeof p->text, "%s", text);
    return err;
}

static bool add(struct base_json *j, const char *key, const char *value)
{
    if (!value[0])
        return false;
    base_json_member_string(j, key, value);
    return true;
}

/* The first of these fields that is filled. */
struct place {
    const char *segment;
    unsigned field;
    unsigned component;
};

/* An OBR with the ORC that it stands under. An ORC may have several, and what it and its TQ1
 * say is true of each. */
struct order {
    const struct hl7_message *m;
    size_t patient_end; /* where the segments of its patient end */
    size_t orc;
    size_t begin; /* its own segments: from the ORC, or from a further OBR … */
    size_t end;   /* … to here */
};

static bool order_holds(const struct order *o)
{
    return o->orc <= o->begin && o->begin < o->end && o->end <= o->m->n &&
           strcmp(o->m->segments[o->orc].name, "ORC") == 0 &&
           (o->begin == o->orc || strcmp(o->m->segments[o->begin].name, "OBR") == 0);
}

static size_t segment_of(const struct order *o, const char *name)
{
    bool shared = strcmp(name, "ORC") == 0 || strcmp(name, "TQ1") == 0;
    bool patient = strcmp(name, "PID") == 0 || strcmp(name, "PV1") == 0;
    size_t end = patient ? o->patient_end : o->end;
    size_t i = hl7_find(o->m, name, patient ? 0 : o->begin);
    if (shared && i >= o->end)
        i = hl7_find(o->m, name, o->orc);
    return i < end ? i : SIZE_MAX;
}

static bool first_text(const struct order *o, const struct place *places, size_t n, char *out)
{
    out[0] = 0;
    for (size_t i = 0; i < n; i++)
        if (hl7_text(o->m, segment_of(o, places[i].segment), places[i].field, 0,
                     places[i].component, out, TEXT_MAX))
            return true;
    return false;
}

#define PLACES(...)                                                                                \
    (const struct place[]){__VA_ARGS__},                                                           \
        sizeof((const struct place[]){__VA_ARGS__}) / sizeof(struct place)

static void add_first(const struct order *o, struct base_json *j, const char *key,
                      const struct place *places, size_t n)
{
    char text[TEXT_MAX];
    if (first_text(o, places, n, text))
        add(j, key, text);
}

/* What would part a PN, or cannot stand in one, came by an escape sequence. */
static void add_name_part(struct base_buf *name, const char *part)
{
    for (; *part; part++) {
        bool plain = (uint8_t)*part >= ' ' && *part != 0x7f && !strchr("^=\\", *part);
        base_buf_add_byte(name, plain ? (uint8_t)*part : ' ');
    }
}

/* XPN and XCN to PN (PS3.5 6.2.1): family^given^middle^prefix^suffix; `from`
 * is the component of the family name. */
static void name_of(const struct order *o, const char *segment, unsigned field, unsigned repetition,
                    unsigned from, struct base_buf *name)
{
    static const unsigned order[] = {0, 1, 2, 4, 3};
    char part[TEXT_MAX];
    size_t s = segment_of(o, segment);
    size_t begin = name->n;
    for (size_t i = 0; i < 5; i++) {
        if (i)
            base_buf_add_byte(name, '^');
        if (hl7_text(o->m, s, field, repetition, from + order[i], part, sizeof part))
            add_name_part(name, part);
    }
    while (name->n > begin && name->p[name->n - 1] == '^')
        name->p[--name->n] = 0;
}

static void add_name(const struct order *o, struct base_json *j, const char *key,
                     const char *segment, unsigned field, unsigned from)
{
    struct base_buf name = {.cap = TEXT_MAX};
    name_of(o, segment, field, 0, from, &name);
    add(j, key, base_buf_cstr(&name));
    base_buf_deinit(&name);
}

enum { NAMES_MAX = 8 /* repetitions looked at */ };

/* XPN-7, table 0200: an alias, the name at birth, a maiden, nick- or pseudonym. */
static bool is_other_name(const struct order *o, unsigned repetition)
{
    char type[8];
    return hl7_text(o->m, segment_of(o, "PID"), 5, repetition, 7, type, sizeof type) && !type[1] &&
           strchr("ABMNS", type[0]);
}

/* The repetition whose XPN-8 (table 0465: A, I, P) is this; UINT_MAX when none is. */
static unsigned representation(const struct order *o, char code)
{
    size_t pid = segment_of(o, "PID");
    unsigned n = hl7_repetitions(o->m, pid, 5);
    for (unsigned r = 0; r < n && r < NAMES_MAX; r++) {
        char text[8];
        if (hl7_text(o->m, pid, 5, r, 8, text, sizeof text) && text[0] == code &&
            !is_other_name(o, r))
            return r;
    }
    return UINT_MAX;
}

/* The first repetition that is the person's name, else the first. */
static unsigned first_name(const struct order *o)
{
    unsigned n = hl7_repetitions(o->m, segment_of(o, "PID"), 5);
    for (unsigned r = 0; r < n && r < NAMES_MAX; r++)
        if (!is_other_name(o, r))
            return r;
    return 0;
}

/* PID-5. Where its repetitions say that they are alphabetic, ideographic and
 * phonetic, they are the groups of a PN; else the first is the name. */
static void add_patient_name(const struct order *o, struct base_json *j)
{
    static const char groups[] = "AIP";
    struct base_buf name = {.cap = TEXT_MAX};
    if (representation(o, 'A') == UINT_MAX) {
        unsigned ideographic = representation(o, 'I');
        name_of(o, "PID", 5, ideographic == UINT_MAX ? first_name(o) : ideographic, 1, &name);
    } else {
        for (size_t i = 0; groups[i]; i++) {
            unsigned r = representation(o, groups[i]);
            if (i)
                base_buf_add_byte(&name, '=');
            if (r != UINT_MAX)
                name_of(o, "PID", 5, r, 1, &name);
        }
        while (name.n && name.p[name.n - 1] == '=')
            name.p[--name.n] = 0;
    }
    add(j, "patient_name", base_buf_cstr(&name));
    base_buf_deinit(&name);
}

/* PID-3: the identifiers by their types (table 0203). That of type NNCHN or NI is the resident
 * ID; that of type MR or PI, else the first other one (of a visit, a card), the Patient ID. */
static void add_ids(const struct order *o, struct base_json *j)
{
    size_t pid = segment_of(o, "PID");
    char resident[TEXT_MAX] = "";
    char id[TEXT_MAX] = "";
    bool record = false;
    for (unsigned r = 0; r < hl7_repetitions(o->m, pid, 3); r++) {
        char text[TEXT_MAX];
        char type[16];
        hl7_text(o->m, pid, 3, r, 5, type, sizeof type);
        bool of_record = strcmp(type, "MR") == 0 || strcmp(type, "PI") == 0;
        if (!hl7_text(o->m, pid, 3, r, 1, text, sizeof text))
            continue;
        if (strcmp(type, "NNCHN") == 0 || strcmp(type, "NI") == 0) {
            if (!resident[0])
                memcpy(resident, text, strlen(text) + 1);
        } else if (!id[0] || (of_record && !record)) {
            memcpy(id, text, strlen(text) + 1);
            record = of_record;
        }
    }
    add(j, "patient_id", id);
    add(j, "resident_id", resident);
}

/* PID-7, a TS (2.A.77): YYYY and YYYYMM, also as YYYY0000 and YYYYMM00, are no date of a DICOM
 * patient, and no reason to refuse the order. */
static void add_birth_date(const struct order *o, struct base_json *j)
{
    char text[TEXT_MAX];
    if (!hl7_text(o->m, segment_of(o, "PID"), 7, 0, 1, text, sizeof text))
        return;
    size_t digits = strspn(text, "0123456789");
    if (digits >= 8)
        text[8] = 0;
    if (digits >= 8 && (memcmp(text + 4, "00", 2) == 0 || memcmp(text + 6, "00", 2) == 0))
        return;
    if (digits >= 8 || text[digits] == '-')
        add(j, "birth_date", text);
}

static void add_patient(const struct order *o, struct base_json *j)
{
    char text[TEXT_MAX];
    size_t pid = segment_of(o, "PID");
    add_ids(o, j);
    add_patient_name(o, j);
    add_birth_date(o, j);
    if (hl7_text(o->m, pid, 8, 0, 1, text, sizeof text) && strchr("MFO", text[0]) && !text[1])
        add(j, "sex", text);
    add_first(o, j, "admission_id", PLACES({"PV1", 19, 1}));
}

/* Table 0027 and its older letters. */
static void add_priority(const struct order *o, struct base_json *j)
{
    char text[TEXT_MAX];
    if (!first_text(o, PLACES({"TQ1", 9, 1}, {"OBR", 27, 6}, {"ORC", 7, 6}, {"OBR", 5, 0}), text))
        return;
    if (text[0] == 'S' || text[0] == 's')
        add(j, "priority", "stat");
    else if (text[0] == 'A' || text[0] == 'a' || text[0] == 'C' || text[0] == 'T')
        add(j, "priority", "urgent");
    else
        add(j, "priority", "routine");
}

const char *hl7_order_modality(const char *code)
{
    static const char *const modalities[] = {
        "CR", "CT", "DX", "ECG", "EPS", "ES",  "GM", "IO",  "IVOCT", "IVUS",
        "MG", "MR", "NM", "OCT", "OP",  "OPT", "OT", "PT",  "PX",    "RF",
        "RG", "SM", "US", "XA",  "XC",  "BMD", "HD", "EEG", "EMG",   "RESP"};
    static const char *const sections[][2] = {{"EC", "ECG"}, {"CUS", "US"}, {"OUS", "US"},
                                              {"RUS", "US"}, {"VUS", "US"}, {"NMR", "MR"},
                                              {"NMS", "NM"}};
    for (size_t i = 0; i < sizeof modalities / sizeof modalities[0]; i++)
        if (strcmp(code, modalities[i]) == 0)
            return modalities[i];
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (strcmp(code, sections[i][0]) == 0)
            return sections[i][1];
    return NULL;
}

/* IPC-5 is a modality; OBR-24 is one, or a section that has it. */
static void add_modality(const struct order *o, struct base_json *j)
{
    char text[TEXT_MAX];
    if (hl7_text(o->m, segment_of(o, "IPC"), 5, 0, 1, text, sizeof text)) {
        add(j, "modality", text);
        return;
    }
    hl7_text(o->m, segment_of(o, "OBR"), 24, 0, 1, text, sizeof text);
    const char *modality = hl7_order_modality(text);
    if (modality)
        add(j, "modality", modality);
}

void hl7_order_shown(char *text, size_t most)
{
    size_t length = strlen(text);
    size_t at = 0;
    for (; most && at < length; most--) {
        if ((uint8_t)text[at] < ' ' || text[at] == 0x7f || text[at] == '\\')
            text[at] = ' ';
        size_t k = base_utf8_sequence(text + at, length - at);
        at += k ? k : 1;
    }
    text[at] = 0;
}

static void add_shown(const struct order *o, struct base_json *j, const char *key,
                      const struct place *places, size_t n, size_t most)
{
    char text[TEXT_MAX];
    if (!first_text(o, places, n, text))
        return;
    hl7_order_shown(text, most);
    add(j, key, text);
}

/* An OBR behind the first one of its ORC has a number of its own only when that is not the
 * ORC's, nor that of an OBR before it. */
static bool has_own_number(const struct order *o)
{
    char mine[TEXT_MAX];
    char other[TEXT_MAX];
    if (!hl7_text(o->m, o->begin, 2, 0, 1, mine, sizeof mine))
        return false;
    for (size_t i = o->orc; i < o->begin; i++) {
        const char *name = o->m->segments[i].name;
        if ((strcmp(name, "ORC") == 0 || strcmp(name, "OBR") == 0) &&
            hl7_text(o->m, i, 2, 0, 1, other, sizeof other) && strcmp(mine, other) == 0)
            return false;
    }
    return true;
}

static void add_numbers(const struct order *o, struct base_json *j)
{
    if (o->begin == o->orc) {
        add_first(o, j, "placer_number", PLACES({"ORC", 2, 1}, {"OBR", 2, 1}));
        add_first(o, j, "placer_issuer", PLACES({"ORC", 2, 2}, {"OBR", 2, 2}));
        add_first(o, j, "filler_number", PLACES({"ORC", 3, 1}, {"OBR", 3, 1}));
    } else {
        if (has_own_number(o))
            add_first(o, j, "placer_number", PLACES({"OBR", 2, 1}));
        add_first(o, j, "placer_issuer", PLACES({"OBR", 2, 2}, {"ORC", 2, 2}));
        add_first(o, j, "filler_number", PLACES({"OBR", 3, 1}));
    }
    add_first(o, j, "accession", PLACES({"IPC", 1, 1}, {"OBR", 18, 1}));
}

static void add_procedure(const struct order *o, struct base_json *j)
{
    add_numbers(o, j);
    add_first(o, j, "study_uid", PLACES({"IPC", 3, 1}, {"ZDS", 1, 1}));
    add_modality(o, j);
    add_first(o, j, "procedure_code", PLACES({"OBR", 4, 1}));
    add_first(o, j, "procedure_scheme", PLACES({"OBR", 4, 3}));
    add_shown(o, j, "description", PLACES({"OBR", 4, 2}, {"IPC", 6, 2}), 64);
    add_first(o, j, "station", PLACES({"IPC", 9, 0}));
    add_shown(o, j, "station_name", PLACES({"IPC", 7, 1}), 16);
    add_shown(o, j, "location", PLACES({"IPC", 8, 2}, {"IPC", 8, 1}), 16);
    add_first(o, j, "scheduled_at",
              PLACES({"TQ1", 7, 1}, {"OBR", 36, 1}, {"OBR", 27, 4}, {"ORC", 7, 4}));
    add_first(o, j, "reason", PLACES({"OBR", 31, 2}, {"OBR", 31, 1}, {"OBR", 13, 0}));
    add_priority(o, j);
    add_name(o, j, "requester", "ORC", 12, 2);
    add_name(o, j, "referrer", "PV1", 8, 2);
}

/* What the sender wants of the order. */
struct wish {
    const char *code;
    const char *control;
    const char *hold; /* NULL: as it is */
};

/* ORC-1, table 0119. */
static const struct wish controls[] = {
    {"NW", "", NULL},          {"XO", "", NULL},         {"XX", "", NULL},
    {"SN", "", NULL},          {"RO", "", NULL},         {"RP", "cancel", NULL},
    {"CA", "cancel", NULL},    {"DC", "cancel", NULL},   {"OC", "cancel", NULL},
    {"OD", "cancel", NULL},    {"HD", "change", "true"}, {"OH", "change", "true"},
    {"RL", "change", "false"}, {"OE", "change", "false"}};
/* ORC-5, table 0038, when ORC-1 is SC. */
static const struct wish statuses[] = {{"CA", "cancel", NULL},    {"DC", "cancel", NULL},
                                       {"CM", "complete", NULL},  {"HD", "change", "true"},
                                       {"SC", "change", "false"}, {"IP", "change", "false"}};

static const struct wish *find_wish(const struct wish *list, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(code, list[i].code) == 0)
            return &list[i];
    return NULL;
}

static enum base_err write_order(const struct order *o, struct base_json *j,
                                 struct hl7_problem *problem)
{
    char code[16];
    hl7_text(o->m, o->orc, 1, 0, 1, code, sizeof code);
    const struct wish *wish = find_wish(controls, sizeof controls / sizeof controls[0], code);
    if (strcmp(code, "SC") == 0) {
        hl7_text(o->m, o->orc, 5, 0, 1, code, sizeof code);
        wish = find_wish(statuses, sizeof statuses / sizeof statuses[0], code);
        if (!wish)
            return refuse(problem, BASE_EUNSUPPORTED, "103", "Table value not found", "ORC^1^5",
                          "with SC in ORC-1, ORC-5 must be SC, IP, HD, CM, CA or DC");
    }
    if (!wish)
        return refuse(problem, BASE_EUNSUPPORTED, "103", "Table value not found", "ORC^1^1",
                      "ORC-1 must be NW, SN, XO, XX, RP, RO, CA, OC, DC, OD, HD, OH, RL, OE "
                      "or SC");
    bool needs_obr = !wish->control[0];
    if (needs_obr && segment_of(o, "OBR") == SIZE_MAX)
        return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "OBR",
                      "an order that is placed or changed needs an OBR behind its ORC");
    char number[TEXT_MAX];
    if (o->begin != o->orc && !has_own_number(o) &&
        !first_text(o, PLACES({"OBR", 3, 1}, {"IPC", 1, 1}, {"OBR", 18, 1}), number))
        return refuse(problem, BASE_EFORMAT, "101", "Required field missing", "OBR^2^2",
                      "where an ORC has several OBR, each needs a number of its own in OBR-2, "
                      "OBR-3 or OBR-18");
    base_json_open_object(j);
    base_json_member_string(j, "control", wish->control);
    if (wish->hold)
        add(j, "hold", wish->hold);
    add_patient(o, j);
    add_procedure(o, j);
    base_json_close_object(j);
    return BASE_OK;
}

/* Table 0119, PR: with an order come earlier results, perhaps of the patient by another ID. They
 * are for who reads the images, and are no orders. */
static bool is_earlier_result(const struct hl7_message *m, size_t orc)
{
    char code[16];
    return hl7_text(m, orc, 1, 0, 1, code, sizeof code) && strcmp(code, "PR") == 0;
}

/* An ORC, and each OBR under it. */
static enum base_err write_group(struct order o, size_t end, struct base_json *j,
                                 struct hl7_problem *problem)
{
    size_t first = hl7_find(o.m, "OBR", o.orc);
    size_t begin = o.orc;
    enum base_err err = BASE_OK;
    while (!err && begin < end) {
        size_t next = hl7_find(o.m, "OBR", (begin == o.orc && first < end ? first : begin) + 1);
        o.begin = begin;
        o.end = next < end ? next : end;
        assert(order_holds(&o)); /* so begin rises */
        err = write_order(&o, j, problem);
        begin = o.end;
    }
    return err;
}

/* The segments of the patient whose orders these are end at a second PID, which is that of earlier
 * results. A frame whose end got lost holds two messages, of two patients perhaps: nothing of it
 * is taken, since whose an order is could not be told. */
static enum base_err check_one_patient(const struct hl7_message *m, size_t *end,
                                       struct hl7_problem *problem)
{
    size_t pid = hl7_find(m, "PID", 0);
    if (hl7_find(m, "MSH", 1) != SIZE_MAX)
        return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "MSH^2",
                      "there is a second message in the frame: each needs one of its own");
    if (pid == SIZE_MAX)
        return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "PID",
                      "an order needs a PID segment");
    *end = hl7_find(m, "PID", pid + 1);
    for (size_t next = *end; next != SIZE_MAX; next = hl7_find(m, "PID", next + 1))
        if (!is_earlier_result(m, hl7_find(m, "ORC", next)))
            return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "PID^2",
                          "there is a second PID segment: a message has the orders of one patient");
    return BASE_OK;
}

/* The messages that place orders (chapter 4); the last has one OBR under an ORC, and then
 * perhaps earlier results. */
static const char *const messages[][2] = {{"ORM", "O01"}, {"OMI", "O23"}, {"OMG", "O19"}};
#define TAKEN "this listener takes ORM^O01, OMI^O23 and OMG^O19"

static enum base_err check_type(const struct hl7_message *m, bool *one_obr,
                                struct hl7_problem *problem)
{
    char type[16];
    char event[16];
    hl7_text(m, 0, 9, 0, 1, type, sizeof type);
    hl7_text(m, 0, 9, 0, 2, event, sizeof event);
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (strcmp(type, messages[i][0]) != 0)
            continue;
        *one_obr = strcmp(type, "OMG") == 0;
        return strcmp(event, messages[i][1]) == 0
                   ? BASE_OK
                   : refuse(problem, BASE_EUNSUPPORTED, "201", "Unsupported event code", "MSH^1^9",
                            TAKEN);
    }
    return refuse(problem, BASE_EUNSUPPORTED, "200", "Unsupported message type", "MSH^1^9", TAKEN);
}

/* In a message that has one OBR under an ORC, another is an earlier result without an ORC, or the
 * order of a sender that leaves its ORC out: which of them cannot be told. */
static enum base_err check_one_obr(const struct hl7_message *m, size_t orc, size_t end,
                                   struct hl7_problem *problem)
{
    size_t first = hl7_find(m, "OBR", orc);
    if (first >= end || hl7_find(m, "OBR", first + 1) >= end)
        return BASE_OK;
    return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "OBR^2",
                  "in OMG^O19 each OBR needs an ORC: with PR in ORC-1 that of an earlier result");
}

enum base_err hl7_orders_write(const struct hl7_message *m, struct base_json *j,
                               struct hl7_problem *problem)
{
    struct order o = {.m = m};
    bool one_obr = false;
    unsigned n = 0;
    enum base_err err = check_type(m, &one_obr, problem);
    if (!err)
        err = check_one_patient(m, &o.patient_end, problem);
    if (err)
        return err;
    base_json_open_array(j);
    for (o.orc = hl7_find(m, "ORC", 0); o.orc != SIZE_MAX;) {
        size_t next = hl7_find(m, "ORC", o.orc + 1);
        size_t end = next == SIZE_MAX ? m->n : next;
        if (!is_earlier_result(m, o.orc)) {
            err = one_obr ? check_one_obr(m, o.orc, end, problem) : BASE_OK;
            if (!err)
                err = write_group(o, end, j, problem);
            if (err)
                return err;
            n++;
        }
        o.orc = next;
    }
    if (n == 0)
        return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "ORC",
                      "the message has no order: ORC is missing");
    base_json_close_array(j);
    return BASE_OK;
}
