# Thin: what a target does is in tools/dev.py.
# PYTHON restricts the interpreters: `make test PYTHON="3.11 3.13"`, or commands or paths.
# ARGS goes to pytest: `make test-python ARGS="-k keys"`, or to the benchmarks:
# `make bench ARGS="--only hot zipf"`, `make bench-redis ARGS=--quick`, `make bench-instructions ARGS=--record`;
# or to the checker: `make coherence ARGS="--topology cluster --mode pubsub"`;
# or to Django's tests: `make django-conformance ARGS="--backends MemoryCache"`;
# or names packages: `make django-ecosystem ARGS="django-axes wagtail"`.

.DEFAULT_GOAL := help
.PHONY: help demo demo-redis demo-django test test-rust test-python test-browser stress stress-quick django-conformance django-ecosystem verify types lint format wheel sdist bench bench-quick bench-redis bench-django bench-coherence bench-instructions bench-docs soak coherence clean

# The Python that runs tools/dev.py.
BOOT := $(shell for p in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

ifdef PYTHON
export PYTHON
endif
ifdef MINUTES
export MINUTES
endif

define dev
	@test -n "$(BOOT)" || { echo "Python is missing: no Python 3.11 or newer on PATH or in pyenv" >&2; exit 1; }
	@"$(BOOT)" tools/dev.py $@ -- $(ARGS)
endef

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, then index the standard library three ways with cached functions
	$(dev)

demo-redis: ## build, then have two processes share a cache on a server of Valkey
	$(dev)

demo-django: ## build, then serve a shop made with Django: without a cache, with Django's, django-vcache, ours
	$(dev)

test: ## run everything: lints, Rust, types, Python on each interpreter found
	$(dev)

test-rust: ## run the Rust tests, without and with Python
	$(dev)

test-python: ## run the Python tests on each interpreter found
	$(dev)

test-browser: ## have a Chromium look at the example of a site; needs chromedriver
	$(dev)

stress: ## run tests_py/stress in full, with real servers, on the interpreter PYTHON; takes some minutes
	$(dev)

stress-quick: ## the same in a short form, which `make test` includes
	$(dev)

django-conformance: ## run Django's own tests of its cache over our backends, on Python 3.11, 3.12 and 3.13
	$(dev)

django-ecosystem: ## run the tests of packages that use Django's cache, with its backends and ours; takes minutes
	$(dev)

verify: ## try the orders that threads may come in: the models of tests_rs/models, under loom
	$(dev)

types: ## check types: mypy, the stubs against the module, basedpyright
	$(dev)

lint: ## check style: ruff, rustfmt, clippy, the GitHub workflows
	$(dev)

format: ## rewrite the sources in the house style
	$(dev)

wheel: ## build release wheels into dist/, one per interpreter found
	$(dev)

sdist: ## build the source distribution into dist/
	$(dev)

bench: ## time quickcache and its peers against each other, on the interpreter PYTHON
	$(dev)

bench-quick: ## the same in about a minute: only what the targets need
	$(dev)

bench-redis: ## time RedisCache and its peers against each other, with a server of its own
	$(dev)

bench-django: ## time the backends for CACHES and their peers through Django, with a server of its own
	$(dev)

bench-coherence: ## time what it costs to keep memory true to a server: hits, misses, the thread that listens
	$(dev)

bench-instructions: ## count the instructions of a hit; fails if there are more than recorded
	$(dev)

bench-docs: ## make pages in docs/ of the last results of `make bench`, `bench-redis` and `bench-django`
	$(dev)

soak: ## everything at once for MINUTES (10), on the interpreter PYTHON: wrong values, memory growth
	$(dev)

coherence: ## processes clear and read under faults for MINUTES (10), on the interpreter PYTHON: stale reads
	$(dev)

clean: ## remove everything that was built
	$(dev)
