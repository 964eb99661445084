#include "core/plan/identifier.h"

#include <gtest/gtest.h>

#include <set>

#include "core/base/invisible.h"
#include "core/base/utf8.h"

namespace mend::plan {
namespace {

bool Never(const std::string&) { return false; }

TEST(Normalise, IsSnakeCase) {
  const std::pair<const char*, const char*> cases[] = {{"createdAt", "created_at"},
                                                       {"HTTPServer", "http_server"},
                                                       {"sourceIPAddress", "source_ip_address"},
                                                       {"HTMLUrl", "html_url"},
                                                       {"userIDs", "user_ids"},
                                                       {"IPv4Address", "ipv4_address"},
                                                       {" name\u00a0", "name"},
                                                       {"a\u00a0b", "a_b"},
                                                       {"userID", "user_id"},
                                                       {"Worldwide Gross", "worldwide_gross"},
                                                       {"already_snake", "already_snake"},
                                                       {"a__b", "a__b"},
                                                       {"a - b", "a_b"},
                                                       {"line1Total", "line1_total"},
                                                       {"A1B", "a1_b"},
                                                       {"ñameÑ", "ñameÑ"},
                                                       {"ñA", "ña"},
                                                       {"%", "_"},
                                                       {"", ""},
                                                       {"a.b[0]", "a_b_0_"},
                                                       {"x\n\ty", "x_y"},
                                                       {"9lives", "9lives"}};
  for (const auto& [field, name] : cases) EXPECT_EQ(Normalise(field), name) << field;
}

TEST(Normalise, IsIdempotent) {
  for (const char* field : {"createdAt", "HTTP Server", "a _ b", "!!!", "Ünïcode Key", "_A"}) {
    EXPECT_EQ(Normalise(Normalise(field)), Normalise(field)) << field;
  }
}

TEST(Spellings, AreTheCommonOnes) {
  EXPECT_EQ(Spellings("HTMLUrl"), (std::vector<std::string>{"html_url", "htmlurl", "h_t_m_l_url"}));
  EXPECT_EQ(Spellings("line2Text"), (std::vector<std::string>{"line2_text", "line_2_text"}));
  EXPECT_EQ(Spellings("line2"), std::vector<std::string>{"line2"});
  EXPECT_EQ(Spellings(std::string(70, 'a')), std::vector<std::string>{std::string(63, 'a')});
  EXPECT_TRUE(MeanTheSame("sourceIPAddress", "source_ipaddress"));
  EXPECT_TRUE(MeanTheSame("source_ip_address", "SourceIPAddress"));
  EXPECT_FALSE(MeanTheSame("user_name", "username"));
  EXPECT_FALSE(MeanTheSame("ids", "i_ds"));
}

TEST(Invisible, IsFoundAndDropped) {
  for (const char* text : {"name\u200b", "\ufeffname", "na\u00adme", "name\u200e", "\u00a0name",
                           "name\u3000", "na\ufe0fme", "\U000e0041name"}) {
    EXPECT_TRUE(base::HasInvisible(text)) << text;
    EXPECT_EQ(base::WithoutInvisible(text), "name");
  }
  for (const char* text : {"name", "größe 😀", "a\u00a0b", " name ", "\xff\xfe", ""}) {
    EXPECT_FALSE(base::HasInvisible(text)) << text;
  }
  EXPECT_EQ(base::WithoutInvisible(" \u00a0a \u200b b\t "), "a  b");
}

TEST(ColumnName, IsPlainWhereItCanBe) {
  EXPECT_EQ(ColumnNameFor("Worldwide Gross", Never), "worldwide_gross");
  EXPECT_EQ(ColumnNameFor("9lives", Never), "9lives");
  EXPECT_EQ(ColumnNameFor("_", Never), "_");
}

TEST(ColumnName, IsNeverEmptyNorASystemColumn) {
  std::set<std::string> names;
  for (const char* field : {"", "!!!", "???", " ", "ctid", "XMIN", "tableoid"}) {
    const std::string name = ColumnNameFor(field, Never);
    EXPECT_FALSE(name.empty());
    EXPECT_FALSE(IsSystemColumn(name)) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(ColumnNameFor("", Never).rfind("_empty_", 0), 0u);
  EXPECT_EQ(ColumnNameFor("XMIN", Never).rfind("xmin_", 0), 0u);
}

TEST(ColumnName, IsCutAtACharacter) {
  std::string field;
  for (int i = 0; i < 37; ++i) field += "ñ";
  const std::string name = ColumnNameFor(field, Never);
  EXPECT_LE(name.size(), kMaxIdentifierBytes);
  EXPECT_EQ(name.size(), 54u + 1 + 8);
  EXPECT_EQ(base::ValidUtf8Prefix(name), name.size());
  EXPECT_NE(name, ColumnNameFor(field + "ñ", Never));
  EXPECT_EQ(name, ColumnNameFor(field, Never));

  std::string odd = "x";
  for (int i = 0; i < 30; ++i) odd += "€";
  const std::string cut = ColumnNameFor(odd, Never);
  EXPECT_EQ(base::ValidUtf8Prefix(cut), cut.size());
  EXPECT_EQ(cut.size(), 52u + 1 + 8);

  EXPECT_EQ(ColumnNameFor(std::string(63, 'a'), Never), std::string(63, 'a'));
  EXPECT_EQ(ColumnNameFor(std::string(64, 'a'), Never).size(), 63u);
}

TEST(ColumnName, AvoidsWhatIsTaken) {
  std::set<std::string> used;
  const auto taken = [&](const std::string& name) { return used.count(name) > 0; };
  for (int i = 0; i < 50; ++i) {
    const std::string name = ColumnNameFor("Name", taken);
    EXPECT_LE(name.size(), kMaxIdentifierBytes);
    EXPECT_TRUE(used.insert(name).second);
  }
  EXPECT_EQ(used.count("name"), 1u);
}

TEST(Printable, RefusesControlCharacters) {
  EXPECT_TRUE(IsPrintable("größe 😀"));
  EXPECT_TRUE(IsPrintable(""));
  for (const char* bad : {"a\nb", "\x7F", "\xC2\x85", "\xFF", "\x1b[0m", "paid\xE2\x80\xAE",
                          "\xE2\x81\xA6x", "\xE2\x80\xA8"}) {
    EXPECT_FALSE(IsPrintable(bad));
  }
}

TEST(Utf8, CutsBetweenCharacters) {
  EXPECT_EQ(base::CutUtf8("añ", 2), "a");
  EXPECT_EQ(base::CutUtf8("añ", 3), "añ");
  EXPECT_EQ(base::CutUtf8("\x80\x80\x80\x80\x80", 4).size(), 4u);
  EXPECT_EQ(base::CutUtf8("ñ", 1), "");
  EXPECT_EQ(base::CountCharacters("añ€😀"), 4u);
}

}  // namespace
}  // namespace mend::plan
