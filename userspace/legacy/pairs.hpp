// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace msi2imds::legacy {

// A parameter that clients are known to send; `noise` means nothing to us.
enum class Parameter : std::uint8_t { resource, client_id, object_id, resource_id, bypass_cache, noise };

// By any of its spellings, in any case.
[[nodiscard]] std::optional<Parameter> find_parameter(std::string_view name);

// One name=value of a query or a form, undecoded.
struct Pair {
  std::string_view name;
  std::string_view value;
};

// Cuts a query or a form into pairs, as dirty as clients send it: in quotes as a whole, joined by commas, or
// with a raw & in a value.
class PairReader {
 public:
  explicit PairReader(std::string_view text);

  [[nodiscard]] std::optional<Pair> next();

 private:
  [[nodiscard]] std::size_t segment_end() const;
  void skip_segment();

  std::string_view rest_;
};

// Decodes percent-encoding and +; what is no valid escape stands for itself. `room` is memory for that.
[[nodiscard]] std::string decode_form(std::string_view text, std::string room = {});

}  // namespace msi2imds::legacy
