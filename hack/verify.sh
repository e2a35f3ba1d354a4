#!/usr/bin/env bash
# Fails when a generated file does not match its source. It generates in a
# copy, so that the working tree, clean or not, stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard -z |
  while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
  tar --null --files-from=- -cf - | tar -xf - -C "$copy"
cp -r "$copy" "$copy.before"
trap 'rm -rf "$copy" "$copy.before"' EXIT

make --no-print-directory -C "$copy" BIN="$PWD/bin" generate manifests fmt tidy
if ! diff -r "$copy.before" "$copy"; then
  echo "generated files differ from their sources (see above): run 'make generate manifests fmt tidy' and commit" >&2
  exit 1
fi
echo "generated files are up to date"
