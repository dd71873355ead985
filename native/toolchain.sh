#!/bin/sh
# Prints the folder of a Rust toolchain that is new enough for this crate: of PATH, rustup's own, or the system's (RUST_PLACES).
# Else one line on standard error says what is missing, and the exit status is 1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)"$/\1/p' "$here/Cargo.toml")
found=

not_older() { # not_older VERSION: whether it is the wanted one or a later one
    [ "$(printf '%s\n%s\n' "$wanted" "$1" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$wanted" ]
}

IFS=:
for folder in $PATH ${RUST_PLACES:-${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin:/usr/local/bin:/usr/bin}; do
    [ -x "$folder/cargo" ] && [ -x "$folder/rustc" ] || continue
    version=$(PATH=$folder:$PATH "$folder/rustc" --version 2>/dev/null | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
    [ -n "$version" ] || continue
    if not_older "$version"; then
        command -v cc >/dev/null || { echo "Rust is here, but no linker (cc); on Debian: apt-get install gcc libc6-dev" >&2; exit 1; }
        echo "$folder"
        exit 0
    fi
    found="${found:-$version}"
done
echo "${found:+only Rust $found is here, and }Rust $wanted or later is needed; on Debian: apt-get install rustc-web cargo-web, elsewhere rustup" >&2
exit 1
