/*
 * engine.h - state that outlives a picture: open models, cached tensors, and the watch. `generate`, `batch`
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

/* w is copied; its ctx stays the caller's. It receives each warning and each note once, for however many pictures. */
Engine *engine_new(const Watch *w);
void engine_free(Engine *g);

/*
 * To be called before a model is opened: no model will run more than a few times, so its weights are not transformed in advance.
 */
void engine_briefly(Engine *g);

/* Returns whether two jobs name the same model, opened in the same form. */
bool engine_same_model(const Job *a, const Job *b);

/* Returns whether the model that the job's options name is open, so that engine_model() only hands it out. */
bool engine_has(const Engine *g, const Job *j);

/*
 * The model that the job's options name (its files and --memory), open already or opened now; its hash is computed by then or on
 * its way (model_hash()). One such model is open at a time, and one that takes over from it (--refiner): each stays so until
 * another is asked for. Error: what is wrong with its files; the same one again is not tried twice in a row.
 */
Model *engine_model(Engine *g, const Job *j, Err *e);

/* model_hash(); also reports, once, that a file of the model was replaced meanwhile. To be called before anything is written. */
int engine_hash(Engine *g, Model *m, Err *e);

/*
 * A generator of the job's model that shares the engine's caches; generator_free() it before another model is requested. want:
 * what else to pass to generator_new() (its caches are replaced by the engine's); NULL: nothing.
 */
Generator *engine_generator(Engine *g, const Job *j, const Share *want, Err *e);

#endif
