/* panels.c - see panels.h. */
#include "nn/panels.h"

#include "base/file.h"
#include "nn/patch.h"

long panel_row(const Panels *p, size_t i, size_t j)
{
    size_t n = (size_t)p->n, half = PANEL / 2;
    size_t row = !p->paired ? i * PANEL + j : j < half ? i * half + j : n / 2 + i * half + j - half;
    bool there = !p->paired ? row < n : i * half + j % half < n / 2;
    return there ? (long)row : -1;
}

static int parts_of(const Panels *p) { return p->parts > 1 ? p->parts : 1; }
static size_t part_rows(const Panels *p) { return (size_t)p->n / (size_t)parts_of(p); }

size_t panels_bytes(const Panels *p)
{
    size_t bytes = 0, each = part_rows(p) * (size_t)p->k;
    for (int i = 0; i < parts_of(p); i++) bytes += dtype_bytes(p->type[i], each);
    return bytes;
}

/* The part that a matrix row is of; *row becomes its row in it. */
static size_t part_of(const Panels *p, size_t *row)
{
    size_t part = 0, each = part_rows(p);
    for (; *row >= each; *row -= each) part++;
    return part;
}

/* What kernels transpose as it lies: one format of whole numbers, without scales. */
static bool is_plain(const Panels *p)
{
    for (int i = 0; i < parts_of(p); i++)
        if (p->type[i] > DT_BF16 || p->type[i] != p->type[0] || p->scale[i]) return false;
    return true;
}

/* Where the piece begins in the row of each column; `none` where zeros fill the panel. */
static void find_rows(const Panels *p, PanelPiece at, const unsigned char *none, const unsigned char *rows[PANEL])
{
    size_t item = dtype_size(p->type[0]), depth = (size_t)p->k;
    for (size_t j = 0; j < PANEL; j++) {
        long row = panel_row(p, at.panel, j);
        size_t place = (size_t)row;
        rows[j] = none;
        if (row < 0) continue;
        size_t part = part_of(p, &place);
        rows[j] = p->data[part] + (place * depth + at.first) * item;
    }
}

/* A panel's rows where a piece begins, and where the next one does. */
typedef struct {
    const unsigned char *now[PANEL], *next[PANEL];
} Rows;

/* Prefetches the rest of the next piece if it is longer than this one, during which only its own length is prefetched. */
static Rows rows_of(const Panels *p, PanelPiece at, PanelPiece next)
{
    size_t from = dtype_bytes(p->type[0], at.k), to = dtype_bytes(p->type[0], next.k);
    Rows r;
    find_rows(p, at, NULL, r.now);
    find_rows(p, next, p->data[0], r.next);
    for (size_t j = 0; j < PANEL; j++)
        for (size_t line = from; line < to; line += 64) __builtin_prefetch(r.next[j] + line, 0, 2);
    return r;
}

/* ---- formats in blocks: some values of every row are unpacked, then transposed as f32 ---- */

enum {
    UNPACKED = 256,                      /* values of each row at once */
    STRIDE = UNPACKED + BLOCK_MOST + 16, /* with those of the blocks that they begin and end in; no power of 2 */
};

/*
 * Of the numbers in a block, a power of 2: here every row is looked at for every piece, and dividing took a quarter of
 * what Q8_0 costs.
 */
static int block_shift(DType type) { return __builtin_ctzl(dtype_block(type)); }

/* Values first .. first + k - 1 of a matrix row to `room`, of STRIDE floats; returns where in it they begin. */
static const float *unpack_row(const Kernels *kernels, const Panels *p, size_t row, size_t first, size_t k, float *room)
{
    size_t place = row, part = part_of(p, &place), at = place * (size_t)p->k + first;
    DType type = p->type[part];
    int shift = block_shift(type);
    size_t block = (size_t)1 << shift, skip = at & (block - 1);
    kernels->unpack[type](room, p->data[part] + (at >> shift) * dtype_size(type), (skip + k + block - 1) >> shift);
    if (p->scale[part]) kernels->scale(room + skip, p->scale[part][place], k);
    return room + skip;
}

/* The lines of a row's piece, into the second cache. */
static void fetch_row(const Panels *p, size_t row, PanelPiece at)
{
    size_t place = row, part = part_of(p, &place), from = place * (size_t)p->k + at.first, depth = (size_t)p->k;
    size_t k = at.first >= depth ? 0 : at.first + at.k > depth ? depth - at.first : at.k;
    int shift = block_shift(p->type[part]);
    size_t size = dtype_size(p->type[part]);
    const unsigned char *begin = p->data[part] + (from >> shift) * size;
    for (size_t line = 0; line < (k >> shift) * size; line += 64) __builtin_prefetch(begin + line, 0, 2);
}

/* Some values of each of a panel's rows, as f32. */
typedef struct {
    float room[PANEL][STRIDE];
    const unsigned char *rows[PANEL]; /* NULL: zeros */
    const unsigned char *none[PANEL]; /* nothing to fetch meanwhile */
} Unpacked;

