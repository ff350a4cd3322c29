// SPDX-License-Identifier: MIT
#include "supervisor/admin_socket.hpp"

#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

#include "admin/client.hpp"
#include "base/log.hpp"
#include "supervisor/file_error.hpp"
#include "supervisor/running_process.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kAdminBacklog = 16;
constexpr std::chrono::seconds kLeaveTime{5};
constexpr std::chrono::milliseconds kLookAtSocketAgain{10};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy_n(path.data(), std::min(path.size(), sizeof address.sun_path - 1),
              static_cast<char*>(address.sun_path));
  return address;
}

Error failure(int err, const std::string& what, const std::string& path) {
  return file_error(err, what + " admin socket", path);
}

bool is_nobodys(const Error& error) {
  return error.code() == boost::system::errc::connection_refused ||
         error.code() == boost::system::errc::no_such_file_or_directory;
}

// Waits until nobody holds the socket of a supervisor that was killed: its responder is about to leave.
asio::awaitable<bool> is_left(std::string path) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + kLeaveTime;
  bool said = false;
  Result<pid_t> process = admin::server_process(path);
  while (process) {
    const bool has_ended = *process > 0 && !is_running(*process);  // 0: of another container
    if (!has_ended || std::chrono::steady_clock::now() >= deadline) {
      co_return false;
    }
    if (!std::exchange(said, true)) {
      log::info("wait for the responder of process {}, which has ended, to leave admin socket '{}'", *process,
                path);
    }
    timer.expires_after(kLookAtSocketAgain);
    (void)co_await timer.async_wait(kAsTuple);
    process = admin::server_process(path);
  }
  co_return is_nobodys(process.error());
}

asio::awaitable<Result<void>> remove_stale(std::string path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    co_return errno == ENOENT ? Result<void>() : Result<void>(failure(errno, "look at", path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    co_return failure(EEXIST, "make", path);
  }
  const bool left = co_await is_left(path);
  if (!left) {
    co_return Error::from_errno(EADDRINUSE,
                                "start, since another msi2imds is running, which has admin socket '" + path +
                                    "' (`msi2imds status` shows what it does, `msi2imds detach` stops it)");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    co_return failure(errno, "remove stale", path);
  }
  co_return Result<void>();
}

// As a member of the group, its owner may do so without CAP_CHOWN.
bool give_to_group(const std::string& path, gid_t group) {
  const int dumpable = ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
  const int previous = ::setfsgid(group);
  const bool given = ::lchown(path.c_str(), static_cast<uid_t>(-1), group) == 0;
  const int err = errno;
  (void)::setfsgid(static_cast<gid_t>(previous));
  (void)::prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);  // each change of a group has taken it away
  errno = err;
  return given;
}

}  // namespace

AdminSocket::AdminSocket(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

AdminSocket::~AdminSocket() {
  if (fd_) {
    (void)::unlink(path_.c_str());  // somebody else may have removed it
  }
}

asio::awaitable<Result<AdminSocket>> AdminSocket::open(std::string path, gid_t group) {
  if (path.size() >= sizeof sockaddr_un().sun_path) {
    co_return failure(ENAMETOOLONG, "make", path);
  }
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    co_return failure(errno, "make the directory of", path);
  }
  const sockaddr_un address = address_of(path);
  const Result<void> removed = co_await remove_stale(path);
  if (!removed) {
    co_return removed.error();
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t previous = ::umask(0117);  // never open to others, not even for a moment
  const bool bound = fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int err = errno;
  (void)::umask(previous);
  if (!bound) {
    co_return failure(err, "bind", path);
  }
  AdminSocket socket(path, std::move(fd));
  if (!give_to_group(path, group) || ::listen(socket.fd(), kAdminBacklog) != 0) {
    co_return failure(errno, "open", path);
  }
  co_return socket;
}

}  // namespace msi2imds::supervisor
