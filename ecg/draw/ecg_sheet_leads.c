/* Which lead stands where: the usual arrangements. */
#include "ecg/draw/ecg_sheet.h"

#include "ecg/ecg_derive.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { LIMBS = 6, STANDARD = 12, PLACES = SHEET_ROWS };

static const double seconds_at_most = 10;

/* ---- leads that are not stored ---- */

/* The samples of a lead in a part of time; borrows them. */
static struct ecg_lead part_of(const struct ecg_lead *lead, double from_s, double to_s)
{
    struct ecg_lead part = *lead;
    double first = floor((from_s - lead->start_s) * lead->rate_hz);
    double last = ceil((to_s - lead->start_s) * lead->rate_hz);
    first = fmin(fmax(first, 0), (double)lead->samples);
    last = fmin(fmax(last, first), (double)lead->samples);
    part.samples = (size_t)last - (size_t)first;
    part.start_s += first / lead->rate_hz;
    part.i16 = lead->i16 ? lead->i16 + (size_t)first : NULL;
    part.i32 = lead->i32 ? lead->i32 + (size_t)first : NULL;
    return part;
}

void ecg_draw_unmake_leads(struct sheet *s)
{
    for (size_t i = 0; i < s->nmade; i++)
        free(s->made[i].i32);
    s->nmade = 0;
}

enum base_err ecg_draw_make_leads(struct sheet *s, double from_s, double to_s)
{
    const struct ecg_lead *one = ecg_record_lead(s->r, ECG_LEAD_I);
    const struct ecg_lead *two = ecg_record_lead(s->r, ECG_LEAD_II);
    ecg_draw_unmake_leads(s);
    if (!one || !two)
        return BASE_OK;
    struct ecg_lead pair[2] = {part_of(one, from_s, to_s), part_of(two, from_s, to_s)};
    for (int id = ECG_LEAD_III; id <= ECG_LEAD_AVF; id++) {
        if (ecg_record_lead(s->r, id))
            continue;
        enum base_err e = ecg_derive(pair, 2, id, &s->made[s->nmade]);
        if (e == BASE_ENOMEM)
            return e;
        s->nmade += !e;
    }
    return BASE_OK;
}

/* The lead with this number, of the record or made; NULL: there is none. */
static const struct ecg_lead *find_lead(struct sheet *s, int id)
{
    const struct ecg_lead *lead = ecg_record_lead(s->r, id);
    for (size_t i = 0; i < s->nmade && !lead; i++) {
        if (s->made[i].id != id)
            continue;
        lead = &s->made[i];
        s->derived = true;
    }
    return lead;
}

void ecg_draw_not_shown(struct sheet *s, const char *name)
{
    base_buf_printf(&s->unshown, "%s%s", s->unshown.n ? " " : "", name);
}

/* ---- strips ---- */

static const struct ecg_lead *lead_by_name(struct sheet *s, const char *name, size_t n)
{
    for (size_t i = 0; i < s->r->nleads; i++) {
        const struct ecg_lead *lead = &s->r->leads[i];
        if (lead->samples && strlen(lead->name) == n && strncasecmp(lead->name, name, n) == 0)
            return lead;
    }
    int id = ecg_lead_by_name(name, n);
    return id ? find_lead(s, id) : NULL;
}

static enum base_err named_leads(struct sheet *s, const struct ecg_lead **out, size_t most,
                                 size_t *n)
{
    for (const char *at = s->o->leads; *at;) {
        size_t k = strcspn(at, ",");
        const struct ecg_lead *lead = lead_by_name(s, at, k);
        if (!lead)
            return base_fail(s->err, BASE_EINVAL, BASE_NOPOS, "there is no lead \"%.*s\"",
                             k < 40 ? (int)k : 40, at);
        if (*n == most)
            return base_fail(s->err, BASE_EINVAL, BASE_NOPOS,
                             "there is room for %zu leads, not for more", most);
        out[(*n)++] = lead;
        at += k + (at[k] == ',');
    }
    return BASE_OK;
}

