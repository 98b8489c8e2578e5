// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CERTIFICATE_DAYS = 3650 };

struct tls_context {
	SSL_CTX *ssl;
	char fingerprint[TLS_FINGERPRINT_TEXT];
};

struct tls {
	SSL *ssl;
	BIO *in, *out; // belong to ssl
};

static void fail(const char *pem, const char *what, struct parse_error *error)
{
	unsigned long code = ERR_peek_last_error();

	parse_error_set(
	    error, "%s: %s: %s", pem, what, code ? ERR_reason_error_string(code) : strerror(errno));
	ERR_clear_error();
}

static int add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = e && X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

	if (!cert || !X509_set_version(cert, X509_VERSION_3) ||
	    !ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -3600) ||
	    !X509_time_adj_ex(X509_getm_notAfter(cert), CERTIFICATE_DAYS, 0, NULL) ||
	    !X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"Fairway registry", -1, -1, 0) ||
	    !X509_set_issuer_name(cert, name) || !X509_set_pubkey(cert, key) ||
	    !add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") ||
	    !X509_sign(cert, key, EVP_sha256())) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

// The file appears whole or not at all.
static int make_file(const char *pem, struct parse_error *error)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? make_certificate(key) : NULL;
	char aside[512];
	FILE *file = NULL;
	int fd, ok = 0;

	snprintf(aside, sizeof(aside), "%s.new", pem);
	fd = cert ? open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (fd >= 0 && !file)
		close(fd);
	if (file)
		ok = PEM_write_X509(file, cert) &&
		     PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) &&
		     fflush(file) == 0 && fsync(fd) == 0;
	if (file)
		fclose(file);
	if (ok)
		ok = rename(aside, pem) == 0;
	X509_free(cert);
	EVP_PKEY_free(key);
	if (!ok) {
		fail(pem, "cannot make a certificate", error);
		if (fd >= 0)
			unlink(aside);
	}
	return ok ? 0 : -EIO;
}

static void take_fingerprint(struct tls_context *ctx)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	X509_digest(SSL_CTX_get0_certificate(ctx->ssl), EVP_sha256(), digest, &len);
	for (unsigned i = 0; i < len && i < 32; i++)
		snprintf(ctx->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

struct tls_context *tls_open(const char *pem, struct parse_error *error)
{
	struct tls_context *ctx;
	struct stat info;

	if (stat(pem, &info)) {
		if (errno != ENOENT) {
			fail(pem, "cannot read the certificate", error);
			return NULL;
		}
		if (make_file(pem, error))
			return NULL;
	}
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx) {
		parse_error_set(error, "%s: out of memory", pem);
		return NULL;
	}
	ctx->ssl = SSL_CTX_new(TLS_server_method());
	if (!ctx->ssl || !SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION) ||
	    SSL_CTX_use_certificate_chain_file(ctx->ssl, pem) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx->ssl, pem, SSL_FILETYPE_PEM) != 1) {
		fail(pem,
		    "no certificate with its key in PEM; move it away to get new ones, of which "
		    "daemons need the fingerprint",
		    error);
		tls_close(ctx);
		return NULL;
	}
	SSL_CTX_set_mode(ctx->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	take_fingerprint(ctx);
	return ctx;
}

void tls_close(struct tls_context *ctx)
{
	if (ctx)
		SSL_CTX_free(ctx->ssl);
	free(ctx);
}

const char *tls_fingerprint(const struct tls_context *ctx)
{
	return ctx->fingerprint;
}

struct tls *tls_new(struct tls_context *ctx)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ssl = SSL_new(ctx->ssl);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		SSL_free(t->ssl);
		BIO_free(t->in);
		BIO_free(t->out);
		free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (t)
		SSL_free(t->ssl);
	free(t);
}

int tls_feed(struct tls *t, const void *data, size_t len)
{
	return BIO_write(t->in, data, (int)len) == (int)len ? 0 : -ENOMEM;
}

ssize_t tls_read(struct tls *t, void *out, size_t size)
{
	int n = SSL_read(t->ssl, out, (int)size), why;

	if (n > 0)
		return n;
	why = SSL_get_error(t->ssl, n);
	ERR_clear_error();
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -ECONNRESET;
}

int tls_write(struct tls *t, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		int n = SSL_write(t->ssl, p, (int)len);

		if (n <= 0) {
			ERR_clear_error();
			return -ECONNRESET;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

size_t tls_pending(const struct tls *t)
{
	return BIO_ctrl_pending(t->out);
}

size_t tls_take(struct tls *t, void *out, size_t size)
{
	int n = BIO_read(t->out, out, (int)size);

	return n > 0 ? (size_t)n : 0;
}
