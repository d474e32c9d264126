#include "rdc/rdc_send_request.h"

#include "base/utf8.h"
#include "rdc/rdc_table.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

enum { PAUSE_MAX_S = 15, ANSWER_MAX = 1 << 20, CONNECT_S = 10, SILENCE_S = 120 };

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct rdc_send_request *r = arg;
    size_t want = size * n < r->size - r->sent ? size * n : (size_t)(r->size - r->sent);
    size_t got = fread(to, 1, want, r->file);
    if (got < want) {
        r->lost = ferror(r->file) ? strerror(errno) : RDC_SEND_SHORTER;
        return CURL_READFUNC_ABORT;
    }
    r->sent += got;
    rdc_send_progress(r->s, r->before + r->sent);
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
    struct rdc_send_request *r = arg;
    base_buf_add(&r->answer, from, size * n);
    return r->answer.err ? 0 : size * n;
}

char *rdc_send_request_url(const char *to, const char *path, const char *query)
{
    char *url = NULL;
    size_t n = strlen(to);
    while (n && to[n - 1] == '/')
        n--;
    if (asprintf(&url, "%.*s%s%s%s", (int)n, to, path, query[0] ? "?" : "", query) < 0)
        return NULL;
    return url;
}

void rdc_send_request_prepare(CURL *curl, struct rdc_send_request *r, const char *url,
                              struct curl_slist *fields)
{
    curl_easy_reset(curl);
    base_buf_init(&r->answer, ANSWER_MAX);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
    r->error[0] = '\0';
}

void rdc_send_request_body(CURL *curl, struct rdc_send_request *r)
{
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, r);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->size);
}

/* For a wrong port, curl's message would tell a technician little. */
static const char *wrong_port(const struct rdc_send_request *r, CURLcode code)
{
    if (code == CURLE_SSL_CONNECT_ERROR && strstr(r->error, "wrong version number"))
        return "what answers there speaks no TLS: write http://, or the port of https.address";
    if (code == CURLE_UNSUPPORTED_PROTOCOL)
        return "what answers there speaks no HTTP: is this the port of http.address?";
    if (code == CURLE_GOT_NOTHING)
        return "the connection was closed without an answer: is this the port of http.address?";
    return NULL;
}

/* What the server could not read of a file that it took; "" = nothing. */
static void tell_damage(const struct rdc_send_request *r, char *out, size_t size)
{
    json_t *answer = json_loads(base_buf_cstr(&r->answer), 0, NULL);
    const json_t *damage = json_object_get(answer, "damage");
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(damage) && n < size; i++) {
        const char *line = json_string_value(json_array_get(damage, i));
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "; " : "", line ? line : "");
    }
    out[base_utf8_cut(out, strlen(out), size - 4)] = '\0';
    json_decref(answer);
}

/* The title and detail of the server's problem, or curl's message. */
static void explain(const struct rdc_send_request *r, CURLcode code, long status, char *out,
                    size_t size)
{
    const char *wrong = wrong_port(r, code);
    json_t *problem = json_loads(base_buf_cstr(&r->answer), 0, NULL);
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    if (status)
        snprintf(out, size, "%ld %s%s%s", status, title ? title : "", detail ? ": " : "",
                 detail ? detail : "");
    else
        snprintf(out, size, "%s",
                 wrong         ? wrong
                 : r->error[0] ? r->error
                               : "the server does not answer");
    json_decref(problem);
}

long rdc_send_request_perform(CURL *curl, struct rdc_send_request *r, char *cause, size_t size)
{
    long status = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    /* A refusal may come before all was sent; an acknowledgement is whole or none. */
    if (code && status < 300)
        status = 0;
    if (status == 201)
        tell_damage(r, cause, size);
    else
        explain(r, code, status, cause, size);
    if (r->lost) {
        snprintf(cause, size, "%s", r->lost);
        return 400;
    }
    return status;
}

bool rdc_send_request_is_passing(long status)
{
    /* A fault of the line or the server (408: the body stalled) says nothing about the file; but
     * 507 needs a person. */
    return status == 0 || status == 408 || status == 423 || status == 429 ||
           (status >= 500 && status < 507);
}

void rdc_send_request_wait(const struct rdc_send *s, unsigned i, const char *cause)
{
    unsigned seconds = 1U << (i - 1) > PAUSE_MAX_S ? PAUSE_MAX_S : 1U << (i - 1);
    struct base_buf shown = {0};
    rdc_shown(cause, &shown);
    if (s->terminal)
        fprintf(stderr, "\r\033[K%.60s; trying again in %u s ", base_buf_cstr(&shown), seconds);
    base_buf_deinit(&shown);
    while (seconds-- && !rdc_send_interrupted)
        sleep(1);
}
