/* version.h - limn's version, as --version and every PNG's metadata say it. */
#ifndef LIMN_BASE_VERSION_H
#define LIMN_BASE_VERSION_H

#define LIMN_VERSION "0.1.0"

#endif
