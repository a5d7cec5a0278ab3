/* contact.h - sheet.png: the cells as a contact sheet, a line of rows for each seed, the reference at the end. */
#ifndef LIMN_COMPARE_CONTACT_H
#define LIMN_COMPARE_CONTACT_H

#include "compare/conclude.h"

/* Writes sheet.png, or sheet-1.png, ...; *pages: how many. */
int contact_write(const Comparison *c, const Conclusions *k, int *pages, Err *e);

#endif
