# SPDX-License-Identifier: BSD-3-Clause
# A thin front for meson: every target is one command that a developer could type.
BUILD ?= build
DEBUG_BUILD ?= build-debug
PREFIX ?= /usr/local
MESON_ARGS ?=

.PHONY: all deps run demo test unit netns debug docs lint format fuzz bench perf perf-update \
	install uninstall clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_ARGS)

$(DEBUG_BUILD)/build.ninja:
	@meson setup $(DEBUG_BUILD) --buildtype=debug -Db_sanitize=address,undefined $(MESON_ARGS)

deps:
	@scripts/deps

run: deps all
	@$(BUILD)/fairway up --registry embedded

demo: deps all
	@scripts/demo --build $(BUILD)

debug: $(DEBUG_BUILD)/build.ninja
	@ninja -C $(DEBUG_BUILD)

unit: all
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs --suite unit

netns: all
	@FAIRWAY_BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/netns

test: deps
	@scripts/test

docs: all
	@$(BUILD)/docs/counters-gen > docs/counters.md
	@$(BUILD)/docs/config-gen markdown > docs/configuration.md
	@$(BUILD)/docs/config-gen man > docs/man/fairway.yaml.5.scd

lint:
	@scripts/lint

format:
	@scripts/format

fuzz: deps
	@scripts/fuzz

bench: deps all
	@bench/run --build $(BUILD) $(BENCH_ARGS)

perf: all
	@bench/perf/gate.py --build $(BUILD) $(PERF_ARGS)

perf-update: all
	@bench/perf/gate.py --build $(BUILD) --update

install: all
	@meson install -C $(BUILD) --no-rebuild

uninstall:
	@scripts/uninstall $(BUILD)

clean:
	@rm -rf $(BUILD) $(DEBUG_BUILD) build-fuzz
