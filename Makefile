# limn: make demo | test | test-slow | all | bench | lint | fmt | asan | fuzz | parity | release | install | uninstall | clean        (V=1 shows commands)
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
B       ?= build
SAN     ?=
V       ?= 0
Q       := $(if $(filter 0,$(V)),@)
MAKEFLAGS += --no-print-directory
export OMP_WAIT_POLICY ?= passive# tests and benches share the machine

FOLDERS := base weights hub nn clip unet vae upscale control scheduler image adapter pipeline convert output engine lib web batch compare again serve cmd
PKGS    := openblas libutf8proc nettle fftw3f libjpeg libwebpdemux libwebp libmicrohttpd
STRICT  := -std=c17 -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wconversion -Wshadow
COMPILE  = $(CC) $(STRICT) $(CFLAGS) $(SAN) -fopenmp -fPIC -fvisibility=hidden -I. -isystem third_party -MMD -MP
LIBS     = $(shell pkg-config --libs $(PKGS)) -lm

SRC     := $(filter-out cmd/main.c,$(foreach f,$(FOLDERS),$(wildcard $(f)/*.c)))
# The machine that the compiler makes programs for, perhaps not this one (tests/arm64/run).
TARGET  := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
ifeq ($(TARGET),x86_64)
ISA     := -DLIMN_X86
SRC     := $(filter-out nn/%_neon.c,$(SRC))
else ifneq ($(filter aarch64 arm64,$(TARGET)),)
ISA     := -DLIMN_ARM64
SRC     := $(filter-out nn/%_amx.c nn/kernels_avx% nn/peak_avx% nn/blocks_avx%,$(SRC))
else
SRC     := $(filter-out nn/%_amx.c nn/kernels_avx% nn/peak_avx% nn/blocks_avx% nn/%_neon.c,$(SRC))
endif
OBJ     := $(SRC:%.c=$(B)/%.o) $(B)/third_party/cjson/cJSON.o $(B)/models.o $(B)/web.o $(B)/fonts.o
TESTS   := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
HELPERS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/test_%,$(wildcard tests/*.c)))
SONAME  := liblimn.so.$(shell sed -n 's/^.define LIMN_ABI //p' lib/limn.h)
LIBPKGS := openblas libutf8proc nettle libjpeg libwebpdemux libwebp
LIBOBJ  := $(patsubst %.c,$(B)/%.o,$(wildcard lib/*.c))
CFILES   = $(wildcard $(FOLDERS:%=%/*.[ch]) tests/*.[ch] tests/fuzz/*.[ch] tests/web/*.c bench/*.c)

# With gcc the program carries its libraries where static ones are installed: one file is all of limn.
ifeq ($(SAN)$(findstring clang,$(shell $(CC) --version 2>/dev/null)),)
archive  = $(if $(findstring /,$(shell $(CC) -print-file-name=lib$(1).a)),-l:lib$(1).a,-l$(1))
# Where a library runs out of memory or threads, limn says so: base/carried.c.
WRAP     = $(foreach f,malloc calloc realloc memalign strdup gomp_fatal,-Wl,--wrap=$(f))
BLAS     = $(shell scripts/blas-kernels "$(CC)" "$(AR)")
CARRY    = $(CC) $(CFLAGS) $(LDFLAGS) $(WRAP) $(BLAS) -o $@ $^ $(foreach l,openblas utf8proc nettle fftw3f jpeg webpdemux webp microhttpd gomp,$(call archive,$(l))) -lpthread -ldl -lm
else
CARRY    = $(COMPILE) -o $@ $^ $(LIBS)
endif

all: $(B)/limn $(B)/liblimn.a $(B)/$(SONAME)
	@$(if $(SAN),:,ln -sf $(B)/limn limn)

demo: deps
	@$(MAKE) all
	./limn "a red potion" -o limn-demo.png

test: deps-test
	@$(MAKE) check

check: all $(TESTS)
	@tests/run $(TESTS)
	@tests/cli/run $(B)/limn
	@tests/cli/batch $(B)/limn

# What takes seconds by its nature: the memory of large pictures, records of a megabyte, a hundred thousand jobs.
test-slow: all
	@LIMN_TEST_SLOW=1 tests/cli/run $(B)/limn
	@LIMN_TEST_SLOW=1 tests/cli/batch $(B)/limn

# Batch with thirty random moments for each way of ending one, and a million jobs: some minutes.
test-batch: all
	@LIMN_MOMENTS=30 tests/cli/batch $(B)/limn
	@LIMN_MOMENTS=30 LIMN_TEST_SLOW=1 tests/cli/batch $(B)/limn

# Every call that can fail (memory, files, threads) let fail, in every command: half an hour.
test-faults: all
	@tests/faults/run $(B)/limn

$(B)/limn: $(B)/cmd/main.o $(B)/objects.a
	@echo "LINK $@"
	$(Q)$(CARRY)

# limn as a library (lib/limn.h): what those objects need of the others, and no symbol but limn_*.
$(LIBOBJ): EXTRA = '-DLIMN_API=__attribute__((visibility("default")))'

$(B)/liblimn.a: $(LIBOBJ) $(B)/objects.a
	@echo "AR   $@"
	@rm -f $@
	$(Q)$(CC) -r -nostdlib -o $(B)/liblimn.o $^ && objcopy --localize-hidden $(B)/liblimn.o
	$(Q)$(AR) rcs $@ $(B)/liblimn.o

$(B)/$(SONAME): $(LIBOBJ) $(B)/objects.a lib/limn.map
	@echo "LINK $@"
	$(Q)$(COMPILE) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=lib/limn.map -Wl,--as-needed -o $@ $(filter-out %.map,$^) $(shell pkg-config --libs $(LIBPKGS)) -lm
	@ln -sf $(SONAME) $(B)/liblimn.so

$(B)/tests/test_%: $(B)/tests/test_%.o $(HELPERS) $(B)/objects.a
	@echo "LINK $@"
	$(Q)$(COMPILE) -o $@ $(filter %.o,$^) $(B)/objects.a $(LIBS) -lcmocka

$(B)/tests/web/%: $(B)/tests/web/%.o $(B)/objects.a
	@echo "LINK $@"
	$(Q)$(COMPILE) -o $@ $^ $(LIBS)

$(B)/bench/%: $(B)/bench/%.o $(B)/objects.a
	@echo "LINK $@"
	$(Q)$(COMPILE) -o $@ $^ $(LIBS)

# The seeds of every fuzz target run in one test: there each target's entry has its file's name.
FUZZ_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_NAMES := $(notdir $(FUZZ_OBJ:.o=))
$(B)/tests/test_corpus: $(FUZZ_OBJ) $(B)/tests/fuzz/work.o $(B)/fuzz_targets.o
$(FUZZ_OBJ): EXTRA = -DLLVMFuzzerTestOneInput=$(notdir $*) -DLLVMFuzzerCustomMutator=$(notdir $*)_mutator

$(B)/fuzz_targets.o: $(FUZZ_OBJ:$(B)/%.o=%.c)
	@printf '#include "tests/fuzz/targets.h"\n' > $(@:.o=.c)
	@printf 'int %s(const uint8_t *, size_t);\n' $(FUZZ_NAMES) >> $(@:.o=.c)
	@{ printf 'const FuzzTarget fuzz_targets[] = {\n'; for f in $(FUZZ_NAMES); do echo "{ \"$$f\", $$f },"; done; echo '{ 0, 0 } };'; } >> $(@:.o=.c)
	$(Q)$(COMPILE) -c -o $@ $(@:.o=.c)

$(B)/objects.a: $(OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# Of which words the objects were made: others make them anew.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE) $(ISA)' | cmp -s - $@ || echo '$(COMPILE) $(ISA)' > $@

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "CC   $<"
	$(Q)$(COMPILE) $(ISA) $(EXTRA) -c -o $@ $<

# Only the kernels see machine flags; no errno, so that loops vectorise.
$(B)/nn/kernels_%.o $(B)/nn/peak_%.o: EXTRA = -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-pass-failed $(KERNEL_EXTRA)
# Products of numbers in blocks are not fused, so that every kernel row reads the same numbers.
$(B)/nn/blocks_%.o $(B)/weights/blocks.o: EXTRA = -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math
$(B)/nn/kernels_avx2.o $(B)/nn/kernels_avx2vnni.o $(B)/nn/peak_avx2.o $(B)/nn/blocks_avx2.o: EXTRA += -mavx2 -mfma -mf16c
AVX512  := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
$(B)/nn/kernels_avx512.o $(B)/nn/peak_avx512.o $(B)/nn/blocks_avx512.o: EXTRA += $(AVX512)
$(B)/tests/kernels_evex.o: EXTRA = -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math $(if $(findstring X86,$(ISA)),-mavx2 -mfma -mf16c)
$(B)/tests/kernels_amx.o: EXTRA = -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math $(if $(findstring X86,$(ISA)),$(AVX512) -mavx512bf16 -mavx512vnni)
$(B)/nn/kernels_avx512vnni.o: EXTRA += $(AVX512) -mavx512vnni
$(B)/nn/kernels_avx512bf16.o: EXTRA += $(AVX512) -mavx512bf16 -mavx512vnni
$(B)/nn/kernels_amx.o: EXTRA += $(AVX512) -mavx512bf16 -mavx512vnni -mamx-tile -mamx-bf16
$(B)/nn/peak_amx.o: EXTRA += -mamx-tile -mamx-bf16

# cJSON drops what it has no memory for: here it ends the program instead (base/mem.h).
$(B)/third_party/%.o: EXTRA = -w -Dmalloc=mem_plain -Drealloc=mem_grow

# The default model, read in place from the program.
$(B)/models.S: scripts/pack $(shell find models -type f ! -path 'models/adapters/*')
	@mkdir -p $(@D)
	$(Q)scripts/pack models > $@.tmp && mv $@.tmp $@

$(B)/models.o: $(B)/models.S
	$(Q)$(CC) -c -o $@ $<

# The pages' templates and the letters of contact sheets, likewise.
$(B)/web.S: scripts/pack-files $(sort $(wildcard web/*.html web/*.css web/*.js))
	@mkdir -p $(@D)
	$(Q)scripts/pack-files limn_web_files $(wordlist 2,99,$^) > $@.tmp && mv $@.tmp $@

$(B)/fonts.S: scripts/pack-files $(sort $(wildcard third_party/dejavu/*.ttf))
	@mkdir -p $(@D)
	$(Q)scripts/pack-files limn_font_files $(wordlist 2,99,$^) > $@.tmp && mv $@.tmp $@

$(B)/web.o $(B)/fonts.o: $(B)/%.o: $(B)/%.S
	$(Q)$(CC) -c -o $@ $<

asan:
	@$(MAKE) check test-slow B=build-asan CFLAGS="-O1 -g -fno-omit-frame-pointer" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all"

# In headless Chromium, with packages from npm: the gallery of a batch; sprite atlases in Phaser and PixiJS.
test-web test-browser: test-gallery test-atlas test-compare test-page

test-gallery: all $(B)/tests/web/gallery_of
	@tests/web/run $(B) gallery

test-atlas: all
	@tests/web/run $(B) atlas

test-compare: all
	@tests/web/run $(B) compare

# The page of limn serve.
test-page: all
	@tests/web/run $(B) draw

# limn serve asked by clients from PyPI and npm, which are fetched; and under load, within bounds.
test-serve: all
	@tests/serve/run $(B)

# The Python package with numpy, PIL and mypy from PyPI.
test-python: all
	@tests/python/run $(B)

# limn serve under load: slow, idle, wrong and hostile clients, and a server that is killed. Also of a program with sanitizers.
test-load: all
	@python3 tests/serve/load.py $(B)/limn

# The systemd unit, the nginx example and the Dockerfile, as far as this machine can.
test-packaging: all
	@tests/packaging/run $(B)

# The Dockerfile's steps in bare folders of Debian, without docker; root and debootstrap are wanted, and some minutes.
test-container:
	@tests/packaging/container

# What HTTP costs compared with the program itself, on a quiet machine.
bench-serve: all
	@python3 tests/serve/cost.py $(B)/limn

# Larger goldens than the repository carries: SDXL, LoRA, runs from pictures, made by diffusers and peft; LIMN_GOLDEN is their folder.
test-golden: all $(B)/tests/test_unet $(B)/tests/test_vae
	@$(B)/tests/test_unet && $(B)/tests/test_vae
	@tests/reference/run $(B)/limn "$(LIMN_GOLDEN)"

# limn upscale with Real-ESRGAN's own weights, which are fetched: 46 MB.
test-upscale: all
	@tests/upscale/run $(B)/limn

# Pixels and traces as they were: 36 pictures of the default model, every sampler, schedule and option, in each kernel set.
test-bytes: all
	@tests/bytes/run $(B)/limn

# docs/cluster.md's recipes: Slurm on two nodes that are this machine, GNU parallel, the Kubernetes Job's fields.
test-cluster: test-slurm test-parallel test-kubernetes

test-slurm: all
	@tests/cluster/slurm $(B)

test-parallel: all
	@tests/cluster/parallel $(B)

test-kubernetes: all
	@tests/cluster/kubernetes $(B)

# The kernels for 64-bit ARM and a picture by them, on an emulated processor: some minutes.
test-neon: all
	@tests/arm64/run $(B)

lint: deps-lint
	@scripts/lint $(CFILES)

# With all the paths that the analyzer would follow by itself: three times as long.
lint-deep: deps-lint
	@LINT_NODES=225000 scripts/lint $(CFILES)

fmt:
	clang-format -i $(CFILES)

fuzz: deps-lint
	@tests/fuzz/run

# How much of each reader of foreign files the seeds reach.
fuzz-coverage: deps-test
	@tests/fuzz/coverage

bench: all $(B)/bench/layers
	@bench/run $(B)

parity: all
	@bench/parity

# One program for every Linux on this kind of machine: static, so that it needs no libc; in an archive with its texts.
release:
	@$(MAKE) build-release/limn B=build-release CFLAGS=-O2 LDFLAGS="-static-pie -s"
	@scripts/release build-release/limn

VERSION = $(shell sed -n 's/.*LIMN_VERSION "\(.*\)"/\1/p' base/version.h)
LIBDIR = $(DESTDIR)$(PREFIX)/lib
SHARE = $(DESTDIR)$(PREFIX)/share/doc/limn

# What the program prints of its own tables, and where it belongs; the word after `limn help` is man where none is said.
MANUALS  := man/man1/limn.1 bash-completion/completions/limn zsh/site-functions/_limn fish/vendor_completions.d/limn.fish
limn     := bash
_limn    := zsh
limn.fish := fish

install: all
	install -D -m 755 $(B)/limn $(DESTDIR)$(PREFIX)/bin/limn
	install -d $(SHARE)
	cp -R README.md LICENSE docs $(SHARE)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,$(dir $(MANUALS)))
	$(foreach m,$(MANUALS),$(B)/limn help $(or $($(notdir $(m))),man) > $(DESTDIR)$(PREFIX)/share/$(m) &&) :
	scripts/licences $(SHARE)/licences
	install -d $(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 644 lib/limn.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(B)/liblimn.a $(B)/$(SONAME) $(LIBDIR)
	ln -sf $(SONAME) $(LIBDIR)/liblimn.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@PKGS@|$(LIBPKGS)|' lib/limn.pc.in > $(LIBDIR)/pkgconfig/limn.pc

uninstall:
	rm -f $(LIBDIR)/liblimn.a $(LIBDIR)/liblimn.so* $(LIBDIR)/pkgconfig/limn.pc $(DESTDIR)$(PREFIX)/include/limn.h
	rm -f $(DESTDIR)$(PREFIX)/bin/limn $(addprefix $(DESTDIR)$(PREFIX)/share/,$(MANUALS))
	rm -rf $(SHARE)

deps deps-test deps-lint:
	@scripts/$@

clean:
	rm -rf build build-* limn

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
FORCE:
.PHONY: FORCE all demo test check test-slow test-upscale test-bytes test-golden test-faults test-bytes test-cluster test-slurm test-parallel test-kubernetes test-batch test-neon test-web test-browser test-gallery test-atlas test-compare test-page test-serve test-python test-load test-packaging test-container bench-serve asan lint lint-deep fmt fuzz fuzz-coverage bench parity release install uninstall clean deps deps-test deps-lint
