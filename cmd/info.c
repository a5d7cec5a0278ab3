/* info.c - limn info: how a PNG was made, or what a model is. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/magic.h"
#include "base/utf8.h"
#include "cmd/command.h"
#include "cmd/say.h"
#include "image/png.h"
#include "pipeline/metadata.h"
#include "pipeline/model.h"

/* A stranger's text; its lines are indented. */
static void put_text(const char *text, const char *indent)
{
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        say(stdout, "%.*s\n%s", (int)n, text, text[n] ? indent : "");
    }
}

static void put_row(const char *name, const char *text)
{
    printf("  %-16s ", name);
    put_text(text, "    ");
}

/* What is as it always is, unless it is asked for, goes without saying here; --json has it. */
static bool goes_without_saying(const Job *usual, const Option *o, const char *value)
{
    Str other = { 0 };
    bool same = job_get(usual, o, &other) && strcmp(str_text(&other), value) == 0;
    str_release(&other);
    return same;
}

static void put_job(const Job *j, const Origin *from)
{
    Str made_by = { 0 };
    Job usual;
    job_init(&usual);
    str_addf(&made_by, "limn %s, kernels %s", from->version, from->kernels);
    put_row("made by", made_by.s);
    put_row("model", from->model);
    put_row("model sha256", from->sha256);
    str_release(&made_by);
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 };
        if (o->picture && job_get(j, o, &value) && value.len && !goes_without_saying(&usual, o, str_text(&value)))
            put_row(o->name, str_text(&value));
        str_release(&value);
    }
    job_release(&usual);
}

static void describe_text(const char *path, const PngTexts *texts, int w, int h)
{
    Job j;
    Origin from;
    Err e;
    const char *json = png_text(texts, METADATA_KEY);
    bool ours = json && metadata_parse(json, &j, &from, &e) == 0;

    put_text(path, "");
    printf("  %-16s %dx%d PNG\n", "size", w, h);
    if (ours) put_job(&j, &from);
    if (ours) job_release(&j);
    if (!texts->count) printf("  %-16s nothing is written in it\n", "made by");
    for (size_t i = 0; i < texts->count; i++) {
        const PngText *t = &texts->items[i];
        /* the job above says it all */
        if (ours && (strcmp(t->key, METADATA_KEY) == 0 || strcmp(t->key, METADATA_A1111_KEY) == 0)) continue;
        printf("\n");
        put_text(t->key, "");
        printf("  ");
        put_text(t->text, "  ");
    }
}

static void describe_json(const char *path, const PngTexts *texts, int w, int h)
{
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "path", path);
    cJSON_AddNumberToObject(root, "width", w);
    cJSON_AddNumberToObject(root, "height", h);
    const char *ours = png_text(texts, METADATA_KEY);
    Err unread;
    cJSON *settings = ours ? json_parse((Bytes){ (const unsigned char *)ours, strlen(ours) }, &unread) : NULL;
    if (settings) cJSON_AddItemToObject(root, "settings", settings);
    cJSON *all = cJSON_AddObjectToObject(root, "texts");
    for (size_t i = 0; i < texts->count; i++)
        if (!cJSON_GetObjectItemCaseSensitive(all, texts->items[i].key))
            cJSON_AddStringToObject(all, texts->items[i].key, texts->items[i].text);
    say_json(root);
}

static int describe_png(const char *path, Bytes file, bool json, Err *e)
{
    PngTexts texts;
    int w, h;
    if (png_read_texts(file, &texts, &w, &h, e)) return err_in(e, path);
    (json ? describe_json : describe_text)(path, &texts, w, h);
    png_texts_release(&texts);
    return 0;
}

static int describe_model(const char *path, const Job *j, Err *e)
{
    ModelPaths paths = {
        .path = path, .vae = j->vae, .unet = j->unet, .tokenizer = j->tokenizer, .refiner = j->refiner
    };
    Str text = { 0 };
    int failed = model_describe(&paths, j->json, j->width, j->height, &text, e);
    if (!failed && j->json) {
        say_json_text(str_text(&text));
    } else if (!failed) {
        text.s[--text.len] = 0; /* its final newline */
        put_text(text.s, "");
    }
    str_release(&text);
    return failed;
}

int cmd_info(const Args *a, Err *e)
{
    const char *path = a->count ? a->words[0] : a->job.model;
    if (!path || !*path) return err_usage(e, "a PNG or a model is expected: limn info x.png, limn info sprites");
    if (file_is_dir(path) || !file_exists(path)) return describe_model(path, &a->job, e);

    Bytes file;
    if (file_map(&file, path, e)) return -1;
    MagicKind kind = magic_of(file).kind;
    int failed = kind == MAGIC_PNG || kind == MAGIC_PICTURE ? describe_png(path, file, a->job.json, e)
                                                            : describe_model(path, &a->job, e);
    file_unmap(&file);
    return failed;
}
