// SPDX-License-Identifier: MIT
#include "doctor/direct.hpp"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/run_to_end.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "config/closure.hpp"
#include "config/warnings.hpp"
#include "redirect/barrier.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kDirectCheck = "direct";
constexpr int kConnectPatience = 2000;  // ms

// errno of connect(), or 0.
int try_to_connect(const SocketAddress& address) {
  const UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), address.get(), address.size()) == 0) {
    return 0;
  }
  if (errno != EINPROGRESS) {
    return errno;
  }
  pollfd connecting{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&connecting, 1, kConnectPatience) <= 0) {
    return ETIMEDOUT;
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  return failure;
}

// errno of that user's connect(), or 0; -1 where nobody could try.
int connect_as(uid_t uid, const SocketAddress& address) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool changed = ::setgroups(0, nullptr) == 0 && ::setgid(uid) == 0 && ::setuid(uid) == 0;
    ::_exit(changed ? try_to_connect(address) : 255);
  }
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

// A user whom no rule names.
uid_t some_refused_user(const config::Config& config) {
  const std::vector<std::uint32_t> let_through = config::users_let_through(config);
  uid_t uid = 65534;
  while (std::ranges::binary_search(let_through, uid)) {
    --uid;
  }
  return uid;
}

Finding try_as_refused(const Host& host) {
  const config::Endpoint& endpoint = host.config.imds.endpoint;
  const auto address = SocketAddress::parse(endpoint.address, endpoint.port);
  const uid_t uid = some_refused_user(host.config);
  const int failure = address ? connect_as(uid, *address) : -1;
  if (failure < 0) {
    return not_seen(host, kDirectCheck, "Whether IMDS itself is closed to refused callers was not tried.",
                    "Run doctor where it may change to another user.");
  }
  const std::string what = "uid " + std::to_string(uid) + ", whom no rule names, ";
  if (failure == 0) {
    return error(kDirectCheck,
                 "policy.close_imds is set, but " + what + "can connect to " + endpoint.text + ".",
                 "See msi2imds status.");
  }
  return ok(kDirectCheck, "IMDS itself is closed to refused callers: " + what + "gets \"" +
                              std::strerror(failure) + "\" from " + endpoint.text + ".");
}

void add_leftovers(const Host& host, Findings& findings) {
  const auto left = run_to_end(redirect::find_barriers(host.config.redirect.pin_directory));
  if (!left) {
    findings.push_back(
        ok(kDirectCheck, "Whether an earlier msi2imds has left IMDS closed is not known: cannot " +
                             left.error().message() + "."));
    return;
  }
  for (const std::string& name : *left) {
    findings.push_back(warning(
        kDirectCheck, "msi2imds does not run, but what it has left keeps users from IMDS (" + name + ").",
        "Run msi2imds detach, or start msi2imds."));
  }
}

}  // namespace

Findings check_direct(const Host& host, bool imds_answers) {
  Findings findings;
  if (host.is_running == false && host.is_root) {
    add_leftovers(host, findings);
  }
  if (const auto around = config::way_around(host.config)) {
    findings.push_back(warning(
        kDirectCheck, "Whoever is refused can still ask " + host.config.imds.endpoint.text + " itself.",
        "Set policy.close_imds = true to close it to users whom no rule names."));
  }
  if (config::closes_imds(host.config) && host.is_running == false) {
    findings.push_back(
        ok(kDirectCheck, "IMDS itself will be closed to refused callers while msi2imds runs."));
  } else if (config::closes_imds(host.config) && !host.config.redirect.cgroups.empty()) {
    findings.push_back(
        ok(kDirectCheck,
           "IMDS itself is to be closed to refused callers in redirect.cgroups alone; msi2imds "
           "status says whether it is."));
  } else if (config::closes_imds(host.config) && imds_answers) {
    findings.push_back(try_as_refused(host));
  }
  return findings;
}

}  // namespace msi2imds::doctor
