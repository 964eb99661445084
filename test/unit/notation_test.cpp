#include "core/base/notation.h"

#include <gtest/gtest.h>

namespace mend::base {
namespace {

TEST(Notation, NumbersAreComparedByWhatTheyAreWorth) {
  for (const auto& [one, other] : {std::pair("1", "1.0"),
                                   {"100", "1e2"},
                                   {"0.50", "5e-1"},
                                   {"-0", "0"},
                                   {"0e99", "0"},
                                   {"12e-1", "1.2"},
                                   {"1E23", "1e+23"},
                                   {"602000000000000000000000", "6.02e23"}}) {
    EXPECT_TRUE(IsSameNumber(one, other)) << one << " " << other;
  }
  for (const auto& [one, other] :
       {std::pair("1", "-1"), {"1", "10"}, {"01", "1"}, {"1.", "1"}, {"", ""}, {"0.05", "0.5"}}) {
    EXPECT_FALSE(IsSameNumber(one, other)) << one << " " << other;
  }
}

struct Case {
  Notation notation;
  const char* given;
  const char* printed;
};

TEST(Notation, WhatSaysTheSame) {
  for (const Case& test : {
           Case{Notation::Verbatim, "101", "101"},
           {Notation::Blanks, "( 0 , 1 )", "(0,1)"},
           {Notation::Case, "16/b374d848", "16/B374D848"},
           {Notation::Atoms, "1.50, 2", "(1.5,2)"},
           {Notation::Atoms, "( 1e2 , -3 )", "(100,-3)"},
           {Notation::Atoms, "0.12345678901234567890", "0.12345678901234568"},
           {Notation::Atoms, "[0.123456789, 1.0]", "[0.12345679,1]"},
           {Notation::Atoms, "$.a[*]", "$.\"a\"[*]"},
           {Notation::Atoms, "a\\ b", "\"a b\""},
           {Notation::AnyOrder, "(1,2),(3,4)", "(3,4),(1,2)"},
           {Notation::AnyOrder, "b=>1, a=>\"x y\"", "\"a\"=>\"x y\", \"b\"=>\"1\""},
           {Notation::Lexemes, "the fat fat cat", "'cat' 'fat' 'the'"},
           {Notation::Lexemes, "a.b@c:2A 1,5 (x)", "'(x)' '1,5' 'a.b@c':2A"},
           {Notation::Terms, "fat <-> (cat|!a.b:*A)", "'fat' <-> ( 'cat' | !'a.b':*A )"},
           {Notation::Hyphens, "9780393040029", "978-0-393-04002-9"},
           {Notation::Hardware, "08002B:010203", "08:00:2b:01:02:03"},
           {Notation::Hardware, "8:0:2b:1:2:3", "08:00:2b:01:02:03"},
           {Notation::Hardware, "08:00:2b:01:02:03", "08:00:2b:ff:fe:01:02:03"},
           {Notation::Internet, "10.1.2.3/32", "10.1.2.3"},
           {Notation::Internet, "10.1.2.3", "10.1.2.3/32"},
           {Notation::Internet, "10.1/16", "10.1.0.0/16"},
           {Notation::Internet, "2001:DB8::0:1", "2001:db8::1"},
       }) {
    EXPECT_TRUE(SaysTheSame(test.notation, test.given, test.printed))
        << test.given << " " << test.printed;
  }
}

TEST(Notation, WhatDoesNot) {
  for (const Case& test : {
           Case{Notation::Verbatim, "1", "01"},
           {Notation::Blanks, "(0,1)", "(0,11)"},
           {Notation::Atoms, "12,34", "1234"},
           {Notation::Atoms, "(9007199254740993,1)", "(9007199254740992,1)"},
           {Notation::Atoms, "(01,2)", "(1,2)"},
           {Notation::Atoms, "(1,2),(1,2)", "(1,2)"},
           {Notation::Atoms, "5(+-)0.3", "4.7 .. 5.3"},
           {Notation::Atoms, "A", "a"},
           {Notation::Atoms, "", "x"},
           {Notation::AnyOrder, "a=>1, a=>2", "\"a\"=>\"1\""},
           {Notation::AnyOrder, "a=>1.0", "\"a\"=>\"1\""},
           {Notation::Lexemes, "a:20000 b:16383", "'a':16383 'b':16383"},
           {Notation::Lexemes, "a:2 b:1", "'a':1 'b':2"},
           {Notation::Terms, "a & b", "'b' & 'a'"},
           {Notation::Hyphens, "0-393-04002-X", "978-0-393-04002-9"},
           {Notation::Hardware, "08:00:2b:01:02:03", "08:00:2b:01:02:04"},
           {Notation::Hardware, "x", "08:00:2b:01:02:03"},
           {Notation::Internet, "010.0.0.1", "10.0.0.1"},
           {Notation::Internet, "10", "10.0.0.0/8"},
           {Notation::Internet, "10.0.0.1/32", "10.0.0.0/32"},
       }) {
    EXPECT_FALSE(SaysTheSame(test.notation, test.given, test.printed))
        << test.given << " " << test.printed;
  }
}

}  // namespace
}  // namespace mend::base
