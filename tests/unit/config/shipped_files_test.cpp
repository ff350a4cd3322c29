// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "config/keys.hpp"
#include "config/read.hpp"

namespace msi2imds::config {
namespace {

std::string contents(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(MSI2IMDS_SOURCE_DIR "/" + name).rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

void expect_defaults(const std::string& text) {
  const auto config = parse(text, "f");
  ASSERT_TRUE(config) << config.error().message() << '\n' << text;
  EXPECT_EQ(*config, Config{});
}

// The shipped file with every key in force.
std::string uncommented() {
  return std::regex_replace(contents("packaging/msi2imds.toml"), std::regex("\n#([a-z_]+ = )"), "\n$1");
}

TEST(ShippedFilesTest, TheConfigurationFileChangesNothingAsItIs) {
  expect_defaults(contents("packaging/msi2imds.toml"));
}

TEST(ShippedFilesTest, TheConfigurationFileShowsTheDefaults) {
  expect_defaults(uncommented());
}

TEST(ShippedFilesTest, TheConfigurationFileShowsEveryKeyCommentedOut) {
  const auto as_is = read_toml(contents("packaging/msi2imds.toml"));
  const auto all = read_toml(uncommented());
  ASSERT_TRUE(as_is);
  ASSERT_TRUE(all);
  std::size_t shown = 0;
  for (const Member& table : *all) {
    for (const Member& key : std::get<Table>(table.value.content)) {
      EXPECT_NE(find_key(table.name + "." + key.name), nullptr) << table.name << "." << key.name;
      ++shown;
    }
  }
  EXPECT_EQ(shown, keys().size());
  for (const Member& table : *as_is) {
    EXPECT_TRUE(std::get<Table>(table.value.content).empty()) << table.name;
  }
}

TEST(ShippedFilesTest, TheManualHasARowWithTheDefaultOfEachKey) {
  const std::string manual = contents("docs/configuration.md");
  std::string defaults;
  for (const Key& key : keys()) {
    const std::string start = "\n| `" + std::string(key.name) + "` | `";
    const auto row = manual.find(start);
    ASSERT_NE(row, std::string::npos) << key.name;
    const auto value = row + start.size();
    defaults +=
        std::string(key.name) + " = " + manual.substr(value, manual.find("` |", value) - value) + '\n';
  }
  expect_defaults(defaults);
}

}  // namespace
}  // namespace msi2imds::config
