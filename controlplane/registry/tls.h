// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// TLS 1.2 and later for the registry's listener (OpenSSL), between memory buffers: no I/O of its
// own but for the certificate. Daemons pin the certificate by its fingerprint, so it is kept in a
// file and never made anew while that is there. One thread.
struct tls_context;
struct tls;

enum { TLS_FINGERPRINT_TEXT = 65 };

// Reads certificate (chain) and key from a PEM file; makes one with a new self-signed certificate
// if it is missing. NULL with `error`.
struct tls_context *tls_open(const char *pem, struct parse_error *error);
void tls_close(struct tls_context *ctx);
// SHA-256 of the certificate, lower-case hex: what daemons want as -registry-fingerprint.
const char *tls_fingerprint(const struct tls_context *ctx);

// A connection's side; NULL without memory.
struct tls *tls_new(struct tls_context *ctx);
void tls_free(struct tls *t);
// Received bytes. 0 or -ENOMEM.
int tls_feed(struct tls *t, const void *data, size_t len);
// Plain bytes; 0: none yet, -ECONNRESET: closed or broken.
ssize_t tls_read(struct tls *t, void *out, size_t size);
// 0 or -ECONNRESET. Only after the handshake, which comes before the first request.
int tls_write(struct tls *t, const void *data, size_t len);
// Bytes to be sent.
size_t tls_pending(const struct tls *t);
size_t tls_take(struct tls *t, void *out, size_t size);
