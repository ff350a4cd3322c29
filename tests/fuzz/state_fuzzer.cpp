// SPDX-License-Identifier: MIT
// What outlasts a process: any bytes in the memory of tokens, as a record or as a file, behind a good header
// or not; and any document in the file of callers, to which more is added then.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/token_memory.hpp"
#include "broker/token_record.hpp"
#include "fuzz/require.hpp"
#include "usage/errors.hpp"
#include "usage/table.hpp"
#include "usage/verdict.hpp"

namespace {

using namespace msi2imds;
using namespace msi2imds::broker;
using fuzz::require;

constexpr off_t kFileSize = 64L * 1024;
constexpr off_t kDirectoryAt = 4096;
constexpr Moment kNow{.boot = BootTime(std::chrono::hours(1)),
                      .wall = WallTime(std::chrono::seconds(1'800'000'000))};

UniqueFd twin_of(const UniqueFd& file) {
  return UniqueFd(::dup(file.get()));
}

// What can be read has to be the same after it was written.
void read_record(std::string_view bytes) {
  const std::optional<TokenRecord> record = decode(bytes, kNow);
  if (record) {
    (void)record->living.life.expires_on(kNow);
    const SecretString again = encode(*record);
    require(decode(again, kNow)->living.token->access_token == record->living.token->access_token);
  }
}

void read_file(std::string_view bytes, off_t at, bool has_header) {
  const UniqueFd file(::memfd_create("fuzz", MFD_CLOEXEC));
  require(::ftruncate(file.get(), kFileSize) == 0);
  if (has_header) {
    TokenMemory first;
    require(first.open(twin_of(file), "issuer", kNow).has_value());
  }
  require(::pwrite(file.get(), bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
  TokenMemory memory;
  const auto found = memory.open(twin_of(file), "issuer", kNow);
  require(found.has_value());
  for (const TokenMemory::Found& one : *found) {
    memory.wipe(one.place);
  }
  auto token = std::make_shared<token::Token>();
  token->access_token = "secret";
  token->expires_on = unix_seconds(kNow.wall) + 3600;
  require(memory
              .put({.request = {.resource = "r", .identity = {}},
                    .living = {.token = token, .life = Life(*token, kNow)},
                    .received = kNow.boot})
              .has_value());
  TokenMemory next;
  const auto kept = next.open(twin_of(file), "issuer", kNow);
  require(kept.has_value() && kept->size() == 1 && kept->front().record.request.resource == "r");
}

// Whatever was in the file, the next process can read what this one writes.
usage::Table require_readable(const usage::Table& table) {
  const std::string text = table.to_json();
  require(text.size() <= usage::kMaxJson && !fuzz::has_control_character(text));
  (void)fuzz::require_json(text);
  auto again = usage::Table::parse(text);
  require(again.has_value() && again->to_json() == text);
  return std::move(*again);
}

void add_requests(usage::Table& table, std::string_view bytes) {
  std::int64_t time = unix_seconds(kNow.wall);
  while (!bytes.empty()) {
    std::string_view texts = fuzz::cut(bytes, "\n");
    caller::Identity caller;
    if (texts.size() % 2 == 0) {
      caller.uid = static_cast<uid_t>(texts.size());
    }
    for (const auto text : {&caller::Identity::user, &caller::Identity::unit, &caller::Identity::program,
                            &caller::Identity::command_line, &caller::Identity::cgroup}) {
      caller.*text = fuzz::cut(texts, ",");
    }
    const token::IdentitySelector named{.kind = token::SelectorKind::client_id, .value = std::string(texts)};
    table.record({.time = time,
                  .caller = caller,
                  .resource = texts,
                  .identity = named.value,
                  .outcome = "token",
                  .granted = &named});
    time += 3600;
  }
  table.mark_recording(time);
}

void read_callers(std::string_view bytes) {
  auto table = usage::Table::parse(bytes);
  if (!table) {
    require(table.error().code() == usage::Errc::damaged ||
            table.error().code() == usage::Errc::newer_version);
    table = usage::Table(unix_seconds(kNow.wall));
  }
  usage::Table next = require_readable(*table);
  add_requests(next, bytes);
  (void)usage::judge(next, unix_seconds(kNow.wall), 30);
  (void)require_readable(next);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view_of(data, size);
  if (bytes.starts_with('{')) {
    read_callers(bytes);
    return 0;
  }
  read_record(bytes);
  read_file(bytes, 0, false);
  read_file(bytes, kDirectoryAt, true);
  return 0;
}
