// SPDX-License-Identifier: MIT
#include "responder/session.hpp"

#include <fmt/core.h>

#include <chrono>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "caller/agreement.hpp"
#include "caller/caller.hpp"
#include "legacy/library.hpp"
#include "legacy/parse.hpp"
#include "legacy/render.hpp"
#include "netlink/endpoint.hpp"

namespace msi2imds::responder {
namespace {

constexpr int kMostUnrecorded = 64;
constexpr std::size_t kMostSpare = std::size_t{16} * 1024;
// Owners that stand for a container's network, whose root is not to take the shares of the machine's own.
// Blocks of uids begin behind them (base/holder.cpp).
constexpr std::uint32_t kNetworksBegin = 0xfffe0000;
constexpr std::uint64_t kNetworks = 0x10000;

Holder holder_of(const caller::Caller& caller, std::uint64_t network, const Holders& holders) {
  Holder holder = holders.of(caller.clues.known_uid());
  if (network != 0 && holder.is_known()) {
    holder.owner = kNetworksBegin + static_cast<std::uint32_t>(network % kNetworks);
  }
  return holder;
}

// `body` is memory for an answer.
http::Response render(const token::FetchResult& result, std::string& body) {
  if (!result) {
    const token::Failure failure = result.error();
    const auto later = failure.retry_after.value_or(std::chrono::seconds(1));
    if (failure.remedy == token::Remedy::leave_alone) {
      return legacy::imds_left_alone(later);
    }
    return failure.remedy == token::Remedy::come_back ? legacy::unavailable(later)
                                                      : legacy::upstream_failure(failure.error.message());
  }
  if (const auto* token = std::get_if<std::shared_ptr<const token::Token>>(&*result); token != nullptr) {
    return legacy::render(**token,
                          {.now = unix_seconds(std::chrono::system_clock::now()),
                           .expires_on = result.expires_on.value_or((*token)->expires_on)},
                          std::move(body));
  }
  return legacy::render(std::get<token::Refusal>(*result));
}

// "cannot get a token for 127.0.0.1:40000 (/usr/bin/python3 of old.service), which asked for 'https://...':
// why"
void warn_of_failure(const std::string& peer, const caller::Identity& caller, const std::string& resource,
                     const std::string& why) {
  const std::string& program = caller.program.empty() ? caller.comm : caller.program;
  std::string who = program;
  if (!caller.unit.empty()) {
    who += (program.empty() ? "a program of " : " of ") + caller.unit;
  }
  log::write(log::Level::warn,
             fmt::format("cannot get a token for {}{}, which asked for '{}': {}", peer,
                         who.empty() ? who : " (" + who + ")", resource, why),
             {.message_id = log::kTokenFailed,
              .unit = caller.unit,
              .program = program,
              .resource = resource,
              .outcome = to_string(Outcome::failed)});
}

}  // namespace

// The kernel is asked at once, in about a microsecond: a client may be gone soon, and whose share a
// connection takes has to be known. The rest is found out while the request is answered.
std::shared_ptr<Session> Session::open(Arrived arrived, Services& services) {
  const Destination& destination = arrived.destination;
  caller::Caller caller;
  if (arrived.lookup) {
    caller.clues = arrived.seen->clues;
  } else if (netlink::SockDiag* const sock_diag = services.sock_diag_of(arrived.network)) {
    caller = caller::identify(*sock_diag, arrived.peer, destination.of_client_socket);
  }
  if (arrived.network != 0) {
    caller.clues.cookie =
        0;  // of our own network's sockets something is kept by it; older kernels give it twice
  }
  if (destination.translated_to) {
    caller.clues.server_end = netlink::to_endpoint(*destination.translated_to);
    caller.clues.client_end = netlink::to_endpoint(arrived.peer);
  }
  return std::make_shared<Session>(std::move(arrived), std::move(caller), services);
}

Session::Session(Arrived arrived, caller::Caller caller, Services& services)
    : Sharer(holder_of(caller, arrived.network, services.settings.holders)),
      peer_(arrived.peer),
      is_of_our_network_(arrived.network == 0),
      destination_(arrived.destination),
      caller_(std::move(caller)),
      services_(services),
      connection_(services.sockets, std::move(arrived.socket), services.settings.limits, services.deadlines) {
  connection_.count_input_in(*this);
  lookup_ = std::move(arrived.lookup);
  if (lookup_) {
    looked_up_for_ = Need::agreement;
  } else {
    looked_up_for_ = need(services_, true);
    lookup_ = services_.callers.look_up(caller_, looked_up_for_, holder().owner, arrived.seen);
  }
  request_.dialled = destination_.dialled.value_or(destination_.of_client_socket);
}

Need Session::need(const Services& services, bool is_choice) {
  const policy::Policy& policy = services.settings.policy;
  const policy::IdentityChoice& identities = services.settings.identities;
  if (policy.needs_process() || (is_choice && identities.needs_process())) {
    return Need::process;
  }
  return policy.needs_caller() || (is_choice && identities.needs_caller()) ? Need::agreement : Need::nothing;
}

// One token request, start to finish: parse, choose whose token it is to be, judge, fetch, render.
Task<http::Response> Session::respond(http::Request& request) {
  request_.begin();
  request_.library = legacy::recognize_library(request);
  auto token_request = legacy::parse(request, services_.settings.rules, std::move(services_.spare_resource));
  http::release(request);  // a wait may be long
  if (!token_request) {
    co_return legacy::render(token_request.error());
  }
  request_.resource = token_request->resource;
  const std::optional<caller::Identity> known = co_await know_caller(*token_request);
  if (!known) {
    co_return fail(token::cut_short());
  }
  if (!choose_identity(*known, *token_request)) {
    request_.outcome = Outcome::failed;
    co_return legacy::upstream_failure("It cannot be told which identity this caller is to have.");
  }
  if (!judge(*known, *token_request)) {
    request_.outcome = Outcome::denied;
    co_return legacy::not_allowed();
  }
  token_request->asker = holder();
  std::optional<token::FetchResult> result = services_.tokens.find(*token_request);
  if (!result) {
    result = co_await AsioWait(services_.io, services_.tokens.fetch(std::move(*token_request)));
  } else {
    services_.spare_resource = std::move(token_request->resource);
  }
  request_.origin = result->origin;
  if (!*result) {
    co_return fail(*result);
  }
  const bool is_token = std::holds_alternative<std::shared_ptr<const token::Token>>(**result);
  request_.outcome = is_token ? Outcome::token : Outcome::refused;
  co_return render(*result, services_.spare_body);
}

// The answer to a request for which there is neither a token nor a refusal.
http::Response Session::fail(const token::FetchResult& result) {
  request_.outcome = Outcome::failed;
  if (services_.warnings.has_room_for(holder())) {
    // Once it is known who asked.
    lookup_->then([peer = peer_.to_string(), resource = request_.resource,
                   why = result.error().error.message(), lookup = std::weak_ptr(lookup_)] {
      const auto known = lookup.lock();
      warn_of_failure(peer, known && known->identity() != nullptr ? *known->identity() : caller::Identity(),
                      resource, why);
    });
  }
  return render(result, services_.spare_body);
}

// What the rules may go by. Waits for what one of them asks for: a word of the observer's, or a look at the
// process; nullopt where there is no time left to wait.
Task<std::optional<caller::Identity>> Session::know_caller(const token::TokenRequest& request) {
  Need needed = need(services_, request.identity.kind == token::SelectorKind::none);
  if (needed == Need::agreement) {
    look_up_for(needed);
    if (!lookup_->agreement()) {
      co_await AsioWait(services_.io, services_.callers.wait_for_agreement(lookup_));
    }
    if (lookup_->was_given_up()) {
      co_return std::nullopt;
    }
    const std::optional<caller::Agreement> agreement = lookup_->agreement();
    needed = !agreement || caller::is_in_doubt(*agreement) ? Need::process : needed;
  }
  if (needed == Need::process) {
    look_up_for(needed);
    co_await AsioWait(services_.io, services_.callers.wait(lookup_));
    co_return lookup_->was_given_up() ? std::nullopt : std::optional(*lookup_->identity());
  }
  caller::Identity known;
  known.uid = caller_.clues.known_uid();
  known.unknown_because = caller_.unknown_because;
  co_return known;
}

// Asks again where the rules are newer than the connection, or need more than was asked for.
void Session::look_up_for(Need needed) {
  if (needed > looked_up_for_) {
    looked_up_for_ = needed;
    if (caller_.clues.pid != 0 && services_.sock_diag) {  // recognized by what the kernel had noted
      caller_ = caller::identify(*services_.sock_diag, peer_, destination_.of_client_socket);
    }
    lookup_ = services_.callers.look_up(caller_, needed, holder().owner);
  }
}

// Gives the request the identity that it is to have, whoever names it. False: too little is known of the
// caller.
bool Session::choose_identity(const caller::Identity& known, token::TokenRequest& request) {
  const policy::Choice& choice =
      request_.choice.emplace(services_.settings.identities.choose(known, request));
  if (choice.by == policy::ChosenBy::nobody) {
    if (services_.warnings.has_room_for(holder())) {
      log::warn("cannot choose an identity for {}: identity.rule {} cannot be decided: {}", peer_.to_string(),
                choice.rule, choice.unknown);
    }
    return false;
  }
  request.identity = choice.identity;
  return true;
}

// Whether the caller may ask for that.
bool Session::judge(const caller::Identity& known, const token::TokenRequest& request) {
  const policy::Policy& policy = services_.settings.policy;
  if (!policy.is_in_force()) {
    return true;
  }
  request_.decision = policy.decide(known, request);
  request_.enforced = policy.enforces();
  return request_.decision->is_allowed || !request_.enforced;
}

// What became of a request; after the answer, which it must not delay.
void Session::record(unsigned status) {
  request_.duration = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                            request_.began);
  if (log::enabled(log::Level::debug)) {
    lookup_->then([status, peer = peer_, lookup = std::weak_ptr(lookup_), dialled = *request_.dialled,
                   choice = request_.choice.value_or(policy::Choice())] {
      const auto known = lookup.lock();
      log::debug("answer {} to {}, who dialled {}; identity '{}' by {}", status, peer.to_string(),
                 (known ? known->dialled().value_or(dialled) : dialled).to_string(), choice.identity.value,
                 policy::to_string(choice.by));
    });
  }
  services_.recorder.record(request_, lookup_);
}

