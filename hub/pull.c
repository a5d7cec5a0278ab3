/* pull.c - see pull.h: the steps that all sources share, and the hub's own. */
#define _GNU_SOURCE
#include "hub/pull.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "hub/cache.h"
#include "hub/pull_internal.h"
#include "hub/url.h"

enum { LIST_MOST = 32 << 20, SMALL_MOST = 16 << 20 };

/* ---- the environment ---- */

static bool is_true(const char *variable)
{
    static const char *const yes[] = { "1", "ON", "YES", "TRUE" };
    const char *value = getenv(variable);
    for (size_t i = 0; value && i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(value, yes[i]) == 0) return true;
    return false;
}

bool pull_offline(const HubPull *p)
{
    return p->offline || is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
}

/* A token without what would end a header's line; heap, NULL: none. */
static char *clean_token(const char *text, size_t len)
{
    while (len && isspace((unsigned char)text[len - 1])) len--;
    while (len && isspace((unsigned char)*text)) text++, len--;
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i])) return NULL;
    return len ? mem_strndup(text, len) : NULL;
}

static char *token_of_file(void)
{
    const char *path = getenv("HF_TOKEN_PATH"), *home = getenv("HF_HOME"), *cache = getenv("XDG_CACHE_HOME"),
               *user = getenv("HOME");
    Str at = { 0 };
    Bytes text = { 0 };
    Err ignored;
    if (path && *path) str_add(&at, path);
    else if (home && *home) str_addf(&at, "%s/token", home);
    else if (cache && *cache) str_addf(&at, "%s/huggingface/token", cache);
    else if (user && *user) str_addf(&at, "%s/.cache/huggingface/token", user);
    char *token = at.len && !file_map(&text, at.s, &ignored) && text.len < 1000
                      ? clean_token((const char *)text.data, text.len)
                      : NULL;
    file_unmap(&text);
    str_release(&at);
    return token;
}

char *pull_token(const char *const *variables)
{
    for (; *variables; variables++) {
        const char *value = getenv(*variables);
        if (value && *value) return clean_token(value, strlen(value));
    }
    return NULL;
}

static char *hub_token(void)
{
    char *token = pull_token((const char *const[]){ "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", NULL });
    return token || is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? token : token_of_file();
}

static int endpoint_of(Str *out, Err *e)
{
    const char *value = getenv("HF_ENDPOINT");
    str_add(out, value && *value ? value : "https://huggingface.co");
    while (out->len && out->s[out->len - 1] == '/') out->s[--out->len] = 0;
    if (url_is(out->s)) return 0;
    return err_set(e, "$HF_ENDPOINT is \"%.100s\": expected an address, https://...", out->s);
}

/* ---- what the hub has ---- */

typedef struct {
    const HubPull *p;
    HubName name;
    Str endpoint;
    char *token;
    HubFiles files;
    Str index; /* model_index.json; empty: it has none */
    Str *notes;
} Repo;

static void repo_release(Repo *r)
{
    hub_name_release(&r->name);
    str_release(&r->endpoint);
    str_release(&r->index);
    free(r->token);
    hub_files_release(&r->files);
}

static HttpAsk ask_of(const Repo *r, const char *url)
{
    return (HttpAsk){
        .url = url, .what = r->name.repo, .token = r->token, .stop = r->p->watch.stop, .ctx = r->p->watch.ctx
    };
}

static bool hex_only(const char *s, size_t n)
{
    return s && strlen(s) == n && strspn(s, "0123456789abcdefABCDEF") == n;
}

/* One of the list's "siblings". */
static int add_sibling(Repo *r, const cJSON *item, Err *e)
{
    char buf[SHOWN_MAX];
    const cJSON *lfs = cJSON_GetObjectItemCaseSensitive(item, "lfs");
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "rfilename"));
    const char *blob = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "blobId"));
    const char *sha = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(lfs, "sha256"));
    uint64_t size;
    if (!path || !url_safe_path(path)) {
        if (path && strstr(path, "..") == NULL && path[0] != '/' && path[0]) return 0; /* "-x", ".hidden.": not ours */
        return err_set(e, "the hub lists a file called %s: refused",
                       json_shown(cJSON_GetObjectItemCaseSensitive(item, "rfilename"), buf));
    }
    if (hub_files_find(&r->files, path)) return err_set(e, "the hub lists %s twice", shown(path, buf));
    HubFile *f = hub_files_add(&r->files, path);
    if (json_whole(cJSON_GetObjectItemCaseSensitive(item, "size"), &size)) f->size = size;
    if (lfs && json_whole(cJSON_GetObjectItemCaseSensitive(lfs, "size"), &size)) f->size = size;
    if (hex_only(sha, 64)) memcpy(f->hash, sha, 65);
    else if (!lfs && hex_only(blob, 40)) memcpy(f->hash, blob, 41);
    return 0;
}

