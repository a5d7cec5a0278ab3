/* finish.c - see finish.h. */
#include "pipeline/finish.h"

#include <string.h>

#include "image/cutout.h"
#include "image/png.h"
#include "image/resize.h"
#include "pipeline/metadata.h"

static const double TOLERANCE = 6;

int finish_check(Job *j, Err *e)
{
    int sizes[JOB_MAX_SIZES], drawn = j->width > j->height ? j->width : j->height;
    if (!j->transparent && (j->transparent_holes || j->transparent_tolerance >= 0))
        return err_usage(e, "transparent-%s: it says how, but --transparent is not asked for",
                         j->transparent_holes ? "holes" : "tolerance");
    if (j->transparent && j->transparent_tolerance < 0) j->transparent_tolerance = TOLERANCE;
    if (j->resize > drawn)
        return err_usage(e, "resize %d: the picture has %dx%d pixels and can only be made smaller", j->resize, j->width,
                         j->height);
    int longest = j->resize ? j->resize : drawn, count = job_sizes(j->sizes, sizes, e);
    if (count < 0) return err_in(e, "sizes");
    for (int i = 0; i < count; i++)
        if (sizes[i] > longest)
            return err_usage(e, "sizes: %d, but the picture's longer side has %d pixels and can only be made smaller",
                             sizes[i], longest);
    return 0;
}

bool finish_image(const Job *j, Image *im, double *plain)
{
    if (!j->transparent) return true;
    Cutout c = { .tolerance = j->transparent_tolerance, .holes = j->transparent_holes };
    *plain = image_cut_out(im, &c);
    return *plain >= CUTOUT_PLAIN;
}

int finish_png(const Job *j, const Model *m, const Image *im, uint64_t seed, int side, Bytes *png, Err *e)
{
    Str a1111 = { 0 }, json = { 0 };
    Job job;
    Image own = { 0 };
    job_copy(&job, j);
    if (side) job.resize = side;
    if (job.resize) {
        int w, h;
        image_fit(im->w, im->h, job.resize, &w, &h);
        image_resize(&own, im, w, h, job_tiles(j, 'x'), job_tiles(j, 'y'));
        image_bleed(&own);
    }
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

void finish_size_name(const char *path, int side, Str *out)
{
    size_t len = strlen(path);
    if (str_ends(path, ".png")) len -= 4;
    str_addn(out, path, len);
    str_addf(out, "_%d.png", side);
}
