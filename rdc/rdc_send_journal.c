/*
 * The journal of `rdc send`: a line for each file that was acknowledged, and one for each
 * upload in pieces that was begun:
 *
 *   TO <tab> size <tab> time of change <tab> path
 *   begun <tab> Location <tab> the same
 *
 * When it has grown too large it loses its older half: at worst those files are sent again, as
 * duplicates. Whether they still exist would tell nothing, since disks come and go.
 */
#include "rdc/rdc_send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGUN "begun\t"

enum { JOURNAL_MAX = 64 << 20 }; /* half a million files, more or less */

static char *line_of(const struct rdc_send *s, const struct rdc_send_file *f)
{
    char *line = NULL;
    char *path = realpath(f->path, NULL);
    if (path && !strchr(path, '\n') &&
        asprintf(&line, "%s\t%llu\t%lld\t%s", s->to, (unsigned long long)f->size,
                 (long long)f->mtime_ns, path) < 0)
        line = NULL;
    free(path);
    return line;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool keep_line(struct rdc_send_lines *to, const char *line)
{
    if (to->n == to->room) {
        size_t room = to->room ? 2 * to->room : 256;
        char **lines = realloc(to->lines, room * sizeof *lines);
        if (!lines)
            return false;
        to->lines = lines;
        to->room = room;
    }
    to->lines[to->n] = strdup(line);
    return to->lines[to->n] && ++to->n;
}

static bool is_begun(const char *line)
{
    return strncmp(line, BEGUN, sizeof BEGUN - 1) == 0;
}

/* True: skipped to the middle, to the start of a line. */
static bool pass_over_older(FILE *journal)
{
    struct stat st;
    if (fstat(fileno(journal), &st) != 0 || st.st_size <= JOURNAL_MAX ||
        fseeko(journal, st.st_size - JOURNAL_MAX / 2, SEEK_SET) != 0)
        return false;
    int c;
    while ((c = getc(journal)) != EOF && c != '\n') {
    }
    return true;
}

/* Rewrites the file in place, since another `rdc send` may be writing to it as well. */
static void keep_only(FILE *journal, const struct rdc_send_lines *begun,
                      const struct rdc_send_lines *known)
{
    if (ftruncate(fileno(journal), 0) != 0)
        return;
    for (size_t i = 0; i < begun->n; i++)
        fprintf(journal, "%s\n", begun->lines[i]);
    for (size_t i = 0; i < known->n; i++)
        fprintf(journal, "%s\n", known->lines[i]);
    fflush(journal);
}

static enum base_err read_journal(struct rdc_send *s)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    bool kept = true;
    bool shorter = pass_over_older(s->journal);
    /* A last line without newline was cut off when the machine stopped. */
    while (kept && (n = getline(&line, &size, s->journal)) > 0 && line[n - 1] == '\n') {
        line[n - 1] = '\0';
        kept = keep_line(is_begun(line) ? &s->begun : &s->known, line);
    }
    bool cut = kept && n > 0;
    free(line);
    if (shorter && kept)
        keep_only(s->journal, &s->begun, &s->known);
    if (s->known.n)
        qsort(s->known.lines, s->known.n, sizeof *s->known.lines, compare_lines);
    if (cut && !shorter)
        fputc('\n', s->journal);
    return kept ? BASE_OK : BASE_ENOMEM;
}

static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

/* $XDG_STATE_HOME/rdc/sent, else ~/.local/state/rdc/sent */
static char *default_journal(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int n = state && state[0] ? asprintf(&path, "%s/rdc/sent", state)
                              : asprintf(&path, "%s/.local/state/rdc/sent", home ? home : ".");
    if (n < 0)
        return NULL;
    make_parents(path);
    return path;
}

enum base_err rdc_send_open_journal(struct rdc_send *s, const char *path, bool again)
{
    char *own = path ? NULL : default_journal();
    s->journal = path || own ? fopen(path ? path : own, "a+") : NULL;
    if (!s->journal)
        fprintf(stderr, "rdc send: %s: %s; name another one with --journal FILE\n",
                path  ? path
                : own ? own
                      : "the journal",
                strerror(errno));
    free(own);
    if (!s->journal)
        return BASE_EIO;
    rewind(s->journal);
    enum base_err err = read_journal(s);
    while (again && s->begun.n)
        free(s->begun.lines[--s->begun.n]);
    for (size_t i = 0; !err && !again && i < s->n; i++) {
        struct rdc_send_file *f = &s->files[i];
        char *line = f->state == RDC_SEND_WAITING ? line_of(s, f) : NULL;
        if (line && s->known.n &&
            bsearch(&line, s->known.lines, s->known.n, sizeof *s->known.lines, compare_lines)) {
            f->state = RDC_SEND_BEFORE;
            s->bytes -= f->size;
        }
        free(line);
    }
    return err;
}

static void add_line(struct rdc_send *s, const char *prefix, const char *location, char *line)
{
    /* A failure only means that it is sent again, as a duplicate. */
    if (line && s->journal && fprintf(s->journal, "%s%s%s\n", prefix, location, line) > 0)
        fflush(s->journal);
    free(line);
}

void rdc_send_note_taken(struct rdc_send *s, const struct rdc_send_file *f)
{
    add_line(s, "", "", line_of(s, f));
}

void rdc_send_note_begun(struct rdc_send *s, const struct rdc_send_file *f, const char *location)
{
    char *line = NULL;
    char *rest = line_of(s, f);
    if (rest && asprintf(&line, "\t%s", rest) < 0)
        line = NULL;
    free(rest);
    add_line(s, BEGUN, location, line);
}

/* The last one that was begun for it. */
char *rdc_send_begun(const struct rdc_send *s, const struct rdc_send_file *f)
{
    char *line = line_of(s, f);
    char *location = NULL;
    for (size_t i = s->begun.n; line && !location && i--;) {
        const char *at = s->begun.lines[i] + sizeof BEGUN - 1;
        const char *tab = strchr(at, '\t');
        if (tab && strcmp(tab + 1, line) == 0)
            location = strndup(at, (size_t)(tab - at));
    }
    free(line);
    return location;
}
