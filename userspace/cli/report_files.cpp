// SPDX-License-Identifier: MIT
#include "cli/report_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/unique_fd.hpp"

namespace msi2imds::cli {

Result<std::string> read_all(int fd, const std::string& path, std::size_t most) {
  constexpr std::size_t kFirst = std::size_t{64} * 1024;
  std::string text(std::min(kFirst, most) + 1, '\0');
  std::size_t size = 0;
  while (true) {
    const ssize_t count = ::read(fd, text.data() + size, text.size() - size);
    if (count < 0 && errno != EINTR) {
      return Error::from_errno(errno, "read '" + path + "'");
    }
    if (count == 0) {
      text.resize(size);
      return text;
    }
    size += count < 0 ? 0 : static_cast<std::size_t>(count);
    if (size > most) {
      return Error::from_errno(EFBIG, "read '" + path + "'");
    }
    if (size == text.size()) {
      text.resize(std::min(2 * size, most + 1));
    }
  }
}

Result<std::string> read_report_file(const std::string& path) {
  constexpr std::size_t kMost = std::size_t{256} * 1024 * 1024;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return Error::from_errno(errno, "open '" + path + "'");
  }
  return read_all(fd.get(), path, kMost);
}

Result<std::vector<std::string>> list_report_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ec;
  if (!fs::is_directory(path, ec)) {
    return std::vector<std::string>{path};
  }
  std::vector<std::string> files;
  fs::directory_iterator entry(path, ec);
  for (; !ec && entry != fs::directory_iterator(); entry.increment(ec)) {
    std::error_code unknown;  // what cannot be looked at is told of when it is read
    if (entry->path().extension() == ".json" && (entry->is_regular_file(unknown) || unknown)) {
      files.push_back(entry->path());
    }
  }
  if (ec) {
    return Error(ec, "read the directory '" + path + "'");
  }
  if (files.empty()) {
    return Error::from_errno(ENOENT, "find a .json file in the directory '" + path + "'");
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace msi2imds::cli
