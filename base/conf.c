#include "base/conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1 << 20, KEY_MAX = 64, WHERE_MAX = 160 };

enum type { STRING, PATH, TITLE, INT, BOOL, ADDR, OPTADDR, SIZE, DURATION, ENUM };

struct key {
    enum type type;
    const char *name;
    size_t offset; /* of the field in struct base_conf */
    const char *def;
    int64_t least;
    int64_t most;
    const char *allowed;
    const char *doc;
};

#define KEY(type, field, key, def, least, most, allowed, doc)                                      \
    {type, key, offsetof(struct base_conf, field), def, least, most, allowed, doc},
static const struct key keys[] = {BASE_CONF_MAP(KEY)};
#undef KEY

enum { KEYS = sizeof keys / sizeof keys[0] };

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
static const struct unit duration_units[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
enum {
    SIZE_UNITS = sizeof size_units / sizeof size_units[0],
    DURATION_UNITS = sizeof duration_units / sizeof duration_units[0]
};

/* ---- reading one value ---- */

static bool parse_number(const char *s, const struct unit *units, size_t n, uint64_t *out)
{
    char *end;
    if (!isdigit((unsigned char)s[0]))
        return false;
    errno = 0;
    uint64_t v = strtoull(s, &end, 10);
    if (errno)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(end, units[i].suffix) == 0)
            return !__builtin_mul_overflow(v, units[i].factor, out);
    }
    return false;
}

bool base_conf_read_size(const char *text, uint64_t *out)
{
    return parse_number(text, size_units, SIZE_UNITS, out);
}

static bool parse_int(const char *s, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || end == s || *end || isspace((unsigned char)s[0]))
        return false;
    *out = v;
    return true;
}

static bool parse_addr(const char *s, struct base_conf_addr *out)
{
    struct base_conf_addr a = {.v6 = s[0] == '['};
    const char *colon = strrchr(s, ':');
    uint64_t port;
    if (!colon || !parse_number(colon + 1, size_units, 1, &port) || port > UINT16_MAX)
        return false;
    size_t skip = a.v6 ? 1 : 0;
    size_t n = (size_t)(colon - s);
    if (n < 2 * skip || (a.v6 && s[n - 1] != ']') || n - 2 * skip >= sizeof a.host)
        return false;
    memcpy(a.host, s + skip, n - 2 * skip);
    unsigned char binary[sizeof(struct in6_addr)];
    if (inet_pton(a.v6 ? AF_INET6 : AF_INET, a.host, binary) != 1)
        return false;
    a.port = (uint16_t)port;
    *out = a;
    return true;
}

static bool parse_enum(const char *s, const char *allowed, int *out)
{
    size_t n = strlen(s);
    int i = 0;
    for (const char *w = allowed; n && w; i++) {
        size_t len = strcspn(w, "|");
        if (len == n && memcmp(w, s, n) == 0) {
            *out = i;
            return true;
        }
        w = w[len] ? w + len + 1 : NULL;
    }
    return false;
}

static void *field_of(struct base_conf *c, const struct key *k)
{
    return (char *)c + k->offset;
}

static bool in_range(const struct key *k, uint64_t v)
{
    return v >= (uint64_t)k->least && v <= (uint64_t)k->most;
}

static enum base_err set_string(struct base_conf *c, const struct key *k, const char *value)
{
    size_t n = strlen(value);
    if (!in_range(k, n) || strpbrk(value, "\r\n"))
        return BASE_EINVAL;
    const char *copy = base_arena_strdup(&c->arena, value, n);
    if (!copy)
        return BASE_ENOMEM;
    *(const char **)field_of(c, k) = copy;
    return BASE_OK;
}

/* PS3.5 6.2, AE: other titles never come in an association. */
static bool is_title(const char *s)
{
    while (*s >= ' ' && *s <= '~' && *s != '\\')
        s++;
    return !*s;
}

