// SPDX-License-Identifier: MIT
#include "responder/identity_book.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include "base/spawn.hpp"
#include "caller/agreement.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::seconds kCallersTime{5};
constexpr std::size_t kMostUsers = 4096;
// Of one owner.
constexpr std::size_t kMostPending = 16384;
constexpr std::size_t kMostAsked = 16;
// Connections of a user in the time of one pace, about which is asked at once. Processes that ask once and
// end come no faster than that, and have to be asked about before they are gone.
constexpr std::size_t kMostAtOnce = 4;

}  // namespace

PendingIdentityPtr IdentityBook::look_up(const caller::Caller& caller, Need need, std::uint32_t owner,
                                         const std::optional<caller::SeenConnection>& seen) {
  auto lookup = std::make_shared<PendingIdentity>(caller);
  if (seen && seen->clues.cookie == caller.clues.cookie) {
    lookup->seen_ = std::make_unique<const caller::Clues>(seen->clues);
  }
  if (gave_up_) {
    give_up(*lookup);
  } else if (!tell_) {
    lookup->set_agreement(caller::Agreement::unchecked);
    lookup->finish(known_without(*lookup, "the supervisor cannot be asked"), std::nullopt);
  } else {
    User user;
    user.owner = owner;
    user.uid = caller.clues.known_uid().value_or(user.uid);
    OfOwner& of_owner = owners_[owner];
    if (of_owner.pending >= kMostPending) {
      lookup->finish(known_without(*lookup, "too many callers of its user at once"), std::nullopt);
      return lookup;
    }
    ++of_owner.pending;
    unfinished_.push_back(*lookup);
    OfUser& of_user = users_asked_[user];
    of_user.pending.push_back({need, lookup});
    of_user.is_awaited = of_user.is_awaited || need != Need::nothing;
    ask_or_rest(user, of_user);
  }
  return lookup;
}

PendingIdentityPtr IdentityBook::recall(const caller::SeenConnection& seen) const {
  auto identity = remembered_.find(seen.clues, std::chrono::steady_clock::now());
  return identity && !gave_up_ ? std::make_shared<PendingIdentity>(std::move(identity), seen.dialled)
                               : nullptr;
}

