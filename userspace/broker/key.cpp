// SPDX-License-Identifier: MIT
#include "broker/key.hpp"

#include <cstdint>

#include "base/text.hpp"

namespace msi2imds::broker {
namespace {

// FNV-1a, since std::hash cannot fold case without a copy.
class Hash {
 public:
  void add(char c) {
    value_ = (value_ ^ static_cast<unsigned char>(c)) * kPrime;
  }
  [[nodiscard]] std::uint64_t value() const {
    return value_;
  }

 private:
  static constexpr std::uint64_t kPrime = 0x100000001b3;
  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

bool operator==(const Key& a, const Key& b) {
  return a.kind == b.kind && a.bypass == b.bypass && a.resource == b.resource &&
         equal_ignoring_case(a.identity, b.identity);
}

Key key_of(const token::TokenRequest& request) {
  return {.resource = request.resource,
          .kind = request.identity.kind,
          .identity = request.identity.value,
          .bypass = request.bypass_cache};
}

bool is_named(const token::TokenRequest& request, std::string_view resource, std::string_view identity) {
  return (resource.empty() || request.resource == resource) &&
         (identity.empty() || equal_ignoring_case(request.identity.value, identity));
}

std::size_t KeyHash::operator()(const Key& key) const {
  Hash hash;
  for (const char c : key.resource) {
    hash.add(c);
  }
  hash.add(static_cast<char>(key.kind));
  for (const char c : key.identity) {
    hash.add(to_lower(c));
  }
  return hash.value();
}

}  // namespace msi2imds::broker
