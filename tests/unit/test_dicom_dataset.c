#include "dicom/dicom_dataset.h"

#include <check.h>
#include <stdlib.h>
#include <zlib.h>

/* An object in small: text, numbers, nested sequences, fragments at the end. */
static void write_sample(struct base_buf *b, enum dicom_encoding encoding, bool undefined)
{
    struct dicom_writer w;
    static const uint16_t samples[] = {1, 2, 0xFFFE};
    dicom_writer_init(&w, b, encoding);
    w.undefined_lengths = undefined;
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_TWELVE_LEAD_ECG);
    dicom_write_text(&w, DICOM_TAG_PatientID, "P1");
    dicom_write_text(&w, DICOM_TAG_InstanceNumber, "7");
    dicom_write_int(&w, DICOM_TAG_Rows, 512);
    dicom_write_seq_open(&w, DICOM_TAG_AcquisitionContextSequence);
    dicom_write_seq_close(&w);
    dicom_write_seq_open(&w, DICOM_TAG_WaveformSequence);
    for (int i = 0; i < 2; i++) {
        dicom_write_item_open(&w);
        dicom_write_int(&w, DICOM_TAG_NumberOfWaveformChannels, i + 1);
        dicom_write_double(&w, DICOM_TAG_SamplingFrequency, 500.25);
        dicom_write_seq_open(&w, DICOM_TAG_ChannelDefinitionSequence);
        dicom_write_item_open(&w);
        dicom_write_code(&w, DICOM_TAG_ChannelSourceSequence, "2:1", "MDC", NULL, "Lead I");
        dicom_write_item_close(&w);
        dicom_write_seq_close(&w);
        dicom_write_u16(&w, DICOM_TAG_WaveformData, DICOM_VR_OW, samples, 3);
        dicom_write_item_close(&w);
    }
    dicom_write_seq_close(&w);
    ck_assert_int_eq(b->err, BASE_OK);
    ck_assert_uint_eq(w.depth, 0);
}

static unsigned count_all(struct dicom_cursor *c)
{
    struct dicom_element e;
    unsigned n = 0;
    while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        n++;
        if (dicom_cursor_can_enter(c)) {
            dicom_cursor_enter(c);
            n += count_all(c);
            dicom_cursor_leave(c);
        }
    }
    return n;
}

static const struct {
    enum dicom_encoding encoding;
    bool undefined;
} forms[] = {
    {DICOM_IMPLICIT_LE, false}, {DICOM_IMPLICIT_LE, true},  {DICOM_EXPLICIT_LE, false},
    {DICOM_EXPLICIT_LE, true},  {DICOM_EXPLICIT_BE, false}, {DICOM_EXPLICIT_BE, true},
};

START_TEST(what_the_writer_writes_the_cursor_reads)
{
    struct base_buf b = {0};
    struct dicom_cursor c;
    struct dicom_element e;
    int64_t v;
    double d;
    write_sample(&b, forms[_i].encoding, forms[_i].undefined);
    dicom_cursor_init(&c, base_buf_bytes(&b), forms[_i].encoding, true);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_PatientID, &e), DICOM_ELEMENT);
    ck_assert_int_eq(e.vr, DICOM_VR_LO);
    ck_assert(base_bytes_equal(e.value, base_bytes_str("P1")));
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_Rows, &e), DICOM_ELEMENT);
    ck_assert(dicom_value_int(&e, 0, &v) && v == 512);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_WaveformSequence, &e), DICOM_ELEMENT);
    dicom_cursor_enter(&c);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
        ck_assert_uint_eq(e.tag, DICOM_TAG_ITEM);
        dicom_cursor_enter(&c);
        ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_NumberOfWaveformChannels, &e),
                         DICOM_ELEMENT);
        ck_assert(dicom_value_int(&e, 0, &v) && v == i + 1);
        ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_SamplingFrequency, &e), DICOM_ELEMENT);
        ck_assert(dicom_value_double(&e, 0, &d) && d == 500.25);
        ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_WaveformData, &e), DICOM_ELEMENT);
        ck_assert_uint_eq(dicom_value_count(&e), 3);
        ck_assert(dicom_value_int(&e, 2, &v) && v == 0xFFFE);
        dicom_cursor_leave(&c);
    }
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_END);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_END);
    dicom_cursor_leave(&c);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_END);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(leaving_early_skips_the_rest_of_a_level)
{
    struct base_buf b = {0};
    struct dicom_cursor c;
    struct dicom_element e;
    write_sample(&b, forms[_i].encoding, forms[_i].undefined);
    dicom_cursor_init(&c, base_buf_bytes(&b), forms[_i].encoding, true);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_WaveformSequence, &e), DICOM_ELEMENT);
    dicom_cursor_enter(&c);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
    dicom_cursor_enter(&c);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_ChannelDefinitionSequence, &e), DICOM_ELEMENT);
    dicom_cursor_enter(&c);
    dicom_cursor_leave(&c);
    dicom_cursor_leave(&c);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
    dicom_cursor_leave(&c);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_END);
    base_buf_deinit(&b);
}
END_TEST

