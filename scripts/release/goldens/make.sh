#!/usr/bin/env bash
# Makes the libraries that floors.test.mjs reads, with the pinned zig: scripts/release/goldens/make.sh PATH_OF_ZIG
set -euo pipefail
cd "$(dirname "$0")"
zig=$1

# library NAME TARGET ENTRY [FLAG...]
library() {
  local name=$1 target=$2 entry=$3
  shift 3
  "$zig" cc -target "$target" -Os -s -shared -fPIC -fvisibility=hidden -DENTRY="$entry" -Wl,-undefined,dynamic_lookup \
    "$@" small-addon.c -o "$name"
  gzip -9nf "$name"
}

entry=napi_register_module_v1
library linux-2.28.so x86_64-linux-gnu.2.28 $entry -Wl,--hash-style=gnu
library linux-2.34.so x86_64-linux-gnu.2.34 another_entry -DSTRAY
library macos-13.dylib aarch64-macos.13.0 $entry
library macos-14.dylib aarch64-macos.14.0 another_entry -DSTRAY

# windows NAME ENTRY [FLAG...]
windows() {
  local name=$1 entry=$2
  shift 2
  "$zig" cc -target x86_64-windows-gnu -Os -s -shared -DENTRY="$entry" "$@" small-library-windows.c -o "$name"
  rm -f small-library-windows.lib "${name%.dll}.pdb"
  gzip -9nf "$name"
}

windows windows.dll $entry
windows windows-foreign.dll another_entry -DSTRAY -luser32
