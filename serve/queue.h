/*
 * queue.h - orders that wait to be drawn, and their results. Requests add orders from their threads, one thread draws; every
 * call but order_new() and order_free() may come from any thread.
 *
 * Fairness: the next picture goes to the client that has had none for the longest time, and among a client's orders in
 * the order in which they came. So a client that requests a hundred pictures does not block one that requests one.
 */
#ifndef LIMN_SERVE_QUEUE_H
#define LIMN_SERVE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "image/image.h"
#include "pipeline/job.h"

struct cJSON;

typedef enum { ORDER_QUEUED, ORDER_DRAWING, ORDER_DONE, ORDER_FAILED, ORDER_CANCELLED } OrderState;

/* Whose interface it came by: A1111's "interrupt" is for its own orders only. */
typedef enum { API_OWN, API_A1111, API_OPENAI, API_COUNT } Api;

/* What is done with its jobs. */
typedef enum {
    ORDER_DRAW,
    ORDER_ENLARGE, /* the picture of each becomes larger (enlarge.h) */
    ORDER_LOAD,    /* no picture: the model of the one job is opened */
    ORDER_UNLOAD,  /* none: what is open is closed */
} OrderKind;

/* A picture that is finished. */
typedef struct {
    Bytes png;  /* heap; data NULL where the file is all that is kept */
    char *file; /* its name in the folder; NULL: it is not kept */
    uint64_t seed;
    int w, h;
    double seconds;
    char *infotext, *settings; /* A1111's text; limn's JSON */
} Made;

typedef struct Order {
    /* the maker's, constant once it is added */
    uint64_t id; /* queue_add() gives one where it is 0 */
    Api api;
    char *client; /* whom fairness is for */
    Job *jobs;    /* each with count pictures and a seed of its own */
    size_t job_count;
    bool keep;  /* its pictures become files, and GET /jobs/ID knows it afterwards */
    bool again; /* of an earlier run: it was accepted, however many wait */
    OrderKind kind;
    char *input; /* files of the request that go when the order does, a line each; NULL */
    char *kept;  /* those that stay with its pictures, and go where it ends without one; NULL */

    /* the queue's */
    OrderState state;
    size_t job;               /* the one at hand */
    int picture;              /* of it, from 0 */
    uint64_t pictures, tried; /* in all; drawn, failed or skipped */
    int step, steps;          /* of the picture at hand */
    Made *made;
    size_t made_count;
    uint64_t version;             /* counts what happened to it */
    double added, started, ended; /* clock_now() */
    Err error;                    /* ORDER_FAILED */
    Image preview;                /* of the picture at hand; w 0: none */
    int preview_step;             /* after which it was */
    Str words;                    /* warnings and notes, a line each */
    int held;                     /* by requests */
    atomic_bool cancel, skip;     /* to end; to pass over the picture at hand */
    struct Order *next;
} Order;

/* jobs: taken, each of them; heap. client: copied. */
Order *order_new(Api api, const char *client, Job *jobs, size_t count);
/* One that was never added. */
void order_free(Order *t);
/* The files of an Order's input; NULL: none. */
void input_remove(const char *files);

typedef struct Queue Queue;

Queue *queue_new(int limit);
void queue_free(Queue *q);

/*
 * Takes the order, holds it for the caller: queue_drop() when it is of no more use. Error: the queue is full, or the server stops
 * (queue_stopping() tells which); the order stays the caller's.
 */
int queue_add(Queue *q, Order *t, Err *e);
void queue_drop(Queue *q, Order *t);

/* A kept order by its number, held; NULL: there is none, or it is forgotten. */
Order *queue_find(Queue *q, uint64_t id);

/* Waits until the order's version is another than `seen`, at most so many seconds. Returns the version. */
uint64_t queue_wait(Queue *q, const Order *t, uint64_t seen, double seconds);
bool order_ended(Queue *q, const Order *t);

/* False: it had ended before. */
bool queue_cancel(Queue *q, Order *t);
/* The order of that interface that is drawn now: ends it, or with skip only its picture. */
void queue_interrupt(Queue *q, Api api, bool skip);

/* What GET /jobs/ID shows, with its pictures from that one on (from 0); the caller's to delete. */
struct cJSON *queue_describe(Queue *q, const Order *t, size_t from);
/* The same of all that wait, are drawn or are remembered, the newest last, without their pictures. */
struct cJSON *queue_list(Queue *q);

/* Where the server is as a whole. */
typedef struct {
    int waiting, drawing;     /* orders */
    uint64_t pictures, tried; /* of the order that is drawn */
    int step, steps;
    double running; /* seconds since it began */
    double share;   /* of its work that is done, 0 to 1 */
    bool ours;      /* it came by the interface that was asked about */
} QueueNow;
QueueNow queue_now(Queue *q, Api api);
/* The preview of a order (NULL: the one that is drawn now) as a PNG, heap. False: there is none. */
bool queue_preview_png(Queue *q, const Order *t, Bytes *png);

/* The same of an order, with where it stands; png: heap. */
typedef struct {
    size_t picture; /* of all its pictures, from 0 */
    int step, steps;
    int w, h;
    Bytes png;
} PreviewNow;
bool queue_preview_now(Queue *q, const Order *t, PreviewNow *out);

/* No new orders from now on; who waits is woken. */
void queue_stop(Queue *q);
bool queue_stopping(Queue *q);
/* When nothing is drawn any more: what is left ends, and the watch does not hear of it. */
void queue_close(Queue *q);

/* ---- for the thread that draws ---- */

/* The order whose next picture is to be drawn, or NULL after so many seconds. */
Order *queue_take(Queue *q, double seconds);
void queue_step(Queue *q, Order *t, int step, int steps);
/* The picture so far, after that step; copied. */
void queue_preview(Queue *q, Order *t, const Image *im, int step);
void queue_word(Queue *q, Order *t, const char *line);
/* Takes what m holds; NULL: the picture was passed over. The order ends with its last picture. */
void queue_made(Queue *q, Order *t, Made *m);
void queue_end(Queue *q, Order *t, OrderState state, const Err *e);

/* Called with each kept order that is added, has a picture more (k) or ends, in that order, one call at a time. */
typedef struct {
    void *ctx;
    void (*added)(void *ctx, const Order *t);
    void (*made)(void *ctx, const Order *t, const Made *m);
    void (*ended)(void *ctx, const Order *t);
} QueueWatch;
void queue_watch(Queue *q, const QueueWatch *w);
/* Numbers of orders go on after this one. */
void queue_number(Queue *q, uint64_t last);

#endif
