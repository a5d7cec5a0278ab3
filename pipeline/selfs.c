/* selfs.c - see selfs.h. */
#include "pipeline/selfs.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

enum { MOST = 200 /* bytes: an expression's automaton grows with it */ };

int selfs_check(const char *text, Err *e)
{
    static const char *const may = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,()|*^$";
    regex_t r;
    List words;
    size_t odd = strspn(text, may);
    if (!*text || strlen(text) > MOST)
        return err_usage(e, "\"%.60s\" is not a list of layers, such as mid,up_blocks.1", text);
    if (text[odd])
        return err_usage(e, "\"%.60s\" has a \"%.1s\": letters, digits and _ . ( ) | * are expected", text, text + odd);
    if (list_split(&words, text, e)) return -1;
    int failed = 0;
    for (int i = 0; i < words.count && !failed; i++) {
        failed = regcomp(&r, words.items[i], REG_EXTENDED | REG_NOSUB);
        if (failed) err_usage(e, "\"%.60s\" is not an expression: brackets must match", words.items[i]);
        else regfree(&r);
    }
    list_release(&words);
    return failed ? -1 : 0;
}

/* Names of blocks that have some, for a message: "down_blocks.0 down_blocks.1 mid_block". */
static void blocks_of(const UNet *u, Str *out)
{
    char name[UNET_SELF_NAME], last[UNET_SELF_NAME] = "";
    for (int i = 0; i < unet_selfs(u); i++) {
        unet_self_name(u, i, name);
        *strstr(name, ".attentions") = '\0';
        if (strcmp(name, last) != 0) str_addf(out, "%s%s", out->len ? ", " : "", name);
        memcpy(last, name, sizeof last);
    }
}

static int find_word(const UNet *u, const char *option, const char *word, bool *at, Err *e)
{
    regex_t r;
    char name[UNET_SELF_NAME];
    bool found = false;
    if (regcomp(&r, word, REG_EXTENDED | REG_NOSUB)) return err_usage(e, "%s %.60s: it is no expression", option, word);
    for (int i = 0; i < unet_selfs(u); i++) {
        unet_self_name(u, i, name);
        if (regexec(&r, name, 0, NULL, 0)) continue;
        found = at[i] = true;
    }
    regfree(&r);
    if (found) return 0;
    Str blocks = { 0 };
    blocks_of(u, &blocks);
    err_usage(e, "%s %.60s: no self-attention of this model has that in its name%s%s", option, word,
              blocks.len ? "; they are in " : "; it has none", str_text(&blocks));
    str_release(&blocks);
    return -1;
}

int selfs_find(const UNet *u, const char *option, const char *text, bool **at, Err *e)
{
    List words;
    *at = mem_array((size_t)unet_selfs(u) + 1, sizeof **at);
    if (list_split(&words, text, e)) return err_in(e, option);
    int failed = 0;
    for (int i = 0; i < words.count && !failed; i++) failed = find_word(u, option, words.items[i], *at, e);
    list_release(&words);
    return failed;
}

/* ---- the teller ---- */

static SelfKind kind_of(BranchKind of)
{
    return of == BRANCH_IDENTITY ? SELF_IDENTITY : of == BRANCH_SMOOTHED ? SELF_BLURRED : SELF_PLAIN;
}

void selfs_tell(const Generator *g, const Evaluation *ev, UNetInputs *in)
{
    const Recipe *r = &g->recipe;
    bool any = ev->map != NULL;
    for (int i = 0; i < ev->branches; i++) {
        in->self.kind[i] = kind_of(ev->branch[i].of);
        any = any || in->self.kind[i] != SELF_PLAIN;
    }
    in->self.groups = any ? ev->branches : 0;
    in->self.at[SELF_IDENTITY] = r->self_at[SELF_IDENTITY];
    in->self.at[SELF_BLURRED] = r->self_at[SELF_BLURRED];
    in->self.blur = r->said.seg_sigma;
    in->self.merge = r->said.tome > 0 ? r->said.tome : 0;
    in->self.tile = r->said.hypertile / vae_factor(g->m->vae);
    in->self.tile_depth = r->said.hypertile_depth;
    if (!ev->map) return;
    int h = ev->x.h, w = ev->x.w;
    in->self.map_at = unet_middle_self(g->m->unet, &h, &w);
    in->self.map = *ev->map;
}

void selfs_key(const Generator *g, CacheKey *key)
{
    const Recipe *r = &g->recipe;
    size_t count = (size_t)unet_selfs(g->m->unet);
    const double fewer[] = { r->said.tome, r->said.hypertile, r->said.hypertile_depth };
    if (r->said.tome > 0 || r->said.hypertile) key_add(key, fewer, sizeof fewer);
    for (int i = 0; i < SELF_KINDS; i++)
        if (r->self_at[i]) key_add(key, r->self_at[i], count * sizeof *r->self_at[i]);
    if (r->self_at[SELF_BLURRED]) key_add(key, &r->said.seg_sigma, sizeof r->said.seg_sigma);
}
