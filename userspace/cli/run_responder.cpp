// SPDX-License-Identifier: MIT
// The unprivileged process: brings together the responder and its way to IMDS.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <ctime>
#include <exception>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"
#include "broker/prefetcher.hpp"
#include "broker/token_broker.hpp"
#include "cli/commands.hpp"
#include "cli/policy.hpp"
#include "config/read.hpp"
#include "imds/imds_client.hpp"
#include "responder/responder.hpp"
#include "responder/sandbox.hpp"
#include "supervisor/descriptor_limit.hpp"

namespace msi2imds::cli {
namespace {

constexpr int kChannelFd = 3;  // where the supervisor puts it

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

imds::Settings imds_settings(const config::Config& config) {
  const config::Endpoint& endpoint = config.imds.endpoint;
  const std::string host = endpoint.v6 ? "[" + endpoint.address + "]" : endpoint.address;
  return {.host = endpoint.port == 80 ? host : host + ":" + std::to_string(endpoint.port),
          .max_in_flight = config.imds.max_in_flight,
          .connect_timeout = config.imds.connect_timeout,
          .request_timeout = config.imds.request_timeout};
}

broker::Settings broker_settings(const config::Config& config) {
  return {.cache = config.tokens.cache,
          .expiry_margin = config.tokens.expiry_margin,
          .max_age = config.tokens.max_age,
          .max_bytes = config.tokens.max_bytes,
          .survive_restart = config.tokens.survive_restart,
          .max_rate = config.imds.max_rate,
          .max_in_flight = config.imds.max_in_flight,
          .deadline = config.imds.deadline,
          .boot_grace = config.imds.boot_grace};
}

responder::Settings responder_settings(const config::Config& config) {
  responder::Settings settings;
  settings.limits.request_time = config.responder.request_timeout;
  settings.limits.idle_time = config.responder.idle_timeout;
  settings.rules.require_metadata_header = config.legacy.require_metadata_header;
  settings.rules.extra_hosts = config.legacy.hosts;
  settings.legacy_ports = config.legacy.ports;
  settings.identities = make_identity_choice(config);
  settings.policy = make_policy(config);
  settings.audit.format =
      config.audit.format == config::AuditFormat::json ? audit::Format::json : audit::Format::text;
  settings.audit.max_rate = config.audit.max_rate;
  settings.max_connections =
      std::min<std::size_t>(config.responder.max_connections, supervisor::connections_within_limit());
  return settings;
}

class ResponderProgram {
 public:
  explicit ResponderProgram(UniqueFd channel)
      : link_(io_, std::move(channel)),
        connector_(link_),
        imds_(io_, connector_, {}),
        broker_(io_, imds_, clock_, {}),
        prefetcher_(io_, broker_, clock_),
        responder_(
            io_, link_, broker_,
            {.configure = [this](const std::string& toml) { return configure(toml); },
             .describe = [this](admin::Status& status) { describe(status); },
             .flush = [this](std::string_view resource,
                             std::string_view identity) { return broker_.flush(resource, identity); },
             .measure = [this](metrics::Snapshot& now) { measure(now); },
             .keep_tokens_in = [this](UniqueFd memory) { keep_tokens_in(std::move(memory)); },
             .end_waits = [this] { broker_.end_waits(); },
             .prefetch =
                 [this](std::vector<token::TokenRequest> requests) {
                   const bool wanted = config_.tokens.cache && config_.tokens.prefetch;
                   prefetcher_.prefetch(wanted ? std::move(requests) : std::vector<token::TokenRequest>());
                 }}) {}

  int run() {
    int exit_code = kFailed;
    asio::co_spawn(io_, responder_.run(),
                   [&](const std::exception_ptr& exception, const Result<void>& result) {
                     if (exception) {
                       std::rethrow_exception(exception);
                     }
                     if (result) {
                       exit_code = kGood;
                     } else {
                       log::warn("leave: {}", result.error().message());
                     }
                     io_.stop();
                   });
    return run_to_end(io_) ? exit_code : kFailed;
  }

 private:
  Result<responder::Settings> configure(const std::string& toml) {
    Result<config::Config> config = config::parse(toml, "(from the supervisor)");
    if (!config) {
      return config.error();
    }
    const bool is_same_issuer = config->imds.endpoint.text == config_.imds.endpoint.text;
    config_ = std::move(*config);
    if (!is_same_issuer) {
      (void)broker_.flush({}, {});
    }
    log::start({.level = config_.log.level, .format = config_.log.format}, "msi2imds-responder");
    imds_.configure(imds_settings(config_));
    broker_.configure(broker_settings(config_));
    return responder_settings(config_);
  }

  void keep_tokens_in(UniqueFd memory) {
    broker_.keep_in(std::move(memory), config_.imds.endpoint.text);
  }

  void describe(admin::Status& status) const {
    const imds::Health& health = imds_.health();
    status.version = MSI2IMDS_VERSION;
    status.legacy_ports = config_.legacy.ports;
    status.cgroups = config_.redirect.cgroups;
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

  void measure(metrics::Snapshot& now) const {
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
    if (const auto ahead = broker_.clocks().ahead()) {
      now.clock_ahead = ahead->count();
    }
    now.quota_waits = broker_.counters().quota_waits;
    now.cached_tokens = broker_.cache().count();
    now.cache_bytes = broker_.cache().bytes();
    now.oldest_token = std::chrono::duration<double>(broker_.cache().oldest(clock_.boot())).count();
  }

  asio::io_context io_{1};
  SystemClock clock_{io_};
  config::Config config_;
  responder::SupervisorLink link_;
  SupervisedConnector connector_;
  imds::ImdsClient imds_;
  broker::TokenBroker broker_;
  broker::Prefetcher prefetcher_;
  responder::Responder responder_;
};

}  // namespace

int run_responder() {
  UniqueFd channel(kChannelFd);
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(channel.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    (void)channel.release();  // not ours to close
    (void)std::fprintf(stderr, "msi2imds: 'responder' is started by 'msi2imds run' only\n");
    return kUsage;
  }
  (void)::fcntl(channel.get(), F_SETFD, FD_CLOEXEC);
  // Nobody of the same user may read our memory, and no core dump holds a token.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  log::start({}, "msi2imds-responder");
  supervisor::use_whole_descriptor_limit();  // once confined, it cannot be raised any more
  ResponderProgram program(std::move(channel));
  ::tzset();  // the log's time zone is a file
  const Result<void> confined = responder::enter_sandbox();
  if (!confined) {
    log::warn("go on without a system call filter: {}", confined.error().message());
  }
  return program.run();
}

}  // namespace msi2imds::cli
