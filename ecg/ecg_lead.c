#include "ecg/ecg_lead.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_SIZE = 8 };

struct lead_row {
    int id;
    char name[NAME_SIZE]; /* zeros behind */
    const char *meaning;
};

/* DICOM CID 3001; SCP-ECG lead identifications. */
static const struct lead_row rows[] = {
    {1, "I", "Lead I"},
    {2, "II", "Lead II"},
    {3, "V1", "Lead V1"},
    {4, "V2", "Lead V2"},
    {5, "V3", "Lead V3"},
    {6, "V4", "Lead V4"},
    {7, "V5", "Lead V5"},
    {8, "V6", "Lead V6"},
    {9, "V7", "Lead V7"},
    {10, "V2R", "Lead V2R"},
    {11, "V3R", "Lead V3R"},
    {12, "V4R", "Lead V4R"},
    {13, "V5R", "Lead V5R"},
    {14, "V6R", "Lead V6R"},
    {15, "V7R", "Lead V7R"},
    {16, "X", "Lead X"},
    {17, "Y", "Lead Y"},
    {18, "Z", "Lead Z"},
    {19, "CC5", "CC5, V5 and V5R placement"},
    {20, "CM5", "CM5, V5 placement"},
    {21, "LA", "Left Arm"},
    {22, "RA", "Right Arm"},
    {23, "LL", "Left Leg"},
    {24, "fI", "Lead fI"},
    {25, "fE", "Lead fE"},
    {26, "fC", "Lead fC"},
    {27, "fA", "Lead fA"},
    {28, "fM", "Lead fM"},
    {29, "fF", "Lead fF"},
    {30, "fH", "Lead fH"},
    {31, "dI", "Lead I, derived"},
    {32, "dII", "Lead II, derived"},
    {33, "dV1", "Lead V1, derived"},
    {34, "dV2", "Lead V2, derived"},
    {35, "dV3", "Lead V3, derived"},
    {36, "dV4", "Lead V4, derived"},
    {37, "dV5", "Lead V5, derived"},
    {38, "dV6", "Lead V6, derived"},
    {61, "III", "Lead III"},
    {62, "aVR", "aVR, augmented voltage, right"},
    {63, "aVL", "aVL, augmented voltage, left"},
    {64, "aVF", "aVF, augmented voltage, foot"},
    {65, "-aVR", "Lead -aVR"},
    {66, "V8", "Lead V8"},
    {67, "V9", "Lead V9"},
    {68, "V8R", "Lead V8R"},
    {69, "V9R", "Lead V9R"},
    {70, "D", "Nehb Dorsal"},
    {71, "A", "Nehb Anterior"},
    {72, "J", "Nehb Inferior"},
    {73, "Defib", "Defibrillator lead: anterior-lateral"},
    {74, "Extern", "External pacing lead: anterior-posterior"},
    {75, "A1", "Auxiliary unipolar lead 1"},
    {76, "A2", "Auxiliary unipolar lead 2"},
    {77, "A3", "Auxiliary unipolar lead 3"},
    {78, "A4", "Auxiliary unipolar lead 4"},
    {86, "C", "Unspecified chest lead"},
    {87, "V", "V unspecified"},
    {88, "VR", "VR, nonaugmented voltage, vector of RA"},
    {89, "VL", "VL, nonaugmented voltage, vector of LA"},
    {90, "VF", "VF, nonaugmented voltage, vector of LL"},
    {91, "MCL", "Modified chest lead (left arm indifferent)"},
    {92, "MCL1", "MCL, V1 placement"},
    {93, "MCL2", "MCL, V2 placement"},
    {94, "MCL3", "MCL, V3 placement"},
    {95, "MCL4", "MCL, V4 placement"},
    {96, "MCL5", "MCL, V5 placement"},
    {97, "MCL6", "MCL, V6 placement"},
    {98, "CC", "Chest lead, symmetric placement"},
    {99, "CC1", "CC1, V1 and V1R placement"},
    {100, "CC2", "CC2, V2 and V2R placement"},
    {101, "CC3", "CC3, V3 and V3R placement"},
    {102, "CC4", "CC4, V4 and V4R placement"},
    {103, "CC6", "CC6, V6 and V6R placement"},
    {104, "CC7", "CC7, V7 and V8R placement"},
    {105, "CM", "Chest-manubrium"},
    {106, "CM1", "CM1, V1 placement"},
    {107, "CM2", "CM2, V2 placement"},
    {108, "CM3", "CM3, V3 placement"},
    {109, "CM4", "CM4, V4 placement"},
    {110, "CM6", "CM6, V6 placement"},
    {111, "dIII", "Lead III, derived"},
    {112, "daVR", "Lead aVR, derived"},
    {113, "daVL", "Lead aVL, derived"},
    {114, "daVF", "Lead aVF, derived"},
    {121, "CM7", "CM7, V7 placement"},
    {122, "CH5", "CH5, V5 placement"},
    {123, "CS5", "negative: right infraclavicular fossa"},
    {124, "CB5", "negative: low right scapula"},
    {125, "CR5", "negative: right arm"},
    {126, "ML", "ML, modified limb lead, ~Lead II"},
    {127, "AB1", "AB1 (atrial detection electrogram, Brown)"},
    {128, "AB2", "AB2 (atrial detection electrogram, Brown)"},
    {129, "AB3", "AB3 (atrial detection electrogram, Brown)"},
    {130, "AB4", "AB4 (atrial detection electrogram, Brown)"},
    {131, "ES", "EASI ES"},
    {132, "AS", "EASI AS"},
    {133, "AI", "EASI AI"},
    {134, "S", "EASI upper sternum lead"},
    {147, "RL", "Right leg"},
    {148, "CV5RL", "Canine, fifth right intercostal space near the edge of the sternum"},
    {149, "CV6LL", "Canine, sixth left intercostal space near the edge of the sternum"},
    {150, "CV6LU", "Canine, sixth left intercostal space at the costochondral junction"},
    {151, "V10", "Canine, over dorsal spinous process of the seventh thoracic vertebra"},
};

