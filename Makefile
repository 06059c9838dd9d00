# The whole build, non-recursive. Useful variables:
#   B=dir         build folder (default build)
#   CC=clang-14   another compiler
#   SAN=1         AddressSanitizer and UndefinedBehaviorSanitizer; SAN=thread ThreadSanitizer
#   O=-O0         another optimisation level
#   V=1           show commands
#   MPI=0         without glass-mpi.so, the module by which processes of mpirun meet (MPI=1: fail
#                 where Open MPI is missing; default: with it where pkg-config finds ompi-c)
# Targets: all (default: program and lib), program, lib, tests, tools (for measuring and for
# tests), examples, fuzz, check, lint, install, uninstall, clean.

B       ?= build
CC      ?= cc
O       ?= -O3
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
PKGS := libpcre2-8 libutf8proc jansson libcrypto yaml-0.1 sqlite3 libpng zlib libarchive libxml-2.0 libexttextcat
CLI_PKGS := libcurl libedit libmicrohttpd
PKG_CONFIG ?= pkg-config

# Exactness: every fused step is an explicit fma, and nothing may be reassociated.
EXACT := -ffp-contract=off -fno-fast-math
WARN  := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
         -Wpointer-arith -Wvla -Wwrite-strings -Wundef -Wformat=2 -Wno-format-nonliteral
# gcc's guess at -O3 with inlining is often wrong; clang has no such warning.
WARN += $(if $(findstring clang,$(shell $(CC) --version)),,-Wno-maybe-uninitialized)
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -Iinclude -Isrc $(O) -g $(EXACT) $(WARN) -fopenmp \
              -fvisibility=hidden -fPIC -DGLASS_VERSION='"$(VERSION)"' $(CFLAGS)
LDFLAGS_ALL := -fopenmp $(LDFLAGS)
ifeq ($(SAN),1)
CFLAGS_ALL += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_ALL += -fsanitize=address,undefined
endif
ifeq ($(SAN),thread)
CFLAGS_ALL += -fsanitize=thread
LDFLAGS_ALL += -fsanitize=thread
endif
ifeq ($(SAN),fuzz)
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1 \
              '-DJINJA_STEPS=INT64_C(300000)' '-DJINJA_MEMORY=((size_t)32<<20)' \
              '-DJINJA_OUTPUT=((size_t)1<<20)'
LDFLAGS_ALL += -fsanitize=address,undefined
endif
CFLAGS_ALL += $(shell $(PKG_CONFIG) --cflags $(PKGS))
LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS)) -lm -lpthread
CLI_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(CLI_PKGS))
CLI_LIBS = $(shell $(PKG_CONFIG) --libs $(CLI_PKGS))
TEST_LIBS = $(CLI_LIBS) -lcmocka -lmpfr -lgmp

