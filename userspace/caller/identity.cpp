// SPDX-License-Identifier: MIT
#include "caller/identity.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace msi2imds::caller {
namespace {

constexpr std::size_t kLongestText = 6000;
constexpr std::size_t kHashSize = 64;
constexpr std::size_t kMostGroups = 64;

// In the order in which they are written.
constexpr std::array kTexts = {
    &Identity::user,           &Identity::comm,           &Identity::program,
    &Identity::command_line,   &Identity::cgroup,         &Identity::unit,
    &Identity::container,      &Identity::container_name, &Identity::container_image,
    &Identity::unknown_because};
// A flag and a number for uid and pid, two flags, and a count are among the rest.
static_assert(kTexts.size() * (kLongestText + sizeof(std::uint32_t)) +
                  (kMostGroups + 10) * sizeof(std::uint32_t) + kHashSize <=
              kLongestIdentity);

void append_number(std::string& out, std::uint32_t number) {
  std::array<char, sizeof number> bytes{};
  std::memcpy(bytes.data(), &number, sizeof number);
  out.append(bytes.data(), bytes.size());
}

template <typename Number>
void append_known(std::string& out, const std::optional<Number>& number) {
  append_number(out, number ? 1 : 0);
  append_number(out, static_cast<std::uint32_t>(number.value_or(0)));
}

void append_text(std::string& out, std::string_view text) {
  append_number(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

// Reads what was appended, in the same order. Once something is missing, everything after it is as well.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  std::uint32_t number() {
    std::uint32_t number = 0;
    const std::string_view bytes = take(sizeof number);
    if (!bytes.empty()) {
      std::memcpy(&number, bytes.data(), sizeof number);
    }
    return number;
  }
  // A number that is at most `most`.
  std::uint32_t number_up_to(std::uint32_t most) {
    const std::uint32_t read = number();
    is_good_ = is_good_ && read <= most;
    return is_good_ ? read : 0;
  }
  template <typename Number>
  std::optional<Number> known() {
    const bool is_known = number_up_to(1) == 1;
    const auto read = static_cast<Number>(is_known ? number() : number_up_to(0));
    return is_known ? std::optional(read) : std::nullopt;
  }
  std::string text() {
    return std::string(take(number_up_to(kLongestText)));
  }
  [[nodiscard]] bool is_at_its_end() const {
    return is_good_ && rest_.empty();
  }

 private:
  std::string_view take(std::size_t size) {
    is_good_ = is_good_ && size <= rest_.size();
    const std::string_view taken = rest_.substr(0, is_good_ ? size : 0);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  bool is_good_ = true;
};

}  // namespace

// A program or cgroup that was cut would be another one.
std::string serialize(const Identity& identity) {
  std::string out;
  const bool has_program = identity.program.size() <= kLongestText;
  append_number(out, identity.program_is_verified && has_program ? 1 : 0);
  append_number(out, identity.container_is_verified ? 1 : 0);
  append_number(out, identity.is_in_doubt ? 1 : 0);
  append_known(out, identity.uid);
  append_known(out, identity.pid);
  const std::size_t groups = std::min(identity.gids.size(), kMostGroups);
  append_number(out, static_cast<std::uint32_t>(groups));
  for (std::size_t i = 0; i < groups; ++i) {
    append_number(out, identity.gids[i]);
  }
  append_text(out, identity.sha256.size() == kHashSize ? identity.sha256 : std::string_view());
  for (const auto text : kTexts) {
    const std::string_view whole = identity.*text;
    const bool may_be_cut = text == &Identity::command_line;
    append_text(
        out, may_be_cut || whole.size() <= kLongestText ? whole.substr(0, kLongestText) : std::string_view());
  }
  return out;
}

Result<Identity> parse_identity(std::string_view serialized) {
  Reader reader(serialized);
  Identity identity;
  identity.program_is_verified = reader.number_up_to(1) == 1;
  identity.container_is_verified = reader.number_up_to(1) == 1;
  identity.is_in_doubt = reader.number_up_to(1) == 1;
  identity.uid = reader.known<uid_t>();
  identity.pid = reader.known<pid_t>();
  identity.gids.resize(reader.number_up_to(kMostGroups));
  for (gid_t& gid : identity.gids) {
    gid = reader.number();
  }
  identity.sha256 = reader.text();
  for (const auto text : kTexts) {
    identity.*text = reader.text();
  }
  if (!reader.is_at_its_end()) {
    return Error::from_errno(EPROTO, "read an identity");
  }
  return identity;
}

}  // namespace msi2imds::caller
