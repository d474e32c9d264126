/* `rdc send` to POST /api/v1/uploads. */
#include "rdc/rdc_send.h"

#include "base/buf.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tries at a server that has not answered yet, and at one that had: a restart takes a minute. */
enum {
    TRIES = 4,
    TRIES_AGAIN = 8,
    PAUSE_MAX_S = 15,
    ANSWER_MAX = 1 << 20,
    CONNECT_S = 10,
    SILENCE_S = 120
};

struct request {
    struct rdc_send *s;
    FILE *file;
    uint64_t sent;
    struct base_buf answer;
};

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct request *r = arg;
    size_t got = fread(to, 1, size * n, r->file);
    if (got == 0 && ferror(r->file))
        return CURL_READFUNC_ABORT;
    r->sent += got;
    rdc_send_progress(r->s, r->sent);
    return got;
}

/* Between two pieces, and while the answer is awaited. */
static int on_tick(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return rdc_send_interrupted;
}

static size_t on_answer(char *from, size_t size, size_t n, void *arg)
{
    struct request *r = arg;
    base_buf_add(&r->answer, from, size * n);
    return r->answer.err ? 0 : size * n;
}

static char *address(const char *to, const char *path, const char *query)
{
    char *url = NULL;
    size_t n = strlen(to);
    while (n && to[n - 1] == '/')
        n--;
    if (asprintf(&url, "%.*s%s%s%s", (int)n, to, path, query[0] ? "?" : "", query) < 0)
        return NULL;
    return url;
}

static void prepare(CURL *curl, struct request *r, const char *url, struct curl_slist *fields,
                    char *error)
{
    curl_easy_reset(curl);
    base_buf_init(&r->answer, ANSWER_MAX);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
    error[0] = '\0';
}

/* Title and detail of a problem, or of what curl says. */
static void explain(const struct request *r, long status, const char *error, char *out, size_t size)
{
    json_t *problem = json_loads(base_buf_cstr(&r->answer), 0, NULL);
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    if (status)
        snprintf(out, size, "%ld %s%s%s", status, title ? title : "", detail ? ": " : "",
                 detail ? detail : "");
    else
        snprintf(out, size, "%s", error[0] ? error : "the server does not answer");
    json_decref(problem);
}

/* The status; 0 when there was no answer. */
static long post_file(CURL *curl, struct rdc_send *s, struct rdc_send_file *f, const char *url,
                      struct curl_slist *fields, char *cause, size_t size)
{
    struct request r = {.s = s, .file = fopen(f->path, "rb")};
    char error[CURL_ERROR_SIZE];
    long status = 0;
    if (!r.file) {
        snprintf(cause, size, "%s", strerror(errno));
        return 400;
    }
    prepare(curl, &r, url, fields, error);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, &r);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->size);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    /* A refusal may come before all was sent; an acknowledgement is whole or none. */
    if (code && status < 300)
        status = 0;
    explain(&r, status, error, cause, size);
    base_buf_deinit(&r.answer);
    fclose(r.file);
    return status;
}

