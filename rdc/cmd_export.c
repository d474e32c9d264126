/*
 * rdc export STUDY_UID -o DIR [--centre CODE]: a study as ordinary files.
 */
#include "rdc/rdc_command.h"

#include "db/db_sync.h"
#include "ingest/ingest_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool parse(int argc, char **argv, struct ingest_export *what)
{
    for (int i = 1; i < argc; i++) {
        bool takes_value = strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--centre") == 0;
        if (takes_value && i + 1 == argc)
            return false;
        if (strcmp(argv[i], "-o") == 0)
            what->folder = argv[++i];
        else if (strcmp(argv[i], "--centre") == 0)
            what->centre = argv[++i];
        else if (argv[i][0] != '-' && !what->study_uid)
            what->study_uid = argv[i];
        else
            return false;
    }
    return what->study_uid && what->folder && strlen(what->folder) < 4000;
}

static int print_usage(FILE *to, int status)
{
    fputs("usage: rdc export STUDY_UID -o DIR [--centre CODE]\n"
          "  writes the study's objects as DIR/SOPInstanceUID.dcm, and the files that ECGs\n"
          "  were made of beside them; never overwrites\n",
          to);
    return status;
}

int rdc_cmd_export(struct rdc_context *ctx, int argc, char **argv)
{
    struct ingest_export what = {0};
    struct ingest_export_counts counts;
    struct base_error error = {0};
    if (rdc_wants_help(argc, argv))
        return print_usage(stdout, 0);
    if (!parse(argc, argv, &what))
        return print_usage(stderr, 2);
    struct db_sync *db = rdc_open_database(ctx);
    if (!db)
        return 1;
    enum base_err err = ingest_export(db, ctx->conf.data, &what, &counts, &error);
    db_sync_close(db);
    if (err) {
        fprintf(stderr, "rdc export: %s\n", error.msg);
        return 1;
    }
    printf("%" PRIu64 " objects and %" PRIu64 " original files in %s\n", counts.objects,
           counts.originals, what.folder);
    return 0;
}
