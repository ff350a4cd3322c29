// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/read.hpp"
#include "config/warnings.hpp"

namespace msi2imds::config {
namespace {

namespace fs = std::filesystem;

class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "msi2imds-config-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    file_ = directory_ / "msi2imds.toml";
  }
  void TearDown() override {
    std::error_code ec;
    fs::remove_all(directory_, ec);
  }

  void write(const fs::path& name, std::string_view text) const {
    const fs::path file = directory_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  [[nodiscard]] std::string problems() const {
    const auto config = load(file_);
    return config ? "" : config.error().message();
  }

  fs::path directory_;
  fs::path file_;
};

TEST_F(LoadTest, ReadsTheFileWhenThereIsNoConfD) {
  write("msi2imds.toml", "log.level = 'warn'");
  const auto config = load(file_);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->log.level, log::Level::warn);
}

TEST_F(LoadTest, LetsLaterFilesOverrideSingleKeysInByteOrder) {
  write("msi2imds.toml", "[redirect]\nlisten_port = 1\nbackend = 'listen'\n[legacy]\nports = [5, 6]");
  write("conf.d/9.toml", "redirect.listen_port = 9");
  write("conf.d/10.toml", "redirect.listen_port = 10\nlegacy.ports = [7]");
  write("conf.d/B.toml", "admin.socket = '/B'");
  write("conf.d/a.toml", "admin.socket = '/a'");
  const auto config = load(file_);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->redirect.listen_port, 9);
  EXPECT_EQ(config->redirect.backend, "listen");
  EXPECT_EQ(config->legacy.ports, std::vector<std::uint16_t>{7});
  EXPECT_EQ(config->admin.socket, "/a");
}

TEST_F(LoadTest, LeavesOtherAndHiddenFilesAlone) {
  write("msi2imds.toml", "");
  write("conf.d/a.toml.bak", "nonsense = 1");
  write("conf.d/.#a.toml", "nonsense = 1");
  write("conf.d/README.txt", "nonsense = 1");
  EXPECT_EQ(problems(), "");
}

TEST_F(LoadTest, TellsWhatNobodyReads) {
  write("msi2imds.toml", "");
  for (const char* name :
       {"a.toml.bak", "a.toml~", ".a.conf.swp", "README.md", "notes", "policy.conf", "b.tml"}) {
    write(std::string("conf.d/") + name, "nonsense = 1");
  }
  const auto config = load(file_);
  ASSERT_TRUE(config) << config.error().message();
  const std::string folder = (directory_ / "conf.d/").string();
  EXPECT_EQ(config->not_read, (std::vector{folder + "b.tml", folder + "policy.conf"}));
  EXPECT_EQ(
      to_string(warnings_of(*config).at(1)),
      folder + "policy.conf is not read, since its name does not end in .toml; rename it, or move it away");
}

TEST_F(LoadTest, TellsNothingOfDirectories) {
  write("msi2imds.toml", "");
  write("conf.d/old.d/policy.conf", "nonsense = 1");
  const auto config = load(file_);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->not_read, std::vector<std::string>());
}

TEST_F(LoadTest, TellsLastWhatNobodyReadsAndInFewLines) {
  write("msi2imds.toml", "policy.mode = 'enforce'");
  for (int i = 100; i < 300; ++i) {
    write("conf.d/" + std::to_string(i) + ".conf", "");
  }
  const auto config = load(file_);
  ASSERT_TRUE(config) << config.error().message();
  const std::vector<Warning> warnings = warnings_of(*config);
  ASSERT_EQ(warnings.size(), 11U);
  EXPECT_TRUE(warnings.front().what.starts_with("policy.mode")) << warnings.front().what;
  const std::string folder = (directory_ / "conf.d").string();
  EXPECT_TRUE(warnings.at(9).what.starts_with(folder + "/108.conf")) << warnings.at(9).what;
  EXPECT_EQ(warnings.back().what,
            folder + " holds 191 more files that are not read, since their names do not end in .toml");
}

TEST_F(LoadTest, NamesTheProblemsOfAllFiles) {
  write("msi2imds.toml", "log.level = 1");
  write("conf.d/a.toml", "[log");
  write("conf.d/b.toml", "\nlog.formt = 'json'");
  const std::string text = problems();
  EXPECT_NE(text.find(file_.string() + ":1:13: log.level: "), std::string::npos) << text;
  EXPECT_NE(text.find((directory_ / "conf.d/a.toml").string() + ":1:"), std::string::npos) << text;
  EXPECT_NE(text.find((directory_ / "conf.d/b.toml").string() +
                      ":2:5: log.formt: unknown key; did you mean log.format?"),
            std::string::npos)
      << text;
}