static bool is_passing(long status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

/* Before try i, which was preceded by others. Ends early on Ctrl-C. */
static void wait_for_server(const struct rdc_send *s, unsigned i, const char *cause)
{
    unsigned seconds = 1U << (i - 1) > PAUSE_MAX_S ? PAUSE_MAX_S : 1U << (i - 1);
    if (s->terminal)
        fprintf(stderr, "\r\033[K%.60s; trying again in %u s ", cause, seconds);
    while (seconds-- && !rdc_send_interrupted)
        sleep(1);
}

/* False: it makes no sense to go on. */
static bool send_one(CURL *curl, struct rdc_send *s, struct rdc_send_file *f, const char *url,
                     struct curl_slist *fields)
{
    char cause[512];
    long status = 0;
    for (unsigned i = 0;
         i < (s->answered ? TRIES_AGAIN : TRIES) && is_passing(status) && !rdc_send_interrupted;
         i++) {
        if (i)
            wait_for_server(s, i, cause);
        status = post_file(curl, s, f, url, fields, cause, sizeof cause);
        s->answered |= status != 0;
    }
    if (is_passing(status) && rdc_send_interrupted)
        snprintf(cause, sizeof cause, "interrupted");
    if (is_passing(status) || status == 401 || status == 403 || status == 507) {
        snprintf(s->stopped, sizeof s->stopped, "%.250s", cause);
        return false;
    }
    if (status == 201)
        rdc_send_taken(s, f);
    else
        rdc_send_refused(s, f, cause);
    return true;
}

/* ---- the manifests ---- */

struct announcing {
    CURL *curl;
    char *url;
    struct curl_slist *fields;
    char cause[512]; /* why one was not taken; "" */
};

/* Not taken, it costs nothing but the wait: quiet time decides then. */
static void announce(void *arg, const char *json)
{
    struct announcing *a = arg;
    struct request r = {0};
    char error[CURL_ERROR_SIZE];
    long status = 0;
    if (rdc_send_interrupted)
        return;
    prepare(a->curl, &r, a->url, a->fields, error);
    curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, json);
    (void)curl_easy_perform(a->curl);
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        explain(&r, status, error, a->cause, sizeof a->cause);
    base_buf_deinit(&r.answer);
}

static void announce_all(CURL *curl, const struct rdc_send *s, struct curl_slist *fields)
{
    struct announcing a = {
        .curl = curl, .url = address(s->to, "/api/v1/manifests", ""), .fields = fields};
    if (a.url && s->next < s->n)
        rdc_send_manifests(s, announce, &a);
    if (a.cause[0])
        fprintf(stderr, "rdc send: the list of what belongs together was not taken (%s)\n",
                a.cause);
    free(a.url);
}

static struct curl_slist *fields_of(const struct rdc_send *s)
{
    struct base_buf line = {0};
    base_buf_printf(&line, "Authorization: Bearer %s", s->token ? s->token : "");
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/octet-stream");
    fields = curl_slist_append(fields, "Expect:");
    fields = curl_slist_append(fields, base_buf_cstr(&line));
    base_buf_deinit(&line);
    return fields;
}

void rdc_send_http(struct rdc_send *s)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *fields = fields_of(s);
    char *url = address(s->to, "/api/v1/uploads", s->query);
    if (!curl || !url || !fields)
        snprintf(s->stopped, sizeof s->stopped, "out of memory");
    else
        announce_all(curl, s, fields);
    for (struct rdc_send_file *f; !s->stopped[0] && (f = rdc_send_next(s)) != NULL;)
        if (!send_one(curl, s, f, url, fields))
            break;
    free(url);
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
}

char *rdc_send_login(const char *to, const char *name, const char *password)
{
    struct request r = {0};
    char error[CURL_ERROR_SIZE];
    char cause[512];
    char *token = NULL;
    long status = 0;
    CURL *curl = curl_easy_init();
    char *url = address(to, "/api/v1/session", "");
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/json");
    json_t *body = json_pack("{s:s, s:s}", "login", name, "password", password);
    char *text = body ? json_dumps(body, 0) : NULL;
    if (curl && url && text) {
        prepare(curl, &r, url, fields, error);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
        (void)curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        json_t *answer = json_loads(base_buf_cstr(&r.answer), 0, NULL);
        const char *found = json_string_value(json_object_get(answer, "token"));
        token = found && status < 300 ? strdup(found) : NULL;
        json_decref(answer);
        explain(&r, status, error, cause, sizeof cause);
        if (!token)
            fprintf(stderr, "rdc send: cannot log in at %s: %s\n", to, cause);
    }
    base_buf_deinit(&r.answer);
    json_decref(body);
    free(text);
    free(url);
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
    return token;
}
