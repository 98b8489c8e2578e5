// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <errno.h>

// Exit statuses of our programs, also seen by `fairway up`, which does not start a child again that
// ended with EXIT_USAGE.
enum exit_status {
	EXIT_OK,
	EXIT_FAILED,	  // what failed is in the last line of the log
	EXIT_USAGE,	  // command line or configuration: trying again cannot help
	EXIT_NO_RELAY,	  // no relay is running there, or a part does not answer (clients)
	EXIT_AGAIN,	  // all is well, but it takes another start to go on (data plane)
	EXIT_OTHER_BUILD, // the data plane's memory is of another version (control plane)
};

// What a program ends with that could not start because of this negative errno. What is wrong with
// a setting, or with a file or a directory that it names, stays wrong.
static inline enum exit_status exit_status_of(int rc)
{
	switch (-rc) {
	case EINVAL:
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case EACCES:
	case EPERM:
	case ELOOP:
	case EMLINK:
	case ENAMETOOLONG:
	case ENOTEMPTY:
	case EFBIG:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}
