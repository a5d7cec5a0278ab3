/* recipe_size.c - how large the picture is, and its latent; see recipe_internal.h. */
#include <stdlib.h>

#include "image/load.h"
#include "pipeline/controls.h"
#include "pipeline/extend.h"
#include "pipeline/finish.h"
#include "pipeline/recipe_internal.h"

/*
 * The own size of the picture that it starts from, or else of the first map, cut down to what the model can draw; one that is extended
 * is not cut, since its bytes stay. Where it cannot be read, init.c says why. Error: a size that no model draws.
 */
int recipe_size_of_picture(const Model *m, Job *j, Err *e)
{
    int w = 0, h = 0, factor = vae_factor(m->vae);
    Extend more;
    Err unused;
    if (j->width || j->height || j->only_masked >= 0 || unet_label_width(m->unet)) return 0;
    char *path = j->init_image ? mem_strdup(j->init_image) : controls_first_picture(j);
    int unknown = !path || image_load_size(path, &w, &h, &unused), failed = 0;
    if (unknown) {
        free(path);
        return 0;
    }
    if (j->extend && extend_parse(j->extend, &more, &unused) == 0) {
        w += more.left + more.right;
        h += more.top + more.bottom;
        j->width = w;
        j->height = h;
    } else {
        int times = recipe_beside(m) == BESIDE_SMALL ? factor : 1; /* each pixel of it is a latent */
        j->width = w / factor * factor * times;
        j->height = h / factor * factor * times;
    }
    if (j->width < factor || j->height < factor || j->width > JOB_MAX_SIDE || j->height > JOB_MAX_SIDE)
        failed = err_usage(e,
                           "%.300s: %d x %d pixels are drawn as they are, and a side must have %d to %d: say the size "
                           "with -W and -H",
                           path, w, h, factor, JOB_MAX_SIDE);
    free(path);
    return failed;
}

/* A level of odd size would be halved and doubled with its ends apart: a tiled axis must halve evenly all the way. */
static int check_tiled_side(const Model *m, const char *name, int side, Err *e)
{
    int factor = vae_factor(m->vae) * unet_factor(m->unet), below = side / factor * factor;
    if (side % factor == 0) return 0;
    return err_usage(e, "%s %d: with --tile along it this model draws multiples of %d, such as %d", name, side, factor,
                     below ? below : factor);
}

/* What the UNet takes at once, in latents. */
static int choose_window(Recipe *r, const Model *m, Err *e)
{
    Job *j = &r->said;
    int factor = vae_factor(m->vae);
    if (!j->diffusion_tile && j->diffusion_overlap >= 0)
        return err_usage(e, "diffusion-overlap: there is no --diffusion-tile");
    if (!j->diffusion_tile) return 0;
    int quarter = j->diffusion_tile / 4 / factor * factor;
    if (j->diffusion_overlap < 0) j->diffusion_overlap = quarter;
    r->window = j->diffusion_tile / factor;
    r->overlap = (int)j->diffusion_overlap / factor;
    if (r->overlap >= r->window)
        return err_usage(e, "diffusion-overlap %g: less than the tile's %d is expected", j->diffusion_overlap,
                         j->diffusion_tile);
    if (r->wrap_x || r->wrap_y)
        return err_usage(e, "diffusion-tile: not together with --tile: a window's own ends are no neighbours");
    return 0;
}

/* The latent's size. */
int recipe_choose_size(Recipe *r, const Model *m, Err *e)
{
    const Job *j = &r->said;
    if (recipe_check_size(m, j->width, j->height, e) || finish_check(&r->said, e)) return -1;
    r->wrap_x = job_tiles(j, 'x');
    r->wrap_y = job_tiles(j, 'y');
    if (r->wrap_x && check_tiled_side(m, "width", j->width, e)) return -1;
    if (r->wrap_y && check_tiled_side(m, "height", j->height, e)) return -1;
    r->w = j->width / vae_factor(m->vae);
    r->h = j->height / vae_factor(m->vae);
    return choose_window(r, m, e);
}
