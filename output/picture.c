/* picture.c - see picture.h. */
#include "output/picture.h"

#include <string.h>

#include "image/cutout.h"
#include "image/png.h"
#include "image/resize.h"
#include "pipeline/metadata.h"

void output_image(const Job *j, const Image *im, int side, Image *out)
{
    int w, h, longest = side ? side : j->resize;
    if (!longest) {
        image_copy(out, im);
        return;
    }
    image_fit(im->w, im->h, longest, &w, &h);
    image_resize(out, im, w, h, job_tiles(j, 'x'), job_tiles(j, 'y'));
    image_bleed(out);
}

int output_png(const Job *j, const Model *m, const Image *im, uint64_t seed, int side, Bytes *png, Err *e)
{
    Str a1111 = { 0 }, json = { 0 };
    Job job;
    Image own = { 0 };
    job_copy(&job, j);
    if (side) job.resize = side;
    if (job.resize) output_image(&job, im, 0, &own);
    metadata_a1111(&job, m, seed, &a1111);
    metadata_json(&job, m, seed, &json);
    PngText texts[] = { { METADATA_A1111_KEY, a1111.s }, { METADATA_KEY, json.s } };
    int failed = png_encode(job.resize ? &own : im, texts, 2, png, e);
    image_release(&own);
    job_release(&job);
    str_release(&a1111);
    str_release(&json);
    return failed;
}

void output_size_name(const char *path, int side, Str *out)
{
    size_t len = strlen(path);
    if (str_ends(path, ".png")) len -= 4;
    str_addn(out, path, len);
    str_addf(out, "_%d.png", side);
}
