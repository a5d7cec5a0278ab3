/* foreign_picture.c - see foreign_picture.h. */
#include "again/foreign_picture.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "again/readers.h"
#include "base/magic.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"
#include "image/comment.h"

enum { TEXT_MAX = 4 << 20 }; /* bytes of a text file, or of one text */

static void add(PngTexts *t, const char *key, char *text)
{
    if (!text) return;
    t->items = mem_grow(t->items, (t->count + 1) * sizeof *t->items);
    t->items[t->count++] = (PngText){ mem_strdup(key), text };
}

static char *as_utf8(const char *s, size_t n)
{
    Str out = { 0 };
    if (n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) s += 3, n -= 3;
    utf8_add(&out, s, n);
    return out.s ? out.s : mem_strdup("");
}

int foreign_texts(Bytes file, PngTexts *out, Err *e)
{
    *out = (PngTexts){ 0 };
    Magic m = magic_of(file);
    if (m.kind == MAGIC_PNG) {
        if (png_read_texts(file, out, NULL, NULL, e)) return -1;
        if (!png_text(out, COMMENT_KEY)) add(out, COMMENT_KEY, comment_of(file));
        return 0;
    }
    if (m.kind == MAGIC_PICTURE) {
        add(out, COMMENT_KEY, comment_of(file));
        add(out, COMMENT_XMP, comment_xmp(file));
        return 0;
    }
    bool text = m.kind == MAGIC_TEXT || m.kind == MAGIC_UNKNOWN;
    if (!text || !file.len || memchr(file.data, 0, file.len))
        return err_set(e, "%s: a picture is expected (PNG, JPEG, WebP), or the text that belongs to one",
                       !file.len ? "an empty file"
                       : m.what  ? m.what
                                 : "no picture and no text");
    if (file.len > TEXT_MAX) return err_set(e, "a text of %zu bytes: limn reads %d", file.len, TEXT_MAX);
    add(out, "text", as_utf8((const char *)file.data, file.len));
    return 0;
}

bool foreign_beside(const char *picture, PngTexts *out, char **path)
{
    static const char *const endings[] = { ".txt", ".json" };
    size_t stem = (size_t)(path_last(picture) - picture) + path_stem(path_last(picture));
    size_t dash = stem;
    while (dash && picture[dash] != '-') dash--;
    size_t lengths[] = { stem, picture + dash > path_last(picture) ? dash : 0 };
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; lengths[l] && i < sizeof endings / sizeof *endings; i++) {
            Str name = { 0 };
            Bytes file;
            Err ignored;
            str_addn(&name, picture, lengths[l]);
            str_add(&name, endings[i]);
            bool there = strcmp(name.s, picture) != 0 && file_exists(name.s) && file_map(&file, name.s, &ignored) == 0;
            bool read = there && magic_of(file).kind != MAGIC_PNG && foreign_texts(file, out, &ignored) == 0;
            if (there) file_unmap(&file);
            if (read) {
                *path = name.s;
                return true;
            }
            str_release(&name);
        }
    return false;
}

/* ---- whose it is ---- */

/* XML's five entities and numbers, in place. */
static void unescape(char *text)
{
    static const struct {
        const char *name;
        char c;
    } entities[] = { { "&quot;", '"' }, { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&apos;", '\'' } };
    char *to = text;
    for (const char *p = text; *p;) {
        size_t n = 0;
        for (size_t i = 0; *p == '&' && i < sizeof entities / sizeof *entities; i++)
            if (str_starts(p, entities[i].name)) {
                *to++ = entities[i].c;
                n = strlen(entities[i].name);
                break;
            }
        if (!n && (str_starts(p, "&#10;") || str_starts(p, "&#xA;"))) *to++ = '\n', n = 5;
        if (!n) *to++ = *p, n = 1;
        p += n;
    }
    *to = '\0';
}

/* The JSON in an XMP packet's exif:UserComment, as Draw Things writes it; heap, NULL: none. */
static char *xmp_comment(const char *xmp)
{
    const char *at = xmp ? strstr(xmp, "UserComment") : NULL, *from = at ? strchr(at, '{') : NULL;
    const char *attribute = at && at[11] == '=' ? at + 12 : NULL, *end = NULL;
    if (!from) return NULL;
    if (attribute) end = strchr(attribute + 1, *attribute);
    else end = strstr(from, "</");
    if (!end || end < from) return NULL;
    char *text = mem_strndup(from, (size_t)(end - from));
    unescape(text);
    return text;
}

static bool settings_of(const char *text, Reading *r)
{
    cJSON *root = text ? loose_json(text) : NULL;
    bool is = root && read_settings(r, root);
    cJSON_Delete(root);
    return is;
}

/* Whether an object looks like ComfyUI's nodes. */
static bool is_graph(const cJSON *root)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, root) if (cJSON_GetObjectItemCaseSensitive(node, "class_type")) return true;
    return false;
}

