/* node.h - a prompt with choices, parsed. Private to batch/. */
#ifndef LIMN_BATCH_NODE_H
#define LIMN_BATCH_NODE_H

#include "batch/choice.h"
#include "batch/draw.h"

typedef enum {
    NODE_TEXT,
    NODE_SEQUENCE,
    NODE_VARIANT,   /* min .. max of the kids, by weight, joined by text */
    NODE_WILDCARD,  /* borrowed: the variant of the file's lines */
    NODE_FIELD,     /* text: its name */
    NODE_SET,       /* ${name=!x}: kids[0] is chosen once and kept in slot */
    NODE_GET,       /* what is in slot */
    NODE_DEFINE,    /* ${name=x}: nothing by itself; kids[0] is what references borrow */
    NODE_REFERENCE, /* ${name} of ${name=x}: borrowed is chosen anew each time */
} NodeType;

struct Node {
    NodeType type;
    char *text;
    Node **kids;
    double *weights; /* of a variant's kids */
    size_t count;
    size_t min, max;
    int slot;
    char method; /* '~': random even in combinatorial mode; else 0 */
    Node *borrowed;
    uint64_t values; /* choice_count() */
    /* a variant's, made when first needed */
    Draw *draw;       /* of its kids */
    uint64_t *before; /* [count]: values of the kids before each */
};

Node *node_new(NodeType type);
void node_add(Node *n, Node *kid, double weight);
/* Counts its values. Call it when the node is complete; what it is made of must have been settled. */
void node_settle(Node *n);

#endif
