// SPDX-License-Identifier: MIT
#include "responder/responder.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/clock.hpp"
#include "base/free_memory.hpp"
#include "base/log.hpp"
#include "base/number_of.hpp"
#include "base/spawn.hpp"
#include "legacy/host.hpp"
#include "responder/prefetch_list.hpp"
#include "responder/read_all.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::size_t kMostConfiguration = std::size_t{4} * 1024 * 1024;

// A drain's last part, in which nobody waits any more: answers are sent, which takes any time only where a
// client does not read his; then what became of them is kept.
constexpr std::chrono::milliseconds kLastWords{100};
constexpr std::chrono::milliseconds kRecords{300};
// With a successor that leaves 300 ms. Most answers of IMDS take less; whoever waits longer would most likely
// wait for long, and everybody else with him.
static_assert(control::kHandOver - kLastWords - kRecords >= std::chrono::milliseconds(300));

bool same_address(const std::shared_ptr<Listener>& a, const std::shared_ptr<Listener>& b) {
  return a->address() == b->address();
}

}  // namespace

Responder::Responder(asio::io_context& io, SupervisorLink& link, TokenService& tokens)
    : io_(io),
      link_(link),
      tokens_(tokens),
      sessions_(io, settings_, tokens.source()),
      admin_source_{
          .status = [this] { return reporter_.status(); },
          .has_connection_from = [this](const SocketAddress& peer) { return sessions_.contains(peer); },
          .flush = [this](std::string_view resource,
                          std::string_view identity) { return tokens_.flush(resource, identity); },
          .callers = [this] { return sessions_.recorder().table().to_json(); },
          .metrics = [this] { return reporter_.measure(); },
          .is_own_host =
              [this](std::string_view authority) {
                return legacy::is_allowed_host(authority, settings_.rules.extra_hosts);
              }},
      admin_(io, admin_source_, Scope::everything),
      metrics_(io, admin_source_, Scope::metrics_only),
      usage_file_(io, link, sessions_.recorder()),
      reporter_(link, tokens, settings_, sessions_, usage_file_, listeners_) {
  sessions_.callers().ask_with([this](const control::Message& question) { return link_.tell(question); });
}

asio::awaitable<Result<void>> Responder::run() {
  heartbeat_.start(io_, "tell the supervisor that all is well", heartbeat());
  keeping_.start(io_, "keep the table of callers", usage_file_.keep());
  while (!drained_) {
    Result<control::Received> received = co_await link_.receive();
    if (drained_) {
      break;
    }
    if (!received) {
      co_return received.error();
    }
    const Result<void> handled = handle(std::move(*received));
    if (!handled) {
      co_return handled;
    }
  }
  co_return Result<void>();
}

Result<void> Responder::handle(control::Received received) {
  switch (received.message.kind) {
    case control::Kind::configure:
      return configure(std::move(received.descriptor), received.message.get_text());
    case control::Kind::add_listener:
      return collect_listener(std::move(received.descriptor), received.message.number);
    case control::Kind::admin_socket:
      admin_.start(std::move(received.descriptor));
      return {};
    case control::Kind::metrics_socket:
      if (received.descriptor) {
        metrics_.start(std::move(received.descriptor));
      } else {
        metrics_.stop();
      }
      return {};
    case control::Kind::token_memory:
      tokens_.keep_tokens_in(std::move(received.descriptor));
      return {};
    case control::Kind::audit_file:
      sessions_.recorder().audit_log().use_file(
          std::move(received.descriptor),
          received.message.number != 0 ? audit::FileEnd::within_a_line : audit::FileEnd::after_a_line);
      return {};
    case control::Kind::usage_file:
      usage_file_.load(received.descriptor);
      return {};
    case control::Kind::identity:
      sessions_.callers().take_identity(received.message);
      return {};
    case control::Kind::command_line:
      if (const auto caller = sessions_.callers().take_command_line(received.message)) {
        sessions_.recorder().record_command_line(*caller);
      }
      return {};
    case control::Kind::forget_identity:
      sessions_.callers().forget_identity(received.message);
      return {};
    case control::Kind::agreements:
      sessions_.callers().take_agreements(received.message);
      return {};
    case control::Kind::identities:
      sessions_.callers().take_answers(received.message);
      return {};
    case control::Kind::observed:
      record_observed(received.message);
      return {};
    case control::Kind::sock_diag:
      if (received.message.number != 0) {
        sessions_.identify_callers_with(received.message.number, std::move(received.descriptor));
      } else {
        sessions_.identify_callers_with(std::move(received.descriptor));
      }
      return {};
    case control::Kind::leave_network:
      leave_network(received.message.number);
      return {};
    case control::Kind::noted_connections:
      return use_notes(std::move(received));
    case control::Kind::serve:
      serve();
      return link_.tell(control::Kind::ready);
    case control::Kind::drain:
      // Apart: requests in flight still need the supervisor's answers.
      spawn(io_, "drain",
            drain(static_cast<control::Backlog>(received.message.value),
                  std::chrono::milliseconds(received.message.number)));
      return {};
    default:
      return Error::from_errno(EBADMSG, "understand the supervisor");
  }
}

Result<void> Responder::use_notes(control::Received received) {
  const bool are_dropped = !received.descriptor;
  sessions_.recognize_callers_by(std::move(received.descriptor));
  if (!are_dropped) {
    return {};
  }
  received.message.kind = control::Kind::notes_dropped;
  return link_.tell(received.message);
}

