#include "rdc/rdc_send.h"

#include "base/clock.h"
#include "dicom/dicom_header.h"
#include "ecg/ecg_open.h"
#include "ingest/ingest_beside.h"
#include "rdc/rdc_table.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SNIFF = 4096, SNIFF_MORE = 1 << 20, DRAW_MS = 100, BAR = 24 };

/* ---- what a file is ---- */

/* errno of a failed read, as from a damaged disc; 0: fine. */
static int read_head(int fd, struct base_buf *head, size_t n)
{
    base_buf_reset(head);
    uint8_t *to = base_buf_reserve(head, n);
    while (to && head->n < n) {
        ssize_t got = pread(fd, to + head->n, n - head->n, (off_t)head->n);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return errno;
        head->n += got > 0 ? (size_t)got : 0;
    }
    return to ? 0 : ENOMEM;
}

/* Reads its study UID, and the SOP UIDs where the meta group has none. */
static void scan_uids(struct rdc_send_file *f, struct base_bytes head, bool complete)
{
    static struct dicom_header h;
    struct base_error error;
    struct base_bytes data = base_bytes_of(head.p + f->dataset, head.n - f->dataset);
    (void)dicom_header_scan(data, complete, f->syntax, &h, &error);
    snprintf(f->study_uid, sizeof f->study_uid, "%s", h.study_uid);
    if (f->sop_class[0] && f->sop_instance[0])
        return;
    snprintf(f->sop_class, sizeof f->sop_class, "%s", h.sop_class);
    snprintf(f->sop_instance, sizeof f->sop_instance, "%s", h.sop_instance);
}

/* last: a longer head will not be tried. */
static bool is_dicom(struct rdc_send_file *f, struct base_bytes head, bool complete, bool last)
{
    struct dicom_part10 part10;
    struct base_error error;
    if (dicom_part10_read(head, complete, &part10, &error) != DICOM_SCAN_DONE)
        return false;
    f->kind = RDC_SEND_DICOM;
    f->dataset = part10.dataset;
    f->syntax = part10.syntax;
    snprintf(f->sop_class, sizeof f->sop_class, "%s", part10.sop_class);
    snprintf(f->sop_instance, sizeof f->sop_instance, "%s", part10.sop_instance);
    scan_uids(f, head, complete);
    return f->sop_class[0] && f->sop_instance[0] && (f->study_uid[0] || last);
}

/* A DICOMDIR (PS3.3 F) names other files and is no object itself. */
static bool is_directory(const struct rdc_send_file *f)
{
    return strcmp(f->sop_class, DICOM_UID_MEDIA_DIRECTORY) == 0;
}

static bool recognise(struct rdc_send_file *f, int fd, struct base_buf *head, int *error)
{
    for (size_t n = SNIFF;; n = SNIFF_MORE) {
        *error = read_head(fd, head, n);
        if (*error)
            return false;
        bool complete = head->n < n;
        struct base_bytes bytes = base_buf_bytes(head);
        bool part10 = bytes.n >= 132 && memcmp(bytes.p + 128, "DICM", 4) == 0;
        f->is_part10 = part10;
        f->kind = RDC_SEND_ECG;
        f->may_have_parts = bytes.n && !part10 && ingest_beside_may(bytes);
        if (bytes.n && !part10 && ecg_format_is_foreign(ecg_detect(bytes)))
            return true;
        if (bytes.n && is_dicom(f, bytes, complete, complete || n == SNIFF_MORE))
            return !is_directory(f);
        if (complete || n == SNIFF_MORE)
            return false;
    }
}

/* ---- the list ---- */

static bool add(struct rdc_send *s, const struct rdc_send_file *f)
{
    if (s->n == 0 || (s->n >= 64 && (s->n & (s->n - 1)) == 0)) {
        size_t size = s->n ? 2 * s->n : 64;
        struct rdc_send_file *files = realloc(s->files, size * sizeof *files);
        if (!files)
            return false;
        s->files = files;
    }
    s->files[s->n++] = *f;
    return true;
}

