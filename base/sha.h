/* sha.h - SHA-256 as text. */
#ifndef LIMN_BASE_SHA_H
#define LIMN_BASE_SHA_H

#include "base/file.h"

void sha_hex(Bytes data, char hex[65]);

#endif
