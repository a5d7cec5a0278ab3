/*
 * carried.c - error messages of bundled libraries that cannot continue, in limn's form. The linker redirects their calls here
 * (--wrap in the Makefile) where the program carries them; without this FFTW aborts, and libgomp ends the program with a text of
 * its own.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* The linker's names: the library's call comes to __wrap_X, and __real_X is the function itself. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_memalign(size_t border, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_memalign(size_t border, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_gomp_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void *checked(void *p, size_t size)
{
    if (!p && size) mem_exhausted(size);
    return p;
}

void *__wrap_malloc(size_t size) { return checked(__real_malloc(size), size); }
void *__wrap_calloc(size_t count, size_t size) { return checked(__real_calloc(count, size), count * size); }
void *__wrap_realloc(void *old, size_t size) { return checked(__real_realloc(old, size), size); }
void *__wrap_memalign(size_t border, size_t size) { return checked(__real_memalign(border, size), size); }
char *__wrap_strdup(const char *s) { return mem_strdup(s); }

/* libgomp: a thread that cannot be had, above all. */
void __wrap_gomp_fatal(const char *fmt, ...)
{
    Err e;
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    err_set(&e, "OpenMP: %s (-t 1 needs one thread only)", why);
    fflush(stdout);
    file_remove_temporary();
    dprintf(STDERR_FILENO, "limn: %s\n", e.text);
    _exit(ERR_FAILED);
}

/*
 * Debian's libmicrohttpd can do TLS by GnuTLS, which has no static library to speak of. limn never asks for TLS: where the
 * program carries the library, these stand for GnuTLS, and each of them fails.
 */
#define WITHOUT_TLS(name)                                                                                              \
    int name(void);                                                                                                    \
    int name(void) { return -1; }
WITHOUT_TLS(gnutls_alpn_set_protocols)
WITHOUT_TLS(gnutls_bye)
WITHOUT_TLS(gnutls_certificate_allocate_credentials)
WITHOUT_TLS(gnutls_certificate_free_credentials)
WITHOUT_TLS(gnutls_certificate_server_set_request)
WITHOUT_TLS(gnutls_certificate_set_dh_params)
WITHOUT_TLS(gnutls_certificate_set_retrieve_function2)
WITHOUT_TLS(gnutls_certificate_set_retrieve_function3)
WITHOUT_TLS(gnutls_certificate_set_x509_key_mem)
WITHOUT_TLS(gnutls_certificate_set_x509_key_mem2)
WITHOUT_TLS(gnutls_certificate_set_x509_trust_mem)
WITHOUT_TLS(gnutls_cipher_get)
WITHOUT_TLS(gnutls_credentials_set)
WITHOUT_TLS(gnutls_deinit)
WITHOUT_TLS(gnutls_dh_params_deinit)
WITHOUT_TLS(gnutls_dh_params_import_pkcs3)
WITHOUT_TLS(gnutls_dh_params_init)
WITHOUT_TLS(gnutls_global_deinit)
WITHOUT_TLS(gnutls_handshake)
WITHOUT_TLS(gnutls_init)
WITHOUT_TLS(gnutls_priority_deinit)
WITHOUT_TLS(gnutls_priority_init)
WITHOUT_TLS(gnutls_priority_set)
WITHOUT_TLS(gnutls_protocol_get_version)
WITHOUT_TLS(gnutls_psk_allocate_server_credentials)
WITHOUT_TLS(gnutls_psk_free_server_credentials)
WITHOUT_TLS(gnutls_psk_set_server_credentials_function)
WITHOUT_TLS(gnutls_record_check_pending)
WITHOUT_TLS(gnutls_record_get_direction)
WITHOUT_TLS(gnutls_record_recv)
WITHOUT_TLS(gnutls_record_send)
WITHOUT_TLS(gnutls_session_get_ptr)
WITHOUT_TLS(gnutls_session_set_ptr)
WITHOUT_TLS(gnutls_transport_set_int2)
int gnutls_global_init(void);
const char *gnutls_strerror(int error);
extern void *(*gnutls_malloc)(size_t size);
int gnutls_global_init(void) { return 0; }
const char *gnutls_strerror(int error) { return error ? "there is no TLS in limn" : ""; }
void *(*gnutls_malloc)(size_t size) = malloc;
