/* describe_few.c - see describe_few.h. */
#include "pipeline/describe_few.h"

#include <cjson/cJSON.h>

void describe_few_json(const FewSteps *f, cJSON *root)
{
    if (!f->what) return;
    cJSON *o = cJSON_AddObjectToObject(root, "few_steps");
    cJSON_AddStringToObject(o, "what", f->what);
    cJSON_AddStringToObject(o, "told_by", f->by);
    cJSON_AddStringToObject(o, "sampler", f->sampler);
    if (f->schedule) cJSON_AddStringToObject(o, "schedule", f->schedule);
    cJSON_AddNumberToObject(o, "steps", f->steps);
    cJSON_AddNumberToObject(o, "cfg_scale", f->cfg_scale);
    if (f->eta > 0) cJSON_AddNumberToObject(o, "eta", f->eta);
    if (f->timesteps) cJSON_AddStringToObject(o, "timesteps", f->timesteps);
}

void describe_few(const FewSteps *f, Str *out)
{
    if (!f->what) return;
    str_addf(out, "  %-14s ", "few steps");
    few_steps_line(f, out);
    str_add(out, "\n");
}
