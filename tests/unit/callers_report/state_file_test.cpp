// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "cli/callers_report.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::cli {
namespace {

class StateFileTest : public testing::Test {
 protected:
  std::string file_with(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  void expect_error(const std::string& path, int err) {
    const auto text = read_state_file(path);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code().value(), err);
    EXPECT_NE(text.error().message().find(path), std::string::npos);
  }

  support::TemporaryDirectory directory_;
  std::string path_ = directory_.file("callers.json");
};

TEST_F(StateFileTest, IsReadAsItIs) {
  const auto text = read_state_file(file_with("{}\n"));
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "{}\n");
}

TEST_F(StateFileTest, MayBeAsLongAsATable) {
  EXPECT_TRUE(read_state_file(file_with(std::string(usage::kMaxJson, 'x'))));
  expect_error(file_with(std::string(usage::kMaxJson + 1, 'x')), EFBIG);
}

TEST_F(StateFileTest, LinksAreNotFollowed) {
  std::filesystem::create_symlink(file_with("{}"), directory_.file("link"));
  expect_error(directory_.file("link"), ELOOP);
}

TEST_F(StateFileTest, WhatIsNoFileIsAnErrorAndNoWait) {
  expect_error(directory_.path().string(), EINVAL);
  ASSERT_EQ(::mkfifo(directory_.file("fifo").c_str(), 0600), 0);
  expect_error(directory_.file("fifo"), EINVAL);
  expect_error(directory_.file("absent"), ENOENT);
}

// A device such as /dev/full, and a link such as /dev/stdout, would be gone for all.
TEST_F(StateFileTest, APageReplacesNothingButAFile) {
  const std::string other = file_with("other");
  std::filesystem::create_symlink(other, directory_.file("link"));
  ASSERT_EQ(::mkfifo(directory_.file("fifo").c_str(), 0600), 0);
  for (const char* name : {"link", "fifo"}) {
    const auto written = write_page(directory_.file(name), "<html>");
    ASSERT_FALSE(written) << name;
    EXPECT_NE(written.error().message().find("not an ordinary file; expected the name of one, or - "),
              std::string::npos)
        << name;
    EXPECT_FALSE(std::filesystem::is_regular_file(std::filesystem::symlink_status(directory_.file(name))));
  }
  EXPECT_EQ(*read_state_file(other), "other");
}

TEST_F(StateFileTest, APageReplacesWhatWasThere) {
  const std::string page = file_with("other");
  ASSERT_TRUE(write_page(page, "<html>"));
  EXPECT_EQ(*read_state_file(page), "<html>");
  EXPECT_EQ(std::filesystem::status(page).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(StateFileTest, APageThatCannotBeWrittenLeavesNothing) {
  const std::string page = directory_.file("absent/page.html");
  const auto absent = write_page(page, "<html>");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().message(),
            "write '" + page + "' (a new file in its directory): No such file or directory");
  ASSERT_TRUE(std::filesystem::create_directory(directory_.file("taken")));
  EXPECT_FALSE(write_page(directory_.file("taken"), "<html>"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1);
}

}  // namespace
}  // namespace msi2imds::cli
