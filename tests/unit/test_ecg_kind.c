/* What a label says of its channel, and that what is no ECG is none of the leads. */
#include "ecg/ecg_kind.h"
#include "ecg_fixture.h"

static const struct {
    const char *label;
    enum ecg_kind kind;
} labels[] = {
    /* EDF+ standard texts */
    {"EEG Fpz-Cz", ECG_KIND_EEG},
    {"EMG chin", ECG_KIND_OTHER},
    {"EOG horizontal", ECG_KIND_OTHER},
    {"ERG", ECG_KIND_OTHER},
    {"Resp oro-nasal", ECG_KIND_OTHER},
    {"SaO2 finger", ECG_KIND_OTHER},
    {"Temp rectal", ECG_KIND_OTHER},
    {"Light", ECG_KIND_OTHER},
    {"Event marker", ECG_KIND_OTHER},
    {"ECG V2-V1", ECG_KIND_ECG},
    /* as others write them */
    {"  leog ", ECG_KIND_OTHER},
    {"EMG1", ECG_KIND_OTHER},
    {"EEG(sec)", ECG_KIND_EEG},
    {"Chin EMG", ECG_KIND_OTHER},
    {"PLETHr", ECG_KIND_OTHER},
    {"ABP", ECG_KIND_OTHER},
    {"ART2", ECG_KIND_OTHER},
    {"SpO2", ECG_KIND_OTHER},
    {"CVP", ECG_KIND_OTHER},
    {"PAP", ECG_KIND_OTHER},
    {"Nasal pressure", ECG_KIND_OTHER},
    {"MDC_EEG_PAROXYSM", ECG_KIND_EEG},
    /* electrodes of the head, alone and against another */
    {"Fp1", ECG_KIND_EEG},
    {"FPZ", ECG_KIND_EEG},
    {"O2", ECG_KIND_EEG},
    {"C3-A2", ECG_KIND_EEG},
    {"C4:M1", ECG_KIND_EEG},
    {"Pz-Oz", ECG_KIND_EEG},
    {"F7-Ref", ECG_KIND_EEG},
    {"C3", ECG_KIND_HEAD},
    {"A2", ECG_KIND_HEAD},
    {"C3-C4", ECG_KIND_HEAD},
    /* leads, and what says nothing */
    {"ECG", ECG_KIND_ECG},
    {"EKG2", ECG_KIND_ECG},
    {"ECG+Resp", ECG_KIND_ECG},
    {"MLII", ECG_KIND_UNKNOWN},
    {"V1-V2", ECG_KIND_UNKNOWN},
    {"aVF", ECG_KIND_UNKNOWN},
    {"LA", ECG_KIND_UNKNOWN},
    {"CM5", ECG_KIND_UNKNOWN},
    {"D3", ECG_KIND_UNKNOWN},
    {"AF", ECG_KIND_UNKNOWN},
    {"Abdomen_1", ECG_KIND_UNKNOWN},
    {"pink noise", ECG_KIND_UNKNOWN},
    {"signal 2", ECG_KIND_UNKNOWN},
    {"", ECG_KIND_UNKNOWN},
    {"心电", ECG_KIND_UNKNOWN},
};

START_TEST(a_label_says_what_its_channel_holds)
{
    size_t n = strlen(labels[_i].label);
    char *exact = malloc(n ? n : 1); /* without a NUL, so that the sanitizer sees a read past it */
    memcpy(exact, labels[_i].label, n);
    ck_assert_msg(ecg_kind_of(exact, n) == labels[_i].kind, "%s: %d", labels[_i].label,
                  (int)ecg_kind_of(exact, n));
    free(exact);
}
END_TEST

START_TEST(a_label_of_any_length_is_safe)
{
    char label[256];
    memset(label, 'a', sizeof label);
    for (size_t i = 3; i < sizeof label; i += 3)
        label[i] = '-';
    for (size_t n = 0; n <= sizeof label; n++)
        ck_assert_int_eq(ecg_kind_of(label, n), ECG_KIND_UNKNOWN);
    memset(label, '1', sizeof label);
    ck_assert_int_eq(ecg_kind_of(label, sizeof label), ECG_KIND_UNKNOWN);
}
END_TEST

