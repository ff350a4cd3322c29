// SPDX-License-Identifier: MIT
#include "supervisor/reserved_ports.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/log.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

class ReservedPortsTest : public testing::Test {
 protected:
  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::string list() const {
    return text_of(list_);
  }
  void set_list(const std::string& text) const {
    std::ofstream(list_) << text << "\n";
  }
  void set_note(const std::string& text) const {
    std::ofstream(note_) << text;
  }
  [[nodiscard]] bool has_note() const {
    return std::filesystem::exists(std::filesystem::symlink_status(note_));
  }
  [[nodiscard]] Result<ReservedPorts> reserve(const std::vector<std::uint16_t>& ports = {50342}) const {
    return ReservedPorts::reserve(ports, note_, places_);
  }
  // A process that reserves, and is killed.
  void reserve_and_die(const std::vector<std::uint16_t>& ports = {50342}) const {
    auto reserved = reserve(ports);
    ASSERT_TRUE(reserved) << reserved.error().message();
    reserved->keep();
  }
  [[nodiscard]] bool take_back() const {
    const auto taken = ReservedPorts::take_back(note_, places_);
    EXPECT_TRUE(taken);
    return taken && *taken;
  }
  // What take_back() writes to the log, having taken nothing.
  [[nodiscard]] std::string warnings_of_take_back() const {
    testing::internal::CaptureStderr();
    log::start({}, "test");
    EXPECT_FALSE(take_back());
    return testing::internal::GetCapturedStderr();
  }

  support::TemporaryDirectory directory_;
  std::string list_ = directory_.file("ip_local_reserved_ports");
  std::string note_ = directory_.file("reserved-ports");
  PortListPlaces places_ = {.sysctl_file = list_, .root = directory_.file("root")};

  ReservedPortsTest() {
    set_list("");
  }
};

TEST_F(ReservedPortsTest, ReservesWhileItLives) {
  {
    const auto reserved = reserve();
    ASSERT_TRUE(reserved);
    EXPECT_EQ(list(), "50342\n");
  }
  EXPECT_EQ(list(), "\n");
  EXPECT_FALSE(has_note());
}

TEST_F(ReservedPortsTest, AddsToWhatOthersReserved) {
  set_list("1-5,50341,50343-50400");
  {
    const auto reserved = reserve();
    EXPECT_EQ(list(), "1-5,50341-50400\n");
  }
  EXPECT_EQ(list(), "1-5,50341,50343-50400\n");
}

TEST_F(ReservedPortsTest, LeavesAPortThatWasReservedBefore) {
  set_list("50340-50345");
  {
    const auto reserved = reserve({50342, 50346});
    EXPECT_EQ(list(), "50340-50346\n");
    EXPECT_TRUE(text_of(note_).starts_with("50346\n")) << text_of(note_);
  }
  EXPECT_EQ(list(), "50340-50345\n");
}

// Whoever writes another list decides on our port as well: an administrator may have reserved it himself.
TEST_F(ReservedPortsTest, LeavesAListThatOthersHaveWrittenMeanwhile) {
  for (const std::string theirs : {"8080,50341-50343", "50342,50344", "50342"}) {
    set_list("1-5,8");
    {
      const auto reserved = reserve();
      set_list(theirs);
    }
    EXPECT_EQ(list(), theirs + "\n");
    EXPECT_FALSE(has_note());
  }
}

TEST_F(ReservedPortsTest, LeavesAListThatOthersHaveWrittenAfterACrash) {
  reserve_and_die();
  set_list("50342,60000");
  {
    const auto reserved = reserve({50342, 8});
    EXPECT_EQ(list(), "8,50342,60000\n");
  }
  EXPECT_EQ(list(), "50342,60000\n");
  reserve_and_die({8});
  set_list("8,9");
  EXPECT_FALSE(take_back());
  EXPECT_EQ(list(), "8,9\n");
}

