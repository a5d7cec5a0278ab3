/* finish.c - see finish.h. */
#include "pipeline/finish.h"

#include "image/cutout.h"

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
