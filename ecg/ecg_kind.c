#include "ecg/ecg_kind.h"

#include "ecg/ecg_unit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORD = 24, WORDS = 8 };

/* The words of a label: letters and digits, with what stands before each. */
struct words {
    size_t n;
    char word[WORDS][WORD];
    char before[WORDS];
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What is too long, or one too many, says nothing that is known here. */
static void split(const char *label, size_t n, struct words *w)
{
    char before = '\0';
    *w = (struct words){0};
    for (size_t i = 0; i < n && w->n < WORDS;) {
        size_t from = i;
        while (i < n && (is_letter(label[i]) || is_digit(label[i])))
            i++;
        if (i == from) {
            before = label[i++];
            continue;
        }
        size_t length = i - from < WORD ? i - from : WORD - 1;
        memcpy(w->word[w->n], label + from, length);
        w->before[w->n++] = before;
        before = '\0';
    }
}

static bool may_be(char a, char b)
{
    return (a | 0x20) == (b | 0x20);
}

/* `with` begins with a letter: hardly any word begins with the same, or the same two. */
static bool begins(const char *word, const char *with)
{
    return may_be(word[0], with[0]) && (with[1] == '\0' || may_be(word[1], with[1])) &&
           strncasecmp(word, with, strlen(with)) == 0;
}

static bool ends(const char *word, const char *with)
{
    size_t n = strlen(word), k = strlen(with);
    return n >= k && may_be(word[n - k], with[0]) && strcasecmp(word + n - k, with) == 0;
}

/* The same but for a number behind: "ECG2". */
static bool is_numbered(const char *word, const char *name)
{
    if (!begins(word, name))
        return false;
    const char *number = word + strlen(name);
    return number[strspn(number, "0123456789")] == '\0';
}

/* Types of EDF+'s standard texts (edfplus.info/specs/edftexts.html, 2.3) that may come in volts,
 * and what monitors and PhysioNet's databases call their channels. None is the name of a lead. */
static bool is_other(const char *word)
{
    static const char *const names[] = {
        "EGG",  "ERG", "ENG",   "MEG",  "MCG",  "EP",    "EDA",   "GSR",   "PPG",  "ABP",  "IBP",
        "NIBP", "BP",  "ART",   "CVP",  "PAP",  "ICP",   "LAP",   "RAP",   "UAP",  "SaO2", "SpO2",
        "SO2",  "CO2", "EtCO2", "Flow", "CPAP", "Pulse", "Sound", "Light", "Body", "Pos",  "Event"};
    static const char *const beginnings[] = {"Resp",   "Pleth", "Temp",   "Airflow",  "Nasal",
                                             "Snor",   "Accel", "Marker", "Position", "Thermist",
                                             "Oximet", "Capno", "Spiro",  "Trigger"};
    static const char *const anywhere[] = {"EMG", "EOG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_numbered(word, names[i]))
            return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (begins(word, beginnings[i]))
            return true;
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
        if (begins(word, anywhere[i]) || ends(word, anywhere[i]))
            return true;
    return false;
}

static bool is_eeg(const char *word)
{
    return begins(word, "EEG") || ends(word, "EEG") || begins(word, "ECoG");
}

/* An electrode of the 10-20 and 10-10 systems: a place and a number, odd on the left, or z in
 * the middle. C1 to C6 are also what V1 to V6 are called, A1 and A2 leads of monitors. */
static enum ecg_kind electrode(const char *word)
{
    static const char *const places[] = {"Fp", "AF", "F", "FT", "FC", "T", "TP",
                                         "C",  "CP", "P", "PO", "O",  "A", "M"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t n = strlen(places[i]);
        if (!begins(word, places[i]))
            continue;
        bool middle = (word[n] == 'z' || word[n] == 'Z') && word[n + 1] == '\0';
        bool side = word[n] >= '1' && word[n] <= '9' && (word[n + 1] == '\0');
        side = side || (word[n] == '1' && word[n + 1] == '0' && word[n + 2] == '\0');
        if (!middle && !side)
            continue;
        bool both = side && n == 1 && strchr("CcAaMm", word[0]);
        return both ? ECG_KIND_HEAD : ECG_KIND_EEG;
    }
    return ECG_KIND_UNKNOWN;
}

/* "Fpz", "C3-A2", "C4:M1": electrodes, against an electrode of the ear or the head. */
static enum ecg_kind of_electrodes(const struct words *w)
{
    enum ecg_kind first = w->n ? electrode(w->word[0]) : ECG_KIND_UNKNOWN;
    if (w->n == 1 || first == ECG_KIND_UNKNOWN)
        return w->n == 1 ? first : ECG_KIND_UNKNOWN;
    bool joined = w->n == 2 && w->before[1] && strchr("-:/_", w->before[1]);
    enum ecg_kind second = joined ? electrode(w->word[1]) : ECG_KIND_UNKNOWN;
    if (joined && (begins(w->word[1], "Ref") || begins(w->word[1], "Av")))
        return first;
    if (second == ECG_KIND_UNKNOWN)
        return ECG_KIND_UNKNOWN;
    bool ear = strchr("AaMm", w->word[1][0]) && strchr("12", w->word[1][1]);
    return first == ECG_KIND_EEG || second == ECG_KIND_EEG || ear ? ECG_KIND_EEG : ECG_KIND_HEAD;
}

enum ecg_kind ecg_kind_of(const char *label, size_t n)
{
    struct words w;
    split(label, n, &w);
    enum ecg_kind kind = of_electrodes(&w);
    for (size_t i = 0; i < w.n; i++)
        if (is_numbered(w.word[i], "ECG") || is_numbered(w.word[i], "EKG"))
            return ECG_KIND_ECG;
    for (size_t i = 0; i < w.n && kind == ECG_KIND_UNKNOWN; i++)
        kind = is_eeg(w.word[i]) ? ECG_KIND_EEG : is_other(w.word[i]) ? ECG_KIND_OTHER : kind;
    return kind;
}

static enum ecg_kind kind_of_lead(const struct ecg_lead *lead)
{
    /* The usual lead is told at sight: only "C3" and its like may be of the head. */
    bool may_be_head = lead->name[0] && strchr("CcAaMm", lead->name[0]) && is_digit(lead->name[1]);
    if (lead->is_ecg || (lead->id && !may_be_head))
        return ECG_KIND_ECG;
    enum ecg_kind kind = ecg_kind_of(lead->name, strlen(lead->name));
    return lead->id && kind != ECG_KIND_HEAD ? ECG_KIND_ECG : kind;
}

/* A lead by its name whose values have no unit, or one that looks like a voltage and is none that
 * we know, is not measured. In mmHg it is a pressure. */
static void tell_odd_units(struct ecg_record *r)
{
    for (size_t i = 0; i < r->nothers; i++) {
        const struct ecg_lead *lead = &r->others[i];
        bool has_none = strcmp(lead->unit, "1") == 0;
        bool is_odd =
            has_none || (strpbrk(lead->unit, "vV") && ecg_unit_uv(base_bytes_str(lead->unit)) == 0);
        if (is_odd && ecg_lead_is_standard(lead->id))
            ecg_record_damage(r, BASE_NOPOS,
                              "%s: channel %s is called a lead, but its values have %s%s: it is "
                              "not read as one",
                              r->format, lead->name, has_none ? "no unit" : "the unit ",
                              has_none ? "" : lead->unit);
    }
}

enum base_err ecg_kind_settle(struct ecg_record *r)
{
    tell_odd_units(r);
    size_t of[ECG_KIND_OTHER + 1] = {0}; /* leads of each kind */
    for (size_t i = 0; i < r->nleads; i++)
        of[kind_of_lead(&r->leads[i])]++;
    bool head = of[ECG_KIND_EEG] > 0;
    for (size_t i = 0; i < r->nothers && !head; i++)
        head = ecg_kind_of(r->others[i].name, strlen(r->others[i].name)) == ECG_KIND_EEG;
    enum ecg_kind least = head ? ECG_KIND_HEAD : ECG_KIND_EEG;
    size_t moving = 0;
    for (enum ecg_kind kind = least; kind <= ECG_KIND_OTHER; kind++)
        moving += of[kind];
    if (moving == 0)
        return BASE_OK;
    struct ecg_lead *others = realloc(r->others, (r->nothers + moving) * sizeof *others);
    if (!others)
        return BASE_ENOMEM;
    r->others = others;
    size_t kept = 0;
    for (size_t i = 0; i < r->nleads; i++) {
        struct ecg_lead lead = r->leads[i];
        if (kind_of_lead(&lead) < least) {
            r->leads[kept++] = lead;
            continue;
        }
        lead.id = ECG_LEAD_NONE;
        lead.unit = "uV";
        others[r->nothers++] = lead;
    }
    r->nleads = kept;
    return BASE_OK;
}
