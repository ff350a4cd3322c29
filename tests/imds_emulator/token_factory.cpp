// SPDX-License-Identifier: MIT
#include "imds_emulator/token_factory.hpp"

#include <algorithm>
#include <random>

#include "base/json.hpp"
#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

constexpr std::chrono::minutes kClockSkew{5};  // nbf lies that far back
constexpr std::size_t kSignatureLength = 342;  // of RS256
constexpr std::string_view kHeader = R"({"typ":"JWT","alg":"RS256","x5t":"ZW11bGF0b3I","kid":"ZW11bGF0b3I"})";

std::string seconds(std::chrono::sys_seconds time) {
  return std::to_string(time.time_since_epoch().count());
}

std::string claims(const Identity& identity, std::string_view resource, const IssuedToken& token,
                   std::string_view uti) {
  const std::string tenant(kTenantId);
  const std::string issuer = json_string("https://sts.windows.net/" + tenant + "/");
  const std::string mirid = identity.msi_res_id.empty() ? vm_resource_id() : identity.msi_res_id;
  std::string out = R"({"aud":)" + json_string(resource);
  out += R"(,"iss":)" + issuer + R"(,"iat":)" + seconds(token.not_before) + R"(,"nbf":)" +
         seconds(token.not_before);
  out += R"(,"exp":)" + seconds(token.expires_on) + R"(,"appid":)" + json_string(identity.client_id);
  out += R"(,"appidacr":"2","idp":)" + issuer + R"(,"idtyp":"app","oid":)" + json_string(identity.object_id);
  out += R"(,"sub":)" + json_string(identity.object_id) + R"(,"tid":)" + json_string(tenant) + R"(,"uti":)" +
         json_string(uti);
  out += R"(,"ver":"1.0","xms_mirid":)" + json_string(mirid) + "}";
  return out;
}

std::string random_looking_digits(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes;
  while (bytes.size() * 4 / 3 < count) {
    for (std::uint64_t word = random(), i = 0; i < sizeof word; ++i, word >>= 8U) {
      bytes += static_cast<char>(word & 0xffU);
    }
  }
  return base64url(bytes).substr(0, count);
}

}  // namespace

TokenFactory::TokenFactory(const TokenOptions& options)
    : options_(options),
      run_((static_cast<std::uint64_t>(std::random_device()()) << 32U) | std::random_device()()) {}

bool TokenFactory::is_still_good(const IssuedToken& token, std::chrono::sys_seconds now) const {
  const auto margin = std::min<std::chrono::seconds>(kClockSkew, options_.lifetime / 5);
  return !options_.fresh && token.expires_on - now > margin;
}

const IssuedToken& TokenFactory::token_for(const Identity& identity, std::string_view resource,
                                           bool bypass_cache, std::chrono::sys_seconds now) {
  key_.assign(identity.client_id).append(" ").append(resource);
  const auto cached = cache_.find(key_);
  if (cached == cache_.end()) {
    return cache_.emplace(key_, issue(identity, resource, now)).first->second;
  }
  if (bypass_cache || !is_still_good(cached->second, now)) {
    cached->second = issue(identity, resource, now);
  }
  return cached->second;
}

IssuedToken TokenFactory::issue(const Identity& identity, std::string_view resource,
                                std::chrono::sys_seconds now) {
  IssuedToken token{
      .access_token = {}, .not_before = now - kClockSkew, .expires_on = now + options_.lifetime};
  const std::uint64_t serial = run_ + ++issued_;
  const std::string uti = random_looking_digits(22, serial);

  std::string& text = token.access_token;
  text = base64url(kHeader) + "." + base64url(claims(identity, resource, token, uti)) + ".";
  std::size_t signature = kSignatureLength;
  if (options_.size > text.size() + signature) {
    signature = options_.size - text.size();
  }
  text += kTokenMarker;
  text += random_looking_digits(signature - kTokenMarker.size(), ~serial);
  return token;
}

}  // namespace msi2imds::emulator
