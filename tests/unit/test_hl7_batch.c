/* HL7 batches: their form, their messages, and the batches that answer them. */
#include "hl7/hl7_batch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_HEAD "FHS|^~\\&|HIS|QINGHE|RDC|CENTRE|2026||f||F1\r"
#define HEAD      "BHS|^~\\&|HIS|QINGHE|RDC|CENTRE|2026||b||B1\r"
#define ONE       "MSH|^~\\&|HIS|QINGHE\rPID|1\r"
#define TWO       "MSH#*~\\&#HIS#QINGHE\rORC#NW\r"

static struct base_error error;

/* The messages, each between brackets, and then the answer with "ACK\r" for each. */
static const char *walked(const char *text)
{
    static struct base_buf out;
    struct base_buf answer = {0};
    struct hl7_batch b = {.rest = base_bytes_str(text)};
    struct base_bytes one;
    base_buf_reset(&out);
    while (hl7_batch_next(&b, &one, &answer)) {
        base_buf_printf(&out, "[%.*s]", (int)one.n, (const char *)one.p);
        base_buf_add_str(&answer, "ACK\r");
        b.answers++;
    }
    base_buf_add(&out, answer.p, answer.n);
    base_buf_deinit(&answer);
    return base_buf_cstr(&out);
}

static enum base_err check(const char *text, unsigned *messages)
{
    /* A copy without its NUL, so that a read beyond the end is seen. */
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    enum base_err err = hl7_batch_check(base_bytes_of(copy, n), messages, &error);
    free(copy);
    return err;
}

