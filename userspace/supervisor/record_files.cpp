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

#include "base/child.hpp"
#include "base/same_file.hpp"
#include "base/signals.hpp"
#include "supervisor/file_error.hpp"

namespace msi2imds::supervisor {
namespace {

// Its parent has to be there.
void make_directory_of(const std::string& path) {
  (void)::mkdir(std::filesystem::path(path).parent_path().c_str(),
                0750);  // open() tells when it could not be made
}

Result<UniqueFd> open_regular(const std::string& path, int flags) {
  // Without O_NONBLOCK, opening a FIFO would wait for its other end.
  UniqueFd file(::open(path.c_str(), flags | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file) {
    return file_error(errno, "open", path);
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return file_error(EINVAL, "use as a file", path);
  }
  return file;
}

// Returns an errno. What is under the new name by then may be another one's, if we were slow and somebody
// else has begun meanwhile.
int replace(int file, const std::string& path) {
  const std::string next = path + ".new";
  struct stat written {};
  struct stat found {};
  if (::fdatasync(file) != 0 || ::fstat(file, &written) != 0 || ::lstat(next.c_str(), &found) != 0) {
    return errno;
  }
  if (!is_same_file(found, written)) {
    return ESTALE;
  }
  return std::rename(next.c_str(), path.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Result<UniqueFd> open_audit_file(const std::string& path) {
  make_directory_of(path);
  return open_regular(path, O_WRONLY | O_APPEND | O_CREAT);
}

bool ends_within_a_line(const std::string& path) {
  const Result<UniqueFd> file = open_regular(path, O_RDONLY);
  struct stat found {};
  char last = '\n';
  return file && ::fstat(file->get(), &found) == 0 && found.st_size > 0 &&
         ::pread(file->get(), &last, 1, found.st_size - 1) == 1 && last != '\n';
}

Result<UniqueFd> StateFile::open() const {
  Result<UniqueFd> file = open_regular(path_, O_RDONLY);
  if (!file && file.error().code() == boost::system::errc::no_such_file_or_directory) {
    return UniqueFd();
  }
  return file;
}

Result<UniqueFd> StateFile::begin() {
  if (writer_ > 0) {
    return file_error(EBUSY, "wait for the disk with", path_);
  }
  make_directory_of(path_);
  const std::string next = path_ + ".new";
  (void)::unlink(next.c_str());  // of one that did not come to its end
  UniqueFd file(::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) {
    return file_error(errno, "make", next);
  }
  next_ = UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  return file;
}

Result<void> StateFile::check() {
  if (writer_ > 0) {
    return {};
  }
  const Result<UniqueFd> file = begin();
  next_.reset();
  if (!file) {
    return file.error();
  }
  (void)::unlink((path_ + ".new").c_str());
  return {};
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
    ::_exit(replace(kNext, path_));
  }
  next_.reset();
  if (writer_ < 0) {
    return file_error(errno, "fork the writer of", path_);
  }
  return {};
}

Result<std::string> StateFile::set_aside() {
  std::string aside = path_ + ".damaged";
  if (std::rename(path_.c_str(), aside.c_str()) != 0) {
    return file_error(errno, "set aside", path_);
  }
  return aside;
}

Result<void> StateFile::read_status(int status) const {
  if (WIFSIGNALED(status)) {
    return Error::from_errno(EINTR, "replace '" + path_ + "' (" + describe_end(status) + ")");
  }
  if (WEXITSTATUS(status) != 0) {
    return Error::from_errno(WEXITSTATUS(status), "replace '" + path_ + "'");
  }
  return {};
}

std::optional<Result<void>> StateFile::outcome() {
  int status = 0;
  if (writer_ <= 0 || ::waitpid(writer_, &status, WNOHANG) != writer_) {
    return std::nullopt;
  }
  writer_ = -1;
  return read_status(status);
}

asio::awaitable<std::optional<Result<void>>> StateFile::wait_for_outcome(std::chrono::milliseconds patience) {
  if (writer_ <= 0) {
    co_return std::nullopt;
  }
  const std::optional<int> status = co_await wait_for_child(writer_, patience);
  if (!status) {
    co_return std::nullopt;
  }
  writer_ = -1;
  co_return read_status(*status);
}

}  // namespace msi2imds::supervisor
