// SPDX-License-Identifier: MIT
#include "resolver/mounts.hpp"

#include <fstream>
#include <optional>
#include <sstream>

namespace msi2imds::resolver {
namespace {

constexpr unsigned kMinorBits = 20;

// "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"
std::optional<Mount> parse_mount(const std::string& line) {
  std::istringstream words(line);
  Mount mount;
  std::string parent;
  unsigned major_number = 0;
  unsigned minor_number = 0;
  char colon = 0;
  if (!(words >> mount.id >> parent >> major_number >> colon >> minor_number)) {
    return std::nullopt;
  }
  mount.device = as_the_kernel_numbers(major_number, minor_number);
  for (std::string word; words >> word;) {
    if (word == "-") {
      words >> mount.type;
      break;
    }
  }
  return mount;
}

}  // namespace

std::uint64_t as_the_kernel_numbers(unsigned major_number, unsigned minor_number) {
  return std::uint64_t{major_number} << kMinorBits | minor_number;
}

// "mnt_id:\t29"
std::string mount_of(const UniqueFd& file) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(file.get()));
  for (std::string name, value; info >> name >> value;) {
    if (name == "mnt_id:") {
      return value;
    }
  }
  return "";
}

bool has_mount(const std::string& mountinfo, const std::function<bool(const Mount&)>& is_so) {
  std::ifstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    const auto mount = parse_mount(line);
    if (mount && is_so(*mount)) {
      return true;
    }
  }
  return false;
}

}  // namespace msi2imds::resolver
