/* describe_few.h - what `limn info` says of models and adapters for few steps; of others nothing. */
#ifndef LIMN_PIPELINE_DESCRIBE_FEW_H
#define LIMN_PIPELINE_DESCRIBE_FEW_H

#include "base/str.h"
#include "pipeline/few_steps.h"

struct cJSON;
void describe_few_json(const FewSteps *f, struct cJSON *root);
void describe_few(const FewSteps *f, Str *out);

#endif