// Applied meanwhile, they leave the list as it was.
TEST_F(ReservedPortsTest, LeavesAPortThatTheMachinesSettingsReserve) {
  std::filesystem::create_directories(places_.root + "/etc/sysctl.d");
  {
    const auto reserved = reserve({8, 50342});
    std::ofstream(places_.root + "/etc/sysctl.d/50-ports.conf")
        << "net.ipv4.ip_local_reserved_ports = 50342\n";
  }
  EXPECT_EQ(list(), "50342\n");
  EXPECT_FALSE(has_note());
}

TEST_F(ReservedPortsTest, UnderstandsTheNoteOfAnEarlierVersion) {
  set_list("8,50342");
  set_note("50342\n");
  EXPECT_TRUE(take_back());
  EXPECT_EQ(list(), "8\n");
}

TEST_F(ReservedPortsTest, LeavesTheListAloneWhenItsPortsAreGoneFromIt) {
  set_list("1-5");
  {
    const auto reserved = reserve();
    std::ofstream(list_) << "5,4-5,1-4\n";
  }
  EXPECT_EQ(list(), "5,4-5,1-4\n");
}

TEST_F(ReservedPortsTest, ReservesSixteenPorts) {
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 60000; port < 60032; port += 2) {
    ports.push_back(port);
  }
  set_list("60001,60003");
  {
    const auto reserved = reserve(ports);
    EXPECT_EQ(list(),
              "60000-60004,60006,60008,60010,60012,60014,60016,60018,60020,60022,60024,60026,60028,60030\n");
  }
  EXPECT_EQ(list(), "60001,60003\n");
}

TEST_F(ReservedPortsTest, KeepsAListThatTakesManyPages) {
  PortSet others;
  for (std::size_t port = 1; port < others.size(); port += 2) {
    others.set(port);
  }
  set_list(to_port_list(others));
  {
    const auto reserved = reserve();
    EXPECT_EQ(parse_port_list(list()), PortSet(others).set(50342));
  }
  EXPECT_EQ(parse_port_list(list()), others);
}

TEST_F(ReservedPortsTest, WritesANoteThatOnlyItsOwnerCanRead) {
  const auto reserved = reserve({50342, 8, 9});
  EXPECT_TRUE(text_of(note_).starts_with("8-9,50342\n")) << text_of(note_);
  EXPECT_EQ(std::filesystem::status(note_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_FALSE(std::filesystem::exists(note_ + ".new"));
}

TEST_F(ReservedPortsTest, NoteIsNotWrittenThroughALink) {
  const std::string precious = directory_.file("precious");
  std::ofstream(precious) << "precious";
  std::filesystem::create_symlink(precious, note_);
  std::filesystem::create_symlink(precious, note_ + ".new");
  const auto reserved = reserve();
  EXPECT_TRUE(reserved);
  EXPECT_EQ(text_of(precious), "precious");
  EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(note_)));
}

TEST_F(ReservedPortsTest, ReservesNothingWhenItCannotBeNoted) {
  const auto reserved = ReservedPorts::reserve({50342}, directory_.file("missing/note"), places_);
  ASSERT_FALSE(reserved);
  EXPECT_EQ(reserved.error().code().value(), ENOENT);
  EXPECT_EQ(list(), "\n");
}

TEST_F(ReservedPortsTest, IsTakenBackAfterACrash) {
  set_list("8");
  reserve_and_die();
  EXPECT_EQ(list(), "8,50342\n");
  EXPECT_TRUE(take_back());
  EXPECT_EQ(list(), "8\n");
  EXPECT_FALSE(has_note());
}

TEST_F(ReservedPortsTest, ThereIsNothingToTakeBackTwice) {
  reserve_and_die();
  EXPECT_TRUE(take_back());
  EXPECT_FALSE(take_back());
}

TEST_F(ReservedPortsTest, IsTakenBackByTheNextProcessAtItsEnd) {
  reserve_and_die();
  {
    const auto reserved = reserve();
    EXPECT_EQ(list(), "50342\n");
  }
  EXPECT_EQ(list(), "\n");
}

