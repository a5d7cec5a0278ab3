/* sheet.c - see sheet.h. */
#include "image/sheet.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/made.h"
#include "base/mem.h"
#include "image/letters.h"
#include "image/resize.h"

enum {
    MARGIN = 28,        /* around the sheet */
    GAP = 14,           /* between cells */
    TITLE_LINE = 34,    /* height of the title's line */
    LINE = 21,          /* height of a line of words */
    LABEL_WIDEST = 240, /* of a row's label */
    LABEL_LINES = 4,
    FRAME = 3,
    CHECK = 8, /* pixels of a square behind what is transparent */
};

static const Colour paper = { 247, 246, 243 }, empty = { 238, 236, 231 }, accent = { 168, 67, 28 },
                    alarm = { 176, 32, 32 };

static const uint8_t checks[] = { 255, 224 };

static const Pen title_pen = { 1.6, true, { 31, 29, 26 } }, strong_pen = { 1, true, { 31, 29, 26 } },
                 quiet_pen = { 1, false, { 107, 102, 94 } };

/* How a sheet is laid out: all in pixels, the same on each page. */
typedef struct {
    int cell_w, cell_h; /* of a cell with its gap, picture and words */
    int picture_w;      /* of the place for a picture */
    int label_lines;    /* over a column */
    int top, left;      /* where the first cell begins */
    int across, down;   /* cells on a full page */
    int pages_across, pages_down;
} Layout;

static int ceil_div(int a, int b) { return (a + b - 1) / b; }

static int max_of(int a, int b) { return a > b ? a : b; }

/* Widest line of a label. */
static double label_width(const char *label, const Pen *pen)
{
    double widest = 0;
    for (const char *p = label;; p++) {
        Str line = { 0 };
        size_t n = strcspn(p, "\n");
        str_addn(&line, p, n);
        widest = fmax(widest, letters_width(str_text(&line), pen));
        str_release(&line);
        p += n;
        if (!*p) return widest;
    }
}

static int row_label_width(const Sheet *s)
{
    double widest = s->corner ? letters_width(s->corner, &quiet_pen) : 0;
    for (int i = 0; s->row_labels && i < s->rows; i++)
        widest = fmax(widest, label_width(s->row_labels[i], &strong_pen));
    return s->row_labels ? (int)ceil(fmin(widest, LABEL_WIDEST)) + GAP : 0;
}

/* The end of a line of as many words as are no wider than w; of one at least. */
static const char *line_end(const char *text, int w, const Pen *pen)
{
    Str tried = { 0 };
    const char *end = text;
    while (*end) {
        size_t word = strspn(end, " ") + strcspn(end + strspn(end, " "), " ");
        str_clear(&tried);
        str_addn(&tried, text, (size_t)(end - text) + word);
        if (end != text && letters_width(str_text(&tried), pen) > w) break;
        end += word;
    }
    str_release(&tried);
    return end;
}

/* Lines of a column's label; what is left beyond `most` is cut off. */
static int count_lines(const char *text, int w, int most)
{
    int n = 0;
    for (; *text && n < most; n++) {
        const char *end = line_end(text, w, &strong_pen);
        text = end + strspn(end, " ");
    }
    return n;
}

static int column_label_lines(const Sheet *s, int w)
{
    int most = 0;
    for (int i = 0; s->column_labels && i < s->columns; i++) {
        int n = count_lines(s->column_labels[i], w, LABEL_LINES - 1);
        if (n > most) most = n;
    }
    return most;
}

static int layout(Layout *l, const Sheet *s, Err *e)
{
    int most = s->max_side ? s->max_side : SHEET_MAX_SIDE;
    bool words = s->captions || s->column_labels;
    *l = (Layout){ 0 };
    l->picture_w = words ? max_of(s->cell_w, SHEET_NARROWEST) : s->cell_w;
    l->label_lines = column_label_lines(s, l->picture_w);
    l->cell_w = l->picture_w + GAP;
    l->cell_h = s->cell_h + GAP + (s->captions ? LINE + GAP / 2 : 0);
    l->left = MARGIN + row_label_width(s);
    l->top = MARGIN + (s->title ? TITLE_LINE : 0) + (s->subtitle ? LINE : 0) + (s->title || s->subtitle ? GAP : 0) +
             (s->column_labels ? l->label_lines * LINE + GAP / 2 : 0);
    int room_w = most - l->left - MARGIN + GAP, room_h = most - l->top - MARGIN + GAP;
    l->across = room_w / l->cell_w;
    l->down = room_h / l->cell_h;
    if (l->across < 1 || l->down < 1)
        return err_set(e, "pictures of %dx%d pixels do not fit into a sheet of %d a side", s->cell_w, s->cell_h, most);
    if (l->across > s->columns) l->across = s->columns;
    if (l->down > s->rows) l->down = s->rows;
    l->pages_across = ceil_div(s->columns, l->across);
    l->pages_down = ceil_div(s->rows, l->down);
    /* pages of about the same size look better than a full one and a rest */
    l->across = ceil_div(s->columns, l->pages_across);
    l->down = ceil_div(s->rows, l->pages_down);
    return 0;
}

