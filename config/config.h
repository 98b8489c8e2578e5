// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/address.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The settings of fairway-dp, fairway-cp and `fairway up`: one table of keys (config/keys.c), read
// from a YAML file and the command line. The command line wins over the file, the file over the
// default; the environment is not asked. docs/configuration.md is generated from the table.
// Nothing here is thread-safe; a process reads its configuration in its main thread.

enum {
	CONFIG_LISTEN_MAX = 16,
	CONFIG_LINK_MAX = 15, // the companion sock link takes the last place of LINK_MAX
	CONFIG_WORKER_MAX = 64,
	CONFIG_CPU_MAX = CONFIG_WORKER_MAX,
	CONFIG_PEER_MAX = 1024,
	CONFIG_PATH_MAX = 96, // leaves room for the names of sockets in it (sockaddr_un)
	CONFIG_KEY_MAX = 48,
	CONFIG_LOCAL_MAX = 64, // addresses and ports served, gossip's too: LOCAL_MAX of shm/
	CONFIG_VALUE_MAX = CONFIG_PEER_MAX * 72, // no value is longer as text
};

// Same values as enum admission_policy in controlplane/admission.h, which controlplane/session.c
// asserts; AUTO only in a file.
enum config_admission {
	CONFIG_ADMISSION_OPEN,
	CONFIG_ADMISSION_ANCHORED,
	CONFIG_ADMISSION_SIGNED,
	CONFIG_ADMISSION_AUTO
};
// Same values as enum sender_check in shm/constants.h, asserted there too.
enum config_sender_check { CONFIG_SENDER_IP, CONFIG_SENDER_ENDPOINT, CONFIG_SENDER_OFF };
enum config_registry_mode {
	CONFIG_REGISTRY_NONE,
	CONFIG_REGISTRY_EMBEDDED,
	CONFIG_REGISTRY_CLIENT
};
enum config_xdp_mode { CONFIG_XDP_AUTO, CONFIG_XDP_NATIVE, CONFIG_XDP_GENERIC };
enum config_tristate { CONFIG_AUTO, CONFIG_ON, CONFIG_OFF };

// An xdp or dpdk link; the sock link is always there and not listed.
struct config_link {
	char ifname[IFNAMSIZ]; // xdp; "" for dpdk
	char device[128];      // dpdk: what DPDK calls the device, with its arguments
	uint32_t queues;       // xdp: 0 = all of the interface
	uint32_t kernel;       // xdp: 1 = the XDP program relays, 0 = the engine
};

// Lists: `count` entries of `at` are used.
struct config_listen {
	uint32_t count;
	union socket_address at[CONFIG_LISTEN_MAX];
};

struct config_links {
	uint32_t count;
	struct config_link at[CONFIG_LINK_MAX];
};

struct config_cpus {
	uint32_t count;
	uint32_t at[CONFIG_CPU_MAX];
};

struct config_peers {
	uint32_t count;
	union socket_address at[CONFIG_PEER_MAX]; // port 0: allowed, but not gossiped to
};

// Host byte order, both ends included; 0, 0 = none.
struct config_ports {
	uint16_t first, last;
};

struct config_registry {
	int mode;		 // enum config_registry_mode
	union socket_address at; // client only
};

// Where a key's value comes from.
struct config_origin {
	enum { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ARGUMENT } from;
	uint32_t line, column; // of the file, from 1
};

struct config {
	struct config_listen listen; // at least one after config_read()
	struct config_links links;
	uint64_t workers; // 0 = decide (see the key's help)
	struct config_cpus cpus;
	char state[CONFIG_PATH_MAX];
	char user[32]; // "" = fairway, else nobody
	struct config_registry registry;
	union socket_address registry_listen;
	char registry_store[256], registry_admin_token_file[256], registry_fleets[256];
	int registry_tls;     // 0 off, 1 on
	char http_listen[64]; // ADDR:PORT, "" = off
	uint64_t registry_connections, registry_source_connections, registry_source_nodes;
	struct {
		int policy; // enum config_admission
		uint64_t silence_ns, ttl_ns;
		uint64_t network_share; // percent, 0 = no limit
	} admission;
	int sender_check; // enum config_sender_check
	uint64_t nodes_capacity;
	int nodes_huge_pages; // 0 auto, 1 off
	struct {	      // datagrams per second, datagrams; rate 0 = no limit
		uint64_t source_rate, source_burst;
		uint64_t sender_rate, sender_burst;
		uint64_t punt_rate; // a second, class and worker
	} police;
	struct {
		struct config_peers peers;
		uint64_t beacon_id;
		uint64_t interval_ns;
		struct config_ports extra_ports;
		int discover; // 0 off, 1 on
	} gossip;
	struct {
		int mode;	       // enum config_xdp_mode
		int zero_copy;	       // enum config_tristate
		uint64_t busy_poll_us; // 0 = off
		uint64_t frames;       // per worker, a power of two
		uint64_t kernel_nodes; // most nodes of links that relay in the kernel; 0 = all
	} xdp;
	struct {
		char eal[256];
		char tap[IFNAMSIZ]; // "auto", "off" or a name
		uint64_t queues;
		uint64_t frames; // per queue
		uint64_t nap_us; // 0 = always polls
	} dpdk;
	uint64_t busy_rate;   // datagrams per second and worker; 0 = always polls
	uint64_t sock_buffer; // bytes
	uint64_t ttl;
	struct {
		int level;  // enum log_level
		int format; // enum log_format
	} log;
	struct config_origin origins[CONFIG_KEY_MAX]; // by place in config_keys
};