// Not where the socket was dialled again before the supervisor looked: the answer is about that.
void IdentityBook::remember(const PendingIdentity& lookup, const control::IdentityAnswer& answer) {
  if (lookup.seen_ && lookup.seen_->dialled_at == answer.dialled_at) {
    remembered_.keep(*lookup.seen_, lookup.identity_, std::chrono::steady_clock::now());
  }
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

asio::awaitable<void> IdentityBook::wait_for_agreement(PendingIdentityPtr lookup) {
  const auto is_over = [&lookup] { return lookup->agreement() || lookup->identity() != nullptr; };
  if (is_over()) {
    co_return;
  }
  asio::steady_timer over(io_, asio::steady_timer::time_point::max());
  lookup->then_agreement([&over] { over.cancel(); });
  while (!is_over()) {
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
  lookup.finish(known_without(lookup, "the service was restarted meanwhile"), std::nullopt);
}

// A message costs both processes more than what is asked in it.
void IdentityBook::ask_or_rest(User user, OfUser& of_user) {
  if (of_user.stage == Stage::due || of_user.stage == Stage::asked) {
    return;
  }
  const Recent& recent = recent_[user.uid % recent_.size()];
  const bool may_rest = recent.user == user && recent.connections >= kMostAtOnce && !of_user.is_awaited &&
                        of_user.pending.size() < control::kMostInMessage;
  if (!may_rest || std::chrono::steady_clock::now() >= recent.until) {
    make_due(user, of_user);
  } else if (std::exchange(of_user.stage, Stage::resting) != Stage::resting) {
    resting_.push_back(user);
    if (resting_.size() == 1) {
      rests_over_.expires_at(recent.until);
      rests_over_.async_wait([this](const boost::system::error_code& ec) {
        if (!ec) {
          end_rests();
        }
      });
    }
  }
}

void IdentityBook::make_due(User user, OfUser& of_user) {
  of_user.stage = Stage::due;
  owners_[user.owner].due.push_back(user);
  to_ask_.insert(user.owner);
  flush_soon();
}

void IdentityBook::note_asked(User user, std::size_t connections, Time now) {
  Recent& recent = recent_[user.uid % recent_.size()];
  if (recent.user != user || now >= recent.until) {
    recent = {.user = user, .until = now + pace_};
  }
  recent.connections += connections;
}

// All at once: whose rest began later has a shorter one.
void IdentityBook::end_rests() {
  for (const User user : std::exchange(resting_, {})) {
    const auto of_user = users_asked_.find(user);
    if (of_user != users_asked_.end() && of_user->second.stage == Stage::resting) {
      make_due(user, of_user->second);
    }
  }
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
  for (const std::uint32_t owner : std::exchange(to_ask_, {})) {
    OfOwner& of_owner = owners_[owner];
    std::list<User> all = std::exchange(of_owner.due, {});
    for (; !all.empty() && of_owner.asked < kMostAsked; all.pop_front()) {
      ++of_owner.asked;
      OfUser& of_user = users_asked_[all.front()];
      of_user.stage = Stage::asked;
      std::vector<Pending> pending = take_some(of_user.pending);
      of_user.is_awaited = of_user.is_awaited && !of_user.pending.empty();
      of_owner.pending -= pending.size();
      ask(all.front(), std::move(pending));
    }
    of_owner.due.splice(of_owner.due.begin(), all);
    forget_if_done(owner);
  }
}

void IdentityBook::forget_if_done(std::uint32_t owner) {
  const auto of_owner = owners_.find(owner);
  if (of_owner != owners_.end() && of_owner->second.asked == 0 && of_owner->second.pending == 0) {
    owners_.erase(of_owner);
  }
}

void IdentityBook::may_be_asked_again(User user) {
  const auto of_user = users_asked_.find(user);
  const std::uint32_t owner = user.owner;
  OfOwner& of_owner = owners_[owner];
  --of_owner.asked;
  of_user->second.stage = Stage::idle;
  if (of_user->second.pending.empty()) {
    users_asked_.erase(of_user);
  } else {
    ask_or_rest(user, of_user->second);
  }
  if (of_owner.due.empty()) {
    forget_if_done(owner);
  } else {
    to_ask_.insert(owner);
    flush_soon();
  }
}

// As many as a message holds.
std::vector<IdentityBook::Pending> IdentityBook::take_some(std::vector<Pending>& pending) {
  if (pending.size() <= control::kMostInMessage) {
    return std::exchange(pending, {});
  }
  const auto end =
      pending.begin() + static_cast<std::ptrdiff_t>(std::min(control::kMostInMessage, pending.size()));
  std::vector<Pending> some(std::make_move_iterator(pending.begin()), std::make_move_iterator(end));
  pending.erase(pending.begin(), end);
  return some;
}

void IdentityBook::ask(User user, std::vector<Pending> pending) {
  control::Message message;
  message.kind = control::Kind::ask_identities;
  message.number = ++last_question_;
  for (const Pending& one : pending) {
    caller::Clues clues = one.lookup->caller_.clues;
    clues.is_fresh = one.need == Need::process;
    message.value = one.need == Need::agreement ? 1 : message.value;
    control::add_record(message, clues);
  }
  Question question{.user = user, .asked = std::chrono::steady_clock::now(), .lookups = std::move(pending)};
  note_asked(user, question.lookups.size(), question.asked);
  questions_.emplace(message.number, std::move(question));
  const Result<void> sent = tell_(message);
  if (!sent) {
    // Later: flush() is in the middle of what this changes.
    asio::post(io_, [this, number = message.number, failure = sent.error().message()] {
      end_question(number, failure);
    });
  } else if (!is_timed_) {
    end_late_questions();
  }
}

// The oldest come first. One timer for all: it would cost each of them more than its answer.
void IdentityBook::end_late_questions() {
  const auto now = std::chrono::steady_clock::now();
  while (!questions_.empty() && questions_.begin()->second.asked + kCallersTime <= now) {
    end_question(questions_.begin()->first, "it did not answer");
  }
  is_timed_ = !questions_.empty();
  if (is_timed_) {
    too_late_.expires_at(questions_.begin()->second.asked + kCallersTime);
    too_late_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) {
        end_late_questions();
      }
    });
  }
}