int sheet_pages(const Sheet *s, int *pages, Err *e)
{
    Layout l;
    if (layout(&l, s, e)) return -1;
    *pages = l.pages_across * l.pages_down;
    return 0;
}

/* ---- words ---- */

static void draw_line(Image *im, int x, int y, const char *text, double most, const Pen *pen)
{
    Str line = { 0 };
    letters_shorten(&line, text, most, pen);
    letters_draw(im, x, y, str_text(&line), pen);
    str_release(&line);
}

static void draw_centred(Image *im, int x, int y, int w, const char *text, const Pen *pen)
{
    Str line = { 0 };
    letters_shorten(&line, text, w, pen);
    letters_draw(im, floor(x + (w - letters_width(str_text(&line), pen)) / 2), y, str_text(&line), pen);
    str_release(&line);
}

/* Lines parted by "\n", the first strong, in the middle of the height h. */
static void draw_row_label(Image *im, int x, int y, int h, const char *label, double most)
{
    int lines = 1;
    for (const char *p = label; (p = strchr(p, '\n')); p++) lines++;
    if (lines > LABEL_LINES) lines = LABEL_LINES;
    int at = y + (h - lines * LINE) / 2 + LINE - 6;
    for (int i = 0; i < lines; i++) {
        Str line = { 0 };
        size_t n = strcspn(label, "\n");
        str_addn(&line, label, n);
        draw_line(im, x, at + i * LINE, str_text(&line), most, i ? &quiet_pen : &strong_pen);
        str_release(&line);
        label += n + (label[n] == '\n');
    }
}

/* A paragraph in a box: broken at spaces, cut where the box ends. */
static void draw_paragraph(Image *im, int x, int y, int w, int h, const char *text, const Pen *pen)
{
    for (int at = y + LINE; *text && at + 4 <= y + h; at += LINE) {
        Str line = { 0 };
        const char *end = at + LINE + 4 > y + h ? text + strlen(text) : line_end(text, w, pen);
        str_addn(&line, text, (size_t)(end - text));
        draw_line(im, x, at, str_text(&line), w, pen);
        str_release(&line);
        text = end + strspn(end, " ");
    }
}

/* A column's label over its picture: its last line ends at y. */
static void draw_column_label(Image *im, int x, int y, int w, const char *text, int lines)
{
    int own = count_lines(text, w, lines);
    for (int i = 1; i <= own; i++) {
        Str line = { 0 };
        const char *end = i == own ? text + strlen(text) : line_end(text, w, &strong_pen);
        str_addn(&line, text, (size_t)(end - text));
        draw_centred(im, x, y - (own - i) * LINE, w, str_text(&line), &strong_pen);
        str_release(&line);
        text = end + strspn(end, " ");
    }
}

/* ---- pictures ---- */

/* A new image, as large as fits into w x h with its shape kept. */
static void shrink(Image *out, const Image *src, int w, int h)
{
    double scale = fmin((double)w / src->w, (double)h / src->h);
    image_resize(out, src, max_of((int)(src->w * scale + 1e-9), 1), max_of((int)(src->h * scale + 1e-9), 1), false,
                 false);
}

/* What is transparent shows the squares that stand for nothing. */
static void paste(Image *im, int x, int y, const Image *src)
{
    for (int row = 0; row < src->h; row++) {
        for (int column = 0; column < src->w; column++) {
            size_t from = (size_t)row * (size_t)src->w + (size_t)column;
            uint8_t ground = checks[(row / CHECK + column / CHECK) % 2];
            uint8_t *to = im->rgb + ((size_t)(y + row) * (size_t)im->w + (size_t)(x + column)) * 3;
            for (size_t c = 0; c < 3; c++)
                to[c] = image_over(src->rgb[3 * from + c], src->alpha ? src->alpha[from] : 255, ground);
        }
    }
}

/* The picture in the middle of its place; returns where it ended up. */
static void draw_picture(const Sheet *s, const Layout *l, Image *im, int x, int y, const SheetCell *cell)
{
    Image small = { 0 };
    const Image *shown = &cell->image;
    if (shown->w > s->cell_w || shown->h > s->cell_h) {
        shrink(&small, shown, s->cell_w, s->cell_h);
        shown = &small;
    }
    int px = x + (l->picture_w - shown->w) / 2, py = y + (s->cell_h - shown->h) / 2;
    if (cell->marked) {
        image_fill(im, px - 2 * FRAME, py - 2 * FRAME, shown->w + 4 * FRAME, shown->h + 4 * FRAME, accent);
        image_fill(im, px - FRAME, py - FRAME, shown->w + 2 * FRAME, shown->h + 2 * FRAME, paper);
    }
    paste(im, px, py, shown);
    image_release(&small);
}

