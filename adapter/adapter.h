/*
 * adapter.h - LoRA and similar files: changes of a model's weights, applied while products read them (nn/patch.h). The
 * model's own weights stay unchanged in their file.
 *
 * Kinds: LoRA, LoCon (with a middle factor too), LoHa, LoKr, GLoRA, IA3, OFT, BOFT, differences of whole weights, biases and
 * norms; any of those that add may be DoRA. Names as kohya's sd-scripts, LyCORIS, diffusers (of 2023, and since 0.21 PEFT's) and
 * ComfyUI write them. Sources: those of nn/patch.h; LyCORIS 4.1 (modules/, functional/), peft 0.21.
 */
#ifndef LIMN_ADAPTER_ADAPTER_H
#define LIMN_ADAPTER_ADAPTER_H

#include "adapter/blocks.h"
#include "base/err.h"
#include "base/str.h"
#include "nn/bind.h"

typedef enum { NETWORK_UNET, NETWORK_TEXT, NETWORK_TEXT_2, NETWORK_COUNT } AdapterNetwork;

/* One network of a model. */
typedef struct {
    AdapterNetwork network;
    const BoundMemory *bound; /* its weights by name */
    int ldm_layers;           /* a UNet: residual blocks a level; its names may be LDM's too */
    float strength;
} AdapterTarget;

typedef struct {
    const AdapterTarget *target; /* [count] */
    int count;
    bool partial;               /* apply what fits; the rest is skipped and counted in `notes` */
    bool rounded;               /* products will round weights to 16 bits: LoRAs may be kept in 16 bits too */
    const char *family;         /* the model's: "SD 1.x", "SD XL" */
    const BlockWeights *blocks; /* times each module's strength; NULL: 1 */
} AdapterTargets;

typedef struct Adapter Adapter;

/*
 * Reads a file and applies it to the networks' weights, in the order of the calls. All of them must be removed, in the reverse
 * order, by adapter_free(). notes: one line for the user, or nothing. Error: a module that fits nothing (how many of them, and
 * the first), a kind that limn cannot apply, a wrong shape; then nothing is applied.
 */
Adapter *adapter_lay(const char *path, const AdapterTargets *to, Str *notes, Err *e);
void adapter_free(Adapter *a);
void adapter_count(const Adapter *a, size_t *matrices, size_t *vectors); /* that it changes */
Bytes adapter_file(const Adapter *a);                                    /* mapped for as long as it */

#endif
