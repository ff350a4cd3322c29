// SPDX-License-Identifier: MIT
// What is found in the memory of tokens: any bytes behind a good header, as a record, or as a whole file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "broker/token_memory.hpp"
#include "broker/token_record.hpp"

namespace {

using namespace msi2imds;
using namespace msi2imds::broker;

constexpr off_t kFileSize = 64L * 1024;
constexpr off_t kDirectoryAt = 4096;
constexpr Moment kNow{.boot = BootTime(std::chrono::hours(1)),
                      .wall = WallTime(std::chrono::seconds(1'800'000'000))};

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_record(bytes);
  read_file(bytes, 0, false);
  read_file(bytes, kDirectoryAt, true);
  return 0;
}
