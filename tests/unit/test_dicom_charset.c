#include "dicom/dicom_charset.h"

#include <check.h>

struct sample {
    const char *set;
    const char *bytes;
    const char *utf8;
    bool guessed;
};

static void convert(const struct sample *s)
{
    struct dicom_charset cs;
    struct base_buf out = {0};
    bool guessed = false;
    dicom_charset_parse(&cs, base_bytes_str(s->set));
    ck_assert(!cs.unknown);
    ck_assert_int_eq(dicom_charset_to_utf8(&cs, base_bytes_str(s->bytes), &out, &guessed), BASE_OK);
    ck_assert_str_eq(base_buf_cstr(&out), s->utf8);
    ck_assert_int_eq(guessed, s->guessed);
    base_buf_deinit(&out);
}

/* The names of PS3.5 Annexes H–K, and one per single-byte set. */
static const struct sample declared[] = {
    {"", "Doe^John ", "Doe^John", false},
    {"ISO_IR 100", "Buc^J\xE9r\xF4me", "Buc^Jérôme", false},
    {"ISO_IR 101", "Wa\xB3\xEAsa", "Wałęsa", false},
    {"ISO_IR 144", "\xBB\xEE\xDA\xE1\xD5\xDC\xD1\xE3\xE0\xD3", "Люксембург", false},
    {"ISO_IR 126", "\xC4\xE9\xEF\xED\xF5\xF3\xE9\xEF\xF2", "Διονυσιος", false},
    {"ISO_IR 127", "\xE2\xC8\xC7\xE6\xEA", "قباني", false},
    {"ISO_IR 138", "\xF9\xF8\xE5\xEF", "שרון", false},
    {"ISO_IR 148", "\xC7\x61v\xFE\xF0", "Çavşğ", false},
    {"ISO_IR 166", "\xB9\xD2\xC1", "นาม", false},
    {"ISO_IR 192", "Wang^XiaoDong=\xE7\x8E\x8B^\xE5\xB0\x8F\xE4\xB8\x9C", "Wang^XiaoDong=王^小东",
     false},
    {"GB18030", "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB", "Wang^XiaoDong=王^小东", false},
    {"GBK", "\xCD\xF5^\xD5\x5C", "王^誠", false},
    {"\\ISO 2022 IR 58",
     "Zhang^XiaoDong=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB=", "Zhang^XiaoDong=张^小东=", false},
    {"\\ISO 2022 IR 87",
     "Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B=\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B",
     "Yamada^Tarou=山田^太郎=やまだ^たろう", false},
    {"ISO 2022 IR 13\\ISO 2022 IR 87",
     "\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1B$B;3ED\x1B(J^\x1B$BB@O:\x1B(J", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
     false},
    {"\\ISO 2022 IR 149",
     "Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7=\x1B$)C\xC8\xAB^\x1B$)C\xB1\xE6\xB5\xBF",
     "Hong^Gildong=洪^吉洞=홍^길동", false},
    {"ISO 2022 IR 6\\ISO 2022 IR 100", "\x1B-AJ\xE9r\xF4me", "Jérôme", false},
    {"windows-1250", "Dvo\xF8\xE1k", "Dvořák", false},
    {"windows-1251", "\xC8\xE2\xE0\xED\xEE\xE2", "Иванов", false},
    {"windows-1254", "\xDE\x61hin", "Şahin", false},
    {"windows-874", "\xB7\xB4\xCA\xCD\xBA", "ทดสอบ", false},
    {"KOI8-R", "\xE9\xD7\xC1\xCE\xCF\xD7", "Иванов", false},
    {"Shift_JIS", "\x8E\x8E\x8C\xB1", "試験", false},
    {"EUC-JP", "\xBB\xEE\xB8\xB3", "試験", false},
    {"EUC-KR", "\xC8\xAB\xB1\xE6\xB5\xBF", "홍길동", false},
    {"Big5", "\xB4\xFA\xB8\xD5", "測試", false},
};

START_TEST(text_in_a_declared_set_becomes_utf8)
{
    convert(&declared[_i]);
}
END_TEST

/* What devices in the field send. */
static const struct sample wrong[] = {
    {"", "\xCD\xF5^\xD0\xA1\xB6\xAB", "王^小东", true},         /* GBK, undeclared */
    {"ISO_IR 100", "\xCD\xF5\xD0\xA1\xB6\xAB", "王小东", true}, /* GBK as Latin-1 */
    {"ISO_IR 100", "\xCD\xF5\xD5\x5C", "王誠", true},           /* a backslash inside */
    {"\\ISO 2022 IR 58", "\xCD\xF5\xD0\xA1", "王小", true},     /* no escape */
    /* the escape only once for the whole name */
    {"\\ISO 2022 IR 58", "Z^X=\x1B$)A\xD5\xC5^\xD0\xA1\xB6\xAB", "Z^X=张^小东", true},
    {"\\ISO 2022 IR 149", "H=\x1B$)C\xFB\xF3^\xD1\xCE\xD4\xD4", "H=洪^吉東", true},
    /* escapes in a set that has none */
    {"GB18030", "Z=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB", "Z=张^小东", true},
    {"GBK", "Z=\x1B$)A\xD5\xC5", "Z=张", true},
    {"ISO_IR 192", "Z=\x1B$)A\xD5\xC5", "Z=张", true},
    {"ISO_IR 100", "\xE7\x8E\x8B", "王", true},       /* UTF-8 as Latin-1 */
    {"", "J\xE9r\xF4me", "Jérôme", true},             /* Latin-1, undeclared */
    {"ISO_IR 192", "\xCD\xF5\xD0\xA1", "王小", true}, /* GBK as UTF-8 */
    {"GB18030", "J\xE9", "Jé", true},                 /* Latin-1 as GB18030 */
    {"ISO_IR 6", "a\xFF\xFF", "aÿÿ", true},
    {"\\ISO 2022 IR 87", "\x1B$B\x7F;3\xE9", "$B;3é", true}, /* DEL among two-byte characters */
    {"ISO 2022 IR 6", "\x1B%G\xE7\x8E\x8B", "%G王", true},   /* an escape we do not know */
    {"",
     "a\x01\x7F"
     "b\x1B",
     "ab", true},
};

