/*
 * server.h - the inside of limn serve: state that handlers share, and the thread that draws. Internal to serve/; serve.h is what
 * the command knows.
 */
#ifndef LIMN_SERVE_SERVER_H
#define LIMN_SERVE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/folder.h"
#include "serve/catalogue.h"
#include "serve/guard.h"
#include "serve/http.h"
#include "serve/journal.h"
#include "serve/queue.h"
#include "serve/styles.h"

typedef struct {
    atomic_uint_fast64_t requests[6]; /* by the first digit of their status */
    atomic_uint_fast64_t pictures, failed, cancelled;
    atomic_uint_fast64_t milliseconds, steps, step_milliseconds; /* of finished pictures; of steps */
    atomic_bool loaded;                                          /* a model is open */
} Metrics;

typedef struct Server {
    const Job *options; /* the command line's, which jobs begin with */
    Guard guard;
    Queue *queue;
    Catalogue *models;
    Journal *journal;
    const char *folder; /* of the pictures */
    Folder at;          /* the same, open */
    Styles styles;
    Metrics metrics;
    pthread_mutex_t lock; /* of what follows */
    char *model;          /* the one that jobs get which name none: a name of the catalogue; NULL: the command line's */
    struct cJSON *settings; /* A1111's, that were set; NULL: none */
    bool log;               /* a line on stderr for each request */
    double began;
} Server;

/* ---- replies: reply.c ---- */

/* Takes the value. */
void reply_json(Reply *out, int status, struct cJSON *value);
void reply_text(Reply *out, int status, const char *type, const char *text);
/* In the shape that clients of the request's interface read. field: the one that is wrong; NULL. */
void reply_error(const Call *r, Reply *out, int status, const char *field, const char *text);
/* The same for an Err: 400 for one of use, otherwise 500; 503 and 429 where the server stops or the queue is full. */
void reply_err(const Call *r, Reply *out, const Err *e);

/* ---- what requests ask for: wish.c ---- */

/* A job on its way from a request's fields. */
typedef struct {
    Server *server;
    Job job;
    Str input;      /* files that were made of its pictures, a line each */
    Str passed;     /* fields that nothing was made of, a line each */
    size_t words;   /* bytes of what its pictures are told */
    bool keep;      /* files of its pictures stay when its pictures do: said before the first is made */
    char field[64]; /* the one that an error is about */
} Wish;

/* The command line's options, and the model that is current. */
void wish_init(Wish *w, Server *s);
void wish_release(Wish *w);

/*
 * An option by its name. Error (ERR_USAGE): a value that it does not take, or that is beyond what one request may have; an option
 * that names a file of this machine.
 */
int wish_set(Wish *w, const char *option, const char *value, Err *e);
/* A field of JSON: text, number, or true and false. null: as if it were not there. */
int wish_json(Wish *w, const char *option, const struct cJSON *value, Err *e);
/* A model by its name in the catalogue. */
int wish_model(Wish *w, const char *name, Err *e);
/* A picture in base64, perhaps with data:image/...;base64, before it; or its bytes. option: "init-image", "mask". */
int wish_picture(Wish *w, const char *option, const char *base64, Err *e);
/* The same as a file of no option, for something else; its path is appended. what: for its name. */
int wish_file(Wish *w, const char *what, const char *base64, Str *path, Err *e);
int wish_bytes(Wish *w, const char *option, Bytes file, Err *e);
/* The path of a network of --upscaler-dir by its name, appended. */
int wish_upscaler(const Wish *w, const char *name, Str *path, Err *e);
/* Files of requests that a server which was killed left behind: those that were not to be kept. */
void wish_clean(const Folder *folder);
/* A field of which nothing is made. */
void wish_pass(Wish *w, const char *name);
/* Chooses the seed, looks at the whole. */
int wish_finish(Wish *w, Err *e);

/*
 * A job that was read from a batch file with w's as default: its model and refiner are names, its files those of w, its figures
 * within what one request may have; then it is as wish_finish() leaves one. Error (ERR_USAGE): it is not so.
 */
int wish_check(Wish *w, Job *j, Err *e);

/* The order of one job; takes it and the wish's files. */
Order *wish_order(Wish *w, const Call *r);

/*
 * Adds the order and waits for its end, or until the client has gone: then it is cancelled. 0: its state tells what became of it,
 * and it is held: queue_drop(). Error: it was not added, and is freed.
 */
int order_run(Server *s, Call *r, Order *t, Err *e);
/*
 * Returns whether an order that has ended left nothing to answer with; its error says why. One that was given up
 * answers with what was drawn.
 */
bool order_lost(Server *s, Order *t);

/*
 * openai_stream.c: adds the order, and answers with events until its end. event: "image_generation"; partial: how many previews
 * of each picture are among them. Error: it was not added, and is freed.
 */
int openai_stream(Call *r, Reply *out, Order *t, const char *event, int partial, Err *e);

/* ---- the interfaces ---- */
extern const Route a1111_routes[], a1111_options[], a1111_lists[], a1111_extras[], a1111_state[],
    a1111_control_routes[], openai_routes[], own_routes[], own_jobs[];

/* The thread that draws, until stop() says so; the picture at hand is finished. Error: it could not begin. */
int worker_run(Server *s, bool (*stop)(void), Err *e);

#endif
