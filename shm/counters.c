// SPDX-License-Identifier: BSD-3-Clause
#include "shm/counters.h"

#define NAME(N, name, help) #name,
#define HELP(N, name, help) help,

const char *const counter_names[COUNTER_COUNT] = {COUNTER_LIST(NAME)};
const char *const counter_helps[COUNTER_COUNT] = {COUNTER_LIST(HELP)};
const char *const drop_names[DROP_COUNT] = {"none", DROP_LIST(NAME)};
const char *const drop_helps[DROP_COUNT] = {"not dropped", DROP_LIST(HELP)};