enum base_err ecg_draw_strip_leads(struct sheet *s, const struct ecg_lead **out, size_t most,
                                   size_t *n)
{
    static const int usual[] = {ECG_LEAD_II, ECG_LEAD_V1, ECG_LEAD_V5};
    *n = 0;
    if (s->o->leads && s->o->leads[0])
        return named_leads(s, out, most, n);
    bool standard = ecg_draw_is_standard(s);
    for (size_t i = 0; i < sizeof usual / sizeof *usual && *n < most && standard; i++) {
        const struct ecg_lead *lead = ecg_record_lead(s->r, usual[i]);
        if (lead)
            out[(*n)++] = lead;
    }
    for (size_t i = 0; i < s->r->nleads && *n == 0; i++)
        if (s->r->leads[i].samples)
            out[(*n)++] = &s->r->leads[i];
    if (*n == 0)
        return base_fail(s->err, BASE_EUNSUPPORTED, BASE_NOPOS, "no lead has samples to draw");
    return BASE_OK;
}

/* ---- places ---- */

/* The leads in the order in which columns are filled: limbs, chest, others. */
struct places {
    const struct ecg_lead *lead[PLACES];
    bool turned[PLACES]; /* upside down: -aVR */
    size_t n;
};

static void place_limbs(struct sheet *s, struct places *p)
{
    static const int usual[LIMBS] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_III,
                                     ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    static const int cabrera[LIMBS] = {ECG_LEAD_AVL, ECG_LEAD_I,   ECG_LEAD_AVR,
                                       ECG_LEAD_II,  ECG_LEAD_AVF, ECG_LEAD_III};
    for (size_t i = 0; i < LIMBS; i++) {
        int id = s->o->cabrera ? cabrera[i] : usual[i];
        p->lead[i] = find_lead(s, id);
        p->turned[i] = s->o->cabrera && id == ECG_LEAD_AVR;
    }
}

static bool is_limb(int id)
{
    return id == ECG_LEAD_I || id == ECG_LEAD_II || ecg_lead_is_sum(id);
}

/* V1 to V6 in their places where most are there, as who reads by places would take the next one for
 * one that is missing; else all others in their order. */
static void place_others(struct sheet *s, struct places *p, size_t room)
{
    enum { MOST = 4 };
    size_t there = 0;
    for (int id = ECG_LEAD_V1; id <= ECG_LEAD_V6; id++)
        there += ecg_record_lead(s->r, id) != NULL;
    bool standard = there >= MOST;
    for (int id = ECG_LEAD_V1; id <= ECG_LEAD_V6 && standard; id++)
        if (!ecg_record_lead(s->r, id))
            base_buf_printf(&s->missing, "%s%s", s->missing.n ? " " : "", ecg_lead_name(id));
    p->n = standard ? STANDARD : LIMBS;
    for (size_t i = 0; i < s->r->nleads; i++) {
        const struct ecg_lead *lead = &s->r->leads[i];
        if (is_limb(lead->id) || lead->samples == 0)
            continue;
        bool v1_to_v6 = lead->id >= ECG_LEAD_V1 && lead->id <= ECG_LEAD_V6;
        if (standard && v1_to_v6)
            p->lead[LIMBS + lead->id - ECG_LEAD_V1] = lead;
        else if (p->n < room)
            p->lead[p->n++] = lead;
        else
            ecg_draw_not_shown(s, lead->name);
    }
}

double ecg_draw_row_seconds(const struct sheet *s)
{
    return TRACE_WIDTH / s->mm_per_s;
}

static void set_row(struct sheet *s, struct sheet_row *row, const struct places *p, size_t first,
                    size_t columns, size_t per_column)
{
    double width = ecg_draw_row_seconds(s) / (double)columns;
    *row = (struct sheet_row){.n = columns, .from = s->from_s, .to = s->to_s};
    for (size_t col = 0; col < columns; col++) {
        size_t at = first + col * per_column;
        const struct ecg_lead *lead = at < p->n ? p->lead[at] : NULL;
        double from = s->from_s + (s->together ? 0 : (double)col * width);
        row->piece[col] = (struct sheet_piece){
            .lead = lead,
            .name = !lead           ? ""
                    : p->turned[at] ? "−aVR"
                                    : lead->name,
            .from = from,
            .to = from + width,
            .x = TRACE_LEFT + (double)col * width * s->mm_per_s,
            .width = width * s->mm_per_s,
            .mm_per_unit = p->turned[at < PLACES ? at : 0] && lead ? -1 : 1,
        };
    }
    ecg_draw_measure_row(s, row);
}

