/* parts_alone.c - one part from a place of its own (--vae, --unet): a folder or a file. See parts_internal.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "pipeline/parts_name.h"
#include "weights/kind.h"
#include "weights/read.h"
#include "weights/shapes.h"

static const char *const wanted[] = {
    [ROLE_TEXT] = "a text encoder", [ROLE_NETWORK] = "a UNet", [ROLE_CODEC] = "a VAE"
};

/* Without a configuration a VAE is taken for one of the model's family. */
double parts_vae_scaling(const Parts *parts)
{
    const Part *unet = parts_next(parts, ROLE_NETWORK, NULL);
    if (parts->vae_scaling > 0) return parts->vae_scaling;
    return unet && shapes_pooled(unet->weights) ? VAE_SCALING_XL : VAE_SCALING;
}

bool parts_given_alone(const Part *part, const ModelPaths *p)
{
    return (p->vae && part->is->role == ROLE_CODEC) || (p->unet && part->is->role == ROLE_NETWORK);
}

void parts_hash_by(Parts *parts, const PartFile *file)
{
    free(parts->hashed_path);
    parts->hashed = file->bytes;
    parts->hashed_id = file->id;
    parts->hashed_path = mem_strdup(file->path);
}

static int open_file(Parts *parts, Part *part, const char *path, const char *option, Err *e)
{
    Weights *all = weights_new();
    PartFile *file;
    int failed = -1;

    part->where = mem_strdup(path);
    part->config_where = mem_strdup(path);
    if (parts_map(parts, path, &file, e)) goto done;
    if (weights_read(all, file->bytes, e)) {
        err_in(e, path);
        goto done;
    }
    if (part->is->role == ROLE_NETWORK) parts_hash_by(parts, file);
    const FileConfig c = { .scaling_factor = parts_vae_scaling(parts) };
    const Kind *kind = kind_of(all);
    if (part->is->role == ROLE_CODEC && parts_is_tiny(all))
        failed = parts_take_tiny(parts, part, all, path, e) ? err_in(e, path) : 0;
    else if (parts_form(all, part->is) || (kind->id == KIND_VAE && part->is->role == ROLE_CODEC))
        failed = parts_take(part, all, &c, e) ? err_in(e, path) : 0;
    else if (kind->id == KIND_CHECKPOINT)
        err_set(e, "%s: %s without %s: %s wants one", path, kind->what, wanted[part->is->role], option);
    else err_set(e, "%s: this is %s: %s wants %s", path, kind->what, option, wanted[part->is->role]);
    if (!failed && part->is->role == ROLE_CODEC) parts_shift_vae(parts, part);

done:
    weights_free(all);
    return failed;
}

static int open_place(Parts *parts, Part *part, const char *path, const char *option, Err *e)
{
    if (!file_is_dir(path)) return open_file(parts, part, path, option, e);
    Source *s = source_open(path, e);
    if (!s) return -1;
    parts_keep(parts, s);
    Str config = { 0 };
    str_addf(&config, "%s/config.json", part->is->name);
    const char *folder = source_has(s, config.s) && !source_has(s, "config.json") ? part->is->name : "";
    str_release(&config);
    return parts_read_component(parts, s, folder, part, e);
}

int parts_open_alone(Parts *parts, Part *part, const char *path, const char *option, Err *e)
{
    free(part->where);
    free(part->config_where);
    part->where = part->config_where = NULL;
    char *fetched = file_exists(path) ? NULL : parts_name_fetched(path);
    int failed = !fetched && !file_exists(path) ? parts_name_missing(path, e)
                                                : open_place(parts, part, fetched ? fetched : path, option, e);
    free(fetched);
    return failed ? err_in(e, option) : 0;
}
