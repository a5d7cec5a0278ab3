/* guard.c - see guard.h. */
#include "serve/guard.h"

#include <nettle/base64.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sha.h"

enum { KEY_MIN = 8, KEY_MAX = 512 };

/* Whether a list parted by commas has the text. */
static bool lists(const char *list, const char *text, size_t len)
{
    while (list && *list) {
        list += strspn(list, " ,");
        size_t n = strcspn(list, " ,");
        if (n == len && n && strncasecmp(list, text, n) == 0) return true;
        list += n;
    }
    return false;
}

/* The length of the name before ":port". */
static size_t name_len(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');
    if (!end) return strlen(host);
    return (size_t)(end - host) + (*host == '[');
}

bool guard_host(const Guard *g, const char *host)
{
    static const char local[] = "localhost,127.0.0.1,[::1]";
    if (!host || !*host) return false;
    size_t len = name_len(host);
    const char *rest = host + len;
    if (*rest && (*rest != ':' || rest[1 + strspn(rest + 1, "0123456789")])) return false;
    if (lists(local, host, len) || lists(g->allow, host, len)) return true;
    return g->host && (lists(g->host, host, len) || (*host == '[' && len > 2 && lists(g->host, host + 1, len - 2)));
}

const char *guard_cors(const Guard *g, const char *origin)
{
    return origin && lists(g->cors, origin, strlen(origin)) ? origin : NULL;
}

bool guard_origin(const Guard *g, const char *origin, const char *site, const char *host)
{
    if (guard_cors(g, origin)) return true;
    if (site && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0) return false;
    if (!origin) return true;
    const char *slashes = strstr(origin, "://");
    return slashes && host && strcasecmp(slashes + 3, host) == 0;
}

/* Hashes are compared: they are of one length, and tell nothing of how much was right. */
static bool same_key(const char *a, const char *b)
{
    char x[65], y[65];
    sha_hex((Bytes){ (const unsigned char *)a, strlen(a) }, x);
    sha_hex((Bytes){ (const unsigned char *)b, strlen(b) }, y);
    return memeql_sec(x, y, 64);
}

/* The password of "user:password" in base64. */
static bool basic_has(const char *text, const char *key)
{
    uint8_t plain[BASE64_DECODE_LENGTH(2 * KEY_MAX) + 1];
    size_t len = strlen(text), got = sizeof plain - 1;
    struct base64_decode_ctx ctx;
    base64_decode_init(&ctx);
    if (len > 2 * KEY_MAX || !base64_decode_update(&ctx, &got, plain, len, text) || !base64_decode_final(&ctx))
        return false;
    plain[got] = 0;
    const char *colon = strchr((const char *)plain, ':');
    return colon && same_key(colon + 1, key);
}

bool guard_key(const Guard *g, const char *authorization)
{
    if (!g->key) return true;
    if (!authorization || strlen(authorization) > 3 * KEY_MAX) return false;
    size_t word = strcspn(authorization, " ");
    const char *value = authorization + word + strspn(authorization + word, " ");
    if (word == 6 && strncasecmp(authorization, "Bearer", word) == 0) return same_key(value, g->key);
    return word == 5 && strncasecmp(authorization, "Basic", word) == 0 && basic_has(value, g->key);
}

int guard_read_key(const char *path, char **key, Err *e)
{
    Bytes text;
    struct stat st;
    *key = NULL;
    if (file_map(&text, path, e)) return err_in(e, "--api-key-file");
    size_t len = 0;
    while (len < text.len && text.data[len] > ' ' && text.data[len] < 127) len++;
    bool rest = false;
    for (size_t i = len; i < text.len; i++) rest = rest || text.data[i] > ' ';
    int failed = 0;
    if (stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH)))
        failed = err_set(e, "--api-key-file: others may read %.300s: chmod 600 it", path);
    else if (len < KEY_MIN || len > KEY_MAX || rest)
        failed =
            err_set(e, "--api-key-file: %.300s: one line of %d to %d printable characters without spaces is expected",
                    path, KEY_MIN, KEY_MAX);
    else *key = mem_strndup((const char *)text.data, len);
    file_unmap(&text);
    return failed;
}
