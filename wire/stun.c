// SPDX-License-Identifier: BSD-3-Clause
#include "wire/stun.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

enum {
	ATTRIBUTE_HEADER_SIZE = 4,
	FINGERPRINT_SIZE = 8,
	SOFTWARE_MAX = 127,
	FAMILY_V4 = 1,
	FAMILY_V6 = 2,
};

#define FINGERPRINT_XOR 0x5354554eu

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static uint32_t fingerprint(const uint8_t *data, size_t len)
{
	return crc32_gzip_refl(0, data, len) ^ FINGERPRINT_XOR;
}

static bool attribute_is_known(uint16_t type)
{
	switch (type) {
	case STUN_MAPPED_ADDRESS:
	case STUN_USERNAME:
	case STUN_MESSAGE_INTEGRITY:
	case STUN_ERROR_CODE:
	case STUN_UNKNOWN_ATTRIBUTES:
	case STUN_REALM:
	case STUN_NONCE:
	case STUN_MESSAGE_INTEGRITY_SHA256:
	case STUN_PASSWORD_ALGORITHM:
	case STUN_USERHASH:
	case STUN_XOR_MAPPED_ADDRESS:
		return true;
	default:
		return type >= STUN_OPTIONAL;
	}
}

static void unknown_add(struct stun_message *out, uint16_t type)
{
	if (out->unknown_count < STUN_UNKNOWN_MAX)
		out->unknown[out->unknown_count++] = type;
}

// The mask of XOR-MAPPED-ADDRESS is cookie and transaction, as they stand in the header.
static void address_mask(uint8_t *addr, const uint8_t *header, size_t len)
{
	for (size_t i = 0; i < len; i++)
		addr[i] ^= header[4 + i];
}

static int mapped_parse(
    const uint8_t *header, const uint8_t *value, size_t len, struct stun_message *out)
{
	uint8_t addr[16];
	uint32_t v4;
	uint16_t port;

	if (len < 4)
		return -EINVAL;
	port = load_be16(value + 2) ^ (STUN_MAGIC_COOKIE >> 16);
	if (value[1] == FAMILY_V4 && len == 8) {
		memcpy(addr, value + 4, 4);
		address_mask(addr, header, 4);
		memcpy(&v4, addr, sizeof(v4));
		out->mapped = endpoint_from_v4(v4, port);
	} else if (value[1] == FAMILY_V6 && len == 20) {
		memcpy(addr, value + 4, 16);
		address_mask(addr, header, 16);
		out->mapped = endpoint_from_v6(addr, port);
	} else {
		return -EINVAL;
	}
	out->has_mapped = true;
	return 0;
}

static int attribute_parse(
    const uint8_t *header, const uint8_t *attribute, struct stun_message *out)
{
	uint16_t type = load_be16(attribute);
	size_t len = load_be16(attribute + 2);
	const uint8_t *value = attribute + ATTRIBUTE_HEADER_SIZE;

	switch (type) {
	case STUN_XOR_MAPPED_ADDRESS:
		return out->has_mapped ? 0 : mapped_parse(header, value, len, out);
	case STUN_SOFTWARE:
		out->software = value;
		out->software_len = len;
		return 0;
	case STUN_ERROR_CODE:
		if (len < 4 || (value[2] & 7) < 3 || (value[2] & 7) > 6 || value[3] > 99)
			return -EINVAL;
		out->error_code = (uint16_t)((value[2] & 7) * 100 + value[3]);
		return 0;
	case STUN_UNKNOWN_ATTRIBUTES: // of a request: known, and not expected there
		for (size_t i = 0; i + 2 <= len && out->type == STUN_BINDING_ERROR; i += 2)
			unknown_add(out, load_be16(value + i));
		return 0;
	default:
		if (!attribute_is_known(type))
			unknown_add(out, type);
		return 0;
	}
}

static int header_parse(const uint8_t *data, size_t len, struct stun_message *out)
{
	if (!stun_is_message(data, len))
		return -EBADMSG;
	if (load_be16(data + 2) != len - STUN_HEADER_SIZE || len % 4 != 0)
		return -EBADMSG;
	*out = (struct stun_message){.transaction = data + 8, .type = load_be16(data)};
	switch (out->type) {
	case STUN_BINDING_REQUEST:
	case STUN_BINDING_INDICATION:
	case STUN_BINDING_SUCCESS:
	case STUN_BINDING_ERROR:
		return 0;
	default:
		return -EBADMSG;
	}
}

int stun_parse(const uint8_t *data, size_t len, struct stun_message *out)
{
	int err = header_parse(data, len, out);
	bool protected = false; // behind MESSAGE-INTEGRITY the rest is ignored (section 14.5)

	if (err < 0)
		return err;
	for (size_t at = STUN_HEADER_SIZE; at < len;) {
		uint16_t type = load_be16(data + at);
		size_t value_len = load_be16(data + at + 2);

		if (padded(value_len) > len - at - ATTRIBUTE_HEADER_SIZE)
			return -EINVAL;
		if (type == STUN_FINGERPRINT) {
			if (value_len != 4 || at + FINGERPRINT_SIZE != len)
				return -EBADMSG;
			if (load_be32(data + at + ATTRIBUTE_HEADER_SIZE) != fingerprint(data, at))
				return -EBADMSG;
			out->has_fingerprint = true;
		} else if (!protected) {
			err = attribute_parse(data, data + at, out);
			if (err < 0)
				return err;
		}
		protected |=
		    type == STUN_MESSAGE_INTEGRITY || type == STUN_MESSAGE_INTEGRITY_SHA256;
		at += ATTRIBUTE_HEADER_SIZE + padded(value_len);
	}
	return 0;
}

