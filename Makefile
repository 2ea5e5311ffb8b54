# qfile. `make test` needs nothing but a Rust toolchain and a C linker.

CARGO ?= cargo

.PHONY: test build check unicode-table help

help:
	@echo "make test            run every test"
	@echo "make check           formatting, lints, documentation, licences"
	@echo "make unicode-table   generate the table of safe code points anew"

build: toolchain
	$(CARGO) build --locked --workspace

test: build
	$(CARGO) test --locked --workspace

check: toolchain
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	@scripts/check-licences

unicode-table: toolchain
	$(CARGO) run --locked --package unicode-table -- qfile-proto/src/charset_table.rs

.PHONY: toolchain
toolchain:
	@scripts/check-toolchain
