// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "responder/token_service.hpp"
#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {

// Hands out what a FakeTokenSource has.
class FakeTokenService final : public TokenService {
 public:
  explicit FakeTokenService(FakeTokenSource& source) : source_(source) {}

  token::TokenSource& source() override {
    return source_;
  }
  Result<Settings> configure(const std::string& /*toml*/) override {
    return Settings();
  }
  void keep_tokens_in(UniqueFd /*memory*/) override {}
  void prefetch(std::vector<token::TokenRequest> requests) override {
    ++prefetches;
    EXPECT_TRUE(requests.empty()) << "nobody has got a token here";
  }
  void end_waits() override {
    waits_ended = true;
    source_.reply = token::cut_short();
    source_.let_go();
  }
  std::size_t flush(std::string_view /*resource*/, std::string_view /*identity*/) override {
    return 0;
  }
  void describe(admin::Status& /*status*/) const override {}
  void measure(metrics::Snapshot& /*now*/) const override {}

  int prefetches = 0;
  bool waits_ended = false;

 private:
  FakeTokenSource& source_;
};

}  // namespace msi2imds::responder
