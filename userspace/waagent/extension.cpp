// SPDX-License-Identifier: MIT
#include "waagent/extension.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "waagent/tree.hpp"

namespace msi2imds::waagent {
namespace {

constexpr std::string_view kPrefix = "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-";
constexpr std::size_t kMaxState = 64;
constexpr std::array kStates = {HandlerState::enabled, HandlerState::installed, HandlerState::not_installed,
                                HandlerState::failed_upgrade};

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

// A missing file means that the agent has removed the extension, or has not finished installing it.
HandlerState read_state(const UniqueFd& config, std::vector<std::string>& problems) {
  const Result<std::string> text = read_below(config, "HandlerState", kMaxState);
  if (!text) {
    if (text.error().code() == boost::system::errc::no_such_file_or_directory) {
      return HandlerState::not_installed;
    }
    problems.push_back(text.error().message());
    return HandlerState::unknown;
  }
  const std::string_view word = trim(*text);
  for (const HandlerState state : kStates) {
    if (word == to_string(state)) {
      return state;
    }
  }
  problems.emplace_back("understand 'HandlerState': it holds no state that the agent writes");
  return HandlerState::unknown;
}

Extension read_extension(const UniqueFd& root, const std::string& version) {
  Extension extension{.version = version};
  const UniqueFd folder = open_below(root, std::string(kPrefix) + version, O_DIRECTORY);
  const UniqueFd config = folder ? open_below(folder, "config", O_DIRECTORY) : UniqueFd();
  if (!config) {
    const int err = errno;
    if (err == ENOENT) {
      extension.state = HandlerState::not_installed;
    } else {
      extension.problems.push_back(Error::from_errno(err, "open its configuration").message());
    }
    return extension;
  }
  extension.state = read_state(config, extension.problems);
  Result<std::optional<Settings>> settings = read_settings(config);
  if (settings) {
    extension.settings = std::move(*settings);
  } else {
    extension.problems.push_back(settings.error().message());
  }
  return extension;
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
  const UniqueFd descriptor(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor) {
    const int err = errno;
    return err == ENOENT ? Result<std::optional<Extension>>(std::nullopt)
                         : Error::from_errno(err, "open the Azure agent's directory '" + root.string() + "'");
  }
  std::vector<std::string> versions;
  for (const std::string_view name : names_in(descriptor)) {
    if (name.starts_with(kPrefix) && name.size() > kPrefix.size()) {
      versions.emplace_back(name.substr(kPrefix.size()));
    }
  }
  std::ranges::sort(versions, std::greater(), numbers_of);
  std::optional<Extension> newest;
  for (const std::string& version : versions) {
    Extension extension = read_extension(descriptor, version);
    if (extension.is_installed()) {
      return std::optional(std::move(extension));
    }
    newest = newest ? std::move(newest) : std::optional(std::move(extension));
  }
  return newest;
}

}  // namespace msi2imds::waagent