static enum base_err set_number(struct base_conf *c, const struct key *k, const char *value)
{
    bool size = k->type == SIZE;
    uint64_t v;
    if (!parse_number(value, size ? size_units : duration_units, size ? SIZE_UNITS : DURATION_UNITS,
                      &v) ||
        !in_range(k, v))
        return BASE_EINVAL;
    *(uint64_t *)field_of(c, k) = v;
    return BASE_OK;
}

static enum base_err set_int(struct base_conf *c, const struct key *k, const char *value)
{
    int64_t v;
    if (!parse_int(value, &v) || v < k->least || v > k->most)
        return BASE_EINVAL;
    *(int64_t *)field_of(c, k) = v;
    return BASE_OK;
}

static enum base_err set_bool(struct base_conf *c, const struct key *k, const char *value)
{
    bool yes = strcmp(value, "yes") == 0;
    if (!yes && strcmp(value, "no") != 0)
        return BASE_EINVAL;
    *(bool *)field_of(c, k) = yes;
    return BASE_OK;
}

static enum base_err set_value(struct base_conf *c, const struct key *k, const char *value)
{
    switch (k->type) {
    case STRING:
    case PATH:
        return set_string(c, k, value);
    case TITLE:
        return is_title(value) ? set_string(c, k, value) : BASE_EINVAL;
    case INT:
        return set_int(c, k, value);
    case BOOL:
        return set_bool(c, k, value);
    case ADDR:
        return parse_addr(value, field_of(c, k)) ? BASE_OK : BASE_EINVAL;
    case OPTADDR:
        if (!value[0])
            *(struct base_conf_addr *)field_of(c, k) = (struct base_conf_addr){.host = ""};
        return !value[0] || parse_addr(value, field_of(c, k)) ? BASE_OK : BASE_EINVAL;
    case SIZE:
    case DURATION:
        return set_number(c, k, value);
    case ENUM:
        return parse_enum(value, k->allowed, field_of(c, k)) ? BASE_OK : BASE_EINVAL;
    }
    return BASE_EINTERNAL;
}

/* ---- writing one value ---- */

static void print_number(struct base_buf *out, uint64_t v, const struct unit *units, size_t n)
{
    size_t best = 1; /* units[1] of both tables divides every value but plain bytes */
    if (units == size_units)
        best = 0;
    for (size_t i = best; i < n; i++) {
        if (v && v % units[i].factor == 0 && units[i].factor >= units[best].factor)
            best = i;
    }
    base_buf_printf(out, "%" PRIu64 "%s", v / units[best].factor, units[best].suffix);
}

/* Which values this key allows, for a person. */
static void print_allowed(const struct key *k, struct base_buf *out)
{
    switch (k->type) {
    case STRING:
    case PATH:
        base_buf_printf(out, "%" PRId64 " to %" PRId64 " characters", k->least, k->most);
        break;
    case TITLE:
        base_buf_printf(out, "%" PRId64 " to %" PRId64 " ASCII characters, no \\", k->least,
                        k->most);
        break;
    case INT:
        base_buf_printf(out, "a number from %" PRId64 " to %" PRId64, k->least, k->most);
        break;
    case BOOL:
        base_buf_add_str(out, "yes or no");
        break;
    case ADDR:
    case OPTADDR:
        base_buf_add_str(out, "ADDRESS:PORT with a numeric address, such as 127.0.0.1:8080 or "
                              "[::1]:8080");
        if (k->type == OPTADDR)
            base_buf_add_str(out, ", or nothing");
        break;
    case SIZE:
    case DURATION: {
        bool size = k->type == SIZE;
        const struct unit *units = size ? size_units : duration_units;
        size_t n = size ? SIZE_UNITS : DURATION_UNITS;
        base_buf_add_str(out, size ? "a size" : "a duration");
        base_buf_add_str(out, " of at least ");
        print_number(out, (uint64_t)k->least, units, n);
        if (k->most != INT64_MAX) {
            base_buf_add_str(out, " and at most ");
            print_number(out, (uint64_t)k->most, units, n);
        }
        base_buf_add_str(out, size ? ", in bytes or with K, M, G" : ", with ms, s, m, h");
        break;
    }
    case ENUM:
        for (const char *s = k->allowed; *s; s++)
            base_buf_add_str(out, *s == '|' ? ", " : (char[]){*s, 0});
        break;
    }
}