/* Exact-size copies, so that a sanitizer sees a read past the end. */
static uint8_t *exact_copy(const struct base_buf *b, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(p);
    if (n)
        memcpy(p, b->p, n);
    return p;
}

START_TEST(every_short_prefix_asks_for_more_and_is_never_bad)
{
    struct base_buf b = {0};
    struct dicom_cursor c;
    write_sample(&b, forms[_i].encoding, forms[_i].undefined);
    dicom_cursor_init(&c, base_buf_bytes(&b), forms[_i].encoding, true);
    unsigned all = count_all(&c);
    ck_assert_uint_eq(all, 28);
    unsigned last = 0;
    for (size_t n = 0; n <= b.n; n++) {
        uint8_t *p = exact_copy(&b, n);
        dicom_cursor_init(&c, base_bytes_of(p, n), forms[_i].encoding, false);
        unsigned found = count_all(&c);
        ck_assert_int_eq(dicom_cursor_state(&c), DICOM_MORE);
        ck_assert_uint_ge(found, last);
        last = found;
        free(p);
    }
    ck_assert_uint_eq(last, all);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_cut_data_set_is_bad_unless_cut_between_elements)
{
    struct base_buf b = {0};
    struct dicom_cursor c;
    struct dicom_element e;
    write_sample(&b, forms[_i].encoding, forms[_i].undefined);
    unsigned good = 0;
    for (size_t n = 0; n <= b.n; n++) {
        uint8_t *p = exact_copy(&b, n);
        dicom_cursor_init(&c, base_bytes_of(p, n), forms[_i].encoding, true);
        while (dicom_cursor_next(&c, &e) == DICOM_ELEMENT)
            ;
        if (dicom_cursor_state(&c) == DICOM_ELEMENT) {
            good++;
        } else {
            ck_assert_int_eq(dicom_cursor_state(&c), DICOM_BAD);
            ck_assert_int_eq(c.error.code, BASE_EFORMAT);
            ck_assert_ptr_nonnull(strstr(c.error.msg, "ends inside element"));
        }
        free(p);
    }
    ck_assert_uint_eq(good, 7); /* before and after each of six elements */
    base_buf_deinit(&b);
}
END_TEST

static enum dicom_step read_all(struct dicom_cursor *c, const char *hex, enum dicom_encoding enc)
{
    uint8_t bytes[256];
    size_t n = 0;
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        char pair[3] = {hex[0], hex[1], 0};
        bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
        hex++;
    }
    dicom_cursor_init(c, base_bytes_of(bytes, n), enc, true);
    count_all(c);
    return dicom_cursor_state(c);
}

START_TEST(malformed_data_is_refused_with_its_position)
{
    static const struct {
        const char *hex;
        const char *message;
        unsigned pos;
    } cases[] = {
        {"10002000 0102 0400 61626364", "no valid VR in element (0010,0020) PatientID", 0},
        {"08000500 43530000 FEFF00E0 00000000", "an item outside a sequence", 8},
        {"FEFF0DE0 00000000", "unexpected (FFFE,E00D)", 0},
        {"00540001 53510000 08000000 10002000 4C4F0000", "no item in a sequence but (0010,0020)",
         12},
        {"00540001 53510000 10000000 FEFF00E0 08000000 3A000500 55530400 01000200",
         "longer than what encloses it: element (003A,0005)", 20},
        {"E07F1000 4F420000 FFFFFFFF FEFF00E0 FFFFFFFF", "undefined length of fragment", 12},
        {"00540001 53510000 FFFFFFFF FEFFDDE0 01000000", "unexpected (FFFE,E0DD)", 12},
        {"00540001 53510000 10000000 FEFF00E0 FFFFFFFF 3A000500 55530000 3A000500 55530000",
         "no delimiter after (003A,0005)", 28},
    };
    struct dicom_cursor c;
    ck_assert_int_eq(read_all(&c, cases[_i].hex, DICOM_EXPLICIT_LE), DICOM_BAD);
    ck_assert_msg(strstr(c.error.msg, cases[_i].message) != NULL, "%s", c.error.msg);
    ck_assert_uint_eq(c.error.pos, cases[_i].pos);
}
END_TEST

