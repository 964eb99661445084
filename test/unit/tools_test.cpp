#include <gtest/gtest.h>

#include "core/base/json_member.h"
#include "core/base/json_writer.h"
#include "core/tools/input.h"
#include "core/tools/registry.h"

namespace mend::tools {
namespace {

// What strict tool use asks of every object in a schema.
void CheckStrict(json::Value schema) {
  for (json::Value key = schema.First(); key; key = schema.After(key)) {
    for (const char* word : {"minLength", "maxLength", "minimum", "maximum", "maxItems", "oneOf"}) {
      EXPECT_NE(key.text(), word);
    }
  }
  if (const json::Value items = json::ObjectMember(schema, "items")) CheckStrict(items);
  if (json::StringMember(schema, "type") != std::string_view("object")) return;
  const json::Value additional = json::Member(schema, "additionalProperties");
  ASSERT_TRUE(additional);
  EXPECT_EQ(additional.kind(), json::Kind::False);
  const json::Value properties = json::ObjectMember(schema, "properties");
  const json::Value required = json::ArrayMember(schema, "required");
  ASSERT_TRUE(properties && required);
  json::Value name = required.First();
  for (json::Value key = properties.First(); key; key = properties.After(key)) {
    ASSERT_TRUE(name);
    EXPECT_EQ(name.text(), key.text());
    name = required.After(name);
    CheckStrict(properties.ValueOf(key));
  }
  EXPECT_FALSE(name);
}

TEST(ToolsTest, SchemasOfThePlannerAreStrict) {
  for (size_t i = 0; i < kToolCount; ++i) {
    const Tool& tool = ToolAt(i);
    EXPECT_EQ(FindTool(tool.name), &tool);
    EXPECT_FALSE(tool.title.empty());
    if (!ForPlanner(tool)) continue;
    json::Document schema;
    ASSERT_FALSE(schema.Parse(tool.planner.input_schema)) << tool.name;
    CheckStrict(schema.root());
    EXPECT_FALSE(tool.planner.description.empty());
  }
  EXPECT_EQ(FindTool("run_sql"), nullptr);
}

base::Result<PatchInput> Read(const std::string& text) {
  json::Document document;
  EXPECT_FALSE(document.Parse(text));
  return ReadPatchInput(document.root());
}

TEST(ToolsTest, ReadsAPatch) {
  const auto patch = Read(
      R"({"ddl":"ALTER TABLE t ADD a text","field_map":[{"field":"A","column":"a"},{"field":"b","column":null}],"rationale":"so\nit is"})");
  ASSERT_TRUE(patch.ok());
  EXPECT_EQ(patch->ddl, "ALTER TABLE t ADD a text");
  ASSERT_EQ(patch->field_map.size(), 2u);
  EXPECT_EQ(patch->field_map[0].second, "a");
  EXPECT_EQ(patch->field_map[1].second, std::nullopt);
  EXPECT_EQ(patch->rationale, "so it is");
}

TEST(PatchInput, ReadingsMayBeLeftOut) {
  const auto read = [](const char* json) {
    json::Document document;
    EXPECT_FALSE(document.Parse(json));
    return ReadPatchInput(document.root());
  };
  const auto patch = read(
      R"({"ddl":"","field_map":[],"rationale":"","readings":[{"field":"p","column":"price","reading":"number_comma"}]})");
  ASSERT_TRUE(patch.ok());
  ASSERT_EQ(patch->readings.size(), 1u);
  EXPECT_EQ(patch->readings[0].field, "p");
  EXPECT_EQ(patch->readings[0].column, "price");
  EXPECT_EQ(patch->readings[0].reading, "number_comma");
  for (
      const char* wrong :
      {R"({"ddl":"x","field_map":[],"rationale":"","readings":{}})",
       R"({"ddl":"x","field_map":[],"rationale":"","readings":[7]})",
       R"({"ddl":"x","field_map":[],"rationale":"","readings":[{"field":"p","column":"price"}]})",
       R"({"ddl":"x","field_map":[],"rationale":"","readings":[{"field":"p","column":null,"reading":"number"}]})",
       R"({"ddl":"x","field_map":[],"rationale":"","readings":[{"field":"p","column":"c","reading":"number"},{"field":"p","column":"c","reading":"hex"}]})",
       R"({"ddl":"","field_map":[],"rationale":"","readings":[]})"}) {
    EXPECT_FALSE(read(wrong).ok()) << wrong;
  }
}

TEST(ToolsTest, RefusesWhatIsNoPatch) {
  for (
      const char* text :
      {"7", "[]", "{}", R"({"ddl":"x","field_map":[]})",
       R"({"ddl":"x","field_map":[],"rationale":""  ,"more":1})",
       R"({"ddl":"x","ddl":"y","field_map":[],"rationale":""})",
       R"({"ddl":5,"field_map":[],"rationale":""})", R"({"ddl":"x","field_map":{},"rationale":""})",
       R"({"ddl":"x","field_map":[7],"rationale":""})",
       R"({"ddl":"x","field_map":[{"field":"a"}],"rationale":""})",
       R"({"ddl":"x","field_map":[{"field":"a","column":5}],"rationale":""})",
       R"({"ddl":"x","field_map":[{"field":null,"column":"a"}],"rationale":""})",
       R"({"ddl":"x","field_map":[{"field":"a","column":"b"},{"field":"a","column":"c"}],"rationale":""})",
       R"({"ddl":" ","field_map":[],"rationale":""})"}) {
    const auto patch = Read(text);
    ASSERT_FALSE(patch.ok()) << text;
    EXPECT_FALSE(patch.error().message.empty());
  }
}

TEST(ToolsTest, SizesAreBounded) {
  json::Writer out;
  out.Object().String("ddl", std::string(300'000, 'x')).Key("field_map").Array().Close();
  out.String("rationale", "").Close();
  EXPECT_FALSE(Read(out.text()).ok());
  json::Writer many;
  many.Object().String("ddl", "x").Key("field_map").Array();
  for (size_t i = 0; i <= kMaxMappings; ++i) {
    many.Object().String("field", std::to_string(i)).String("column", "a").Close();
  }
  many.Close().String("rationale", std::string(100'000, 'r')).Close();
  EXPECT_FALSE(Read(many.text()).ok());
}

}  // namespace
}  // namespace mend::tools