static const struct lead_row *find_row(int id)
{
    /* The usual ones are numbered as they stand. */
    if (id > 0 && (size_t)id <= sizeof rows / sizeof *rows && rows[id - 1].id == id)
        return &rows[id - 1];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].id == id)
            return &rows[i];
    return NULL;
}

const char *ecg_lead_name(int id)
{
    const struct lead_row *row = find_row(id);
    return row ? row->name : NULL;
}

const char *ecg_lead_meaning(int id)
{
    const struct lead_row *row = find_row(id);
    return row ? row->meaning : NULL;
}

static int match_name(const char *name, size_t n)
{
    static const struct {
        char name[NAME_SIZE];
        int id;
    } aliases[] = {{"DI", ECG_LEAD_I},
                   {"DII", ECG_LEAD_II},
                   {"DIII", ECG_LEAD_III},
                   {"D1", ECG_LEAD_I},
                   {"D2", ECG_LEAD_II},
                   {"D3", ECG_LEAD_III},
                   {"MLII", ECG_LEAD_ML},
                   {"Ⅰ", ECG_LEAD_I},
                   {"Ⅱ", ECG_LEAD_II},
                   {"Ⅲ", ECG_LEAD_III},
                   {"vx", 16},
                   {"vy", 17},
                   {"vz", 18}}; /* Frank's X, Y and Z in the PTB database */
    char own[NAME_SIZE] = "";
    if (n >= sizeof own)
        return ECG_LEAD_NONE;
    memcpy(own, name, n);
    /* Exact case first: "dI" is not "DI", as lead I is called in many countries. */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (memcmp(rows[i].name, own, sizeof own) == 0)
            return rows[i].id;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (memcmp(aliases[i].name, own, sizeof own) == 0)
            return aliases[i].id;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool may_be = ((rows[i].name[0] ^ own[0]) & ~0x20) == 0; /* another case at most */
        if (may_be && strcasecmp(rows[i].name, own) == 0)
            return rows[i].id;
    }
    return ECG_LEAD_NONE;
}

/* How much of it says what it is, and again: "ECG lead II". A sign stands behind such a word, or
 * else one of the twelve names. */
static size_t prefix_of(const char *name, size_t n)
{
    static const char *const words[] = {"MDC_ECG_LEAD_", "ECG", "EKG", "Lead", "导联"};
    size_t at = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        size_t rest = n - at;
        if (rest <= length || strncasecmp(name + at, words[i], length) != 0)
            continue;
        const char *behind = name + at + length;
        bool parted = strchr(" _-:.", *behind) != NULL;
        if (!parted && i > 0 && !ecg_lead_is_standard(match_name(behind, rest - length)))
            continue;
        at += length + (parted && i > 0);
        while (at < n && name[at] == ' ')
            at++;
    }
    return at;
}

int ecg_lead_by_name(const char *name, size_t n)
{
    while (n && (name[n - 1] == ' ' || name[n - 1] == '\0'))
        n--;
    while (n && *name == ' ') {
        name++;
        n--;
    }
    static const char after[] = "导联"; /* lead */
    size_t end = sizeof after - 1;
    if (n > end && memcmp(name + n - end, after, end) == 0)
        n -= end;
    size_t skip = prefix_of(name, n);
    name += skip;
    n -= skip;
    int id = n ? match_name(name, n) : ECG_LEAD_NONE;
    if (n == 3 && !id && name[1] == ' ' && (name[0] | 32) == 'v') /* "V 1" */
        id = match_name((const char[]){name[0], name[2]}, 2);
    return id;
}

const char *ecg_lead_shown(int id, const char *label, size_t n)
{
    enum { MLII = 4 };
    bool is_mlii = id == ECG_LEAD_ML && n >= MLII && memcmp(label + n - MLII, "MLII", MLII) == 0;
    return is_mlii ? "MLII" : ecg_lead_name(id);
}

int ecg_lead_by_meaning(const char *meaning)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcasecmp(rows[i].meaning, meaning) == 0)
            return rows[i].id;
    if (strcasecmp(meaning, "Lead I (Einthoven)") == 0)
        return ECG_LEAD_I;
    return ecg_lead_by_name(meaning, strlen(meaning));
}

int ecg_lead_by_code(struct base_bytes scheme, struct base_bytes code)
{
    enum {
        SITES = 2 << 16,
        MOST = 9
    }; /* partition 2, and the number in it, as one: "131073" for "2:1" */
    bool mdc = base_bytes_are(scheme, "MDC");
    size_t at = code.n; /* of the number */
    int base = 0;
    if (mdc && code.n > 2 && memcmp(code.p, "2:", 2) == 0) {
        at = 2;
    } else if (mdc && code.n == 6 && code.p[0] == '1') {
        at = 0;
        base = SITES;
    } else if (code.n > 8 && memcmp(code.p, "5.6.3-9-", 8) == 0 &&
               base_bytes_are(scheme, "SCPECG")) {
        while (code.p[at - 1] != '-')
            at--;
    }
    int id = 0;
    size_t n = code.n - at;
    for (; at < code.n && n < MOST && code.p[at] >= '0' && code.p[at] <= '9'; at++)
        id = 10 * id + code.p[at] - '0';
    id -= base;
    return at == code.n && id > 0 && find_row(id) ? id : ECG_LEAD_NONE;
}