static void draw_cell(const Sheet *s, const Layout *l, Image *im, int x, int y, const SheetCell *cell)
{
    if (cell->missing) return;
    if (cell->image.rgb) {
        draw_picture(s, l, im, x, y, cell);
        Pen pen = quiet_pen;
        if (cell->marked) pen.colour = accent;
        if (s->captions) draw_centred(im, x, y + s->cell_h + LINE, l->picture_w, str_text(&cell->caption), &pen);
        return;
    }
    Pen pen = quiet_pen;
    if (cell->failed) pen.colour = alarm;
    image_fill(im, x, y, l->picture_w, s->cell_h, empty);
    draw_paragraph(im, x + 8, y + 4, l->picture_w - 16, s->cell_h - 8, str_text(&cell->caption), &pen);
}

static int add_cell(const Sheet *s, const Layout *l, Image *im, int row, int column, int x, int y, Err *e)
{
    SheetCell cell = { 0 };
    int failed = s->picture(s->ctx, row, column, &cell, e);
    if (!failed) draw_cell(s, l, im, x, y, &cell);
    image_release(&cell.image);
    str_release(&cell.caption);
    return failed ? -1 : 0;
}

static void draw_head(const Sheet *s, const Layout *l, Image *im, int page, int pages)
{
    int y = MARGIN, room = im->w - 2 * MARGIN;
    Str title = { 0 };
    if (s->title) {
        str_add(&title, s->title);
        Str number = { 0 };
        if (pages > 1) str_addf(&number, "  %d of %d", page + 1, pages);
        double wide = letters_width(str_text(&number), &quiet_pen);
        draw_line(im, MARGIN, y + 18, str_text(&title), room - wide, &title_pen);
        letters_draw(im, im->w - MARGIN - wide, y + 18, str_text(&number), &quiet_pen);
        str_release(&number);
        y += TITLE_LINE;
    }
    if (s->subtitle) draw_line(im, MARGIN, y + 14, s->subtitle, room, &quiet_pen);
    if (s->corner && s->row_labels && s->column_labels)
        draw_line(im, MARGIN, l->top - GAP, s->corner, l->left - MARGIN - GAP, &quiet_pen);
    str_release(&title);
}

int sheet_draw(const Sheet *s, int page, Image *out, Err *e)
{
    Layout l;
    if (layout(&l, s, e)) return -1;
    assert(l.pages_across > 0);
    int row0 = page / l.pages_across * l.down, column0 = page % l.pages_across * l.across;
    int rows = s->rows - row0 < l.down ? s->rows - row0 : l.down;
    int columns = s->columns - column0 < l.across ? s->columns - column0 : l.across;
    int right = l.left + columns * l.cell_w - GAP + MARGIN;
    /* a title is not cut off only because there are few pictures */
    double words = fmax(s->title ? letters_width(s->title, &title_pen) : 0,
                        s->subtitle ? letters_width(s->subtitle, &quiet_pen) : 0);
    int wish = (int)ceil(fmin(words, 640)) + 2 * MARGIN;
    image_init(out, max_of(right, wish), l.top + rows * l.cell_h - GAP + MARGIN);
    image_fill(out, 0, 0, out->w, out->h, paper);
    draw_head(s, &l, out, page, l.pages_across * l.pages_down);

    for (int c = 0; c < columns && s->column_labels; c++)
        draw_column_label(out, l.left + c * l.cell_w, l.top - GAP, l.picture_w, s->column_labels[column0 + c],
                          l.label_lines);
    for (int r = 0; r < rows; r++) {
        int y = l.top + r * l.cell_h;
        if (s->row_labels) draw_row_label(out, MARGIN, y, s->cell_h, s->row_labels[row0 + r], l.left - MARGIN - GAP);
        for (int c = 0; c < columns; c++) {
            if (!add_cell(s, &l, out, row0 + r, column0 + c, l.left + c * l.cell_w, y, e)) continue;
            image_release(out);
            return -1;
        }
    }
    return 0;
}

void sheet_path(Str *out, const char *path, int page, int pages)
{
    size_t len = strlen(path);
    bool png = str_ends(path, ".png");
    if (pages == 1) {
        str_add(out, path);
        return;
    }
    str_addn(out, path, png ? len - 4 : len);
    str_addf(out, "-%d%s", page + 1, png ? ".png" : "");
}

int sheet_write(const Sheet *s, const Folder *in, const char *name, int *pages, Err *e)
{
    int count, failed = sheet_pages(s, &count, e);
    const PngText mark = { (char *)(size_t)MADE_KEY, (char *)(size_t)MADE_TEXT };
    if (failed) return -1;
    for (int page = 0; page < count && !failed; page++) {
        Image im = { 0 };
        Bytes png = { 0 };
        Str own = { 0 };
        sheet_path(&own, name, page, count);
        failed = made_check(in, str_text(&own), e) || sheet_draw(s, page, &im, e) ||
                 png_encode(&im, &mark, 1, &png, e) || folder_write(in, str_text(&own), png, e);
        image_release(&im);
        free((void *)(size_t)png.data);
        str_release(&own);
    }
    if (pages) *pages = count;
    return failed ? -1 : 0;
}
