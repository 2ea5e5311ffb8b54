# qfile. `make demo` and `make test` need nothing but a Rust toolchain and a C linker.

CARGO ?= cargo

.PHONY: demo test test-desktop test-install build check msrv bench fuzz prove-defences defence-table mutants unicode-table man \
    dist install uninstall deb rpm vendor-tarball reproducible help

# Where things are installed; DESTDIR is a folder before all of them. ZSHDIR is for the completions of zsh, which Debian
# keeps in /usr/share/zsh/vendor-completions.
PREFIX ?= /usr
SYSCONFDIR ?= /etc
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
export DESTDIR PREFIX SYSCONFDIR ZSHDIR

help:
	@echo "make demo            build, make two local qubes, copy real files between them, prove it"
	@echo "make test            run every test"
	@echo "make test-desktop    drive a real editor and real dialogs; QFILE_SCREENSHOTS=FOLDER keeps pictures"
	@echo "make check           formatting, lints, documentation, licences"
	@echo "make build           everything, as the tests use it"
	@echo "make msrv            compile everything with the oldest Rust that has to do"
	@echo "make bench           measure everything against tar, cp and bare pipes; BENCH_QUICK=1: small files"
	@echo "make prove-defences  take out one defence of the receiver after the other; a test must notice"
	@echo "make defence-table   write docs/defences.md anew"
	@echo "make mutants         change the rules in every small way; a test must notice (some twenty minutes)"
	@echo "make fuzz SECONDS=60 fuzz every target for that long"
	@echo "make unicode-table   generate the table of safe code points anew"
	@echo "make man             generate the manual pages and the completions of the shells anew"
	@echo "make install         build and install; DESTDIR=, PREFIX=/usr, SYSCONFDIR=/etc. make uninstall takes it away"
	@echo "make deb rpm         packages, in target/package/"
	@echo "make test-install    install, use, update and remove the packages in a throw-away root"
	@echo "make vendor-tarball  everything that a build without network needs, in target/package/"
	@echo "make reproducible    build that in another folder, offline; every byte must be the same"

demo: toolchain
	@scripts/demo

build: toolchain
	$(CARGO) build --locked --workspace

# The end-to-end tests run the programs of this build, so the programs are built first.
test: build
	$(CARGO) test --locked --workspace

test-desktop: build
	@scripts/check-desktop
	QFILE_TEST_DESKTOP=1 $(CARGO) test --locked --workspace --test desktop -- --test-threads=2

check: toolchain
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	@scripts/check-licences
	@scripts/defence-table | diff docs/defences.md - || \
	    { echo "docs/defences.md is out of date: make defence-table" >&2; exit 1; }
	@scripts/check-dependencies
	@packaging/check-entries
	@packaging/check-policies

msrv:
	@scripts/check-msrv

# First the functions that every byte passes, then the programs as a whole, which decide the status.
bench: toolchain
	$(CARGO) build --locked --release --package qfile-agent --package qfile-unpacker \
	    --package qrexec-loopback --package tar2qfile --package qfile-bench
	$(CARGO) bench --locked --package qfile-proto --bench hot -- --quick --noplot
	$(CARGO) run --locked --quiet --release --package qfile-bench --bin bench

# A few minutes: the receiver is built once for each defence.
prove-defences: toolchain
	@scripts/prove-defences

# docs/defences.md, from the heads of the patches.
defence-table:
	@scripts/defence-table >docs/defences.md

# The files and the changes that are none are in .cargo/mutants.toml.
mutants: toolchain
	@command -v cargo-mutants >/dev/null || \
	    { echo "cargo-mutants is missing: cargo install --locked cargo-mutants" >&2; exit 1; }
	cargo mutants --package qfile-proto --output target

fuzz: toolchain
	@scripts/fuzz "$(or $(SECONDS),60)"

unicode-table: toolchain
	$(CARGO) run --locked --package unicode-table -- qfile-proto/src/charset_table.rs

man: toolchain
	$(CARGO) run --locked --package manual -- .

dist: toolchain
	@packaging/build

install: dist
	@packaging/tree install

uninstall:
	@packaging/tree uninstall

deb rpm: dist
	@packaging/make-package $@

test-install: dist
	$(CARGO) build --locked --package qrexec-loopback
	@packaging/test-tree
	@packaging/test-install

vendor-tarball: toolchain
	@packaging/make-vendor-tarball

# One more build, from that tarball, for both promises: it builds without network, and into the same bytes.
reproducible: dist vendor-tarball
	@packaging/check-elsewhere

.PHONY: toolchain
toolchain:
	@scripts/check-toolchain
