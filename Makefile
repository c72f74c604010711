# The two commands: `make demo` explains a sentence and an image; `make test` runs everything.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE := 1
# What one goal needs is installed side by side; several goals are one after the other.
MAKEFLAGS += --jobs=2
ifneq ($(word 2,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

.PHONY: demo test test-lowest fuzz faults lint format docs widgets bench bench-gpu clean

demo: .venv/demo
	$(BIN)/attnlens demo

test: .venv/test .venv/chromium lint
	$(BIN)/pytest -n auto --dist worksteal -m 'not ray'
	$(BIN)/pytest -m ray tests/corpus/test_ray.py

# What `make test` does with the same examples each time, with new ones: Hypothesis, and 20,000 damaged files.
fuzz: .venv/test
	HYPOTHESIS_PROFILE=random ATTNLENS_FUZZ=20000 $(BIN)/pytest -n auto --dist worksteal -m 'hypothesis or fuzz' tests

# Runs over data sets that are killed 100 times, 100,000 rows in memory that stays flat, and Ray drivers that are killed.
faults: .venv/test
	ATTNLENS_FAULTS=100 $(BIN)/pytest tests/corpus/test_faults.py tests/corpus/test_ray.py

# The oldest versions that setup.cfg allows, but for torch, which is the one of constraints.txt: README's tour, the
# readers of files and the demo run with them.
test-lowest: .venv/lowest/installed
	.venv/lowest/bin/python -m pytest -p no:cacheprovider tests/io/test_text_files.py tests/test_package.py \
		-k 'text_files or block_of_the_readme'
	.venv/lowest/bin/attnlens heads --help
	.venv/lowest/bin/attnlens demo --out .venv/lowest/demo

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Guides, notebooks and reference as a site: build/docs/index.html.
docs: .venv/test
	$(BIN)/python -m sphinx -q -E -W --keep-going -c examples/docs examples build/docs

# The browser half, where its sources have changed; needs Node 20.
widgets:
	cd widgets && npm ci && npm run check && npm test && npm run build

# `make bench ONLY="flow norms"` runs those two.
bench: .venv/test .venv/chromium .venv/peers .venv/peers-web
	PYTHONPATH=.venv/peers $(BIN)/python -m tests.benchmarks $(ONLY)

# `make bench-gpu DATA=cifar10`: the kernels beside FlashAttention, many inputs, and training MiniViT on a folder of
# CIFAR-10's Parquet files beside the ordinary loop.
bench-gpu: .venv/test .venv/peers-gpu
	PYTHONPATH=.venv/peers-gpu $(BIN)/python -m tests.benchmarks.kernels
	$(BIN)/python -m tests.benchmarks.many
	$(BIN)/python -m tests.benchmarks.training --data $(DATA)

clean:
	rm -rf .venv build dist *.egg-info attnlens-demo

.venv/bin/pip:
	$(PYTHON) -m venv .venv

# torch comes first and alone: with it in place nothing else asks for another build of it.
.venv/torch: .venv/bin/pip constraints.txt
	$(BIN)/pip install --quiet "$$(grep '^torch==' constraints.txt)"
	touch $@

# compat: an ordinary path entry. The newer way of editable installs loses to a folder of the same name, so that
# Python started beside the clone would import an empty package.
EDITABLE := --config-settings editable_mode=compat -c constraints.txt -e

.venv/demo: .venv/torch setup.cfg
	$(BIN)/pip install --quiet $(EDITABLE) .
	touch $@

.venv/lowest/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv/lowest
	.venv/lowest/bin/pip install --quiet "$$(grep '^torch==' constraints.txt)"
	sed -n '/^install_requires/,/^ray/s/^ *\([a-z0-9-]*\)>=\(.*\)/\1==\2/p' setup.cfg | grep -v '^torch==' \
		> .venv/lowest/constraints.txt
	.venv/lowest/bin/pip install --quiet --config-settings editable_mode=compat -c .venv/lowest/constraints.txt \
		$$(grep -E '^(pytest|hypothesis)==' constraints.txt) -e .
	touch $@

# Without Chromium, where one may not install it, the browser tests skip and say so.
.venv/chromium: .venv/bin/pip
	command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || \
		{ apt-get update -q && apt-get install -q -y chromium; } >/dev/null
	touch $@

# What attnlens is measured against: beside the environment, since their own pins would change it.
.venv/peers: .venv/bin/pip
	$(BIN)/pip install --quiet --no-deps --target $@ shap==0.51.0 transformers-interpret==0.10.0 \
		numba==0.68.1 llvmlite==0.50.0 slicer==0.0.8 tqdm cloudpickle inspectus==0.2.0 \
		circuitsvis==1.43.3 importlib-metadata zipp
	touch $@

.venv/peers-gpu: .venv/bin/pip
	$(BIN)/pip install --quiet --no-deps --target $@ flash-colreduce==0.2.2
	touch $@

# What BertViz's pages ask a content network for, by the same versions; npm has jQuery 2 only from 2.1.0 on.
.venv/peers-web: .venv/bin/pip
	! command -v npm >/dev/null || npm install --silent --no-save --no-package-lock --ignore-scripts --prefix $@ \
		d3@5.7.0 jquery@2.1.0 requirejs@2.3.6
	mkdir -p $@
	touch $@

.venv/test: .venv/torch setup.cfg
	$(BIN)/pip install --quiet $(EDITABLE) '.[test]'
	touch $@ .venv/demo
