/*
 * Subcommands of the program. Each stands in rdc/cmd_*.c and in the table of
 * main.c; argv[0] is the subcommand's own name. Exit status: 0 done, 1 failed,
 * 2 wrong usage; messages go to standard error and say what to do.
 */
#ifndef RDC_COMMAND_H
#define RDC_COMMAND_H

#include "base/conf.h"

#include <stdbool.h>

struct db_sync;

struct rdc_context {
    struct base_conf conf; /* file and environment; flags of serve are added there */
};

/* Is the first argument a request for the usage: help, --help or -h? */
bool rdc_wants_help(int argc, char **argv);

/* Connects as the owner. On failure it has said why, and returns NULL. */
struct db_sync *rdc_open_database(const struct rdc_context *ctx);

/* Sets up the log as configured; component names the process. */
void rdc_log_setup(const struct base_conf *conf, const char *component);

int rdc_cmd_serve(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_db(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_noun(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_device(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_worklist(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_status(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_ecg(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_fsck(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_export(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_send(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_render(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_same(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_measure(struct rdc_context *ctx, int argc, char **argv);
int rdc_cmd_pixels(struct rdc_context *ctx, int argc, char **argv);

#endif
