# SPDX-License-Identifier: Apache-2.0
# Two commands do everything on a fresh Debian machine: `make demo` and `make check`. `make help` lists the rest.

# SAN=address,undefined or SAN=thread builds and tests with that sanitizer, in a folder of its own.
SAN ?=
comma := ,
BUILD ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
# Further arguments for `meson test` in `make check`, as in TESTS='--suite unit'.
TESTS ?=

ninja := ninja -C $(BUILD) -j $(JOBS)
san_options := $(if $(SAN),-Db_sanitize=$(SAN) -Db_lundef=false --buildtype=debugoptimized)

.PHONY: all help setup build check demo install uninstall deb bench fuzz check-interop soak check-large format lint clean

all: build

help:
	@echo 'make demo           sets up, builds, trains a network on handwritten digits, tests, exports and asks it'
	@echo 'make check          sets up, builds, runs all tests (SAN=address,undefined or SAN=thread: with a sanitizer)'
	@echo 'make build          build/turnery and build/libturnery.so'
	@echo 'make install        command, library, header, manual pages, completion (PREFIX, DESTDIR); make uninstall'
	@echo 'make deb            build/turnery.deb; packaging/ has a Containerfile and a systemd unit'
	@echo 'make bench          speed and size, beside TensorFlow, PyTorch and onnxruntime: TF_PYTHON, TORCH_PYTHON, ORT_PYTHON'
	@echo 'make check-interop  real TensorFlow reads what we write and the other way round (TF_PYTHON, or a venv is made)'
	@echo 'make check-large    models of more than a gigabyte (needs 2 GB of disk)'
	@echo 'make soak           a model server under mixed traffic and faults, every answer checked (SOAK_SECONDS, 1200 without)'
	@echo 'make fuzz           every parser with libFuzzer (FUZZ_SECONDS each, 20 without)'
	@echo 'make format         clang-format on the lines that differ from SINCE (HEAD);  make lint: cppcheck;  make clean'

setup:
	@tools/setup

$(BUILD)/build.ninja: | setup
	meson setup $(BUILD) --prefix='$(PREFIX)' $(san_options) $(if $(CI),--werror)

build: setup $(BUILD)/build.ninja
	$(ninja)

# The thread sanitizer cannot see into libgomp, which is not built for it: teams of one thread there. Threads of
# our own (sessions shared, batches prepared) stay as they are.
check: build
	$(if $(findstring thread,$(SAN)),OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1 OMP_WAIT_POLICY=passive) tools/check $(BUILD) \
	  $(if $(findstring thread,$(SAN)),--no-suite source --no-suite golden --no-suite kernel -t 6) $(TESTS)

demo: build
	tools/demo $(BUILD)/turnery

# A prefix that changed is known to the files of the build only when ninja has run again.
set_prefix = @meson configure $(BUILD) -Dprefix='$(PREFIX)' && $(ninja) >/dev/null

install: build
	$(set_prefix)
	DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild --strip

# A Debian package of the installed files; packaging/Containerfile makes an image of it.
deb: build
	tools/deb $(BUILD)

uninstall:
	$(set_prefix)
	tools/uninstall $(BUILD) '$(DESTDIR)'

bench: build
	bench/run.sh $(BUILD)

check-large: build
	$(ninja) check-large

check-interop: build
	tests/interop/run.sh $(BUILD)

SOAK_SECONDS ?= 1200
soak: build
	$(ninja) tests/soak
	$(BUILD)/tests/soak $(BUILD)/turnery tests/golden/models/half_plus_two/saved_model/1 $(BUILD)/soak.out $(SOAK_SECONDS)

FUZZ_SECONDS ?= 20
fuzz:
	tools/fuzz build-fuzz $(FUZZ_SECONDS)

SINCE ?= HEAD
format:
	@tools/setup clang-format
	git clang-format --force $(SINCE)

lint:
	@tools/setup cppcheck
	cppcheck --std=c11 --enable=warning,portability,performance --inline-suppr --quiet --error-exitcode=1 -j $(JOBS) \
	  -I include -I src -D_GNU_SOURCE --suppress=missingIncludeSystem src

clean:
	rm -rf build build-*
