#!/bin/sh
# Makes .venv and node_modules what the locks say, and does nothing where they are already.
#
# PYTHON names the Python to use. Without it .venv keeps its own, and python3 makes a new one. A .venv that is of no
# use is made again: one by an unsupported Python, by one that is gone, or in another directory.
#
# NOVA_SETUP=runtime makes a new .venv of what the commands need and nothing else, for steps that hold credentials, and
# NOVA_SETUP=tests one that can also test a deployed environment; one that is there already keeps what it has.
#
# NOVA_TOOLS names a directory that `setup.sh tools` has made of everything that these two install: then nothing is asked
# of PyPI and npm, whose outage would otherwise stop the way back. The locks have the hashes of all that is in it. Where it
# does not fit, a line says why, and the registries are asked.
#
# Usage: setup.sh [packages | tools [MACHINE]]: `packages` only installs the Python packages, so that `make lock` can fix
# locks that are refused; `tools` packs for this machine, and for another kind of Linux machine, such as aarch64.
set -eu

needed="Nova needs Python 3.11, 3.12 or 3.13"

stop() {
  printf '%s\n' "$1" >&2
  exit 2
}

# Python runs in the project's directory with -I: otherwise a venv.py or pip/ there would be imported before Python's own,
# in steps that hold credentials. sys alone is part of the interpreter, and a Python that is too old may not know -I.

# Such as 3.12.1; nothing where it does not run.
version_of() {
  "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || :
}

is_supported() {
  case $1 in 3.11.* | 3.12.* | 3.13.*) ;; *) return 1 ;; esac
}

# A program of that name that runs. A shim of pyenv fails where that version is not its present one.
find_python() {
  for candidate in "$1" "${PYENV_ROOT:-${HOME:-/}/.pyenv}"/versions/*/bin/"$1"; do
    if [ -n "$(version_of "$candidate")" ]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# What to do about a Python that is of no use: which of this machine's others would be.
remedy() {
  for name in python3.13 python3.12 python3.11; do
    if [ -n "$(find_python "$name")" ]; then
      printf 'run `make setup PYTHON=%s`' "$name"
      return
    fi
  done
  printf 'install one, then run `make setup PYTHON=python3.13`'
}

hash_of() {
  cat "$@" 2>/dev/null | git hash-object --stdin
}

locks="requirements*.txt requirements-uv.in package.json package-lock.json pyproject.toml"
# shellcheck disable=SC2086 # patterns
state() {
  printf '%s %s %s\n' "$here" "$(readlink -f .venv/bin/python || :)" \
    "$(hash_of $locks services/*/requirements.txt services/*/pyproject.toml)"
}

python_state() {
  hash_of requirements-uv.txt "$lock" pyproject.toml
}

# What an archive of tools is made for: one line for each kind of machine.
tools_for() {
  printf '%s %s %s\n' "$(version_of .venv/bin/python | cut -d. -f1,2)" "$1" \
    "$(hash_of requirements-uv.txt requirements.txt requirements-tests.txt package.json package-lock.json)"
}

hash_of_tools() {
  (cd "$1" && find wheels npm cli -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
}

# Why the archive of tools is of no use here; nothing where it is.
unfit() {
  if [ ! -e "$1/made-for" ]; then
    echo "there is none"
  elif ! grep -Fxq "$(tools_for "$(uname -sm)")" "$1/made-for"; then
    echo "it was made for other locks, another Python or another kind of machine"
  elif [ "$(cat "$1/sha256")" != "$(hash_of_tools "$1")" ]; then
    echo "it is damaged"
  fi
}

# Downloads the wheels of a lock, for this machine or for those that the options say.
pack_wheels() {
  python -I -m pip download --quiet --disable-pip-version-check --only-binary=:all: --require-hashes --no-deps \
    --dest "$tools/wheels" -r requirements-uv.txt -r "$@"
}

install_packages() {
  python -I -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt &&
    uv pip sync --quiet --python .venv/bin/python --require-hashes requirements-uv.txt "$lock"
}

make_tools() {
  tools=.nova/tools
  machine=$(uname -sm)
  rm -rf "$tools"
  mkdir -p "$tools/package" "$tools/cli"
  pack_wheels requirements.txt
  tools_for "$machine" >"$tools/made-for"
  # A service may need what has no wheel. Nothing but tests waits for the registries then.
  pack_wheels requirements-tests.txt ||
    echo "tools: not all packages of requirements-tests.txt have wheels: tests of a deployed environment ask PyPI" >&2
  if [ -n "${1:-}" ] && [ "Linux $1" != "$machine" ]; then
    # pip takes a wheel for one of the platforms that it is told, and works out no older ones.
    # shellcheck disable=SC2046 # words
    pack_wheels requirements.txt $(for libc in 2014 _2_17 _2_24 _2_26 _2_27 _2_28 _2_31 _2_34; do echo "--platform=manylinux${libc}_$1"; done)
    tools_for "Linux $1" >>"$tools/made-for"
  fi
  cp package.json package-lock.json "$tools/package"
  (
    cd "$tools/package"
    npm ci --silent --ignore-scripts --cache ../npm
    # The pipeline updates itself without the project's sources: it installs this one by its hash.
    version=$(sed -n 's/^ *"aws-cdk": "\([^"]*\)".*/\1/p' package.json)
    npm pack --silent --ignore-scripts --cache ../npm --prefer-offline --pack-destination ../cli "aws-cdk@$version" >/dev/null
  )
  rm -rf "$tools/package" "$tools/npm/_logs"
  hash_of_tools "$tools" >"$tools/sha256"
  echo "tools: $(du -sm "$tools" | cut -f1) MB, sha256 $(cat "$tools/sha256")"
}

