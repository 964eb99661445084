# What users run: make, make install, make installcheck (PGXS). Developers also use CMakeLists.txt.
EXTENSION = pg_mend
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_mend.control)

MODULE_big = pg_mend
# All of the core but what only the bridge (mend-mcp) needs.
SOURCES = $(sort $(filter-out src/core/mcp/%,$(wildcard src/core/*/*.cpp src/core/*/*/*.cpp)) $(wildcard src/server/*/*.cpp))
# Rules, agents and people alone: nothing that reaches out, and no libcurl.
ifdef NO_NETWORK
SOURCES := $(filter-out src/core/net/curl.cpp,$(SOURCES))
else
SHLIB_LINK = -lcurl
endif
OBJS = $(SOURCES:.cpp=.o)

# Released install scripts are files; that of the version to come, and the way to it from the last release, are built.
LAST_RELEASE = 0.1.0
INSTALL_SQL = sql/pg_mend--$(EXTVERSION).sql
UPGRADE_SQL = sql/pg_mend--$(LAST_RELEASE)--$(EXTVERSION).sql
DATA = $(filter-out $(INSTALL_SQL) $(UPGRADE_SQL),$(wildcard sql/pg_mend--*.sql))
DATA_built = $(INSTALL_SQL) $(UPGRADE_SQL)
INSTALL_PIECES = $(sort $(wildcard sql/install/*.sql))
# What both run: functions, views, triggers and privileges. Pieces below 30 make types and tables, once.
CODE_PIECES = $(filter-out sql/install/1% sql/install/2%,$(INSTALL_PIECES))
# Of those that make types and tables, the ones that the last release has not: the upgrade runs them as well.
NEW_PIECES = $(addprefix sql/install/,12_label_type.sql 25_inbox_table.sql 25_rescue_tables.sql 26_widening_table.sql 27_enum_labels_table.sql 27_own_columns_table.sql \
	28_prompts_table.sql 29_told_table.sql)

REGRESS = $(basename $(notdir $(sort $(wildcard sql/*_test.sql))))
# Tests of settings that a build without a network has not.
ifdef NO_NETWORK
REGRESS := $(filter-out messages_test settings_test,$(REGRESS))
endif
# Tests of the border need a library that is not installed with the product (test/border).
ifdef NO_PROBE
REGRESS := $(filter-out border_errors_test guard_sandbox_test,$(REGRESS))
endif
REGRESS_OPTS = --inputdir=. --load-extension=pg_mend
ISOLATION = $(basename $(notdir $(sort $(wildcard specs/*.spec))))
ISOLATION_OPTS = --load-extension=pg_mend
ifndef NO_TAP
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
endif

PG_CONFIG ?= pg_config
PG_MAJOR := $(shell $(PG_CONFIG) --version 2>/dev/null | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
ifeq ($(PG_MAJOR),)
$(error no $(PG_CONFIG): install the server headers of PostgreSQL 15 or newer (Debian: postgresql-server-dev-15), or set PG_CONFIG)
endif
ifneq ($(filter 9 10 11 12 13 14,$(PG_MAJOR)),)
$(error pg_mend needs PostgreSQL 15 or newer, and $(PG_CONFIG) is of PostgreSQL $(PG_MAJOR))
endif

PG_CPPFLAGS = -Isrc
# PGXS hides symbols from PostgreSQL 16 on; before, PGDLLEXPORT is empty and must be given a meaning.
PG_CXXFLAGS = -std=gnu++17 -Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-register \
	-fvisibility=hidden -fvisibility-inlines-hidden -MMD -MP
ifdef WERROR
PG_CXXFLAGS += -Werror
endif
ifdef SANITIZE
# Not: what RapidJSON does with null pointers, and what gcc cannot tell of objects that PostgreSQL made.
SANITIZERS = -fsanitize=address,undefined
PG_CXXFLAGS += $(SANITIZERS) -fno-sanitize=object-size,vptr,pointer-overflow -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -O1 -g -U_FORTIFY_SOURCE
SHLIB_LINK += $(SANITIZERS)
endif
ifdef COVERAGE
PG_CXXFLAGS += --coverage -O0 -U_FORTIFY_SOURCE
SHLIB_LINK += --coverage
endif
# Named wait and failure points, for tests: src/server/pg/test_point.h says which objects must be built again.
ifdef TEST_POINTS
PG_CPPFLAGS += -DMEND_TEST_POINTS
endif
ifeq ($(PG_MAJOR),15)
PG_CXXFLAGS += '-DPGDLLEXPORT=__attribute__((visibility("default")))'
endif
PG_CPPFLAGS += -isystem $(shell $(PG_CONFIG) --includedir-server)
SHLIB_LINK += -lstdc++ -Wl,--version-script=src/exports.map

# The bridge to MCP clients is optional: make bridge, make install-bridge. It needs libpq and libmicrohttpd.
BRIDGE = mend-mcp
BRIDGE_SOURCES = $(sort $(wildcard src/core/base/*.cpp src/core/tools/*.cpp src/core/mcp/*.cpp src/bridge/*.cpp))

EXTRA_CLEAN = $(INSTALL_SQL) $(UPGRADE_SQL) $(SOURCES:.cpp=.d) $(BRIDGE) $(BRIDGE_SOURCES:.cpp=.o) $(BRIDGE_SOURCES:.cpp=.d)

# Bitcode would need clang and gains nothing here.
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

ifeq ($(filter clean distclean dist uninstall,$(MAKECMDGOALS)),)
CXX17 := $(shell echo 'int main() { if constexpr (__cplusplus >= 201703L) return 0; }' | $(CXX) -std=gnu++17 -Werror -include optional -include charconv -x c++ -fsyntax-only - 2>/dev/null && echo yes)
ifneq ($(CXX17),yes)
$(error pg_mend needs a C++17 compiler (g++ 8 or newer, clang++ 7 or newer), and $(CXX) is none: set CXX)
endif
endif

$(shlib): src/exports.map Makefile

# Only they know of it: a build with a network is soon made one without (touch them).
ifdef NO_NETWORK
$(patsubst %.cpp,%.o,$(shell grep -l 'server/pg/http.h' $(SOURCES))): CPPFLAGS += -DMEND_NO_NETWORK
endif

src/server/pg/interface.o: CPPFLAGS += -DMEND_VERSION='"$(EXTVERSION)"'

# C symbols carry the number of the interface (src/server/pg/interface.h).
INTERFACE = $(shell sed -n 's/^.define MEND_INTERFACE //p' src/server/pg/interface.h)
JOIN = sed "s/\('MODULE_PATHNAME', 'mend_[a-z0-9_]*\)'/\1_v$(INTERFACE)'/"

$(INSTALL_SQL): $(INSTALL_PIECES) src/server/pg/interface.h
	$(JOIN) $(filter %.sql,$^) > $@

UPGRADE = sql/upgrade/$(LAST_RELEASE)--$(EXTVERSION)/
UPGRADE_PIECES = $(sort $(wildcard $(UPGRADE)*.sql))
$(UPGRADE_SQL): $(filter-out $(UPGRADE)9%,$(UPGRADE_PIECES)) $(NEW_PIECES) $(CODE_PIECES) $(filter $(UPGRADE)9%,$(UPGRADE_PIECES)) src/server/pg/interface.h
	$(JOIN) $(filter %.sql,$^) > $@

$(filter src/bridge/%,$(BRIDGE_SOURCES:.cpp=.o)): CPPFLAGS += -isystem $(shell $(PG_CONFIG) --includedir) -DMEND_VERSION='"$(EXTVERSION)"'

$(BRIDGE): $(BRIDGE_SOURCES:.cpp=.o)
	$(CXX) $(CXXFLAGS) $^ $(LDFLAGS) -L$(shell $(PG_CONFIG) --libdir) -lpq -lmicrohttpd -pthread -o $@

bridge: $(BRIDGE)

install-bridge: bridge
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(BRIDGE) '$(DESTDIR)$(bindir)/$(BRIDGE)'

uninstall-bridge:
	rm -f '$(DESTDIR)$(bindir)/$(BRIDGE)'

# What goes to PGXN: the sources under one folder.
DISTRIBUTION = $(EXTENSION)-$(EXTVERSION)
dist:
	rm -rf $(DISTRIBUTION) $(DISTRIBUTION).zip
	mkdir $(DISTRIBUTION)
	tar -cf - --exclude-vcs --exclude='*.o' --exclude='*.so' --exclude='*.d' --exclude='*.zip' --exclude=./$(DISTRIBUTION) --exclude=./debian \
		--exclude='./build*' --exclude=./results --exclude=./output_iso --exclude='./tmp_check*' --exclude='./regression.*' \
		--exclude=./$(BRIDGE) --exclude=./$(INSTALL_SQL) --exclude=./$(UPGRADE_SQL) . | tar -C $(DISTRIBUTION) -xf -
	zip -qr $(DISTRIBUTION).zip $(DISTRIBUTION)
	rm -rf $(DISTRIBUTION)

.PHONY: bridge install-bridge uninstall-bridge dist

-include $(sort $(SOURCES:.cpp=.d) $(BRIDGE_SOURCES:.cpp=.d))
