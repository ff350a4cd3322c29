// SPDX-License-Identifier: MIT
#include "resolver/resolver.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "caller/caller.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::chrono::seconds kLeaveAlone{10};  // a process whose reading hung
constexpr std::size_t kMostHanging = 1024;
constexpr int kMostWithReader = 32;  // of one user: it takes turns between those whom it knows of

bool is_of_same_uid(const caller::Clues& one, const caller::Clues& other) {
  return one.has_uid == other.has_uid && one.uid == other.uid;
}

void drop_what_is_over(std::unordered_map<std::int32_t, std::chrono::steady_clock::time_point>& until) {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(until, [now](const auto& entry) { return entry.second <= now; });
}

}  // namespace

Resolver::Resolver(asio::io_context& io, Settings settings)
    : io_(io),
      settings_(std::move(settings)),
      owners_(Holders::parse(accounts::owners_of_uids(settings_.account_files))),
      users_(settings_.account_files.passwd),
      hash_queue_(
          io, settings_.patience_for_hash,
          {.start_hasher = [this] { return start_hasher(); },
           .is_wanted = [this](std::uint64_t number) { return open_.contains(number); },
           .finish = [this](std::uint64_t number, bool is_hashed) { finish_hash(number, is_hashed); }}) {}
Resolver::~Resolver() = default;

asio::awaitable<std::vector<SerializedIdentity>> Resolver::resolve(std::vector<caller::Clues> questions) {
  const auto together = std::make_shared<Together>(io_);
  together->identities.resize(questions.size());
  drop_what_is_over(hanging_);
  std::vector<std::size_t> first;
  std::vector<std::size_t> others;  // of a caller who is among the first: known by then, if he still runs
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const bool has_come = std::ranges::any_of(first, [&](std::size_t earlier) {
      return caller::are_of_one_caller(questions[earlier], questions[i]);
    });
    (has_come ? others : first).push_back(i);
  }
  auto now = std::chrono::steady_clock::now();
  for (const std::vector<std::size_t>& places : {std::cref(first), std::cref(others)}) {
    for (const std::size_t place : places) {
      together->identities[place] = known_.find(questions[place], now);
      if (!together->identities[place]) {
        begin(questions[place], together, place);
      }
    }
    begin_work();
    while (together->missing > 0) {
      (void)co_await together->answered.async_wait(kAsTuple);
      now = std::chrono::steady_clock::now();
    }
  }
  co_return std::move(together->identities);
}

Resolver::Owner Resolver::owner_of(const caller::Clues& clues) const {
  return owners_.of(clues.has_uid ? std::optional(clues.uid) : std::nullopt).owner;
}

void Resolver::begin(const caller::Clues& question, const std::shared_ptr<Together>& together,
                     std::size_t place) {
  ++together->missing;
  Open open{.clues = question,
            .together = together,
            .place = place,
            .process = question.pid != 0 ? open_process(question.pid) : UniqueFd()};
  if (question.pid != 0 && hanging_.contains(question.pid)) {
    answer_without_reader(open, too_late(settings_.deadline));
    return;
  }
  open_.emplace(++last_number_, std::move(open));
  waiting_.push(owner_of(question), last_number_);
}

void Resolver::begin_work() {
  if (!waiting_.empty() && !std::exchange(working_, true)) {
    spawn(io_, "read about callers", work());
  } else if (reader_) {
    ask_reader();
  }
}

// Goes on as long as the reader has something to tell.
asio::awaitable<void> Resolver::work() {
  while (!waiting_.empty() || !with_reader_.empty() || untold_ > 0) {
    if (!reader_ && !start_reader()) {
      for (auto& [number, open] : std::exchange(open_, {})) {
        answer_without_reader(open, "/proc cannot be read");
      }
      waiting_ = {};
      with_reader_.clear();
      untold_ = 0;
      break;
    }
    ask_reader();
    std::optional<ProcReader::Reply> reply =
        co_await reader_->receive(settings_.deadline, settings_.patience);
    if (reply) {
      warn_without_filter();
    }
    if (!reply || !take(std::move(*reply)) || has_overdue_answers()) {
      give_up_reader();
    }
  }
  working_ = false;
}

// Warns once only.
void Resolver::warn_without_filter() {
  if (reader_->has_no_filter() && !std::exchange(has_warned_, true)) {
    log::warn("the reader of /proc works without a filter of system calls: this kernel has none");
  }
}

