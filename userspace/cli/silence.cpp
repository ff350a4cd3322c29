// SPDX-License-Identifier: MIT
#include "cli/silence.hpp"

#include <fmt/core.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "supervisor/running_process.hpp"

namespace msi2imds::cli {
namespace {

namespace fs = std::filesystem;

fs::path directory_of(pid_t pid) {
  return fs::path("/proc") / std::to_string(pid);
}

std::vector<pid_t> with_children(pid_t pid) {
  std::vector<pid_t> all{pid};
  std::ifstream children(directory_of(pid) / "task" / std::to_string(pid) / "children");
  for (pid_t child = 0; children >> child;) {
    all.push_back(child);
  }
  return all;
}

// Nothing where the process may have as many as it likes, or is out of our sight.
std::optional<unsigned> descriptor_limit(pid_t pid) {
  constexpr std::string_view kName = "Max open files";
  std::ifstream limits(directory_of(pid) / "limits");
  for (std::string line; std::getline(limits, line);) {
    unsigned limit = 0;
    if (line.starts_with(kName) && std::istringstream(line.substr(kName.size())) >> limit) {
      return limit;
    }
  }
  return std::nullopt;
}

// The kernel gives only numbers below the limit.
bool has_free_descriptor(pid_t pid, unsigned limit) {
  unsigned taken = 0;
  std::error_code ec;
  fs::directory_iterator entry(directory_of(pid) / "fd", ec);
  for (; !ec && entry != fs::directory_iterator();
       entry.increment(ec)) {  // ++ throws where it ends meanwhile
    taken += std::stoul(entry->path().filename()) < limit ? 1 : 0;
  }
  return ec || taken < limit;
}

// Of msi2imds and its children; empty: none lacks them.
std::string who_lacks_descriptors(const std::string& admin_socket) {
  const auto running = supervisor::RunningProcess::find(admin_socket);
  for (const pid_t pid : running ? with_children(running->pid()) : std::vector<pid_t>()) {
    const auto limit = descriptor_limit(pid);
    if (limit && !has_free_descriptor(pid, *limit)) {
      return fmt::format("; its process {} has all {} descriptors that its limit allows (prlimit --nofile)",
                         pid, *limit);
    }
  }
  return "";
}

// To a question that it does not pass on to the supervisor.
bool does_responder_answer(const std::string& admin_socket) {
  constexpr std::chrono::milliseconds kPatience{1000};
  return admin::get(admin_socket, std::string(admin::kArrivedTarget) + "127.0.0.1:1", kPatience).has_value();
}

}  // namespace

bool is_forbidden(const Error& error) {
  return error.code() == boost::system::errc::permission_denied ||
         error.code() == boost::system::errc::operation_not_permitted;
}

bool nobody_listens(const Error& error) {
  return error.code() == boost::system::errc::no_such_file_or_directory ||
         error.code() == boost::system::errc::connection_refused;
}

std::string with_advice(const Error& error) {
  return error.message() + (is_forbidden(error) ? "; use sudo, or be in the responder's group" : "");
}

std::string explain_silence(const Error& error, const std::string& admin_socket) {
  if (nobody_listens(error)) {
    return "msi2imds is not running (cannot " + error.message() + ")";
  }
  if (is_forbidden(error)) {
    return "cannot " + with_advice(error);
  }
  if (does_responder_answer(admin_socket)) {
    return "msi2imds runs, but its supervisor does not answer its responder";
  }
  return "msi2imds runs, but its responder does not answer (cannot " + error.message() + ")" +
         who_lacks_descriptors(admin_socket);
}

}  // namespace msi2imds::cli
