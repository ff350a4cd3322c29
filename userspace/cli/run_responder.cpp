// SPDX-License-Identifier: MIT
// The unprivileged process: gives the responder its tokens, from the broker and IMDS.
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "broker/prefetcher.hpp"
#include "broker/token_broker.hpp"
#include "cli/commands.hpp"
#include "cli/settings.hpp"
#include "config/read.hpp"
#include "imds/imds_client.hpp"
#include "responder/process.hpp"
#include "supervisor/descriptor_limit.hpp"

namespace msi2imds::cli {
namespace {

// Sockets to IMDS are the supervisor's to make.
class SupervisedConnector final : public imds::Connector {
 public:
  explicit SupervisedConnector(responder::SupervisorLink& link) : link_(link) {}
  asio::awaitable<Result<UniqueFd>> open() override {
    Result<control::Received> answer = co_await link_.ask(control::Kind::open_upstream);
    if (!answer) {
      co_return answer.error();
    }
    co_return std::move(answer->descriptor);
  }

 private:
  responder::SupervisorLink& link_;
};

class TokensFromImds final : public responder::TokenService {
 public:
  TokensFromImds(asio::io_context& io, responder::SupervisorLink& link)
      : clock_(io),
        connector_(link),
        imds_(io, connector_, {}),
        broker_(io, imds_, clock_, {}),
        prefetcher_(io, broker_, clock_) {}

  [[nodiscard]] token::TokenSource& source() override {
    return broker_;
  }

  [[nodiscard]] Result<responder::Settings> configure(const std::string& toml) override {
    Result<config::Config> config = config::parse(toml, "(from the supervisor)");
    if (!config) {
      return config.error();
    }
    const bool is_same_issuer = config->imds.endpoint.text == config_.imds.endpoint.text;
    config_ = std::move(*config);
    if (!is_same_issuer) {
      (void)broker_.flush({}, {});
    }
    log::start({.level = config_.log.level, .format = config_.log.format}, responder::kProcessName);
    imds_.configure(imds_settings(config_));
    broker_.configure(broker_settings(config_));
    return responder_settings(config_);
  }

  void keep_tokens_in(UniqueFd memory) override {
    broker_.keep_in(std::move(memory), config_.imds.endpoint.text);
  }

  void prefetch(std::vector<token::TokenRequest> requests) override {
    const bool wanted = config_.tokens.cache && config_.tokens.prefetch;
    prefetcher_.prefetch(wanted ? std::move(requests) : std::vector<token::TokenRequest>());
  }

  void end_waits() override {
    broker_.end_waits();
  }

  std::size_t flush(std::string_view resource, std::string_view identity) override {
    return broker_.flush(resource, identity);
  }

  void describe(admin::Status& status) const override {
    const imds::Health& health = imds_.health();
    status.version = MSI2IMDS_VERSION;
    status.legacy_ports = config_.legacy.ports;
    status.cgroups = config_.redirect.cgroups;
    const config::Policy& policy = config_.policy;
    status.policy_mode = policy.mode == config::PolicyMode::enforce ? "enforce" : "audit";
    status.policy_default = policy.default_ == config::PolicyDefault::allow ? "allow" : "deny";
    status.policy_rules = config_.allow.size();
    const token::IdentitySelector& identity = config_.identity.default_;
    if (identity.kind != token::SelectorKind::none) {
      status.default_identity = std::string(token::key_of(identity.kind)) + " " + identity.value;
    }
    status.identity_rules = config_.identity.rules.size();
    status.tokens_cached = broker_.cache().count();
    status.tokens_from_cache = broker_.counters().from_cache;
    status.tokens_joined = broker_.counters().joined;
    status.imds_endpoint = config_.imds.endpoint.text;
    status.imds_requests = health.requests;
    status.imds_failures = health.failures;
    status.imds_last_failure = health.last_failed ? health.last_failure : std::string();
  }

  void measure(metrics::Snapshot& now) const override {
    auto by_status = imds_.health().by_status;
    for (const unsigned status : {0U, 200U, 400U, 404U, 408U, 410U, 429U, 500U, 503U}) {
      by_status.try_emplace(status);  // so that its first increase is one
    }
    for (const auto& [status, count] : by_status) {
      now.upstream_requests.add(count, {{"status", status == 0 ? "error" : std::to_string(status)}});
    }
    now.upstream_durations = imds_.health().durations;
    now.mismatches.add(imds_.health().other_resources_served, {{"outcome", "served"}});
    now.mismatches.add(imds_.health().mix_ups, {{"outcome", "asked_anew"}});
    now.mismatches.add(imds_.health().other_identities_refused, {{"outcome", "refused"}});
    if (const auto ahead = broker_.clocks().ahead(clock_.now())) {
      now.clock_ahead = ahead->count();
    }
    now.quota_waits = broker_.counters().quota_waits;
    now.cached_tokens = broker_.cache().count();
    now.cache_bytes = broker_.cache().bytes();
    now.oldest_token = std::chrono::duration<double>(broker_.cache().oldest(clock_.boot())).count();
  }

 private:
  SystemClock clock_;
  config::Config config_;
  SupervisedConnector connector_;
  imds::ImdsClient imds_;
  broker::TokenBroker broker_;
  broker::Prefetcher prefetcher_;
};

}  // namespace

int run_responder(const ResponderOptions& options) {
  std::optional<UniqueFd> channel = responder::take_channel();
  if (!channel || !options.uid || !options.gid) {
    (void)std::fprintf(stderr, "msi2imds: cannot run the responder: only 'msi2imds run' starts it\n");
    return kUsage;
  }
  const auto make_tokens = [](asio::io_context& io, responder::SupervisorLink& link) {
    supervisor::use_whole_descriptor_limit();  // once confined, it cannot be raised any more
    return std::make_unique<TokensFromImds>(io, link);
  };
  responder::Destiny destiny{
      .uid = *options.uid, .gid = *options.gid, .root = UniqueFd(responder::kEmptyDirectoryFd)};
  return responder::run_process(std::move(*channel), make_tokens, std::move(destiny)) ? kGood : kFailed;
}

}  // namespace msi2imds::cli