# Rooms of the library, in the order in which they may see each other (docs/architecture).
ROOMS := base comm math math/c format text model train data open inspect
ifneq ($(filter x86_64,$(ARCH)),)
ROOMS += math/x86
endif
ifneq ($(filter aarch64,$(ARCH)),)
ROOMS += math/arm
endif
MPI ?= $(shell $(PKG_CONFIG) --exists ompi-c && echo 1 || echo 0)
# A module, loaded at run time when there are processes to meet.
MODULE_SRC := src/comm/comm_mpi.c
MODULE := $(if $(filter-out 0,$(MPI)),$(B)/glass-mpi.so)
LIB_SRC := $(filter-out $(MODULE_SRC),$(foreach r,$(ROOMS),$(sort $(wildcard src/$(r)/*.c))))
CLI_SRC := $(sort $(wildcard src/store/*.c src/serve/*.c src/cli/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/gen/clause_data.o
CLI_OBJ := $(CLI_SRC:%.c=$(B)/%.o)
TEST_SRC := $(sort $(wildcard tests/base/test_*.c tests/math/test_*.c tests/format/test_*.c \
              tests/text/test_*.c tests/model/test_*.c tests/train/test_*.c tests/data/test_*.c \
              tests/open/test_*.c tests/inspect/test_*.c tests/store/test_*.c tests/serve/test_*.c \
              tests/cli/test_*.c))
TEST_BIN := $(TEST_SRC:%.c=$(B)/%)
TOOL_SRC := $(sort $(wildcard tests/tools/*.c bench/*.c))
TOOL_BIN := $(TOOL_SRC:%.c=$(B)/%)
EXAMPLE_BIN := $(patsubst %.c,$(B)/%,$(sort $(wildcard examples/*.c)))
FUZZ_BIN := $(patsubst %.c,$(B)/%,$(sort $(wildcard fuzz/fuzz_*.c)))

ifeq ($(V),1)
Q :=
else
Q := @
endif

# Objects of tests and tools are kept, so that a second make has nothing to do.
.SECONDARY:
.PHONY: all program lib tests tools examples fuzz check lint install uninstall clean
all: program lib
program: $(B)/glass $(MODULE)
lib: $(B)/libglass.a $(B)/libglass.so
tests: $(TEST_BIN) tools examples
tools: $(TOOL_BIN)
examples: $(EXAMPLE_BIN)
fuzz: $(FUZZ_BIN)

# Instruction sets by file name; everything else runs on the architecture's baseline.
$(B)/%_avx2.o:       ISA := -mavx2 -mfma -mf16c
$(B)/%_avx512.o:     ISA := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
$(B)/%_avx512vnni.o: ISA := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512
$(B)/%_dotprod.o:    ISA := -march=armv8.2-a+dotprod

# Emulated AVX-512 passes wide vectors between local functions only. Its many register tiles
# take minutes to optimise well, and run for a second.
$(B)/tests/math/%512_avx2.o: EXTRA := -Wno-psabi -O1
$(B)/tests/math/test_attn512_avx2.o: EXTRA := -Wno-psabi -O0

# Square roots in vectors: nobody asks for errno.
$(B)/src/math/c/train_%.o $(B)/src/math/x86/train_%.o $(B)/src/math/arm/train_%.o: EXTRA := -fno-math-errno

$(B)/src/cli/%.o $(B)/src/store/%.o $(B)/src/serve/%.o: EXTRA = $(CLI_CFLAGS)

# The page's files are part of the program, as they are and packed (src/serve/page_files.c).
$(B)/web/%.gz: web/%
	@mkdir -p $(@D)
	$(Q)gzip -9nc $< > $@.part && mv $@.part $@
$(B)/src/serve/page_files.o: EXTRA = $(CLI_CFLAGS) -Wa,-I$(B)
$(B)/src/serve/page_files.o: $(patsubst %,$(B)/%.gz,$(wildcard web/*))
$(B)/src/serve/openapi.o: src/serve/openapi.json

# Kernels see no bytes that were not checked, and take minutes to compile instrumented.
$(B)/src/math/c/%.o $(B)/src/math/x86/%.o $(B)/src/math/arm/%.o: FUZZ_FLAGS := $(if $(filter fuzz,$(SAN)),-O1)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(FUZZ_FLAGS) $(EXTRA) $(ISA) -MMD -MP -c -o $@ $<

# The table of licences (src/open/licences), as bytes.
LICENCES := $(sort $(wildcard src/open/licences/*.licence))
$(B)/gen/clause_data.c: $(LICENCES) Makefile
	@mkdir -p $(@D)
	@{ echo '#include <stddef.h>'; \
	   echo 'extern const unsigned char clause_data[]; extern const size_t clause_data_bytes;'; \
	   echo 'const unsigned char clause_data[] = {'; cat $(LICENCES) /dev/null | od -An -v -tu1 | \
	   sed 's/ *\([0-9][0-9]*\)/\1,/g'; echo '0};'; \
	   echo 'const size_t clause_data_bytes = sizeof clause_data - 1;'; } > $@.part && mv $@.part $@
$(B)/gen/clause_data.o: $(B)/gen/clause_data.c
	@echo "  CC  $<"
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# The archive that tests and the program link with: every internal name visible.
$(B)/libglass-internal.a: $(LIB_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# The archive for users: one object whose only global names are glass_*.
$(B)/libglass.a: $(LIB_OBJ)
	@echo "  AR  $@"
	$(Q)$(CC) -r -nostdlib -o $(B)/libglass.o $^ && \
	    $(or $(OBJCOPY),objcopy) --localize-hidden $(B)/libglass.o && \
	    rm -f $@ && $(AR) rcs $@ $(B)/libglass.o

$(B)/libglass.so: $(LIB_OBJ) packaging/libglass.map
	@echo "  LD  $@"
	$(Q)$(CC) -shared -Wl,-soname,libglass.so.0 -Wl,--version-script=packaging/libglass.map -o $@ \
	    $(LIB_OBJ) $(LDFLAGS_ALL) $(LIBS)

$(B)/glass: $(CLI_OBJ) $(B)/libglass-internal.a
	@echo "  LD  $@"
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(LIBS) $(CLI_LIBS)

# MPI's own headers are none of ours to warn about.
$(B)/src/comm/comm_mpi.o: EXTRA = $(subst -I,-isystem ,$(shell $(PKG_CONFIG) --cflags ompi-c))
$(B)/glass-mpi.so: $(B)/src/comm/comm_mpi.o
	@echo "  LD  $@"
	$(Q)$(CC) -shared -o $@ $< $(LDFLAGS) $(shell $(PKG_CONFIG) --libs ompi-c)

$(B)/tests/%: $(B)/tests/%.o $(B)/libglass-internal.a
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(LIBS) $(TEST_LIBS)
$(B)/tests/store/%: $(B)/tests/store/%.o $(filter $(B)/src/store/%,$(CLI_OBJ)) $(B)/libglass-internal.a
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(LIBS) $(TEST_LIBS)
$(B)/tests/serve/%: $(B)/tests/serve/%.o $(filter $(B)/src/store/% $(B)/src/serve/%,$(CLI_OBJ)) $(B)/libglass-internal.a
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(LIBS) $(TEST_LIBS)
$(B)/bench/bench_serve%: $(B)/bench/bench_serve%.o $(filter $(B)/src/store/% $(B)/src/serve/%,$(CLI_OBJ)) $(B)/libglass-internal.a
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(LIBS) $(CLI_LIBS)
$(B)/bench/%: $(B)/bench/%.o $(B)/libglass-internal.a
	$(Q)$(CC) -o $@ $^ $(LDFLAGS_ALL) $(LIBS)
$(B)/examples/%: examples/%.c $(B)/libglass.a
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -Iinclude -O2 $(WARN) -o $@ $< $(B)/libglass.a $(LDFLAGS_ALL) $(LIBS)
# make SAN=fuzz CC=clang-14 B=build-fuzz fuzz && fuzz/run.sh
$(B)/fuzz/%: $(B)/fuzz/%.o $(B)/libglass-internal.a
	$(Q)$(CC) -fsanitize=fuzzer -o $@ $^ $(LDFLAGS_ALL) $(LIBS)

check: all tests
	tests/run.sh $(B)

lint:
	tests/lint.sh

# What a program needs that is linked with the archive, by whatever compiler: the OpenMP library
# of the compiler that made the archive.
OPENMP_LIB = $$(nm $(B)/libglass.a | grep -q __kmpc_ && echo -l:libomp.so.5 || echo -lgomp)
# make install PREFIX=/usr DESTDIR=/tmp/package
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include/glass $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/glass $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/libglass.a $(DESTDIR)$(PREFIX)/lib/
	$(if $(MODULE),install -D -m 755 $(MODULE) $(DESTDIR)$(PREFIX)/lib/glass/glass-mpi.so)
	install -m 755 $(B)/libglass.so $(DESTDIR)$(PREFIX)/lib/libglass.so.0
	ln -sf libglass.so.0 $(DESTDIR)$(PREFIX)/lib/libglass.so
	install -m 644 include/glass/*.h $(DESTDIR)$(PREFIX)/include/glass/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e "s|@OPENMP@|$(OPENMP_LIB)|" -e "s|@LIBS@|$(LIBS)|" packaging/glass.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/glass.pc
	install -m 644 packaging/glass.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 packaging/glass.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/glass

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/glass $(DESTDIR)$(PREFIX)/lib/libglass.a \
	    $(DESTDIR)$(PREFIX)/lib/libglass.so $(DESTDIR)$(PREFIX)/lib/libglass.so.0 \
	    $(DESTDIR)$(PREFIX)/lib/pkgconfig/glass.pc $(DESTDIR)$(PREFIX)/share/man/man1/glass.1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/glass
	rm -rf $(DESTDIR)$(PREFIX)/include/glass $(DESTDIR)$(PREFIX)/lib/glass

clean:
	rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(MODULE_SRC:%.c=$(B)/%.d) $(CLI_OBJ:.o=.d) $(TEST_SRC:%.c=$(B)/%.d) $(TOOL_SRC:%.c=$(B)/%.d) $(FUZZ_BIN:%=%.d)
