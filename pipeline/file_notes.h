/*
 * file_notes.h - what was found out about a file, remembered between runs for as long as the file is what it was: its SHA-256, and which of
 * its tensors hold no NaN or infinity. Only a convenience: what cannot be read or written is as if it had not been noted.
 */
#ifndef LIMN_PIPELINE_FILE_NOTES_H
#define LIMN_PIPELINE_FILE_NOTES_H

#include <stdbool.h>

#include "base/file.h"

/* What was noted under that name of the file in this state, of less than `room` bytes. path: absolute. */
bool file_note_get(const char *path, const FileId *id, const char *name, char *value, size_t room);

/* Notes it beside what else is known of this state; not of a file that has changed since it was mapped, or may yet unseen. */
void file_note_put(const char *path, const FileId *id, const char *name, const char *value);

#endif
