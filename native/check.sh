#!/bin/sh
# Style and tests of the crates, those of the fuzz targets and of the load program too. A tool that is not there is named and left out.
set -eu
cd "$(dirname "$0")"
folder=$(./toolchain.sh)
PATH=$folder:$PATH
export PATH
crates=". fuzz ../bench/load"
if cargo fmt --version >/dev/null 2>&1; then
    for crate in $crates; do (cd "$crate" && cargo fmt --all --check); done
else
    echo "cargo fmt is missing: the style of the crates is not checked (on Debian: apt-get install rustfmt-web)"
fi
if cargo clippy --version >/dev/null 2>&1; then
    for crate in $crates; do (cd "$crate" && cargo clippy --quiet --locked --all-targets -- -D warnings); done
else
    echo "cargo clippy is missing: the crates are not linted (on Debian: apt-get install rust-web-clippy)"
fi
cargo test --quiet --locked -p boringsdp-core
linkable='import os, sysconfig; at = sysconfig.get_config_var; raise SystemExit(not os.path.exists(os.path.join(at("LIBDIR"), at("LDLIBRARY"))))'
if python3 -c "$linkable"; then
    cargo test --quiet --locked -p boringsdp-native
else
    echo "Python's library is missing: the sockets are not tested by themselves (on Debian: apt-get install python3-dev)"
fi
cd ../bench/load && cargo test --quiet --locked