TEST_F(ReservedPortsTest, NextProcessTakesBackWhatItDoesNotWant) {
  set_list("10");
  reserve_and_die({8, 9, 10});
  const auto reserved = reserve({9, 11});
  EXPECT_EQ(list(), "9-11\n");
  EXPECT_TRUE(text_of(note_).starts_with("9,11\n")) << text_of(note_);
}

TEST_F(ReservedPortsTest, APortThatSomebodyElseReservedAfterACrashIsNotNoted) {
  reserve_and_die({8});
  set_list("50342");  // ours taken out, one of theirs put in
  {
    const auto reserved = reserve();
    EXPECT_FALSE(has_note());
  }
  EXPECT_EQ(list(), "50342\n");
}

TEST_F(ReservedPortsTest, BelongsToOneObjectWhenItIsMoved) {
  auto reserved = reserve();
  ASSERT_TRUE(reserved);
  std::optional<ReservedPorts> first(std::move(*reserved));
  std::optional<ReservedPorts> second(std::move(*first));
  first.reset();
  EXPECT_EQ(list(), "50342\n");
  second.reset();
  EXPECT_EQ(list(), "\n");
}

TEST_F(ReservedPortsTest, DamagedNoteIsIgnored) {
  for (const char* text : {"", "\n\n", "50342", "50342,\n", "0x50342\n", "50342 8\n", "50342\n8x\n",
                           "50342\n\n", "50342\n1\n1\n"}) {
    set_list("50342");
    set_note(text);
    EXPECT_NE(warnings_of_take_back().find("it is damaged"), std::string::npos) << text;
    EXPECT_EQ(list(), "50342\n");
  }
}

TEST_F(ReservedPortsTest, NoteThatIsTooLongIsIgnored) {
  set_list("50342");
  set_note(std::string(1023, '1') + "\n50342\n");
  EXPECT_NE(warnings_of_take_back().find("it is damaged"), std::string::npos);
  EXPECT_EQ(list(), "50342\n");
}

TEST_F(ReservedPortsTest, NoteThatOthersCouldWriteIsIgnored) {
  set_list("50342");
  set_note("50342\n");
  ASSERT_EQ(::chmod(note_.c_str(), 0620), 0);
  EXPECT_NE(warnings_of_take_back().find("only this user can write"), std::string::npos);
  EXPECT_EQ(list(), "50342\n");
}

TEST_F(ReservedPortsTest, NoteBehindALinkIsIgnored) {
  set_list("50342");
  std::ofstream(directory_.file("elsewhere")) << "50342\n";
  std::filesystem::create_symlink(directory_.file("elsewhere"), note_);
  EXPECT_NE(warnings_of_take_back().find("symbolic links"), std::string::npos);
  EXPECT_EQ(list(), "50342\n");
}

TEST_F(ReservedPortsTest, NoteThatIsAPipeKeepsNobodyWaiting) {
  ASSERT_EQ(::mkfifo(note_.c_str(), 0600), 0);
  EXPECT_NE(warnings_of_take_back().find("it is no file"), std::string::npos);
}

TEST_F(ReservedPortsTest, SaysOnceThatTheKernelHasNoSuchList) {
  std::filesystem::remove(list_);
  testing::internal::CaptureStderr();
  log::start({}, "test");
  {
    const auto reserved = reserve();
    EXPECT_TRUE(reserved);
  }
  EXPECT_FALSE(take_back());
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("this kernel has no"), std::string::npos) << log;
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_FALSE(has_note());
  EXPECT_FALSE(std::filesystem::exists(list_));
}

TEST_F(ReservedPortsTest, LeavesAListThatItCannotReadAlone) {
  set_list("1;2");
  EXPECT_FALSE(reserve());
  EXPECT_EQ(list(), "1;2\n");
  EXPECT_FALSE(has_note());
}

}  // namespace
}  // namespace msi2imds::supervisor
