// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define AT(field) \
	.offset = offsetof(struct config, field), .size = sizeof(((struct config *)0)->field)
#define COUNT(low, high) .type = CONFIG_UINT, .min = (low), .max = (high)
#define TIME(low, high)	 .type = CONFIG_DURATION, .min = (low)*SECOND, .max = (high)*SECOND
#define CHOICE(...)                                             \
	.type = CONFIG_CHOICE, .choices = (const char *const[]) \
	{                                                       \
		__VA_ARGS__, NULL                               \
	}

#define SECOND	 1000000000ULL
#define NO_LIMIT UINT32_MAX

const struct config_key config_keys[] = {
    {"listen", .type = CONFIG_LISTEN, AT(listen),
	.computed = "`[::]:9001`, `0.0.0.0:9001` without IPv6",
	.help = "addresses and UDP ports that the relay serves; repeat it for several"},
    {"link", .type = CONFIG_LINKS, AT(links), .value = "",
	.help =
	    "network cards to take over the datagrams of, `xdp:IFACE[:QUEUES][,mode=kernel]` "
	    "(AF_XDP; all queues if none are said; `mode=kernel`: the XDP program itself relays "
	    "what is common, and no core polls) or `dpdk:DEVICE[,ARGUMENTS]` (PCI address or "
	    "virtual device); repeat it for several. The sock link (`sock`) is always there"},
    {"workers", AT(workers), COUNT(0, CONFIG_WORKER_MAX), .value = "0",
	.help = "workers of the data plane, one core each; 0: as many as the links have queues, at "
		"most the cores; with sock alone up to 4"},
    {"cpus", .type = CONFIG_CPUS, AT(cpus), .value = "",
	.help = "cores to pin the workers to, in order, as `[2, 3]` or `2-3`; none: not pinned"},
    {"state", .type = CONFIG_TEXT, AT(state),
	.computed =
	    "`/run/fairway` for root, else `$XDG_RUNTIME_DIR/fairway` or `/tmp/fairway-UID`",
	.help = "directory of sockets and lock; one relay a directory"},
    {"user", .type = CONFIG_TEXT, AT(user), .value = "",
	.help =
	    "who serves when started as root; empty: `fairway` if that user exists, else `nobody`"},
    {"registry", .type = CONFIG_REGISTRY, AT(registry), .value = "none",
	.help = "where node identities come from: `embedded` from this relay, which then is the "
		"network's registry; `ADDR:PORT` from the registry there, at which the relay "
		"announces itself; `none`"},
    {"registry-listen", .type = CONFIG_ADDRESS, AT(registry_listen),
	.computed = "`[::]:9000`, `0.0.0.0:9000` without IPv6",
	.help = "address and TCP port of the embedded registry"},
    {"registry-store", .type = CONFIG_TEXT, AT(registry_store),
	.computed =
	    "`registry.db` in systemd's `StateDirectory`, else in `state`; if that is the default "
	    "directory, in `/var/lib/fairway` for root, else `~/.local/state/fairway`",
	.help = "file of the embedded registry"},
    {"registry-admin-token-file", .type = CONFIG_TEXT, AT(registry_admin_token_file), .value = "",
	.help = "file whose first line is the token of administrative requests; empty: they are "
		"refused. With `ADDR:PORT` the token of that registry: if it is Fairway's, it then "
		"tells where private nodes are"},
    {"registry-fleets", .type = CONFIG_TEXT, AT(registry_fleets), .value = "", .reload = true,
	.help = "JSON file of fleets whose agents get network, hostname and tags at their first "
		"start; whoever serves must be able to read it; a reload reads it again"},
    {"registry-tls", AT(registry_tls), CHOICE("off", "on"), .value = "off",
	.help = "TLS on the embedded registry's port; certificate and key are in `registry.pem` "
		"beside its store, made if missing; daemons want the fingerprint that is logged"},
    {"registry-connections", AT(registry_connections), COUNT(1, 4000000), .value = "1000000",
	.help = "most connections to the embedded registry"},
    {"registry-source-connections", AT(registry_source_connections), COUNT(0, 4000000),
	.value = "20000",
	.help = "most connections of an IPv4 address or IPv6 /64 network; 0: no limit, nor of its "
		"requests, for registries behind a proxy"},
    {"registry-source-nodes", AT(registry_source_nodes), COUNT(0, 4000000), .value = "100000",
	.help = "most new nodes of such an address or network: who has not proven its key yet, "
		"and who did within about a day; 0: no limit"},
    {"http-listen", .type = CONFIG_TEXT, AT(http_listen), .value = "",
	.help = "address and TCP port of `/metrics` (Prometheus), `/healthz`, `/readyz` and, with "
		"an embedded registry, `/v1/find`; empty: none; there is no authentication, so "
		"keep it on a network of yours"},
    {"admission.policy", "admission", AT(admission.policy),
	CHOICE("open", "anchored", "signed", "auto"), .value = "auto", .reload = true,
	.help = "who may claim a node id: `open` anybody, but a live node's address is only "
		"replaced from the same IP; `anchored` who the registry knows only from the "
		"address of its registry connection; `signed` only who proves its key; `auto` "
		"anchored with an embedded registry, else open"},
    // Both: workers write a sign of life up to 16 s late.
    {"admission.silence", AT(admission.silence_ns), TIME(30, 86400), .value = "90s", .reload = true,
	.help = "after so long without a sign of life another IP may take a node id"},
    {"admission.ttl", AT(admission.ttl_ns), TIME(60, 30 * 86400), .value = "10m", .reload = true,
	.help = "a node is forgotten so long after its last sign of life"},
    {"admission.network-share", AT(admission.network_share), COUNT(0, 100), .value = "5",
	.reload = true,
	.help = "percent of the nodes that one network (IPv4 /24, IPv6 /48) may have and still "
		"register new ones, without a proof, when less than an eighth of `nodes.capacity` "
		"is left; 0: no limit"},
    {"sender-check", AT(sender_check), CHOICE("ip", "endpoint", "off"), .value = "ip",
	.reload = true,
	.help =
	    "what of a relay datagram's source must match the sender's stored endpoint: `ip` the "
	    "address, `endpoint` address and port, `off` nothing (anybody may send as anybody)"},
    {"nodes.capacity", AT(nodes_capacity), COUNT(64, 10000000), .value = "1000000",
	.help = "most nodes known at a time; memory is used as nodes come"},
    {"nodes.huge-pages", AT(nodes_huge_pages), CHOICE("auto", "off"), .value = "auto",
	.help = "memory of the node table: `auto` in transparent huge pages where the kernel can "
		"(Linux 6.1), taken as nodes come; `off` in small ones"},
    {"police.source-rate", AT(police.source_rate), COUNT(0, NO_LIMIT), .value = "200",
	.reload = true,
	.help =
	    "datagrams a second and source address, relay datagrams apart; also the punch commands "
	    "that requests of others bring to an address; 0: no limit"},
    {"police.source-burst", AT(police.source_burst), COUNT(1, NO_LIMIT), .value = "400",
	.reload = true, .help = "datagrams that a source may send at once"},
    {"police.sender-rate", AT(police.sender_rate), COUNT(0, NO_LIMIT), .value = "100000",
	.reload = true,
	.help = "relay datagrams a second and sending node, counted by each worker, and by the "
		"program of `mode=kernel`, for itself; 0: no limit"},
    {"police.sender-burst", AT(police.sender_burst), COUNT(1, NO_LIMIT), .value = "20000",
	.reload = true, .help = "relay datagrams that a node may send at once"},
    {"police.punt-rate", AT(police.punt_rate), COUNT(0, NO_LIMIT), .value = "20000", .reload = true,
	.help = "datagrams a second, class and worker that the control plane is asked about, the "
		"others get no answer; 0: no limit"},
    {"gossip.peers", .type = CONFIG_PEERS, AT(gossip.peers), .value = "", .reload = true,
	.help = "peer relays: their IP addresses; with a port (`ADDR:PORT`) we gossip to them too"},
    {"gossip.discover", AT(gossip.discover), CHOICE("off", "on"), .value = "off", .reload = true,
	.help = "`on`: the relays that the registry (`registry: ADDR:PORT`) lists become peer "
		"relays, with `gossip.beacon-id` set; whoever can register there can then attract "
		"the traffic of nodes that are not known here"},
    {"gossip.beacon-id", AT(gossip.beacon_id), COUNT(0, UINT32_MAX), .value = "0", .reload = true,
	.help = "our id in gossip; must differ between relays that gossip"},
    {"gossip.interval", AT(gossip.interval_ns), TIME(1, 80), .value = "10s", .reload = true,
	.help = "time between two gossips; peers forget us after 90s"},
    {"gossip.extra-ports", .type = CONFIG_PORTS, AT(gossip.extra_ports), .value = "none",
	.help = "further source ports to gossip from, `FIRST-LAST`; one carries 16,375 nodes"},
    {"xdp.mode", AT(xdp.mode), CHOICE("auto", "native", "generic"), .value = "auto",
	.help = "how the steering program is attached: by the driver, or by the kernel in its "
		"stead (slower, works everywhere); `auto` tries native first"},
    {"xdp.zero-copy", AT(xdp.zero_copy), CHOICE("auto", "on", "off"), .value = "auto",
	.help = "let the card write into our buffers; `on` fails where the driver cannot"},
    {"xdp.busy-poll", AT(xdp.busy_poll_us), COUNT(0, 10000), .value = "0",
	.help = "microseconds that a system call may poll the card for; 0: off"},
    {"xdp.frames", AT(xdp.frames), COUNT(1024, 1 << 20), .value = "8192",
	.help =
	    "packet buffers of a worker (2 KiB each; 4 KiB for an MTU above 1706), a power of two"},
    {"xdp.kernel-nodes", AT(xdp.kernel_nodes), COUNT(0, 10000000), .value = "0",
	.help = "most nodes that links with `mode=kernel` relay between without the engine, those "
		"that relay the most, 51 bytes of kernel memory each, beside 34 for each of "
		"`nodes.capacity`; 0: all"},
    {"dpdk.queues", AT(dpdk.queues), COUNT(1, 64), .value = "1",
	.help = "queues of each dpdk link, one a worker; the card spreads flows over them (RSS)"},
    {"dpdk.frames", AT(dpdk.frames), COUNT(4096, 1 << 20), .value = "8192",
	.help = "packet buffers of a queue of a dpdk link (2.3 KiB each at an MTU of 1500)"},
    {"dpdk.nap", AT(dpdk.nap_us), COUNT(0, 100000), .value = "1000",
	.help = "microseconds that a worker below `busy-rate` sleeps at most where the card's "
		"driver cannot wake it; 0: neither sleeps nor uses interrupts"},
    {"dpdk.tap", .type = CONFIG_TEXT, AT(dpdk.tap), .value = "auto",
	.help = "the host's interface on a dpdk link, for all that is not relay traffic: its name, "
		"`auto` (`fairway0` for the first dpdk link of the list and so on; none for "
		"devices without a cable) or `off`. One that is there already (`ip tuntap add`) is "
		"used and stays"},
    {"dpdk.eal", .type = CONFIG_TEXT, AT(dpdk.eal), .value = "",
	.help = "further arguments of DPDK's environment layer, as `--socket-mem 512`; write "
		"`--dpdk-eal=...` on the command line"},
    {"busy-rate", AT(busy_rate), COUNT(0, NO_LIMIT), .value = "50000", .reload = true,
	.help =
	    "datagrams a second above which a worker polls instead of sleeping; 0: always polls"},
    {"sock.buffer", .type = CONFIG_SIZE, AT(sock_buffer), .min = 64 << 10, .max = 1 << 30,
	.value = "16M", .help = "receive and send buffer of each socket of the sock link"},
    {"ttl", AT(ttl), COUNT(1, 255), .value = "64", .reload = true,
	.help = "time to live of the datagrams that we send"},
    {"log.level", AT(log.level), CHOICE("debug", "info", "warn", "error"), .value = "info",
	.reload = true, .help = "least severe lines that are written"},
    {"log.format", AT(log.format), CHOICE("logfmt", "json"), .value = "logfmt",
	.help = "form of log lines"},
    {0},
};

static_assert(sizeof(config_keys) / sizeof(config_keys[0]) - 1 <= CONFIG_KEY_MAX, "origins");

size_t config_key_count(void)
{
	return sizeof(config_keys) / sizeof(config_keys[0]) - 1;
}

char *config_option_name(char *out, size_t size, const char *key)
{
	snprintf(out, size, "%s", key);
	for (char *c = out; *c; c++)
		if (*c == '.')
			*c = '-';
	return out;
}

const struct config_key *config_key_find(const char *name)
{
	for (const struct config_key *k = config_keys; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}
