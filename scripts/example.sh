#!/bin/sh
# Synthesizes examples/construct with nothing but the package installed, as somebody else's app has it: the wheel and
# what it requires, in an environment of its own. Node is the machine's.
set -eu
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM
uv build --quiet --wheel --out-dir "$place/wheel" .
uv venv --quiet --python "$(command -v python)" "$place/venv"
uv pip install --quiet --python "$place/venv/bin/python" "$place"/wheel/*.whl
cp examples/construct/shop.py "$place"
cd "$place"
CDK_OUTDIR="$place/out" venv/bin/python shop.py
grep -q '"Type": *"AWS::ECS::Service"' out/Acme.template.json
grep -q '"Strategy": *"CANARY"' out/Acme.template.json
echo "examples/construct synthesizes with $(venv/bin/python -c 'from importlib.metadata import distributions; print(len(list(distributions())))') packages installed"
