/* describe_control.h - `limn info` of a ControlNet, a T2I-Adapter, an IP-Adapter: text for a person, or JSON. */
#ifndef LIMN_PIPELINE_DESCRIBE_CONTROL_H
#define LIMN_PIPELINE_DESCRIBE_CONTROL_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/control_line.h"
#include "weights/weights.h"

/* Which of them a file's tensors are, or a folder; CONTROL_KINDS: none of them. */
ControlKind describe_control_kind(const Weights *w);
ControlKind describe_control_folder(const char *path);

/* Error: what is wrong with it. */
int describe_control(const char *path, ControlKind kind, bool json, Str *out, Err *e);

#endif
