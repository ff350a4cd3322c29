// SPDX-License-Identifier: MIT
#include "supervisor/record_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/signals.hpp"

namespace msi2imds::supervisor {
namespace {

Error failure(const std::string& what, const std::string& path) {
  return Error::from_errno(errno, what + " '" + path + "'");
}

// Its parent has to be there.
void make_directory_of(const std::string& path) {
  (void)::mkdir(std::filesystem::path(path).parent_path().c_str(),
                0750);  // open() tells when it could not be made
}

Result<UniqueFd> open_regular(const std::string& path, int flags) {
  // Without O_NONBLOCK, opening a FIFO would wait for its other end.
  UniqueFd file(::open(path.c_str(), flags | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file) {
    return failure("open", path);
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    errno = EINVAL;
    return failure("use as a file", path);
  }
  return file;
}

}  // namespace

Result<UniqueFd> open_audit_file(const std::string& path) {
  make_directory_of(path);
  return open_regular(path, O_WRONLY | O_APPEND | O_CREAT);
}

StateFile::~StateFile() {
  wait_for_writer();
}

Result<UniqueFd> StateFile::open() const {
  Result<UniqueFd> file = open_regular(path_, O_RDONLY);
  if (!file && file.error().code() == boost::system::errc::no_such_file_or_directory) {
    return UniqueFd();
  }
  return file;
}

Result<UniqueFd> StateFile::begin() {
  if (writer_ > 0 && ::waitpid(writer_, nullptr, WNOHANG) == 0) {
    errno = EBUSY;
    return failure("wait for the disk with", path_);
  }
  writer_ = -1;
  make_directory_of(path_);
  const std::string next = path_ + ".new";
  (void)::unlink(next.c_str());  // of one that did not come to its end
  UniqueFd file(::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) {
    return failure("make", next);
  }
  next_ = UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  return file;
}

Result<void> StateFile::save(std::uint64_t size) {
  struct stat written {};
  if (!next_ || ::fstat(next_.get(), &written) != 0 || static_cast<std::uint64_t>(written.st_size) != size) {
    return Error::from_errno(EBADMSG, "take over '" + path_ + ".new', which is not complete");
  }
  writer_ = ::fork();
  if (writer_ == 0) {
    ignore_signals();
    // No socket may stay open here: callers would wait in its backlog for nobody.
    constexpr int kNext = 3;
    (void)::dup2(next_.get(), kNext);
    ::closefrom(kNext + 1);
    const bool done = ::fdatasync(kNext) == 0 && std::rename((path_ + ".new").c_str(), path_.c_str()) == 0;
    ::_exit(done ? 0 : 1);
  }
  next_.reset();
  if (writer_ < 0) {
    return failure("fork the writer of", path_);
  }
  return {};
}

Result<std::string> StateFile::set_aside() {
  std::string aside = path_ + ".damaged";
  if (std::rename(path_.c_str(), aside.c_str()) != 0) {
    return failure("set aside", path_);
  }
  return aside;
}

void StateFile::wait_for_writer() {
  while (writer_ > 0 && ::waitpid(writer_, nullptr, 0) < 0 && errno == EINTR) {
  }
  writer_ = -1;
}

}  // namespace msi2imds::supervisor