START_TEST(a_batch_gives_its_messages_and_an_answer_of_its_form)
{
    unsigned n = 0;
    const char *text = FILE_HEAD HEAD ONE TWO "BTS|2\r" HEAD "BTS|0\rFTS|2\r";
    ck_assert(hl7_is_batch(base_bytes_str(text)));
    ck_assert_int_eq(check(text, &n), BASE_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(walked(text), "[MSH|^~\\&|HIS|QINGHE\rPID|1][MSH#*~\\&#HIS#QINGHE\rORC#NW]"
                                   "FHS|^~\\&|RDC|CENTRE|HIS|QINGHE||||||F1\r"
                                   "BHS|^~\\&|RDC|CENTRE|HIS|QINGHE||||||B1\rACK\rACK\rBTS|2\r"
                                   "BHS|^~\\&|RDC|CENTRE|HIS|QINGHE||||||B1\rBTS|0\rFTS|2\r");
}
END_TEST

START_TEST(headers_and_trailers_may_be_missing)
{
    unsigned n = 0;
    ck_assert_int_eq(check(HEAD ONE, &n), BASE_OK);
    ck_assert_str_eq(walked(HEAD ONE), "[MSH|^~\\&|HIS|QINGHE\rPID|1\r]"
                                       "BHS|^~\\&|RDC|CENTRE|HIS|QINGHE||||||B1\rACK\rBTS|1\r");
    ck_assert_int_eq(check(FILE_HEAD ONE "BTS\r" ONE "\r\nFTS|2||\r\n", &n), BASE_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(walked("FHS*^~\\&*A\n" ONE "FTS\n"),
                     "[MSH|^~\\&|HIS|QINGHE\rPID|1]FHS*^~\\&***A*******\rACK\rFTS*1\r");
    ck_assert_int_eq(check("BHS|^~\\&", &n), BASE_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert(!hl7_is_batch(base_bytes_str(ONE)));
    ck_assert(!hl7_is_batch(base_bytes_str("BH")));
    ck_assert(!hl7_is_batch(base_bytes_str("BHSX")));
}
END_TEST

START_TEST(a_batch_that_lost_a_part_is_refused)
{
    static const char *const bad[] = {HEAD ONE "BTS|2\r",
                                      HEAD ONE "BTS|x\r",
                                      HEAD ONE "BTS|99999999999999999999\r",
                                      FILE_HEAD HEAD ONE "FTS|2",
                                      HEAD ONE FILE_HEAD,
                                      FILE_HEAD FILE_HEAD ONE,
                                      FILE_HEAD ONE "FTS|1\r" ONE,
                                      HEAD "PID|1\r" ONE,
                                      HEAD ONE "BTS|1\rNTE|1\r",
                                      "BHS|||||\r" ONE,
                                      HEAD ONE "BTS|1\rBTS|1\r"};
    unsigned n = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(check(bad[i], &n) == BASE_EFORMAT, "%zu", i);
    ck_assert_uint_eq(n, 77);
    ck_assert_int_eq(check(HEAD ONE "BTS|2\r", &n), BASE_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error.msg, "BTS-1"));
    ck_assert_uint_eq(error.pos, sizeof(HEAD ONE) - 1);
}
END_TEST

START_TEST(a_batch_has_a_limit)
{
    struct base_buf text = {0};
    unsigned n = 0;
    base_buf_add_str(&text, HEAD);
    for (int i = 0; i < HL7_BATCH_MESSAGES_MAX; i++)
        base_buf_add_str(&text, ONE);
    ck_assert_int_eq(check(base_buf_cstr(&text), &n), BASE_OK);
    base_buf_add_str(&text, ONE);
    ck_assert_int_eq(check(base_buf_cstr(&text), &n), BASE_ELIMIT);
    base_buf_deinit(&text);
}
END_TEST

START_TEST(what_is_refused_as_a_whole_is_answered_to_its_header)
{
    struct base_buf answer = {0};
    struct hl7_batch b = {.rest = base_bytes_str(HEAD ONE "BTS|7\r")};
    struct base_bytes one;
    hl7_batch_refuse(&b, &answer);
    b.answers = 1;
    ck_assert(!hl7_batch_next(&b, &one, &answer));
    ck_assert_str_eq(base_buf_cstr(&answer), "BHS|^~\\&|RDC|CENTRE|HIS|QINGHE||||||B1\rBTS|1\r");
    base_buf_deinit(&answer);
}
END_TEST

/* Its answer, when it is refused. */
static const char *refused(const char *text)
{
    static struct base_buf answer;
    size_t n = strlen(text);
    char *copy = malloc(n); /* without its NUL, as above */
    memcpy(copy, text, n);
    struct hl7_batch b = {.rest = base_bytes_of(copy, n)};
    struct base_bytes one;
    base_buf_reset(&answer);
    hl7_batch_refuse(&b, &answer);
    ck_assert(!hl7_batch_next(&b, &one, &answer));
    free(copy);
    return base_buf_cstr(&answer);
}

START_TEST(a_header_that_cannot_be_read_is_answered_with_the_usual_delimiters)
{
    ck_assert_str_eq(refused("FHS"), "FHS|^~\\&||||||||||\rFTS|0\r");
    ck_assert_str_eq(refused("BHS\rMSH|"), "BHS|^~\\&||||||||||\rBTS|0\r");
    ck_assert_str_eq(refused("BHS$$$$$"), "BHS|^~\\&||||||||||\rBTS|0\r");
    ck_assert_str_eq(refused("FHS#*~\\&#A"), "FHS#*~\\&###A#######\rFTS#0\r");
}
END_TEST

START_TEST(a_batch_may_refer_to_another)
{
    ck_assert(!hl7_batch_refers(base_bytes_str(HEAD)));
    ck_assert(hl7_batch_refers(base_bytes_str("BHS|^~\\&|A|B|C|D|||||B2|B1\r")));
    ck_assert(hl7_batch_refers(base_bytes_str("FHS|^~\\&|A|B|C|D|||||F2|F1")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hl7_batch");
    TCase *t = tcase_create("all");
    tcase_add_test(t, a_batch_gives_its_messages_and_an_answer_of_its_form);
    tcase_add_test(t, headers_and_trailers_may_be_missing);
    tcase_add_test(t, a_batch_that_lost_a_part_is_refused);
    tcase_add_test(t, a_batch_has_a_limit);
    tcase_add_test(t, what_is_refused_as_a_whole_is_answered_to_its_header);
    tcase_add_test(t, a_header_that_cannot_be_read_is_answered_with_the_usual_delimiters);
    tcase_add_test(t, a_batch_may_refer_to_another);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
