/* What the parts of the sheet share. Private to ecg/draw. All lengths in mm. */
#ifndef ECG_SHEET_H
#define ECG_SHEET_H

#include "ecg/draw/ecg_draw.h"

#include <cairo.h>
#include <pango/pangocairo.h>

#define SHEET_WIDTH   297.0
#define SHEET_HEIGHT  210.0
#define GRID_LEFT     11.0 /* 55 x 30 large squares */
#define GRID_RIGHT    286.0
#define GRID_TOP      46.0
#define GRID_BOTTOM   196.0
#define TRACE_LEFT    26.0 /* after the calibration pulse */
#define MM_PER_S      25.0
#define MM_PER_MV     10.0
#define SECONDS_SHOWN 10.0

struct sheet_colour {
    double r, g, b;
};

struct sheet {
    cairo_t *cr;
    PangoLayout *text;
    const struct ecg_record *r;
    const struct ecg_draw_options *o;
    double pixel;            /* size of a pixel, 0 when drawn in vectors */
    bool derived;            /* some lead shown was calculated */
    struct base_buf unshown; /* names of leads for which there was no room */
};

enum sheet_align { SHEET_LEFT, SHEET_CENTRE, SHEET_RIGHT };

/* One line of text, size = height of the font; cut with an ellipsis where it is
 * wider than width (0 = any). y is the top. Returns its width. */
double ecg_draw_text(struct sheet *s, double x, double y, double width, double size, bool bold,
                     enum sheet_align align, struct sheet_colour colour, const char *text);
/* The paper, the pulses and the leads. */
enum base_err ecg_draw_traces(struct sheet *s);
/* Everything above and below the paper; after ecg_draw_traces. */
void ecg_draw_head(struct sheet *s);

#endif
