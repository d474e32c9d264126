/* A large file of `rdc send`, in pieces: the server keeps what has come, so that after a failure
 * only the rest is sent. */
#include "rdc/rdc_send_request.h"

#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The server syncs each piece, so that a power cut there loses no more than one. */
enum { PIECE = 32 << 20, READ_SIZE = 1 << 20 };

static const char uploads[] = "/api/v1/uploads/";

/* False: errno says why. */
static bool hash_file(const struct rdc_send_file *f, char hex[BASE_SHA256_HEX])
{
    uint8_t sha256[BASE_SHA256];
    FILE *file = rdc_send_file_open(f);
    struct base_sha256 *h = base_sha256_new();
    uint8_t *piece = malloc(READ_SIZE);
    bool read = file && h && piece;
    for (size_t n; read && (n = fread(piece, 1, READ_SIZE, file)) > 0;) {
        base_sha256_add(h, piece, n);
        if (rdc_send_interrupted)
            errno = EINTR;
        read = !rdc_send_interrupted;
    }
    read = read && !ferror(file);
    if (h)
        base_sha256_end(h, sha256);
    if (read)
        base_hex(sha256, sizeof sha256, hex);
    base_sha256_free(h);
    free(piece);
    if (file)
        fclose(file);
    return read;
}

/* The fields and one more; NULL: out of memory. */
static struct curl_slist *fields_with(const struct curl_slist *fields, const char *name, uint64_t n)
{
    char line[64];
    struct curl_slist *all = NULL;
    snprintf(line, sizeof line, "%s: %llu", name, (unsigned long long)n);
    all = curl_slist_append(NULL, line);
    for (; all && fields; fields = fields->next) {
        struct curl_slist *longer = curl_slist_append(all, fields->data);
        if (!longer)
            curl_slist_free_all(all);
        all = longer;
    }
    return all;
}

/* The path of the answer's Location; NULL if it would lead to another server. */
static char *location_of(CURL *curl)
{
    struct curl_header *h;
    if (curl_easy_header(curl, "Location", 0, CURLH_HEADER, -1, &h))
        return NULL;
    size_t n = strlen(uploads);
    const char *id = h->value + n;
    if (strncmp(h->value, uploads, n) != 0 || !*id ||
        id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")])
        return NULL;
    return strdup(h->value);
}

static bool offset_of(CURL *curl, uint64_t *offset)
{
    struct curl_header *h;
    char *end;
    if (curl_easy_header(curl, "Upload-Offset", 0, CURLH_HEADER, -1, &h))
        return false;
    *offset = strtoull(h->value, &end, 10);
    return end != h->value && !*end;
}

/* ---- the requests ---- */

static long begin(CURL *curl, struct rdc_send_pieces *p, const char *url, struct curl_slist *fields,
                  char *cause, size_t size)
{
    struct rdc_send_request r = {.s = p->s};
    char hex[BASE_SHA256_HEX];
    char *to = NULL;
    long status = 0;
    if (!hash_file(p->file, hex)) {
        snprintf(cause, size, "%s", strerror(errno));
        return rdc_send_interrupted ? 0 : 400;
    }
    struct curl_slist *all = fields_with(fields, "Upload-Length", p->file->size);
    if (asprintf(&to, "%s%csha256=%s", url, strchr(url, '?') ? '&' : '?', hex) < 0)
        to = NULL;
    if (all && to) {
        rdc_send_request_prepare(curl, &r, to, all);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        status = rdc_send_request_perform(curl, &r, cause, size);
        if (status == 201)
            p->location = location_of(curl);
        if (status == 201 && !p->location) {
            snprintf(cause, size, "the server does not say where the upload is");
            status = 502;
        }
        p->offset = 0;
        if (p->location)
            rdc_send_note_begun(p->s, p->file, p->location);
    }
    base_buf_deinit(&r.answer);
    free(to);
    curl_slist_free_all(all);
    return status;
}

/* Asks how far the upload is. 200, or the status that says why it is not known. */
static long ask(CURL *curl, struct rdc_send_pieces *p, const char *at, struct curl_slist *fields,
                char *cause, size_t size)
{
    struct rdc_send_request r = {.s = p->s};
    rdc_send_request_prepare(curl, &r, at, fields);
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    long status = rdc_send_request_perform(curl, &r, cause, size);
    if (status == 200 && (!offset_of(curl, &p->offset) || p->offset > p->file->size)) {
        snprintf(cause, size, "the server does not say how far the upload is");
        status = 502;
    }
    base_buf_deinit(&r.answer);
    return status;
}

/* 204 while there is more to come, then the status of the whole. Empty for an upload that
 * ended, but whose answer was lost. */
static long patch(CURL *curl, struct rdc_send_pieces *p, const char *at, struct curl_slist *fields,
                  char *cause, size_t size)
{
    assert(p->offset <= p->file->size); /* ask refuses more, and a piece ends within the file */
    uint64_t left = p->file->size - p->offset;
    struct rdc_send_request r = {.s = p->s,
                                 .file = rdc_send_file_open(p->file),
                                 .size = left < PIECE ? left : PIECE,
                                 .before = p->offset};
    struct curl_slist *all = fields_with(fields, "Upload-Offset", p->offset);
    long status = 0;
    if (!r.file || fseeko(r.file, (off_t)p->offset, SEEK_SET)) {
        snprintf(cause, size, "%s", strerror(errno));
        status = 400;
    } else if (all) {
        rdc_send_request_prepare(curl, &r, at, all);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PATCH");
        rdc_send_request_body(curl, &r);
        status = rdc_send_request_perform(curl, &r, cause, size);
    }
    if (status == 204 && r.size == 0) {
        snprintf(cause, size, "the server has the whole file, and does not say what became of it");
        status = 502;
    } else if (status == 204) {
        p->offset += r.size;
        p->moved = true;
    }
    base_buf_deinit(&r.answer);
    curl_slist_free_all(all);
    if (r.file)
        fclose(r.file);
    return status;
}

/* ---- one try ---- */

static void forget(struct rdc_send_pieces *p)
{
    free(p->location);
    p->location = NULL;
}

static bool is_gone(long status)
{
    return status == 404 || status == 410;
}

static long send_rest(CURL *curl, struct rdc_send_pieces *p, struct curl_slist *fields,
                      bool ask_first, char *cause, size_t size)
{
    char *at = rdc_send_request_url(p->s->to, p->location, "");
    uint64_t before = p->offset;
    long status = 200;
    if (!at)
        return 0;
    if (ask_first)
        status = ask(curl, p, at, fields, cause, size);
    p->moved |= status == 200 && p->offset > before;
    if (status == 200)
        do
            status = patch(curl, p, at, fields, cause, size);
        while (status == 204 && !rdc_send_interrupted);
    free(at);
    return status;
}

long rdc_send_pieces_try(CURL *curl, struct rdc_send_pieces *p, const char *url,
                         struct curl_slist *fields, char *cause, size_t size)
{
    bool ask_first = p->location != NULL;
    long status = 201;
    if (!p->location)
        status = begin(curl, p, url, fields, cause, size);
    if (!p->location)
        return status;
    status = send_rest(curl, p, fields, ask_first, cause, size);
    /* 409: another place than we thought; 422: what came in pieces is not the file, which
     * may be the fault of the pieces, once. */
    bool again = status == 422 && !p->anew && strstr(cause, "digest");
    p->anew |= again;
    if (is_gone(status) || again)
        forget(p);
    return is_gone(status) || again || status == 409 || status == 204 ? 0 : status;
}
