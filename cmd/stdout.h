/*
 * stdout.h - results on their way out. A reader that has seen enough (`limn list samplers | head`) is no error: work goes on to its
 * end, nothing is said, and the program ends as others do whose reader is gone.
 */
#ifndef LIMN_CMD_STDOUT_H
#define LIMN_CMD_STDOUT_H

#include "base/err.h"

/* What was printed so far goes out. 0 also where its reader is gone. Error: it cannot be written; `what` begins the text. */
int stdout_flush(const char *what, Err *e);

/* The last flush, before the program ends: where the reader is gone it ends here, by SIGPIPE. */
int stdout_finish(Err *e);

#endif
