/* kernels.c - which kernel sets there are, and which one this CPU runs. */
#include "nn/kernels.h"

#include <cblas.h>
#ifdef LIMN_X86
#include <cpuid.h>
#endif
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

extern const Kernels kernels_portable, kernels_avx2, kernels_avx2vnni, kernels_avx512, kernels_avx512vnni;
extern const Kernels kernels_avx512bf16, kernels_amx, kernels_neon;

const Kernels *const kernels_rows[] = {
#ifdef LIMN_X86
    &kernels_amx,        &kernels_avx512bf16,
    &kernels_avx512vnni, &kernels_avx512,
    &kernels_avx2vnni,   &kernels_avx2,
#endif
#ifdef LIMN_ARM64
    &kernels_neon,
#endif
    &kernels_portable,   NULL,
};

#if defined(LIMN_X86)
#define NAMES "portable, avx2, avx2vnni, avx512, avx512vnni, avx512bf16 or amx"
#elif defined(LIMN_ARM64)
#define NAMES "portable or neon"
#else
#define NAMES "portable"
#endif

#ifdef LIMN_X86
enum { ASKED = 1, VNNI = 2, TILES = 4 };

/* The system keeps tile registers only for a process that asks for them. */
static bool tiles_granted(void)
{
#ifdef __linux__
    enum { ASK = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
#else
    return false;
#endif
}

/*
 * What the compilers that limn is built with do not know by name. The system keeps the vectors' registers where it has AVX2.
 * Asked once: a virtual machine takes 15 us for each answer, and kernels are selected for each weight that is bound.
 */
static bool has(int what)
{
    static _Atomic int known;
    int found = known;
    if (!found) {
        enum { AMX = 1 << 22 | 1 << 24 | 1 << 25, AVX_VNNI = 1 << 4 }; /* of AMX bfloat16, tiles, 8-bit integers */
        unsigned a, b, c, d;
        found = ASKED;
        if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVX_VNNI)) found |= VNNI;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX) == AMX && tiles_granted()) found |= TILES;
        known = found;
    }
    return found & what;
}
#endif

bool kernels_supported(const Kernels *k)
{
#ifdef LIMN_X86
    if (k == &kernels_amx) return kernels_supported(&kernels_avx512bf16) && has(TILES);
    if (k == &kernels_avx512bf16) return __builtin_cpu_supports("avx512bf16") && kernels_supported(&kernels_avx512vnni);
    if (k == &kernels_avx512vnni) return __builtin_cpu_supports("avx512vnni") && kernels_supported(&kernels_avx512);
    if (k == &kernels_avx2vnni) return has(VNNI) && kernels_supported(&kernels_avx2);
    if (k == &kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (k == &kernels_avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#ifdef LIMN_ARM64
    if (k == &kernels_neon) return true; /* every such CPU has it */
#endif
    return k == &kernels_portable;
}

const Kernels *kernels_select(const char **why)
{
    const char *mask = getenv("LIMN_CPU");
    openblas_set_num_threads(1); /* threads are OpenMP's, over tiles: see gemm.h */
    for (const Kernels *const *row = kernels_rows; *row; row++) {
        if (mask && *mask && strcmp((*row)->name, mask) != 0) continue;
        if (kernels_supported(*row)) return *row;
        if (mask && *mask) {
            *why = "LIMN_CPU names kernels that this CPU cannot run; try LIMN_CPU=portable";
            return NULL;
        }
    }
    *why = "LIMN_CPU names no kernels that there are for this kind of CPU; choose " NAMES;
    return NULL;
}
