/* gallery_of FOLDER TITLE < manifest.jsonl - writes FOLDER/index.html, for the tests in a browser. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/gallery.h"

int main(int argc, char **argv)
{
    char **lines = NULL, *line = NULL;
    size_t count = 0, cap = 0;
    Err e;
    if (argc != 3) return 2;
    while (getline(&line, &cap, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        lines = mem_grow(lines, (count + 1) * sizeof *lines);
        lines[count++] = mem_strdup(line);
    }
    Folder in;
    int failed = folder_open(&in, argv[1], &e) || gallery_write(&in, argv[2], (const char *const *)lines, count, &e);
    if (failed) fprintf(stderr, "%s\n", e.text);
    for (size_t i = 0; i < count; i++) free(lines[i]);
    free(lines);
    free(line);
    folder_close(&in);
    return failed ? 1 : 0;
}
