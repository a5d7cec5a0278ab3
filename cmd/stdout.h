/*
 * stdout.h - results on their way out. A reader that has seen enough (`limn list samplers | head`) is no error: work goes on to its
 * end, nothing is said, and the program ends as others do whose reader is gone.
 */
#ifndef LIMN_CMD_STDOUT_H
#define LIMN_CMD_STDOUT_H

#include "base/err.h"
#include "base/file.h"
#include "pipeline/job.h"

/* What was printed so far goes out. 0 also where its reader is gone. Error: it cannot be written; `what` begins the text. */
int stdout_flush(const char *what, Err *e);

/* The last flush, before the program ends: where the reader is gone it ends here, by SIGPIPE. */
int stdout_finish(Err *e);

/* --output -: one picture and nothing else, to a program or a file. Error (ERR_USAGE): what does not go with that. */
int stdout_check_picture(const Job *j, Err *e);
int stdout_picture(Bytes png, Err *e);

#endif
