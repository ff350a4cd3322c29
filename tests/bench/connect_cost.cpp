// SPDX-License-Identifier: MIT
// What each backend adds to the time of a loopback connection, and what seeing who dials adds: of those that
// are redirected, and of all others.
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
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/run_to_end.hpp"
#include "kernel/namespace.hpp"
#include "kernel/plan.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "observer/observer.hpp"

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

enum class Observed { no, who_dials, connections_as_well };

// What is installed, and its costs: one value for each round.
struct Row {
  std::shared_ptr<const redirect::Redirector> redirector;
  Observed observed = Observed::no;
  std::string unusable = {};  // why it does not work here
  std::vector<double> direct = {};
  std::vector<double> legacy_ratios = {};
  std::vector<double> unrelated_ratios = {};
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

Result<std::optional<observer::Observer>> observe(Observed what) {
  if (what == Observed::no) {
    return std::optional<observer::Observer>();
  }
  observer::Plan plan;
  plan.legacy_ports = {kPort};
  plan.cgroup = ScratchCgroup::path().empty() ? "/" : ScratchCgroup::path();
  plan.can_note_connections = true;
  Result<observer::Observer> observer = observer::Observer::attach(plan);
  if (!observer) {
    return observer.error();
  }
  if (what == Observed::connections_as_well && !observer->note_connections()) {
    return Error::from_errno(ENOSYS, "note connections");
  }
  return std::optional<observer::Observer>(std::move(*observer));
}

// In a namespace of its own, since iptables leaves chains and connection tracking behind. With `installed`,
// clients dial the legacy port; without, the listener itself, and nothing is installed.
Result<Times> time_half(const Row& row, bool installed) {
  const Result<void> entered = enter_clean_namespace();
  if (!entered) {
    return entered.error();
  }
  const redirect::Plan plan = plan_for(*row.redirector, {kPort}, kListenPort);
  const OpenListeners listeners(*row.redirector, plan);
  const UniqueFd other = listen_on("127.0.0.1", kOtherPort);
  const redirect::Listener& ipv4 = listeners.get().front();
  const Route unrelated{.dialled = SocketAddress::ipv4_loopback(kOtherPort), .listener = other.get()};
  if (!installed) {
    return time_connections({.dialled = ipv4.address, .listener = ipv4.fd}, unrelated);
  }

  const auto redirection = run_to_end(row.redirector->install(plan, listeners.get()));
  if (!redirection) {
    return redirection.error();
  }
  const auto observer = observe(row.observed);
  if (!observer) {
    return observer.error();
  }
  return time_connections({.dialled = SocketAddress::ipv4_loopback(kPort), .listener = ipv4.fd}, unrelated);
}

std::string name_of(const Row& row) {
  std::string name = '`' + std::string(row.redirector->name()) + '`';
  switch (row.observed) {
    case Observed::no:
      return name;
    case Observed::who_dials:
      return name + ", observed";
    case Observed::connections_as_well:
      return name + ", observed, connections noted";
  }
  return name;
}

Result<void> run_round(Row& row, bool installed_first) {
  const Result<Times> first = time_half(row, installed_first);
  if (!first) {
    return first.error().within(name_of(row));
  }
  const Result<Times> second = time_half(row, !installed_first);
  if (!second) {
    return second.error().within(name_of(row));
  }
  const Times& with = installed_first ? *first : *second;
  const Times& without = installed_first ? *second : *first;
  row.direct.push_back(without.legacy);
  row.legacy_ratios.push_back(with.legacy / without.legacy);
  row.unrelated_ratios.push_back(with.unrelated / without.unrelated);
  return {};
}

std::string show(const std::vector<double>& values, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << median(values) << " (" << quantile(values, 0.25)
       << " to " << quantile(values, 0.75) << ')';
  return text.str();
}

void print_table(const std::vector<Row>& rows) {
  utsname kernel{};
  (void)::uname(&kernel);
  std::cout << "Linux " << static_cast<const char*>(kernel.release) << ", " << kRounds << " rounds of "
            << kConnections << " connections of each kind; median of the rounds (p25 to p75)\n\n"
            << "| Backend | Direct, µs | To " << kPort << " / direct | Unrelated / with nothing installed |\n"
            << "|---|---|---|---|\n";
  for (const Row& row : rows) {
    std::cout << "| " << name_of(row) << " | ";
    if (row.unusable.empty()) {
      std::cout << show(row.direct, 1) << " | " << show(row.legacy_ratios, 3) << " | "
                << show(row.unrelated_ratios, 3) << " |\n";
    } else {
      std::cout << "not here: " << row.unusable << " | | |\n";
    }
  }
}

std::vector<Row> rows_to_measure() {
  std::vector<Row> rows;
  std::shared_ptr<const redirect::Redirector> listen;
  for (auto& redirector : redirect::all_redirectors()) {
    Row& row = rows.emplace_back(Row{.redirector = std::move(redirector)});
    const auto probed = run_to_end(row.redirector->probe(plan_for(*row.redirector, {kPort}, kListenPort)));
    row.unusable = probed ? "" : probed.error().message();
    if (row.redirector->name() == "listen") {
      listen = row.redirector;
    }
  }
  // It installs nothing: observed, it shows what that alone takes.
  for (const Observed observed : {Observed::who_dials, Observed::connections_as_well}) {
    Row& row = rows.emplace_back(Row{.redirector = listen, .observed = observed});
    const auto tried = observe(observed);
    row.unusable = tried ? "" : tried.error().message();
  }
  return rows;
}

// The rows take turns as well.
Result<void> measure_and_print() {
  std::vector<Row> rows = rows_to_measure();
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (Row& row : rows) {
      if (!row.unusable.empty()) {
        continue;
      }
      Result<void> done = run_round(row, round % 2 == 0);
      if (!done) {
        return done;
      }
    }
  }
  print_table(rows);
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
