// The core cannot reach PostgreSQL: a header of it on the include path breaks this build.
#include <gtest/gtest.h>

#if __has_include("postgres.h") || __has_include(<postgres.h>)
#error "src/core must be compiled without PostgreSQL's include path"
#endif

#include "core/plan/rules.h"

TEST(Isolation, RulesAreNamed) { EXPECT_EQ(mend::plan::Rules().name(), "rules"); }
