// SPDX-License-Identifier: MIT
#include "unit/broker/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace msi2imds::broker {
namespace {

void require_done(bool done, const char* what) {
  if (!done) {
    throw std::system_error(errno, std::generic_category(), what);
  }
}

}  // namespace

MemoryFile::MemoryFile(std::uint64_t size) : file_(::memfd_create("tokens-of-a-test", MFD_CLOEXEC)) {
  require_done(static_cast<bool>(file_), "memfd_create");
  resize(size);
}

UniqueFd MemoryFile::descriptor() const {
  return UniqueFd(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
}

std::string MemoryFile::content() const {
  struct stat found {};
  require_done(::fstat(file_.get(), &found) == 0, "fstat");
  std::string bytes(static_cast<std::size_t>(found.st_size), '\0');
  require_done(::pread(file_.get(), bytes.data(), bytes.size(), 0) == found.st_size, "pread");
  return bytes;
}

void MemoryFile::write(std::uint64_t at, std::string_view bytes) const {
  require_done(::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
                   static_cast<ssize_t>(bytes.size()),
               "pwrite");
}

void MemoryFile::resize(std::uint64_t size) const {
  require_done(::ftruncate(file_.get(), static_cast<off_t>(size)) == 0, "ftruncate");
}

}  // namespace msi2imds::broker
