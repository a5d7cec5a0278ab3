/* digest.c - see digest.h. */
#include "pipeline/digest.h"

#include <stdio.h>
#include <string.h>

#include <nettle/sha2.h>

void digest_hex(Bytes b, char hex[DIGEST_HEX])
{
    struct sha256_ctx ctx;
    unsigned char out[SHA256_DIGEST_SIZE];
    sha256_init(&ctx);
    sha256_update(&ctx, b.len, b.data);
    sha256_digest(&ctx, sizeof out, out);
    for (size_t i = 0; i < sizeof out; i++) snprintf(hex + 2 * i, 3, "%02x", out[i]);
}

void digest_tensors(Bytes file, char hex[DIGEST_HEX])
{
    uint64_t head = 0;
    for (int i = 7; i >= 0 && file.len >= 8; i--) head = head << 8 | file.data[i];
    size_t from = file.len >= 8 && head <= file.len - 8 ? 8 + (size_t)head : file.len;
    digest_hex((Bytes){ file.data + from, file.len - from }, hex);
}

static const char *next_line(const char *p)
{
    p += strcspn(p, "\n");
    return p + (*p == '\n');
}

int digest_check(const char *said, const char *facts, const char *option, Err *e)
{
    enum { HEX = DIGEST_HEX - 1, NAME = HEX + 1 + 12 + 1 };
    for (const char *p = said, *f = facts; p && f && (*p || *f); p = next_line(p), f = next_line(f)) {
        if (!*f) return err_set(e, "%s names more files than there are", option);
        if (*p && strncmp(p, f, HEX) == 0) continue;
        return err_set(e, "%.*s has SHA-256 %.10s..., %s says %.10s: the picture was made with another file",
                       (int)strcspn(f + NAME, "\n"), f + NAME, f, option, *p ? p : "nothing");
    }
    return 0;
}
