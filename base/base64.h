/* base64.h - bytes as text (RFC 4648, section 4, with padding). */
#ifndef LIMN_BASE_BASE64_H
#define LIMN_BASE_BASE64_H

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

void base64_add(Str *out, Bytes b);

/* Back, appended; white space between is passed over. Error (ERR_USAGE): it is none. */
int base64_read(const char *text, size_t len, Str *out, Err *e);

#endif
