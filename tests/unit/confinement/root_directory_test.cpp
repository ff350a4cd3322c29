// SPDX-License-Identifier: MIT
#include "confinement/root_directory.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::confinement {
namespace {

constexpr int kNotPermitted = 77;

[[noreturn]] void look_around_in(const UniqueFd& directory) {
  (void)::unshare(CLONE_NEWUSER);  // may then change its root, also where tests are not root
  const Result<bool> used = use_as_root(directory);
  if (!used) {
    std::_Exit(1);
  }
  if (!*used) {
    std::_Exit(kNotPermitted);
  }
  const bool finds_nothing = ::open("/etc", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT &&
                             ::open("../../etc", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT;
  const bool makes_nothing = ::mkdir("/made", 0700) < 0 && errno == ENOENT &&
                             ::open("made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == ENOENT;
  std::_Exit(finds_nothing && makes_nothing ? 0 : 2);
}

bool is_well_or_not_permitted(int status) {
  return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kNotPermitted);
}

TEST(RootDirectoryDeathTest, IsEmptyForGood) {
  const support::TemporaryDirectory parent;
  const Result<UniqueFd> directory = make_empty_directory(parent.path().string());
  ASSERT_TRUE(directory);
  EXPECT_TRUE(std::filesystem::is_empty(parent.path()));
  EXPECT_EXIT(look_around_in(*directory), is_well_or_not_permitted, "");
}

TEST(RootDirectory, SaysWhereItCannotBeMade) {
  const Result<UniqueFd> directory = make_empty_directory("/does/not/exist");
  ASSERT_FALSE(directory);
  EXPECT_NE(directory.error().message().find("make an empty directory in '/does/not/exist'"),
            std::string::npos);
}

}  // namespace
}  // namespace msi2imds::confinement