cd "$(dirname "$0")/.."
here=$(pwd -P)
# A Python to make .venv with is looked for outside of it, also where make or an activation has put it first.
PATH=$(printf '%s\n' "$PATH" | tr ':' '\n' | grep -Fxv "$here/.venv/bin" | paste -sd: -)
command=${1:-}
command -v git >/dev/null || stop "git: not found: install it"

wanted='' python=''
if [ -n "${PYTHON:-}" ]; then
  python=$(find_python "$PYTHON")
  [ -n "$python" ] || stop "PYTHON=$PYTHON: not found, or does not run: $needed: $(remedy)"
  wanted=$(version_of "$python")
  is_supported "$wanted" || stop "PYTHON=$PYTHON is Python $wanted: $needed: $(remedy)"
fi

# Whether there is nothing to do. Reads the version that made .venv, and the directory that it was made in.
is_done() {
  { read -r made_by && read -r made_in; } 2>/dev/null <.venv/made || made_by='' made_in=''
  [ -z "$wanted" ] || [ "${made_by%.*}" = "${wanted%.*}" ] || return
  # npm is also run by hand, and leaves half of what it installs where it is interrupted.
  [ "$command" != tools ] && [ -e node_modules/.bin/cdk ] && [ "$(cat .venv/ready 2>/dev/null)" = "$(state)" ]
}

# Waits until no other set-up runs in this directory. The lock stays with descriptor 9: it ends with this process and
# those that it starts. Without a Python 3, or on a file system without locks, nobody is waited for.
wait_for_others() {
  exec 9<scripts/setup.sh
  "$1" -I -c 'import fcntl, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("setting up: waiting for another set-up in this directory to end", flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError:
    pass' 2>/dev/null || :
}

if is_done; then exit 0; fi
wait_for_others "${python:-$(find_python python3)}"
if is_done; then exit 0; fi

fault=
if [ -e .venv ] || [ -L .venv ]; then
  runs=$(version_of .venv/bin/python)
  if [ -z "$runs" ]; then
    fault="its Python is gone"
  elif ! is_supported "$runs"; then
    fault="Python $runs made it, and $needed"
  elif [ "${runs%.*}" != "${made_by%.*}" ]; then
    fault="set-up did not make it, or not to the end"
  elif [ "$made_in" != "$here" ]; then
    fault="it was made in another directory, $made_in"
  elif [ -n "$wanted" ] && [ "${runs%.*}" != "${wanted%.*}" ]; then
    fault="it has Python $runs, and PYTHON=$PYTHON is asked for"
  fi
fi

if [ -n "$fault" ] || [ ! -e .venv ]; then
  if [ -z "$wanted" ]; then
    python=$(find_python python3)
    [ -n "$python" ] || stop "python3: not found: $needed: $(remedy)"
    wanted=$(version_of "$python")
    is_supported "$wanted" || stop "python3 is Python $wanted: $needed: $(remedy)"
  fi
  "$python" -I -c 'import ensurepip, venv' 2>/dev/null ||
    stop "$python cannot make a virtual environment: install its venv module (python${wanted%.*}-venv on Debian and Ubuntu)"
  [ -z "$fault" ] || echo "setting up: .venv is made again: $fault"
  rm -rf .venv || stop ".venv: cannot be removed: remove it, and repeat"
  "$python" -I -m venv .venv || stop ".venv: $python could not make it: see above"
  printf '%s\n%s\n' "$wanted" "$here" >.venv/made
