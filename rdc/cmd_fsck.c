/*
 * rdc fsck [--json] [--rebuild] [--store-lost]: checks store and index against each other.
 */
#include "rdc/rdc_command.h"

#include "base/clock.h"
#include "base/json.h"
#include "db/db_sync.h"
#include "ingest/ingest_rebuild.h"
#include "rdc/rdc_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_MS = 500, TOLD_MS = 10000 };

static const char *const headers[] = {"finding", "subject", "state", "detail"};

struct fsck_command {
    bool json;
    bool rebuild;
    bool lost;                /* a store that is not there is lost */
    struct base_buf findings; /* JSON array under way */
    struct base_json j;
    struct rdc_table *table;
    uint64_t n;
    int64_t told_ms;
    bool shown; /* a progress line is on the terminal */
    struct ingest_rebuild_counts rebuilt;
    struct ingest_fsck_counts counts;
};

static void on_finding(void *arg, const struct ingest_fsck_finding *f)
{
    struct fsck_command *c = arg;
    const char *state = ingest_fsck_state_text(f->state);
    const char *const cells[] = {f->kind, f->subject, state, f->detail};
    static const char *const keys[] = {"kind", "subject", "state", "detail"};
    c->n++;
    base_json_open_object(&c->j);
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        base_json_member_string(&c->j, keys[i], cells[i]);
        rdc_table_add(c->table, cells[i]);
    }
    base_json_close_object(&c->j);
}

/* On a terminal one line that changes, else a line every ten seconds. */
static void on_progress(void *arg, const struct ingest_fsck_counts *n)
{
    struct fsck_command *c = arg;
    int64_t now = base_clock_mono_ms();
    bool terminal = isatty(STDERR_FILENO);
    if (now - c->told_ms < (terminal ? SHOWN_MS : TOLD_MS))
        return;
    c->told_ms = now;
    c->shown = terminal;
    fprintf(stderr,
            "%srdc fsck: %" PRIu64 " of %" PRIu64 " objects, %" PRIu64 " of %" PRIu64
            " MiB, %" PRIu64 " files, %" PRIu64 " findings%s",
            terminal ? "\r" : "", n->objects, n->objects_total, n->bytes >> 20,
            n->bytes_total >> 20, n->files, c->n, terminal ? "\033[K" : "\n");
}

static void end_progress(struct fsck_command *c)
{
    if (c->shown)
        fputs("\r\033[K", stderr);
    c->shown = false;
}

static bool agree(const struct fsck_command *c)
{
    return !c->counts.findings[INGEST_FSCK_OPEN] && !c->counts.findings[INGEST_FSCK_QUEUED];
}

static void print_json(struct fsck_command *c)
{
    struct base_buf out = {0};
    struct base_json j;
    base_json_close_array(&c->j);
    base_json_init(&j, &out);
    base_json_open_object(&j);
    base_json_member_bool(&j, "agree", agree(c));
    base_json_member_int(&j, "objects", (int64_t)c->counts.objects);
    base_json_member_int(&j, "bytes", (int64_t)c->counts.bytes);
    base_json_member_int(&j, "files", (int64_t)c->counts.files);
    base_json_member_int(&j, "workers", (int64_t)c->counts.alive);
    base_json_member_int(&j, "in_flight", (int64_t)c->counts.in_flight);
    for (int s = INGEST_FSCK_OPEN; s <= INGEST_FSCK_NOTE; s++)
        base_json_member_int(&j, ingest_fsck_state_text((enum ingest_fsck_state)s),
                             (int64_t)c->counts.findings[s]);
    if (c->rebuild) {
        base_json_member_int(&j, "rebuilt", (int64_t)c->rebuilt.stored);
        base_json_member_int(&j, "rebuilt_duplicates", (int64_t)c->rebuilt.duplicates);
        base_json_member_int(&j, "not_rebuilt", (int64_t)c->rebuilt.skipped);
    }
    base_json_key(&j, "findings");
    base_json_raw(&j, base_buf_cstr(&c->findings), c->findings.n);
    base_json_close_object(&j);
    puts(base_buf_cstr(&out));
    base_buf_deinit(&out);
}

