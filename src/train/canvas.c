/* canvas.c - see canvas.h. PNG by libpng's simple interface. */
#include "train/canvas.h"

#include "base/path.h"

#include <math.h>
#include <png.h>

enum { GLYPH_WIDTH = 5, GLYPH_HEIGHT = 7, FONT_STEP = 6 };

/* Rows from the top, the leftmost dot is bit 4. */
static const struct glyph {
    char character;
    uint8_t rows[GLYPH_HEIGHT];
} glyphs[] = {
    // clang-format off
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}},
    {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f}},
    {'3', {0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}},
    {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}},
    {'7', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}},
    {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c}},
    {',', {0x00, 0x00, 0x00, 0x00, 0x0c, 0x04, 0x08}},
    {':', {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x00}},
    {'-', {0x00, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x00}},
    {'+', {0x00, 0x04, 0x04, 0x1f, 0x04, 0x04, 0x00}},
    {'a', {0x00, 0x00, 0x0e, 0x01, 0x0f, 0x11, 0x0f}},
    {'b', {0x10, 0x10, 0x1e, 0x11, 0x11, 0x11, 0x1e}},
    {'c', {0x00, 0x00, 0x0e, 0x11, 0x10, 0x11, 0x0e}},
    {'d', {0x01, 0x01, 0x0f, 0x11, 0x11, 0x11, 0x0f}},
    {'e', {0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e}},
    {'f', {0x06, 0x09, 0x08, 0x1c, 0x08, 0x08, 0x08}},
    {'g', {0x00, 0x0f, 0x11, 0x11, 0x0f, 0x01, 0x0e}},
    {'h', {0x10, 0x10, 0x1e, 0x11, 0x11, 0x11, 0x11}},
    {'i', {0x04, 0x00, 0x0c, 0x04, 0x04, 0x04, 0x0e}},
    {'j', {0x02, 0x00, 0x06, 0x02, 0x02, 0x12, 0x0c}},
    {'k', {0x10, 0x10, 0x12, 0x14, 0x18, 0x14, 0x12}},
    {'l', {0x0c, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'m', {0x00, 0x00, 0x1a, 0x15, 0x15, 0x15, 0x15}},
    {'n', {0x00, 0x00, 0x1e, 0x11, 0x11, 0x11, 0x11}},
    {'o', {0x00, 0x00, 0x0e, 0x11, 0x11, 0x11, 0x0e}},
    {'p', {0x00, 0x00, 0x1e, 0x11, 0x1e, 0x10, 0x10}},
    {'q', {0x00, 0x00, 0x0f, 0x11, 0x0f, 0x01, 0x01}},
    {'r', {0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10}},
    {'s', {0x00, 0x00, 0x0f, 0x10, 0x0e, 0x01, 0x1e}},
    {'t', {0x08, 0x08, 0x1c, 0x08, 0x08, 0x09, 0x06}},
    {'u', {0x00, 0x00, 0x11, 0x11, 0x11, 0x13, 0x0d}},
    {'v', {0x00, 0x00, 0x11, 0x11, 0x11, 0x0a, 0x04}},
    {'w', {0x00, 0x00, 0x11, 0x11, 0x15, 0x15, 0x0a}},
    {'x', {0x00, 0x00, 0x11, 0x0a, 0x04, 0x0a, 0x11}},
    {'y', {0x00, 0x00, 0x11, 0x11, 0x0f, 0x01, 0x0e}},
    {'z', {0x00, 0x00, 0x1f, 0x02, 0x04, 0x08, 0x1f}},
    {'/', {0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x00}},
    {'\'', {0x04, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {'_', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1f}},
    {'!', {0x04, 0x04, 0x04, 0x04, 0x04, 0x00, 0x04}},
    {'?', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x00, 0x04}},
    {'%', {0x18, 0x19, 0x02, 0x04, 0x08, 0x13, 0x03}},
    {'<', {0x02, 0x04, 0x08, 0x10, 0x08, 0x04, 0x02}},
    {'>', {0x08, 0x04, 0x02, 0x01, 0x02, 0x04, 0x08}},
    {'\'', {0x04, 0x04, 0x08, 0x00, 0x00, 0x00, 0x00}},
    {'"', {0x0a, 0x0a, 0x0a, 0x00, 0x00, 0x00, 0x00}},
    {'&', {0x0c, 0x12, 0x14, 0x08, 0x15, 0x12, 0x0d}},
    {'*', {0x00, 0x0a, 0x04, 0x1f, 0x04, 0x0a, 0x00}},
    {'#', {0x0a, 0x0a, 0x1f, 0x0a, 0x1f, 0x0a, 0x0a}},
    {';', {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x04, 0x08}},
    {'[', {0x0e, 0x08, 0x08, 0x08, 0x08, 0x08, 0x0e}},
    {']', {0x0e, 0x02, 0x02, 0x02, 0x02, 0x02, 0x0e}},
    {'|', {0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}},
    {'=', {0x00, 0x00, 0x1f, 0x00, 0x1f, 0x00, 0x00}},
    {'(', {0x02, 0x04, 0x08, 0x08, 0x08, 0x04, 0x02}},
    {')', {0x08, 0x04, 0x02, 0x02, 0x02, 0x04, 0x08}},
    // clang-format on
};