Result<void> Responder::configure(UniqueFd pipe, std::string_view owners_of_uids) {
  const Result<std::string> text = read_all(pipe, "the configuration", kMostConfiguration);
  if (!text) {
    return text.error();
  }
  Result<Settings> settings = tokens_.configure(*text);
  if (!settings) {
    return settings.error();
  }
  settings_ = std::move(*settings);
  settings_.holders = Holders::parse(owners_of_uids);
  settings_.audit.holders = settings_.holders;
  sessions_.recorder().audit_log().configure(settings_.audit);
  sessions_.callers().forget_remembered();
  prefetch();
  return {};
}

Result<void> Responder::collect_listener(UniqueFd socket, std::uint64_t network) {
  const Result<SocketAddress> address = SocketAddress::local_of(socket.get());
  if (!address) {
    return address.error();
  }
  auto listener = std::make_shared<Listener>(io_, std::move(socket), *address, sessions_, network);
  if (network == 0) {
    collected_.push_back(std::move(listener));
  } else {
    log::debug("accept on {} in network {}", address->to_string(), network);
    std::erase_if(of_networks_, [&listener](const std::shared_ptr<Listener>& former) {
      const bool is_over = former->network() == listener->network() && same_address(former, listener);
      if (is_over) {  // somebody has ended its socket
        former->close(control::Backlog::leave);
      }
      return is_over;
    });
    listener->start();
    of_networks_.push_back(std::move(listener));
  }
  return {};
}

// Who waits to be accepted is served: nobody else will do so.
void Responder::leave_network(std::uint64_t network) {
  std::erase_if(of_networks_, [network](const std::shared_ptr<Listener>& listener) {
    const bool is_there = listener->network() == network;
    if (is_there) {
      listener->close(control::Backlog::serve);
    }
    return is_there;
  });
  sessions_.forget_network(network);
}

// A listener that we have already stays; its twin, the same socket under another number, is dropped.
void Responder::serve() {
  const auto is_wanted = [this](const std::shared_ptr<Listener>& listener) {
    return std::any_of(collected_.begin(), collected_.end(),
                       [&](const auto& wanted) { return same_address(wanted, listener); });
  };
  const auto first_unwanted = std::partition(listeners_.begin(), listeners_.end(), is_wanted);
  std::for_each(first_unwanted, listeners_.end(),
                [](const auto& listener) { listener->close(control::Backlog::serve); });
  listeners_.erase(first_unwanted, listeners_.end());

  for (auto& wanted : collected_) {
    const bool known = std::any_of(listeners_.begin(), listeners_.end(),
                                   [&](const auto& listener) { return same_address(wanted, listener); });
    if (!known) {
      log::debug("accept on {}", wanted->address().to_string());
      wanted->start();
      listeners_.push_back(std::move(wanted));
    }
  }
  collected_.clear();
  prefetch();
}

// Who only observes asks IMDS for nothing.
void Responder::prefetch() {
  if (!listeners_.empty()) {
    tokens_.prefetch(prefetch_list(sessions_.recorder().table().grants(), settings_.identities,
                                   settings_.policy, unix_seconds(std::chrono::system_clock::now())));
  }
}

asio::awaitable<void> Responder::drain(control::Backlog backlog, std::chrono::milliseconds limit) {
  sessions_.close_when_idle();  // first: from here on everybody is served who is accepted
  for (const auto& listener : listeners_) {
    listener->close(backlog);
  }
  listeners_.clear();
  for (const auto& listener : of_networks_) {
    listener->close(control::Backlog::serve);
  }
  of_networks_.clear();
  tokens_.prefetch({});
  spawn(io_, "end the drain in time", end_in_time(limit));
  co_await sessions_.wait_until_empty();
  sessions_.recorder().audit_log().flush();
  if (const std::uint64_t lost = sessions_.recorder().audit_log().count_unwritten(); lost > 0) {
    log::error("{} of the audit cannot be written, and end with this process: {}", number_of(lost, "line"),
               sessions_.recorder().audit_log().failure());
  }
  const Result<void> saved = co_await usage_file_.save_at_the_end();
  if (!saved) {
    log::warn("cannot save the table of callers, which lacks what happened in the last seconds: {}",
              saved.error().message());
  }
  co_await link_.flush();  // what was said last counts
  drained_ = true;
  link_.stop_receiving();
}

// Who still waits then is told so, rather than cut off. A successor begins when we are gone: until then all
// who dial wait, whatever one of our clients waits for.
asio::awaitable<void> Responder::end_in_time(std::chrono::milliseconds limit) {
  asio::steady_timer timer(io_, limit - kLastWords - kRecords);
  (void)co_await timer.async_wait(kAsTuple);
  tokens_.end_waits();
  sessions_.stop_waiting();
  timer.expires_after(kLastWords);
  (void)co_await timer.async_wait(kAsTuple);
  sessions_.close();
}

asio::awaitable<void> Responder::heartbeat() {
  asio::steady_timer timer(io_);
  while (true) {
    timer.expires_after(control::kHeartbeat);
    const auto [ec] = co_await timer.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    log::flush();
    sessions_.warnings().tell_left_out();
    sessions_.recorder()
        .audit_log()
        .flush();  // what could not be written before, and counts of lines left out
    give_back_free_memory();
    (void)link_.tell(control::Kind::alive);  // a supervisor that is gone is noticed by run()
  }
}

void Responder::record_observed(const control::Message& message) {
  const auto seen = control::get_records<control::IdentityAnswer>(message);
  for (const control::IdentityAnswer& answer : seen.value_or(std::vector<control::IdentityAnswer>())) {
    sessions_.recorder().record_observed(*sessions_.callers().look_up(answer));
  }
}

}  // namespace msi2imds::responder