/* ---- keys ---- */

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* Levenshtein distance; both at most KEY_MAX long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[KEY_MAX + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

static enum base_err unknown_key(const char *where, const char *name, struct base_error *e)
{
    if (strlen(name) > KEY_MAX)
        return base_fail(e, BASE_EINVAL, BASE_NOPOS,
                         "%s: unknown key; \"rdc config\" lists the keys", where);
    const struct key *best = &keys[0];
    for (size_t i = 1; i < KEYS; i++) {
        if (distance(name, keys[i].name) < distance(name, best->name))
            best = &keys[i];
    }
    return base_fail(e, BASE_EINVAL, BASE_NOPOS,
                     "%s: unknown key \"%s\" (nearest: \"%s\"); \"rdc config\" lists the keys",
                     where, name, best->name);
}

static enum base_err set_key(struct base_conf *c, const char *where, const char *key,
                             const char *value, struct base_error *e)
{
    const struct key *k = find_key(key);
    if (!k)
        return unknown_key(where, key, e);
    enum base_err err = set_value(c, k, value);
    if (err == BASE_EINVAL) {
        struct base_buf allowed = {0};
        print_allowed(k, &allowed);
        err = base_fail(e, err, BASE_NOPOS, "%s: %s: bad value \"%.40s\"; allowed: %s", where, key,
                        value, base_buf_cstr(&allowed));
        base_buf_deinit(&allowed);
    } else if (err) {
        base_fail(e, err, BASE_NOPOS, "%s: %s", where, base_err_text(err));
    }
    return err;
}

enum base_err base_conf_init(struct base_conf *c)
{
    memset(c, 0, sizeof *c);
    base_arena_init(&c->arena, 0);
    for (size_t i = 0; i < KEYS; i++) {
        enum base_err err = set_value(c, &keys[i], keys[i].def);
        if (err) {
            base_conf_deinit(c);
            return err;
        }
    }
    return BASE_OK;
}

void base_conf_deinit(struct base_conf *c)
{
    base_arena_deinit(&c->arena);
}

/* ---- sources ---- */

static struct base_bytes trim(struct base_bytes b)
{
    while (b.n && isspace(b.p[0]))
        b = base_bytes_of(b.p + 1, b.n - 1);
    while (b.n && isspace(b.p[b.n - 1]))
        b.n--;
    return b;
}

static enum base_err load_line(struct base_conf *c, const char *where, struct base_bytes line,
                               struct base_error *e)
{
    line = trim(line);
    if (line.n == 0 || line.p[0] == '#')
        return BASE_OK;
    const uint8_t *equal = memchr(line.p, '=', line.n);
    if (!equal || memchr(line.p, 0, line.n))
        return base_fail(e, BASE_EINVAL, BASE_NOPOS,
                         "%s: not a setting; allowed: \"key = value\", or # and a comment", where);
    size_t key_n = (size_t)(equal - line.p);
    struct base_bytes key = trim(base_bytes_of(line.p, key_n));
    struct base_bytes value = trim(base_bytes_of(equal + 1, line.n - key_n - 1));
    struct base_buf text = {0}; /* "key" NUL "value" NUL */
    base_buf_add(&text, key.p, key.n);
    base_buf_add_byte(&text, 0);
    base_buf_add(&text, value.p, value.n);
    enum base_err err = text.err;
    if (!err)
        err = set_key(c, where, (const char *)text.p, (const char *)text.p + key.n + 1, e);
    base_buf_deinit(&text);
    return err;
}

/* name is that of the file, for messages. */
static enum base_err load_text(struct base_conf *c, const char *name, struct base_bytes text,
                               struct base_error *e)
{
    for (unsigned line = 1; text.n; line++) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        char where[WHERE_MAX];
        snprintf(where, sizeof where, "%.120s line %u", name, line);
        enum base_err err = load_line(c, where, base_bytes_of(text.p, n), e);
        if (err) {
            if (e)
                e->pos = line;
            return err;
        }
        n += end ? 1 : 0;
        text = base_bytes_of(text.p + n, text.n - n);
    }
    return BASE_OK;
}

