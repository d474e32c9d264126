/*
 * rdc same FIRST SECOND: the process in which two DICOM files of one UID are decoded and
 * compared, with limits of its own (ingest/ingest_check.c starts it and says what it prints).
 */
#include "rdc/rdc_command.h"

#include "base/utf8.h"
#include "dicom/shim/shim.h"
#include "ingest/ingest_check.h"
#include "rdc/rdc_ecg_files.h"
#include "rdc/rdc_helper.h"
#include "store/store_tree.h"

#include <stdio.h>
#include <string.h>

enum { MEMORY_MIB = 3072, CPU_SECONDS = 60 };

/* BASE_EFORMAT: some of the recording is lost. One that is no ECG is whole as far as can be seen.
 */
static enum base_err check_ecg(const char *path, struct base_error *e)
{
    struct rdc_ecg_files files = {0};
    struct ecg_record *record = NULL;
    enum base_err err = rdc_ecg_open(path, NULL, &files, &record, e);
    for (size_t i = 0; !err && i < record->nnotes; i++)
        if (record->notes[i].is_damage)
            err = base_fail(e, BASE_EFORMAT, BASE_NOPOS, "%s", record->notes[i].text);
    ecg_record_free(record);
    rdc_ecg_files_free(&files);
    return err == BASE_EUNSUPPORTED ? BASE_OK : err;
}

/* BASE_EFORMAT: it is damaged, and e says how. */
static enum base_err check_whole(const char *path, struct base_error *e)
{
    bool waveform = false;
    enum base_err err = shim_is_whole(path, &waveform, e);
    return err || !waveform ? err : check_ecg(path, e);
}

/* An exit status; 1: they could not be compared, and e says why. */
static int compare(const char *first, const char *second, struct base_error *e)
{
    bool same = false;
    struct base_error why = {0};
    enum base_err compared = shim_same_object(first, second, &same, e);
    if (!compared && same)
        return INGEST_CHECK_SAME;
    enum base_err a = check_whole(first, &why);
    enum base_err b = check_whole(second, a ? e : &why);
    if (a && a != BASE_EFORMAT)
        *e = why;
    if ((a && a != BASE_EFORMAT) || (b && b != BASE_EFORMAT))
        return 1;
    if (!a && !b)
        return compared ? 1 : INGEST_CHECK_DIFFERENT;
    fwrite(why.msg, 1, base_utf8_cut(why.msg, strlen(why.msg), INGEST_CHECK_WHY), stdout);
    return !b   ? INGEST_CHECK_FIRST_DAMAGED
           : !a ? INGEST_CHECK_SECOND_DAMAGED
                : INGEST_CHECK_BOTH_DAMAGED;
}

int rdc_cmd_same(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_error e = {0};
    struct store_plain file[2] = {{.fd = -1}, {.fd = -1}};
    int status = 1;
    (void)ctx;
    if (argc != 3) {
        fputs("usage: rdc same FIRST SECOND\n", stderr);
        return 2;
    }
    rdc_helper_limit(MEMORY_MIB, CPU_SECONDS);
    enum base_err err = store_plain_open(argv[1], &file[0]);
    if (!err)
        err = store_plain_open(argv[2], &file[1]);
    if (err)
        base_fail(&e, err, BASE_NOPOS, "%s", base_err_text(err));
    else if (!shim_init(&e))
        status = compare(file[0].path, file[1].path, &e);
    if (status == 1)
        fprintf(stderr, "rdc same: %s\n", e.msg);
    for (int i = 0; i < 2; i++)
        store_plain_close(&file[i]);
    return status;
}