/* 1: it is one, and was read; 0: it is none. */
static int try_graph(const char *text, const char *id, Reading *r, Err *e)
{
    cJSON *root = text ? loose_json(text) : NULL, *made = NULL;
    const cJSON *graph = root;
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(root, "prompt");
    if (is_graph(inner)) graph = inner; /* what the API is sent */
    else if (!is_graph(graph)) graph = made = comfyui_from_workflow(root);
    int found = is_graph(graph);
    if (found && read_comfyui(r, graph, id, e)) found = -1;
    if (found && made)
        reading_remark(
            r, MATTERS_LITTLE,
            "only ComfyUI's workflow is written in it, whose values have no names: they are read by their places");
    cJSON_Delete(made);
    cJSON_Delete(root);
    return found;
}

/* Easy Diffusion writes a text a key. */
static bool each_a_text(const PngTexts *t, Reading *r)
{
    if (!png_text(t, "num_inference_steps") || !png_text(t, "guidance_scale")) return false;
    cJSON *all = cJSON_CreateObject();
    for (size_t i = 0; i < t->count && i < 100; i++)
        if (!cJSON_HasObjectItem(all, t->items[i].key)) cJSON_AddStringToObject(all, t->items[i].key, t->items[i].text);
    bool is = read_settings(r, all);
    cJSON_Delete(all);
    return is;
}

/* NovelAI's prompt is the description; its settings are the comment. */
static bool novelai(const PngTexts *t, Reading *r)
{
    const char *comment = png_text(t, "Comment"), *prompt = png_text(t, "Description");
    if (!comment || !settings_of(comment, r)) return false;
    if (prompt && strcmp(r->tool, "NovelAI") == 0) reading_set(r, "prompt", prompt);
    return true;
}

static int read_any(const PngTexts *t, const char *node, Reading *r, Err *e)
{
    static const char *const graphs[] = { "prompt", "workflow", "text", COMMENT_KEY };
    static const char *const settings[] = { "invokeai_metadata", "sd-metadata", "parameters", COMMENT_KEY, "text" };
    static const char *const infotexts[] = { "parameters", COMMENT_KEY, "text" };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings_of(png_text(t, settings[i]), r)) return 0;
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        int found = try_graph(png_text(t, graphs[i]), node, r, e);
        if (found) return found < 0 ? -1 : 0;
    }
    const char *dream = png_text(t, "Dream");
    if (dream && read_dream(r, dream)) return 0;
    if (novelai(t, r) || each_a_text(t, r)) return 0;
    char *xmp = xmp_comment(png_text(t, COMMENT_XMP));
    bool is = settings_of(xmp, r);
    free(xmp);
    for (size_t i = 0; !is && i < sizeof infotexts / sizeof *infotexts; i++)
        is = png_text(t, infotexts[i]) && read_infotext(r, png_text(t, infotexts[i]));
    if (is) return 0;
    return err_set(e, t->count ? "nothing in it is a tool's settings that limn knows: limn info shows what is there"
                               : "nothing is written in it: many sites and programs take such texts out");
}

int foreign_read(const PngTexts *texts, const char *node, Reading *r, Err *e)
{
    reading_init(r, "?");
    for (size_t i = 0; i < texts->count; i++)
        if (strlen(texts->items[i].text) > TEXT_MAX)
            return err_set(e, "its text \"%.40s\" has %zu bytes: limn reads %d", texts->items[i].key,
                           strlen(texts->items[i].text), TEXT_MAX);
    if (read_any(texts, node, r, e)) return -1;
    if (node && strcmp(r->tool, "ComfyUI") != 0)
        return err_usage(e, "--node: that is for ComfyUI's graphs, this is %s's text", r->tool);
    r->job.count = 1;
    return 0;
}
