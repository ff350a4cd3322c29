// SPDX-License-Identifier: MIT
#include "broker/token_record.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>

#include "base/json.hpp"

namespace msi2imds::broker {
namespace {

enum Text : std::uint8_t {
  kResource,
  kIdentity,
  kAccessToken,
  kTokenType,
  kTokenResource,
  kClientId,
  kTexts
};

// The texts follow, one behind the other.
struct Head {
  std::int64_t stated = 0;
  std::int64_t asked = 0;
  std::int64_t length = 0;
  std::int64_t received = 0;
  std::int64_t not_before = 0;
  std::int64_t expires_on = 0;
  std::int64_t expires_in = 0;
  std::array<std::uint32_t, kTexts> sizes{};
  std::uint8_t believes_wall = 0;
  std::uint8_t has_expires_in = 0;
  std::uint8_t kind = 0;
  std::array<std::uint8_t, 5> reserved{};
};
static_assert(std::has_unique_object_representations_v<Head>, "no byte of it is left to chance");

std::array<std::string_view, kTexts> texts_of(const TokenRecord& record) {
  const token::Token& token = *record.living.token;
  return {record.request.resource, record.request.identity.value,
          token.access_token,      token.token_type,
          token.resource,          token.client_id};
}

bool is_time(std::int64_t time) {
  return time >= 0 && time <= token::kLastSecond;
}

bool is_sensible(const Head& head, std::size_t bytes) {
  const std::uint64_t texts = std::accumulate(head.sizes.begin(), head.sizes.end(), std::uint64_t{0});
  const bool names_identity = head.kind != static_cast<std::uint8_t>(token::SelectorKind::none);
  return texts == bytes - sizeof head &&
         head.kind <= static_cast<std::uint8_t>(token::SelectorKind::resource_id) &&
         head.believes_wall <= 1 && head.has_expires_in <= 1 &&
         names_identity == (head.sizes[kIdentity] != 0) && head.sizes[kAccessToken] != 0 &&
         is_time(head.stated) && is_time(head.not_before) && is_time(head.expires_on) && head.received >= 0;
}

}  // namespace

SecretString encode(const TokenRecord& record) {
  const Life::Record life = record.living.life.record();
  const token::Token& token = *record.living.token;
  Head head;
  head.stated = life.stated;
  head.asked = life.asked;
  head.length = life.length;
  head.believes_wall = life.believes_wall ? 1 : 0;
  head.received = record.received.time_since_epoch().count();
  head.not_before = token.not_before;
  head.expires_on = token.expires_on;
  head.expires_in = token.expires_in.value_or(0);
  head.has_expires_in = token.expires_in ? 1 : 0;
  head.kind = static_cast<std::uint8_t>(record.request.identity.kind);
  const auto texts = texts_of(record);
  std::size_t size = sizeof head;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    head.sizes[i] = static_cast<std::uint32_t>(texts[i].size());
    size += texts[i].size();
  }
  SecretString bytes;
  bytes.reserve(size);
  bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
  for (const std::string_view text : texts) {
    bytes.append(text);
  }
  return bytes;
}

std::optional<TokenRecord> decode(std::string_view bytes, const Moment& now) {
  Head head;
  if (bytes.size() < sizeof head) {
    return std::nullopt;
  }
  std::memcpy(&head, bytes.data(), sizeof head);
  const std::optional<Life> life = Life::from({.stated = head.stated,
                                               .asked = head.asked,
                                               .length = head.length,
                                               .believes_wall = head.believes_wall != 0},
                                              now);
  const BootTime received{std::chrono::nanoseconds(head.received)};
  if (!is_sensible(head, bytes.size()) || !life || life->left(now) <= std::chrono::nanoseconds(0) ||
      received > now.boot) {
    return std::nullopt;
  }
  bytes.remove_prefix(sizeof head);
  std::array<std::string_view, kTexts> texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i] = bytes.substr(0, head.sizes[i]);
    bytes.remove_prefix(head.sizes[i]);
  }
  auto token = std::make_shared<token::Token>();
  token->access_token = texts[kAccessToken];
  token->is_plain = is_plain_in_json(texts[kAccessToken]);
  token->token_type = texts[kTokenType];
  token->resource = texts[kTokenResource];
  token->client_id = texts[kClientId];
  token->not_before = head.not_before;
  token->expires_on = head.expires_on;
  if (head.has_expires_in != 0) {
    token->expires_in = head.expires_in;
  }
  token::TokenRequest request;
  request.resource = texts[kResource];
  request.identity = {static_cast<token::SelectorKind>(head.kind), std::string(texts[kIdentity])};
  return TokenRecord{.request = std::move(request),
                     .living = {.token = std::move(token), .life = *life},
                     .received = received};
}

}  // namespace msi2imds::broker
