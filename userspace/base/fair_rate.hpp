// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>

#include "base/holder.hpp"

namespace msi2imds {

// So much a second for all, and at once at most as much. However much somebody takes, there is something left
// for whoever has taken less: an owner gets more only while he has less than a third of what is left for all,
// which is a quarter for one alone, and a fifth for each of two; and of what is left for the owner one uid
// gets at most three quarters in the same way.
class FairRate {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit FairRate(double of_all) : of_all_(of_all) {}

  // Whether something is left for that holder. Then he may take whatever he needs: what is too much is
  // missing afterwards.
  [[nodiscard]] bool has(const Holder& holder, Time now) const;
  void take(const Holder& holder, double amount, Time now);

  // How many are remembered.
  [[nodiscard]] std::size_t holders() const {
    return uids_.size();
  }

 private:
  // What was taken. It is forgotten bit by bit, so that whoever always has so much takes so much a second.
  class Level {
   public:
    [[nodiscard]] double at(Time now) const;
    void add(double amount, Time now);

   private:
    double amount_ = 0;
    Time when_;
  };

  void forget_least(Time now);

  double of_all_;
  Level all_;
  std::map<std::uint32_t, Level> owners_;
  std::map<Holder, Level> uids_;
};

}  // namespace msi2imds
