/* blocks.c - see blocks.h: for any CPU. */
#define UNPACKERS blocks_plain
#include "weights/blocks.inc"
