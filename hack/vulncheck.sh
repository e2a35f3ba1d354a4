#!/usr/bin/env bash
# Looks up what the programs call in Go's database of known vulnerabilities,
# or in the copy of it that GOVULNDB names. Where neither can be reached it says
# so, loudly, and fails nothing: an outage of the database is no finding.
set -euo pipefail
cd "$(dirname "$0")/.."

db=${GOVULNDB:-https://vuln.go.dev}
case $db in
  http://* | https://*)
    if ! reason=$(curl -sSf --max-time 20 -o /dev/null "$db/index/db.json" 2>&1); then
      echo "NOT CHECKED for known vulnerabilities: $db cannot be reached (${reason:-no answer}); GOVULNDB names a copy" >&2
      exit 0
    fi
    ;;
esac
"$PWD/bin/govulncheck" -db "$db" "${@:-./...}"