glass_status canvas_init(struct canvas *c, int width, int height) {
    size_t n = 3 * (size_t)width * (size_t)height;
    *c = (struct canvas){.width = width, .height = height};
    TRY(mem_alloc(&c->pixels, n, 1));
    memset(c->pixels, 0xff, n);
    return buf_printf(
        &c->svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        width, height);
}

void canvas_clear(struct canvas *c) {
    buf_free(&c->svg);
    mem_free(c->pixels);
    *c = (struct canvas){0};
}

/* ---- pixels ---- */

/* share of the colour, the rest stays. */
static void blend(struct canvas *c, int x, int y, uint32_t colour, double share) {
    if (x < 0 || y < 0 || x >= c->width || y >= c->height || !(share > 0)) return;
    uint8_t *p = c->pixels + 3 * ((size_t)y * (size_t)c->width + (size_t)x);
    if (share > 1) share = 1;
    for (int i = 0; i < 3; i++) {
        double want = (double)(colour >> (16 - 8 * i) & 0xff);
        p[i] = (uint8_t)lround((double)p[i] + share * (want - (double)p[i]));
    }
}

/* How far a point is from the stretch a … b. */
static double distance_to(double x, double y, struct point a, struct point b) {
    double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    double t = length > 0 ? ((x - a.x) * dx + (y - a.y) * dy) / length : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return hypot(x - a.x - t * dx, y - a.y - t * dy);
}

/* A stretch of that half width; a dot where both ends are the same. */
static void draw_stretch(struct canvas *c, struct point a, struct point b, double half,
                         uint32_t colour) {
    if (!isfinite(a.x + a.y + b.x + b.y)) return;
    int left = (int)floor(fmax(0, fmin(a.x, b.x) - half - 1));
    int right = (int)ceil(fmin(c->width, fmax(a.x, b.x) + half + 1));
    int top = (int)floor(fmax(0, fmin(a.y, b.y) - half - 1));
    int bottom = (int)ceil(fmin(c->height, fmax(a.y, b.y) + half + 1));
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            blend(c, x, y, colour,
                  half + 0.5 - distance_to((double)x + 0.5, (double)y + 0.5, a, b));
}

/* Capitals look like small letters. */
static const struct glyph *glyph_of(char character) {
    if (character >= 'A' && character <= 'Z') character = (char)(character - 'A' + 'a');
    for (size_t i = 0; i < sizeof glyphs / sizeof *glyphs; i++)
        if (glyphs[i].character == character) return &glyphs[i];
    return NULL; /* a space, and what the font does not have */
}

static void draw_text(struct canvas *c, int x, int y, uint32_t colour, const char *text) {
    for (; *text != '\0'; text++, x += FONT_STEP) {
        const struct glyph *g = glyph_of(*text);
        for (int row = 0; g != NULL && row < GLYPH_HEIGHT; row++)
            for (int column = 0; column < GLYPH_WIDTH; column++)
                if (g->rows[row] >> (GLYPH_WIDTH - 1 - column) & 1)
                    blend(c, x + column, y - GLYPH_HEIGHT + row, colour, 1);
    }
}

/* Text as SVG holds it. */
static glass_status put_text(struct buf *b, const char *text) {
    for (; *text != '\0'; text++) switch (*text) {
        case '<': TRY(buf_text(b, "&lt;")); break;
        case '>': TRY(buf_text(b, "&gt;")); break;
        case '&': TRY(buf_text(b, "&amp;")); break;
        default: TRY(buf_byte(b, *text)); break;
        }
    return GLASS_OK;
}

