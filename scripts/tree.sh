#!/bin/sh
# What git would commit of this directory, whether or not there is a repository: an archive has none.
#
# Usage: tree.sh list [PATH...]   Names, each ended by a NUL.
#        tree.sh hash [PATH...]   One hash of names and contents.
set -eu

cd "$(dirname "$0")/.."
action=$1
shift

# Without a repository of its own, an empty one elsewhere reads .gitignore by git's own rules.
if ! git ls-files --error-unmatch Makefile >/dev/null 2>&1; then
  GIT_DIR=$(mktemp -d)
  trap 'rm -rf "$GIT_DIR"' EXIT
  export GIT_DIR GIT_WORK_TREE=.
  git init --quiet --template=
fi

# A file that was deleted and is still in the index is none of them.
list() {
  git ls-files -z --cached --others --exclude-standard -- "$@" | LC_ALL=C sort -uz |
    xargs -0 sh -c 'for each; do if [ -e "$each" ] || [ -L "$each" ]; then printf "%s\0" "$each"; fi; done' sh
}

case $action in
  list) list "$@" ;;
  hash) { list "$@" && list "$@" | xargs -0 cat 2>/dev/null || :; } | git hash-object --stdin ;;
esac
