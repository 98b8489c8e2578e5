// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The kernel's IFF_ flags of an interface; 0 when there is none of that name. Any thread, without
// privileges.
int interface_flags(const char *name);
