// SPDX-License-Identifier: BSD-3-Clause
#pragma once

struct cp;

// Whom we gossip with: gossip.peers, and with gossip.discover the relays that the registry lists.
// After a change of either. Harmless while detached.
void gossip_configure(struct cp *cp);
