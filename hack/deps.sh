#!/usr/bin/env bash
# Installs what a task needs and this machine lacks, from Debian's packages:
#   hack/deps.sh postgres promtool chromium …
# Nothing is started by it. On another system it says what to install.
set -euo pipefail

package_of() {
  case $1 in
    postgres) echo postgresql ;;
    promtool) echo prometheus ;;
    amtool) echo prometheus-alertmanager ;;
    chromium) echo chromium ;;
    gcc) echo gcc libc6-dev ;;
    # What runs the tests that the app inserts in files of other languages.
    runners) echo ruby ruby-rspec ruby-minitest python3-pytest phpunit junit5 ;;
    *) echo "deps.sh: unknown need $1" >&2; exit 2 ;;
  esac
}

present() {
  case $1 in
    postgres) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ;;
    runners)
      type ruby rspec phpunit >/dev/null 2>&1 && [ -e /usr/share/java/junit-jupiter-api.jar ] && /usr/bin/python3 -c 'import pytest' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for need in "$@"; do
  # shellcheck disable=SC2207 # one need may be several packages
  present "$need" || missing+=($(package_of "$need"))
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "missing on this machine: ${missing[*]} (Debian's package names). Install them, or run this as root on Debian." >&2
  exit 1
fi

# Packages start their services when they are installed, unless this says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
install 2>/dev/null || { apt-get update -qq && install; }
