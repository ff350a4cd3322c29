// SPDX-License-Identifier: MIT
#include "waagent/discovery_file.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::waagent {
namespace {

class DiscoveryFileTest : public testing::Test {
 protected:
  void write(const std::string& text) const {
    std::filesystem::create_directories(places_.root);
    std::ofstream(file_) << text;
  }
  [[nodiscard]] std::string text() const {
    std::ostringstream content;
    content << std::ifstream(file_).rdbuf();
    return content.str();
  }
  void expect_kept(std::uint16_t port, bool is_changed) const {
    const bool had_directory = std::filesystem::exists(places_.root);
    const auto kept = keep_discovery_file(places_, port);
    ASSERT_TRUE(kept) << kept.error().message();
    EXPECT_EQ(kept->made, is_changed);
    EXPECT_EQ(kept->is_ours, read_discovery_file(places_)->value().is_ours);
    EXPECT_EQ(std::ranges::count(kept->unlabelled, file_), is_changed ? 1 : 0);
    EXPECT_EQ(std::ranges::count(kept->unlabelled, places_.root), had_directory ? 0 : 1);
  }
  void expect_removed(bool is_ours) const {
    const auto removed = remove_discovery_file(places_);
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, is_ours);
    EXPECT_EQ(std::filesystem::exists(file_), !is_ours);
  }

  support::TemporaryDirectory directory_;
  Places places_{.root = directory_.file("waagent"), .state = directory_.file("state"), .proc = "/proc"};
  std::filesystem::path file_ = places_.root / "ManagedIdentity-Settings";
};

