// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/trial.h"

#include <stdio.h>
#include <unistd.h>

double trial_loss(const struct trial *t)
{
	return t->sent ? 1 - (double)t->check.received / (double)t->sent : 0;
}

void progress_show(const char *label, uint64_t sent, uint64_t received)
{
	if (label)
		fprintf(stderr, "\r%s: %llu sent, %llu received ", label, (unsigned long long)sent,
		    (unsigned long long)received);
}

void progress_end(const char *label)
{
	if (label)
		fputs("\r\033[K", stderr);
}

void processors_take(const cpu_set_t *all, bool sending)
{
	cpu_set_t mine;
	int first = 0, count = CPU_COUNT(all);

	if (count < 2 || count >= sysconf(_SC_NPROCESSORS_ONLN))
		return;
	while (!CPU_ISSET(first, all))
		first++;
	CPU_ZERO(&mine);
	CPU_SET(first, &mine);
	if (!sending)
		CPU_XOR(&mine, &mine, all);
	sched_setaffinity(0, sizeof(mine), &mine);
}