TEST_F(LoadTest, NamesTheFilesOfBothKeysThatDoNotFit) {
  write("msi2imds.toml", "legacy.ports = [7]");
  write("conf.d/a.toml", "redirect.listen_port = 7");
  EXPECT_EQ(problems(), (directory_ / "conf.d/a.toml").string() +
                            ":1:10: redirect.listen_port: port 7 is also in legacy.ports (" + file_.string() +
                            ":1:8); expected different ports");
}

TEST_F(LoadTest, ReportsAMissingFile) {
  EXPECT_EQ(problems(), file_.string() + ": cannot be opened: No such file or directory");
}

TEST_F(LoadTest, TakesTheDefaultsAndConfDWhenTheFileMayBeMissing) {
  write("conf.d/a.toml", "log.level = 'debug'");
  const auto config = load_if_present(file_);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->log.level, log::Level::debug);
  EXPECT_EQ(config->legacy, Legacy{});
}

TEST_F(LoadTest, ReportsADirectory) {
  fs::create_directory(file_);
  EXPECT_EQ(problems(), file_.string() + ": is no regular file; expected a configuration file");
}

// Whoever waits for the other end of one waits for ever.
TEST_F(LoadTest, ReportsAFifoASocketAndADevice) {
  const auto refused = [](const fs::path& file) {
    return file.string() + ": is no regular file; expected a configuration file";
  };
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(problems(), refused(file_));
  fs::remove(file_);
  write("msi2imds.toml", "");
  fs::create_directory(directory_ / "conf.d");
  const fs::path drop_in = directory_ / "conf.d/a.toml";
  ASSERT_EQ(::mkfifo(drop_in.c_str(), 0600), 0);
  EXPECT_EQ(problems(), refused(drop_in));
  fs::remove(drop_in);
  ASSERT_EQ(::mknod(drop_in.c_str(), S_IFSOCK | 0600, 0), 0);
  EXPECT_EQ(problems(), refused(drop_in));
  fs::remove(drop_in);
  fs::create_symlink("/dev/zero", drop_in);
  EXPECT_EQ(problems(), refused(drop_in));
}

// As systemd's own drop-ins are masked.
TEST_F(LoadTest, TakesALinkToDevNullForAnEmptyFile) {
  write("msi2imds.toml", "log.level = 'debug'");
  fs::create_directory(directory_ / "conf.d");
  fs::create_symlink("/dev/null", directory_ / "conf.d/a.toml");
  const auto config = load_if_present(file_);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->log.level, log::Level::debug);
}

TEST_F(LoadTest, ReportsAFileThatMayNotBeRead) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "root may read everything";
  }
  write("msi2imds.toml", "");
  ASSERT_EQ(::chmod(file_.c_str(), 0), 0);
  EXPECT_EQ(problems(), file_.string() + ": cannot be opened: Permission denied; use sudo");
}

TEST_F(LoadTest, ReportsBytesThatAreNotUtf8) {
  write("msi2imds.toml", "\n# \xc3(");
  const std::string text = problems();
  EXPECT_EQ(text.find(file_.string() + ":2:"), 0U) << text;
  EXPECT_NE(text.find("utf-8"), std::string::npos) << text;
}

TEST_F(LoadTest, TakesAFileOfOneMebibyteAndNoMore) {
  const std::string line = "# 3456789012345\n";
  std::string text;
  while (text.size() < 1024UL * 1024) {
    text += line;
  }
  write("msi2imds.toml", text);
  EXPECT_EQ(problems(), "");
  write("msi2imds.toml", text + "\n");
  EXPECT_EQ(problems(), file_.string() + ": is larger than 1 MiB; expected a configuration file");
}

TEST_F(LoadTest, ReportsAConfDThatIsNoDirectory) {
  write("msi2imds.toml", "");
  write("conf.d", "");
  EXPECT_EQ(problems(), (directory_ / "conf.d").string() + ": cannot be listed: Not a directory");
}

}  // namespace
}  // namespace msi2imds::config
