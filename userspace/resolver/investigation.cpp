// SPDX-License-Identifier: MIT
#include "resolver/investigation.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "resolver/cage.hpp"

namespace msi2imds::resolver {
namespace {

// How long a search goes on in one turn; whatever else is done in a turn takes less.
constexpr std::chrono::milliseconds kSlice{1};
// One command line after so many turns, so that they are read also while there is always something to do.
constexpr unsigned kTurnsForAText = 4;
constexpr std::size_t kMostTexts = 64;  // of a group that may wait; what is more is left out
constexpr std::size_t kMostUsersKnown = 4096;
constexpr std::size_t kMostSearches = 400;  // at a time: each has up to two directories open
static_assert(2 * kMostSearches + 64 <= kReaderDescriptors);

}  // namespace

Investigation::Investigation(Identifier identifier, Listener& listener, Progress& progress,
                             const ProgramHashes* hashes, MayBeRead may_be_read, MakeBudget make_budget)
    : identifier_(std::move(identifier)),
      listener_(listener),
      progress_(progress),
      hashes_(hashes),
      may_be_read_(std::move(may_be_read)),
      make_budget_(std::move(make_budget)) {}

void Investigation::ask(const Question& question) {
  const Group group = identifier_.group_of(question.clues);
  OfGroup& of_group = of(group);
  const bool was_idle = of_group.is_idle();
  const caller::Clues& clues = question.clues;
  if (clues.pid != 0 || clues.inode == 0) {
    of_group.due.push_back({.question = question, .search = std::nullopt});
  } else if (!clues.has_uid) {
    of_group.due.push_back({.question = question, .search = SearchResult()});
  } else {
    of_group.unsearched[clues.uid].push_back(question);
  }
  if (was_idle) {
    turns_.push_back(group);
  }
}

// Idle groups are forgotten, with what they have used of their share, only where there are too many groups.
Investigation::OfGroup& Investigation::of(Group group) {
  if (groups_.size() >= kMostUsersKnown && !groups_.contains(group)) {
    std::erase_if(groups_, [](const auto& known) { return known.second.is_idle(); });
  }
  const auto known = groups_.find(group);
  return known != groups_.end()
             ? known->second
             : groups_
                   .emplace(group,
                            OfGroup{.due = {}, .unsearched = {}, .search = {}, .budget = make_budget_()})
                   .first->second;
}

bool Investigation::advance() {
  if (turns_.empty() || ++turns_since_text_ > kTurnsForAText) {
    turns_since_text_ = 0;
    if (read_a_command_line()) {
      return true;
    }
  }
  const auto turn = whose_turn();
  if (turn == turns_.end()) {
    return false;
  }
  const Group group = *turn;
  turns_.erase(turn);
  OfGroup& of_group = of(group);
  take_turn(of_group, group);
  if (!of_group.is_idle()) {
    turns_.push_back(group);
  }
  return true;
}

// A group whose searches have used up its share goes on when no other group has anything to do.
std::deque<Group>::iterator Investigation::whose_turn() {
  const auto within_budget = std::ranges::find_if(turns_, [this](Group group) {
    OfGroup& of_group = of(group);
    const bool can_search = of_group.search || open_searches_ < kMostSearches;
    return !of_group.due.empty() || (can_search && of_group.budget.allows());
  });
  return within_budget != turns_.end() ? within_budget : turns_.begin();
}

void Investigation::take_turn(OfGroup& of_group, Group group) {
  if (!of_group.due.empty()) {
    const Due due = std::move(of_group.due.front());
    of_group.due.pop_front();
    begin_step(Step::identity, due.question.number, due.question.clues.pid);
    answer(due.question, due.search, group);
    return;
  }
  if (!of_group.search && open_searches_ < kMostSearches) {
    begin_search(of_group, group);
  }
  if (of_group.search) {
    of_group.budget.spend_on([&] {
      go_on_searching(of_group);
      return 0;
    });
  }
}

// A walk over all processes costs milliseconds: it has a budget, unless a rule depends on it.
void Investigation::begin_search(OfGroup& of_group, Group group) {
  const auto next = of_group.unsearched.begin();
  const uid_t uid = next->first;
  std::vector<Question> questions = std::move(next->second);
  of_group.unsearched.erase(next);
  const bool is_urgent =
      std::ranges::any_of(questions, [](const Question& question) { return question.clues.is_fresh; });
  if (!is_urgent && !of_group.budget.allows()) {
    for (const Question& question : questions) {
      answer(question, std::nullopt, group);
    }
    return;
  }
  std::set<ino_t> inodes;
  for (const Question& question : questions) {
    inodes.insert(question.clues.inode);
  }
  of_group.search.emplace(Search{.search = HolderSearch(identifier_.proc(), uid, std::move(inodes)),
                                 .questions = std::move(questions)});
  ++open_searches_;
}

void Investigation::go_on_searching(OfGroup& of_group) {
  Search& search = *of_group.search;
  const std::uint64_t number = search.questions.front().number;
  begin_step(Step::search, number, search.search.at());
  const auto end = std::chrono::steady_clock::now() + kSlice;
  const bool is_over = search.search.advance([&] {
    progress_.pid = search.search.at();
    ++progress_.steps;
    return std::chrono::steady_clock::now() < end;
  });
  if (!is_over) {
    return;
  }
  const SearchResult& found = search.search.found();
  for (const Question& question : search.questions) {
    SearchResult of_socket{.holders = {}, .problem = found.problem, .forbidden = found.forbidden};
    if (const auto holders = found.holders.find(question.clues.inode); holders != found.holders.end()) {
      of_socket.holders.insert(*holders);
    }
    of_group.due.push_back({.question = question, .search = std::move(of_socket)});
  }
  of_group.search.reset();
  --open_searches_;
}

void Investigation::answer(const Question& question, const std::optional<SearchResult>& search, Group group) {
  Found found = identifier_.identify(question.clues, search);
  if (question.clues.wants_sha256 && found.identity.pid && found.program_file.inode != 0 &&
      !add_hash(found)) {
    listener_.hear_unhashed(question.number, found);
    return;
  }
  const std::optional<Text> text = text_about(question.number, found, group);
  listener_.hear_identity(question.number, found, text.has_value());
  if (text) {
    texts_.push(group, *text);
  }
}

// Adds the hash of the very file that was identified. False: it is not known yet, but can be found out.
bool Investigation::add_hash(Found& found) const {
  const ProgramFile program = open_program(identifier_.proc(), *found.identity.pid);
  const bool is_same =
      program.key.inode == found.program_file.inode && program.key.device == found.program_file.device;
  std::string problem = program.problem;
  if (problem.empty() && !is_same) {
    problem = "it runs another program now";
  }
  const auto hash = problem.empty() && hashes_ != nullptr ? hashes_->find(program.key) : std::nullopt;
  found.identity.sha256 = hash.value_or("");
  if (!problem.empty() && found.identity.unknown_because.empty()) {
    found.identity.unknown_because = std::move(problem);
  }
  return hash || !found.identity.unknown_because.empty() || hashes_ == nullptr;
}

std::optional<Investigation::Text> Investigation::text_about(std::uint64_t number, const Found& found,
                                                             Group group) const {
  const std::optional<pid_t> pid = found.identity.pid;
  if (!pid || found.identity.program.empty() || !may_be_read_(*pid) || texts_.size_of(group) >= kMostTexts ||
      texts_.size() >= kMostCommandLines) {
    return std::nullopt;
  }
  const auto incarnation = read_incarnation(identifier_.proc(), *pid);
  return incarnation ? std::optional(Text{.number = number, .pid = *pid, .incarnation = *incarnation})
                     : std::nullopt;
}

bool Investigation::read_a_command_line() {
  const auto next = texts_.pop();
  if (!next) {
    return false;
  }
  const Text& text = next->second;
  begin_step(Step::command_line, text.number, text.pid);
  listener_.hear_command_line(text.number, read_command_line(identifier_.proc(), text.pid, text.incarnation));
  return true;
}

void Investigation::begin_step(Step step, std::uint64_t question, pid_t pid) {
  progress_.step = step;
  progress_.question = question;
  progress_.pid = pid;
  ++progress_.steps;
}

}  // namespace msi2imds::resolver
