/* err.c - see err.h. What hostile input could do to a terminal is shown as '?', so that one line stays one line. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/visible.h"

static void set(Err *e, ErrCode code, const char *fmt, va_list ap)
{
    char text[sizeof e->text]; /* the arguments may point into e->text */
    vsnprintf(text, sizeof text, fmt, ap);
    visible_mask(text, false);
    memcpy(e->text, text, sizeof text);
    e->code = code;
}

int err_set(Err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(e, ERR_FAILED, fmt, ap);
    va_end(ap);
    return -1;
}

int err_usage(Err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(e, ERR_USAGE, fmt, ap);
    va_end(ap);
    return -1;
}

int err_in(Err *e, const char *where)
{
    ErrCode code = e->code;
    err_set(e, "%s: %s", where, e->text);
    e->code = code;
    return -1;
}
