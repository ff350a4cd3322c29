// SPDX-License-Identifier: MIT
// What the responder may ask the supervisor.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "accounts/getent.hpp"
#include "admin/extension_state.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"
#include "imds/upstream_socket.hpp"
#include "supervisor/supervisor.hpp"
#include "supervisor/translated_clients.hpp"
#include "waagent/extension.hpp"

namespace msi2imds::supervisor {
namespace {

// How long a stop waits until those are known who have called before it.
constexpr std::chrono::milliseconds kLastObserved{2000};

// By the Azure agent's files.
std::string_view state_of_extension(const std::filesystem::path& root) {
  const auto found = waagent::find_extension(root);
  if (found && !*found) {
    return admin::kNoExtension;
  }
  return waagent::to_string(found ? (*found)->state : waagent::HandlerState::unknown);
}

}  // namespace

void Supervisor::answer(control::Channel& channel, const control::Message& question) {
  control::Message message;
  UniqueFd descriptor;
  if (question.kind == control::Kind::open_upstream) {
    message.kind = control::Kind::upstream;
    const auto address = SocketAddress::parse(config_.imds.endpoint.address, config_.imds.endpoint.port);
    Result<UniqueFd> socket = !upstream_rate_.admit(std::chrono::steady_clock::now())
                                  ? Result<UniqueFd>(Error::from_errno(EAGAIN, "connect to IMDS more often"))
                              : address ? imds::begin_connect(*address, config_.imds.mark)
                                        : Result<UniqueFd>(address.error());
    if (socket) {
      descriptor = std::move(*socket);
    } else {
      message.error = socket.error().code().value();
      message.set_text("reach " + config_.imds.endpoint.text);
    }
  } else {
    message = records_.begin_usage_file(descriptor);
  }
  message.id = question.id;
  (void)channel.send(message, descriptor.get());  // a responder that does not take it is replaced
}

asio::awaitable<void> Supervisor::answer_about_redirection(std::uint32_t id) {
  const std::uint64_t asked_by = responders_started_;
  control::RedirectionReport report;
  report.responders_started = responders_started_;
  InterceptionState state;
  state.backend = "none";
  state.failure = "only observing";
  if (mode_ == Mode::serve) {
    state = co_await interception_.describe();
  }
  report.redirected = mode_ == Mode::observe ? control::Redirected::observing
                      : !state.in_force      ? control::Redirected::no
                      : state.covers_ipv6    ? control::Redirected::yes
                                             : control::Redirected::ipv4_only;
  report.backend = state.backend;
  report.failure = state.failure;
  report.sockets_replaced = sockets_replaced_;
  const admin::DirectImds direct = mode_ == Mode::serve ? closure_.describe(config_) : admin::DirectImds();
  report.direct_imds = direct.state;
  report.closed_by = direct.closed_by;
  report.not_closed_because = direct.failure;
  report.container_networks = containers_.names();
  report.extension = state_of_extension(config_.waagent.root);
  report.remarks = remarks(state);
  if (responder_ && asked_by == responders_started_) {
    control::Message message = control::format(report);
    message.id = id;
    (void)responder_->channel().send(message);  // a responder that does not take it is replaced
  }
}

std::vector<control::Remark> Supervisor::remarks(const InterceptionState& state) const {
  std::vector<control::Remark> all;
  for (const std::string& warning : warnings_) {
    all.push_back({.shortcoming = "", .text = warning});
  }
  if (all.size() > 1) {  // in a status, one line has to do
    all.resize(1);
    all.front().text += "; msi2imds check-config says what else is hardly meant";
  }
  for (const std::string& remark : state.remarks) {
    all.push_back({.shortcoming = "", .text = remark});
  }
  for (const admin::Shortcoming& shortcoming : shortcomings()) {
    all.push_back({.shortcoming = std::string(shortcoming.name), .text = shortcoming.text});
  }
  return all;
}

// What of the supervisor's own part does not work at present.
admin::Shortcomings Supervisor::shortcomings() const {
  admin::Shortcomings all;
  records_.describe(all);
  admin::add(all, admin::kObservation, observation_.shortcoming());
  admin::add(all, admin::kContainers,
             containers_.shortcoming().empty()
                 ? std::string()
                 : std::string(admin::kContainersFailure) + containers_.shortcoming());
  admin::add(all, admin::kDiscovery, discovery_.shortcoming());
  admin::add(all, admin::kIdentification, identification_shortcoming_);
  if (accounts::is_a_name_missing()) {
    admin::add(all, admin::kNames,
               "getent has not told all users and groups of the rules, and rules with them match nobody");
  }
  const UniqueFd another(::open("/", O_PATH | O_CLOEXEC));
  const int err = errno;
  if (!another) {
    admin::add(all, admin::kDescriptors,
               "the supervisor has no descriptor left, and callers get no token that is not kept already: " +
                   std::system_category().message(err));
  }
  if (log::loses_lines()) {
    admin::add(all, admin::kLog, "lines of the supervisor's log are lost, since nobody reads them");
  }
  return all;
}

// Takes no time: what a rule on users waits for.
void Supervisor::tell_agreements(const control::Message& question,
                                 std::span<const caller::Agreement> agreements) {
  control::Message message;
  message.kind = control::Kind::agreements;
  message.number = question.number;
  control::set_records(message, agreements);
  (void)responder_->channel().send(message);  // a responder that does not take it is replaced
}

// A coroutine of its own, since looking at processes takes time.
asio::awaitable<void> Supervisor::answer_about_callers(control::Message question) {
  auto clues = control::get_records<caller::Clues>(question);
  if (!clues) {
    co_return;
  }
  // Of those in containers' networks nothing is noted.
  const auto of_our_network =
      std::ranges::count_if(*clues, [](const caller::Clues& one) { return one.cookie != 0; });
  if (observation_.note_if_many_call(static_cast<std::size_t>(of_our_network)) && following_) {
    hand_over_noted_connections(responder_->channel());
  }
  std::vector<std::optional<SocketAddress>> dialled;
  std::vector<caller::Agreement> agreements;
  for (caller::Clues& client : *clues) {
    const bool were_its_own = find_translated_client(client);
    observation_.add_to(client);
    dialled.push_back(client.cookie != 0 ? interception_.dialled_by(client.cookie) : std::nullopt);
    agreements.push_back(were_its_own ? client.agreement : caller::Agreement::another_socket);
  }
  if (question.value != 0 && responder_) {
    tell_agreements(question, agreements);
  }
  const std::uint64_t asked_by = responders_started_;
  std::vector<IdentityService::Caller> callers = co_await identities_.identify(std::move(*clues));
  if (!responder_ || asked_by != responders_started_) {
    co_return;  // the next responder asks for itself
  }
  for (std::size_t i = 0; i < callers.size(); ++i) {
    callers[i].dialled = dialled[i];
  }
  control::Message answer;
  answer.kind = control::Kind::identities;
  answer.number = question.number;
  // A responder that does not take it is replaced.
  (void)identities_.send(responder_->channel(), std::move(answer), callers);
}

void Supervisor::observe() {
  observer::Plan plan{.legacy_ports = config_.legacy.ports,
                      .listen_port = config_.redirect.listen_port,
                      .cgroup = config_.callers.cgroup};
  if (mode_ == Mode::serve) {
    observation_.start(std::move(plan));
    if (following_) {
      hand_over_noted_connections(responder_->channel());
    }
    return;
  }
  observation_.start(std::move(plan), [this](std::vector<observer::Dialler> seen) {
    ++observed_untold_;
    spawn(io_, "tell who was observed", tell_observed(std::move(seen)));
  });
}

asio::awaitable<void> Supervisor::tell_observed(std::vector<observer::Dialler> seen) {
  std::vector<caller::Clues> clues;
  clues.reserve(seen.size());
  for (const observer::Dialler& dialler : seen) {
    clues.push_back(dialler.clues);
  }
  std::vector<IdentityService::Caller> callers = co_await identities_.identify(std::move(clues));
  for (std::size_t i = 0; i < callers.size(); ++i) {
    callers[i].dialled = seen[i].dialled;
  }
  std::span<const IdentityService::Caller> rest(callers);
  while (!rest.empty()) {
    const auto some = rest.first(std::min(control::kMostInMessage, rest.size()));
    rest = rest.subspan(some.size());
    control::Message message;
    message.kind = control::Kind::observed;
    const Result<void> sent = responder_ ? identities_.send(responder_->channel(), std::move(message), some)
                                         : Error::from_errno(ECHILD, "find the responder");
    if (!sent) {
      log::warn("cannot record who called: {}", sent.error().message());
    }
  }
  if (--observed_untold_ == 0) {
    observed_told_.cancel();
  }
}

// What was seen before a stop is told before the responder is to leave.
asio::awaitable<void> Supervisor::finish_observing() {
  observation_.hand_over_now();
  observation_.stop();
  observed_told_.expires_after(kLastObserved);
  if (observed_untold_ > 0) {
    const auto [ec] = co_await observed_told_.async_wait(kAsTuple);
    if (!ec) {
      log::warn("who called just before the stop is not recorded: finding out took longer than {} ms",
                kLastObserved.count());
    }
  }
}

}  // namespace msi2imds::supervisor
