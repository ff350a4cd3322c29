// SPDX-License-Identifier: MIT
// What each backend adds to the time of a loopback connection: of those that it redirects, and of all others.
#include <poll.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/run_to_end.hpp"
#include "kernel/namespace.hpp"
#include "kernel/plan.hpp"
#include "kernel/scratch_cgroup.hpp"

namespace msi2imds::kernel {
namespace {

constexpr std::size_t kRounds = 18;
constexpr std::size_t kConnections = 1000;  // of each kind, in each half of a round
constexpr std::uint16_t kListenPort = 342;
constexpr int kPatienceMilliseconds = 1000;

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

// Where a client dials, and the listener at which that arrives.
struct Route {
  SocketAddress dialled;
  int listener = -1;
};

// The median time of a connection, in microseconds.
struct Times {
  double legacy = 0;     // to the legacy port, or straight to our listener
  double unrelated = 0;  // to a port that is none of ours
};

// One value for each round.
struct Costs {
  std::vector<double> direct;
  std::vector<double> legacy_ratios;
  std::vector<double> unrelated_ratios;
  std::string unusable;  // why this backend does not work here
};

double quantile(std::vector<double> values, double fraction) {
  const auto index = std::lround(fraction * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return values[static_cast<std::size_t>(index)];
}

double median(std::vector<double> values) {
  return quantile(std::move(values), 0.5);
}

UniqueFd accept_now(int listener) {
  UniqueFd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!accepted) {  // rare: on its way on another CPU
    pollfd waited{.fd = listener, .events = POLLIN, .revents = 0};
    (void)::poll(&waited, 1, kPatienceMilliseconds);
    accepted.reset(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  }
  return accepted;
}

// connect(), accept() and both close().
Result<double> time_connection(const Route& route) {
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const linger reset{.l_onoff = 1, .l_linger = 0};  // no TIME_WAIT: thousands would slow the later ones down
  if (::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
    return Error::from_errno(errno, "set SO_LINGER");
  }

  const auto began = Clock::now();
  if (::connect(client.get(), route.dialled.get(), route.dialled.size()) != 0) {
    return Error::from_errno(errno, "connect to " + route.dialled.to_string());
  }
  UniqueFd server = accept_now(route.listener);
  if (!server) {
    return Error::from_errno(errno, "accept the connection to " + route.dialled.to_string());
  }
  client.reset();
  server.reset();
  return Microseconds(Clock::now() - began).count();
}

// The kinds take turns, so that whatever else the machine does meets both.
Result<Times> time_connections(const Route& legacy, const Route& unrelated) {
  std::vector<double> legacy_times;
  std::vector<double> unrelated_times;
  for (std::size_t i = 0; i < kConnections; ++i) {
    const Result<double> of_legacy = time_connection(legacy);
    if (!of_legacy) {
      return of_legacy.error();
    }
    const Result<double> of_unrelated = time_connection(unrelated);
    if (!of_unrelated) {
      return of_unrelated.error();
    }
    legacy_times.push_back(*of_legacy);
    unrelated_times.push_back(*of_unrelated);
  }
  return Times{.legacy = median(legacy_times), .unrelated = median(unrelated_times)};
}

// As the service does. A client whose own port is the one it dials would connect to itself.
Result<void> reserve_legacy_port() {
  std::ofstream ports("/proc/sys/net/ipv4/ip_local_reserved_ports");
  ports << kPort << std::flush;
  if (!ports) {
    return Error::from_errno(errno, "reserve the legacy port");
  }
  return {};
}

Result<void> enter_clean_namespace() {
  Result<void> entered = enter_new_network_namespace();
  return entered ? reserve_legacy_port() : entered;
}

// In a namespace of its own, since iptables leaves chains and connection tracking behind. With `installed`,
// clients dial the legacy port; without, the listener itself, and nothing is installed.
Result<Times> time_half(const redirect::Redirector& redirector, bool installed) {
  const Result<void> entered = enter_clean_namespace();
  if (!entered) {
    return entered.error();
  }
  const redirect::Plan plan = plan_for(redirector, {kPort}, kListenPort);
  const OpenListeners listeners(redirector, plan);
  const UniqueFd other = listen_on("127.0.0.1", kOtherPort);
  const redirect::Listener& ipv4 = listeners.get().front();
  const Route unrelated{.dialled = SocketAddress::ipv4_loopback(kOtherPort), .listener = other.get()};
  if (!installed) {
    return time_connections({.dialled = ipv4.address, .listener = ipv4.fd}, unrelated);
  }

  const auto redirection = run_to_end(redirector.install(plan, listeners.get()));
  if (!redirection) {
    return redirection.error();
  }
  return time_connections({.dialled = SocketAddress::ipv4_loopback(kPort), .listener = ipv4.fd}, unrelated);
}

Result<void> run_round(const redirect::Redirector& redirector, bool installed_first, Costs& costs) {
  const Result<Times> first = time_half(redirector, installed_first);
  if (!first) {
    return first.error().within(redirector.name());
  }
  const Result<Times> second = time_half(redirector, !installed_first);
  if (!second) {
    return second.error().within(redirector.name());
  }
  const Times& with = installed_first ? *first : *second;
  const Times& without = installed_first ? *second : *first;
  costs.direct.push_back(without.legacy);
  costs.legacy_ratios.push_back(with.legacy / without.legacy);
  costs.unrelated_ratios.push_back(with.unrelated / without.unrelated);
  return {};
}

std::string show(const std::vector<double>& values, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << median(values) << " (" << quantile(values, 0.25)
       << " to " << quantile(values, 0.75) << ')';
  return text.str();
}

void print_table(const std::vector<std::string>& order, std::map<std::string, Costs>& all) {
  utsname kernel{};
  (void)::uname(&kernel);
  std::cout << "Linux " << static_cast<const char*>(kernel.release) << ", " << kRounds << " rounds of "
            << kConnections << " connections of each kind; median of the rounds (p25 to p75)\n\n"
            << "| Backend | Direct, µs | To " << kPort << " / direct | Unrelated / with nothing installed |\n"
            << "|---|---|---|---|\n";
  for (const std::string& name : order) {
    const Costs& costs = all[name];
    std::cout << "| `" << name << "` | ";
    if (costs.unusable.empty()) {
      std::cout << show(costs.direct, 1) << " | " << show(costs.legacy_ratios, 3) << " | "
                << show(costs.unrelated_ratios, 3) << " |\n";
    } else {
      std::cout << "not here: " << costs.unusable << " | | |\n";
    }
  }
}

// The backends take turns as well.
Result<void> measure_and_print() {
  std::map<std::string, Costs> all;
  std::vector<std::string> order;
  const auto redirectors = redirect::all_redirectors();
  for (const auto& redirector : redirectors) {
    const std::string& name = order.emplace_back(redirector->name());
    const Result<void> probed = run_to_end(redirector->probe(plan_for(*redirector, {kPort}, kListenPort)));
    if (!probed) {
      all[name].unusable = probed.error().message();
    }
  }
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (const auto& redirector : redirectors) {
      Costs& costs = all[std::string(redirector->name())];
      if (!costs.unusable.empty()) {
        continue;
      }
      Result<void> done = run_round(*redirector, round % 2 == 0, costs);
      if (!done) {
        return done;
      }
    }
  }
  print_table(order, all);
  return {};
}

}  // namespace
}  // namespace msi2imds::kernel

int main() {
  // Before anything is probed.
  const auto entered = msi2imds::kernel::enter_new_network_namespace();
  const msi2imds::kernel::ScratchCgroup cgroup;
  const auto measured = entered ? msi2imds::kernel::measure_and_print() : entered;
  if (!measured) {
    std::cerr << "connect_cost: " << measured.error().message() << '\n';
    return 1;
  }
  return 0;
}