bool Resolver::start_reader() {
  if (!hashes_) {
    Result<Shared<ProgramHashes>> hashes = make_shared_with_children<ProgramHashes>();
    hashes_ = hashes ? std::move(*hashes) : nullptr;
  }
  drop_what_is_over(unreadable_);
  ProcReader::Settings settings{.proc = settings_.proc,
                                .cgroup_root = settings_.cgroup_root,
                                .unreadable = {},
                                .owners = owners_,
                                .hashes = hashes_.get(),
                                .become = settings_.become_reader};
  for (const auto& [pid, until] : unreadable_) {
    settings.unreadable.insert(pid);
  }
  Result<std::unique_ptr<ProcReader>> reader = ProcReader::start(io_, settings);
  if (!reader) {
    log::warn("callers stay unknown: cannot {}", reader.error().message());
    return false;
  }
  reader_ = std::move(*reader);
  reader_has_answered_ = false;
  return true;
}

void Resolver::ask_reader() {
  const auto may_ask = [this](Owner owner) {
    const auto with_reader = with_reader_.find(owner);
    return with_reader == with_reader_.end() || with_reader->second < kMostWithReader;
  };
  while (const auto next = waiting_.pop_if(may_ask)) {
    const auto& [owner, number] = *next;
    const auto open = open_.find(number);
    if (!reader_->ask({.number = number, .clues = open->second.clues})) {
      waiting_.push(owner, number);  // the reader has to take earlier questions first
      return;
    }
    open->second.is_with_reader = true;
    open->second.asked = std::chrono::steady_clock::now();
    ++with_reader_[owner];
  }
}

// Identities have to answer open questions, and command lines have to follow an identity.
bool Resolver::is_expected(const ProcReader::Reply& reply) const {
  const auto found = open_.find(reply.number);
  if (found == open_.end()) {
    return false;
  }
  const Open& open = found->second;
  switch (reply.kind) {
    case ReplyKind::identity:
      return open.is_with_reader && (!reply.more || untold_ < kMostCommandLines);
    case ReplyKind::unhashed:
      return open.is_with_reader && open.clues.wants_sha256 &&
             (open.clues.pid == 0 || open.clues.pid == reply.pid);
    case ReplyKind::command_line:
      return !open.together && reply.text.size() <= kLongestCommandLine;
    case ReplyKind::hashed:
      break;
  }
  return false;
}

// False: no honest reader says that.
bool Resolver::take(ProcReader::Reply reply) {
  const auto found = open_.find(reply.number);
  if (!is_expected(reply)) {
    log::error("the reader of /proc is ended, since its answer was not expected: kind {} about question {}",
               static_cast<unsigned>(reply.kind), reply.number);
    return false;
  }
  Open& open = found->second;
  if (reply.kind == ReplyKind::unhashed) {
    const std::uint64_t number = reply.number;
    begin_hash(number, open, std::move(reply));
    return true;
  }
  if (reply.kind == ReplyKind::command_line) {
    if (!reply.text.empty() && open.identity && settings_.hear_command_line) {
      settings_.hear_command_line(open.identity, reply.text);
    }
    --untold_;
    open_.erase(found);
    return true;
  }
  reader_has_answered_ = true;
  finish(open, std::make_shared<const std::string>(std::move(reply.text)));
  known_.keep(open.clues, open.identity, reply.started, std::move(open.process));
  if (reply.more) {
    ++untold_;
  } else {
    open_.erase(found);
  }
  return true;
}

bool Resolver::is_overdue(const Open& open) const {
  return open.is_with_reader && std::chrono::steady_clock::now() - open.asked >= settings_.patience;
}

// Looks only now and then, since there may be many. A question that is never answered would keep its place
// from others.
bool Resolver::has_overdue_answers() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_for_overdue_ < settings_.patience / 10) {
    return false;
  }
  looked_for_overdue_ = now;
  return std::ranges::any_of(open_, [this](const auto& entry) { return is_overdue(entry.second); });
}

void Resolver::leave_reader(Open& open) {
  if (std::exchange(open.is_with_reader, false) && --with_reader_[owner_of(open.clues)] == 0) {
    with_reader_.erase(owner_of(open.clues));
  }
}

void Resolver::finish(Open& open, SerializedIdentity identity) {
  leave_reader(open);
  open.identity = identity;
  const std::shared_ptr<Together> together = std::exchange(open.together, nullptr);
  together->identities[open.place] = std::move(identity);
  if (--together->missing == 0) {
    together->answered.cancel();
  }
}