static struct ecg_record *record_of(const char *const *names, size_t n)
{
    struct ecg_record *r = ecg_record_new(NULL);
    for (size_t i = 0; i < n; i++) {
        struct ecg_lead *lead = ecg_record_add_lead(r);
        ck_assert_ptr_nonnull(lead);
        lead->name = names[i];
        lead->id = ecg_lead_by_name(names[i], strlen(names[i]));
        lead->rate_hz = 100;
        ck_assert_int_eq(ecg_record_set_i16(r, lead, i + 1), BASE_OK);
    }
    return r;
}

START_TEST(channels_that_are_no_ecg_are_moved_in_their_order_with_their_samples)
{
    static const char *const names[] = {"EEG Cz", "V1", "Resp", "unknown", "EMG"};
    struct ecg_record *r = record_of(names, 5);
    struct ecg_lead *pressure = ecg_record_add_other(r);
    pressure->name = "ABP";
    pressure->unit = "mmHg";
    ck_assert_int_eq(ecg_kind_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_str_eq(r->leads[0].name, "V1");
    ck_assert_str_eq(r->leads[1].name, "unknown");
    ck_assert_uint_eq(r->leads[1].samples, 4);
    ck_assert_uint_eq(r->nothers, 4);
    ck_assert_str_eq(r->others[0].unit, "mmHg");
    ck_assert_str_eq(r->others[1].name, "EEG Cz");
    ck_assert_str_eq(r->others[1].unit, "uV");
    ck_assert_str_eq(r->others[3].name, "EMG");
    ck_assert_uint_eq(r->others[3].samples, 5);
    ecg_record_free(r);
}
END_TEST

START_TEST(an_electrode_that_may_be_of_the_chest_is_of_the_head_where_others_are)
{
    static const char *const names[] = {"C3", "A2", "V1", "O1"};
    struct ecg_record *r = record_of(names, 3);
    ck_assert_int_eq(ecg_kind_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 3);
    ck_assert_uint_eq(r->nothers, 0);
    ecg_record_free(r);
    r = record_of(names, 4);
    ck_assert_int_eq(ecg_kind_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 1);
    ck_assert_uint_eq(r->nothers, 3);
    ck_assert_int_eq(r->others[1].id, ECG_LEAD_NONE);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_the_file_calls_an_ecg_stays_one)
{
    static const char *const names[] = {"C3", "Pulse", "EEG"};
    struct ecg_record *r = record_of(names, 3);
    r->leads[0].is_ecg = r->leads[1].is_ecg = true;
    ck_assert_int_eq(ecg_kind_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nothers, 1);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_lead_in_a_unit_that_is_no_voltage_is_told)
{
    static const char *const names[] = {"V1"};
    static const struct {
        const char *name;
        const char *unit;
    } others[] = {{"II", "1"}, {"aVF", "uV/bit"}, {"V2", "uV"},
                  {"X", "g"},  {"ABP", "mmHg"},   {"I", "mm[Hg]"}};
    struct ecg_record *r = record_of(names, 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct ecg_lead *other = ecg_record_add_other(r);
        other->name = others[i].name;
        other->id = ecg_lead_by_name(other->name, strlen(other->name));
        other->unit = others[i].unit;
    }
    ck_assert_int_eq(ecg_kind_settle(r), BASE_OK);
    ck_assert_uint_eq(r->nnotes, 2);
    ck_assert(r->notes[0].is_damage);
    ck_assert(has_note(r, "channel II is called a lead, but its values have no unit"));
    ck_assert(has_note(r, "channel aVF is called a lead, but its values have the unit uV/bit"));
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_kind");
    TCase *t = tcase_create("kind");
    tcase_add_loop_test(t, a_label_says_what_its_channel_holds, 0, sizeof labels / sizeof *labels);
    tcase_add_test(t, a_label_of_any_length_is_safe);
    tcase_add_test(t, channels_that_are_no_ecg_are_moved_in_their_order_with_their_samples);
    tcase_add_test(t, an_electrode_that_may_be_of_the_chest_is_of_the_head_where_others_are);
    tcase_add_test(t, what_the_file_calls_an_ecg_stays_one);
    tcase_add_test(t, a_lead_in_a_unit_that_is_no_voltage_is_told);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
