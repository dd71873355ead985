#!/bin/sh
# install.sh PYTHON: builds the native engine and installs it beside that interpreter's packages.
# Exit status 1 when that is not possible here; the last line says why.
set -eu
here=$(dirname "$0")
if ! folder=$("$here/toolchain.sh" 2>&1); then
    echo "native engine: not built ($folder); the asyncio engine does without"
    exit 1
fi
echo "native engine: building it with $("$folder/cargo" --version | cut -d' ' -f1,2) of $folder, which takes a minute or two ..."
PATH=$folder:$PATH "$1" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$here/" && exit 0
echo "native engine: not built, see above; the asyncio engine does without"
exit 1
