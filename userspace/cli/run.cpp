// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <utility>

#include "accounts/getent.hpp"
#include "base/log.hpp"
#include "base/run_to_end.hpp"
#include "base/spawn.hpp"
#include "cli/commands.hpp"
#include "redirect/redirector.hpp"
#include "supervisor/precedence.hpp"
#include "supervisor/redirect_plan.hpp"
#include "supervisor/service_manager.hpp"
#include "supervisor/supervisor.hpp"
#include "waagent/ports.hpp"

namespace msi2imds::cli {
namespace {

// The service manager may hold the sockets into which an earlier process of ours redirected connections: with
// nobody to serve them, they must not wait there.
void let_connections_through() {
  if (!supervisor::take_inherited_descriptors().empty()) {
    (void)run_to_end(redirect::remove_all_leftovers(supervisor::redirect_plan({})));
  }
}

// The ports that the extension uses are known by it, its files and our note, and noted while they are there.
void settle_legacy_ports(config::Config& config) {
  const std::vector<std::string> told = waagent::settle_ports(config);
  for (const std::string& line : told) {
    log::info("{}", line);
  }
  if (told.empty()) {
    return;
  }
  const Result<void> noted = waagent::note_ports(waagent::places_of(config), config.legacy.ports);
  if (!noted) {
    log::warn("cannot {}", noted.error().message());
  }
}

// To systemd, a unit whose work is done by another has not failed.
int step_aside(const supervisor::Obstacle& obstacle) {
  if (!obstacle.records_callers) {
    log::error("cannot observe: {}", obstacle.what);
    return kUsage;
  }
  log::info("step aside, since there is nothing to observe: {}", obstacle.what);
  supervisor::ServiceManager().notify("READY=1");
  return kGood;
}

constexpr std::chrono::seconds kAskNamesAgain{30};

// A directory service may begin after us, or be slow: callers who need none of its names are not to wait.
// Whoever edits the configuration meanwhile says himself when it is to be read.
asio::awaitable<void> ask_for_names_again(asio::io_context& io, const ConfigFile& file,
                                          const std::size_t& read) {
  asio::steady_timer timer(io);
  bool told = false;
  while (true) {
    timer.expires_after(kAskNamesAgain);
    (void)co_await timer.async_wait(kAsTuple);
    if (!accounts::is_a_name_missing()) {
      co_return;
    }
    if (file.fingerprint() == read) {
      (void)std::raise(SIGHUP);  // a reload as anybody may ask for: what is in force stays until it is done
    } else if (!std::exchange(told, true)) {
      log::info("getent is not asked again before a reload, since the configuration has been edited");
    }
  }
}

}  // namespace

int run(const ConfigFile& file, const RunOptions& options) {
  std::size_t read = file.fingerprint();  // what the files said when they were read last
  auto config = file.load_or_complain();
  if (!config) {
    let_connections_through();
    return kUsage;
  }
  if (::geteuid() != 0) {
    (void)std::fprintf(stderr,
                       "msi2imds: cannot run: run needs root, to redirect connections and to start the "
                       "responder as user %s\n",
                       config->responder.user.c_str());
    return kFailed;
  }
  log::start({.level = config->log.level, .format = config->log.format}, "msi2imds");
  (void)::signal(SIGCHLD, SIG_DFL);              // ignored, it would keep us from learning how children end
  for (const int signal : {SIGPIPE, SIGUSR1}) {  // to other services, SIGUSR1 says that their log was moved
    (void)::signal(signal, SIG_IGN);
  }

  if (options.observe) {
    if (const auto obstacle = supervisor::find_obstacle_to_observing(config->admin.socket)) {
      return step_aside(*obstacle);
    }
  }
  settle_legacy_ports(*config);

  asio::io_context io(1);
  const auto load = [&file, &read]() -> Result<config::Config> {
    read = file.fingerprint();
    Result<config::Sourced> loaded = file.read();
    if (!loaded) {
      return loaded.error();
    }
    settle_legacy_ports(loaded->config);
    return std::move(loaded->config);
  };
  supervisor::Supervisor supervisor(io, std::move(*config), load, supervisor::take_inherited_descriptors(),
                                    options.observe ? supervisor::Mode::observe : supervisor::Mode::serve);
  int exit_code = kFailed;
  if (accounts::is_a_name_missing()) {
    log::warn(
        "getent has not answered in time: rules with names of which it was asked match nobody, and it is "
        "asked again every {} s",
        kAskNamesAgain.count());
    spawn(io, "ask for names again", ask_for_names_again(io, file, read));
  }
  const auto supervise = [&]() -> asio::awaitable<void> {
    const Result<void> result = co_await supervisor.run();
    if (result) {
      exit_code = kGood;
      log::info("stopped");
    } else {
      log::error("cannot {}", result.error().message());
    }
    io.stop();
  };
  spawn(io, "supervise", supervise());
  return run_event_loop(io) ? exit_code : kFailed;
}

}  // namespace msi2imds::cli
