/* sha.c - see sha.h. */
#include "base/sha.h"

#include <nettle/sha2.h>
#include <stdio.h>

void sha_hex(Bytes data, char hex[65])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, data.len, data.data);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
