// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "support_cpp/temporary_directory.hpp"
#include "waagent/extension.hpp"

namespace msi2imds::waagent {
namespace {

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    std::filesystem::create_directories(config_);
    std::ofstream(config_ / "HandlerState") << "Enabled";
  }
  // The later the number, the later it was modified.
  void write(const std::string& name, const std::string& text, time_t modified = 1000) {
    std::ofstream(config_ / name) << text;
    const timespec times[2] = {{modified, 0}, {modified, 0}};  // NOLINT(*-avoid-c-arrays): utimensat's
    ASSERT_EQ(::utimensat(AT_FDCWD, (config_ / name).c_str(), static_cast<const timespec*>(times), 0), 0);
  }
  void write_port(const std::string& name, const std::string& port, time_t modified = 1000) {
    write(name, R"({"runtimeSettings":[{"handlerSettings":{"publicSettings":{"port":)" + port + "}}}]}",
          modified);
  }
  [[nodiscard]] Extension found() const {
    const auto extension = find_extension(root_);
    EXPECT_TRUE(extension && *extension);
    return **extension;
  }
  [[nodiscard]] int port() const {
    const Extension extension = found();
    EXPECT_EQ(extension.problems, std::vector<std::string>());
    return extension.settings && extension.settings->port ? *extension.settings->port : 0;
  }
  [[nodiscard]] std::string problem() const {
    const Extension extension = found();
    EXPECT_FALSE(extension.settings);
    EXPECT_EQ(extension.state, HandlerState::enabled);
    return extension.problems.size() == 1 ? extension.problems.front() : "not one problem";
  }

  support::TemporaryDirectory directory_;
  std::filesystem::path root_ = directory_.file("waagent");
  std::filesystem::path config_ =
      root_ / "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0" / "config";
};

TEST_F(SettingsTest, MayBeMissing) {
  EXPECT_EQ(port(), 0);
}

TEST_F(SettingsTest, NameAPortAsNumberOrString) {
  write_port("0.settings", "50343");
  EXPECT_EQ(port(), 50343);
  write_port("0.settings", "\"50344\"");
  EXPECT_EQ(port(), 50344);
}

TEST_F(SettingsTest, CountWhenModifiedLast) {
  write_port("7.settings", "50347", 2000);
  write_port("8.settings", "50348", 1000);
  EXPECT_EQ(port(), 50347);
  write_port("10.settings", "50350", 2000);
  EXPECT_EQ(port(), 50350) << "of the same time, the larger number";
  write_port("11.settings.bak", "1", 3000);
  EXPECT_EQ(port(), 50350);
}

TEST_F(SettingsTest, MayBeEmpty) {
  write("0.settings", "");
  EXPECT_EQ(port(), 0);
  write("0.settings", "{}");
  EXPECT_EQ(port(), 0);
  write("0.settings", R"({"runtimeSettings":[]})");
  EXPECT_EQ(port(), 0);
}

TEST_F(SettingsTest, SayWhetherTheyAreProtected) {
  write(
      "0.settings",
      R"({"runtimeSettings":[{"handlerSettings":{"protectedSettings":"x","publicSettings":{"port":50343}}}]})");
  EXPECT_TRUE(found().settings->is_protected);
  write("0.settings", R"({"runtimeSettings":[{"handlerSettings":{"protectedSettings":null}}]})");
  EXPECT_FALSE(found().settings->is_protected);
}

TEST_F(SettingsTest, ThatAreNoPortAreAProblem) {
  for (const char* port : {"0", "65536", "-1", "1.5", "\"x\"", "\"\"", "[]", "true", "\"50343 \""}) {
    write_port("0.settings", port);
    EXPECT_EQ(problem(), "understand the port in '0.settings': Invalid argument") << port;
  }
}

TEST_F(SettingsTest, ThatAreHalfWrittenAreAProblem) {
  write("0.settings", R"({"runtimeSettings":[{"handlerSett)");
  EXPECT_NE(problem().find("understand '0.settings'"), std::string::npos);
}

TEST_F(SettingsTest, ThatAreHugeAreAProblem) {
  write("0.settings", std::string(1024UL * 1024, ' '));
  EXPECT_EQ(problem(), "read '0.settings': File too large");
}

TEST_F(SettingsTest, ThatAreNestedDeeplyAreAProblem) {
  write("0.settings", std::string(100'000, '['));
  EXPECT_NE(problem().find("understand '0.settings'"), std::string::npos);
}

TEST_F(SettingsTest, ThatAreALinkOrAPipeAreAProblem) {
  write_port("elsewhere", "50343");
  std::filesystem::create_symlink(config_ / "elsewhere", config_ / "0.settings");
  EXPECT_EQ(problem(), "read '0.settings': Too many levels of symbolic links");
  std::filesystem::remove(config_ / "0.settings");
  ASSERT_EQ(::mkfifo((config_ / "0.settings").c_str(), 0600), 0);
  EXPECT_EQ(problem(), "read '0.settings', which is no regular file: Invalid argument");
}

}  // namespace
}  // namespace msi2imds::waagent
