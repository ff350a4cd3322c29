// SPDX-License-Identifier: MIT
#include "config/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace msi2imds::config {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::uint16_t kHttpPort = 80;

Error wrong(std::string what) {
  return {{}, std::move(what)};
}

// The address in its one spelling, or nothing when `text` is not an address of that family.
std::optional<std::string> normalize(int family, std::string_view text) {
  in6_addr bytes{};  // large enough for both families
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (text.find('\0') != std::string_view::npos ||
      ::inet_pton(family, std::string(text).c_str(), &bytes) != 1 ||
      ::inet_ntop(family, &bytes, out.data(), out.size()) == nullptr) {
    return std::nullopt;
  }
  return std::string(out.data());
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = parse_number<std::uint16_t>(text);
  return port != 0 ? port : std::nullopt;
}

// Splits ADDRESS[:PORT] behind the address; brackets keep the colons of an IPv6 address out of the way.
std::size_t address_length(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto bracket = authority.find(']');
    return bracket == std::string_view::npos ? authority.size() : bracket + 1;
  }
  return std::min(authority.find(':'), authority.size());
}

std::optional<std::string> read_address(std::string_view text, bool v6) {
  if (!v6) {
    return normalize(AF_INET, text);
  }
  if (!text.ends_with(']')) {
    return std::nullopt;
  }
  return normalize(AF_INET6, text.substr(1, text.size() - 2));
}

bool is_loopback_v4(const unsigned char* bytes) {
  constexpr std::array<unsigned char, 4> kAny{};
  return bytes[0] == 127 || std::memcmp(bytes, kAny.data(), kAny.size()) == 0;
}

}  // namespace

bool is_loopback(const Endpoint& endpoint) {
  if (!endpoint.v6) {
    in_addr bytes{};
    (void)::inet_pton(AF_INET, endpoint.address.c_str(), &bytes);  // parse_endpoint wrote it
    std::array<unsigned char, sizeof bytes> octets{};
    std::memcpy(octets.data(), &bytes, octets.size());
    return is_loopback_v4(octets.data());
  }
  in6_addr bytes{};
  (void)::inet_pton(AF_INET6, endpoint.address.c_str(), &bytes);
  return IN6_IS_ADDR_LOOPBACK(&bytes) || IN6_IS_ADDR_UNSPECIFIED(&bytes) ||
         (IN6_IS_ADDR_V4MAPPED(&bytes) && is_loopback_v4(&bytes.s6_addr[12]));
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (!text.starts_with(kScheme)) {
    return wrong("does not start with http://");
  }
  std::string_view authority = text.substr(kScheme.size());
  if (authority.find_first_of("?#") != std::string_view::npos) {
    return wrong("has a query or a fragment");
  }
  if (authority.ends_with('/')) {
    authority.remove_suffix(1);
  }
  if (authority.find('/') != std::string_view::npos) {
    return wrong("has a path");
  }
  if (authority.find('@') != std::string_view::npos) {
    return wrong("has user information");
  }

  const std::size_t length = address_length(authority);
  const std::string_view rest = authority.substr(length);
  Endpoint endpoint;
  endpoint.text = text;
  endpoint.v6 = authority.starts_with('[');
  const auto address = read_address(authority.substr(0, length), endpoint.v6);
  if (!address) {
    return wrong("has no literal IPv4 or [IPv6] address");
  }
  endpoint.address = *address;

  const auto port = rest.empty()            ? std::optional(kHttpPort)
                    : rest.starts_with(':') ? parse_port(rest.substr(1))
                                            : std::nullopt;
  if (!port) {
    return wrong("has no port from 1 to 65535 after its address");
  }
  endpoint.port = *port;
  return endpoint;
}

}  // namespace msi2imds::config
