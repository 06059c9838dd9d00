/* canvas.h - a picture of lines, dots and words, drawn as SVG and as pixels at once.
 *
 * SVG 1.1 with the reader's own fonts; pixels are 24-bit RGB, edges smoothed by how near a pixel's
 * middle lies, words in a small font of dots (lower case, digits and a few signs). */
#ifndef TRAIN_CANVAS_H
#define TRAIN_CANVAS_H

#include "base/buf.h"

struct canvas {
    int width, height;
    struct buf svg;
    uint8_t *pixels; /* (height, width, 3) */
};

struct point {
    double x, y;
};

enum canvas_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

/* White. Colours are 0xRRGGBB. */
glass_status canvas_init(struct canvas *c, int width, int height);
void canvas_clear(struct canvas *c);
/* id: of the element in the SVG; NULL = none. */
glass_status canvas_lines(struct canvas *c, const struct point *p, int64_t n,
                          uint32_t colour, const char *id);
/* title: what a reader of the SVG sees at the dot; NULL = nothing. */
glass_status canvas_dot(struct canvas *c, struct point p, uint32_t colour,
                        const char *title);
/* A filled box, from its upper left corner. */
glass_status canvas_box(struct canvas *c, struct point p, double width, double height,
                        uint32_t colour, const char *title);
/* The words' foot is at p. Pixels have no letters outside ASCII. */
glass_status canvas_text(struct canvas *c, struct point p, enum canvas_anchor anchor,
                         uint32_t colour, const char *text);
/* Ends the drawing and writes NAME.svg and NAME.png. */
glass_status canvas_write(struct canvas *c, const char *name);
/* The same as one file, by the end of its path: ".svg" or ".png". GLASS_USAGE: another end. */
glass_status canvas_write_one(struct canvas *c, const char *path);

#endif