START_TEST(odd_but_readable_data_is_read)
{
    static const char *const cases[] = {
        /* UN of undefined length holds an implicit little endian sequence */
        ("09001010 554E0000 FFFFFFFF FEFF00E0 FFFFFFFF 10002000 02000000 5031 FEFF0DE0 00000000"
         "FEFFDDE0 00000000"),
        /* though some write it as the rest, in explicit VR */
        ("09001010 554E0000 FFFFFFFF FEFF00E0 FFFFFFFF 10002000 4C4F0200 5031 FEFF0DE0 00000000"
         "FEFF00E0 0A000000 09001010 53480200 4142"
         "FEFF00E0 FFFFFFFF 09001110 53510000 FFFFFFFF FEFF00E0 08000000 09001010 55490000"
         "FEFFDDE0 00000000 FEFF0DE0 00000000 FEFFDDE0 00000000"),
        /* "??" as VR, with a 16-bit length */
        "09001010 3F3F0200 0102",
        /* a VR of the future, with a 32-bit length */
        "09001010 5A5A0000 02000000 0102",
        /* a delimiter in a sequence of defined length */
        "00540001 53510000 10000000 FEFF00E0 00000000 FEFFDDE0 00000000",
        /* fragments */
        "E07F1000 4F420000 FFFFFFFF FEFF00E0 00000000 FEFF00E0 02000000 FFD8 FEFFDDE0 00000000",
    };
    struct dicom_cursor c;
    ck_assert_int_eq(read_all(&c, cases[_i], DICOM_EXPLICIT_LE), DICOM_ELEMENT);
}
END_TEST

START_TEST(nesting_deeper_than_the_limit_is_refused)
{
    struct base_buf b = {0};
    struct dicom_cursor c;
    struct dicom_element e;
    for (int i = 0; i <= DICOM_DEPTH_MAX / 2; i++) {
        base_buf_add(&b, "\x00\x54\x00\x01SQ\0\0\xFF\xFF\xFF\xFF", 12);
        base_buf_add(&b, "\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF", 8);
    }
    dicom_cursor_init(&c, base_buf_bytes(&b), DICOM_EXPLICIT_LE, true);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_BAD);
    ck_assert_int_eq(c.error.code, BASE_ELIMIT);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(entering_what_is_no_sequence_makes_the_cursor_bad)
{
    static const uint8_t fragments[] = "\x00\x54\x00\x01OB\0\0\xFF\xFF\xFF\xFF"
                                       "\xFE\xFF\x00\xE0\0\0\0\0";
    struct dicom_cursor c;
    struct dicom_element e;
    dicom_cursor_init(&c, base_bytes_of(fragments, sizeof fragments - 1), DICOM_EXPLICIT_LE, true);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
    dicom_cursor_enter(&c);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
    ck_assert(!dicom_cursor_can_enter(&c));
    dicom_cursor_enter(&c);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_BAD);
    ck_assert_ptr_nonnull(strstr(c.error.msg, "not a sequence: element (FFFE,E000)"));
    dicom_cursor_leave(&c);
    dicom_cursor_leave(&c);
}
END_TEST

