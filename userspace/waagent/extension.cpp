// SPDX-License-Identifier: MIT
#include "waagent/extension.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"

namespace msi2imds::waagent {
namespace {

constexpr std::string_view kPrefix = "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-";
constexpr std::array kStates = {HandlerState::enabled, HandlerState::installed, HandlerState::not_installed,
                                HandlerState::failed_upgrade};

struct DirectoryDeleter {
  void operator()(DIR* directory) const noexcept {
    (void)::closedir(directory);
  }
};

// "1.0.0.10" is newer than "1.0.0.8".
std::vector<unsigned> numbers_of(std::string_view version) {
  std::vector<unsigned> numbers;
  const char* at = version.data();
  const char* const end = at + version.size();
  while (at < end) {
    unsigned number = 0;
    const auto [parsed, ec] = std::from_chars(at, end, number);
    numbers.push_back(ec == std::errc() ? number : 0);
    at = parsed == at ? at + 1 : parsed + 1;
  }
  return numbers;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

UniqueFd open_below(const UniqueFd& directory, const std::string& name, int flags) {
  return UniqueFd(
      ::openat(directory.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags));
}

HandlerState read_state(const UniqueFd& root, const std::string& folder) {
  const UniqueFd extension = open_below(root, folder, O_DIRECTORY);
  const UniqueFd config = open_below(extension, "config", O_DIRECTORY);
  const UniqueFd file = open_below(config, "HandlerState", 0);
  if (!file) {
    return errno == ENOENT ? HandlerState::not_installed : HandlerState::unknown;
  }
  struct stat found {};
  std::array<char, 64> text{};
  const bool is_file = ::fstat(file.get(), &found) == 0 && S_ISREG(found.st_mode);
  const ssize_t size = is_file ? ::read(file.get(), text.data(), text.size()) : -1;
  const std::string_view word = size > 0 ? trim({text.data(), static_cast<std::size_t>(size)}) : "";
  for (const HandlerState state : kStates) {
    if (word == to_string(state)) {
      return state;
    }
  }
  return HandlerState::unknown;
}

}  // namespace

const char* to_string(HandlerState state) {
  switch (state) {
    case HandlerState::enabled:
      return "Enabled";
    case HandlerState::installed:
      return "Installed";
    case HandlerState::not_installed:
      return "NotInstalled";
    case HandlerState::failed_upgrade:
      return "FailedUpgrade";
    case HandlerState::unknown:
      break;
  }
  return "unknown";
}

Result<std::optional<Extension>> find_extension(const std::filesystem::path& root) {
  UniqueFd descriptor(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor) {
    const int err = errno;
    return err == ENOENT ? Result<std::optional<Extension>>(std::nullopt)
                         : Error::from_errno(err, "open the Azure agent's directory '" + root.string() + "'");
  }
  const std::unique_ptr<DIR, DirectoryDeleter> directory(::fdopendir(::dup(descriptor.get())));
  std::string newest;
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (name.starts_with(kPrefix) &&
        (newest.empty() || numbers_of(newest) < numbers_of(name.substr(kPrefix.size())))) {
      newest = name.substr(kPrefix.size());
    }
  }
  if (newest.empty()) {
    return std::optional<Extension>();
  }
  const HandlerState state = read_state(descriptor, std::string(kPrefix) + newest);
  return std::optional(Extension{.version = newest, .state = state});
}

}  // namespace msi2imds::waagent
