/*
 * url.h - URLs, as far as downloading files needs them.
 * Source: RFC 3986.
 */
#ifndef LIMN_HUB_URL_H
#define LIMN_HUB_URL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum { URL_MOST = 8000 }; /* bytes; those of signed addresses are some 1500 long */

/* Begins with http:// or https://, has a host, and nothing in it that does not show. */
bool url_is(const char *s);

/* Scheme, host and port are the same: what may see the same token. */
bool url_same_origin(const char *a, const char *b);

/* http:// */
bool url_is_plain(const char *s);
/* The host is this machine: 127.0.0.1, [::1] or localhost. */
bool url_is_loopback(const char *s);

/* Adds a part of a path, percent-encoded; '/' too where it is not to be kept. */
void url_add_part(Str *out, const char *part, bool keep_slashes);

/* Where `location` leads from `base`: whole, from the host's root, or relative to it. Error: no http or https address. */
int url_join(Str *out, const char *base, const char *location, Err *e);

/* "huggingface.co", for words; at most 99 bytes. */
const char *url_host(const char *s, char buf[100]);

/* The last part of the path, decoded, for a file's name; "" where there is none that may be one. */
void url_file_name(const char *s, Str *out);

/* A file's path that a server names: relative, no part of it "..", empty, hidden behind a backslash or longer than 255 bytes. */
bool url_safe_path(const char *path);

#endif
