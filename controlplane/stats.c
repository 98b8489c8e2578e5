// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/stats.h"

const char *const cp_counter_names[CP_COUNTER_COUNT] = {
#define X(NAME, name, help) [CP_##NAME] = #name,
    CP_COUNTER_LIST(X)
#undef X
};

const char *const cp_counter_helps[CP_COUNTER_COUNT] = {
#define X(NAME, name, help) [CP_##NAME] = help,
    CP_COUNTER_LIST(X)
#undef X
};
