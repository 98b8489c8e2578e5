// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How fairway-pktgen ends, beside 0; docs/man/fairway-pktgen.1.scd tells users.
enum exit_status {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,	 // command line
	EXIT_WRONG = 3,	 // frames came back altered, misrouted or twice; a registry refused
	EXIT_SILENT = 4, // no frame came back; ndr: no rate was carried
};
