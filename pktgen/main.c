// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/exit_status.h"
#include "pktgen/registry.h"
#include "pktgen/report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NDR_TRIALS = 14, SETTLE_US = 200000 };

static const double ndr_first_rate = 50000, ndr_precision = 0.02;

static int fail(const char *what, const char *error)
{
	fprintf(stderr, "fairway-pktgen: %s: %s\n", what, error);
	return EXIT_FAILED;
}

static int run_trial(
    struct trial *t, struct traffic *traffic, struct backend *b, double rate, char *error)
{
	const struct options *o = traffic->o;

	memset(t, 0, sizeof(*t));
	t->rate = rate;
	t->seconds = o->mode == MODE_NDR ? o->trial_seconds : o->seconds;
	traffic_restart(traffic);
	return trial_relay(t, traffic, b, o->quiet ? NULL : mode_name(o->mode), error);
}

// Doubles the rate until frames are lost, then halves the interval (RFC 2544 section 26.1). The
// rate that counts is the one reached: a sender that cannot keep up ends the search as well.
static int search_ndr(
    struct trial *best, unsigned *trials, struct traffic *traffic, struct backend *b, char *error)
{
	double low = 0, high = 0, rate = ndr_first_rate;
	struct trial *t = malloc(sizeof(*t));
	int failed = t ? 0 : -ENOMEM;

	for (*trials = 0; !failed && *trials < NDR_TRIALS; ++*trials) {
		failed = run_trial(t, traffic, b, rate, error);
		if (failed)
			break;
		if (trial_loss(t) <= traffic->o->loss) {
			low = rate;
			*best = *t;
			if ((double)t->sent < 0.95 * rate * t->seconds)
				break;
		} else {
			high = rate;
		}
		if (high > 0 && high - low < ndr_precision * high)
			break;
		rate = high > 0 ? (low + high) / 2 : 2 * rate;
	}
	free(t);
	return failed;
}

static int check_frames(const struct options *o, const struct trial *t)
{
	const struct check *c = &t->check;

	if (c->corrupt || c->misrouted || c->duplicates)
		return EXIT_WRONG;
	if (c->received)
		return 0;
	if (o->mode == MODE_NDR)
		fprintf(stderr,
		    "fairway-pktgen: ndr: at every rate tried more than %g %% of the frames was "
		    "lost\n",
		    100 * o->loss);
	else if (c->foreign)
		fprintf(stderr,
		    "fairway-pktgen: %s: what came back are no relayed frames (--reflected is for "
		    "a program that only sends back)\n",
		    mode_name(o->mode));
	else
		fprintf(stderr,
		    "fairway-pktgen: %s: no frame came back: are the nodes registered "
		    "(--no-register, --first-id), has the relay a route to --network (xdp), what "
		    "does `fairway drops` count?\n",
		    mode_name(o->mode));
	return EXIT_SILENT;
}

static int relay_modes(const struct options *o, struct backend *b)
{
	char error[BACKEND_ERROR_MAX] = "not enough memory";
	struct trial *t = calloc(1, sizeof(*t));
	struct traffic traffic;
	unsigned trials = 0;
	int failed, status;

	if (!t || traffic_init(&traffic, o, b->sockets)) {
		free(t);
		return fail("traffic", "not enough memory: fewer --flows or --nodes");
	}
	if (o->mode == MODE_NDR)
		failed = search_ndr(t, &trials, &traffic, b, error);
	else
		failed = run_trial(t, &traffic, b, o->rate, error);
	if (failed)
		status = fail(mode_name(o->mode), error);
	else if (t->sent == 0)
		status = check_frames(o, t);
	else if (o->mode == MODE_NDR)
		status = report_ndr(o, t, trials) ? EXIT_FAILED : check_frames(o, t);
	else
		status = report_trial(o, t) ? EXIT_FAILED : check_frames(o, t);
	traffic_free(&traffic);
	free(t);
	return status;
}

static int registration(const struct options *o, struct backend *b, bool report)
{
	char error[BACKEND_ERROR_MAX];
	struct registration r;
	int failed = registration_run(&r, o, b, error);

	if (report && report_registration(o, &r))
		return EXIT_FAILED;
	if (failed)
		return fail("register", error);
	// a relay may answer the last Discovers a moment before it has learnt the nodes
	usleep(SETTLE_US);
	return 0;
}

static int flood(const struct options *o, struct backend *b)
{
	char error[BACKEND_ERROR_MAX] = "not enough memory";
	struct flood f;

	if (flood_run(&f, o, b, error))
		return fail("garbage", error);
	return report_flood(o, &f) ? EXIT_FAILED : 0;
}

// Every socket is a descriptor; the soft limit is often far below the hard one.
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	char error[BACKEND_ERROR_MAX] = "";
	struct backend b = {.ops = &backend_sock};
	struct options o;
	int status = 0;

	signal(SIGXFSZ, SIG_IGN); // a file size limit: writing fails with EFBIG
	raise_descriptor_limit();
	if (argc > 1 && !strcmp(argv[1], "registry"))
		return registry_main(argc - 1, argv + 1);
	options_parse(&o, argc, argv);
	if (o.interface)
		b.ops = &backend_xdp;
	if (o.device)
		b.ops = &backend_dpdk;
	if (b.ops->open(&b, &o, error))
		return fail("link", error);
	if (o.mode == MODE_GARBAGE) {
		status = flood(&o, &b);
	} else {
		if (o.mode == MODE_REGISTER || !o.no_register)
			status = registration(&o, &b, o.mode == MODE_REGISTER);
		if (!status && o.mode != MODE_REGISTER)
			status = relay_modes(&o, &b);
	}
	b.ops->close(&b);
	return status;
}