START_TEST(find_stops_before_a_higher_tag)
{
    struct base_buf b = {0};
    struct dicom_cursor c;
    struct dicom_element e;
    write_sample(&b, DICOM_EXPLICIT_LE, true);
    dicom_cursor_init(&c, base_buf_bytes(&b), DICOM_EXPLICIT_LE, true);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_PatientName, &e), DICOM_END);
    ck_assert_int_eq(dicom_cursor_next(&c, &e), DICOM_ELEMENT);
    ck_assert_uint_eq(e.tag, DICOM_TAG_PatientID);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_Columns, &e), DICOM_END);
    dicom_cursor_init(&c, base_buf_bytes(&b), DICOM_EXPLICIT_LE, true);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_Rows, &e), DICOM_ELEMENT);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(text_values_are_split_trimmed_and_counted)
{
    struct base_bytes part;
    struct base_bytes v = base_bytes_of("A \\ B\\\\CD ", 10);
    ck_assert(dicom_value_part(v, 0, &part) && base_bytes_equal(part, base_bytes_str("A")));
    ck_assert(dicom_value_part(v, 1, &part) && base_bytes_equal(part, base_bytes_str("B")));
    ck_assert(dicom_value_part(v, 2, &part) && part.n == 0);
    ck_assert(dicom_value_part(v, 3, &part) && base_bytes_equal(part, base_bytes_str("CD")));
    ck_assert(!dicom_value_part(v, 4, &part));
    struct dicom_element e = {.vr = DICOM_VR_CS, .value = v};
    ck_assert_uint_eq(dicom_value_count(&e), 4);
    char out[4];
    ck_assert(dicom_value_copy(base_bytes_of("1.2\0", 4), out, sizeof out));
    ck_assert_str_eq(out, "1.2");
    ck_assert(!dicom_value_copy(base_bytes_str("1.2.3"), out, sizeof out));
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(numbers_in_text_are_read_strictly)
{
    static const struct {
        const char *text;
        bool is_int;
        bool is_double;
    } cases[] = {
        {"12", true, true},    {" -3 ", true, true},    {"+4", true, true},
        {"1.5", false, true},  {"1e3", true, true},     {"", false, false},
        {"nan", false, false}, {"0x10", false, false},  {"1 2", false, false},
        {"--1", false, false}, {"1e999", false, false},
    };
    int64_t i;
    double d;
    struct dicom_element e = {.vr = DICOM_VR_DS, .value = base_bytes_str(cases[_i].text)};
    ck_assert_int_eq(dicom_value_int(&e, 0, &i), cases[_i].is_int);
    ck_assert_int_eq(dicom_value_double(&e, 0, &d), cases[_i].is_double);
}
END_TEST

START_TEST(binary_numbers_follow_vr_and_byte_order)
{
    int64_t v;
    double d;
    struct dicom_element e = {.vr = DICOM_VR_SS, .value = base_bytes_of("\xFE\xFF", 2)};
    ck_assert(dicom_value_int(&e, 0, &v) && v == -2);
    e.big_endian = true;
    ck_assert(dicom_value_int(&e, 0, &v) && v == -257);
    e = (struct dicom_element){.vr = DICOM_VR_AT, .value = base_bytes_of("\x10\0\x20\0", 4)};
    ck_assert(dicom_value_int(&e, 0, &v) && v == 0x00100020);
    e = (struct dicom_element){.vr = DICOM_VR_FL, .value = base_bytes_of("\0\0\xC0\x3F", 4)};
    ck_assert(dicom_value_double(&e, 0, &d) && d == 1.5);
    ck_assert(!dicom_value_int(&e, 0, &v));
    ck_assert(!dicom_value_double(&e, 1, &d));
}
END_TEST

START_TEST(values_are_padded_as_their_vr_asks)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    dicom_write_text(&w, DICOM_TAG_SOPInstanceUID, "1.2");
    dicom_write_text(&w, DICOM_TAG_Modality, "ECG");
    dicom_write_text(&w, DICOM_TAG_PatientName, NULL);
    dicom_write(&w, DICOM_TAG_EncapsulatedDocument, DICOM_VR_OB, "x", 1);
    static const char expected[] = "\x08\0\x18\0UI\x04\0"
                                   "1.2\0"
                                   "\x08\0\x60\0CS\x04\0"
                                   "ECG "
                                   "\x10\0\x10\0PN\0\0"
                                   "\x42\0\x11\0OB\0\0\x02\0\0\0x\0";
    ck_assert_uint_eq(b.n, sizeof expected - 1);
    ck_assert_mem_eq(b.p, expected, b.n);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_decimal_string_has_at_most_16_characters)
{
    static const double values[] = {0.1, -1.0 / 3, 1e-300 / 3, 123456789012345678.0, 5e-3, 4.88};
    struct base_buf b = {0};
    struct dicom_writer w;
    struct dicom_cursor c;
    struct dicom_element e;
    double d;
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    dicom_write_double(&w, DICOM_TAG_ChannelSensitivity, values[_i]);
    dicom_cursor_init(&c, base_buf_bytes(&b), DICOM_IMPLICIT_LE, true);
    ck_assert_int_eq(dicom_cursor_find(&c, DICOM_TAG_ChannelSensitivity, &e), DICOM_ELEMENT);
    ck_assert_uint_le(e.length, 16);
    ck_assert(dicom_value_double(&e, 0, &d));
    ck_assert_double_eq_tol(d, values[_i], 1e-8 * (values[_i] < 0 ? -values[_i] : values[_i]));
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_value_too_long_for_its_length_field_is_a_limit_error)
{
    struct base_buf b = {0};
    struct dicom_writer w;
    static const char zeros[70000];
    dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
    dicom_write(&w, DICOM_TAG_PatientComments, DICOM_VR_LT, zeros, sizeof zeros);
    ck_assert_int_eq(b.err, BASE_ELIMIT);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_writer_over_its_cap_keeps_the_error)
{
    for (size_t cap = 1; cap < 60; cap++) {
        struct base_buf b;
        struct dicom_writer w;
        base_buf_init(&b, cap);
        dicom_writer_init(&w, &b, DICOM_EXPLICIT_LE);
        w.undefined_lengths = _i;
        dicom_write_seq_open(&w, DICOM_TAG_WaveformSequence);
        dicom_write_item_open(&w);
        base_buf_add_fill(&b, 0, cap);
        dicom_write_item_close(&w);
        dicom_write_seq_close(&w);
        ck_assert_int_eq(b.err, BASE_ELIMIT);
        base_buf_deinit(&b);
    }
}
END_TEST

