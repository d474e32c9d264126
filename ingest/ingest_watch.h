/*
 * Watched folders, for devices that can only write files. A file that has not changed
 * for some seconds is stored as if the device had sent it, and moves to DIR/.done, or
 * to DIR/.refused beside a .txt that says why. It leaves DIR only once it is
 * acknowledged or refused for good, so a crash loses nothing: at worst it is stored
 * twice, which is a duplicate. Files in subfolders, and those whose names begin with
 * a dot, are left alone.
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