enum base_err base_conf_load_file(struct base_conf *c, const char *path, struct base_error *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return base_fail(e, base_err_from_errno(errno), BASE_NOPOS, "%.150s: %s", path,
                         strerror(errno));
    struct base_buf text = {.cap = FILE_MAX};
    uint8_t *to;
    size_t n = 0;
    while ((to = base_buf_reserve(&text, 4096)) && (n = fread(to, 1, 4096, f)) > 0)
        text.n += n;
    enum base_err err = text.err;
    if (!err && ferror(f))
        err = BASE_EIO;
    fclose(f);
    if (err)
        base_fail(e, err, BASE_NOPOS, "%.150s: %s", path, base_err_text(err));
    else
        err = load_text(c, path, base_buf_bytes(&text), e);
    base_buf_deinit(&text);
    return err;
}

static bool env_matches(const char *env, size_t n, const char *key)
{
    if (strlen(key) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char want = (char)(isalnum((unsigned char)key[i]) ? toupper((unsigned char)key[i]) : '_');
        if (env[i] != want)
            return false;
    }
    return true;
}

enum base_err base_conf_load_env(struct base_conf *c, char *const *env, struct base_error *e)
{
    for (; *env; env++) {
        const char *equal = strchr(*env, '=');
        if (strncmp(*env, "RDC_", 4) != 0 || strncmp(*env, "RDC_CONFIG=", 11) == 0 ||
            strncmp(*env, "RDC_TOKEN=", 10) == 0 || strncmp(*env, "RDC_TEST_", 9) == 0 ||
            strncmp(*env, "RDC_ECG_DATA=", 13) == 0 || !equal)
            continue;
        char where[WHERE_MAX];
        snprintf(where, sizeof where, "environment %.*s", (int)(equal - *env) % 100, *env);
        const struct key *k = NULL;
        for (size_t i = 0; i < KEYS && !k; i++) {
            if (env_matches(*env + 4, (size_t)(equal - *env) - 4, keys[i].name))
                k = &keys[i];
        }
        if (!k)
            return base_fail(e, BASE_EINVAL, BASE_NOPOS,
                             "%s: no such setting; \"rdc config\" lists the keys", where);
        enum base_err err = set_key(c, where, k->name, equal + 1, e);
        if (err)
            return err;
    }
    return BASE_OK;
}

enum base_err base_conf_load_flags(struct base_conf *c, int argc, char *const *argv, int *used,
                                   struct base_error *e)
{
    int i = 0;
    while (i < argc && strncmp(argv[i], "--", 2) == 0) {
        char key[KEY_MAX + 2];
        const char *flag = argv[i++] + 2;
        if (!*flag)
            break;
        size_t n = strcspn(flag, "=");
        if (n > KEY_MAX)
            return unknown_key("flag", flag, e);
        memcpy(key, flag, n);
        key[n] = 0;
        bool joined = flag[n] == '=';
        if (!joined && !find_key(key) && strcmp(key, "config") != 0)
            return unknown_key("flag", key, e);
        if (!joined && i == argc)
            return base_fail(e, BASE_EINVAL, BASE_NOPOS, "flag --%s: a value must follow", key);
        const char *value = joined ? flag + n + 1 : argv[i++];
        enum base_err err =
            strcmp(key, "config") == 0 ? BASE_OK : set_key(c, "flag", key, value, e);
        if (err)
            return err;
    }
    *used = i;
    return BASE_OK;
}

/* ---- printing ---- */

void base_conf_print_example(struct base_buf *out)
{
    base_buf_add_str(out, "# Settings of rdc. Each line shows a default; take away the # to change "
                          "it.\n# The environment (RDC_HTTP_ADDRESS for http.address) and flags "
                          "(--http.address)\n# go before this file.\n");
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &keys[i];
        base_buf_printf(out, "\n# %s\n# Allowed: ", k->doc);
        print_allowed(k, out);
        base_buf_printf(out, ".\n#%s =%s%s\n", k->name, *k->def ? " " : "", k->def);
    }
}
