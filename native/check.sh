#!/bin/sh
# Style and tests of the crates. A tool that is not there is named and left out.
set -eu
cd "$(dirname "$0")"
folder=$(./toolchain.sh)
PATH=$folder:$PATH
export PATH
if cargo fmt --version >/dev/null 2>&1; then
    cargo fmt --all --check
else
    echo "cargo fmt is missing: the style of the crates is not checked (on Debian: apt-get install rustfmt-web)"
fi
if cargo clippy --version >/dev/null 2>&1; then
    cargo clippy --quiet --locked --all-targets -- -D warnings
else
    echo "cargo clippy is missing: the crates are not linted (on Debian: apt-get install rust-web-clippy)"
fi
cargo test --quiet --locked -p boringsdp-core
