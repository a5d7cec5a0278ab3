/* terminal.c - see terminal.h. */
#include "cmd/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "image/png.h"
#include "image/resample.h"

enum {
    WAIT_MS = 1000,     /* for an answer, over a network too */
    ROWS_MOST = 16,     /* of a picture */
    PIXELS_MOST = 512,  /* of its longer side, as it is sent */
    KITTY_PIECE = 4096, /* characters of base64 in one sequence */
    CELL_W = 10,        /* pixels, where the terminal does not say */
    CELL_H = 20,
    ID = 7301, /* of the picture, for kitty, which replaces what has it */
};

/* ---- asking ---------------------------------------------------------------------------------------------------------- */

/* Up to the answer to DA1, which every terminal gives, and gives last. */
static void read_answer(int fd, char *answer, size_t size)
{
    double end = clock_now() + WAIT_MS / 1000.0;
    size_t len = 0;
    answer[0] = 0;
    while (len + 1 < size) {
        int left = (int)((end - clock_now()) * 1000);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (left <= 0 || poll(&p, 1, left) <= 0 || read(fd, answer + len, 1) != 1) return;
        answer[++len] = 0;
        const char *da = strstr(answer, "\033[?");
        if (da && strchr(da, 'c')) return;
    }
}

static bool ask(char *answer, size_t size)
{
    static const char question[] = "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[c";
    struct termios was, raw;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    bool mine = fd >= 0 && tcgetpgrp(fd) == getpgrp() && tcgetattr(fd, &was) == 0;
    if (mine) {
        raw = was;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        mine = tcsetattr(fd, TCSANOW, &raw) == 0;
        if (mine && write(fd, question, sizeof question - 1) == (ssize_t)sizeof question - 1)
            read_answer(fd, answer, size);
        if (mine) tcsetattr(fd, TCSAFLUSH, &was); /* with what came too late */
    }
    if (fd >= 0) close(fd);
    return mine;
}

/* Whether 4 is among the numbers of "\033[?62;4;22c". */
static bool has_sixel(const char *answer)
{
    const char *p = strstr(answer, "\033[?");
    for (p = p ? p + 3 : ""; *p && *p != 'c';) {
        char *end;
        long n = strtol(p, &end, 10);
        if (end == p) return false;
        if (n == 4 && p > strstr(answer, "\033[?") + 3) return true; /* the first is the kind of terminal */
        p = *end == ';' ? end + 1 : end;
    }
    return false;
}

static bool names_itself(const char *variable, const char *value)
{
    const char *is = getenv(variable);
    return is && strcmp(is, value) == 0;
}

TerminalPictures terminal_pictures(void)
{
    char answer[256] = "";
    const char *term = getenv("TERM");
    if (!isatty(STDERR_FILENO) || !term || !*term || strcmp(term, "dumb") == 0) return TERMINAL_NONE;
    bool within = str_starts(term, "screen") || str_starts(term, "tmux"); /* which pass nothing on */
    bool iterm = names_itself("TERM_PROGRAM", "iTerm.app") || names_itself("LC_TERMINAL", "iTerm2");
    if (iterm && !within) return TERMINAL_ITERM;
    if (!ask(answer, sizeof answer)) return TERMINAL_NONE;
    if (strstr(answer, "\033_Gi=31;OK")) return TERMINAL_KITTY;
    return has_sixel(answer) ? TERMINAL_SIXEL : TERMINAL_NONE;
}

/* ---- sixel ----------------------------------------------------------------------------------------------------------- */

enum { LEVELS = 6, COLOURS = LEVELS * LEVELS * LEVELS };

/* Levels of a colour cube, ordered dither between them. */
static uint8_t colour_at(const Image *im, int x, int y)
{
    static const uint8_t bayer[4][4] = { { 0, 8, 2, 10 }, { 12, 4, 14, 6 }, { 3, 11, 1, 9 }, { 15, 7, 13, 5 } };
    const uint8_t *p = im->rgb + 3 * ((size_t)y * (size_t)im->w + (size_t)x);
    int found = 0;
    for (int i = 0; i < 3; i++)
        found = found * LEVELS + (p[i] * (LEVELS - 1) * 16 + bayer[y & 3][x & 3] * 255) / (255 * 16);
    return (uint8_t)(found < COLOURS ? found : COLOURS - 1);
}

static void add_run(Str *out, char c, int count)
{
    if (count > 3) str_addf(out, "!%d%c", count, c);
    for (int i = 0; count <= 3 && i < count; i++) str_addn(out, &c, 1);
}

/* Six rows of pixels: for each of their colours, which of the six have it, column by column. */
static void add_band(Str *out, const Image *im, int top)
{
    bool first = true;
    for (int colour = 0; colour < COLOURS; colour++) {
        Str line = { 0 };
        int run = 0;
        char last = 0;
        bool any = false;
        for (int x = 0; x < im->w; x++) {
            int bits = 0;
            for (int y = 0; y < 6 && top + y < im->h; y++) bits |= (colour_at(im, x, top + y) == colour) << y;
            any = any || bits;
            char c = (char)(63 + bits);
            if (run && c != last) add_run(&line, last, run), run = 0;
            last = c;
            run++;
        }
        if (any) {
            add_run(&line, last, run);
            str_addf(out, "%s#%d%s", first ? "" : "$", colour, str_text(&line));
            first = false;
        }
        str_release(&line);
    }
    str_add(out, "-");
}