static void print_text(const struct fsck_command *c)
{
    const struct ingest_fsck_counts *n = &c->counts;
    struct base_buf out = {0};
    if (c->n)
        rdc_table_print(c->table, &out);
    fputs(base_buf_cstr(&out), stdout);
    base_buf_deinit(&out);
    if (c->rebuild)
        printf("rebuilt %" PRIu64 " objects, %" PRIu64 " were there twice, %" PRIu64
               " files are no whole objects\n",
               c->rebuilt.stored, c->rebuilt.duplicates, c->rebuilt.skipped);
    printf("%" PRIu64 " objects (%" PRIu64 " bytes digested), %" PRIu64 " files\n", n->objects,
           n->bytes, n->files);
    if (n->alive)
        printf("%" PRIu64 " workers run; %" PRIu64 " files of theirs are not acknowledged yet\n",
               n->alive, n->in_flight);
    printf("%s: %" PRIu64 " open, %" PRIu64 " queued, %" PRIu64 " repaired, %" PRIu64 " notes\n",
           agree(c) ? "store and index agree" : "store and index DO NOT AGREE",
           n->findings[INGEST_FSCK_OPEN], n->findings[INGEST_FSCK_QUEUED],
           n->findings[INGEST_FSCK_REPAIRED], n->findings[INGEST_FSCK_NOTE]);
}

static int run(struct fsck_command *c, struct db_sync *db, const char *data)
{
    struct base_error error = {0};
    struct ingest_fsck_ops ops = {.finding = on_finding, .progress = on_progress, .arg = c};
    enum base_err err = BASE_OK;
    c->told_ms = base_clock_mono_ms();
    if (!c->lost && ingest_fsck_store(db, data, &error)) {
        fprintf(stderr,
                "rdc fsck: %s\n  nothing was changed; if the store is lost for good: rdc fsck "
                "--store-lost\n",
                error.msg);
        return 1;
    }
    if (c->rebuild)
        err = ingest_rebuild(db, data, &ops, &c->rebuilt, &error);
    if (!err)
        err = ingest_fsck(db, data, &ops, &c->counts, &error);
    end_progress(c);
    if (err) {
        fprintf(stderr, "rdc fsck: %s\n", error.msg);
        return 1;
    }
    if (c->json)
        print_json(c);
    else
        print_text(c);
    return agree(c) ? 0 : 1;
}

static int print_usage(FILE *to, int status)
{
    fputs("usage: rdc fsck [--json] [--rebuild] [--store-lost]\n"
          "  compares the store with the database, both ways, and repairs what it safely can;\n"
          "  exit status 0 only when they agree\n"
          "  --rebuild   first makes the index again in an empty database, from the store alone\n"
          "  --store-lost   goes on where nothing of the store is there: all of it is marked as "
          "damaged,\n"
          "              to be replaced by what is sent again, and reports are rendered again\n",
          to);
    return status;
}

int rdc_cmd_fsck(struct rdc_context *ctx, int argc, char **argv)
{
    struct fsck_command c = {0};
    if (rdc_wants_help(argc, argv))
        return print_usage(stdout, 0);
    for (int i = 1; i < argc; i++) {
        c.json |= strcmp(argv[i], "--json") == 0;
        c.rebuild |= strcmp(argv[i], "--rebuild") == 0;
        c.lost |= strcmp(argv[i], "--store-lost") == 0;
        if (strcmp(argv[i], "--json") != 0 && strcmp(argv[i], "--rebuild") != 0 &&
            strcmp(argv[i], "--store-lost") != 0) {
            fprintf(stderr, "rdc fsck: does not take %s\n", argv[i]);
            return print_usage(stderr, 2);
        }
    }
    struct db_sync *db = rdc_open_database(ctx);
    if (!db)
        return 1;
    c.table = rdc_table_new(headers, sizeof headers / sizeof headers[0]);
    base_json_init(&c.j, &c.findings);
    base_json_open_array(&c.j);
    int status = c.table ? run(&c, db, ctx->conf.data) : 1;
    rdc_table_free(c.table);
    base_buf_deinit(&c.findings);
    db_sync_close(db);
    return status;
}
