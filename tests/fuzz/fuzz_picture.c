/*
 * fuzz_picture.c - a PNG of any bytes that decodes: cut out, made smaller, measured, put on a sheet with its texts,
 * written and read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/cutout.h"
#include "image/measure.h"
#include "image/png.h"
#include "image/resize.h"
#include "image/sheet.h"
#include "tests/fuzz/png_mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const Image *picture;
    const PngTexts *texts;
} Shown;

static Image copy_of(const Image *im)
{
    size_t pixels = (size_t)im->w * (size_t)im->h;
    Image copy = { .w = im->w, .h = im->h, .rgb = mem_array(pixels, 3) };
    memcpy(copy.rgb, im->rgb, pixels * 3);
    if (im->alpha) copy.alpha = memcpy(mem_array(pixels, 1), im->alpha, pixels);
    return copy;
}

static int cell(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    const Shown *s = ctx;
    (void)row;
    (void)e;
    if (s->texts->count) str_add(&out->caption, s->texts->items[(size_t)column % s->texts->count].text);
    if (column == 0) out->image = copy_of(s->picture);
    else out->failed = true;
    return 0;
}

static void on_a_sheet(const Image *im, const PngTexts *texts)
{
    Err e;
    Shown shown = { im, texts };
    Sheet s = { .title = texts->count ? texts->items[0].text : NULL,
                .rows = 1,
                .columns = 2,
                .cell_w = 64,
                .cell_h = 64,
                .captions = true,
                .picture = cell,
                .ctx = &shown };
    Image drawn;
    Bytes png;
    PngTexts back;
    if (sheet_draw(&s, 0, &drawn, &e)) return;
    if (png_encode(&drawn, texts->items, texts->count, &png, &e) == 0) {
        if (png_read_texts(png, &back, NULL, NULL, &e)) abort();
        png_texts_release(&back);
        free((void *)(size_t)png.data);
    }
    image_release(&drawn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes file = { data, size };
    Err e;
    Image im, small;
    PngTexts texts;
    int w, h;
    if (size <= 24 || data[16] || data[17] || data[18] || data[20] || data[21] || data[22])
        return 0; /* to 255 pixels */
    if (png_decode(file, &im, &e)) return 0;
    if (png_read_texts(file, &texts, NULL, NULL, &e)) texts = (PngTexts){ 0 };
    Image cut = copy_of(&im);
    image_cut_out(&cut, &(Cutout){ .tolerance = 6, .holes = true });
    image_bleed(&cut);
    image_fit(im.w, im.h, (im.w > im.h ? im.w : im.h) / 2 + 1, &w, &h);
    image_resize(&small, &cut, w, h, true, false);
    if (measure_check(&cut, &im, &e) == 0) {
        measure_psnr(&cut, &im);
        measure_ssim(&cut, &im);
        measure_flip(&cut, &im);
    }
    on_a_sheet(&im, &texts);
    image_release(&small);
    image_release(&cut);
    image_release(&im);
    png_texts_release(&texts);
    return 0;
}
