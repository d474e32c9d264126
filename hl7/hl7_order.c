#include "hl7/hl7_order.h"

#include "base/utf8.h"
#include "hl7/hl7_patient.h"

#include <assert.h>
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
        base_json_member_filled(j, key, text);
}

static void add_name(const struct order *o, struct base_json *j, const char *key,
                     const char *segment, unsigned field, unsigned from)
{
    struct base_buf name = {.cap = TEXT_MAX};
    hl7_person_name(o->m, segment_of(o, segment), field, 0, from, &name);
    hl7_person_write(j, key, &name);
}

/* Table 0027 and its older letters. */
static void add_priority(const struct order *o, struct base_json *j)
{
    char text[TEXT_MAX];
    if (!first_text(o, PLACES({"TQ1", 9, 1}, {"OBR", 27, 6}, {"ORC", 7, 6}, {"OBR", 5, 0}), text))
        return;
    if (text[0] == 'S' || text[0] == 's')
        base_json_member_filled(j, "priority", "stat");
    else if (text[0] == 'A' || text[0] == 'a' || text[0] == 'C' || text[0] == 'T')
        base_json_member_filled(j, "priority", "urgent");
    else
        base_json_member_filled(j, "priority", "routine");
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
        base_json_member_filled(j, "modality", text);
        return;
    }
    hl7_text(o->m, segment_of(o, "OBR"), 24, 0, 1, text, sizeof text);
    const char *modality = hl7_order_modality(text);
    if (modality)
        base_json_member_filled(j, "modality", modality);
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
    base_json_member_filled(j, key, text);
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
        base_json_member_filled(j, "hold", wish->hold);
    (void)hl7_patient_write(o->m, segment_of(o, "PID"), j);
    add_first(o, j, "admission_id", PLACES({"PV1", 19, 1}));
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
                      "a message needs a PID segment: whom it is about");
    *end = hl7_find(m, "PID", pid + 1);
    for (size_t next = *end; next != SIZE_MAX; next = hl7_find(m, "PID", next + 1))
        if (!is_earlier_result(m, hl7_find(m, "ORC", next)))
            return refuse(problem, BASE_EFORMAT, "100", "Segment sequence error", "PID^2",
                          "there is a second PID segment: a message is about one patient");
    return BASE_OK;
}

/* The messages that place orders (chapter 4), of which OMG has one OBR under an ORC, and then
 * perhaps earlier results; and those that say who a patient is (chapter 3). */
struct kind {
    const char *type;
    const char *event;
    bool patient;
    bool one_obr;
};
static const struct kind kinds[] = {{"ORM", "O01", false, false},
                                    {"OMI", "O23", false, false},
                                    {"OMG", "O19", false, true},
                                    {"ADT", "A08", true, false},
                                    {"ADT", "A31", true, false}};

static enum base_err find_kind(const struct hl7_message *m, const struct kind **out,
                               struct hl7_problem *problem)
{
    char type[16];
    char event[16];
    bool known = false;
    hl7_text(m, 0, 9, 0, 1, type, sizeof type);
    hl7_text(m, 0, 9, 0, 2, event, sizeof event);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bool is_type = strcmp(type, kinds[i].type) == 0;
        known |= is_type;
        if (is_type && strcmp(event, kinds[i].event) == 0) {
            *out = &kinds[i];
            return BASE_OK;
        }
    }
    return refuse(problem, BASE_EUNSUPPORTED, known ? "201" : "200",
                  known ? "Unsupported event code" : "Unsupported message type", "MSH^1^9",
                  "this listener takes ORM^O01, OMI^O23, OMG^O19, ADT^A08 and ADT^A31");
}

/* ADT^A08 and A31 (3.3.8, 3.3.31): what the registration says of a patient now. */
static enum base_err write_update(const struct hl7_message *m, struct base_json *j,
                                  struct hl7_problem *problem)
{
    base_json_open_array(j);
    base_json_open_object(j);
    base_json_member_string(j, "control", "patient");
    if (!hl7_patient_write(m, hl7_find(m, "PID", 0), j))
        return refuse(problem, BASE_EFORMAT, "101", "Required field missing", "PID^1^3",
                      "PID-3 has no Patient ID: whom the message is about cannot be told");
    base_json_close_object(j);
    base_json_close_array(j);
    return BASE_OK;
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

static enum base_err write_orders(const struct hl7_message *m, const struct kind *kind,
                                  size_t patient_end, struct base_json *j,
                                  struct hl7_problem *problem)
{
    struct order o = {.m = m, .patient_end = patient_end};
    unsigned n = 0;
    base_json_open_array(j);
    for (o.orc = hl7_find(m, "ORC", 0); o.orc != SIZE_MAX;) {
        size_t next = hl7_find(m, "ORC", o.orc + 1);
        size_t end = next == SIZE_MAX ? m->n : next;
        if (!is_earlier_result(m, o.orc)) {
            enum base_err err = kind->one_obr ? check_one_obr(m, o.orc, end, problem) : BASE_OK;
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

enum base_err hl7_orders_write(const struct hl7_message *m, struct base_json *j,
                               struct hl7_problem *problem)
{
    const struct kind *kind = NULL;
    size_t patient_end = 0;
    enum base_err err = find_kind(m, &kind, problem);
    if (!err)
        err = check_one_patient(m, &patient_end, problem);
    if (err)
        return err;
    return kind->patient ? write_update(m, j, problem)
                         : write_orders(m, kind, patient_end, j, problem);
}
