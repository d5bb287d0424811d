# `make` lists what there is. The work stands in Cargo and in .ci/; this file only names it.

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
# nextest where it is installed, cargo's own runner elsewhere: the same tests.
TEST := $(shell command -v cargo-nextest >/dev/null && echo "nextest run --no-fail-fast" || echo "test --no-fail-fast")

# Pinned: what is built today is built the same next year.
CARGO_DEB := 3.8.0

.PHONY: help demo demo-lan recovery test test-quick soak soak-calls soak-hub test-hardware browser-modules bench check fuzz manual deb deb-arm64 deb-armhf test-packages test-packages-quick

help:
	@echo "make demo        hub, simulated door and app on this machine: installs what is missing, builds, runs"
	@echo "make demo-lan    the same for a phone in the same network, with a certificate it makes"
	@echo "make test        installs what is missing and runs every test"
	@echo "make test-quick  the tests that need neither GStreamer nor a browser"
	@echo "make soak        1,000 calls in a row that leave nothing behind, a call of an hour, a worker killed 20 times (two hours)"
	@echo "make soak-calls  a million lives of doors, hub and phones on made-up time (some minutes)"
	@echo "make soak-hub    the hub with a crowd of 8,000, half-finished handshakes by the thousand, floods (some minutes)"
	@echo "make test-hardware  the arm64 package in a virtual machine with the kernel's real drivers (as root; the first time long)"
	@echo "make deb         Debian packages of station and hub for this machine, in target/debian"
	@echo "make deb-arm64   the same for a 64-bit Raspberry Pi, in a clean chroot (as root); see cross/README.md"
	@echo "make test-packages  installs, upgrades, removes and purges them in a clean Debian 12 and 13 (as root)"
	@echo "make test-packages-quick  the same with debugging builds in Debian 12, as .ci/run does it"
	@echo "make bench       prints the figures"
	@echo "make recovery    prints how long the faults of a call last: addresses, blackouts, relays, workers, devices (as root)"
	@echo "make fuzz        searches for hostile input for a minute each (needs cargo-fuzz and nightly Rust)"
	@echo "make check       formatting, lints and documentation, as .ci/run checks them"

demo:
	@.ci/setup build run
	@cargo run --quiet -- demo

demo-lan:
	@.ci/setup build run
	@cargo run --quiet -- demo --lan

test: browser-modules
	@cargo build --quiet
	@cargo $(TEST)

browser-modules:
	@.ci/setup build run test
	@cd tests/browser && { [ -d node_modules/playwright-core ] || npm ci --silent --no-audit --no-fund; }

test-quick:
	@.ci/setup build
	@cargo $(TEST) --no-default-features

# A hundred calls of it run with the other tests. Shorter: DOORWARD_SOAK_CALLS=200 DOORWARD_SOAK_MINUTES=10 make soak.
soak: export DOORWARD_SOAK_CALLS := $(or $(DOORWARD_SOAK_CALLS),1000)
soak: export DOORWARD_SOAK_MINUTES := $(or $(DOORWARD_SOAK_MINUTES),60)
soak:
	@.ci/setup build run
	@cargo test --test media_worker_soak -- --include-ignored --nocapture --test-threads=1

soak-calls:
	@.ci/setup build
	@DOORWARD_SIM_RUNS=1000000 cargo test --no-default-features --release --test simulation

# As many as a large building has. Every socket has both its ends on this machine.
soak-hub:
	@.ci/setup build
	@ulimit -n "$$(ulimit -Hn)"; DOORWARD_CROWD=8000 cargo test --no-default-features --release --test hub_crowd -- --nocapture --test-threads=1

bench:
	@.ci/setup build run
	@cargo bench

# The tests of faults, which print what each of them cost.
recovery: browser-modules
	@cargo test --no-fail-fast --test media_networks --test media_worker --test media_worker_devices -- --nocapture --test-threads=1 2>&1 | grep -o 'recovery: .*\|test .* FAILED\|skipped: .*'
	@cargo test --test browser -- --nocapture --test-threads=1 recovery_media network 2>&1 | grep -o 'recovery: .*\|test .* FAILED'

check:
	@cargo fmt --check
	@cargo clippy --all-targets -- -D warnings
	@cargo clippy --all-targets --no-default-features -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

fuzz:
	@command -v cargo-fuzz >/dev/null || { echo "fuzz: cargo-fuzz is not installed: cargo install cargo-fuzz"; exit 69; }
	@for target in $$(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2); do cargo +nightly fuzz run "$$target" -- -max_total_time=60 || exit 1; done

manual:
	@.ci/setup build
	@cargo run --quiet --no-default-features --example manual -- target/manual

# Two packages, two builds: the hub's has no GStreamer in it. The flags are those of cross/build, which says why.
deb: manual
	@cargo-deb --version 2>/dev/null | grep -qx '$(CARGO_DEB)' || cargo install --quiet --locked --version '$(CARGO_DEB)' cargo-deb
	@host=$$(rustc -vV | sed -n 's/^host: //p'); flags='-C link-arg=-Wl,-T,$(CURDIR)/cross/no-unwinding.ld -C link-arg=-Wl,--no-eh-frame-hdr'; \
	case "$$host" in x86_64-*) flags="$$flags -C link-arg=-Wl,-z,pack-relative-relocs" ;; esac; \
	export "CARGO_TARGET_$$(echo "$$host" | tr 'a-z-' 'A-Z_')_RUSTFLAGS=$$flags"; \
	cargo deb --quiet --locked --profile firmware --no-strip --target "$$host" --output target/debian/ && \
	cargo deb --quiet --locked --profile firmware --no-strip --target "$$host" --variant hub --output target/debian/
	@ls -l target/debian/*.deb

deb-arm64 deb-armhf: manual
	@cross/build $(@:deb-%=%)

# Needs root. For this machine's architecture; the other one's packages are installed in the virtual machine.
test-packages: deb
	@cross/try bookworm trixie

# The same with debugging builds, whose parts the tests have built already, in Debian 12 alone: some minutes.
test-packages-quick: manual
	@.ci/setup build packages
	@cargo-deb --version 2>/dev/null | grep -qx '$(CARGO_DEB)' || cargo install --quiet --locked --debug --version '$(CARGO_DEB)' cargo-deb
	@cargo build --quiet --locked --no-default-features
	@cargo deb --quiet --no-build --profile dev --fast --variant hub --output target/debian-quick/
	@cargo build --quiet --locked
	@cargo deb --quiet --no-build --profile dev --fast --output target/debian-quick/
	@DOORWARD_PACKAGES=target/debian-quick cross/try bookworm

# Needs root, and the first time half an hour: the chroot, the root file system and the packages are kept in target/.
test-hardware: deb-arm64
	@tests/hardware/prepare
	@DOORWARD_PACKAGE="$$(ls -t $(CURDIR)/target/debian/doorward_*_arm64.deb | head -n1)" cargo test --quiet --test hardware
