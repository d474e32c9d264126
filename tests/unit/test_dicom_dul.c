#include "dicom/dicom_dul.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *expected[DUL_EVT_END][DUL_STA_END];
static char expected_text[DUL_EVT_END][DUL_STA_END][8];
static unsigned next_seen;

static const struct dicom_dul_action_info *find_action(const char *name)
{
    for (int i = 1; i < DUL_ACTION_COUNT; i++)
        if (strcmp(dicom_dul_actions[i].name, name) == 0)
            return &dicom_dul_actions[i];
    return NULL;
}

static void read_state(char *line, unsigned state)
{
    for (char *cell = strtok(line, " \n"); cell; cell = strtok(NULL, " \n")) {
        unsigned event;
        char action[8];
        ck_assert_int_eq(sscanf(cell, "%u:%7s", &event, action), 2);
        ck_assert_uint_lt(event, DUL_EVT_END);
        ck_assert_ptr_null(expected[event][state]);
        strcpy(expected_text[event][state], action);
        expected[event][state] = expected_text[event][state];
    }
}

static void check_next(char *line)
{
    for (char *cell = strtok(line, " \n"); cell; cell = strtok(NULL, " \n")) {
        char action[8];
        unsigned next;
        unsigned other;
        int n = sscanf(cell, "%7[^:]:Sta%u/Sta%u", action, &next, &other);
        ck_assert_int_ge(n, 2);
        const struct dicom_dul_action_info *info = find_action(action);
        ck_assert_ptr_nonnull(info);
        ck_assert_uint_eq(info->next, next);
        ck_assert_uint_eq(info->alternative, n == 3 ? other : next);
        next_seen++;
    }
}

static void read_transcription(void)
{
    char line[512];
    unsigned states = 0;
    FILE *f = fopen(RDC_SOURCE_DIR "/testdata/ps3.8_table_9-10.txt", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        unsigned state;
        int used = 0;
        if (sscanf(line, "Sta%u%n", &state, &used) == 1) {
            ck_assert_uint_lt(state, DUL_STA_END);
            read_state(line + used, state);
            states++;
        } else if (strncmp(line, "next", 4) == 0) {
            check_next(line + 4);
        }
    }
    fclose(f);
    ck_assert_uint_eq(states, 13);
}

START_TEST(all_247_cells_equal_the_second_transcription)
{
    unsigned cells = 0;
    unsigned filled = 0;
    read_transcription();
    for (int event = 1; event < DUL_EVT_END; event++) {
        for (int state = 1; state < DUL_STA_END; state++) {
            enum dicom_dul_action a =
                dicom_dul_action((enum dicom_dul_event)event, (enum dicom_dul_state)state);
            const char *name = expected[event][state] ? expected[event][state] : "";
            ck_assert_msg(strcmp(dicom_dul_actions[a].name, name) == 0,
                          "Evt%d in Sta%d: \"%s\", the transcription has \"%s\"", event, state,
                          dicom_dul_actions[a].name, name);
            cells++;
            filled += a != DUL_NONE;
        }
    }
    ck_assert_uint_eq(cells, 247);
    ck_assert_uint_eq(filled, 123);
    ck_assert_uint_eq(next_seen, 28);
    ck_assert_uint_eq(DUL_ACTION_COUNT - 1, 28);
}
END_TEST

/* What the table must say whatever was transcribed. */
START_TEST(every_state_survives_what_the_peer_can_do)
{
    static const enum dicom_dul_event from_peer[] = {DUL_EVT3,  DUL_EVT4,  DUL_EVT6,
                                                     DUL_EVT10, DUL_EVT12, DUL_EVT13,
                                                     DUL_EVT16, DUL_EVT17, DUL_EVT19};
    for (int state = DUL_STA2; state < DUL_STA_END; state++) {
        if (state == DUL_STA4)
            continue; /* not yet connected: nothing can arrive */
        for (size_t i = 0; i < sizeof from_peer / sizeof from_peer[0]; i++)
            ck_assert_int_ne(dicom_dul_action(from_peer[i], (enum dicom_dul_state)state), DUL_NONE);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dicom_dul");
    TCase *t = tcase_create("table");
    tcase_add_test(t, all_247_cells_equal_the_second_transcription);
    tcase_add_test(t, every_state_survives_what_the_peer_can_do);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
