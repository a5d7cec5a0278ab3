/*
 * files.h - files for the tests to break: a folder of a test program's own, and safetensors made by hand.
 */
#ifndef LIMN_TESTS_FILES_H
#define LIMN_TESTS_FILES_H

#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

/* A fresh folder under $TMPDIR; its path is cmocka's *state. The teardown removes it and all that is in it. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* dir/name, on the heap. */
char *path_in(const char *dir, const char *name);

/* Writes dir/name; folders on the way are made. */
void put_file(const char *dir, const char *name, Bytes bytes);
void put_text(const char *dir, const char *name, const char *text);

/*
 * A safetensors file on the heap: the header's text as it is, and so many bytes of data: byte i is i % 251. The memory ends
 * where the file does, so that the sanitizer sees a byte read beyond.
 */
Bytes safetensors_of(const char *header, size_t data);

/* Copies bytes into memory that ends where they do. */
Bytes exact(const void *data, size_t len);

/* Fails unless the call has failed and said `part`. */
void assert_said(int failed, const Err *e, const char *part);

#endif
