/* convert.c - see convert.h. */
#define _GNU_SOURCE
#include "convert/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/mem.h"
#include "convert/layouts.h"
#include "weights/averages.h"
#include "weights/read.h"
#include "weights/safetensors.h"

static bool to_file(const ConvertJob *j)
{
    return j->layout ? strcmp(j->layout, "file") == 0 : weights_ending(j->out) > 0;
}

static int check_names(const ConvertJob *j, Err *e)
{
    if (to_file(j) && !weights_ending(j->out))
        return err_usage(e, "%s: a single file is expected to be called NAME.safetensors, or NAME.gguf with --type",
                         j->out);
    if (j->type && !to_file(j)) return err_usage(e, "--type: of a single file, NAME.gguf or NAME.safetensors");
    if (j->type && j->precision) return err_usage(e, "--type and --precision: one of them");
    if (!j->type && to_file(j) && str_ends(j->out, ".gguf"))
        return err_usage(e, "%s: which --type? For example q8_0", j->out);
    if (!to_file(j) && weights_ending(j->out))
        return err_usage(e, "%s: that is the name of a file; a folder has another", j->out);
    if (file_named(j->out)) return err_set(e, "%s: is there already, and is not replaced", j->out);
    return 0;
}

/* ---- a file ---------------------------------------------------------------------------------------------------------- */

static const char *prediction_of(const Model *m)
{
    static const char *const names[] = {
        [PREDICT_EPSILON] = "epsilon", [PREDICT_V] = "v_prediction", [PREDICT_SAMPLE] = "sample"
    };
    return names[m->noise.prediction];
}

static int add_from_parts(Plan *p, const Model *m, Err *e)
{
    const Parts *parts = m->files;
    bool whole = parts->hashed_path && str_ends(parts->hashed_path, ".safetensors");
    plan_metadata(p, whole ? parts->hashed : (Bytes){ 0 }, prediction_of(m));
    if (m->noise.prediction == PREDICT_V) plan_mark(p, "v_pred");
    if (m->noise.zero_terminal_snr) plan_mark(p, "ztsnr");
    return layout_file(p, parts, e);
}

static int add_from_file(Plan *p, const ConvertJob *j, Weights *all, Bytes file, const Watch *w, Err *e)
{
    size_t dropped;
    char text[160];
    if (safetensors_read(all, file, e)) return -1;
    int averages = averages_unfold(all, e); /* they are written as the UNet that they stand for */
    if (averages < 0 || layout_same(p, all, j->prune || averages, &dropped, e)) return -1;
    plan_metadata(p, file, NULL);
    snprintf(text, sizeof text, "%.1f MB of the file are left out: no network has them", (double)dropped * 1e-6);
    if (dropped) watch_warn(w, text);
    return 0;
}

/* What is read again must be what it was made of; else it goes. */
static int check_written(const ConvertJob *j, const Model *was, const Watch *w, Err *e)
{
    ModelPaths paths = { .path = j->out, .tokenizer = j->tokenizer, .no_weights = true };
    Err why;
    Model *m = model_open(&paths, &why);
    bool good = m && !same_models(was, m, w, &why);
    model_free(m);
    return good ? 0 : err_set(e, "%s cannot be kept in that layout: %s", j->in, why.text);
}

static int write_file(const ConvertJob *j, const Model *m, const Watch *w, Converted *made, Err *e)
{
    Folder f;
    const char *name;
    Plan p;
    Weights *all = weights_new();
    const Parts *parts = m->files;
    bool same = parts->files && parts->hashed.data == parts->file[0].bytes.data && !j->vae &&
                str_ends(parts->file[0].path, ".safetensors");
    plan_init(&p, j, w);
    int failed = same ? add_from_file(&p, j, all, parts->hashed, w, e) : add_from_parts(&p, m, e);
    if (!failed && !(failed = folder_of(&f, j->out, &name, e))) {
        failed = j->type ? plan_pack(&p, j->out, made, e) : plan_write(&p, &f, name, made, e);
        if (!failed && check_written(j, m, w, e)) {
            folder_remove(&f, name);
            failed = -1;
        }
        folder_close(&f);
    }
    plan_release(&p);
    weights_free(all);
    return failed ? -1 : 0;
}

/* ---- a folder -------------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *dir) { nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static int write_folder(const ConvertJob *j, const Model *m, const Watch *w, Converted *made, Err *e)
{
    Str dir = { 0 };
    size_t len = strlen(j->out);
    while (len > 1 && j->out[len - 1] == '/') len--;
    str_addf(&dir, "%.*s.limn-XXXXXX", (int)len, j->out);
    if (!mkdtemp(dir.s)) {
        err_set(e, "%s: cannot make a folder there: %s", j->out, strerror(errno));
        str_release(&dir);
        return -1;
    }
    mode_t mask = umask(0); /* as mkdir() would have made it */
    umask(mask);
    chmod(dir.s, 0777 & ~mask);
    ConvertJob there = *j;
    there.out = dir.s;
    there.tokenizer = NULL;
    int failed = layout_folder(j, m->files, w, dir.s, made, e) || check_written(&there, m, w, e);
    char *out = mem_strndup(j->out, len);
    if (!failed && renameat2(AT_FDCWD, dir.s, AT_FDCWD, out, RENAME_NOREPLACE))
        failed = err_set(e, "%s: cannot give it that name: %s", out, strerror(errno));
    if (failed) remove_tree(dir.s);
    free(out);
    str_release(&dir);
    return failed ? -1 : 0;
}

int convert(const ConvertJob *j, const Watch *w, Converted *made, Err *e)
{
    ModelPaths paths = { .path = j->in, .vae = j->vae, .tokenizer = j->tokenizer, .no_weights = true };
    *made = (Converted){ .bytes = 0 };
    if (check_names(j, e)) return -1;
    Model *m = model_open(&paths, e);
    if (!m) return -1;
    if (to_file(j) && layout_is_seen(m->files)) {
        model_free(m);
        return err_set(e,
                       "%s has parts of its own to see a picture with, which a single file does not keep: convert it "
                       "into a folder, or "
                       "give its UNet alone",
                       j->in);
    }
    int failed = to_file(j) ? write_file(j, m, w, made, e) : write_folder(j, m, w, made, e);
    model_free(m);
    return failed;
}