// For whoever is answered next. Wiped, as all is that is given back: a token was in it.
void Session::keep_spare_body(std::string& body) const {
  wipe(body);
  if (body.capacity() <= kMostSpare) {
    services_.spare_body.swap(body);
  }
}

Task<void> Session::run() {
  http::Request request = std::move(services_.spare_request);
  request_.resource = std::move(services_.spare_record);
  do {
    services_.shares.set_idle(*this);
    const http::ReadResult read = co_await connection_.read(request);
    services_.shares.set_busy(*this);
    if (!read) {
      const http::ReadFailure failure = read.error();
      if (failure.status != 0) {
        request_.begin();
        http::Response refusal = legacy::bad_message(failure.status, failure.reason);
        (void)co_await connection_.write(refusal);  // whoever is gone needs no answer
        record(refusal.status);
        co_await connection_.finish();
      }
      co_return;
    }
    http::Response response = co_await respond(request);
    const bool written = co_await connection_.write(response);
    keep_spare_body(response.body);
    record(response.status);
    if (!written) {
      co_return;
    }
    // Records wait until the caller is known; a client that sends many requests has to wait for that, too.
    unrecorded_ = lookup_->identity() == nullptr ? unrecorded_ + 1 : 0;
    if (unrecorded_ >= kMostUnrecorded) {
      co_await AsioWait(services_.io, services_.callers.wait(lookup_));
    }
  } while (!connection_.is_last());
  services_.spare_request = std::move(request);
  services_.spare_record = std::move(request_.resource);
  if (connection_.has_unread_input()) {
    co_await connection_.finish();
  }
}

}  // namespace msi2imds::responder
