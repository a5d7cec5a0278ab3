/* modules.c - a file's tensors, sorted into the modules that they change. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "weights/safetensors.h"

/* One tensor, by what its name says. */
typedef struct {
    const Weight *tensor;
    AdapterName name;
} Entry;

static int by_module(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->name.network != y->name.network) return x->name.network < y->name.network ? -1 : 1;
    int order = strcmp(str_text(&x->name.module), str_text(&y->name.module));
    return order ? order : (x->name.factor > y->name.factor) - (x->name.factor < y->name.factor);
}

/* The module that the entry goes on with, or a new one. */
static Module *module_of(Modules *m, const Entry *n)
{
    Module *last = m->count ? &m->module[m->count - 1] : NULL;
    if (last && last->network == n->name.network && strcmp(last->name, str_text(&n->name.module)) == 0) return last;
    m->module = mem_grow(m->module, (m->count + 1) * sizeof *m->module);
    last = &m->module[m->count++];
    *last = (Module){ .network = n->name.network,
                      .name = mem_strdup(str_text(&n->name.module)),
                      .dotted = mem_strdup(str_text(&n->name.dotted)) };
    return last;
}

static int sort_tensors(Modules *m, Entry *entry, size_t count, Err *e)
{
    char buf[SHOWN_MAX];
    qsort(entry, count, sizeof *entry, by_module);
    for (size_t i = 0; i < count; i++) {
        Module *to = module_of(m, &entry[i]);
        const Weight **at = &to->factor[entry[i].name.factor];
        if (*at)
            return err_set(e, "the tensors \"%s\" and another say the same of one module",
                           shown(entry[i].tensor->name, buf));
        *at = entry[i].tensor;
    }
    return 0;
}

/* ---- PEFT's settings ----------------------------------------------------------------------------------------------------- */

static const char *const prefixes[NETWORK_COUNT] = { "unet.", "text_encoder.", "text_encoder_2." };

static const cJSON *setting(const cJSON *peft, AdapterNetwork n, const char *what)
{
    Str key = { 0 };
    str_addf(&key, "%s%s", prefixes[n], what);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(peft, str_text(&key));
    str_release(&key);
    return item;
}

/* Whether a pattern's key names the module: its last parts, "\." as ".". *plain false: it is more than a name. */
static bool pattern_names(const char *pattern, const char *module, bool *plain)
{
    Str name = { 0 };
    for (const char *p = pattern; *p; p++)
        if (*p != '\\' && (p[0] != '^' || p != pattern)) str_addn(&name, p, 1);
    if (name.len && name.s[name.len - 1] == '$') name.s[--name.len] = 0;
    *plain = name.len && !str_text(&name)[strcspn(str_text(&name), "*+?|()[]{}^$")];
    size_t len = strlen(module);
    bool whole = pattern[0] == '^';
    bool fits = *plain && len >= name.len && strcmp(module + len - name.len, str_text(&name)) == 0 &&
                (len == name.len || (!whole && module[len - name.len - 1] == '.'));
    str_release(&name);
    return fits;
}

static int read_alpha(Module *m, const cJSON *peft, Err *e)
{
    char buf[SHOWN_MAX];
    const cJSON *alpha = setting(peft, m->network, "lora_alpha"), *item;
    cJSON_ArrayForEach(item, setting(peft, m->network, "alpha_pattern"))
    {
        bool plain;
        if (pattern_names(item->string, m->dotted, &plain)) {
            alpha = item;
            break;
        }
        if (!plain)
            return err_set(e, "its metadata's alpha_pattern has \"%s\": limn reads names there, and no expressions",
                           shown(item->string, buf));
    }
    if (cJSON_IsNumber(alpha)) m->alpha = alpha->valuedouble;
    m->root = cJSON_IsTrue(setting(peft, m->network, "use_rslora"));
    return isfinite(m->alpha) ? 0 : err_set(e, "its metadata's lora_alpha is no number");
}

/* The rank is what the factors have, whatever rank_pattern says. */
static int read_settings(Modules *m, Bytes file, Err *e)
{
    char *text = safetensors_metadata(file, "lora_adapter_metadata");
    if (!text) return 0;
    m->peft = json_parse((Bytes){ (const unsigned char *)text, strlen(text) }, e);
    free(text);
    if (!m->peft) return err_in(e, "lora_adapter_metadata");
    for (size_t i = 0; i < m->count; i++)
        if (m->module[i].network < NETWORK_COUNT && read_alpha(&m->module[i], m->peft, e)) return -1;
    return 0;
}

/* ---- vectors of words in the same file ------------------------------------------------------------------------------------ */

static const char BUNDLE[] = "bundle_emb.";

/* "bundle_emb.ink.string_to_param.*": the word, once. */
static void add_bundled(Modules *m, const char *name)
{
    char word[SHOWN_MAX], buf[SHOWN_MAX];
    size_t len = strcspn(name + sizeof BUNDLE - 1, ".");
    snprintf(word, sizeof word, "%.*s", (int)(len < SHOWN_MAX / 2 ? len : SHOWN_MAX / 2), name + sizeof BUNDLE - 1);
    shown(word, buf);
    if (!m->bundled.len || !strstr(m->bundled.s, buf)) str_addf(&m->bundled, "%s%s", m->bundled.len ? ", " : "", buf);
}

/* ---- all of it ----------------------------------------------------------------------------------------------------------- */

static void entry_release(Entry *x)
{
    str_release(&x->name.module);
    str_release(&x->name.dotted);
    *x = (Entry){ 0 };
}

int modules_read(Modules *m, Weights *w, Bytes file, bool partial, Err *e)
{
    size_t count = weights_count(w), read = 0;
    Entry *entry = mem_array(count + 1, sizeof *entry);
    int failed = 0;
    *m = (Modules){ 0 };
    for (size_t i = 0; i < count && !failed; i++) {
        const Weight *t = weights_at(w, i);
        if (str_starts(t->name, BUNDLE)) {
            add_bundled(m, t->name);
            continue;
        }
        entry[read].tensor = t;
        failed = adapter_name(t->name, &entry[read].name, e);
        if (!failed) read++;
        else entry_release(&entry[read]);
        if (!failed || !partial) continue;
        if (!m->odd++) m->first_odd = *e; /* a name of nothing that there is */
        failed = 0;
    }
    if (!failed) failed = sort_tensors(m, entry, read, e) || read_settings(m, file, e) ? -1 : 0;
    for (size_t i = 0; i < read; i++) entry_release(&entry[i]);
    free(entry);
    if (!failed && !m->count) failed = m->odd ? (*e = m->first_odd, -1) : err_set(e, "there is nothing in it");
    return failed;
}

void modules_release(Modules *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->module[i].name);
        free(m->module[i].dotted);
    }
    free(m->module);
    str_release(&m->bundled);
    cJSON_Delete(m->peft);
    *m = (Modules){ 0 };
}
