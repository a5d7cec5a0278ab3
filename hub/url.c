/* url.c - see url.h. */
#include "hub/url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t scheme_length(const char *s)
{
    return strncasecmp(s, "https://", 8) == 0 ? 8 : strncasecmp(s, "http://", 7) == 0 ? 7 : 0;
}

/* Scheme, host and port. */
static size_t origin_length(const char *s)
{
    size_t scheme = scheme_length(s);
    return scheme ? scheme + strcspn(s + scheme, "/?#") : 0;
}

bool url_is(const char *s)
{
    size_t scheme = scheme_length(s), len = strlen(s);
    if (!scheme || origin_length(s) == scheme || len > URL_MOST) return false;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127 || *p == '"' || *p == '\\') return false;
    return !memchr(s + scheme, '@', origin_length(s) - scheme); /* a name and a password, or another host in disguise */
}

bool url_same_origin(const char *a, const char *b)
{
    size_t n = origin_length(a);
    return n && n == origin_length(b) && strncasecmp(a, b, n) == 0;
}

bool url_is_plain(const char *s) { return scheme_length(s) == 7; }

const char *url_host(const char *s, char buf[100])
{
    size_t scheme = scheme_length(s), n = origin_length(s) - scheme;
    if (n > 99) n = 99;
    memcpy(buf, s + scheme, n);
    buf[n] = 0;
    return buf;
}

bool url_is_loopback(const char *s)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost", "[::1]" };
    char host[100] = "";
    url_host(s, host);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t n = strlen(hosts[i]);
        if (strncasecmp(host, hosts[i], n) == 0 && (!host[n] || host[n] == ':')) return true;
    }
    return false;
}

void url_add_part(Str *out, const char *part, bool keep_slashes)
{
    for (const unsigned char *p = (const unsigned char *)part; *p; p++) {
        bool plain = isalnum(*p) || strchr("-._~", *p) || (keep_slashes && *p == '/');
        if (plain) str_addn(out, (const char *)p, 1);
        else str_addf(out, "%%%02X", *p);
    }
}

int url_join(Str *out, const char *base, const char *location, Err *e)
{
    size_t origin = origin_length(base), path = strcspn(base, "?#");
    str_clear(out);
    if (str_starts(location, "//")) str_addf(out, "%.*s%s", (int)(strchr(base, ':') - base) + 1, base, location);
    else if (*location == '/') str_addf(out, "%.*s%s", (int)origin, base, location);
    else if (strstr(location, "://")) str_add(out, location);
    else {
        while (path > origin && base[path - 1] != '/') path--;
        str_addf(out, "%.*s%s%s", (int)path, base, path == origin ? "/" : "", location);
    }
    if (url_is(out->s)) return 0;
    return err_set(e, "the server leads to \"%.100s\", which is no address that limn follows", location);
}

static int hex_digit(char c) { return isdigit((unsigned char)c) ? c - '0' : (tolower((unsigned char)c) - 'a') + 10; }

void url_file_name(const char *s, Str *out)
{
    size_t end = strcspn(s, "?#"), begin = end;
    str_clear(out);
    while (begin > origin_length(s) && s[begin - 1] != '/') begin--;
    for (size_t i = begin; i < end; i++) {
        bool coded =
            s[i] == '%' && i + 2 < end && isxdigit((unsigned char)s[i + 1]) && isxdigit((unsigned char)s[i + 2]);
        char c = s[i];
        if (coded) c = (char)(hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]));
        str_addn(out, &c, 1);
        if (coded) i += 2;
    }
    if (out->len != strlen(str_text(out)) || !url_safe_path(str_text(out)) || strchr(str_text(out), '/'))
        str_clear(out);
}

bool url_safe_path(const char *path)
{
    size_t part = 0;
    if (!*path || *path == '/' || strlen(path) > 1000) return false;
    for (const char *p = path;; p++) {
        if (!*p || *p == '/') {
            if (!part || part > 255 || p[-1] == '.' || p[-(long)part] == '-') return false; /* "..", "x.", "-x" */
            part = 0;
            if (!*p) return true;
            continue;
        }
        if ((unsigned char)*p < 32 || *p == 127 || *p == '\\') return false;
        part++;
    }
}