enum config_type {
	CONFIG_UINT,
	CONFIG_SIZE,
	CONFIG_DURATION,
	CONFIG_CHOICE,
	CONFIG_TEXT,
	CONFIG_ADDRESS,
	CONFIG_REGISTRY,
	CONFIG_PORTS,
	CONFIG_LISTEN,
	CONFIG_LINKS,
	CONFIG_CPUS,
	CONFIG_PEERS,
};

struct config_key {
	const char *name;  // "group.key" in the file, --group-key on the command line
	const char *alias; // further name on the command line, or NULL
	enum config_type type;
	size_t offset, size; // in struct config
	uint64_t min, max;   // numbers only
	const char *const *choices;
	const char *value;    // default, as in the file; NULL: computed, see `computed`
	const char *computed; // says what the default is when `value` is NULL
	bool reload;	      // a reload applies it; others need a restart
	const char *help;
	const char *hint; // way out, added to errors about the value; or NULL
};

extern const struct config_key config_keys[]; // ends with a NULL name
size_t config_key_count(void);
// By name, or NULL.
const struct config_key *config_key_find(const char *name);
// "group-key" of the key "group.key": its option, without the dashes before. Returns `out`.
char *config_option_name(char *out, size_t size, const char *key);

// Every error found, one a line, without a newline at the end:
// `fairway.yaml:3:16: police.source-rate: "many" is no whole number`
struct config_errors {
	char text[4096];
	unsigned count;
};

// Prints "PROGRAM: line" to standard error for each line of `text`.
void config_complain(const char *program, const char *text);
void config_error_add(struct config_errors *errors, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// A program's own options beside the keys; the table ends with a NULL name.
struct config_option {
	const char *name; // without the dashes
	const char *arg;  // what its value is called in the help; NULL: it takes none
	const char *help;
	const char **value; // receives the value, "" for an option without one
};

struct config_command {
	const char *name;     // as it is called: "fairway up"
	const char *summary;  // one line
	const char *operands; // for the help, as "ID", or NULL if there are none
	int file_operand;     // which one names the file as --config does, from 1; 0: none
	const struct config_option *options;
	bool once; // nobody reads the file again: a pipe will do
	bool keys; // every key is an option and --config is read; otherwise only --state is
};

// What a command line held beside keys and options.
struct config_line {
	const char *file; // --config, or NULL
	int operand_count;
	char *operands[8];
};

// Reads defaults, file and command line, in this order, and checks the whole. Returns 0, or
// -EINVAL with `errors`, or 1 when --help or --version was asked for and has been printed. May be
// called again with the same arguments to reload; `config` is overwritten entirely, also on error.
// Strings in `line` and the option values point into argv.
int config_read(struct config *config, const struct config_command *command, int argc, char **argv,
    struct config_line *line, struct config_errors *errors);

// The parts of config_read().
void config_defaults(struct config *config);
// `once`: it need not be there to be read again, as a pipe is not.
int config_read_file(
    struct config *config, const char *path, bool once, struct config_errors *errors);
// `name` stands for the file in errors.
int config_read_text(struct config *config, const char *name, const char *text, size_t len,
    struct config_errors *errors);
int config_read_args(struct config *config, const struct config_command *command, int argc,
    char **argv, struct config_line *line, struct config_errors *errors);
// Fills in computed defaults and checks rules between keys. `file` is for the errors, may be NULL.
int config_finish(struct config *config, const char *file, struct config_errors *errors);

// Sets one value, or adds to a list. The error names the value.
int config_set(struct config *config, const struct config_key *key, const char *text,
    struct parse_error *error);
void config_clear_list(struct config *config, const struct config_key *key);
bool config_is_list(const struct config_key *key);
// Value as in the file ("10s", "[xdp:eth0:2]"), at most size - 1 bytes; CONFIG_VALUE_MAX is enough
// for all. Returns `out`.
char *config_format(
    char *out, size_t size, const struct config *config, const struct config_key *key);

// Calls `changed` for each key whose values differ.
void config_compare(const struct config *before, const struct config *after,
    void (*changed)(void *context, const struct config_key *key), void *context);

// Text of --help, at most size - 1 bytes. Returns `out`.
char *config_help(char *out, size_t size, const struct config_command *command);
