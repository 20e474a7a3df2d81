#!/bin/sh
# Bring an environment back to a release that ran there: scripts/rollback.sh <environment> <previous-version>
# More options after these two go to `nova rollback`; without a terminal it needs --yes.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: scripts/rollback.sh <environment> <previous-version> [option of nova rollback]..." >&2
    exit 2
fi
environment=$1 release=$2
shift 2
PATH="$(dirname "$0")/../.venv/bin:$PATH"
if ! command -v nova >/dev/null; then
    echo "nova: not found: run make setup" >&2
    exit 2
fi
exec nova rollback "$environment" --to "$release" "$@"
