// SPDX-License-Identifier: MIT
#include "doctor/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/unique_fd.hpp"

namespace msi2imds::doctor {

std::string read_text(const std::string& path, std::size_t max_size) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat found {};
  if (!file || ::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return {};
  }
  std::string text(max_size, '\0');
  std::size_t size = 0;
  while (size < max_size) {
    const ssize_t count = ::read(file.get(), text.data() + size, max_size - size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      break;
    }
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(separators);
    if (end != 0) {
      parts.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

bool has_unit_file(const Root& root, const std::string& unit) {
  const std::string name = "/systemd/system/" + unit;
  return std::ranges::any_of(std::array{root.etc, root.run, root.usr + "/lib"}, [&name](std::string path) {
    path += name;
    return ::access(path.c_str(), F_OK) == 0;
  });
}

}  // namespace msi2imds::doctor