static int read_list(Repo *r, const char *text, Err *e)
{
    cJSON *root = json_parse((Bytes){ (const unsigned char *)text, strlen(text) }, e);
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(root, "siblings");
    const char *commit = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "sha"));
    int failed = root ? 0 : -1;
    if (!failed && !cJSON_IsArray(list)) failed = err_set(e, "the hub's answer has no list of files (siblings)");
    if (!failed && !hex_only(commit, 40)) failed = err_set(e, "the hub's answer names no commit (sha)");
    if (!failed) memcpy(r->files.commit, commit, 41);
    cJSON_ArrayForEach(item, list)
    {
        if (!failed) failed = add_sibling(r, item, e);
    }
    cJSON_Delete(root);
    return failed ? err_in(e, r->name.repo) : 0;
}

static int list_files(Repo *r, Err *e)
{
    Str url = { 0 }, text = { 0 };
    HttpReply reply;
    str_addf(&url, "%s/api/models/%s/revision/", r->endpoint.s, r->name.repo);
    url_add_part(&url, r->name.revision, false);
    str_add(&url, "?blobs=true");
    HttpAsk ask = ask_of(r, url.s);
    int failed = http_text(&ask, LIST_MOST, &text, &reply, e);
    if (!failed) failed = read_list(r, str_text(&text), e);
    str_release(&url);
    str_release(&text);
    return failed;
}

/* ORG/NAME/resolve/COMMIT/PATH */
static void address_file(const Repo *r, HubFile *f)
{
    Str url = { 0 };
    str_addf(&url, "%s/%s/resolve/%s/", r->endpoint.s, r->name.repo, r->files.commit);
    url_add_part(&url, f->path, true);
    free(f->url);
    f->url = url.s;
}

/* What the list did not tell of a file, from its head. */
static int complete_file(const Repo *r, HubFile *f, Err *e)
{
    HttpReply reply;
    Str none = { 0 };
    address_file(r, f);
    if (f->size != HTTP_UNKNOWN && f->hash[0]) return 0;
    HttpAsk ask = ask_of(r, f->url);
    ask.head = true;
    ask.what = f->path;
    int failed = http_text(&ask, 0, &none, &reply, e);
    str_release(&none);
    if (failed) return -1;
    if (f->size == HTTP_UNKNOWN) f->size = reply.linked_size != HTTP_UNKNOWN ? reply.linked_size : reply.length;
    if (!f->hash[0] && (hex_only(reply.etag, 64) || hex_only(reply.etag, 40)))
        memcpy(f->hash, reply.etag, strlen(reply.etag) + 1);
    return 0;
}

/* A small text of the repository. */
static int read_file(const Repo *r, HubFile *f, Str *out, Err *e)
{
    HttpReply reply;
    address_file(r, f);
    HttpAsk ask = ask_of(r, f->url);
    ask.what = f->path;
    return http_text(&ask, SMALL_MOST, out, &reply, e);
}

/* "fp16,*.txt" into a variant and patterns. */
static void split_include(const char *text, Str *variant, Str *patterns)
{
    static const char *const variants[] = { "fp16", "bf16", "non_ema", "ema_only" };
    for (const char *p = text; p && *p; p += strcspn(p, ","), p += *p == ',') {
        int n = (int)strcspn(p, ",");
        bool is = false;
        for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
            is = is || (strlen(variants[i]) == (size_t)n && strncmp(p, variants[i], (size_t)n) == 0);
        if (is) str_clear(variant), str_addf(variant, "%.*s", n, p);
        else if (n) str_addf(patterns, "%s%.*s", patterns->len ? "," : "", n, p);
    }
}

