// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/escape.hpp"
#include "base/run_to_end.hpp"
#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "redirect/redirector.hpp"
#include "redirect/saved_rules.hpp"
#include "supervisor/redirect_plan.hpp"
#include "supervisor/reserved_ports.hpp"
#include "supervisor/running_process.hpp"
#include "supervisor/supervisor.hpp"
#include "waagent/discovery_file.hpp"

namespace msi2imds::cli {
namespace {

// Besides what a drain may take: another tool may hold the lock of the rules.
constexpr std::chrono::seconds kEndTime{60};

// Whether somebody listens on our listen port: the service manager, while our service is away.
bool is_listened_on(std::uint16_t port) {
  const SocketAddress address = SocketAddress::ipv4_loopback(port);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;  // or old connections would count
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return ::bind(socket.get(), address.get(), address.size()) != 0 && errno == EADDRINUSE;
}

void print_held(const config::Config& config) {
  if (const auto running = supervisor::RunningProcess::find(config.admin.socket)) {
    fmt::print("left as it is: msi2imds runs (process {}); without --unless-held, detach stops it\n",
               running->pid());
    return;
  }
  fmt::print("left as it is: somebody listens on port {}, where connections wait for the next start\n",
             config.redirect.listen_port);
}

// A running supervisor would put back what is removed here.
bool stop_supervisor(const config::Config& config) {
  const auto running = supervisor::RunningProcess::find(config.admin.socket);
  if (!running) {
    return true;
  }
  fmt::print("stopping msi2imds (process {})\n", running->pid());
  return run_to_end(running->end(supervisor::kStopForGood, config.responder.drain_timeout + kEndTime));
}

// Whoever listens for the next start begins it at the next connection.
void warn_of_listener(std::uint16_t port) {
  if (is_listened_on(port)) {
    fmt::print(
        "somebody still listens on port {}: where that is msi2imds.socket, the next connection to it starts "
        "msi2imds again, unless you run systemctl stop msi2imds.socket msi2imds\n",
        port);
  }
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
    print_held(config);
    return kGood;
  }
  if (!stop_supervisor(config)) {
    fmt::print(stderr, "msi2imds: detach: msi2imds is still running, and would put back what is removed\n");
    return kFailed;
  }
  redirect::Leftovers leftovers =
      run_to_end(redirect::remove_all_leftovers(supervisor::redirect_plan(config)));
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
  for (const std::string& saved : redirect::files_with_our_rules()) {
    fmt::print(
        "take our rules out of {}, where they were saved: loaded again, they would lead callers to nobody\n",
        escape::control_characters(saved));
  }
  for (const std::string& failure : leftovers.failures) {
    fmt::print(stderr, "msi2imds: detach: {}\n", failure);
  }
  if (leftovers.removed.empty() && leftovers.failures.empty()) {
    fmt::print("nothing of msi2imds is left in the kernel\n");
  }
  warn_of_listener(config.redirect.listen_port);
  return leftovers.failures.empty() ? kGood : kFailed;
}

}  // namespace msi2imds::cli
