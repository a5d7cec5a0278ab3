/* load.c - see load.h. */
#include "image/load.h"

#include "base/file.h"
#include "image/png.h"

int image_load(const char *path, Image *out, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return -1;
    int failed = png_decode(file, out, e);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}

int image_load_size(const char *path, int *w, int *h, Err *e)
{
    Bytes file;
    PngTexts texts = { 0 };
    if (file_map(&file, path, e)) return -1;
    int failed = png_read_texts(file, &texts, w, h, e);
    if (!failed) png_texts_release(&texts);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}