static void unpack_rows(Unpacked *u, const Kernels *kernels, const Panels *p, PanelPiece at)
{
    for (size_t j = 0; j < PANEL; j++) {
        long row = panel_row(p, at.panel, j);
        u->none[j] = (const unsigned char *)u->room[j];
        u->rows[j] =
            row < 0 ? NULL : (const unsigned char *)unpack_row(kernels, p, (size_t)row, at.first, at.k, u->room[j]);
    }
}

static void fetch_rows(const Panels *p, PanelPiece next)
{
    for (size_t j = 0; j < PANEL; j++) {
        long row = panel_row(p, next.panel, j);
        if (row >= 0) fetch_row(p, (size_t)row, next);
    }
}

/* Piece `from` of what is UNPACKED values deep, at most. */
static PanelPiece some_of(PanelPiece at, size_t from)
{
    return (PanelPiece){ at.panel, at.first + from, at.k - from < UNPACKED ? at.k - from : UNPACKED };
}

static void unpack(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, float *out)
{
    Unpacked u;
    fetch_rows(p, next);
    for (size_t from = 0; from < at.k; from += UNPACKED) {
        PanelPiece some = some_of(at, from);
        unpack_rows(&u, kernels, p, some);
        kernels->panel_f32(out + from * PANEL, u.rows, u.none, DT_F32, some.k);
    }
}

static void unpack_pairs(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, uint16_t *out)
{
    Unpacked u;
    fetch_rows(p, next);
    for (size_t from = 0; from < at.k; from += UNPACKED) {
        PanelPiece some = some_of(at, from);
        unpack_rows(&u, kernels, p, some);
        kernels->panel_pairs(out + from * PANEL, u.rows, u.none, DT_F32, some.k);
    }
}

static void unpack_i8(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, ColumnsI8 *out)
{
    Unpacked u;
    fetch_rows(p, next);
    for (size_t from = 0; from < at.k; from += UNPACKED) {
        PanelPiece some = some_of(at, from);
        unpack_rows(&u, kernels, p, some);
        kernels->panel_i8(out + from / BLOCK_I8, u.rows, u.none, DT_F32, some.k);
    }
}

/* As it lies in the file a piece is no product's yet: something changes or makes it, as f32. */
static bool made_or_changed(const Panels *p) { return p->patch || p->made; }

/* With the patches that stand before `until`; NULL: with all. at: the piece, and the one that is wanted after it. */
static void read_piece(const Kernels *kernels, const Panels *p, const Patch *until, const PanelPiece at[2], float *out)
{
    if (p->made) {
        p->made(kernels, p, *at, out);
        return;
    }
    if (is_plain(p)) {
        Rows r = rows_of(p, at[0], at[1]);
        kernels->panel_f32(out, r.now, r.next, p->type[0], at->k);
    } else {
        unpack(kernels, p, at[0], at[1], out);
    }
    for (const Patch *patch = p->patch; patch && patch != until; patch = patch->next)
        patch->kind->apply(kernels, patch, p, *at, out);
}

void panel_f32(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, float *out)
{
    read_piece(kernels, p, NULL, (PanelPiece[]){ at, next }, out);
}

void panel_before(const Kernels *kernels, const Panels *p, const Patch *until, PanelPiece at, float *out)
{
    read_piece(kernels, p, until, (PanelPiece[]){ at, at }, out);
}

void panel_pairs(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, uint16_t *out)
{
    if (!made_or_changed(p) && is_plain(p)) {
        Rows r = rows_of(p, at, next);
        kernels->panel_pairs(out, r.now, r.next, p->type[0], at.k);
        return;
    }
    if (!made_or_changed(p)) {
        unpack_pairs(kernels, p, at, next, out);
        return;
    }
    float values[UNPACKED * PANEL];
    for (size_t from = 0; from < at.k; from += UNPACKED) {
        PanelPiece some = some_of(at, from);
        panel_f32(kernels, p, some, next, values);
        kernels->pairs_of_panel(out + from * PANEL, values, some.k);
    }
}

void panel_i8(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, ColumnsI8 *out)
{
    if (!made_or_changed(p) && is_plain(p)) {
        Rows r = rows_of(p, at, next);
        kernels->panel_i8(out, r.now, r.next, p->type[0], at.k);
        return;
    }
    if (!made_or_changed(p)) {
        unpack_i8(kernels, p, at, next, out);
        return;
    }
    float values[UNPACKED * PANEL];
    for (size_t from = 0; from < at.k; from += UNPACKED) {
        PanelPiece some = some_of(at, from);
        panel_f32(kernels, p, some, next, values);
        kernels->i8_of_panel(out + from / BLOCK_I8, values, some.k);
    }
}

void panel_i8_tiles(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, ColumnsI8Tiles *out)
{
    if (!made_or_changed(p) && is_plain(p)) {
        Rows r = rows_of(p, at, next);
        kernels->panel_i8_tiles(out, r.now, r.next, p->type[0], at.k);
        return;
    }
    float values[I8_TILES_DEPTH * PANEL];
    panel_f32(kernels, p, at, next, values);
    kernels->i8_tiles_of_panel(out, values, at.k);
}

void panels_evict(const Panels *p)
{
    for (int i = 0; p->mapped && i < PANELS_JOINED && p->data[i]; i++)
        file_evict((Bytes){ p->data[i], dtype_bytes(p->type[i], part_rows(p) * (size_t)p->k) });
}
