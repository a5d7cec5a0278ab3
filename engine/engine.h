/*
 * engine.h - what outlives a picture: models that are open, tensors that were computed before, and who is told. `generate`, `batch`
 * and `compare` open models and draw through it and nowhere else, so --memory, --precision and --threads mean the same in all.
 *
 * All calls come from one thread at a time, the one that draws; the Watch is called on it. Another thread may read a Model that
 * was handed out (its hash, its name) for as long as that stays open.
 */
#ifndef LIMN_ENGINE_ENGINE_H
#define LIMN_ENGINE_ENGINE_H

#include <stdbool.h>

#include "base/err.h"
#include "pipeline/generate.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"

typedef struct Engine Engine;

/* w is copied; its ctx stays the caller's. It hears each warning and each note once, however many pictures they are of. */
Engine *engine_new(const Watch *w);
void engine_free(Engine *g);

/* Told before a model is opened: no model will run more than a few times, so its weights are not prepared for many. */
void engine_briefly(Engine *g);

/* Returns whether two jobs name the same model, opened in the same form. */
bool engine_same_model(const Job *a, const Job *b);

/* Returns whether the model that the job's options name is open, so that engine_model() only hands it out. */
bool engine_has(const Engine *g, const Job *j);

/*
 * The model that the job's options name (its files and --memory), open already or opened now; its hash is computed by
 * then or on its way (model_hash()). One such model is open at a time, and one that takes over from it (--refiner): each stays so until
 * another is asked for. Error: what is wrong with its files; the same one again is not tried twice in a row.
 */
Model *engine_model(Engine *g, const Job *j, Err *e);

/* model_hash(); that a file of the model was replaced meanwhile is told, once. To be called before anything is written. */
int engine_hash(Engine *g, Model *m, Err *e);

/*
 * A generator of the job's model that shares the engine's caches; generator_free() it before another model is asked for. want: what
 * else generator_new() is to know (its caches are the engine's, whatever it says); NULL: nothing.
 */
Generator *engine_generator(Engine *g, const Job *j, const Share *want, Err *e);

#endif
