// SPDX-License-Identifier: MIT
#include "responder/identity_book.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <span>
#include <string>
#include <utility>

#include "base/spawn.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::seconds kCallersTime{5};
constexpr std::size_t kMostUsers = 4096;

}  // namespace

void PendingIdentity::then(std::function<void()> next) {
  if (identity_) {
    next();
  } else {
    waiting_.push_back(std::move(next));
  }
}

void PendingIdentity::finish(std::shared_ptr<const caller::Identity> identity,
                             std::optional<SocketAddress> dialled) {
  if (identity_) {  // given up before the answer came
    return;
  }
  identity_ = std::move(identity);
  dialled_ = dialled;
  unlink();
  for (const auto& next : std::exchange(waiting_, {})) {
    next();
  }
}

PendingIdentityPtr IdentityBook::look_up(const caller::Caller& caller, bool is_fresh) {
  auto lookup = std::make_shared<PendingIdentity>(caller);
  if (gave_up_) {
    give_up(*lookup);
  } else if (!tell_) {
    lookup->finish(known_without(caller, "the supervisor cannot be asked"), std::nullopt);
  } else {
    unfinished_.push_back(*lookup);
    pending_.push_back({is_fresh, lookup});
    flush_soon();
  }
  return lookup;
}

PendingIdentityPtr IdentityBook::look_up(const control::IdentityAnswer& answer) const {
  auto lookup = std::make_shared<PendingIdentity>(caller::Caller());
  finish(*lookup, answer);
  return lookup;
}

asio::awaitable<void> IdentityBook::wait(PendingIdentityPtr lookup) {
  if (lookup->identity() != nullptr) {
    co_return;
  }
  asio::steady_timer over(io_, asio::steady_timer::time_point::max());
  lookup->then([&over] { over.cancel(); });
  while (lookup->identity() == nullptr) {
    (void)co_await over.async_wait(kAsTuple);
  }
}

asio::awaitable<void> IdentityBook::wait_for_all() {
  while (!unfinished_.empty()) {
    PendingIdentityPtr first = unfinished_.front().shared_from_this();
    co_await wait(std::move(first));
  }
}

void IdentityBook::give_up() {
  gave_up_ = true;
  while (!unfinished_.empty()) {
    give_up(*unfinished_.front().shared_from_this());
  }
}

void IdentityBook::give_up(PendingIdentity& lookup) const {
  lookup.was_given_up_ = true;
  lookup.finish(known_without(lookup.caller_, "the service was restarted meanwhile"), std::nullopt);
}

// Connections that are accepted together are asked about together.
void IdentityBook::flush_soon() {
  if (!std::exchange(is_flush_posted_, true)) {
    asio::post(io_, [this] {
      is_flush_posted_ = false;
      flush();
    });
  }
}

void IdentityBook::flush() {
  if (pending_.empty() || !asked_.empty()) {
    return;
  }
  const std::size_t size = std::min(control::kMostInMessage, pending_.size());
  std::vector<caller::Clues> questions;
  for (std::size_t i = 0; i < size; ++i) {
    questions.push_back(pending_[i].lookup->caller_.clues);
    questions.back().is_fresh = pending_[i].is_fresh;
    asked_.push_back(std::move(pending_[i].lookup));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(size));
  control::Message message;
  message.kind = control::Kind::ask_identities;
  message.number = ++last_question_;
  control::set_records(message, std::span<const caller::Clues>(questions));
  const Result<void> sent = tell_(message);
  if (!sent) {
    end_question(sent.error().message());
    return;
  }
  answer_timer_.expires_after(kCallersTime);
  answer_timer_.async_wait([this, question = last_question_](const boost::system::error_code& ec) {
    if (!ec && question == last_question_ && !asked_.empty()) {
      end_question("it did not answer");
    }
  });
}

void IdentityBook::end_question(const std::string& failure) {
  for (const PendingIdentityPtr& lookup : std::exchange(asked_, {})) {
    lookup->finish(known_without(lookup->caller_, "the supervisor could not identify the caller: " + failure),
                   std::nullopt);
  }
  flush_soon();
}

void IdentityBook::take_answers(const control::Message& message) {
  if (asked_.empty() || message.number != last_question_) {
    return;  // that came too late
  }
  answer_timer_.cancel();
  const auto answers = control::get_records<control::IdentityAnswer>(message);
  if (!answers || answers->size() != asked_.size()) {
    end_question("malformed answer");
    return;
  }
  const std::vector<PendingIdentityPtr> asked = std::exchange(asked_, {});
  for (std::size_t i = 0; i < asked.size(); ++i) {
    finish(*asked[i], (*answers)[i]);
  }
  flush_soon();
}

void IdentityBook::take_identity(const control::Message& message) {
  Result<caller::Identity> identity = caller::parse_identity(message.body);
  if (identity) {
    if (identity->uid && (users_.size() < kMostUsers || users_.contains(*identity->uid))) {
      users_[*identity->uid] = identity->user;
    }
    identities_[message.number] = std::make_shared<const caller::Identity>(std::move(*identity));
  }
}

void IdentityBook::forget_identity(const control::Message& message) {
  identities_.erase(message.number);
}

void IdentityBook::finish(PendingIdentity& lookup, const control::IdentityAnswer& answer) const {
  const auto known = identities_.find(answer.identity);
  lookup.finish(known != identities_.end()
                    ? known->second
                    : known_without(lookup.caller_, "the supervisor could not identify the caller"),
                answer.dialled());
}

std::shared_ptr<const caller::Identity> IdentityBook::known_without(const caller::Caller& caller,
                                                                    const std::string& reason) const {
  caller::Identity identity;
  identity.uid = caller.clues.known_uid();
  const auto user = identity.uid ? users_.find(*identity.uid) : users_.end();
  identity.user = user != users_.end() ? user->second : std::string();
  identity.unknown_because = caller.unknown_because.empty() ? reason : caller.unknown_because;
  return std::make_shared<const caller::Identity>(std::move(identity));
}

}  // namespace msi2imds::responder
