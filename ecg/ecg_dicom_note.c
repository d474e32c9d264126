/*
 * The notes of a recording that was converted, in the DICOM object made of it. PS3.3 C.12.1: an
 * item of the Contributing Equipment Sequence (0018,A001) says what equipment that contributed to
 * an object did, in its Contribution Description (0018,A003), which is text of 1024 characters.
 */
#include "ecg/ecg_dicom_priv.h"

#include "ecg/ecg_info.h"

#define CONVERTER "rdc"
static const char damage[] = "damage: ", note[] = "note: ";

enum { LINES_MAX = 64, DESCRIPTION_MAX = 1024 };

/* 0: none was begun. */
static void close_item(struct dicom_writer *w, struct base_buf *lines)
{
    if (lines->n == 0)
        return;
    dicom_write_item_open(w);
    dicom_write_text(w, DICOM_TAG_Manufacturer, CONVERTER);
    dicom_write_text(w, DICOM_TAG_ContributionDescription, base_buf_cstr(lines));
    dicom_write_code(w, DICOM_TAG_PurposeOfReferenceCodeSequence, "109102", "DCM", NULL,
                     "Processing Equipment");
    dicom_write_item_close(w);
    if (lines->err && !w->out->err)
        w->out->err = lines->err;
    base_buf_reset(lines);
}

/* As many items as it takes. */
static void add_line(struct dicom_writer *w, struct base_buf *lines, struct base_buf *line)
{
    for (size_t i = 0; i < line->n; i++)
        if (line->p[i] < ' ')
            line->p[i] = ' ';
    if (lines->n + line->n + 2 > DESCRIPTION_MAX)
        close_item(w, lines);
    if (lines->n)
        base_buf_add_str(lines, "\r\n");
    base_buf_add(lines, line->p, line->n);
    if (line->err && !lines->err)
        lines->err = line->err;
    base_buf_reset(line);
}

/* What is damaged comes first, as not all may be written. */
void ecg_dicom_write_notes(struct dicom_writer *w, const struct ecg_record *r, const char *left_out)
{
    struct base_buf lines = {0}, line = {0};
    size_t written = 0;
    if (r->nnotes == 0 && !left_out[0])
        return;
    dicom_write_seq_open(w, DICOM_TAG_ContributingEquipmentSequence);
    for (size_t i = 0; i < 2 * r->nnotes && written < LINES_MAX; i++) {
        const struct ecg_note *n = &r->notes[i % r->nnotes];
        if (n->is_damage != (i < r->nnotes))
            continue;
        base_buf_add_str(&line, n->is_damage ? damage : note);
        ecg_info_note(n, &line);
        add_line(w, &lines, &line);
        written++;
    }
    if (r->nnotes > written) {
        base_buf_printf(&line, "%s%zu more were found", note, r->nnotes - written);
        add_line(w, &lines, &line);
    }
    if (left_out[0]) {
        base_buf_printf(&line, "%sDICOM has no place for leads: %s", note, left_out);
        add_line(w, &lines, &line);
    }
    close_item(w, &lines);
    dicom_write_seq_close(w);
    if (lines.err && !w->out->err)
        w->out->err = lines.err;
    base_buf_deinit(&lines);
    base_buf_deinit(&line);
}

static void take_lines(struct ecg_dicom_reader *d, const char *text, size_t *taken)
{
    while (*text && *taken < LINES_MAX + 2) {
        size_t n = strcspn(text, "\n");
        int rest = (int)(n < DESCRIPTION_MAX ? n : DESCRIPTION_MAX);
        while (rest > 0 && (text[rest - 1] == ' ' || text[rest - 1] == '\r'))
            rest--;
        bool is_damage = strncmp(text, damage, sizeof damage - 1) == 0;
        int skip = (int)(is_damage ? sizeof damage - 1 : sizeof note - 1);
        if (is_damage && rest > skip)
            ecg_record_damage(d->rec, BASE_NOPOS, "%.*s", rest - skip, text + skip);
        else if (rest > skip && strncmp(text, note, sizeof note - 1) == 0)
            ecg_record_note(d->rec, BASE_NOPOS, "%.*s", rest - skip, text + skip);
        *taken += n > 0;
        text += n + (text[n] == '\n');
    }
}

/* On a cursor of its own: damage in it ends the notes and not the file. */
void ecg_dicom_read_notes(struct ecg_dicom_reader *d, const struct dicom_cursor *at)
{
    struct dicom_cursor own = *at, *c = &own;
    struct dicom_element e;
    size_t taken = 0;
    if (!dicom_cursor_can_enter(c))
        return;
    dicom_cursor_enter(c);
    while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        bool is_ours = false;
        dicom_cursor_enter(c);
        while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
            if (e.tag == DICOM_TAG_Manufacturer)
                is_ours = base_bytes_are(dicom_value_text(e.value), CONVERTER);
            else if (e.tag == DICOM_TAG_ContributionDescription && is_ours)
                take_lines(d, ecg_dicom_text(d, e.value), &taken);
        }
        dicom_cursor_leave(c);
    }
    dicom_cursor_leave(c);
}
