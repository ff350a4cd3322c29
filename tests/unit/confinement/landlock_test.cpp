// SPDX-License-Identifier: MIT
#include "confinement/landlock.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>

#include "base/socket_address.hpp"
#include "confinement/privileges.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::confinement {
namespace {

constexpr int kNoLandlock = 77;
constexpr int kFailed = 99;

// The exit status is the errno of `call`.
[[noreturn]] void restrict_and_call(const std::vector<std::string>& readable, int least_version,
                                    const std::function<int()>& call) {
  const Result<void> forbidden = forbid_new_privileges();
  const Result<int> version = allow_no_paths_but(readable);
  if (!forbidden || !version) {
    std::_Exit(kFailed);
  }
  if (*version < least_version) {
    std::_Exit(kNoLandlock);
  }
  std::_Exit(call() < 0 ? errno : 0);
}

// What this kernel's Landlock does not know is not forbidden by it.
auto fails_with(int err) {
  return [err](int status) {
    return WIFEXITED(status) && (WEXITSTATUS(status) == err || WEXITSTATUS(status) == kNoLandlock);
  };
}

class LandlockDeathTest : public testing::Test {
 protected:
  LandlockDeathTest() {
    ::close(::open(allowed_.file("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::close(::open(other_.file("file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  support::TemporaryDirectory allowed_;
  support::TemporaryDirectory other_;
};

TEST_F(LandlockDeathTest, ReadsBelowWhatIsAllowedAndNowhereElse) {
  const std::string below = allowed_.file("file");
  const std::string elsewhere = other_.file("file");
  const std::vector<std::string> readable = {allowed_.path().string()};
  EXPECT_EXIT(restrict_and_call(readable, 1, [&] { return ::open(below.c_str(), O_RDONLY | O_CLOEXEC); }),
              fails_with(0), "");
  EXPECT_EXIT(restrict_and_call(readable, 1, [&] { return ::open(below.c_str(), O_WRONLY | O_CLOEXEC); }),
              fails_with(EACCES), "");
  EXPECT_EXIT(restrict_and_call(readable, 1, [&] { return ::open(elsewhere.c_str(), O_RDONLY | O_CLOEXEC); }),
              fails_with(EACCES), "");
}

TEST_F(LandlockDeathTest, LeavesNoPathWhereNoneIsAllowed) {
  const std::string file = other_.file("file");
  const std::string made = other_.file("made");
  EXPECT_EXIT(restrict_and_call({}, 1, [&] { return ::open(file.c_str(), O_RDONLY | O_CLOEXEC); }),
              fails_with(EACCES), "");
  EXPECT_EXIT(restrict_and_call({}, 1, [&] { return ::mkdir(made.c_str(), 0700); }), fails_with(EACCES), "");
  EXPECT_EXIT(restrict_and_call({}, 1, [&] { return ::unlink(file.c_str()); }), fails_with(EACCES), "");
}

TEST_F(LandlockDeathTest, ForbidsDialling) {
  const UniqueFd listener = support::listen_on_loopback();
  const SocketAddress address = support::address_of(listener);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  constexpr int kKnowsSockets = 4;
  EXPECT_EXIT(restrict_and_call({}, kKnowsSockets,
                                [&] { return ::connect(client.get(), address.get(), address.size()); }),
              fails_with(EACCES), "");
}

TEST_F(LandlockDeathTest, FailsForAPathThatIsNotThere) {
  const auto restrict_to_nothing = [] {
    const Result<int> version = allow_no_paths_but({"/does/not/exist"});
    std::_Exit(version && *version > 0 ? 1 : 0);
  };
  EXPECT_EXIT(restrict_to_nothing(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace msi2imds::confinement
