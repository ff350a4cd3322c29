// SPDX-License-Identifier: MIT
#include "supervisor/admin_socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/run_to_end.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

// What is refused before a socket is made; needs no privilege.
class AdminSocketRefusalTest : public testing::Test {
 protected:
  int error_of_open() {
    const auto socket = run_to_end(AdminSocket::open(path_, ::getgid()));
    return socket ? 0 : socket.error().code().value();
  }

  support::TemporaryDirectory directory_;
  std::string path_ = directory_.file("admin.sock");
};

using AdminSocketTest = AdminSocketRefusalTest;

TEST_F(AdminSocketRefusalTest, TakesNothingOverFromAProcessThatListens) {
  const UniqueFd other = support::listen_on_path(path_);
  EXPECT_EQ(error_of_open(), EADDRINUSE);
  EXPECT_TRUE(std::filesystem::is_socket(path_));
}

TEST_F(AdminSocketRefusalTest, LeavesARegularFileAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(error_of_open(), EEXIST);
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(AdminSocketRefusalTest, LeavesALinkAndItsTargetAlone) {
  const UniqueFd target = support::listen_on_path(directory_.file("target"));
  std::filesystem::create_symlink(directory_.file("target"), path_);
  EXPECT_EQ(error_of_open(), EEXIST);
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
  EXPECT_TRUE(std::filesystem::exists(directory_.file("target")));
}

TEST_F(AdminSocketRefusalTest, SaysThatTheDirectoryCannotBeMade) {
  path_ = directory_.file("a/b/admin.sock");
  EXPECT_EQ(error_of_open(), ENOENT);
}

TEST_F(AdminSocketRefusalTest, RefusesAPathThatFitsNoSocketAndLeavesNothing) {
  path_ = directory_.file(std::string(150, 'x'));
  EXPECT_NE(error_of_open(), 0);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(AdminSocketTest, ListensForRootAndItsGroupOnly) {
  const auto socket = run_to_end(AdminSocket::open(path_, 4711));
  ASSERT_TRUE(socket);
  struct stat file {};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777U, 0660U);
  EXPECT_EQ(file.st_uid, 0U);
  EXPECT_EQ(file.st_gid, 4711U);
  int listening = 0;
  socklen_t size = sizeof listening;
  EXPECT_EQ(::getsockopt(socket->fd(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size), 0);
  EXPECT_EQ(listening, 1);
}

TEST_F(AdminSocketTest, ReplacesWhatADeadProcessLeft) {
  support::listen_on_path(path_).reset();
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(error_of_open(), 0);
}

TEST_F(AdminSocketTest, MakesTheLastDirectoryOfItsPath) {
  path_ = directory_.file("run/admin.sock");
  EXPECT_EQ(error_of_open(), 0);
}

TEST_F(AdminSocketTest, RemovesItsFileAtTheEnd) {
  {
    const auto socket = run_to_end(AdminSocket::open(path_, 0));
    ASSERT_TRUE(socket);
    EXPECT_TRUE(std::filesystem::exists(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(AdminSocketTest, KeepsItsFileWhenItIsMoved) {
  auto from = run_to_end(AdminSocket::open(path_, 0));
  ASSERT_TRUE(from);
  {
    const AdminSocket to(std::move(*from));
    EXPECT_TRUE(std::filesystem::exists(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(AdminSocketTest, LeavesTheMaskOfNewFilesAsItWas) {
  const mode_t before = ::umask(027);
  EXPECT_EQ(error_of_open(), 0);
  EXPECT_EQ(::umask(before), 027U);
}

}  // namespace
}  // namespace msi2imds::supervisor