static glass_status put_title(struct buf *b, const char *title) {
    if (title == NULL) return GLASS_OK;
    TRY(buf_text(b, "<title>"));
    TRY(put_text(b, title));
    return buf_text(b, "</title>");
}

/* ---- both ---- */

glass_status canvas_lines(struct canvas *c, const struct point *p, int64_t n,
                          uint32_t colour, const char *id) {
    TRY(buf_printf(&c->svg, "<polyline%s%s%s fill=\"none\" stroke=\"#%06x\" points=\"",
                   id ? " id=\"" : "", id ? id : "", id ? "\"" : "", (unsigned)colour));
    for (int64_t i = 0; i < n; i++) {
        TRY(buf_printf(&c->svg, "%s%.1f,%.1f", i > 0 ? " " : "", p[i].x, p[i].y));
        draw_stretch(c, p[i > 0 ? i - 1 : 0], p[i], 0.5, colour);
    }
    return buf_text(&c->svg, "\"/>\n");
}

glass_status canvas_dot(struct canvas *c, struct point p, uint32_t colour,
                        const char *title) {
    draw_stretch(c, p, p, 2.5, colour);
    TRY(buf_printf(&c->svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#%06x\">", p.x,
                   p.y, (unsigned)colour));
    TRY(put_title(&c->svg, title));
    return buf_text(&c->svg, "</circle>\n");
}

glass_status canvas_box(struct canvas *c, struct point p, double width, double height,
                        uint32_t colour, const char *title) {
    int left = (int)lround(p.x), right = (int)lround(p.x + width);
    int top = (int)lround(p.y), bottom = (int)lround(p.y + height);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++) blend(c, x, y, colour, 1);
    TRY(buf_printf(&c->svg,
                   "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                   "fill=\"#%06x\"",
                   p.x, p.y, width, height, (unsigned)colour));
    if (title == NULL) return buf_text(&c->svg, "/>\n");
    TRY(buf_byte(&c->svg, '>'));
    TRY(put_title(&c->svg, title));
    return buf_text(&c->svg, "</rect>\n");
}

glass_status canvas_text(struct canvas *c, struct point p, enum canvas_anchor anchor,
                         uint32_t colour, const char *text) {
    static const char *const anchors[] = {"start", "middle", "end"};
    int wide = FONT_STEP * (int)strlen(text) - 1;
    int x = (int)lround(p.x) - (anchor == ANCHOR_START    ? 0
                                : anchor == ANCHOR_MIDDLE ? wide / 2
                                                          : wide);
    draw_text(c, x, (int)lround(p.y), colour, text);
    TRY(buf_printf(&c->svg,
                   "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"#%06x\">", p.x,
                   p.y, anchors[anchor], (unsigned)colour));
    TRY(put_text(&c->svg, text));
    return buf_text(&c->svg, "</text>\n");
}

/* ---- files ---- */

static glass_status write_png(const struct canvas *c, const char *path) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)c->width,
                       .height = (png_uint_32)c->height,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes;
    TRY(mem_alloc(&bytes, n, 1));
    glass_status status = GLASS_OK;
    if (!png_image_write_to_memory(&image, bytes, &n, 0, c->pixels, 0, NULL))
        status = fail(GLASS_SYSTEM, "%s: %s", path, image.message);
    if (status == GLASS_OK) status = path_write_whole(path, bytes, n);
    png_image_free(&image);
    mem_free(bytes);
    return status;
}

glass_status canvas_write(struct canvas *c, const char *name) {
    struct buf path = {0};
    glass_status status;
    TRY_FAIL(buf_text(&c->svg, "</svg>\n"));
    TRY_FAIL(buf_printf(&path, "%s.svg", name));
    TRY_FAIL(path_write_whole(path.data, c->svg.data, c->svg.len));
    buf_clear(&path);
    TRY_FAIL(buf_printf(&path, "%s.png", name));
    status = write_png(c, path.data);
fail:
    buf_free(&path);
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

glass_status canvas_write_one(struct canvas *c, const char *path) {
    if (ends_with(path, ".png")) return write_png(c, path);
    if (!ends_with(path, ".svg"))
        return fail(GLASS_USAGE, "%s: a picture's name ends in .svg or .png", path);
    TRY(buf_text(&c->svg, "</svg>\n"));
    return path_write_whole(path, c->svg.data, c->svg.len);
}
