/*
 * jpeg.c - see formats.h. libjpeg ends the program at an error unless it is led elsewhere: here back to guarded(), by longjmp.
 * Source: libjpeg-turbo's libjpeg.txt, "Error handling" and "Progress monitoring"; Pillow's JpegImagePlugin.py for CMYK.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/mem.h"
#include "image/exif.h"
#include "image/formats.h"

enum {
    MAX_SCANS = 100,        /* of a progressive file; encoders write about ten, and each costs all pixels' time */
    MAX_MARKER = 0xFFFF,    /* bytes */
    MAX_MEMORY = 2000 << 20 /* of libjpeg's own */
};

typedef struct {
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    Announced *announced; /* to be filled, or NULL */
    Image *image;         /* to be filled, or NULL */
    JSAMPLE *row;
    Err *e;
} Reader;

static Reader *reader_of(j_common_ptr c) { return c->client_data; }

static void on_error(j_common_ptr c)
{
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    err_set(reader_of(c)->e, "broken JPEG: %s", text);
    longjmp(reader_of(c)->back, 1);
}

/* Words that are no error; but pixels that are missing are one: libjpeg would make them grey. */
static void on_message(j_common_ptr c, int level)
{
    int code = c->err->msg_code;
    if (level < 0 &&
        (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC))
        on_error(c);
}

static void on_progress(j_common_ptr c)
{
    if (((j_decompress_ptr)c)->input_scan_number <= MAX_SCANS) return;
    err_set(reader_of(c)->e, "a JPEG of more than %d scans: such files are made to waste time", MAX_SCANS);
    longjmp(reader_of(c)->back, 1);
}

/* Runs what may jump out of libjpeg. */
static int guarded(Reader *r, Bytes file, void (*work)(Reader *r, Bytes file))
{
    if (setjmp(r->back)) return -1;
    work(r, file);
    return 0;
}

static void fail(Reader *r) { longjmp(r->back, 1); }

static void read_header(Reader *r, Bytes file)
{
    jpeg_create_decompress(&r->d);
    r->d.client_data = r;
    r->d.progress = &r->progress;
    r->progress.progress_monitor = on_progress;
    r->d.mem->max_memory_to_use = MAX_MEMORY;
    jpeg_save_markers(&r->d, JPEG_APP0 + 1, MAX_MARKER);
    jpeg_mem_src(&r->d, file.data, (unsigned long)file.len);
    jpeg_read_header(&r->d, TRUE);
    if (format_check_size("a JPEG", r->d.image_width, r->d.image_height, r->e)) fail(r);
    /* a block of 8 x 8 has at least a bit, unless it is coded arithmetically */
    uint64_t blocks = (uint64_t)((r->d.image_width + 7) / 8) * ((r->d.image_height + 7) / 8);
    if (!r->d.arith_code && blocks > (uint64_t)file.len * 8) {
        err_set(r->e, "broken JPEG: %zu bytes cannot hold %u x %u pixels", file.len, r->d.image_width,
                r->d.image_height);
        fail(r);
    }
}

/* Other things than Exif stand in APP1, too. */
static int orientation_of(const Reader *r)
{
    for (jpeg_saved_marker_ptr m = r->d.marker_list; m; m = m->next)
        if (m->data_length >= 6 && memcmp(m->data, "Exif\0", 5) == 0)
            return exif_orientation((Bytes){ m->data, m->data_length });
    return 1;
}

/* Adobe's CMYK is stored inverted, and Pillow takes all of it so; its convert("RGB") is this. */
static void from_cmyk(uint8_t *rgb, const JSAMPLE *cmyk, size_t n)
{
    for (size_t i = 0; i < n; i++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) {
            unsigned ink = 255U - cmyk[c], white = cmyk[3], t = ink * white + 128;
            unsigned less = ((t >> 8) + t) >> 8;
            rgb[c] = (uint8_t)(white > less ? white - less : 0);
        }
}

static void read_pixels(Reader *r, Bytes file)
{
    read_header(r, file);
    struct jpeg_decompress_struct *d = &r->d;
    bool inks = d->jpeg_color_space == JCS_CMYK || d->jpeg_color_space == JCS_YCCK;
    d->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    size_t w = d->image_width, h = d->image_height;
    *r->image = (Image){ .w = (int)w, .h = (int)h, .rgb = mem_try(w * h * 3) };
    r->row = mem_alloc(w * 4);
    if (!r->image->rgb) {
        err_set(r->e, "out of memory: a JPEG of %zux%zu takes %zu MB", w, h, w * h * 3 >> 20);
        fail(r);
    }
    jpeg_start_decompress(d);
    while (d->output_scanline < d->output_height) {
        uint8_t *to = r->image->rgb + (size_t)d->output_scanline * w * 3;
        JSAMPROW row = inks ? r->row : to;
        jpeg_read_scanlines(d, &row, 1);
        if (inks) from_cmyk(to, r->row, w);
    }
    jpeg_finish_decompress(d);
}

static void read_announced(Reader *r, Bytes file)
{
    read_header(r, file);
    *r->announced =
        (Announced){ .w = (int)r->d.image_width, .h = (int)r->d.image_height, .orientation = orientation_of(r) };
}

static int run(Reader *r, Bytes file, void (*work)(Reader *r, Bytes file))
{
    r->d.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    int failed = guarded(r, file, work);
    jpeg_destroy_decompress(&r->d);
    free(r->row);
    return failed;
}

int jpeg_announced(Bytes file, Announced *out, Err *e)
{
    Reader r = { .announced = out, .e = e };
    return run(&r, file, read_announced);
}

int jpeg_decode(Bytes file, Image *out, Err *e)
{
    Reader r = { .image = out, .e = e };
    *out = (Image){ 0 };
    int failed = run(&r, file, read_pixels);
    if (failed) image_release(out);
    return failed;
}
