#include "hl7/hl7_fhir_priv.h"

#include <stdio.h>
#include <string.h>

enum { GROUP_MAX = 64 }; /* characters, PS3.5 6.2 */

/* The groups of a PN, in its order. */
enum group { ALPHABETIC, IDEOGRAPHIC, PHONETIC, GROUPS };

/* What is known of each: the name that serves best. */
struct found {
    char text[HL7_FHIR_NAME];
    int rank; /* 0 = none */
};

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

static const char *member_text(const json_t *object, const char *member)
{
    const char *s = json_string_value(json_object_get(object, member));
    return s ? s : "";
}

/* iso21090-EN-representation, on the name or on its family part. */
static const char *representation_of(const json_t *name)
{
    const json_t *places[] = {json_object_get(name, "extension"),
                              json_object_get(json_object_get(name, "_family"), "extension")};
    for (size_t p = 0; p < 2; p++) {
        size_t i;
        const json_t *extension;
        json_array_foreach(
            places[p], i,
            extension) if (strcmp(member_text(extension, "url"), HL7_FHIR_EN_REPRESENTATION) ==
                           0) return member_text(extension, "valueCode");
    }
    return "";
}

/* HumanName.use: the higher the better; what the person is not called any more, or not by right,
 * only where there is nothing else: half of it beside half of another would be nobody's name. */
enum { NOT_THE_NAME = 4 };
static int rank_of(const json_t *name)
{
    static const char *const uses[] = {"old",  "maiden", "anonymous", "nickname",
                                       "temp", "",       "usual",     "official"};
    const char *use = member_text(name, "use");
    for (int i = 0; i < (int)(sizeof uses / sizeof uses[0]); i++)
        if (strcmp(use, uses[i]) == 0)
            return i + 1;
    return 1;
}

static bool append(struct hl7_fhir_reader *r, const char *path, const char *member,
                   const char *part, char out[HL7_FHIR_NAME])
{
    size_t n = strlen(out);
    int added = snprintf(out + n, HL7_FHIR_NAME - n, "%s", part);
    if (added < 0 || (size_t)added >= HL7_FHIR_NAME - n)
        return hl7_fhir_fail(r, "too-long", path, member, "the name is too long");
    return true;
}

/* A part of a name. What would be a delimiter of a PN, or no part of a value, cannot be kept. */
static bool add_part(struct hl7_fhir_reader *r, const char *path, const char *member,
                     const char *part, char out[HL7_FHIR_NAME])
{
    if (strpbrk(part, "^=\\\n\r\t"))
        return hl7_fhir_fail(r, "value", path, member,
                             "a name cannot contain the characters ^ = \\, nor a new line or tab");
    return append(r, path, member, part, out);
}

/* given, prefix and suffix repeat. */
static bool add_list(struct hl7_fhir_reader *r, const json_t *name, const char *path,
                     const char *member, char out[HL7_FHIR_NAME])
{
    size_t i;
    const json_t *part;
    const json_t *list;
    if (!hl7_fhir_array(r, name, path, member, &list))
        return false;
    bool any = false;
    json_array_foreach(list, i, part)
    {
        if (json_is_null(part)) /* R4 json.html: it has only extensions */
            continue;
        if (!json_is_string(part))
            return hl7_fhir_fail(r, "structure", path, member, "each must be a text");
        bool more = any;
        any = true;
        if ((more && !add_part(r, path, member, " ", out)) ||
            !add_part(r, path, member, json_string_value(part), out))
            return false;
    }
    return true;
}

/* family^given^^prefix^suffix, else the text as one. */
static bool read_name(struct hl7_fhir_reader *r, const json_t *name, const char *path,
                      char out[HL7_FHIR_NAME])
{
    const char *family;
    const char *text;
    out[0] = 0;
    if (!hl7_fhir_text(r, name, path, "family", GROUP_MAX, &family) ||
        !hl7_fhir_text(r, name, path, "text", GROUP_MAX, &text))
        return false;
    if (!family && !json_object_get(name, "given"))
        return !text || add_part(r, path, "text", text, out);
    if ((family && !add_part(r, path, "family", family, out)) || !append(r, path, NULL, "^", out) ||
        !add_list(r, name, path, "given", out) || !append(r, path, NULL, "^^", out) ||
        !add_list(r, name, path, "prefix", out) || !append(r, path, NULL, "^", out) ||
        !add_list(r, name, path, "suffix", out))
        return false;
    for (size_t n = strlen(out); n && out[n - 1] == '^';)
        out[--n] = 0;
    return true;
}

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* ABC is the Latin alphabet (pinyin), IDE Hanzi, SYL a syllabic script; without
 * the extension the letters tell. */
static enum group group_of(const json_t *name, const char *text)
{
    const char *representation = representation_of(name);
    if (strcmp(representation, "ABC") == 0)
        return ALPHABETIC;
    if (strcmp(representation, "IDE") == 0)
        return IDEOGRAPHIC;
    if (strcmp(representation, "SYL") == 0)
        return is_ascii(text) ? ALPHABETIC : PHONETIC;
    return is_ascii(text) ? ALPHABETIC : IDEOGRAPHIC;
}

