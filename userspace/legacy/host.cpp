// SPDX-License-Identifier: MIT
#include "legacy/host.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/text.hpp"

namespace msi2imds::legacy {
namespace {

// What the distributions write into /etc/hosts for 127.0.0.1 and ::1.
constexpr std::array<std::string_view, 10> kLoopbackNames = {
    "localhost",      "localhost.localdomain",   "localhost4",    "localhost4.localdomain4",
    "localhost6",     "localhost6.localdomain6", "ip6-localhost", "ip6-loopback",
    "ipv6-localhost", "ipv6-loopback",
};

// RFC 3986 lets the digits behind the colon be missing.
bool is_port(std::string_view text) {
  if (text.empty() || text == ":") {
    return true;
  }
  return text.front() == ':' && parse_number<std::uint16_t>(text.substr(1));
}

// The host without port, brackets and the root's dot; nothing if it is not a valid authority.
std::optional<std::string_view> host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto closing = authority.find(']');
    if (closing == std::string_view::npos || !is_port(authority.substr(closing + 1))) {
      return std::nullopt;
    }
    const std::string_view address = authority.substr(1, closing - 1);
    return address.find(':') == std::string_view::npos ? std::nullopt : std::optional(address);
  }
  const auto colon = std::min(authority.find(':'), authority.size());
  if (authority.find(':', colon + 1) != std::string_view::npos) {
    return authority;  // an IPv6 address whose brackets were forgotten
  }
  if (!is_port(authority.substr(colon))) {
    return std::nullopt;
  }
  std::string_view host = authority.substr(0, colon);
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return host;
}

// Who dials 0.0.0.0 reaches the loopback too.
bool is_loopback_v4(std::uint32_t address) {
  return address >> 24U == 127 || address == 0;
}

bool is_loopback_v6(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr_t mapped = 0;
    std::memcpy(&mapped, &address.s6_addr[12], sizeof(mapped));
    return is_loopback_v4(ntohl(mapped));
  }
  return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address);
}

bool is_loopback_address(std::string_view host) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (host.size() >= text.size() || host.find('\0') != std::string_view::npos) {
    return false;
  }
  std::ranges::copy(host, text.begin());
  in_addr v4{};
  if (::inet_pton(AF_INET, text.data(), &v4) == 1) {
    return is_loopback_v4(ntohl(v4.s_addr));
  }
  in6_addr v6{};
  return ::inet_pton(AF_INET6, text.data(), &v6) == 1 && is_loopback_v6(v6);
}

}  // namespace

bool is_allowed_host(std::string_view authority, const std::vector<std::string>& extra_hosts) {
  const std::optional<std::string_view> host = host_of(authority);
  if (!host || host->empty()) {
    return false;
  }
  const auto is_host = [&](std::string_view name) { return equal_ignoring_case(name, *host); };
  const auto is_extra_host = [&](std::string_view extra) { return is_host(host_of(extra).value_or("")); };
  return std::ranges::any_of(kLoopbackNames, is_host) || is_loopback_address(*host) ||
         std::ranges::any_of(extra_hosts, is_extra_host);
}

}  // namespace msi2imds::legacy