/* Which files, with the shards that indexes name. */
static int choose_files(Repo *r, Err *e)
{
    Str variant = { 0 }, patterns = { 0 }, text = { 0 };
    HubFile *index = hub_files_find(&r->files, "model_index.json");
    split_include(r->p->include, &variant, &patterns);
    HubChoice c = { variant.len ? variant.s : NULL, patterns.len ? patterns.s : NULL };
    int failed = index && !r->name.file ? read_file(r, index, &r->index, e) : 0;
    if (!failed) failed = hub_files_choose(&r->files, r->index.len ? r->index.s : NULL, r->name.file, &c, r->notes, e);
    for (size_t i = 0; !failed && i < r->files.count; i++) {
        HubFile *f = &r->files.file[i];
        if (!f->wanted || !hub_files_is_index(f->path)) continue;
        char *path = mem_strdup(f->path);
        failed = read_file(r, f, &text, e) || hub_files_add_shards(&r->files, path, str_text(&text), e);
        free(path);
    }
    for (size_t i = 0; !failed && i < r->files.count; i++)
        if (r->files.file[i].wanted) failed = complete_file(r, &r->files.file[i], e);
    str_release(&variant);
    str_release(&patterns);
    str_release(&text);
    return failed && !str_starts(e->text, r->name.repo) ? err_in(e, r->name.repo) : failed;
}

/* ---- into a folder of the user's ---- */

/* The folder of a file below another, made; *name: the file's own. */
static int folder_for(Folder *out, const Folder *root, const char *path, const char **name, Err *e)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    char *dir = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    int failed = slash ? folder_below(out, root, dir, true, e) : folder_open(out, root->path[0] ? root->path : ".", e);
    free(dir);
    return failed;
}

static void begin(const Repo *r, uint64_t here)
{
    size_t files = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->files.count; i++) {
        const HubFile *f = &r->files.file[i];
        files += f->wanted;
        if (f->wanted && f->size != HTTP_UNKNOWN) bytes += f->size;
    }
    if (r->p->begins) r->p->begins(r->p->watch.ctx, files, bytes, here);
}

/* All but model_index.json, which makes it a model, and that last. */
static int pull_into_folder(Repo *r, Str *path, Err *e)
{
    Folder root;
    if (folder_make(&root, r->p->to, e)) return -1;
    int failed = 0;
    begin(r, 0);
    for (int last = 0; last < 2 && !failed; last++)
        for (size_t i = 0; i < r->files.count && !failed; i++) {
            const HubFile *f = &r->files.file[i];
            Folder in;
            const char *name;
            if (!f->wanted || (strcmp(f->path, "model_index.json") == 0) != last) continue;
            failed = folder_for(&in, &root, f->path, &name, e);
            if (failed) break;
            if (hub_verified(&in, name, f)) {
                if (r->p->watch.bytes) r->p->watch.bytes(r->p->watch.ctx, f->path, f->size, f->size);
            } else {
                failed = hub_download(&in, name, f, r->token, &r->p->watch, NULL, e);
            }
            folder_close(&in);
        }
    str_add(path, r->p->to);
    if (r->name.file) str_addf(path, "%s%s", str_ends(r->p->to, "/") ? "" : "/", r->name.file);
    folder_close(&root);
    return failed;
}

/* ---- into the cache ---- */

/* A link from the snapshot's file to its blob: one "../" for each folder, and two. */
static int link_blob(const Folder *snapshot, const HubFile *f, Err *e)
{
    Folder in;
    const char *name;
    Str target = { 0 };
    if (folder_for(&in, snapshot, f->path, &name, e)) return -1;
    for (const char *p = f->path; *p; p++)
        if (*p == '/') str_add(&target, "../");
    str_addf(&target, "../../blobs/%s", f->hash);
    int failed = symlinkat(target.s, in.fd, name);
    if (failed && errno == EEXIST && faccessat(in.fd, name, F_OK, 0)) { /* a link that leads nowhere */
        unlinkat(in.fd, name, 0);
        failed = symlinkat(target.s, in.fd, name);
    } else if (failed && errno == EEXIST) {
        failed = 0;
    }
    if (failed) err_set(e, "%s%s: cannot make the link: %s", in.path, name, strerror(errno));
    str_release(&target);
    folder_close(&in);
    return failed;
}

static bool has_blob(const Folder *blobs, const HubFile *f)
{
    struct stat st;
    return fstatat(blobs->fd, f->hash, &st, 0) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->size;
}

