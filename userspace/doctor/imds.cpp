// SPDX-License-Identifier: MIT
#include "doctor/imds.hpp"

#include <array>
#include <charconv>

#include "config/endpoint.hpp"
#include "imds/upstream_socket.hpp"
#include "netlink/route.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kImdsCheck = "imds";

using netlink::Route;
using netlink::RouteKind;

std::string hexadecimal(std::uint32_t number) {
  std::array<char, 8> digits{};
  const auto [end, ec] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return "0x" + (ec == std::errc() ? std::string(digits.data(), end) : std::string());
}

std::string describe(const Route& route) {
  return (route.device.empty() ? "no device" : route.device) +
         (route.gateway.empty() ? "" : " by way of " + route.gateway);
}

// Only connections with some mark may pass, as systemd-imdsd's locked mode has it.
Finding locked(const Host& host, const SocketAddress& to) {
  const std::uint32_t mark = host.config.imds.mark != 0 ? host.config.imds.mark : imds::kImdsdMark;
  const Result<Route> marked = netlink::find_route(to, mark);
  const std::string text =
      "Unmarked connections to " + to.to_string() + " are prohibited, as by systemd-imdsd's locked mode; ";
  const bool is_open = marked && (marked->kind == RouteKind::unicast || marked->kind == RouteKind::local);
  if (is_open) {
    return ok(kImdsCheck, text + "those of msi2imds pass with the mark " + hexadecimal(mark) + ".");
  }
  return error(kImdsCheck, text + "the mark " + hexadecimal(mark) + " does not pass either.",
               "Set imds.mark to the mark that the routing rule lets pass (ip rule).");
}

Finding judge(const Host& host, const SocketAddress& to, const Route& route) {
  switch (route.kind) {
    case RouteKind::unicast:
      return ok(kImdsCheck, "The route to " + to.to_string() + " is over " + describe(route) + ".");
    case RouteKind::local:
      return config::is_loopback(host.config.imds.endpoint)
                 ? ok(kImdsCheck, to.to_string() + " is on this machine, as configured.")
                 : warning(
                       kImdsCheck,
                       to.to_string() + " is an address of this machine itself (" + describe(route) + ").",
                       "Something on this machine answers in place of IMDS, such as a proxy or a test. Make "
                       "sure that this is intended.");
    case RouteKind::prohibited:
      return locked(host, to);
    case RouteKind::unreachable:
      return error(kImdsCheck, "There is no route to " + to.to_string() + ".",
                   "Azure's DHCP server gives a default route or one to IMDS; look at ip route.");
    case RouteKind::discarded:
      return error(kImdsCheck, "The route to " + to.to_string() + " discards everything (blackhole).",
                   "Remove that route, or its rule (ip route, ip rule).");
    case RouteKind::other:
      break;
  }
  return warning(kImdsCheck, "The route to " + to.to_string() + " is of an unusual kind.",
                 "Look at ip route.");
}

Finding route(const Host& host) {
  const config::Endpoint& endpoint = host.config.imds.endpoint;
  const Result<SocketAddress> to = SocketAddress::parse(endpoint.address, endpoint.port);
  const Result<Route> found =
      to ? netlink::find_route(*to, host.config.imds.mark) : Result<Route>(to.error());
  if (!found) {
    return warning(kImdsCheck, "Cannot find the route to IMDS: " + found.error().message() + ".",
                   "Look at ip route get " + endpoint.address + ".");
  }
  return judge(host, *to, *found);
}

}  // namespace

Findings check_imds(const Host& host, const Result<migration::ReachedImds>& reached) {
  Findings findings{route(host)};
  const std::string& where = host.config.imds.endpoint.text;
  findings.push_back(
      reached ? ok(kImdsCheck, "IMDS answers at " + where + ".")
              : error(kImdsCheck, "IMDS does not answer: " + reached.error().message() + ".",
                      "This has to be an Azure VM, and no firewall, proxy agent or route may stand "
                      "between it and IMDS (imds.endpoint)."));
  if (reached && !reached->instance) {
    findings.push_back(warning(
        kImdsCheck,
        "IMDS does not tell this machine's names: cannot " + reached->instance.error().message() + ".",
        "Tokens do not need them; msi2imds retire does, to print the command that removes the extension. "
        "Try again in a minute."));
  }
  return findings;
}

}  // namespace msi2imds::doctor
