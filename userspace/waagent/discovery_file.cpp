// SPDX-License-Identifier: MIT
#include "waagent/discovery_file.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/command.hpp"
#include "base/log.hpp"
#include "base/same_file.hpp"
#include "base/text.hpp"
#include "config/endpoint.hpp"
#include "waagent/extension.hpp"
#include "waagent/note.hpp"
#include "waagent/tree.hpp"

namespace msi2imds::waagent {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxFile = 4096;
constexpr const char* kFreshName = ".ManagedIdentity-Settings.msi2imds";
constexpr const char* kFileNote = "discovery-file";
constexpr mode_t kMode = 0644;
constexpr mode_t kAgentDirectoryMode = 0755;

std::string url_file(std::uint16_t port) {
  return R"({"url":"http://localhost:)" + std::to_string(port) + R"("})";
}

// The port of http://HOST:PORT[/...], if HOST is this machine's loopback: whoever is led to another machine
// dials none of our ports.
std::optional<std::uint16_t> loopback_port(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) {
    return std::nullopt;
  }
  const std::string_view authority =
      url.substr(kScheme.size(), url.find('/', kScheme.size()) - kScheme.size());
  const std::size_t colon = std::min(authority.rfind(':'), authority.size());
  const bool is_localhost = equal_ignoring_case(authority.substr(0, colon), "localhost");
  const std::string_view host = is_localhost ? "127.0.0.1" : authority.substr(0, colon);
  const Result<config::Endpoint> endpoint =
      config::parse_endpoint(std::string(kScheme).append(host).append(authority.substr(colon)));
  // Where none is named it would be 80, on which the extension has never been.
  const bool names_port = colon < authority.size() && !authority.ends_with(']');
  const bool leads_here = endpoint && config::is_loopback(*endpoint) && names_port;
  return leads_here ? std::optional(endpoint->port) : std::nullopt;
}

std::optional<std::uint16_t> port_of(const std::string& content) {
  boost::system::error_code ec;
  const json::value document = json::parse(content, ec);
  const json::object* object = ec ? nullptr : document.if_object();
  const json::value* url = object != nullptr ? object->if_contains("url") : nullptr;
  const json::string* text = url != nullptr ? url->if_string() : nullptr;
  return text != nullptr ? loopback_port(*text) : std::nullopt;
}

Error failure(const char* doing, const Places& places) {
  return Error::from_errno(errno, std::string(doing) + " '" + (places.root / kDiscoveryFile).string() + "'");
}

// "INODE\nCONTENT", which a script can compare, too.
std::string note_of(ino_t inode, const std::string& content) {
  return std::to_string(inode) + "\n" + content;
}

// A file that a power failure has left empty is still ours.
bool is_noted(const Places& places, ino_t inode, const std::string& content) {
  const std::string note = read_note(places.state, kFileNote);
  return note == note_of(inode, content) || (content.empty() && note.starts_with(note_of(inode, "")));
}