static size_t deflate_raw(const void *p, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

START_TEST(deflated_data_inflates_up_to_the_cap)
{
    static uint8_t zeros[200000];
    uint8_t packed[4096];
    struct base_buf b = {0};
    bool ended = false;
    size_t n = deflate_raw(zeros, sizeof zeros, packed, sizeof packed);
    ck_assert_int_eq(dicom_inflate(base_bytes_of(packed, n), SIZE_MAX, &b, &ended), BASE_OK);
    ck_assert(ended);
    ck_assert_uint_eq(b.n, sizeof zeros);
    base_buf_reset(&b);
    ck_assert_int_eq(dicom_inflate(base_bytes_of(packed, n), 1000, &b, &ended), BASE_OK);
    ck_assert(!ended);
    ck_assert_uint_eq(b.n, 1000);
    base_buf_reset(&b);
    ck_assert_int_eq(dicom_inflate(base_bytes_of(packed, n / 2), SIZE_MAX, &b, &ended), BASE_OK);
    ck_assert(!ended);
    ck_assert_int_eq(dicom_inflate(base_bytes_of("\xFF\xFF\xFF", 3), 10, &b, &ended), BASE_EFORMAT);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(the_dictionary_is_in_order_and_finds_its_tags)
{
    char text[DICOM_TAG_TEXT_SIZE];
    ck_assert_int_eq(dicom_tag_vr(DICOM_TAG_PatientName), DICOM_VR_PN);
    ck_assert_int_eq(dicom_tag_vr(DICOM_TAG_WaveformData), DICOM_VR_OW);
    ck_assert_int_eq(dicom_tag_vr(DICOM_TAG_PixelData), DICOM_VR_OW);
    ck_assert_int_eq(dicom_tag_vr(DICOM_TAG(0x0009, 0x0010)), DICOM_VR_LO);
    ck_assert_int_eq(dicom_tag_vr(DICOM_TAG(0x0009, 0x1010)), DICOM_VR_UN);
    ck_assert_int_eq(dicom_tag_vr(DICOM_TAG(0x0008, 0x0000)), DICOM_VR_UL);
    ck_assert_str_eq(dicom_tag_keyword(DICOM_TAG_StudyInstanceUID), "StudyInstanceUID");
    ck_assert_str_eq(dicom_tag_text(DICOM_TAG_PixelData, text), "(7FE0,0010)");
    int64_t last = -1;
#define X(group, element, vr, keyword)                                                             \
    ck_assert_int_gt((int64_t)DICOM_TAG_##keyword, last);                                          \
    last = DICOM_TAG_##keyword;                                                                    \
    ck_assert_ptr_nonnull(dicom_tag_find(DICOM_TAG_##keyword));
#include "dicom/dicom_tags.def"
#undef X
}
END_TEST

START_TEST(the_uid_tables_are_in_order_and_valid)
{
    size_t n;
    const struct dicom_syntax *s = dicom_syntax_all(&n);
    for (size_t i = 0; i < n; i++) {
        ck_assert(dicom_uid_valid(s[i].uid));
        ck_assert_ptr_eq(dicom_syntax_find(s[i].uid), &s[i]);
    }
    const struct dicom_sop_class *c = dicom_sop_class_all(&n);
    ck_assert_uint_gt(n, 180);
    for (size_t i = 0; i < n; i++) {
        ck_assert(dicom_uid_valid(c[i].uid));
        ck_assert_ptr_eq(dicom_sop_class_find(c[i].uid), &c[i]);
    }
    ck_assert_ptr_null(dicom_syntax_find("1.2.3"));
    ck_assert_str_eq(dicom_uid_name(DICOM_UID_CT_IMAGE), "CT Image Storage");
    ck_assert_str_eq(dicom_uid_name("1.2.3"), "1.2.3");
    ck_assert(dicom_uid_valid(DICOM_IMPLEMENTATION_UID));
    ck_assert_uint_le(strlen(DICOM_IMPLEMENTATION_VERSION), 16);
}
END_TEST

START_TEST(a_uid_is_digits_and_single_inner_dots)
{
    static const char *const bad[] = {
        "",
        ".1",
        "1.",
        "1..2",
        "1.a",
        "1 2",
        ("1.23456789012345678901234567890123456789012345678901234567890"
         "1234567")};
    ck_assert(!dicom_uid_valid(bad[_i]));
    ck_assert_int_eq(dicom_uid_usable(bad[_i]),
                     strcmp(bad[_i], "1.") == 0 || strcmp(bad[_i], "1..2") == 0);
    ck_assert(dicom_uid_valid("1.2.840.10008") && dicom_uid_usable("1.2.840.10008"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dicom_dataset");
    TCase *t = tcase_create("cursor");
    tcase_add_loop_test(t, what_the_writer_writes_the_cursor_reads, 0, 6);
    tcase_add_loop_test(t, leaving_early_skips_the_rest_of_a_level, 0, 6);
    tcase_add_loop_test(t, every_short_prefix_asks_for_more_and_is_never_bad, 0, 6);
    tcase_add_loop_test(t, a_cut_data_set_is_bad_unless_cut_between_elements, 0, 6);
    tcase_add_loop_test(t, malformed_data_is_refused_with_its_position, 0, 8);
    tcase_add_loop_test(t, odd_but_readable_data_is_read, 0, 5);
    tcase_add_test(t, nesting_deeper_than_the_limit_is_refused);
    tcase_add_test(t, entering_what_is_no_sequence_makes_the_cursor_bad);
    tcase_add_test(t, find_stops_before_a_higher_tag);
    suite_add_tcase(s, t);
    t = tcase_create("values");
    tcase_add_test(t, text_values_are_split_trimmed_and_counted);
    tcase_add_loop_test(t, numbers_in_text_are_read_strictly, 0, 11);
    tcase_add_test(t, binary_numbers_follow_vr_and_byte_order);
    suite_add_tcase(s, t);
    t = tcase_create("writer");
    tcase_add_test(t, values_are_padded_as_their_vr_asks);
    tcase_add_loop_test(t, a_decimal_string_has_at_most_16_characters, 0, 6);
    tcase_add_test(t, a_value_too_long_for_its_length_field_is_a_limit_error);
    tcase_add_loop_test(t, a_writer_over_its_cap_keeps_the_error, 0, 2);
    tcase_add_test(t, deflated_data_inflates_up_to_the_cap);
    suite_add_tcase(s, t);
    t = tcase_create("tables");
    tcase_add_test(t, the_dictionary_is_in_order_and_finds_its_tags);
    tcase_add_test(t, the_uid_tables_are_in_order_and_valid);
    tcase_add_loop_test(t, a_uid_is_digits_and_single_inner_dots, 0, 7);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
