// SPDX-License-Identifier: MIT
#include "resolver/resolver.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostKnown = 256;
// An exec within it may go unnoticed where no rule depends on the program.
constexpr std::chrono::seconds kKnownAge{1};
constexpr std::chrono::seconds kLeaveAlone{10};  // a process whose reading hung
constexpr std::size_t kMostHanging = 1024;
constexpr int kMostWithHasher = 2;                // of one user
constexpr std::chrono::seconds kHashDeadline{2};  // for one piece of a program: disks may be slow
constexpr int kMostWithReader = 32;  // of one user: it takes turns between those whom it knows of

// -1 where the kernel has none (before 5.3): then nothing is remembered.
UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool has_ended(const UniqueFd& process) {
  pollfd state{.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, 0) != 0;
}

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
      users_(settings_.account_files.passwd) {}
Resolver::~Resolver() = default;

asio::awaitable<std::vector<SerializedIdentity>> Resolver::resolve(std::vector<caller::Clues> questions) {
  const auto together = std::make_shared<Together>(io_);
  together->identities.resize(questions.size());
  drop_what_is_over(hanging_);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    together->identities[i] = remember(questions[i]);
    if (!together->identities[i]) {
      begin(questions[i], together, i);
    }
  }
  begin_work();
  while (together->missing > 0) {
    (void)co_await together->answered.async_wait(kAsTuple);
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

// The process still runs, so its number still means it; the clues tell that it dialled just now.
SerializedIdentity Resolver::remember(const caller::Clues& question) {
  const auto known = question.pid == 0 || question.is_fresh ? known_.end() : known_.find(question.pid);
  if (known == known_.end()) {
    return nullptr;
  }
  caller::Clues same = known->second.question;
  same.dialled_at = question.dialled_at;
  same.inode = question.inode;
  same.cookie = question.cookie;
  const bool is_valid = same == question && known->second.started <= question.dialled_at &&
                        std::chrono::steady_clock::now() - known->second.read < kKnownAge &&
                        !has_ended(known->second.process);
  if (!is_valid) {
    known_.erase(known);
    return nullptr;
  }
  return known->second.identity;
}

// `process` was opened before its details were read: if it still runs, they are its own.
void Resolver::keep(const caller::Clues& question, SerializedIdentity identity, std::int64_t started,
                    UniqueFd process) {
  if (!process || started == 0 || has_ended(process)) {
    return;
  }
  if (known_.size() >= kMostKnown) {
    known_.clear();
  }
  known_[question.pid] = {.question = question,
                          .identity = std::move(identity),
                          .started = started,
                          .read = std::chrono::steady_clock::now(),
                          .process = std::move(process)};
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
  keep(open.clues, open.identity, reply.started, std::move(open.process));
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
  unhashed_.push(owner_of(open.clues), {number, reply.pid});
  if (!std::exchange(hashing_, true)) {
    spawn(io_, "hash the programs of callers", hash());
  } else if (hasher_) {
    ask_hasher();
  }
}

asio::awaitable<void> Resolver::hash() {
  while (!unhashed_.empty() || !with_hasher_.empty()) {
    if (!hasher_ && !start_hasher()) {
      while (const auto next = unhashed_.pop()) {
        finish_hash(next->second.first, false);
      }
      break;
    }
    ask_hasher();
    const std::optional<ProcReader::Reply> reply =
        co_await hasher_->receive(kHashDeadline, settings_.patience_for_hash);
    const bool is_expected =
        reply && reply->kind == ReplyKind::hashed && with_hasher_.erase(reply->number) > 0;
    if (is_expected) {
      finish_hash(reply->number, true);
    }
    if (is_expected && !is_hasher_overdue()) {
      continue;
    }
    hasher_.reset();  // its disk hangs, or it says what it was not asked
    for (const auto& [number, asked] : std::exchange(with_hasher_, {})) {
      finish_hash(number, false);
    }
  }
  hashing_ = false;
}

bool Resolver::start_hasher() {
  const ProcReader::Settings settings{.proc = settings_.proc,
                                      .cgroup_root = -1,
                                      .unreadable = {},
                                      .owners = owners_,
                                      .hashes = hashes_.get(),
                                      .hashes_programs = true,
                                      .become = settings_.become_reader};
  Result<std::unique_ptr<ProcReader>> hasher = ProcReader::start(io_, settings);
  if (!hasher) {
    log::warn("the hash of programs stays unknown: cannot {}", hasher.error().message());
    return false;
  }
  hasher_ = std::move(*hasher);
  return true;
}

bool Resolver::is_hasher_overdue() const {
  const auto now = std::chrono::steady_clock::now();
  return std::ranges::any_of(with_hasher_, [&](const auto& asked) {
    return now - asked.second.when >= settings_.patience_for_hash;
  });
}

void Resolver::ask_hasher() {
  const auto may_ask = [this](Owner owner) {
    return std::ranges::count_if(with_hasher_, [owner](const auto& asked) {
             return asked.second.owner == owner;
           }) < kMostWithHasher;
  };
  while (const auto next = unhashed_.pop_if(may_ask)) {
    const auto& [owner, wanted] = *next;
    const auto& [number, pid] = wanted;
    const auto open = open_.find(number);
    if (open == open_.end()) {
      continue;  // it was answered without the hash
    }
    Question question{.number = number, .clues = open->second.clues};
    question.clues.pid = pid;
    if (!hasher_->ask(question)) {
      unhashed_.push(owner, wanted);
      return;
    }
    with_hasher_.emplace(number, Asked{.owner = owner, .when = std::chrono::steady_clock::now()});
  }
}

void Resolver::finish_hash(std::uint64_t number, bool is_hashed) {
  const auto found = open_.find(number);
  if (found == open_.end() || !found->second.together) {
    return;
  }
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
  const auto until = std::chrono::steady_clock::now() + kLeaveAlone;
  Until& to_leave_alone = doing.step == Step::command_line ? unreadable_ : hanging_;
  if (doing.pid != 0 && doing.step != Step::search && to_leave_alone.size() < kMostHanging) {
    to_leave_alone[doing.pid] = until;
  }
  const auto culprit = open_.find(doing.question);
  const bool is_over = culprit == open_.end();              // that question was answered
  const bool is_nobody = is_over && !reader_has_answered_;  // no reader may end without an answer
  const caller::Clues hung = is_over ? caller::Clues() : culprit->second.clues;
  for (auto entry = open_.begin(); entry != open_.end();) {
    Open& open = entry->second;
    const bool was_searched_for =
        doing.step == Step::search && !is_over && open.clues.pid == 0 && is_of_same_uid(open.clues, hung);
    if (!open.together) {
      entry = open_.erase(entry);  // its command line went with the reader
    } else if (is_overdue(open)) {
      answer_without_reader(open, too_late(settings_.patience));
      entry = open_.erase(entry);
    } else if (is_nobody || entry->first == doing.question || was_searched_for) {
      answer_without_reader(open, is_nobody ? "/proc cannot be read" : too_late(settings_.deadline));
      entry = open_.erase(entry);
    } else {
      if (std::exchange(open.is_with_reader, false)) {
        waiting_.push(owner_of(open.clues), entry->first);
      }
      ++entry;
    }
  }
  with_reader_.clear();
  untold_ = 0;
  queue_again(is_over ? std::nullopt : std::optional(owner_of(hung)));
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
