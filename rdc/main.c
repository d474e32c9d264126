/*
 * The program: finds the subcommand, loads the configuration, runs it.
 */
#include "rdc/rdc_command.h"

#include "base/log.h"
#include "db/db_sync.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    int (*run)(struct rdc_context *ctx, int argc, char **argv);
    const char *help; /* NULL = internal */
};

static int cmd_config(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_buf out = {0};
    (void)ctx;
    if (rdc_wants_help(argc, argv)) {
        puts("usage: rdc config   prints all keys, what they are for, and their defaults");
        return 0;
    }
    if (argc > 1) {
        fprintf(stderr, "rdc config: does not take %s\n", argv[1]);
        return 2;
    }
    base_conf_print_example(&out);
    fwrite(base_buf_cstr(&out), 1, out.n, stdout);
    base_buf_deinit(&out);
    return 0;
}

static const struct command commands[] = {
    {"serve", rdc_cmd_serve, "run the server; takes every key of `rdc config` as --key VALUE"},
    {"config", cmd_config, "print the commented example of a configuration file"},
    {"db", rdc_cmd_db, "migrate: bring the database up to date; status: say whether it is"},
    {"status", rdc_cmd_status, "what is in which state, and what needs attention"},
    {"worklist", rdc_cmd_worklist, "what waits to be read"},
    {"org", rdc_cmd_noun, "centres and hospitals"},
    {"line", rdc_cmd_noun, "service lines"},
    {"device", rdc_cmd_device, "devices that may send; doctor: what is wrong with one"},
    {"user", rdc_cmd_noun, "people that may log in"},
    {"contract", rdc_cmd_noun, "which hospital reads which line for which centre"},
    {"destination", rdc_cmd_noun, "where reports go"},
    {"hl7", rdc_cmd_noun, "who may send HL7 orders, and what their codes mean"},
    {"delivery", rdc_cmd_noun, "reports on their way; retry those that are dead"},
    {"order", rdc_cmd_noun, "what a centre means to do: the modality worklist"},
    {"ecg", rdc_cmd_ecg, "what an ECG file holds, its sheet, its conversion"},
    {"export", rdc_cmd_export, "a study as ordinary DICOM files"},
    {"fsck", rdc_cmd_fsck, "prove store and database against each other; make the index again"},
    {"send", rdc_cmd_send, "send DICOM and ECG files, by HTTP or as a DICOM device"},
    {"render", rdc_cmd_render, NULL},
    {"same", rdc_cmd_same, NULL},
    {"measure", rdc_cmd_measure, NULL},
    {"pixels", rdc_cmd_pixels, NULL},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int print_help(FILE *to, int status)
{
    fputs("rdc " RDC_VERSION ": the engine of a regional remote diagnostic centre\n\n"
          "usage: rdc [--config FILE] COMMAND …\n\n",
          to);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].help)
            fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].help);
    fputs("  version      print the version\n\n"
          "FILE is else $RDC_CONFIG, else rdc.conf in the data folder of scripts/run.\n"
          "`rdc COMMAND help` says how it is called; of a noun, each verb.\n",
          to);
    return status;
}

void rdc_log_setup(const struct base_conf *conf, const char *component)
{
    base_log_setup((enum base_log_level)conf->log_level, conf->log_format, component);
}

bool rdc_wants_help(int argc, char **argv)
{
    static const char *const words[] = {"help", "--help", "-h"};
    bool wants = false;
    for (size_t i = 0; argc > 1 && i < sizeof words / sizeof words[0]; i++)
        wants |= strcmp(argv[1], words[i]) == 0;
    return wants;
}

struct db_sync *rdc_open_database(const struct rdc_context *ctx)
{
    struct db_sync *db = NULL;
    struct base_error err = {0};
    if (!ctx->conf.database[0]) {
        fputs("rdc: no database is configured; give --config FILE (scripts/run writes "
              "DIR/rdc.conf), or RDC_DATABASE\n",
              stderr);
        return NULL;
    }
    char fence[PATH_MAX];
    snprintf(fence, sizeof fence, "%s/timeline", ctx->conf.data);
    struct db_config config = {.conninfo = ctx->conf.database, .fence = fence};
    if (db_sync_open(&config, &db, &err)) {
        fprintf(stderr, "rdc: cannot use the database: %s\n", err.msg);
        return NULL;
    }
    return db;
}

static int load_conf(struct rdc_context *ctx, const char *path)
{
    struct base_error err = {0};
    if (base_conf_init(&ctx->conf) || (path && base_conf_load_file(&ctx->conf, path, &err)) ||
        base_conf_load_env(&ctx->conf, environ, &err)) {
        fprintf(stderr, "rdc: %s\n", err.msg);
        return 2;
    }
    return 0;
}

/* What scripts/run wrote: below the data folder, else below the current folder
 * or the checkout that this program was built in. NULL when there is none. */
static const char *find_conf(char *out, size_t size)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const char *data = getenv("RDC_DATA");
    if (data && data[0]) {
        snprintf(out, size, "%s/rdc.conf", data);
        return access(out, R_OK) == 0 ? out : NULL;
    }
    snprintf(out, size, "var/rdc.conf");
    if (access(out, R_OK) == 0)
        return out;
    /* build/PRESET/rdc */
    exe[n < 0 ? 0 : n] = 0;
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(exe, '/');
        if (!slash)
            return NULL;
        *slash = 0;
    }
    snprintf(out, size, "%s/var/rdc.conf", exe);
    return access(out, R_OK) == 0 ? out : NULL;
}

/* Reports output lost to a full disk, since the caller trusts the exit status. */
static int end_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("rdc: standard output cannot be written\n", stderr);
    return status ? status : 1;
}

int main(int argc, char **argv)
{
    char found[PATH_MAX + 16];
    const char *path = getenv("RDC_CONFIG");
    int at = 1;
    if (at + 1 < argc && strcmp(argv[at], "--config") == 0) {
        path = argv[at + 1];
        at += 2;
    }
    if (at >= argc)
        return print_help(stderr, 2);
    if (rdc_wants_help(argc - at + 1, argv + at - 1))
        return print_help(stdout, 0);
    if (strcmp(argv[at], "version") == 0 || strcmp(argv[at], "--version") == 0) {
        puts("rdc " RDC_VERSION);
        return 0;
    }
    const struct command *command = find_command(argv[at]);
    if (!command) {
        fprintf(stderr, "rdc: no command %s\n\n", argv[at]);
        return print_help(stderr, 2);
    }
    struct rdc_context ctx = {0};
    /* With RDC_DATABASE set, no file is searched for. */
    if ((!path || !path[0]) && !getenv("RDC_DATABASE"))
        path = find_conf(found, sizeof found);
    int status = load_conf(&ctx, path && path[0] ? path : NULL);
    if (status == 0)
        status = command->run(&ctx, argc - at, argv + at);
    base_conf_deinit(&ctx.conf);
    return end_output(status);
}