UniqueFd open_root(const Places& places) {
  return UniqueFd(::open(places.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Writes the file under a temporary name. It is not synced: clients may be waiting for it.
Result<ino_t> prepare(const Places& places, const UniqueFd& root, const std::string& content) {
  (void)::unlinkat(root.get(), kFreshName, 0);  // of one that did not come to its end
  const UniqueFd file(
      ::openat(root.get(), kFreshName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
  struct stat made {};
  // fchmod(), since the umask may have removed bits.
  if (!file || ::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      ::fchmod(file.get(), kMode) != 0 || ::fstat(file.get(), &made) != 0) {
    return failure("make", places);
  }
  return made.st_ino;
}

// The file has both names until it is noted, so that one whose maker was killed in between is known as ours.
Result<void> note_linked(const Places& places, const UniqueFd& root, ino_t inode,
                         const std::string& content) {
  Result<void> noted = write_note(places.state, kFileNote, note_of(inode, content));
  if (noted) {
    (void)::unlinkat(root.get(), kFreshName, 0);
  }
  return noted;
}

bool has_both_names(const UniqueFd& root, const struct stat& found) {
  struct stat fresh {};
  return ::fstatat(root.get(), kFreshName, &fresh, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(fresh, found);
}

// Replaces a file of ours. Clients find the old one meanwhile, so the note may be written first.
Result<void> replace(const Places& places, const UniqueFd& root, ino_t inode, const std::string& content) {
  Result<void> noted = write_note(places.state, kFileNote, note_of(inode, content));
  return !noted || ::renameat(root.get(), kFreshName, root.get(), kDiscoveryFile) == 0
             ? std::move(noted)
             : Result<void>(failure("replace", places));
}

// Makes the file. Unlike a rename, a link does not replace one that somebody else has made meanwhile; then it
// returns false. Nothing slow may come before it, since clients may be looking for the file.
Result<bool> put(const Places& places, const UniqueFd& root) {
  if (::linkat(root.get(), kFreshName, root.get(), kDiscoveryFile, 0) == 0) {
    return true;
  }
  return errno == EEXIST ? Result<bool>(false) : failure("make", places);
}

std::optional<Error> error_of(const Result<void>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

}  // namespace

Result<std::optional<DiscoveryFile>> read_discovery_file(const Places& places) {
  const UniqueFd root = open_root(places);
  struct stat found {};
  if (!root || ::fstatat(root.get(), kDiscoveryFile, &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<std::optional<DiscoveryFile>>(std::nullopt) : failure("look at", places);
  }
  Result<std::string> content = read_below(root, kDiscoveryFile, kMaxFile);
  if (!content) {
    return content.error();
  }
  DiscoveryFile file;
  file.content = std::move(*content);
  file.port = port_of(file.content);
  file.inode = found.st_ino;
  file.is_noted = is_noted(places, file.inode, file.content);
  file.is_ours = file.is_noted || has_both_names(root, found);
  return std::optional(std::move(file));
}

Result<Kept> keep_discovery_file(const Places& places, std::uint16_t port) {
  const std::string content = url_file(port);
  const Result<std::optional<DiscoveryFile>> found = read_discovery_file(places);
  if (!found) {
    return found.error();
  }
  if (*found && !(*found)->is_ours) {
    return Kept();
  }
  Kept kept;
  kept.is_ours = found->has_value();
  if (!*found && ::mkdir(places.root.c_str(), kAgentDirectoryMode) == 0) {
    kept.unlabelled.push_back(places.root);
  }
  const UniqueFd root = open_root(places);
  if (!root) {
    return failure("make", places);
  }
  if (*found && !(*found)->is_noted) {
    kept.not_noted = error_of(note_linked(places, root, (*found)->inode, (*found)->content));
  }
  if (*found && ((*found)->content == content || kept.not_noted)) {  // the second name is not free, either
    return kept;
  }
  const Result<ino_t> inode = prepare(places, root, content);
  if (!inode) {
    (void)::unlinkat(root.get(), kFreshName, 0);
    return inode.error();
  }
  Result<bool> made = false;
  if (*found) {
    const Result<void> replaced = replace(places, root, *inode, content);
    made = replaced ? Result<bool>(true) : replaced.error();
  } else {
    made = put(places, root);
  }
  if (!made || !*made) {
    (void)::unlinkat(root.get(), kFreshName, 0);
  }
  if (!made) {
    return made.error();
  }
  kept.made = *made;
  if (kept.made && !*found) {
    kept.not_noted = error_of(note_linked(places, root, *inode, content));
  }
  if (kept.made) {
    kept.is_ours = true;
    kept.unlabelled.push_back(places.root / kDiscoveryFile);
  }
  return kept;
}

asio::awaitable<void> restore_labels(std::vector<std::filesystem::path> paths) {
  if (paths.empty() || ::access("/sys/fs/selinux/enforce", F_OK) != 0) {
    co_return;
  }
  std::vector<std::string> arguments = {"-F"};
  std::transform(paths.begin(), paths.end(), std::back_inserter(arguments),
                 [](const std::filesystem::path& path) { return path.string(); });
  SystemCommandRunner runner;
  const Result<CommandResult> done = co_await runner.run("restorecon", std::move(arguments), "");
  if (!done || done->exit_status != 0) {
    log::warn("cannot label '{}' for SELinux: {}", paths.back().string(),
              done ? done->error : done.error().message());
  }
}

Result<bool> remove_discovery_file(const Places& places) {
  const Result<std::optional<DiscoveryFile>> found = read_discovery_file(places);
  if (!found) {
    return found.error();
  }
  // The extension writes into the file that it finds, so that its own may look like ours.
  const auto extension = find_extension(places.root);
  const bool is_needed = !extension || (*extension && (*extension)->is_installed());
  const bool is_ours = *found && (*found)->is_ours && !is_needed;
  const UniqueFd root = open_root(places);
  if (is_ours && ::unlinkat(root.get(), kDiscoveryFile, 0) != 0) {
    return failure("remove", places);
  }
  if (is_ours) {
    (void)::unlinkat(root.get(), kFreshName, 0);  // of a file that was not noted yet
  }
  (void)::unlink((places.state / kFileNote).c_str());  // of a file that is not there, or not ours
  return is_ours;
}

Result<UniqueFd> watch_discovery_file(const Places& places) {
  UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  constexpr std::uint32_t kEvents =
      IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (!watch || ::inotify_add_watch(watch.get(), places.root.c_str(), kEvents) < 0) {
    return failure("watch", places);
  }
  return watch;
}

}  // namespace msi2imds::waagent
