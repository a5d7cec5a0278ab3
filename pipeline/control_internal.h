/* control_internal.h - what control.c and control_told.c share. */
#ifndef LIMN_PIPELINE_CONTROL_INTERNAL_H
#define LIMN_PIPELINE_CONTROL_INTERNAL_H

#include "pipeline/control.h"

/* One line. */
typedef struct {
    ControlLine line;
    const ControlFile *file;
    double strength;
    int type;                        /* a ControlNet-Union's kind of map */
    Image picture[CONTROL_PICTURES]; /* maps have the picture's size; w 0: not read yet, or no longer needed */
    /*
     * The network's output for it, computed once (only shapes before): a hint; maps; the tokens of the pictures and of none. A
     * map has one for each window (windows.h).
     */
    Tensor *found; /* [windows][T2I_MAX_MAPS] */
    int windows, count;
    Tensor kv; /* ControlNet's keys and values of the run's prompts; IP-Adapter's of its tokens */
} Unit;

/* The outputs for a window. */
static inline Tensor *unit_found(const Unit *u, int window)
{
    return u->found + (u->windows > 1 ? window : 0) * T2I_MAX_MAPS;
}

struct Control {
    Unit *unit; /* [count] */
    int count;
    Tensor residuals[UNET_MAX_RESIDUALS]; /* what ControlNets add in a call */
    Tensor maps[T2I_MAX_MAPS];            /* and T2I-Adapters */
    Tensor pictures[CONTROL_LINES];       /* and IP-Adapters' keys and values */
};

#endif
