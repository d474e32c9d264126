/* Strips one below the other: of any length, and of recordings of few or other leads. */
#include "ecg/draw/ecg_sheet.h"

#include <math.h>

enum { PAGES_MAX = 1000, ROW_MM = 30 };

/* The leads and channels that are drawn, and how many times below each other. */
struct strips {
    const struct ecg_lead *lead[SHEET_ROWS];
    size_t nleads;
    size_t n; /* with channels */
    size_t groups;
};

static void add(struct sheet *s, struct strips *p, const struct ecg_lead *lead, bool show)
{
    const size_t most = 12;
    if (lead->samples == 0)
        return;
    if (p->n < most)
        p->lead[p->n++] = lead;
    else if (show)
        ecg_draw_not_shown(s, lead->name);
}

/* show: names what there is no room for on this page. */
static enum base_err choose(struct sheet *s, struct strips *p, bool show)
{
    bool all = !s->o->leads && !(s->o->page == ECG_DRAW_STRIP && ecg_draw_is_standard(s));
    enum base_err e = BASE_OK;
    *p = (struct strips){0};
    if (!all)
        e = ecg_draw_strip_leads(s, p->lead, s->o->leads ? SHEET_ROWS : 1, &p->n);
    for (size_t i = 0; i < s->r->nleads && all; i++)
        add(s, p, &s->r->leads[i], show);
    p->nleads = p->n;
    for (size_t i = 0; i < s->r->nothers && all; i++)
        add(s, p, &s->r->others[i], show);
    if (!e && p->n == 0)
        e = base_fail(s->err, BASE_EUNSUPPORTED, BASE_NOPOS, "no lead has samples to draw");
    size_t rows = (size_t)((PAPER_BOTTOM - PAPER_TOP) / ROW_MM * 10 / s->mm_per_mv);
    rows = rows > SHEET_ROWS ? SHEET_ROWS : rows;
    p->groups = p->n && rows / p->n > 1 ? rows / p->n : 1;
    return e;
}

static double wanted_seconds(const struct sheet *s, double of_page)
{
    double rest = ecg_record_seconds(s->r) - s->o->from_s;
    bool asked = s->o->page == ECG_DRAW_STRIP && s->o->seconds > 0;
    return fmin(asked ? s->o->seconds : of_page, rest);
}

unsigned ecg_draw_strip_pages(struct sheet *s)
{
    struct strips p;
    if (choose(s, &p, false))
        return 1; /* the page says why not */
    double of_page = (double)p.groups * ecg_draw_row_seconds(s);
    double pages = ceil(wanted_seconds(s, of_page) / of_page - 1e-6);
    return pages < 1 ? 1 : pages < PAGES_MAX ? (unsigned)pages : PAGES_MAX + 1;
}

void ecg_draw_time(const struct sheet *s, double at_s, char *out, size_t size)
{
    const struct ecg_time *t = &s->r->start;
    long at = lround(floor(fmin(fmax(at_s, 0), 1e12))); /* some rates make ages */
    if (t->date.year && t->has_time) {
        at = (at + t->hour * 3600L + t->minute * 60L + t->second) % 86400;
        snprintf(out, size, "%02ld:%02ld:%02ld", at / 3600, at / 60 % 60, at % 60);
    } else if (at < 3600) {
        snprintf(out, size, "%ld:%02ld", at / 60, at % 60);
    } else {
        snprintf(out, size, "%ld:%02ld:%02ld", at / 3600, at / 60 % 60, at % 60);
    }
}

enum base_err ecg_draw_strip(struct sheet *s)
{
    struct strips p;
    struct sheet_row rows[SHEET_ROWS] = {0};
    double row_s = ecg_draw_row_seconds(s);
    enum base_err e = choose(s, &p, false);
    if (e)
        return e;
    if (s->pages > PAGES_MAX)
        return base_fail(s->err, BASE_ELIMIT, BASE_NOPOS,
                         "a strip has at most %d pages: choose fewer seconds", PAGES_MAX);
    double of_page = (double)p.groups * row_s;
    double end = s->o->from_s + wanted_seconds(s, of_page);
    s->from_s = s->o->from_s + s->number * of_page;
    s->to_s = fmin(s->from_s + of_page, end);
    e = ecg_draw_make_leads(s, s->from_s, s->to_s);
    /* Made leads are others now. */
    e = e ? e : choose(s, &p, true);
    if (e)
        return e;
    size_t n = 0;
    for (size_t g = 0; g < p.groups; g++) {
        double from = s->from_s + (double)g * row_s;
        for (size_t i = 0; i < p.n && from < end - 1e-6; i++, n++) {
            rows[n].is_channel = i >= p.nleads;
            rows[n].is_strip = i == 0 && !rows[n].is_channel;
            if (i == 0)
                ecg_draw_time(s, from, rows[n].note, sizeof rows[n].note);
            ecg_draw_set_strip(s, &rows[n], p.lead[i], from, fmin(from + row_s, end));
        }
    }
    ecg_draw_paper(s);
    ecg_draw_rows(s, rows, n);
    return BASE_OK;
}
