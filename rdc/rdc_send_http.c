/* `rdc send` to POST /api/v1/uploads. */
#include "rdc/rdc_send_request.h"
#include "rdc/rdc_table.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Tries at a server that has never answered, and at one that has: a restart takes a minute. */
enum { TRIES = 4, TRIES_AGAIN = 8 };

/* The status; 0 when there was no answer. */
static long post_file(CURL *curl, struct rdc_send *s, struct rdc_send_file *f, const char *url,
                      struct curl_slist *fields, char *cause, size_t size)
{
    struct rdc_send_request r = {.s = s, .file = rdc_send_file_open(f), .size = f->size};
    if (!r.file) {
        snprintf(cause, size, "%s", strerror(errno));
        return 400;
    }
    rdc_send_request_prepare(curl, &r, url, fields);
    rdc_send_request_body(curl, &r);
    long status = rdc_send_request_perform(curl, &r, cause, size);
    if (status == 201 && rdc_send_file_changed(f, fileno(r.file))) {
        snprintf(cause, size, RDC_SEND_CHANGED);
        status = 400;
    }
    base_buf_deinit(&r.answer);
    fclose(r.file);
    return status;
}

/* Sends it whole, or what the server lacks of it. */
static long send_once(CURL *curl, struct rdc_send *s, struct rdc_send_file *f,
                      struct rdc_send_pieces *pieces, const char *url, struct curl_slist *fields,
                      char *cause, size_t size)
{
    if (f->size >= RDC_SEND_PIECES_FROM)
        return rdc_send_pieces_try(curl, pieces, url, fields, cause, size);
    return post_file(curl, s, f, url, fields, cause, size);
}

/* False: stop, the next files would fail too. */
static bool send_one(CURL *curl, struct rdc_send *s, struct rdc_send_file *f, const char *url,
                     struct curl_slist *fields)
{
    struct rdc_send_pieces pieces = {.s = s, .file = f, .location = rdc_send_begun(s, f)};
    char cause[512] = "";
    long status = 0;
    for (unsigned i = 0; i < (s->answered ? TRIES_AGAIN : TRIES) &&
                         rdc_send_request_is_passing(status) && !rdc_send_interrupted;
         i++) {
        if (i)
            rdc_send_request_wait(s, i, cause);
        pieces.moved = false;
        status = send_once(curl, s, f, &pieces, url, fields, cause, sizeof cause);
        s->answered |= status != 0;
        if (pieces.moved)
            i = 0; /* there was progress: a bad line still gets it there in the end */
    }
    free(pieces.location);
    if (rdc_send_request_is_passing(status) && rdc_send_interrupted)
        snprintf(cause, sizeof cause, "interrupted");
    if (rdc_send_request_is_passing(status) || status == 401 || status == 403 || status == 507) {
        snprintf(s->stopped, sizeof s->stopped, "%.250s", cause);
        return false;
    }
    if (status == 201)
        rdc_send_taken(s, f, cause);
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

/* If it is refused, the exam only waits longer: the quiet time decides then. */
static void announce(void *arg, const char *json)
{
    struct announcing *a = arg;
    struct rdc_send_request r = {0};
    char cause[sizeof a->cause];
    if (rdc_send_interrupted)
        return;
    rdc_send_request_prepare(a->curl, &r, a->url, a->fields);
    curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, json);
    if (rdc_send_request_perform(a->curl, &r, cause, sizeof cause) != 200)
        memcpy(a->cause, cause, sizeof cause);
    base_buf_deinit(&r.answer);
}

static void announce_all(CURL *curl, const struct rdc_send *s, struct curl_slist *fields)
{
    struct announcing a = {.curl = curl,
                           .url = rdc_send_request_url(s->to, "/api/v1/manifests", ""),
                           .fields = fields};
    /* A manifest would be wrong if an unseen file belonged to its study. */
    if (a.url && s->next < s->n && !s->unseen)
        rdc_send_manifests(s, announce, &a);
    if (a.cause[0])
        rdc_print_line(stderr, "rdc send: the list of what belongs together was not taken (%s)",
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
    char *url = rdc_send_request_url(s->to, "/api/v1/uploads", s->query);
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
    struct rdc_send_request r = {0};
    char cause[512];
    char *token = NULL;
    CURL *curl = curl_easy_init();
    char *url = rdc_send_request_url(to, "/api/v1/session", "");
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/json");
    json_t *body = json_pack("{s:s, s:s}", "login", name, "password", password);
    char *text = body ? json_dumps(body, 0) : NULL;
    if (curl && url && text) {
        rdc_send_request_prepare(curl, &r, url, fields);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
        long status = rdc_send_request_perform(curl, &r, cause, sizeof cause);
        json_t *answer = json_loads(base_buf_cstr(&r.answer), 0, NULL);
        const char *found = json_string_value(json_object_get(answer, "token"));
        token = found && status < 300 ? strdup(found) : NULL;
        json_decref(answer);
        if (!token)
            rdc_print_line(stderr, "rdc send: cannot log in at %s: %s", to, cause);
    }
    base_buf_deinit(&r.answer);
    json_decref(body);
    free(text);
    free(url);
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
    return token;
}