static void keep(struct found *f, const char *text, int rank)
{
    if (!text[0] || rank <= f->rank)
        return;
    f->rank = rank;
    snprintf(f->text, sizeof f->text, "%s", text);
}

/* Where the text is in another script than the parts, both are known; the parts of another
 * HumanName go before it. */
static bool keep_whole(struct hl7_fhir_reader *r, const json_t *name, const char *path,
                       const char *parts, struct found found[GROUPS])
{
    char whole[HL7_FHIR_NAME] = "";
    const char *text = member_text(name, "text");
    if (is_ascii(text) == is_ascii(parts) || !text[0])
        return true;
    if (!add_part(r, path, "text", text, whole))
        return false;
    keep(&found[is_ascii(whole) ? ALPHABETIC : IDEOGRAPHIC], whole, 2 * rank_of(name) - 1);
    return true;
}

bool hl7_fhir_read_names(struct hl7_fhir_reader *r, const json_t *names, const char *path,
                         char out[HL7_FHIR_NAME])
{
    struct found all[2][GROUPS] = {{{.rank = 0}}};
    size_t i;
    const json_t *name;
    out[0] = 0;
    json_array_foreach(names, i, name)
    {
        char at[HL7_FHIR_PATH];
        char text[HL7_FHIR_NAME];
        snprintf(at, sizeof at, "%.130s[%zu]", path, i);
        if (!json_is_object(name))
            return hl7_fhir_fail(r, "structure", at, NULL, "a HumanName is an object");
        if (!read_name(r, name, at, text))
            return false;
        if (characters(text) > GROUP_MAX)
            return hl7_fhir_fail(r, "too-long", at, NULL, "a name has at most %d characters",
                                 GROUP_MAX);
        struct found *to = all[rank_of(name) > NOT_THE_NAME];
        keep(&to[group_of(name, text)], text, 2 * rank_of(name));
        if (!keep_whole(r, name, at, text, to))
            return false;
    }
    bool named = all[1][ALPHABETIC].rank || all[1][IDEOGRAPHIC].rank || all[1][PHONETIC].rank;
    const struct found *found = all[named];
    if (!found[ALPHABETIC].rank &&
        !found[PHONETIC].rank) /* 测试一 alone stands in the first group */
        snprintf(out, HL7_FHIR_NAME, "%s", found[IDEOGRAPHIC].text);
    else
        snprintf(out, HL7_FHIR_NAME, "%.300s=%.300s=%.300s", found[ALPHABETIC].text,
                 found[IDEOGRAPHIC].text, found[PHONETIC].text);
    for (size_t n = strlen(out); n && out[n - 1] == '=';)
        out[--n] = 0;
    return true;
}

/* ---- writing ---- */

/* A part that repeats: given and middle name are both given. */
static void add_to_list(json_t *name, const char *member, const char *part, size_t n)
{
    json_t *list = json_object_get(name, member);
    if (n && list)
        json_array_append_new(list, json_stringn(part, n));
    else if (n)
        json_object_set_new(name, member, json_pack("[s%]", part, n));
}

static json_t *write_name(const char *s, size_t n, const char *representation)
{
    static const char *const members[] = {"family", "given", "given", "prefix", "suffix"};
    const char *end = s + n;
    json_t *name =
        json_pack("{s:[{s:s, s:s}], s:s}", "extension", "url", HL7_FHIR_EN_REPRESENTATION,
                  "valueCode", representation, "use", "official");
    if (!memchr(s, '^', n)) {
        json_object_set_new(name, "text", json_stringn(s, n));
        return name;
    }
    for (size_t i = 0; i < 5 && s < end; i++) {
        const char *caret = memchr(s, '^', (size_t)(end - s));
        size_t length = (size_t)((caret ? caret : end) - s);
        if (i > 0)
            add_to_list(name, members[i], s, length);
        else if (length)
            json_object_set_new(name, members[i], json_stringn(s, length));
        s += length + 1;
    }
    return name;
}

json_t *hl7_fhir_write_names(const char *pn, const char *pinyin)
{
    static const char *const representations[] = {"ABC", "IDE", "SYL"};
    json_t *names = json_array();
    bool latin = false;
    for (size_t g = 0; pn && g < GROUPS; g++) {
        size_t n = strcspn(pn, "=");
        char group[HL7_FHIR_NAME];
        snprintf(group, sizeof group, "%.*s", (int)(n < sizeof group ? n : sizeof group - 1), pn);
        bool ascii = is_ascii(group);
        latin = latin || (n && ascii);
        if (n)
            json_array_append_new(
                names, write_name(group, strlen(group), representations[g == 0 && !ascii ? 1 : g]));
        pn = pn[n] ? pn + n + 1 : NULL;
    }
    if (!latin && pinyin && pinyin[0])
        json_array_append_new(names, write_name(pinyin, strcspn(pinyin, "="), "ABC"));
    return names;
}
