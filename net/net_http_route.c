/* Routes and the parts of a target. */
#include "net/net_http_priv.h"

#include <stdlib.h>
#include <string.h>

/* The segment at *s, which stands behind a slash; steps to the next slash or
 * the end. */
static struct base_bytes next_segment(const char **s)
{
    size_t n = strcspn(*s, "/");
    struct base_bytes seg = base_bytes_of(*s, n);
    *s += n;
    return seg;
}

static bool is_param(struct base_bytes seg)
{
    return seg.n >= 2 && seg.p[0] == '{' && seg.p[seg.n - 1] == '}';
}

static bool is_rest(struct base_bytes seg)
{
    return is_param(seg) && seg.p[seg.n - 2] == '*';
}

/* Rank of the match, higher = literal earlier; -1 = no match. Literal segments
 * count 2, parameters 1, the rest 0, as digits of base 3 from the left. */
static int64_t match(const char *pattern, const char *path)
{
    int64_t rank = 0;
    int64_t weight = 50031545098999707; /* 3^35 */
    while (*pattern == '/') {
        pattern++;
        struct base_bytes want = next_segment(&pattern);
        if (is_rest(want))
            return rank;
        if (*path != '/')
            return -1;
        path++;
        struct base_bytes have = next_segment(&path);
        bool param = is_param(want);
        if (param ? have.n == 0 : !base_bytes_equal(want, have))
            return -1;
        rank += weight * (param ? 1 : 2);
        weight /= 3;
    }
    return *path == 0 ? rank : -1;
}

static void allow_method(struct base_buf *allow, const char *method)
{
    if (net_http_list_has(base_buf_cstr(allow), method))
        return;
    base_buf_printf(allow, "%s%s", allow->n ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        base_buf_add_str(allow, ", HEAD");
}

const struct net_http_route *net_http_route_find(const struct net_http_options *o,
                                                 const char *method, const char *path, void **arg,
                                                 struct base_buf *allow)
{
    const struct net_http_route *best = NULL;
    int64_t best_rank = -1;
    const char *want = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t t = 0; t < o->table_count; t++) {
        for (size_t i = 0; i < o->tables[t].n; i++) {
            const struct net_http_route *r = &o->tables[t].routes[i];
            int64_t rank = match(r->path, path);
            if (rank < 0)
                continue;
            allow_method(allow, r->method);
            if (rank > best_rank && strcmp(r->method, want) == 0) {
                best = r;
                best_rank = rank;
                *arg = o->tables[t].arg;
            }
        }
    }
    return best;
}

static bool has_control(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return true;
    }
    return false;
}

static enum base_err add_param(struct net_http_request *req, struct base_bytes name,
                               const char *raw, size_t n)
{
    char *value = base_arena_alloc(&req->arena, n + 1);
    if (!value)
        return BASE_ENOMEM;
    if (req->param_count == NET_HTTP_PARAMS_MAX)
        return BASE_ELIMIT;
    if (!net_http_percent_decode(raw, n, false, value) || has_control(value))
        return BASE_EFORMAT;
    req->params[req->param_count++] = (struct net_http_pair){(const char *)name.p, name.n, value};
    return BASE_OK;
}

enum base_err net_http_route_params(struct net_http_request *req)
{
    const char *pattern = req->route->path;
    const char *path = req->path;
    while (*pattern == '/') {
        pattern++;
        struct base_bytes want = next_segment(&pattern);
        path += *path == '/';
        struct base_bytes name = base_bytes_of(want.p + 1, want.n - 2);
        if (is_rest(want)) {
            name.n--;
            return add_param(req, name, path, strlen(path));
        }
        struct base_bytes have = next_segment(&path);
        if (!is_param(want))
            continue;
        enum base_err err = add_param(req, name, (const char *)have.p, have.n);
        if (err)
            return err;
    }
    return BASE_OK;
}

/* A decoded, NUL-terminated copy. */
static enum base_err decode(struct net_http_request *req, const char *s, size_t n, const char **out)
{
    char *copy = base_arena_alloc(&req->arena, n + 1);
    if (!copy)
        return BASE_ENOMEM;
    if (!net_http_percent_decode(s, n, true, copy))
        return BASE_EFORMAT;
    *out = copy;
    return BASE_OK;
}

static size_t count_pairs(const char *query)
{
    size_t n = 1;
    for (; *query; query++)
        n += *query == '&';
    return n;
}

enum base_err net_http_query_parse(struct net_http_request *req, const char *query)
{
    size_t most = count_pairs(query);
    if (most > NET_HTTP_QUERY_MAX)
        return BASE_ELIMIT;
    req->query = base_arena_alloc(&req->arena, most * sizeof *req->query);
    if (!req->query)
        return BASE_ENOMEM;
    while (*query) {
        size_t n = strcspn(query, "&");
        const char *equal = memchr(query, '=', n);
        size_t name_n = equal ? (size_t)(equal - query) : n;
        struct net_http_pair *pair = &req->query[req->query_count];
        if (n) {
            enum base_err err = decode(req, query, name_n, &pair->name);
            if (!err)
                err = decode(req, query + (equal ? name_n + 1 : n), equal ? n - name_n - 1 : 0,
                             &pair->value);
            if (err)
                return err;
            req->query_count++;
        }
        query += n + (query[n] == '&');
    }
    return BASE_OK;
}

/* Exact, unlike the words of a header field. */
static bool has_name(const char *list, const char *name)
{
    while (*list) {
        size_t n = strcspn(list, ", ");
        if (n > 0 && strlen(name) == n && memcmp(list, name, n) == 0)
            return true;
        list += n;
        list += strspn(list, ", ");
    }
    return false;
}

const char *net_http_query_wrong(const struct net_http_request *req, bool *again)
{
    for (size_t i = 0; i < req->query_count && req->route->query; i++) {
        const char *name = req->query[i].name;
        *again = net_http_query(req, name) != req->query[i].value;
        if (*again || !has_name(req->route->query, name))
            return name;
    }
    return NULL;
}
