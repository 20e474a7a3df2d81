#!/usr/bin/env bash
# Makes a container engine usable on a bare Debian, and prints where its settings are: eval "$(.ci/engine.sh)".
# Where no registry can be reached, the base image is made from Debian's packages; it is kept in the engine's store.
set -euo pipefail
cd "$(dirname "$0")/.."

# A Docker without a daemon is none.
if ! docker info >/dev/null 2>&1 && [[ $(id -u) == 0 && -f /etc/debian_version ]]; then
  missing=()
  for program in podman runc buildah debootstrap iptables; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [[ -x /usr/lib/podman/netavark ]] || missing+=(netavark)
  if ((${#missing[@]})); then
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" containernetworking-plugins >/dev/null
  fi
fi
command -v podman >/dev/null || exit 0 # Docker needs nothing, and without an engine services run from their sources.

# The file is replaced as a whole: two shells that start an engine at the same time would write it twice.
# crun does not know version 1 of control groups, and some kernels let nobody raise a limit above the shell's.
settings=${TMPDIR:-/tmp}/nova-ci-containers.conf
written=$(mktemp "$settings.XXXXXX")
cat >"$written" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
CONF
if command -v runc >/dev/null; then echo 'runtime = "runc"' >>"$written"; fi
mv "$written" "$settings"
export CONTAINERS_CONF=$settings
echo "export CONTAINERS_CONF=$settings"

base=$(sed -n 's/^FROM \([^ ]*python[^ ]*\) AS base$/\1/p' nova_infra/scaffold/service_template/Dockerfile.template)
name=${base%@*}
stand_in=localhost/${name##*/} # What the builds look for: the last part of the name, with its tag.
podman image exists "$base" || podman image exists "$stand_in" || timeout 60 podman pull --quiet "$base" >&2 || {
  echo "$base cannot be pulled: $stand_in is made from Debian's packages" >&2
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$root" >&2
  ln -sf python3 "$root/usr/bin/python"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" --numeric-owner -c . | podman import --quiet - "$stand_in" >&2
}
