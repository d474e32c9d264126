/*
 * db/tests/fixture.sql for a new database, and before it the table t_place: how ingest_group()
 * groups the batches that the tests beside it store.
 */
#ifndef DB_FIXTURE_H
#define DB_FIXTURE_H

#include "ingest/ingest_group.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIXTURE_BATCH_MAX = 4 };

static inline void fixture_place(struct base_buf *sql, const char *batch,
                                 const struct ingest_record *records, size_t n)
{
    const struct ingest_record *all[FIXTURE_BATCH_MAX];
    struct ingest_place places[FIXTURE_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        all[i] = &records[i];
    ingest_group(all, n, places);
    for (size_t i = 0; i < n; i++) {
        struct base_json j;
        base_buf_printf(sql, "insert into t_place values ('%s', %zu, '", batch, i + 1);
        base_json_init(&j, sql);
        base_json_open_object(&j);
        ingest_place_write(&places[i], i, &j);
        base_json_close_object(&j);
        base_buf_add_str(sql, "');\n");
    }
}

/* An object alone, by what decides its place: see t_object(). */
static inline void fixture_alone(struct base_buf *sql)
{
    static const char *const priorities[] = {"", "routine", "urgent", "stat"};
    static const struct store_object file;
    for (unsigned i = 0; i < 32; i++) {
        const char *priority = priorities[i >> 3];
        struct dicom_header header = {.patient_id = {i & 4 ? 'P' : 0}};
        const struct ingest_record record = {.header = &header,
                                             .original = i & 2 ? &file : NULL,
                                             .single = i & 1,
                                             .priority = priority[0] ? priority : NULL};
        char batch[32];
        snprintf(batch, sizeof batch, "alone %u%u%u%s", i >> 2 & 1, i >> 1 & 1, i & 1, priority);
        fixture_place(sql, batch, &record, 1);
    }
}

static inline void fixture_two_studies(struct base_buf *sql)
{
    struct dicom_header first = {.study_uid = "1", .sop_instance = "1.1", .patient_id = "P"};
    struct dicom_header second[] = {first, first};
    second[0].study_uid[0] = second[1].study_uid[0] = '2';
    second[1].sop_instance[2] = '2';
    const struct ingest_record records[] = {
        {.header = &first}, {.header = &second[0]}, {.header = &second[1]}};
    fixture_place(sql, "two studies", records, 3);
}

/* To be run as owner. */
static inline void fixture_sql(struct base_buf *sql)
{
    static const char path[] = RDC_SOURCE_DIR "/db/tests/fixture.sql";
    char text[4096];
    size_t n;
    base_buf_add_str(sql, "create table t_place (batch text, n int, place jsonb);\n");
    fixture_alone(sql);
    fixture_two_studies(sql);
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    while ((n = fread(text, 1, sizeof text, f)) > 0)
        base_buf_add(sql, text, n);
    fclose(f);
}

#endif