static int fetch_blobs(Repo *r, const Folder *blobs, Err *e)
{
    uint64_t here = 0;
    for (size_t i = 0; i < r->files.count; i++)
        if (r->files.file[i].wanted && has_blob(blobs, &r->files.file[i])) here += r->files.file[i].size;
    begin(r, here);
    for (size_t i = 0; i < r->files.count; i++) {
        const HubFile *f = &r->files.file[i];
        if (!f->wanted) continue;
        if (!f->hash[0])
            return err_set(e, "%s: the hub tells no hash of it: --to FOLDER keeps it outside of the cache", f->path);
        if (has_blob(blobs, f)) continue;
        if (hub_download(blobs, f->hash, f, r->token, &r->p->watch, NULL, e)) return -1;
    }
    return 0;
}

/* The name of the revision points to the commit once all of it is there. */
static int point_ref(const Repo *r, const Folder *repo, Err *e)
{
    Folder in;
    const char *name;
    Str path = { 0 };
    if (hex_only(r->name.revision, 40)) return 0;
    str_addf(&path, "refs/%s", r->name.revision);
    int failed = folder_for(&in, repo, path.s, &name, e);
    if (!failed) {
        failed = folder_write_text(&in, name, r->files.commit, e);
        folder_close(&in);
    }
    str_release(&path);
    return failed;
}

static int pull_into_cache(Repo *r, Str *path, Err *e)
{
    Str at = { 0 }, below = { 0 };
    Folder repo, blobs = { 0 }, snapshot = { 0 };
    hub_cache_repo(r->name.repo, &at);
    if (folder_make(&repo, at.s, e)) {
        str_release(&at);
        return -1;
    }
    str_addf(&below, "snapshots/%s", r->files.commit);
    int failed = folder_below(&blobs, &repo, "blobs", true, e);
    if (!failed) failed = fetch_blobs(r, &blobs, e);
    if (!failed) failed = folder_below(&snapshot, &repo, below.s, true, e);
    for (int last = 0; last < 2; last++)
        for (size_t i = 0; i < r->files.count && !failed; i++) {
            const HubFile *f = &r->files.file[i];
            if (f->wanted && (strcmp(f->path, "model_index.json") == 0) == last) failed = link_blob(&snapshot, f, e);
        }
    if (!failed) failed = point_ref(r, &repo, e);
    str_addf(path, "%s/%s", at.s, below.s);
    if (r->name.file) str_addf(path, "/%s", r->name.file);
    if (snapshot.fd) folder_close(&snapshot);
    if (blobs.fd) folder_close(&blobs);
    folder_close(&repo);
    str_release(&at);
    str_release(&below);
    return failed;
}

/* ---- the hub ---- */

static int find_offline(const Repo *r, Str *path, Err *e)
{
    char *found = hub_cache_find(&r->name);
    if (!found)
        return err_set(e, "%s is not in the cache, and limn is offline (--offline, $HF_HUB_OFFLINE)", r->name.repo);
    str_add(path, found);
    free(found);
    return 0;
}

static int pull_repo(const HubPull *p, HubName *name, Str *path, Str *notes, Err *e)
{
    Repo r = { .p = p, .name = *name, .notes = notes };
    if (p->revision) {
        free(r.name.revision);
        r.name.revision = mem_strdup(p->revision);
    }
    int failed = 0;
    if (pull_offline(p)) {
        failed = find_offline(&r, path, e);
    } else {
        r.token = hub_token();
        failed = endpoint_of(&r.endpoint, e) || list_files(&r, e) || choose_files(&r, e) ||
                 (p->to ? pull_into_folder(&r, path, e) : pull_into_cache(&r, path, e));
    }
    repo_release(&r);
    return failed;
}

int hub_pull(const HubPull *p, Str *path, Str *notes, Err *e)
{
    HubName name;
    if (p->revision && !url_safe_path(p->revision))
        return err_usage(e, "--revision \"%.100s\": no branch, tag or commit", p->revision);
    if (pull_is_civitai(p->what)) return pull_civitai(p, path, e);
    if (url_is(p->what)) return pull_address(p, path, e);
    if (hub_name_parse(p->what, &name)) return pull_repo(p, &name, path, notes, e);
    return err_usage(
        e,
        "\"%.100s\": expected a model of the hub (stabilityai/sd-turbo), an https address, or a number of Civitai's "
        "(civitai:128713)",
        p->what);
}
