/*
 * single.c - files that are models by themselves: of Civitai, and of any address. They go into limn's folder of models. See pull.h.
 * Source: Civitai's public REST API (https://developer.civitai.com, "Public REST API"): model-versions, files[].hashes.SHA256.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "hub/cache.h"
#include "hub/pull_internal.h"
#include "hub/url.h"
#include "weights/read.h"

enum { ANSWER_MOST = 16 << 20 };

static HttpAsk ask_of(const HubPull *p, const char *url, const char *token)
{
    return (HttpAsk){ .url = url, .what = p->what, .token = token, .stop = p->watch.stop, .ctx = p->watch.ctx };
}

/* The file as `name` ("": as the server calls it) in --to, or in limn's folder of models. */
static int pull_file(const HubPull *p, const HubFile *f, const char *name, const char *token, Str *path, Err *e)
{
    Folder in;
    Str dir = { 0 }, called = { 0 };
    if (p->to) str_add(&dir, p->to);
    else hub_models_folder(&dir);
    if (folder_make(&in, dir.s, e)) {
        str_release(&dir);
        return -1;
    }
    int failed = 0;
    if (p->begins) p->begins(p->watch.ctx, 1, f->size, 0);
    if (*name && hub_verified(&in, name, f)) {
        if (p->watch.bytes) p->watch.bytes(p->watch.ctx, f->path, f->size, f->size);
    } else {
        failed = hub_download(&in, name, f, token, &p->watch, *name ? NULL : &called, e);
    }
    str_addf(path, "%s%s%s", dir.s, str_ends(dir.s, "/") ? "" : "/", *name ? name : str_text(&called));
    folder_close(&in);
    str_release(&dir);
    str_release(&called);
    return failed;
}

/* ---- an address ---- */

/* "https://huggingface.co/org/name/blob/main/x" shows a page; the file is under resolve. */
static void mend_address(const char *given, Str *out)
{
    const char *blob = strstr(given, "/blob/");
    bool hub = strncmp(given, "https://huggingface.co/", 23) == 0 || strncmp(given, "https://hf.co/", 14) == 0;
    if (!hub || !blob) str_add(out, given);
    else str_addf(out, "%.*s/resolve/%s", (int)(blob - given), given, blob + 6);
}

int pull_address(const HubPull *p, Str *path, Err *e)
{
    Str url = { 0 }, name = { 0 }, none = { 0 };
    HttpReply reply;
    mend_address(p->what, &url);
    bool hub = strncmp(url.s, "https://huggingface.co/", 23) == 0 || strncmp(url.s, "https://hf.co/", 14) == 0;
    char *token = hub ? pull_token((const char *const[]){ "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", NULL }) : NULL;
    url_file_name(url.s, &name);
    HubFile f = { .path = name.len ? name.s : url.s, .url = url.s, .size = HTTP_UNKNOWN };
    HttpAsk ask = ask_of(p, url.s, token);
    ask.head = true;
    int failed = pull_offline(p) ? err_set(e, "limn is offline (--offline, $HF_HUB_OFFLINE)") : 0;
    bool told = !failed && !http_text(&ask, 0, &none, &reply, e); /* some servers know no HEAD */
    if (!failed && e->code == ERR_INTERRUPTED) failed = -1;
    if (told) {
        f.size = reply.linked_size != HTTP_UNKNOWN ? reply.linked_size : reply.length;
        if (strlen(reply.etag) == 64 && reply.linked_size != HTTP_UNKNOWN) memcpy(f.hash, reply.etag, 65);
        if (reply.file_name[0] && url_safe_path(reply.file_name) && !strchr(reply.file_name, '/')) {
            str_clear(&name);
            str_add(&name, reply.file_name);
            f.path = name.s;
        }
    }
    if (!failed) failed = pull_file(p, &f, weights_ending(str_text(&name)) ? name.s : "", token, path, e);
    str_release(&url);
    str_release(&name);
    str_release(&none);
    free(token);
    return failed;
}

/* ---- Civitai ---- */

/* Model and version; 0: not said. */
typedef struct {
    unsigned long model, version;
} CivitaiId;

static bool is_page(const char *s)
{
    if (str_starts(s, "https://")) s += 8;
    if (str_starts(s, "www.")) s += 4;
    return str_starts(s, "civitai.com/") || str_starts(s, "civitai.green/") || str_starts(s, "civitai.red/");
}

bool pull_is_civitai(const char *what)
{
    return str_starts(what, "civitai:") || (str_starts(what, "urn:air:") && strstr(what, ":civitai:")) || is_page(what);
}

/* The number behind a mark; 0: none. */
static unsigned long number_behind(const char *s, const char *mark)
{
    const char *at = strstr(s, mark);
    if (!at || !isdigit((unsigned char)at[strlen(mark)])) return 0;
    unsigned long v = strtoul(at + strlen(mark), NULL, 10);
    return v < 1000000000000ul ? v : 0;
}

