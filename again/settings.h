/*
 * settings.h - the fields of tools that write one object of settings, a table a tool; internal to again/. A field within another object
 * is "outer.inner".
 */
#ifndef LIMN_AGAIN_SETTINGS_H
#define LIMN_AGAIN_SETTINGS_H

#include "again/fields.h"

extern const Field settings_invokeai[], settings_fastsdcpu[], settings_draw_things[], settings_novelai[],
    settings_fooocus[], settings_swarmui[], settings_easy_diffusion[];

#endif
