/*
 * magic.c - see magic.h. Sources: the formats' own specifications, and file(1)'s rules for them.
 */
#include "base/magic.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define CONVERT                                                                                                        \
    "it can hold a program, so limn does not read it. Convert it once: "                                               \
    "python3 -c \"import sys, torch, safetensors.torch as s; d = torch.load(sys.argv[1], map_location='cpu', "         \
    "weights_only=True); d = next((d[k] for k in ('state_dict', 'params_ema', 'params') if k in d), d); "              \
    "s.save_file({k: v.clone().contiguous() for k, v in d.items() "                                                    \
    "if torch.is_tensor(v)}, sys.argv[2])\" IN.ckpt OUT.safetensors"
#define PICKLE  "a PyTorch pickle (.ckpt, .pt, .bin)"
#define NOT_OUR "limn does not read that, get the model as safetensors"
#define UNPACK  "unpack it first"

enum { LOOKED_AT = 1024 }; /* bytes of a text in which its kind is looked for */

/* The first row whose bytes stand at its place counts. */
static const struct {
    size_t at, len;
    const char *bytes;
    Magic is;
} rows[] = {
    { 0, 8, "\x89PNG\r\n\x1a\n", { MAGIC_PNG, "a PNG picture", NULL } },
    { 0, 3, "\xff\xd8\xff", { MAGIC_PICTURE, "a JPEG picture", NULL } },
    { 8, 4, "WEBP", { MAGIC_PICTURE, "a WebP picture", NULL } },
    { 0, 6, "GIF87a", { MAGIC_PICTURE, "a GIF picture", NULL } },
    { 0, 6, "GIF89a", { MAGIC_PICTURE, "a GIF picture", NULL } },
    { 4, 8, "ftypavif", { MAGIC_PICTURE, "an AVIF picture", NULL } },
    { 4, 8, "ftypavis", { MAGIC_PICTURE, "an AVIF picture", NULL } },
    { 4, 7, "ftyphei", { MAGIC_PICTURE, "a HEIC picture", NULL } },
    { 4, 7, "ftyphev", { MAGIC_PICTURE, "a HEIC picture", NULL } },
    { 4, 8, "ftypmif1", { MAGIC_PICTURE, "a HEIC picture", NULL } },
    { 4, 8, "ftypmsf1", { MAGIC_PICTURE, "a HEIC picture", NULL } },
    { 4, 4, "ftyp", { MAGIC_OTHER, "a video (MP4)", NULL } },
    { 0, 4, "II*\0", { MAGIC_PICTURE, "a TIFF picture", NULL } },
    { 0, 4, "MM\0*", { MAGIC_PICTURE, "a TIFF picture", NULL } },
    { 0, 4, "8BPS", { MAGIC_PICTURE, "a Photoshop picture (PSD)", NULL } },
    { 0, 8, "gimp xcf", { MAGIC_PICTURE, "a GIMP picture (XCF)", NULL } },
    { 0, 2, "\xff\x0a", { MAGIC_PICTURE, "a JPEG XL picture", NULL } },
    { 0, 12, "\0\0\0\x0cJXL \r\n\x87\n", { MAGIC_PICTURE, "a JPEG XL picture", NULL } },
    { 0, 12, "\0\0\0\x0cjP  \r\n\x87\n", { MAGIC_PICTURE, "a JPEG 2000 picture", NULL } },
    { 0, 4, "qoif", { MAGIC_PICTURE, "a QOI picture", NULL } },
    { 0, 4, "\x76\x2f\x31\x01", { MAGIC_PICTURE, "an OpenEXR picture", NULL } },
    { 0, 4, "DDS ", { MAGIC_PICTURE, "a DDS texture", NULL } },
    { 0, 4, "\0\0\1\0", { MAGIC_PICTURE, "an icon (ICO)", NULL } },
    { 0, 5, "%PDF-", { MAGIC_OTHER, "a PDF document", NULL } },
    { 8, 4, "WAVE", { MAGIC_OTHER, "a sound (WAV)", NULL } },
    { 8, 4, "AVI ", { MAGIC_OTHER, "a video (AVI)", NULL } },
    { 0, 4, "\x1a\x45\xdf\xa3", { MAGIC_OTHER, "a video (Matroska, WebM)", NULL } },
    { 0,
      4,
      "\x7f"
      "ELF",
      { MAGIC_OTHER, "a program", NULL } },
    { 0, 15, "SQLite format 3", { MAGIC_OTHER, "a database (SQLite)", NULL } },

    { 0, 2, "\x80\x02", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
    { 0, 2, "\x80\x03", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
    { 0, 2, "\x80\x04", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
    { 0, 2, "\x80\x05", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
    { 0, 4, "GGUF", { MAGIC_WEIGHTS, "a GGUF file", NOT_OUR } },
    { 0, 4, "lmgg", { MAGIC_WEIGHTS, "a GGML file", NOT_OUR } },
    { 0, 4, "tjgg", { MAGIC_WEIGHTS, "a GGML file", NOT_OUR } },
    { 0, 4, "\x89HDF", { MAGIC_WEIGHTS, "an HDF5 file", NOT_OUR } },
    { 0, 6, "\x93NUMPY", { MAGIC_WEIGHTS, "a NumPy array (.npy)", NOT_OUR } },
    { 4, 4, "TFL3", { MAGIC_WEIGHTS, "a TensorFlow Lite file", NOT_OUR } },

    { 0, 2, "\x1f\x8b", { MAGIC_ARCHIVE, "a gzip archive", UNPACK } },
    { 0, 4, "7z\xbc\xaf", { MAGIC_ARCHIVE, "a 7z archive", UNPACK } },
    { 0, 4, "Rar!", { MAGIC_ARCHIVE, "a RAR archive", UNPACK } },
    { 0,
      6,
      "\xfd"
      "7zXZ\0",
      { MAGIC_ARCHIVE, "an xz archive", UNPACK } },
    { 0, 4, "\x28\xb5\x2f\xfd", { MAGIC_ARCHIVE, "a Zstandard archive", UNPACK } },
    { 0, 3, "BZh", { MAGIC_ARCHIVE, "a bzip2 archive", UNPACK } },
    { 257, 5, "ustar", { MAGIC_ARCHIVE, "a tar archive", UNPACK } },

    { 0,
      23,
      "version https://git-lfs",
      { MAGIC_OTHER, "a Git LFS pointer", "run `git lfs pull` where it was cloned" } },
};

static bool stands(Bytes file, size_t at, const char *bytes, size_t len)
{
    return file.len >= at + len && memcmp(file.data + at, bytes, len) == 0;
}

static unsigned byte_at(Bytes file, size_t i) { return i < file.len ? file.data[i] : 0; }

/* The length of its header is a number below 2^32, then its JSON begins. */
static bool is_safetensors(Bytes file) { return stands(file, 4, "\0\0\0\0{", 5); }

/* The name of a ZIP's first entry tells who wrote it. */
static Magic of_zip(Bytes file)
{
    size_t len = byte_at(file, 26) | byte_at(file, 27) << 8;
    const char *name = (const char *)file.data + 30;
    if (file.len < 30 || len > file.len - 30) len = 0;
    if (!len) return (Magic){ MAGIC_WEIGHTS, PICKLE, CONVERT }; /* cut off: what most of them are */
    const struct {
        const char *end;
        Magic is;
    } ends[] = { { "/data.pkl", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
                 { "/version", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
                 { "/byteorder", { MAGIC_WEIGHTS, PICKLE, CONVERT } },
                 { ".npy", { MAGIC_WEIGHTS, "NumPy arrays (.npz)", NOT_OUR } } };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i].end);
        if (len >= n && memcmp(name + len - n, ends[i].end, n) == 0) return ends[i].is;
    }
    return (Magic){ MAGIC_ARCHIVE, "a ZIP archive", UNPACK };
}

/* "BM", a reserved 0, and the size of a header that there is. */
static bool is_bmp(Bytes file)
{
    unsigned header = byte_at(file, 14);
    return stands(file, 0, "BM", 2) && stands(file, 6, "\0\0\0\0", 4) && header >= 12 && header <= 124 &&
           stands(file, 15, "\0\0\0", 3);
}

/* Protocol buffers: field 1 is the format's version, field 2 the name of the program that wrote it. */
static bool is_onnx(Bytes file)
{
    return byte_at(file, 0) == 8 && byte_at(file, 1) >= 1 && byte_at(file, 1) <= 20 && byte_at(file, 2) == 0x12 &&
           isalpha((int)byte_at(file, 4));
}

/* MessagePack, as Flax writes it: a map whose first key is a text. */
static bool is_msgpack(Bytes file)
{
    unsigned map = byte_at(file, 0), key = byte_at(file, map == 0xde ? 3 : 1);
    bool long_key = key == 0xd9;
    if (!((map >= 0x81 && map <= 0x8f) || map == 0xde) || !((key >= 0xa1 && key <= 0xbf) || long_key)) return false;
    size_t text = (map == 0xde ? 4 : 2) + (size_t)long_key;
    for (size_t i = text; i < text + (long_key ? 8 : key - 0xa0); i++)
        if (!isgraph((int)byte_at(file, i))) return false;
    return true;
}

/* Whether the word stands in the first part of a text, in small letters or capitals. */
static bool has_word(Bytes text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.len && i < LOOKED_AT; i++)
        if (strncasecmp((const char *)text.data + i, word, n) == 0) return true;
    return false;
}

static Magic of_text(Bytes file)
{
    if (stands(file, 0, "\xef\xbb\xbf", 3)) file = (Bytes){ file.data + 3, file.len - 3 };
    while (file.len && isspace(file.data[0])) file = (Bytes){ file.data + 1, file.len - 1 };
    if (byte_at(file, 0) == '<' && has_word(file, "<svg")) return (Magic){ MAGIC_PICTURE, "an SVG drawing", NULL };
    if (byte_at(file, 0) == '<' && (has_word(file, "<html") || has_word(file, "<!doctype html")))
        return (Magic){ MAGIC_OTHER, "a web page",
                        "the download went wrong (a login, or a link to the page about the file)" };
    if (byte_at(file, 0) == '<' && has_word(file, "<?xml")) return (Magic){ MAGIC_TEXT, "an XML text", NULL };
    if (byte_at(file, 0) == '{' && has_word(file, "\"weight_map\""))
        return (Magic){ MAGIC_OTHER, "an index of shards", "give the model's folder" };
    if (byte_at(file, 0) == '{') return (Magic){ MAGIC_TEXT, "a JSON text", NULL };
    return (Magic){ MAGIC_UNKNOWN, NULL, NULL };
}

Magic magic_of(Bytes file)
{
    if (is_safetensors(file)) return (Magic){ MAGIC_SAFETENSORS, "a safetensors file", NULL };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (stands(file, rows[i].at, rows[i].bytes, rows[i].len)) return rows[i].is;
    if (stands(file, 0, "PK\3\4", 4)) return of_zip(file);
    if (is_bmp(file)) return (Magic){ MAGIC_PICTURE, "a BMP picture", NULL };
    if (byte_at(file, 0) == 'P' && byte_at(file, 1) >= '1' && byte_at(file, 1) <= '7' && byte_at(file, 2) == '\n')
        return (Magic){ MAGIC_PICTURE, "a PNM picture", NULL };
    if (file.len >= 18 && stands(file, file.len - 18, "TRUEVISION-XFILE.", 17))
        return (Magic){ MAGIC_PICTURE, "a TGA picture", NULL };
    if (is_onnx(file)) return (Magic){ MAGIC_WEIGHTS, "an ONNX model", NOT_OUR };
    if (is_msgpack(file)) return (Magic){ MAGIC_WEIGHTS, "Flax's weights (.msgpack)", NOT_OUR };
    return of_text(file);
}