static int read_id(const char *what, CivitaiId *id, Err *e)
{
    id->model = number_behind(what, "civitai:");
    id->version = number_behind(what, "@");
    if (is_page(what)) {
        id->model = number_behind(what, "/models/");
        id->version = number_behind(what, "modelVersionId=");
        if (strstr(what, "/download/models/")) *id = (CivitaiId){ .version = id->model };
    }
    if (str_starts(what, "civitai:v")) id->version = number_behind(what, "civitai:v");
    if (id->model || id->version) return 0;
    return err_usage(
        e, "\"%.100s\": expected civitai:MODEL, civitai:MODEL@VERSION, or an address of civitai.com/models/...", what);
}

/* Where the API is; another in tests. */
static const char *civitai(void)
{
    const char *value = getenv("CIVITAI_ENDPOINT");
    return value && url_is(value) ? value : "https://civitai.com";
}

static int get_json(const HubPull *p, const char *token, cJSON **out, Err *e, const char *fmt, unsigned long id)
{
    Str url = { 0 }, text = { 0 };
    HttpReply reply;
    str_add(&url, civitai());
    str_addf(&url, fmt, id);
    HttpAsk ask = ask_of(p, url.s, token);
    int failed = http_text(&ask, ANSWER_MOST, &text, &reply, e);
    if (!failed) *out = json_parse((Bytes){ (const unsigned char *)str_text(&text), text.len }, e);
    if (!failed && !*out) failed = err_in(e, reply.host);
    str_release(&url);
    str_release(&text);
    return failed;
}

static const char *text_of(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

/* The version's file of weights: the primary one in safetensors, or the first that is. NULL with e set. */
static const cJSON *choose_file(const cJSON *version, const char *include, Err *e)
{
    const cJSON *f, *best = NULL;
    cJSON_ArrayForEach(f, cJSON_GetObjectItemCaseSensitive(version, "files"))
    {
        const char *name = text_of(f, "name"), *fp = text_of(cJSON_GetObjectItemCaseSensitive(f, "metadata"), "fp");
        if (!name || !weights_ending(name)) continue;
        if (include && fp && strcmp(include, fp) == 0) return f;
        bool primary = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(f, "primary"));
        if (!best || (primary && !include)) best = f;
    }
    if (!best) err_set(e, "no file of it is safetensors or GGUF");
    return best;
}

static int pull_version(const HubPull *p, const cJSON *version, const char *token, Str *path, Err *e)
{
    const cJSON *file = choose_file(version, p->include, e);
    if (!file) return -1;
    const char *name = text_of(file, "name"), *url = text_of(file, "downloadUrl");
    const char *sha = text_of(cJSON_GetObjectItemCaseSensitive(file, "hashes"), "SHA256");
    char buf[SHOWN_MAX];
    if (!url_safe_path(name) || strchr(name, '/')) return err_set(e, "it calls its file %s: refused", shown(name, buf));
    if (!url || !url_is(url)) return err_set(e, "it tells no address of %s", shown(name, buf));
    HubFile f = { .path = (char *)(size_t)name, .url = (char *)(size_t)url, .size = HTTP_UNKNOWN };
    for (int i = 0; sha && strlen(sha) == 64 && i < 64; i++) f.hash[i] = (char)tolower((unsigned char)sha[i]);
    if (strspn(f.hash, "0123456789abcdef") != 64) return err_set(e, "it tells no SHA-256 of %s", shown(name, buf));
    HttpAsk ask = ask_of(p, url, url_same_origin(url, civitai()) ? token : NULL);
    HttpReply reply;
    Str none = { 0 };
    ask.head = true;
    if (!http_text(&ask, 0, &none, &reply, e)) f.size = reply.length;
    str_release(&none);
    if (e->code == ERR_INTERRUPTED) return -1;
    return pull_file(p, &f, name, ask.token, path, e);
}

int pull_civitai(const HubPull *p, Str *path, Err *e)
{
    CivitaiId id;
    cJSON *root = NULL;
    if (read_id(p->what, &id, e)) return -1;
    if (pull_offline(p)) return err_set(e, "limn is offline (--offline, $HF_HUB_OFFLINE)");
    char *token = pull_token((const char *const[]){ "CIVITAI_TOKEN", "CIVITAI_API_KEY", "CIVITAI_API_TOKEN", NULL });
    int failed = id.version ? get_json(p, token, &root, e, "/api/v1/model-versions/%lu", id.version)
                            : get_json(p, token, &root, e, "/api/v1/models/%lu", id.model);
    const cJSON *version =
        id.version ? root : cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "modelVersions"), 0);
    if (!failed && !version) failed = err_set(e, "it has no version to fetch");
    if (!failed) failed = pull_version(p, version, token, path, e);
    cJSON_Delete(root);
    free(token);
    return failed ? err_in(e, p->what) : 0;
}
