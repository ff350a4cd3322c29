// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "resolver/investigation.hpp"

namespace msi2imds::resolver {

// An investigation in a tree like /proc, and all that it has answered, in order.
class Asking : private Listener {
 public:
  struct Answer {
    std::uint64_t number = 0;
    caller::Identity identity;
  };

  explicit Asking(
      const std::string& proc, Investigation::MakeBudget make_budget = [] { return SearchBudget(); },
      Holders owners = {})
      : investigation_(
            Identifier(proc, UniqueFd(), UserNames(), std::move(owners)), *this, progress_, nullptr,
            [](pid_t) { return true; }, std::move(make_budget)) {}

  // Returns its number.
  std::uint64_t begin(const caller::Clues& clues) {
    investigation_.ask({.number = ++last_, .clues = clues});
    return last_;
  }
  bool advance() {
    return investigation_.advance();
  }
  void finish() {
    while (advance()) {
    }
  }
  caller::Identity ask(const caller::Clues& clues) {
    const std::uint64_t number = begin(clues);
    finish();
    for (const Answer& answer : answers) {
      if (answer.number == number) {
        return answer.identity;
      }
    }
    return {};
  }
  // How many steps it takes until that question is answered, at most `most`.
  int steps_until(std::uint64_t number, int most = 100'000) {
    for (int steps = 0; steps <= most; ++steps) {
      for (const Answer& answer : answers) {
        if (answer.number == number) {
          return steps;
        }
      }
      advance();
    }
    return most;
  }
  [[nodiscard]] const Progress& progress() const {
    return progress_;
  }

  std::vector<Answer> answers;
  std::map<std::uint64_t, std::string> command_lines;
  std::size_t answers_before_first_line = 0;

 private:
  void hear_identity(std::uint64_t number, const Found& found, bool /*more*/) override {
    answers.push_back({.number = number, .identity = found.identity});
  }
  void hear_unhashed(std::uint64_t /*number*/, const Found& /*found*/) override {}
  void hear_hash(std::uint64_t /*number*/) override {}
  void hear_command_line(std::uint64_t number, const std::string& line) override {
    if (command_lines.empty()) {
      answers_before_first_line = answers.size();
    }
    command_lines[number] = line;
  }

  Progress progress_;
  Investigation investigation_;
  std::uint64_t last_ = 0;
};

}  // namespace msi2imds::resolver