// Returns the place for len bytes of value, padding zeroed, or NULL; at advances behind it.
static uint8_t *attribute_build(uint8_t *buf, size_t cap, size_t *at, uint16_t type, size_t len)
{
	uint8_t *attribute = buf + *at;

	if (cap - *at < ATTRIBUTE_HEADER_SIZE + padded(len))
		return NULL;
	store_be16(attribute, type);
	store_be16(attribute + 2, (uint16_t)len);
	memset(attribute + ATTRIBUTE_HEADER_SIZE + len, 0, padded(len) - len);
	*at += ATTRIBUTE_HEADER_SIZE + padded(len);
	return attribute + ATTRIBUTE_HEADER_SIZE;
}

static int header_build(uint8_t *buf, size_t cap, enum stun_type type, const uint8_t *transaction)
{
	if (cap < STUN_HEADER_SIZE)
		return -ENOBUFS;
	store_be16(buf, (uint16_t)type);
	store_be16(buf + 2, 0);
	store_be32(buf + 4, STUN_MAGIC_COOKIE);
	memcpy(buf + 8, transaction, STUN_TRANSACTION_SIZE);
	return STUN_HEADER_SIZE;
}

// Adds the options and the length; the fingerprint covers the header with its final length.
static int message_finish(uint8_t *buf, size_t cap, size_t at, const struct stun_options *options)
{
	size_t attributes = at - STUN_HEADER_SIZE;

	if (options->software) {
		size_t len = strnlen(options->software, SOFTWARE_MAX);
		uint8_t *value = attribute_build(buf, cap, &at, STUN_SOFTWARE, len);
		if (!value)
			return -ENOBUFS;
		memcpy(value, options->software, len);
		attributes = at - STUN_HEADER_SIZE;
	}
	if (options->fingerprint)
		attributes += FINGERPRINT_SIZE;
	store_be16(buf + 2, (uint16_t)attributes);
	if (options->fingerprint) {
		uint32_t crc = fingerprint(buf, at);
		uint8_t *value = attribute_build(buf, cap, &at, STUN_FINGERPRINT, 4);
		if (!value)
			return -ENOBUFS;
		store_be32(value, crc);
	}
	return (int)at;
}

int stun_request_build(uint8_t *buf, size_t cap, const uint8_t transaction[STUN_TRANSACTION_SIZE],
    const struct stun_options *options)
{
	int at = header_build(buf, cap, STUN_BINDING_REQUEST, transaction);

	return at < 0 ? at : message_finish(buf, cap, (size_t)at, options);
}

int stun_success_build(uint8_t *buf, size_t cap, const uint8_t transaction[STUN_TRANSACTION_SIZE],
    const struct endpoint *mapped, const struct stun_options *options)
{
	int err = header_build(buf, cap, STUN_BINDING_SUCCESS, transaction);
	bool v4 = endpoint_is_v4(mapped);
	size_t addr_len = v4 ? 4 : 16;
	size_t at = STUN_HEADER_SIZE;
	uint8_t *value;

	if (err < 0)
		return err;
	value = attribute_build(buf, cap, &at, STUN_XOR_MAPPED_ADDRESS, 4 + addr_len);
	if (!value)
		return -ENOBUFS;
	value[0] = 0;
	value[1] = v4 ? FAMILY_V4 : FAMILY_V6;
	store_be16(value + 2, mapped->port ^ (STUN_MAGIC_COOKIE >> 16));
	memcpy(value + 4, mapped->addr + sizeof(mapped->addr) - addr_len, addr_len);
	address_mask(value + 4, buf, addr_len);
	return message_finish(buf, cap, at, options);
}

int stun_error_build(uint8_t *buf, size_t cap, const struct stun_message *request,
    enum stun_error code, const struct stun_options *options)
{
	const char *reason = code == STUN_UNKNOWN_ATTRIBUTE ? "Unknown Attribute" : "Bad Request";
	int err = header_build(buf, cap, STUN_BINDING_ERROR, request->transaction);
	size_t at = STUN_HEADER_SIZE;
	uint8_t *value;

	if (err < 0)
		return err;
	value = attribute_build(buf, cap, &at, STUN_ERROR_CODE, 4 + strlen(reason));
	if (!value)
		return -ENOBUFS;
	store_be16(value, 0);
	value[2] = (uint8_t)(code / 100);
	value[3] = (uint8_t)(code % 100);
	memcpy(value + 4, reason, strlen(reason));
	if (code == STUN_UNKNOWN_ATTRIBUTE) {
		value = attribute_build(
		    buf, cap, &at, STUN_UNKNOWN_ATTRIBUTES, 2 * (size_t)request->unknown_count);
		if (!value)
			return -ENOBUFS;
		for (size_t i = 0; i < request->unknown_count; i++)
			store_be16(value + 2 * i, request->unknown[i]);
	}
	return message_finish(buf, cap, at, options);
}