START_TEST(wrongly_declared_text_is_guessed_and_said_so)
{
    convert(&wrong[_i]);
}
END_TEST

START_TEST(misspelt_terms_are_understood)
{
    static const char *const terms[] = {"ISO_IR 100", "iso_ir 100",  "ISO-IR 100",     "ISO IR 100",
                                        "ISO_IR_100", "ISO_IR 100 ", "ISO 2022 IR 100"};
    struct dicom_charset a;
    struct dicom_charset b;
    dicom_charset_parse(&a, base_bytes_str("ISO_IR 100"));
    dicom_charset_parse(&b, base_bytes_str(terms[_i]));
    ck_assert(!b.unknown);
    ck_assert_uint_eq(a.set[0], b.set[0]);
}
END_TEST

START_TEST(unknown_terms_and_too_many_terms_are_harmless)
{
    struct dicom_charset cs;
    dicom_charset_parse(&cs, base_bytes_str("KOI8-U"));
    ck_assert(cs.unknown);
    dicom_charset_parse(&cs, base_bytes_str("averyverylongtermthatnobodyknows"));
    ck_assert(cs.unknown);
    dicom_charset_parse(&cs, base_bytes_str("\\\\\\\\\\\\\\\\\\\\\\\\"));
    ck_assert_uint_eq(cs.n, DICOM_CHARSET_TERMS);
    dicom_charset_parse(&cs, base_bytes_of(NULL, 0));
    ck_assert_uint_eq(cs.n, 0);
}
END_TEST

START_TEST(limits_hold)
{
    struct dicom_charset cs = {0};
    struct base_buf out;
    bool guessed = false;
    static uint8_t big[DICOM_CHARSET_TEXT_MAX + 1];
    memset(big, 'a', sizeof big);
    base_buf_init(&out, 8);
    ck_assert_int_eq(dicom_charset_to_utf8(&cs, base_bytes_of(big, sizeof big), &out, &guessed),
                     BASE_ELIMIT);
    ck_assert_int_eq(dicom_charset_to_utf8(&cs, base_bytes_of(big, 9), &out, &guessed),
                     BASE_ELIMIT);
    base_buf_reset(&out);
    memset(big, 0xE9, 8);
    ck_assert_int_eq(dicom_charset_to_utf8(&cs, base_bytes_of(big, 8), &out, &guessed),
                     BASE_ELIMIT);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(writing_is_the_inverse_of_reading)
{
    static const char *const cases[][2] = {
        {"", "Doe^John"},
        {"ISO_IR 192", "王^小东"},
        {"GB18030", "王^誠"},
        {"GBK", "王^小东"},
        {"ISO_IR 100", "Jérôme"},
        {"\\ISO 2022 IR 58", "Z=张^小东=张"},
        {"\\ISO 2022 IR 149", "H=홍^길동"},
    };
    struct dicom_charset cs;
    struct base_buf bytes = {0};
    struct base_buf text = {0};
    bool guessed = false;
    dicom_charset_parse(&cs, base_bytes_str(cases[_i][0]));
    const char *utf8 = cases[_i][1];
    ck_assert_int_eq(dicom_charset_from_utf8(&cs, utf8, strlen(utf8), &bytes), BASE_OK);
    ck_assert_int_eq(dicom_charset_to_utf8(&cs, base_buf_bytes(&bytes), &text, &guessed), BASE_OK);
    ck_assert_str_eq(base_buf_cstr(&text), utf8);
    ck_assert(!guessed);
    base_buf_deinit(&bytes);
    base_buf_deinit(&text);
}
END_TEST

START_TEST(text_that_a_set_cannot_express_is_an_error_and_appends_nothing)
{
    static const char *const sets[] = {"", "ISO_IR 100", "\\ISO 2022 IR 58", "\\ISO 2022 IR 87"};
    struct dicom_charset cs;
    struct base_buf out = {0};
    dicom_charset_parse(&cs, base_bytes_str(sets[_i]));
    ck_assert_int_eq(dicom_charset_from_utf8(&cs, "a😀", 5, &out), BASE_EUNSUPPORTED);
    ck_assert_int_eq(dicom_charset_from_utf8(&cs, "\xFF", 1, &out), BASE_EINVAL);
    ck_assert_uint_eq(out.n, 0);
    base_buf_deinit(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dicom_charset");
    TCase *t = tcase_create("charset");
    tcase_add_loop_test(t, text_in_a_declared_set_becomes_utf8, 0,
                        (int)(sizeof declared / sizeof declared[0]));
    tcase_add_loop_test(t, wrongly_declared_text_is_guessed_and_said_so, 0,
                        (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_loop_test(t, misspelt_terms_are_understood, 0, 7);
    tcase_add_test(t, unknown_terms_and_too_many_terms_are_harmless);
    tcase_add_test(t, limits_hold);
    tcase_add_loop_test(t, writing_is_the_inverse_of_reading, 0, 7);
    tcase_add_loop_test(t, text_that_a_set_cannot_express_is_an_error_and_appends_nothing, 0, 4);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