static void shrink(const Image *im, int w, int h, Image *out)
{
    double scale = (double)w / im->w < (double)h / im->h ? (double)w / im->w : (double)h / im->h;
    int to_w = (int)(im->w * scale), to_h = (int)(im->h * scale);
    if (scale >= 1) {
        image_copy(out, im);
        return;
    }
    Samples s =
        resample((Samples){ im->rgb, im->w, im->h, 3 }, to_w < 1 ? 1 : to_w, to_h < 1 ? 1 : to_h, RESAMPLE_BILINEAR);
    *out = (Image){ s.w, s.h, s.data, NULL };
}

void terminal_sixel(const Image *im, int w, int h, Str *out)
{
    Image small;
    shrink(im, w, h, &small);
    str_addf(out, "\033Pq\"1;1;%d;%d", small.w, small.h);
    for (int i = 0; i < COLOURS; i++)
        str_addf(out, "#%d;2;%d;%d;%d", i, i / (LEVELS * LEVELS) * 100 / (LEVELS - 1),
                 i / LEVELS % LEVELS * 100 / (LEVELS - 1), i % LEVELS * 100 / (LEVELS - 1));
    for (int top = 0; top < small.h; top += 6) add_band(out, &small, top);
    str_add(out, "\033\\");
    image_release(&small);
}

/* ---- the others ------------------------------------------------------------------------------------------------------ */

static bool add_png(const Image *im, Str *base64, size_t *bytes)
{
    Image small;
    Bytes png;
    Err e;
    shrink(im, PIXELS_MOST, PIXELS_MOST, &small);
    bool made = png_encode(&small, NULL, 0, &png, &e) == 0;
    image_release(&small);
    if (!made) return false;
    base64_add(base64, png);
    *bytes = png.len;
    free((void *)(size_t)png.data);
    return true;
}

static void add_kitty(const Image *im, const TerminalPlace *t, Str *out)
{
    Str data = { 0 };
    size_t bytes;
    if (!add_png(im, &data, &bytes)) return;
    for (size_t at = 0; at < data.len; at += KITTY_PIECE) {
        size_t len = data.len - at < KITTY_PIECE ? data.len - at : KITTY_PIECE;
        if (at == 0) str_addf(out, "\033_Ga=T,f=100,q=2,C=1,i=%d,p=1,c=%d,r=%d,", ID, t->columns, t->rows);
        else str_add(out, "\033_G");
        str_addf(out, "m=%d;", at + len < data.len);
        str_addn(out, data.s + at, len);
        str_add(out, "\033\\");
    }
    str_release(&data);
}

static void add_iterm(const Image *im, const TerminalPlace *t, Str *out)
{
    Str data = { 0 };
    size_t bytes;
    if (!add_png(im, &data, &bytes)) return;
    str_addf(out, "\033]1337;File=inline=1;size=%zu;width=%d;height=%d;preserveAspectRatio=1:%s\a", bytes, t->columns,
             t->rows, str_text(&data));
    str_release(&data);
}

/* ---- the place ------------------------------------------------------------------------------------------------------- */

/* Cells of about the picture's shape, which leave room for the line of progress. Returns a cell's size in pixels. */
static void choose_place(TerminalPlace *t, const Image *im, int *cell_w, int *cell_h)
{
    struct winsize s = { 0 };
    bool told = ioctl(STDERR_FILENO, TIOCGWINSZ, &s) == 0 && s.ws_row && s.ws_col;
    int rows = told ? s.ws_row : 24, columns = told ? s.ws_col : 80;
    *cell_w = told && s.ws_xpixel ? s.ws_xpixel / s.ws_col : CELL_W;
    *cell_h = told && s.ws_ypixel ? s.ws_ypixel / s.ws_row : CELL_H;
    if (*cell_w < 1) *cell_w = CELL_W;
    if (*cell_h < 1) *cell_h = CELL_H;
    if (t->rows) return;
    t->rows = rows - 3 < ROWS_MOST ? rows - 3 : ROWS_MOST;
    if (t->rows < 1) return;
    double shape = (double)im->w / im->h * *cell_h / *cell_w;
    t->columns = (int)(t->rows * shape + 0.5);
    if (t->columns > columns - 1) {
        t->columns = columns - 1;
        t->rows = (int)(t->columns / shape + 0.5);
    }
    if (t->columns < 1) t->columns = 1;
    for (int i = 0; i < t->rows; i++) fputc('\n', stderr);
}

void terminal_show(TerminalPlace *t, const Image *im)
{
    int cell_w, cell_h;
    Str out = { 0 };
    if (t->how == TERMINAL_NONE) return;
    choose_place(t, im, &cell_w, &cell_h);
    if (t->rows < 1) return;
    str_addf(&out, "\r\033[%dA\0337", t->rows); /* up, and the place is remembered */
    if (t->how == TERMINAL_KITTY) add_kitty(im, t, &out);
    else if (t->how == TERMINAL_ITERM) add_iterm(im, t, &out);
    else terminal_sixel(im, t->columns * cell_w, t->rows * cell_h, &out);
    str_addf(&out, "\0338\033[%dB\r", t->rows);
    fwrite(out.s, 1, out.len, stderr);
    fflush(stderr);
    str_release(&out);
}

void terminal_leave(TerminalPlace *t) { t->rows = 0; }
