// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What bench/engine measures; each prints one JSON object. argv: what follows the name.

// [NODES]: how long a datagram is under way in a worker at 80 % of what it can carry.
int engine_latency(int argc, char **argv);
// [FROM TO [ROUNDS]]: how long a worker stands still while the table grows from one number of nodes
// to the other, and while the added nodes are forgotten again; beside a core that only spins where
// the machine has a third.
int engine_growth(int argc, char **argv);
