// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string_view>
#include <thread>

#include "admin/client.hpp"
#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "redirect/redirector.hpp"
#include "supervisor/redirect_plan.hpp"
#include "supervisor/reserved_ports.hpp"
#include "supervisor/supervisor.hpp"
#include "waagent/discovery_file.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::chrono::seconds kEndTime{15};  // besides what a drain may take
constexpr std::chrono::milliseconds kLookAgain{20};

// Whether somebody listens on our listen port: the service manager, while our service is away.
bool is_listened_on(std::uint16_t port) {
  const SocketAddress address = SocketAddress::ipv4_loopback(port);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;  // or old connections would count
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return ::bind(socket.get(), address.get(), address.size()) != 0 && errno == EADDRINUSE;
}

// Not one that has ended and whose parent has not heard of it yet. "PID (NAME) STATE ..." (proc(5)).
bool is_running(const UniqueFd& process) {
  const UniqueFd stat(::openat(process.get(), "stat", O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const ssize_t size = stat ? ::read(stat.get(), text.data(), text.size()) : -1;
  if (size <= 0) {
    return false;
  }
  const std::string_view line(text.data(), static_cast<std::size_t>(size));
  const std::size_t state = line.rfind(") ") + 2;
  return state < line.size() && line[state] != 'Z' && line[state] != 'X';
}

// A running supervisor would put back what is removed here. Its number cannot be taken by another process
// unnoticed: its directory in /proc stays open meanwhile.
bool stop_supervisor(const config::Config& config) {
  const Result<pid_t> supervisor = admin::server_process(config.admin.socket);
  if (!supervisor) {
    return true;  // nobody runs
  }
  const std::string directory = "/proc/" + std::to_string(*supervisor);
  const UniqueFd process(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!process || ::kill(*supervisor, supervisor::kStopForGood) != 0) {
    return !process || errno == ESRCH;
  }
  fmt::print("stopping msi2imds (process {})\n", *supervisor);
  const auto deadline = std::chrono::steady_clock::now() + config.responder.drain_timeout + kEndTime;
  while (is_running(process) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kLookAgain);
  }
  return !is_running(process);
}

void take_back_discovery_file(const config::Config& config, redirect::Leftovers& leftovers) {
  const waagent::Places places = waagent::places_of(config);
  const Result<bool> removed = waagent::remove_discovery_file(places);
  if (!removed) {
    leftovers.failures.push_back(removed.error().message());
  } else if (*removed) {
    leftovers.removed.push_back((places.root / waagent::kDiscoveryFile).string());
  }
}

}  // namespace

int detach(const ConfigFile& file, const DetachOptions& options) {
  const Result<config::Config> loaded = file.load();
  if (!loaded) {  // what is in the kernel has to go all the same
    fmt::print(stderr, "msi2imds: detach with the default configuration:\n{}\n", loaded.error().message());
  }
  const config::Config config = loaded ? *loaded : config::Config();
  if (::geteuid() != 0) {
    fmt::print(stderr, "msi2imds: detach needs root: it removes programs and rules from the kernel\n");
    return kFailed;
  }
  if (options.unless_held && is_listened_on(config.redirect.listen_port)) {
    fmt::print("left as it is: somebody listens on port {}, where connections wait for the next start\n",
               config.redirect.listen_port);
    return kGood;
  }
  if (!stop_supervisor(config)) {
    fmt::print(stderr, "msi2imds: detach: msi2imds is still running, and would put back what is removed\n");
    return kFailed;
  }
  redirect::Leftovers leftovers = redirect::remove_all_leftovers(supervisor::redirect_plan(config));
  const Result<bool> ports = supervisor::ReservedPorts::take_back(supervisor::reserved_ports_note(config));
  if (!ports) {
    leftovers.failures.push_back(ports.error().message());
  } else if (*ports) {
    leftovers.removed.emplace_back("the reservation of the legacy ports");
  }
  if (options.purge) {
    take_back_discovery_file(config, leftovers);
  }
  for (const std::string& removed : leftovers.removed) {
    fmt::print("removed {}\n", removed);
  }
  for (const std::string& failure : leftovers.failures) {
    fmt::print(stderr, "msi2imds: detach: {}\n", failure);
  }
  if (leftovers.removed.empty() && leftovers.failures.empty()) {
    fmt::print("nothing of msi2imds is left in the kernel\n");
  }
  return leftovers.failures.empty() ? kGood : kFailed;
}

}  // namespace msi2imds::cli
