// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/run.h"

#include <jansson.h>

// Tables for people on standard output, JSON for programs into --json FILE (field names below are
// stable). Return 0 or a negative errno when the file cannot be written, having said so.

int report_trial(const struct options *o, const struct trial *t);
int report_registration(const struct options *o, const struct registration *r);
int report_flood(const struct options *o, const struct flood *f);
// Takes over `object`; `path` may be "-", standard output, or NULL, nowhere.
int report_json(const char *path, json_t *object);
// `best` is the trial with the highest rate that lost at most the accepted share.
int report_ndr(const struct options *o, const struct trial *best, unsigned trials);
