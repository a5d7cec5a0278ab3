/* recipe_prompts.c - how a recipe's prompts are read: the language, the steps that its marks count. See recipe.h. */
#include <string.h>

#include "pipeline/embeddings.h"
#include "pipeline/language.h"
#include "pipeline/loras.h"
#include "pipeline/recipe_internal.h"

/* Whether a long prompt takes as many rows of tokens as it needs. */
static bool chunks(const Job *j, const Language *l)
{
    if (l->all_counts) return true;
    return j->long_prompt ? strcmp(j->long_prompt, "chunk") == 0 : l->emphasis != EMPHASIS_NONE;
}

/* What was left open of how prompts are read is written down, since another limn may choose otherwise. */
void recipe_choose_language(Recipe *r)
{
    Job *j = &r->said;
    r->language = language_of(j);
    r->weighing = weighing_of(j);
    r->chunk = chunks(j, r->language);
    recipe_set_text(&j->prompt_syntax, r->language->name);
    if (!j->long_prompt) recipe_set_text(&j->long_prompt, r->chunk ? "chunk" : "truncate");
}

/* A1111's total_steps(): what a sampler evaluates twice in a step has twice as many. */
int recipe_counted_steps(const Sampler *s, int steps)
{
    enum { FEW = 10, MORE = 12 };
    int evals[2], counts[2] = { FEW, MORE };
    for (int i = 0; i < 2; i++) {
        double sigma[MORE + 1], t[MORE + 1] = { 0 };
        for (int k = 0; k <= counts[i]; k++) sigma[k] = counts[i] - k;
        evals[i] = sampler_evals(
            s, &(Timeline){ .steps = counts[i], .sigma = sigma, .t = t, .to = sigma + 1, .family = s->family });
    }
    return evals[1] - evals[0] >= 2 * (MORE - FEW) ? 2 * steps : steps;
}

/* diffusers asks the model's index, A1111 zeroes "" with every SDXL, ComfyUI never does. */
static NoNegative negative_of(const Recipe *r, const Model *m)
{
    if (r->compat == COMPAT_A1111) return m->ids ? NEGATIVE_ZERO_IF_EMPTY : NEGATIVE_ENCODED;
    return r->compat == COMPAT_DIFFUSERS && m->zero_negative ? NEGATIVE_ZERO_IF_ABSENT : NEGATIVE_ENCODED;
}

PromptReader recipe_job_reader(const Job *j, const Model *m, const Watch *w)
{
    const Language *l = language_of(j);
    int usual = m->defaults.steps ? m->defaults.steps : JOB_USUAL_STEPS;
    EditSteps steps = { .steps = j->steps ? j->steps : usual };
    return (PromptReader){ .text = m->text,
                           .texts = m->texts,
                           .chunk = chunks(j, l),
                           .language = l,
                           .weighing = weighing_of(j),
                           .steps = steps,
                           .loras = loras_in_prompt(j),
                           .embeddings = embeddings_in_prompt(j),
                           .ctx = w->ctx,
                           .warn = w->warn };
}

PromptReader recipe_reader(const Recipe *r, const Model *m, const Watch *w)
{
    PromptReader reader = recipe_job_reader(&r->said, m, w);
    reader.no_negative = negative_of(r, m);
    reader.steps = (EditSteps){ recipe_counted_steps(r->sampler, r->said.steps), r->said.first_steps };
    return reader;
}

PromptTexts recipe_texts(const Job *j)
{
    bool given = j->negative_given || *j->negative_prompt;
    return (PromptTexts){ j->prompt, given ? j->negative_prompt : NULL, j->prompt_2, j->negative_prompt_2, j->region };
}

bool recipe_can_read(const Model *m, const Job *j)
{
    PromptReader r = recipe_job_reader(j, m, &(Watch){ .ctx = NULL });
    PromptTexts texts = recipe_texts(j);
    Prompts p;
    Err e;
    if (prompts_read(&r, &texts, &p, &e)) return false;
    prompts_release(&p);
    return true;
}