TEST_F(DiscoveryFileTest, IsMadeWithItsDirectoryForEverybodyToRead) {
  const mode_t before = ::umask(0077);
  expect_kept(50342, true);
  (void)::umask(before);
  EXPECT_EQ(text(), R"({"url":"http://localhost:50342"})");
  struct stat found {};
  ASSERT_EQ(::stat(file_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0644U);
  EXPECT_EQ(found.st_nlink, 1U);
  expect_kept(50342, false);
}

TEST_F(DiscoveryFileTest, OfOursFollowsThePort) {
  expect_kept(50342, true);
  expect_kept(50343, true);
  EXPECT_EQ(text(), R"({"url":"http://localhost:50343"})");
  expect_removed(true);
}

TEST_F(DiscoveryFileTest, OfSomebodyElseStays) {
  write(R"({"url":"http://localhost:50343/"})");
  expect_kept(50342, false);
  const auto found = read_discovery_file(places_);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->port, 50343);
  EXPECT_FALSE((*found)->is_ours);
  expect_removed(false);
}

TEST_F(DiscoveryFileTest, OfOursThatSomebodyHasChangedIsTheirs) {
  expect_kept(50342, true);
  write("{}");
  expect_kept(50342, false);
  expect_removed(false);
}

TEST_F(DiscoveryFileTest, WithOurWordsInAnotherFileIsTheirs) {
  expect_kept(50342, true);
  const std::string ours = text();
  std::filesystem::rename(file_, places_.root / "kept");  // so that its inode is not used again
  write(ours);
  expect_removed(false);
}

TEST_F(DiscoveryFileTest, OfOursThatAPowerCutHasEmptiedIsMadeAnew) {
  expect_kept(50342, true);
  write("");
  expect_kept(50342, true);
  EXPECT_EQ(text(), R"({"url":"http://localhost:50342"})");
  expect_removed(true);
}

TEST_F(DiscoveryFileTest, OfOursIsKnownIfItsMakerWasKilledBeforeTheNote) {
  expect_kept(50342, true);
  std::filesystem::remove(places_.state / "discovery-file");
  std::filesystem::create_hard_link(file_, places_.root / ".ManagedIdentity-Settings.msi2imds");
  expect_kept(50342, false);
  EXPECT_TRUE((*read_discovery_file(places_))->is_noted);
  expect_removed(true);
  EXPECT_TRUE(std::filesystem::is_empty(places_.root));
}

// Root may write everywhere, so it is no directory.
TEST_F(DiscoveryFileTest, OfOursIsKnownWhereNothingCanBeNoted) {
  std::ofstream(places_.state) << "in the way";
  const auto kept = keep_discovery_file(places_, 50342);
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_TRUE(kept->made);
  EXPECT_TRUE(kept->not_noted);
  const auto again = keep_discovery_file(places_, 50343);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->not_noted);
  EXPECT_EQ(text(), R"({"url":"http://localhost:50342"})");

  std::filesystem::remove(places_.state);
  expect_kept(50343, true);
  EXPECT_TRUE((*read_discovery_file(places_))->is_noted);
}

TEST_F(DiscoveryFileTest, OfOursIsRemovedWhereNothingCouldBeNoted) {
  std::ofstream(places_.state) << "in the way";
  ASSERT_TRUE(keep_discovery_file(places_, 50342));
  expect_removed(true);
  EXPECT_TRUE(std::filesystem::is_empty(places_.root));
}

TEST_F(DiscoveryFileTest, OfOursStaysWhereTheExtensionIsBack) {
  expect_kept(50342, true);
  const auto handler =
      places_.root / "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0.0.10" / "config";
  std::filesystem::create_directories(handler);
  std::ofstream(handler / "HandlerState") << "Enabled";
  write(R"({"url":"http://localhost:50342"})");  // in place: the same file, with the same content
  expect_removed(false);
  EXPECT_FALSE((*read_discovery_file(places_))->is_ours);
}

TEST_F(DiscoveryFileTest, ComesBackAfterItWasTaken) {
  write(R"({"url":"http://localhost:50342"})");
  const auto watch = watch_discovery_file(places_);
  ASSERT_TRUE(watch);
  pollfd state{.fd = watch->get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&state, 1, 0), 0);
  std::filesystem::remove(file_);
  EXPECT_EQ(::poll(&state, 1, 5000), 1);
  expect_kept(50342, true);
  expect_removed(true);
}

TEST_F(DiscoveryFileTest, IsNotMadeInThePlaceOfALinkOrADirectory) {
  std::filesystem::create_directories(places_.root);
  std::filesystem::create_symlink(directory_.file("elsewhere"), file_);
  EXPECT_FALSE(keep_discovery_file(places_, 50342));
  EXPECT_FALSE(remove_discovery_file(places_));
  EXPECT_FALSE(std::filesystem::exists(directory_.file("elsewhere")));
  std::filesystem::remove(file_);
  std::filesystem::create_directory(file_);
  EXPECT_FALSE(keep_discovery_file(places_, 50342));
  EXPECT_FALSE(remove_discovery_file(places_));
}

TEST_F(DiscoveryFileTest, LeadsNowhereWhenItMakesNoSense) {
  for (const char* text :
       {"", "{", "[]", R"({"url":5})", R"({"url":"http://localhost"})", R"({"url":"ftp://a:1"})",
        R"({"url":"http://localhost:0"})", R"({"url":"http://localhost:65536"})"}) {
    write(text);
    const auto found = read_discovery_file(places_);
    ASSERT_TRUE(found && *found) << text;
    EXPECT_FALSE((*found)->port) << text;
  }
  write(std::string(100'000, ' '));
  EXPECT_FALSE(read_discovery_file(places_));
}

TEST_F(DiscoveryFileTest, LeadsToALoopbackPort) {
  for (const char* host :
       {"localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"}) {
    write(R"({"url":"http://)" + std::string(host) + R"(:50343/path"})");
    const auto found = read_discovery_file(places_);
    ASSERT_TRUE(found && *found) << host;
    EXPECT_EQ((*found)->port, 50343) << host;
  }
}

TEST_F(DiscoveryFileTest, LeadsToNoneOfOurPortsWhenItLeadsToAnotherMachine) {
  for (const char* authority :
       {"10.0.0.4:50343", "[2001:db8::1]:50343", "example.org:50343", "localhost.example.org:50343",
        "localhost:1@10.0.0.4:50343", "localhost@10.0.0.4:50343", "[::1]", "[::1]50343", ":50343"}) {
    write(R"({"url":"http://)" + std::string(authority) + R"(/"})");
    const auto found = read_discovery_file(places_);
    ASSERT_TRUE(found && *found) << authority;
    EXPECT_FALSE((*found)->port) << authority;
  }
}

TEST_F(DiscoveryFileTest, LeavesNothingElseBehind) {
  expect_kept(50342, true);
  expect_removed(true);
  EXPECT_TRUE(std::filesystem::is_empty(places_.root));
  EXPECT_TRUE(std::filesystem::is_empty(places_.state));
}

TEST_F(DiscoveryFileTest, IsNotWatchedWithoutItsDirectory) {
  EXPECT_FALSE(watch_discovery_file(places_));
}

}  // namespace
}  // namespace msi2imds::waagent
