// SPDX-License-Identifier: MIT
#include "resolver/executable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {
namespace {

constexpr unsigned kMinorBits = 20;

std::uint64_t as_the_kernel_numbers(unsigned major_number, unsigned minor_number) {
  return std::uint64_t{major_number} << kMinorBits | minor_number;
}

// "mnt_id:\t29"
std::optional<std::string> mount_of(const UniqueFd& file) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(file.get()));
  for (std::string name, value; info >> name >> value;) {
    if (name == "mnt_id:") {
      return value;
    }
  }
  return std::nullopt;
}

// proc(5): "29 1 8:1 / / rw ..."
std::optional<std::uint64_t> device_of_mount(const std::string& mount, const std::string& mounts) {
  std::ifstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id;
    std::string parent;
    unsigned major_number = 0;
    unsigned minor_number = 0;
    char colon = 0;
    if (words >> id >> parent >> major_number >> colon >> minor_number && id == mount) {
      return as_the_kernel_numbers(major_number, minor_number);
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_file(const std::string& path, const KernelFile& file, const std::string& mounts) {
  const UniqueFd opened(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!opened || ::fstat(opened.get(), &status) != 0 || status.st_ino != file.inode) {
    return false;
  }
  if (as_the_kernel_numbers(major(status.st_dev), minor(status.st_dev)) == file.device) {
    return true;
  }
  const auto mount = mount_of(opened);
  return mount && device_of_mount(*mount, mounts) == file.device;
}

}  // namespace msi2imds::resolver