static bool claims_to_be_ours(const char *name)
{
    static const char *const ends[] = {".dcm", ".dicom", ".ima", ".scp",
                                       ".ecg", ".edf",   ".bdf", ".mwf"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof ends[0]; i++)
        if (strcasecmp(dot, ends[i]) == 0)
            return strncmp(name, "._", 2) != 0; /* macOS's resource forks */
    return false;
}

static enum base_err pass_over(struct rdc_send *s, const char *path)
{
    char **all = realloc(s->passed_over, (s->n_passed_over + 1) * sizeof *all);
    if (!all)
        return BASE_ENOMEM;
    s->passed_over = all;
    all[s->n_passed_over] = strdup(path);
    if (!all[s->n_passed_over])
        return BASE_ENOMEM;
    s->n_passed_over++;
    return BASE_OK;
}

int64_t rdc_send_mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

static enum base_err refuse_entry(struct rdc_send *s, const FTSENT *e, const char *cause)
{
    struct rdc_send_file f = {.path = strdup(e->fts_path)};
    if (!f.path || !add(s, &f))
        return BASE_ENOMEM;
    rdc_send_refused(s, &s->files[s->n - 1], cause);
    return BASE_OK;
}

/* Links, which may lead anywhere, even back here; pipes, sockets and devices. */
static enum base_err take_other(struct rdc_send *s, const FTSENT *e)
{
    struct stat target;
    bool link = e->fts_info == FTS_SL;
    bool leads = link && stat(e->fts_path, &target) == 0;
    s->unseen |= leads;
    if (e->fts_level > 0 && !leads && !claims_to_be_ours(e->fts_name))
        return pass_over(s, e->fts_path);
    return refuse_entry(s, e,
                        link ? "it is a link, which is not followed: name what it points to"
                             : "it is no file");
}

/* A path that was named must be readable; one found below it does not stop the others. */
static enum base_err take_unreadable(struct rdc_send *s, const FTSENT *e)
{
    s->unseen = true;
    if (e->fts_level > 0)
        return refuse_entry(s, e, strerror(e->fts_errno));
    rdc_print_line(stderr, "rdc send: %s: %s", e->fts_path, strerror(e->fts_errno));
    return BASE_ENOTFOUND;
}

