/*
 * Watched folders: a device that can only write files. A file that has not
 * changed for some seconds is taken as if the device had sent it, and then lies
 * in DIR/.done, or in DIR/.refused beside a .txt that says why. It leaves DIR
 * only when it is acknowledged or refused for good, so a crash loses nothing: at
 * worst it is taken twice, which is a duplicate. Files in subfolders, and those
 * whose names begin with a dot, are left alone.
 *
 * The table device says which folders there are; one worker at a time holds the
 * lease of each.
 */
#ifndef INGEST_WATCH_H
#define INGEST_WATCH_H

#include "ingest/ingest.h"

struct ingest_watch;

enum base_err ingest_watch_start(struct ingest *g, struct ingest_watch **out) BASE_MUST_CHECK;
/* Takes no more files; those under way go on. Takes NULL. */
void ingest_watch_stop(struct ingest_watch *w);
/* When nothing of ingest is under way. Takes NULL. */
void ingest_watch_free(struct ingest_watch *w);

#endif
