/*
 * file_notes.h - facts about a file, remembered between runs while the file is unchanged: its SHA-256, and which of
 * its tensors contain no NaN or infinity. Only a cache: failures to read or write it are ignored.
 */
#ifndef LIMN_PIPELINE_FILE_NOTES_H
#define LIMN_PIPELINE_FILE_NOTES_H

#include <stdbool.h>

#include "base/file.h"

/* The note of that name for the file in this state, of less than `room` bytes. path: absolute. */
bool file_note_get(const char *path, const FileId *id, const char *name, char *value, size_t room);

/* Adds a note for this state. Does nothing if the file has changed since it was mapped, or could change unnoticed. */
void file_note_put(const char *path, const FileId *id, const char *name, const char *value);

#endif
