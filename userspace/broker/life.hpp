// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

// How long a token lives: until the earliest end that this machine's clock, IMDS's (expires_in) and its
// issuer's (not_before) tell, counted on a clock that nobody sets. So it is never too long, whichever of them
// is wrong.
class Life {
 public:
  // `asked` is when IMDS was asked for the token: its answer may have been long on its way.
  Life(const token::Token& token, const Moment& asked);

  // All that a life is made of, for a process that goes on with it before the machine starts again.
  struct Record {
    std::int64_t stated = 0;
    std::int64_t asked = 0;   // nanoseconds since the machine started
    std::int64_t length = 0;  // nanoseconds
    bool believes_wall = true;
  };
  [[nodiscard]] Record record() const;

  // The life of that record; nothing, if no life can be like that.
  [[nodiscard]] static std::optional<Life> from(const Record& record, const Moment& now);

  // From when it was asked for; nothing or less: it never lived.
  [[nodiscard]] std::chrono::nanoseconds length() const {
    return length_;
  }

  // The wall clock is believed where it went further, and would end the token's life.
  [[nodiscard]] std::chrono::nanoseconds age(const Moment& now) const;

  [[nodiscard]] std::chrono::nanoseconds left(const Moment& now) const {
    return length_ - age(now);
  }

  // When it ends, in Unix seconds by this machine's clock, right or wrong: what IMDS says if that agrees.
  [[nodiscard]] std::int64_t expires_on(const Moment& now) const;

  [[nodiscard]] BootTime asked() const {
    return asked_;
  }

 private:
  Life() = default;

  std::int64_t stated_ = 0;  // expires_on, as IMDS says it
  BootTime asked_;
  std::chrono::nanoseconds length_{};
  bool believes_wall_ = true;
};

}  // namespace msi2imds::broker
