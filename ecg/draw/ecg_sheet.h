/* What the parts of a sheet share. Private to ecg/draw. All lengths in mm. */
#ifndef ECG_SHEET_H
#define ECG_SHEET_H

#include "ecg/draw/ecg_draw.h"

#include <cairo.h>
#include <pango/pangocairo.h>

#define SHEET_WIDTH  297.0
#define SHEET_HEIGHT 210.0
#define PAPER_LEFT   11.0 /* 55 x 30 large squares */
#define PAPER_RIGHT  286.0
#define PAPER_TOP    46.0
#define PAPER_BOTTOM 196.0
#define TRACE_LEFT   26.0 /* after the calibration pulse */
#define TRACE_WIDTH  250.0
/* Where lines are already, in squares of half a millimetre. */
#define USED_CELL 0.5
/* How far to the right, in mm, a text may stand: one of a place, and one of a whole row. */
enum { SHEET_NEAR = 13, SHEET_IN_ROW = 78 };
enum { USED_COLUMNS = 594, USED_ROWS = 420, SHEET_ROWS = 18, SHEET_PIECES = 6, SHEET_STRIPS = 3 };

struct sheet_colour {
    double r, g, b;
};
extern const struct sheet_colour ecg_draw_ink, ecg_draw_grey, ecg_draw_red, ecg_draw_blue;

struct sheet_area {
    double left, top, right, bottom;
};

struct sheet {
    cairo_t *cr;
    PangoLayout *text;
    const struct ecg_record *r;
    const struct ecg_draw_options *o;
    struct base_error *err;
    double pixel; /* size of a pixel, 0 when drawn in vectors */
    double mm_per_s;
    double mm_per_mv;
    struct sheet_area paper;
    /* Leads that the record does not store. */
    struct ecg_lead made[4];
    size_t nmade;
    /* Of this page. */
    uint8_t *used;
    unsigned number; /* from 0 */
    unsigned pages;
    double from_s; /* what is shown; to_s = 0: no part of time */
    double to_s;
    bool together;           /* all columns show the same part of time: the record is short */
    bool derived;            /* some lead shown was calculated */
    char what[96];           /* of the page, for the foot; "" = nothing */
    bool is_chart;           /* no paper: without speed and gain */
    bool clipped;            /* some trace left the paper */
    struct base_buf unshown; /* names of leads for which there was no room */
    struct base_buf missing; /* names of chest leads whose places are empty */
    enum base_err short_of;  /* BASE_ENOMEM: a text is not whole */
};

/* ---- ecg_canvas.c ---- */

enum sheet_align { SHEET_LEFT, SHEET_CENTRE, SHEET_RIGHT };

/* One line of text, size = height of the font; cut with an ellipsis where it is
 * wider than width (0 = any). y is the top. Returns its width. */
double ecg_draw_text(struct sheet *s, double x, double y, double width, double size, bool bold,
                     enum sheet_align align, struct sheet_colour colour, const char *text);
/* The same in letters that are smaller, by half at most, where that lets all of it be read. */
void ecg_draw_fitted(struct sheet *s, double x, double y, double width, double size, bool bold,
                     enum sheet_align align, struct sheet_colour colour, const char *text);
/* How many lines of that width the text takes, 1 at least and `most` at most; starts[i]: at which
 * byte line i begins. */
size_t ecg_draw_wrap(struct sheet *s, double width, double size, const char *text, size_t most,
                     size_t *starts);
/* Text near here, moved to where no line is, between top and bottom and `right` mm to the right at
 * most; bold from 3 mm on. Returns where it ends. */
double ecg_draw_label(struct sheet *s, double x, double y, double top, double bottom, double right,
                      double size, struct sheet_colour colour, const char *text);
void ecg_draw_colour(struct sheet *s, struct sheet_colour c);
void ecg_draw_line(struct sheet *s, double x0, double y0, double x1, double y1, double width,
                   struct sheet_colour c);
/* Millimetre paper; s->paper says where. */
void ecg_draw_paper(struct sheet *s);
/* Nothing is drawn outside the paper until cairo_restore. */
void ecg_draw_clip(struct sheet *s);
/* Notes that a line goes there. */
void ecg_draw_use(struct sheet *s, double x0, double y0, double x1, double y1);

/* ---- ecg_sheet_trace.c ---- */

/* Of floats, for qsort. */
int ecg_draw_by_value(const void *a, const void *b);

/* What of a lead is drawn: from and to in s of the record; from stands at x, level at base. */
struct sheet_piece {
    const struct ecg_lead *lead;
    const char *name;
    double from;
    double to;
    double x;
    double width;
    double base;
    double up; /* how far its trace goes from there */
    double down;
    double level;       /* uV, or the channel's unit */
    double mm_per_unit; /* negative: upside down */
};

