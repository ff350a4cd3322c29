// SPDX-License-Identifier: MIT
#include "responder/caller_book.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iterator>
#include <string>
#include <utility>

#include "base/spawn.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::size_t kMostIdentities = 4096;
// Messages that wait for their answers. What comes meanwhile is asked about together afterwards: with four at
// a time, the messages cost twice as much throughput (docs/benchmarks.md).
constexpr std::size_t kMostInFlight = 1;

control::CallerQuestion question_about(const caller::Caller& caller, bool is_fresh) {
  control::CallerQuestion question;
  question.cookie = caller.cookie;
  question.inode = static_cast<std::uint32_t>(caller.inode);
  question.uid = caller.uid.value_or(0);
  question.has_uid = caller.uid ? 1 : 0;
  question.cgroup_id = caller.cgroup_id.value_or(0);
  question.has_cgroup_id = caller.cgroup_id ? 1 : 0;
  question.is_fresh = is_fresh ? 1 : 0;
  return question;
}

// What is known when the supervisor cannot tell more.
std::shared_ptr<const caller::Identity> known_without(const caller::Caller& caller,
                                                      const std::string& reason) {
  caller::Identity identity;
  identity.uid = caller.uid;
  identity.unknown_because = caller.unknown_because.empty() ? reason : caller.unknown_because;
  return std::make_shared<const caller::Identity>(std::move(identity));
}

}  // namespace

void CallerLookup::then(std::function<void()> next) {
  if (identity_) {
    next();
  } else {
    waiting_.push_back(std::move(next));
  }
}

void CallerLookup::finish(std::shared_ptr<const caller::Identity> identity,
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

void CallerLookup::finish_without(const std::string& reason) {
  finish(known_without(caller_, reason), std::nullopt);
}

void CallerLookup::give_up() {
  was_given_up_ = true;
  finish_without("the service was restarted meanwhile");
}

CallerLookupPtr CallerBook::look_up(const caller::Caller& caller, bool is_fresh) {
  auto lookup = std::make_shared<CallerLookup>(caller);
  if (gave_up_) {
    lookup->give_up();
  } else if (!ask_) {
    lookup->finish_without("there is nobody to ask");
  } else {
    unfinished_.push_back(*lookup);
    pending_.push_back({is_fresh, lookup});
    flush_soon();
  }
  return lookup;
}

asio::awaitable<CallerLookupPtr> CallerBook::look_up(control::CallerAnswer answer) {
  const Pending pending{.is_fresh = false, .lookup = std::make_shared<CallerLookup>(caller::Caller())};
  co_await finish(answer, pending);
  co_return pending.lookup;
}

asio::awaitable<void> CallerBook::wait(CallerLookupPtr lookup) {
  if (lookup->identity() != nullptr) {
    co_return;
  }
  asio::steady_timer over(io_, asio::steady_timer::time_point::max());
  lookup->then([&over] { over.cancel(); });
  while (lookup->identity() == nullptr) {
    (void)co_await over.async_wait(kAsTuple);
  }
}

asio::awaitable<void> CallerBook::wait_for_all() {
  while (!unfinished_.empty()) {
    CallerLookupPtr first = unfinished_.front().shared_from_this();
    co_await wait(std::move(first));
  }
}

void CallerBook::give_up() {
  gave_up_ = true;
  while (!unfinished_.empty()) {
    unfinished_.front().shared_from_this()->give_up();
  }
}

// Connections that are accepted together are asked about together.
void CallerBook::flush_soon() {
  if (!std::exchange(is_flush_posted_, true)) {
    asio::post(io_, [this] {
      is_flush_posted_ = false;
      flush();
    });
  }
}

void CallerBook::flush() {
  while (!pending_.empty() && in_flight_ < kMostInFlight) {
    const auto size = static_cast<std::ptrdiff_t>(std::min(control::kMostCallers, pending_.size()));
    std::vector<Pending> batch(std::make_move_iterator(pending_.begin()),
                               std::make_move_iterator(pending_.begin() + size));
    pending_.erase(pending_.begin(), pending_.begin() + size);
    ++in_flight_;
    spawn(io_, "ask who calls", ask_about(std::move(batch)));
  }
}

asio::awaitable<void> CallerBook::ask_about(std::vector<Pending> batch) {
  std::vector<control::CallerQuestion> questions(batch.size());
  std::transform(batch.begin(), batch.end(), questions.begin(), [](const Pending& pending) {
    return question_about(pending.lookup->caller_, pending.is_fresh);
  });
  control::Message message;
  message.kind = control::Kind::ask_callers;
  control::set_records(message, std::span<const control::CallerQuestion>(questions));
  const Result<control::Received> received = co_await ask_(message);
  --in_flight_;
  flush_soon();
  const auto answers =
      received ? control::get_records<control::CallerAnswer>(received->message) : std::nullopt;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (answers && i < answers->size()) {
      co_await finish((*answers)[i], std::move(batch[i]));
    } else {
      const std::string why = received ? "its answer makes no sense" : received.error().message();
      batch[i].lookup->finish_without("the supervisor was no help: " + why);
    }
  }
}

asio::awaitable<void> CallerBook::finish(control::CallerAnswer answer, Pending pending) {
  std::shared_ptr<const caller::Identity> identity = co_await find_identity(answer.identity);
  if (!identity) {
    identity = known_without(pending.lookup->caller_, "the supervisor did not answer");
  }
  pending.lookup->finish(std::move(identity), answer.dialled());
}

asio::awaitable<std::shared_ptr<const caller::Identity>> CallerBook::find_identity(std::uint64_t number) {
  if (number == 0) {
    co_return nullptr;
  }
  const auto known = identities_.find(number);
  if (known != identities_.end()) {
    co_return known->second;
  }
  control::Message question;
  question.kind = control::Kind::ask_identity;
  question.number = number;
  const Result<control::Received> received = co_await ask_(question);
  if (!received) {
    co_return nullptr;
  }
  Result<caller::Identity> identity = caller::parse_identity(received->message.get_text());
  if (!identity) {
    co_return nullptr;
  }
  if (identities_.size() >= kMostIdentities) {
    identities_.clear();  // they are learned again
  }
  auto shared = std::make_shared<const caller::Identity>(std::move(*identity));
  identities_.emplace(number, shared);
  co_return shared;
}

}  // namespace msi2imds::responder