void ecg_draw_set_strip(struct sheet *s, struct sheet_row *row, const struct ecg_lead *lead,
                        double from, double to)
{
    row->from = from;
    row->to = to;
    row->n = 1;
    row->piece[0] = (struct sheet_piece){.lead = lead,
                                         .name = lead->name,
                                         .from = from,
                                         .to = to,
                                         .x = TRACE_LEFT,
                                         .width = TRACE_WIDTH,
                                         .mm_per_unit = 1};
    ecg_draw_measure_row(s, row);
}

struct shape {
    size_t rows;
    size_t columns;
    size_t strips;
};

/* Records of more than twelve leads have more columns, or rows. */
static struct shape shape_of(const struct sheet *s, size_t places)
{
    static const struct shape shapes[] = {[ECG_DRAW_3X4_1] = {3, 4, 1},
                                          [ECG_DRAW_3X4_3] = {3, 4, 3},
                                          [ECG_DRAW_6X2] = {6, 2, 0},
                                          [ECG_DRAW_12X1] = {12, 1, 0}};
    struct shape shape = shapes[s->o->format];
    if (s->o->format == ECG_DRAW_12X1)
        shape.rows = places;
    else
        shape.columns = (places + shape.rows - 1) / shape.rows;
    return shape;
}

static enum base_err draw_standard(struct sheet *s)
{
    struct places p = {0};
    struct sheet_row rows[SHEET_ROWS] = {0};
    const struct ecg_lead *strip[SHEET_STRIPS];
    size_t nstrips = 0;
    place_limbs(s, &p);
    place_others(s, &p, PLACES);
    struct shape shape = shape_of(s, p.n);
    /* Of a short record the last columns would be empty. */
    double rest = (ecg_record_seconds(s->r) - s->from_s) / ecg_draw_row_seconds(s);
    s->together = shape.columns > 1 && rest < ((double)shape.columns - 0.5) / (double)shape.columns;
    for (size_t i = 0; i < shape.rows; i++)
        set_row(s, &rows[i], &p, i, shape.columns, shape.rows);
    if (shape.strips) {
        enum base_err e = ecg_draw_strip_leads(s, strip, shape.strips, &nstrips);
        if (e)
            return e;
    }
    for (size_t i = 0; i < nstrips; i++) {
        rows[shape.rows + i].is_strip = i == nstrips - 1;
        ecg_draw_set_strip(s, &rows[shape.rows + i], strip[i], s->from_s, s->to_s);
    }
    /* Without a row of its own the last one has the beats and intervals. */
    rows[shape.rows - 1].is_strip |= nstrips == 0;
    ecg_draw_rows(s, rows, shape.rows + nstrips);
    for (size_t i = 0; i < s->r->nothers; i++)
        if (s->r->others[i].samples)
            ecg_draw_not_shown(s, s->r->others[i].name);
    return BASE_OK;
}

bool ecg_draw_is_standard(struct sheet *s)
{
    return s->r->nleads >= LIMBS && ecg_record_lead(s->r, ECG_LEAD_I) &&
           ecg_record_lead(s->r, ECG_LEAD_II);
}

unsigned ecg_draw_leads_pages(struct sheet *s)
{
    if (!ecg_draw_is_standard(s))
        return 1;
    double rest = fmin(ecg_record_seconds(s->r) - s->o->from_s, seconds_at_most);
    double pages = ceil(rest / ecg_draw_row_seconds(s) - 0.05);
    return pages > 1 ? (unsigned)pages : 1;
}

enum base_err ecg_draw_leads(struct sheet *s)
{
    if (!ecg_draw_is_standard(s))
        return ecg_draw_strip(s);
    s->from_s = s->o->from_s + s->number * ecg_draw_row_seconds(s);
    s->to_s = s->from_s + ecg_draw_row_seconds(s);
    enum base_err e = ecg_draw_make_leads(s, s->from_s, s->to_s);
    if (e)
        return e;
    ecg_draw_paper(s);
    return draw_standard(s);
}