void IdentityBook::end_question(std::uint64_t number, const std::string& failure) {
  const auto question = questions_.extract(number);
  if (!question) {
    return;
  }
  for (const Pending& one : question.mapped().lookups) {
    one.lookup->finish(known_without(*one.lookup, "the supervisor could not identify the caller: " + failure),
                       std::nullopt);
  }
  may_be_asked_again(question.mapped().user);
}

void IdentityBook::take_agreements(const control::Message& message) {
  const auto agreements = control::get_records<caller::Agreement>(message);
  const auto question = questions_.find(message.number);
  if (question == questions_.end() || !agreements || agreements->size() != question->second.lookups.size()) {
    return;  // it answers no question
  }
  const std::vector<Pending> asked = question->second.lookups;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i].lookup->set_agreement((*agreements)[i]);
  }
}

void IdentityBook::take_answers(const control::Message& message) {
  const auto question = questions_.find(message.number);
  if (question == questions_.end()) {
    return;  // that came too late
  }
  const auto answers = control::get_records<control::IdentityAnswer>(message);
  if (!answers || answers->size() != question->second.lookups.size()) {
    end_question(message.number, "malformed answer");
    return;
  }
  const std::vector<Pending> lookups = std::move(question->second.lookups);
  const User user = question->second.user;
  questions_.erase(question);
  for (std::size_t i = 0; i < lookups.size(); ++i) {
    finish(*lookups[i].lookup, (*answers)[i]);
    remember(*lookups[i].lookup, (*answers)[i]);
  }
  may_be_asked_again(user);
}

void IdentityBook::take_identity(const control::Message& message) {
  Result<caller::Identity> identity = caller::parse_identity(message.body);
  if (identity) {
    if (identity->uid && (users_.size() < kMostUsers || users_.contains(*identity->uid))) {
      users_[*identity->uid] = identity->user;
    }
    identities_[message.number] = std::make_shared<caller::Identity>(std::move(*identity));
  }
}

std::shared_ptr<const caller::Identity> IdentityBook::take_command_line(const control::Message& message) {
  const auto known = identities_.find(message.number);
  if (known == identities_.end()) {
    return nullptr;
  }
  known->second->command_line = message.get_text();
  return known->second;
}

void IdentityBook::forget_identity(const control::Message& message) {
  identities_.erase(message.number);
}

void IdentityBook::finish(PendingIdentity& lookup, const control::IdentityAnswer& answer) const {
  const auto known = identities_.find(answer.identity);
  lookup.finish(known != identities_.end()
                    ? std::shared_ptr<const caller::Identity>(known->second)
                    : known_without(lookup, "the supervisor could not identify the caller"),
                answer.dialled());
}

std::shared_ptr<const caller::Identity> IdentityBook::known_without(const PendingIdentity& lookup,
                                                                    const std::string& reason) const {
  const caller::Caller& caller = lookup.caller_;
  caller::Identity identity;
  identity.is_in_doubt = !lookup.agreement_ || caller::is_in_doubt(*lookup.agreement_);
  if (!caller.clues.was_translated()) {  // whose socket it is, only the supervisor can tell
    identity.uid = caller.clues.known_uid();
  }
  const auto user = identity.uid ? users_.find(*identity.uid) : users_.end();
  identity.user = user != users_.end() ? user->second : std::string();
  identity.unknown_because = caller.unknown_because.empty() ? reason : caller.unknown_because;
  return std::make_shared<const caller::Identity>(std::move(identity));
}

}  // namespace msi2imds::responder