// Its program is read by another process, which may take its time; then it is asked about anew.
void Resolver::begin_hash(std::uint64_t number, Open& open, ProcReader::Reply reply) {
  leave_reader(open);
  open.without_hash = std::move(reply.text);
  if (open.was_hashed || reply.pid == 0) {
    finish_hash(number, false);
    return;
  }
  Question question{.number = number, .clues = open.clues};
  question.clues.pid = reply.pid;
  hash_queue_.push(owner_of(open.clues), question);
}

Result<std::unique_ptr<ProcReader>> Resolver::start_hasher() {
  return ProcReader::start(io_, {.proc = settings_.proc,
                                 .cgroup_root = -1,
                                 .unreadable = {},
                                 .owners = owners_,
                                 .hashes = hashes_.get(),
                                 .hashes_programs = true,
                                 .become = settings_.become_reader});
}

void Resolver::finish_hash(std::uint64_t number, bool is_hashed) {
  const auto found = open_.find(number);
  Open& open = found->second;
  if (is_hashed) {
    open.was_hashed = true;
    waiting_.push(owner_of(open.clues), number);
    begin_work();
    return;
  }
  finish(open, std::make_shared<const std::string>(std::move(open.without_hash)));
  open_.erase(found);
}

// It hangs, or is gone. What it was doing then is left alone from now on; the next reader is asked the rest.
void Resolver::give_up_reader() {
  const ProcReader::Doing doing = reader_->doing();
  if (const std::string failure = reader_->failure(); !failure.empty()) {
    log::error("callers stay unknown: cannot {}", failure);
  }
  reader_.reset();
  leave_alone(doing);
  const auto found = open_.find(doing.question);  // none: that question was answered
  const auto hung = found != open_.end() ? std::optional(found->second.clues) : std::nullopt;
  for (auto& [number, open] : open_) {
    if (!open.together) {
      continue;  // its command line went with the reader
    }
    if (const auto reason = why_unanswerable(number, open, doing, hung)) {
      answer_without_reader(open, *reason);
    } else if (std::exchange(open.is_with_reader, false)) {
      waiting_.push(owner_of(open.clues), number);
    }
  }
  std::erase_if(open_, [](const auto& entry) { return !entry.second.together; });
  with_reader_.clear();
  untold_ = 0;
  queue_again(hung ? std::optional(owner_of(*hung)) : std::nullopt);
}

void Resolver::leave_alone(const ProcReader::Doing& doing) {
  Until& to_leave_alone = doing.step == Step::command_line ? unreadable_ : hanging_;
  if (doing.pid != 0 && doing.step != Step::search && to_leave_alone.size() < kMostHanging) {
    to_leave_alone[doing.pid] = std::chrono::steady_clock::now() + kLeaveAlone;
  }
}

// Nothing: the next reader may answer it. `hung`: the clues of the question that the last one worked on.
std::optional<std::string> Resolver::why_unanswerable(std::uint64_t number, const Open& open,
                                                      const ProcReader::Doing& doing,
                                                      const std::optional<caller::Clues>& hung) const {
  if (is_overdue(open)) {
    return too_late(settings_.patience);
  }
  if (!hung && !reader_has_answered_) {  // no reader may end without an answer
    return "/proc cannot be read";
  }
  const bool was_searched_for =
      doing.step == Step::search && hung && open.clues.pid == 0 && is_of_same_uid(open.clues, *hung);
  if (number == doing.question || was_searched_for) {
    return too_late(settings_.deadline);
  }
  return std::nullopt;
}

// Those that were answered wait no longer. Whoever has held up the reader comes last: else he would be first
// with the next one as well, and hold it up with his next process.
void Resolver::queue_again(std::optional<Owner> last) {
  std::vector<std::uint64_t> of_last;
  for (auto waiting = std::exchange(waiting_, {}); const auto next = waiting.pop();) {
    if (!open_.contains(next->second)) {
      continue;
    }
    if (next->first == last) {
      of_last.push_back(next->second);
    } else {
      waiting_.push(next->first, next->second);
    }
  }
  for (const std::uint64_t number : of_last) {
    waiting_.push(*last, number);
  }
}

std::string Resolver::too_late(std::chrono::milliseconds than) {
  return "reading /proc took longer than " + std::to_string(than.count()) + " ms";
}

void Resolver::answer_without_reader(Open& open, const std::string& reason) {
  if (!open.together) {
    return;
  }
  caller::Identity identity = known_from(open.clues, users_);
  if (!identity.is_in_doubt) {  // else that is what matters
    identity.unknown_because = reason;
  }
  finish(open, std::make_shared<const std::string>(caller::serialize(identity)));
}

}  // namespace msi2imds::resolver