static enum base_err take_entry(struct rdc_send *s, const FTSENT *e, struct base_buf *head)
{
    struct rdc_send_file f = {
        .size = (uint64_t)e->fts_statp->st_size,
        .mtime_ns = rdc_send_mtime_ns(e->fts_statp),
    };
    int fd = open(e->fts_path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    bool ours = fd >= 0 && recognise(&f, fd, head, &error);
    if (fd >= 0)
        close(fd);
    bool damaged = f.is_part10 && !is_directory(&f);
    s->unseen |= error != 0;
    /* A file of the wrong kind is refused if it was named, or has the name or the beginning of an
     * object; otherwise it just lies in the folder, and is passed over. */
    if (!ours && !error && !damaged && e->fts_level > 0 && !claims_to_be_ours(e->fts_name))
        return pass_over(s, e->fts_path);
    f.path = strdup(e->fts_path);
    if (!f.path || !add(s, &f))
        return BASE_ENOMEM;
    if (ours)
        s->bytes += f.size;
    else
        rdc_send_refused(s, &s->files[s->n - 1],
                         error              ? strerror(error)
                         : damaged          ? "it begins as a DICOM file and is damaged"
                         : is_directory(&f) ? "it is a DICOMDIR; send the files that it lists"
                         : e->fts_statp->st_size == 0
                             ? "it is empty"
                             : "it is neither DICOM nor an ECG that rdc reads");
    return BASE_OK;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

enum base_err rdc_send_collect(struct rdc_send *s, char *const *paths)
{
    struct base_buf head = {0};
    enum base_err err = BASE_OK;
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (!tree)
        return BASE_ENOMEM;
    for (FTSENT *e; !err && (e = fts_read(tree)) != NULL;) {
        if (e->fts_info == FTS_F)
            err = take_entry(s, e, &head);
        else if (e->fts_info == FTS_SL || e->fts_info == FTS_DEFAULT)
            err = take_other(s, e);
        else if (e->fts_info != FTS_D && e->fts_info != FTS_DP)
            err = take_unreadable(s, e);
    }
    fts_close(tree);
    base_buf_deinit(&head);
    return err ? err : rdc_send_join(s);
}

void rdc_send_free(struct rdc_send *s)
{
    for (size_t i = 0; i < s->n; i++)
        rdc_send_file_free(&s->files[i]);
    for (size_t i = 0; i < s->known.n; i++)
        free(s->known.lines[i]);
    for (size_t i = 0; i < s->begun.n; i++)
        free(s->begun.lines[i]);
    for (size_t i = 0; i < s->n_passed_over; i++)
        free(s->passed_over[i]);
    free(s->passed_over);
    free(s->known.lines);
    free(s->begun.lines);
    free(s->files);
    if (s->journal)
        fclose(s->journal);
}

/* ---- what becomes of them ---- */

static void draw(struct rdc_send *s, uint64_t bytes)
{
    char bar[BAR + 1];
    int64_t now = base_clock_mono_ms();
    double share = s->bytes ? (double)bytes / (double)s->bytes : 1;
    size_t full = share >= 1 ? BAR : (size_t)(share * BAR);
    double seconds = (double)(now - s->began_ms) / 1000;
    s->drawn_ms = now;
    memset(bar, '#', full);
    memset(bar + full, '.', BAR - full);
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[K[%s] %zu of %zu files, %.1f of %.1f MiB, %.1f MiB/s ", bar, s->done,
            s->n, (double)bytes / 1048576, (double)s->bytes / 1048576,
            seconds > 0 ? (double)bytes / 1048576 / seconds : 0);
    fflush(stderr);
}

void rdc_send_progress(struct rdc_send *s, uint64_t bytes)
{
    if (s->terminal && base_clock_mono_ms() - s->drawn_ms >= DRAW_MS)
        draw(s, s->done_bytes + bytes);
}

static void advance(struct rdc_send *s, const struct rdc_send_file *f)
{
    s->done++;
    s->done_bytes += f->size;
    if (s->terminal)
        draw(s, s->done_bytes);
    else
        rdc_print_line(stderr, "%zu/%zu %s %s%s%s", s->done, s->n,
                       f->state == RDC_SEND_TAKEN ? "taken" : "refused", f->path,
                       f->cause ? ": " : "", f->cause ? f->cause : "");
}

void rdc_send_taken(struct rdc_send *s, struct rdc_send_file *f, const char *damage)
{
    f->state = RDC_SEND_TAKEN;
    f->cause = damage && damage[0] ? strdup(damage) : NULL;
    rdc_send_note_taken(s, f);
    advance(s, f);
}

void rdc_send_refused(struct rdc_send *s, struct rdc_send_file *f, const char *cause)
{
    bool counted = f->state == RDC_SEND_WAITING && s->began_ms;
    f->state = RDC_SEND_REFUSED;
    f->cause = strdup(cause);
    if (counted)
        advance(s, f);
}

struct rdc_send_file *rdc_send_next(struct rdc_send *s)
{
    if (rdc_send_interrupted) {
        if (!s->stopped[0])
            snprintf(s->stopped, sizeof s->stopped, "interrupted");
        return NULL;
    }
    /* A file that left RDC_SEND_WAITING never returns to it. */
    while (s->next < s->n && s->files[s->next].state != RDC_SEND_WAITING)
        s->next++;
    return s->next < s->n ? &s->files[s->next] : NULL;
}