/* A row of pieces on one base line. */
struct sheet_row {
    struct sheet_piece piece[SHEET_PIECES]; /* without a lead: left blank */
    size_t n;
    double from; /* the part of time that its level is taken of, in s */
    double to;
    double base;
    double up; /* how far the traces go, at most */
    double down;
    double above;    /* room over that, for marks */
    double pitch;    /* from row to row, on average */
    bool is_strip;   /* is the place for beats and intervals */
    bool is_channel; /* no voltage: has an axis in place of the pulse */
    char note[160];  /* beside the name; "" = none */
};

/* Sets level and mm_per_unit of the row's pieces, up and down. */
void ecg_draw_measure_row(struct sheet *s, struct sheet_row *row);
/* Chooses base lines between top and bottom, draws pulses, traces, names and marks. */
void ecg_draw_rows(struct sheet *s, struct sheet_row *rows, size_t n);
/* A pulse of 1 mV and 0.2 s. */
void ecg_draw_pulse(struct sheet *s, double base);

/* ---- ecg_sheet_leads.c ---- */

/* Makes the limb leads that are not stored for a part of time, in place of those made before. */
enum base_err ecg_draw_make_leads(struct sheet *s, double from_s, double to_s) BASE_MUST_CHECK;
void ecg_draw_unmake_leads(struct sheet *s);
/* The leads of "II,V1", or the usual ones; BASE_EINVAL: there is none of that name. */
enum base_err ecg_draw_strip_leads(struct sheet *s, const struct ecg_lead **out, size_t most,
                                   size_t *n) BASE_MUST_CHECK;
/* What a row holds: 10 s at 25 mm/s. */
double ecg_draw_row_seconds(const struct sheet *s);
/* The clock where the recorder has one, else the time since its start. */
void ecg_draw_time(const struct sheet *s, double at_s, char *out, size_t size);
/* A row of one lead. */
void ecg_draw_set_strip(struct sheet *s, struct sheet_row *row, const struct ecg_lead *lead,
                        double from, double to);
void ecg_draw_not_shown(struct sheet *s, const char *name);
/* True of records that the usual arrangements are for; others are drawn as strips. */
bool ecg_draw_is_standard(struct sheet *s);
unsigned ecg_draw_leads_pages(struct sheet *s);
enum base_err ecg_draw_leads(struct sheet *s) BASE_MUST_CHECK;

/* ---- the other pages ---- */

unsigned ecg_draw_strip_pages(struct sheet *s);
enum base_err ecg_draw_strip(struct sheet *s) BASE_MUST_CHECK;
enum base_err ecg_draw_beats(struct sheet *s) BASE_MUST_CHECK;
unsigned ecg_draw_holter_pages(struct sheet *s);
enum base_err ecg_draw_holter(struct sheet *s) BASE_MUST_CHECK;

/* ---- ecg_sheet_axes.c ---- */

struct sheet_axes {
    double left, right, top, bottom;
    double low, high; /* values */
    double seconds;
};

double ecg_draw_axes_y(const struct sheet_axes *a, double v);
/* Lines of the values and the title above. */
void ecg_draw_axes(struct sheet *s, const struct sheet_axes *a, const char *title, double step);
/* Times below a curve: at most six, on round ones of the clock. */
void ecg_draw_axes_times(struct sheet *s, const struct sheet_axes *a);
/* Of a clock without seconds: what is in a table or on an axis are whole minutes. */
void ecg_draw_minute(const struct sheet *s, double at_s, char *out, size_t size);
/* A step of 1, 2 or 5 that gives at most five. */
double ecg_draw_round_step(double most);

/* ---- ecg_sheet_trend.c: with an analysis that has a trend ---- */

struct sheet_event {
    double at_s;
    const struct ecg_lead *lead; /* NULL = the first of the strips */
    char text[96];
};

/* A band on the last millimetres above the bottom of the axes: where the atria fibrillate. */
void ecg_draw_trend_af(struct sheet *s, const struct sheet_axes *a);
/* ST of up to three leads. */
enum base_err ecg_draw_trend_st(struct sheet *s, const struct sheet_axes *given) BASE_MUST_CHECK;
enum { SHEET_TREND_EVENTS = 2 };
/* The longest fibrillation and where ST is farthest from 0; how many. */
size_t ecg_draw_trend_events(struct sheet *s, struct sheet_event events[SHEET_TREND_EVENTS]);

/* ---- ecg_sheet_marks.c ---- */

/* Bands behind the traces of a row: P, QRS, T. */
void ecg_draw_bands(struct sheet *s, const struct sheet_row *row);
/* Spikes that the device marked, and on strips, where wanted, beats and intervals. */
void ecg_draw_beat_marks(struct sheet *s, const struct sheet_row *row);

/* ---- ecg_sheet_head.c ---- */

/* Everything above and below the paper; after the rest. */
void ecg_draw_head(struct sheet *s);

#endif
