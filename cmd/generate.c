/* generate.c - limn generate: pictures of a prompt from the command line or from stdin. */
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/prompt.h"

int cmd_generate(const Args *a, Err *e)
{
    Job j;
    job_copy(&j, &a->job);
    int failed = prompt_read(a, "generate", &j, e) || draw(&j, NULL, false, e);
    job_release(&j);
    return failed ? -1 : 0;
}
