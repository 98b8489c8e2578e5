// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/stats.h"

#define NAME(N, name, help) #name,
#define HELP(N, name, help) help,

const char *const cp_counter_names[CP_COUNTER_COUNT] = {CP_COUNTER_LIST(NAME)};
const char *const cp_counter_helps[CP_COUNTER_COUNT] = {CP_COUNTER_LIST(HELP)};
