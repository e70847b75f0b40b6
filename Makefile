# lead_handoff: a PGXS build with two commands on top.
#
#   make demo    install what is missing, build, run the first session on a throwaway cluster
#   make test    the same for every suite
#   make         build only;  make install  copies the extension into the server of PG_CONFIG
#   make bench   the figures of docs/speed.md;  make matrix  build and test on PostgreSQL 17 and 18
#   make stress, make fuzz       what takes minutes to try: docs/testing.md
#
# The goals that work from a bare machine (demo, test, bench, matrix, stress, fuzz) are scripts in dev/: they
# cannot be PGXS goals, because PGXS is one of the things they install.

PG_CONFIG     ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
PGXS          := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

EXTENSION      = lead_handoff
EXTVERSION    := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" lead_handoff.control)
MODULE_big     = lead_handoff
OBJS           = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA           = $(wildcard sql/*--*--*.sql)
DATA_built     = sql/$(EXTENSION)--$(EXTVERSION).sql
SCHEMA         = $(sort $(wildcard sql/schema/*.sql))
TEMPLATES      = $(sort $(wildcard sql/templates/*.json))
MAPPINGS       = $(sort $(wildcard sql/templates/mapping/*.json))
REGRESS        = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION      = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)
PG_CPPFLAGS    = -Isrc -DLH_VERSION='"$(EXTVERSION)"'
SHLIB_LINK     = -lm -lpsl
PG_CFLAGS      = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(LH_CFLAGS)
EXTRA_CLEAN    = results output_iso tmp_check regression.diffs regression.out

.PHONY: demo test bench matrix stress fuzz

ifneq ($(PGXS),)
include $(PGXS)

$(OBJS): $(wildcard src/*.h src/*/*.h)

# loops over arrays of numbers, compiled as PostgreSQL does its own
src/learn/logistic.o: CFLAGS += $(CFLAGS_VECTORIZE) $(CFLAGS_UNROLL_LOOPS)

$(DATA_built): $(sort $(wildcard sql/extension/*.sql)) lead_handoff.control
	cat $(filter %.sql,$^) > $@

# What setup() and load_template() read lies in a folder of ours beside the extension's script.
LH_SHARE = $(DESTDIR)$(datadir)/extension/$(EXTENSION)

install: install-share
uninstall: uninstall-share
.PHONY: install-share uninstall-share
install-share:
	$(MKDIR_P) '$(LH_SHARE)/schema' '$(LH_SHARE)/templates/mapping'
	$(INSTALL_DATA) $(SCHEMA) '$(LH_SHARE)/schema/'
	$(if $(TEMPLATES),$(INSTALL_DATA) $(TEMPLATES) '$(LH_SHARE)/templates/')
	$(if $(MAPPINGS),$(INSTALL_DATA) $(MAPPINGS) '$(LH_SHARE)/templates/mapping/')
uninstall-share:
	rm -rf '$(LH_SHARE)'
endif

demo test bench matrix stress fuzz:
	@dev/$@.sh
