# qfile. `make demo` and `make test` need only a Rust toolchain and a C linker.

CARGO ?= cargo

.PHONY: demo test test-desktop test-install build check msrv bench fuzz prove-defences defence-table mutants unicode-table man licences \
    dist install uninstall deb rpm native-deb native-rpm vendor-tarball reproducible help

# The folders of installed files. DESTDIR is put before all of them. ZSHDIR is the folder of the
# completions of zsh; in Debian it is /usr/share/zsh/vendor-completions.
PREFIX ?= /usr
SYSCONFDIR ?= /etc
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
export DESTDIR PREFIX SYSCONFDIR ZSHDIR

help:
	@echo "make demo            build, copy real files between two local qubes, compare the copies"
	@echo "make test            run every test"
	@echo "make test-desktop    test a real editor and real dialogs; QFILE_SCREENSHOTS=FOLDER saves pictures"
	@echo "make check           check formatting, lints, documentation and licences"
	@echo "make build           build everything for the tests"
	@echo "make msrv            compile everything with the oldest supported Rust"
	@echo "make bench           compare the speed with tar, cp and pipes; BENCH_QUICK=1: small files"
	@echo "make prove-defences  remove each defence of the receiver; a test must fail"
	@echo "make defence-table   generate docs/defences.md"
	@echo "make mutants         make small changes to the rules; a test must fail (about 20 minutes)"
	@echo "make fuzz SECONDS=60 run every fuzz target for that long"
	@echo "make unicode-table   generate the table of safe code points"
	@echo "make man             generate the manual pages and the shell completions in target/manual/"
	@echo "make licences        generate packaging/licences.txt, the licences of the libraries"
	@echo "make install         build and install (DESTDIR=, PREFIX=/usr, SYSCONFDIR=/etc)"
	@echo "make uninstall       remove the installed files"
	@echo "make deb rpm         build the packages in target/package/"
	@echo "make test-install    install, use, update and remove the packages in a temporary root"
	@echo "make native-deb      create debian/, for dpkg-buildpackage"
	@echo "make native-rpm      create target/package/qfile.spec, for rpmbuild"
	@echo "make vendor-tarball  create an archive for a build without network in target/package/"
	@echo "make reproducible    build that archive in another folder; every byte must be the same"

demo: toolchain
	@dev/scripts/demo

build: toolchain
	$(CARGO) build --locked --workspace

# The end-to-end tests run the programs of this build, so the programs are built first. All test
# binaries run, even if one of them fails.
test: build
	$(CARGO) test --locked --workspace --no-fail-fast

test-desktop: build
	@dev/scripts/check-desktop
	QFILE_TEST_DESKTOP=1 $(CARGO) test --locked --workspace --test e2e gui::desktop -- --test-threads=2

check: toolchain
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	@dev/scripts/check-licences
	@dev/scripts/check-dependencies
	@packaging/licences | diff packaging/licences.txt - || \
	    { echo "packaging/licences.txt is out of date: make licences" >&2; exit 1; }
	@packaging/crates list | diff packaging/crates.txt - || \
	    { echo "packaging/crates.txt is out of date: make licences" >&2; exit 1; }
	@packaging/crates check
	@packaging/check-entries
	@packaging/check-policies

msrv:
	@dev/scripts/check-msrv

# First the functions that process every byte, then the complete programs, which decide the exit
# status.
bench: toolchain
	$(CARGO) build --locked --release --package qfile-agent --package qfile-unpacker \
	    --package qrexec-loopback --package services --package qfile-bench \
	    --package qubesdb-daemon --package qubesdb-cmd --package commands --package qubes-firewall \
	    --package qrexec-ssh
	$(CARGO) bench --locked --package qfile-proto --bench hot -- --quick --noplot
	$(CARGO) run --locked --quiet --release --package qfile-bench --bin bench

# This takes a few minutes, because the receiver is built once for each defence.
prove-defences: build
	@$${CARGO_TARGET_DIR:-target}/debug/dev prove-defences

# Generates docs/defences.md from the first lines of the patches.
defence-table: toolchain
	$(CARGO) run --locked --package dev -- defence-table docs/defences.md

# .cargo/mutants.toml lists the files, and the changes that have no effect.
mutants: toolchain
	@command -v cargo-mutants >/dev/null || \
	    { echo "cargo-mutants is missing: cargo install --locked cargo-mutants" >&2; exit 1; }
	cargo mutants --package text --package qfile-proto --output target

fuzz: toolchain
	@dev/scripts/fuzz "$(or $(SECONDS),60)"

unicode-table: toolchain
	$(CARGO) run --locked --package dev -- unicode-table crates/text/src/charset_table.rs

man: toolchain
	$(CARGO) run --locked --package dev -- manual $${CARGO_TARGET_DIR:-target}/manual

# Generates packaging/licences.txt and packaging/crates.txt from the sources of the dependencies.
licences: toolchain
	@packaging/licences >packaging/licences.txt.new
	@mv packaging/licences.txt.new packaging/licences.txt
	@packaging/crates list >packaging/crates.txt.new
	@mv packaging/crates.txt.new packaging/crates.txt

# Tools that the goals need after the build. They are checked before it.
tools = $(addprefix tools-,$(filter install deb rpm native-deb native-rpm test-install vendor-tarball reproducible, \
    $(MAKECMDGOALS)))
tools-%:
	@packaging/check-tools $*

dist: toolchain $(tools)
	@packaging/build

install: dist
	@packaging/tree install

uninstall:
	@packaging/tree uninstall

deb rpm: dist
	@packaging/make-package $@

test-install: dist build
	@packaging/test-tree
	@packaging/test-native
	@packaging/test-install

# debian/ for dpkg-buildpackage, and target/package/qfile.spec for rpmbuild.
native-deb native-rpm:
	@packaging/make-native $(@:native-%=%)

vendor-tarball: toolchain $(tools)
	@packaging/make-vendor-tarball

# Builds that archive once more, to check that it builds without network and gives the same bytes.
reproducible: dist vendor-tarball
	@packaging/check-elsewhere

.PHONY: toolchain
toolchain:
	@dev/scripts/check-toolchain
