/* fidelity.c - see fidelity.h. The file is a JSON object of {"SHA-256; CPU; kernels; version": {"psnr": 43.7, ..}}. */
#include "pipeline/fidelity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/own_cache.h"
#include "pipeline/speeds.h"

enum { ENTRIES_MAX = 256, NAME = 66 + SPEEDS_NAME };

const double fidelity_psnr = 40, fidelity_of_16 = 0.98;
static const char file_name[] = "fidelity.json";

const char *fidelity_short(const Fidelity *f)
{
    if (!(f->psnr >= fidelity_psnr)) return "too far from f32";
    return f->of_16 <= fidelity_of_16 ? NULL : "hardly faster";
}

static void name_of(const char *sha256, const Kernels *k, char buf[NAME])
{
    char machine[SPEEDS_NAME];
    speeds_name(k, machine);
    snprintf(buf, NAME, "%.64s; %s", sha256, machine);
}

/* The numbers of an entry. */
enum { NUMBERS = 7 };
typedef struct {
    const char *name;
    double value, least, most;
} Number;

static void numbers_of(const Fidelity *f, Number n[NUMBERS])
{
    const Number all[NUMBERS] = { { "psnr", f->psnr, 0, 1000 },           { "flip", f->flip, 0, 1 },
                                  { "of_16", f->of_16, 0, 1000 },         { "width", f->width, 1, 1 << 16 },
                                  { "height", f->height, 1, 1 << 16 },    { "steps", f->steps, 1, 1 << 16 },
                                  { "pictures", f->pictures, 1, 1 << 16 } };
    memcpy(n, all, sizeof all);
}

bool fidelity_known(const char *sha256, const Kernels *k, Fidelity *f)
{
    Folder folder;
    char name[NAME];
    Number n[NUMBERS];
    if (strlen(sha256) != 64 || own_cache_open(&folder)) return false;
    name_of(sha256, k, name);
    cJSON *root = own_cache_read(&folder, file_name);
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(root, name);
    bool whole = cJSON_IsObject(entry);
    numbers_of(&(Fidelity){ 0 }, n);
    for (int i = 0; i < NUMBERS && whole; i++) {
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(entry, n[i].name);
        whole = cJSON_IsNumber(at) && at->valuedouble >= n[i].least && at->valuedouble <= n[i].most;
        if (whole) n[i].value = at->valuedouble;
    }
    cJSON_Delete(root);
    folder_close(&folder);
    if (!whole) return false;
    *f = (Fidelity){ n[0].value,      n[1].value,      n[2].value,     (int)n[3].value,
                     (int)n[4].value, (int)n[5].value, (int)n[6].value };
    return true;
}

void fidelity_remember(const char *sha256, const Kernels *k, const Fidelity *f)
{
    Folder folder;
    char name[NAME];
    Number n[NUMBERS];
    if (strlen(sha256) != 64 || isnan(f->psnr + f->flip + f->of_16) || own_cache_open(&folder)) return;
    name_of(sha256, k, name);
    cJSON *root = own_cache_read(&folder, file_name), *entry = cJSON_CreateObject();
    numbers_of(f, n);
    for (int i = 0; i < NUMBERS; i++)
        cJSON_AddNumberToObject(entry, n[i].name, n[i].value < n[i].most ? n[i].value : n[i].most);
    cJSON_DeleteItemFromObjectCaseSensitive(root, name);
    cJSON_AddItemToObject(root, name, entry);
    while (cJSON_GetArraySize(root) > ENTRIES_MAX) cJSON_DeleteItemFromArray(root, 0);
    own_cache_write(&folder, file_name, root);
    cJSON_Delete(root);
    folder_close(&folder);
}

int fidelity_choose(Precision *p, const char *asked, const Kernels *k, const FidelityModel *m, Err *e)
{
    Fidelity f;
    bool open = strcmp(asked, "auto") == 0 && m->weights >= PRECISION_LARGE && k->gemm_i8 && m->bare;
    bool eight = open && fidelity_known(m->sha256, k, &f) && !fidelity_short(&f);
    return precision_choose(p, eight ? "int8" : asked, k, m->weights, e);
}