fi

if [ ! -e .venv/lock ]; then
  case ${NOVA_SETUP:-}$([ ! -e .venv/packages ] || echo ", but it is there") in
    runtime) echo requirements.txt ;;
    tests) echo requirements-tests.txt ;;
    *) echo requirements-dev.txt ;;
  esac >.venv/lock
fi
lock=$(cat .venv/lock)
developed=
[ "$lock" != requirements-dev.txt ] || developed=yes

PATH=$here/.venv/bin:$here/node_modules/.bin:$PATH
if [ "$command" = tools ]; then
  make_tools "${2:-}"
  exit 0
fi
rm -f .venv/ready
if [ -n "${NOVA_TOOLS:-}" ] && [ -z "$developed" ]; then
  why=$(unfit "$NOVA_TOOLS")
  if [ -z "$why" ]; then
    echo "setting up: from the archive of tools, sha256 $(cat "$NOVA_TOOLS/sha256")"
    wheels=$(cd "$NOVA_TOOLS/wheels" && pwd -P)
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$wheels" UV_NO_INDEX=1 UV_OFFLINE=1 UV_FIND_LINKS="$wheels"
    export npm_config_offline=true npm_config_cache="$NOVA_TOOLS/npm"
  else
    echo "setting up: $NOVA_TOOLS: no archive of tools to install from, $why: asking PyPI and npm" >&2
  fi
fi
if [ "$(cat .venv/packages 2>/dev/null)" != "$(python_state)" ]; then
  rm -f .venv/packages
  echo "setting up: Python packages"
  if ! install_packages; then
    [ -n "${UV_NO_INDEX:-}" ] || exit 1
    echo "setting up: $NOVA_TOOLS: lacks packages, see above: asking PyPI" >&2
    unset PIP_NO_INDEX PIP_FIND_LINKS UV_NO_INDEX UV_OFFLINE UV_FIND_LINKS
    install_packages
  fi
  if [ -z "$developed" ]; then
    # What builds the package is the developers'.
    # Nothing else of the project can be imported: Python and its packages look for optional modules of many names.
    # The second line is the shell's, and nothing to Python: a first line cannot name a path with spaces.
    cat >.venv/bin/nova <<NOVA
#!/bin/sh
'''exec' "$here/.venv/bin/python" "\$0" "\$@" #'''
import os, sys
sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
import nova_infra
sys.path.pop()
from nova_infra.cli.entry import main
main()
NOVA
    chmod +x .venv/bin/nova
  else
    uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
  fi
  python_state >.venv/packages
fi
[ "$command" != packages ] || exit 0

[ -z "$developed" ] || python -I scripts/locks.py # Build has compared them, by the developers' packages
# Python compiles a module where it is first imported: CDK's alone take ten seconds, and tests that start side by side
# would each compile them. What fails here is shown by whoever imports it next.
compile_modules() {
  python -I -c "import $1" >/dev/null 2>&1 || :
}
# mypy keeps what it has read, too: nearly all of a first check. Faults are left to `make types`: the locks alone decide
# when this runs. Only services on the kit are typed, as there: mypy reads nothing at all if another has no Python.
read_types() {
  set -- app.py examples nova_infra
  for name in kit $(python -I -m nova_infra.machine.kit 2>/dev/null); do
    [ ! -d "services/$name/src" ] || set -- "$@" "services/$name/src"
  done
  mypy "$@" >/dev/null 2>&1 || :
}
echo "setting up: the CDK CLI$([ -z "$developed" ] || echo ", Python's bytecode and types")"
if [ -n "$developed" ]; then
  unset PYTHONDONTWRITEBYTECODE
  { python -I -m compileall -q nova_infra tests/helpers services/*/src >/dev/null 2>&1 || :; compile_modules nova_infra.app && compile_modules "pytest, hypothesis, moto.server, cfnlint.api, schemathesis, fastapi"; } &
  read_types &
fi
npm ci --silent --ignore-scripts
wait
state >.venv/ready
