// SPDX-License-Identifier: MIT
#include "broker/token_memory.hpp"

#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "unit/broker/fixture.hpp"
#include "unit/broker/memory_file.hpp"

namespace msi2imds::broker {
namespace {

constexpr std::size_t kDirectory = 4096;
constexpr std::size_t kPlace = 32;
constexpr std::size_t kOverhead = 200;  // of a record, at most

class TokenMemoryTest : public testing::Test {
 protected:
  TokenRecord record_of(const std::string& resource, const std::string& text) const {
    const TokenPtr token = make_token(now_.wall + hours(24), text);
    return {.request = request_for(resource),
            .living = {.token = token, .life = Life(*token, now_)},
            .received = now_.boot};
  }
  // What the next process finds: token by resource.
  std::map<std::string, std::string> found() {
    TokenMemory next;
    const auto kept = next.open(file_.descriptor(), kIssuer, now_);
    EXPECT_TRUE(kept) << kept.error().message();
    std::map<std::string, std::string> tokens;
    for (const TokenMemory::Found& one : kept ? *kept : std::vector<TokenMemory::Found>()) {
      tokens.emplace(one.record.request.resource, one.record.living.token->access_token);
    }
    return tokens;
  }
  void open() {
    ASSERT_TRUE(memory_.open(file_.descriptor(), kIssuer, now_));
  }
  void advance(seconds duration) {
    now_.boot += duration;
    now_.wall += duration;
  }
  [[nodiscard]] bool holds(std::string_view text) const {
    return file_.find(text) != std::string::npos;
  }

  Moment now_{.boot = BootTime(hours(1)), .wall = WallTime(seconds(1'800'000'000))};
  MemoryFile file_;
  TokenMemory memory_;
};

using Tokens = std::map<std::string, std::string>;

TEST_F(TokenMemoryTest, TheNextProcessFindsWhatWasPutThere) {
  open();
  TokenRecord record = record_of("https://vault.azure.net", "first");
  record.request.identity = {token::SelectorKind::client_id, "11111111-2222-3333-4444-555555555555"};
  auto token = std::make_shared<token::Token>(*record.living.token);
  token->client_id = record.request.identity.value;
  token->not_before = unix_seconds(now_.wall) - 300;
  token->expires_in = 1000;
  record.living = {.token = token, .life = Life(*token, now_)};
  ASSERT_TRUE(memory_.put(record));
  ASSERT_TRUE(memory_.put(record_of("other", "second")));

  advance(seconds(400));
  TokenMemory next;
  const auto kept = next.open(file_.descriptor(), kIssuer, now_);
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->size(), 2U);
  const TokenRecord& first = kept->front().record;
  EXPECT_EQ(first.request.resource, record.request.resource);
  EXPECT_EQ(first.request.identity, record.request.identity);
  EXPECT_EQ(first.received, record.received);
  EXPECT_EQ(first.living.token->access_token, token->access_token);
  EXPECT_EQ(first.living.token->token_type, token->token_type);
  EXPECT_EQ(first.living.token->resource, token->resource);
  EXPECT_EQ(first.living.token->client_id, token->client_id);
  EXPECT_EQ(first.living.token->not_before, token->not_before);
  EXPECT_EQ(first.living.token->expires_on, token->expires_on);
  EXPECT_EQ(first.living.token->expires_in, token->expires_in);
  EXPECT_EQ(first.living.life.left(now_), seconds(600)) << "its life goes on";
  EXPECT_EQ(first.living.life.expires_on(now_), record.living.life.expires_on(now_));
}

TEST_F(TokenMemoryTest, WhatWasWipedIsGone) {
  open();
  const auto first = memory_.put(record_of("a", "token-of-a"));
  ASSERT_TRUE(memory_.put(record_of("b", "token-of-b")));
  ASSERT_TRUE(first);
  EXPECT_TRUE(holds("token-of-a"));
  memory_.wipe(*first);
  EXPECT_FALSE(holds("token-of-a"));
  EXPECT_EQ(found(), (Tokens{{"b", "token-of-b"}}));
}

TEST_F(TokenMemoryTest, WhatIsDeadIsNotFoundAndWiped) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  advance(hours(24));
  EXPECT_EQ(found(), Tokens());
  EXPECT_FALSE(holds("token-of-a"));
}

TEST_F(TokenMemoryTest, WhatWasAskedForLaterThanNowIsOfAnotherTimeOfThisMachine) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  now_.boot -= seconds(1);
  EXPECT_EQ(found(), Tokens());
  EXPECT_FALSE(holds("token-of-a"));
}

TEST_F(TokenMemoryTest, OneThatIsDamagedIsWipedAndTheOthersStay) {
  open();
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(memory_.put(record_of(name, std::string("token-of-") + name)));
  }
  file_.write(file_.find("token-of-b") + 6, "X");
  EXPECT_EQ(found(), (Tokens{{"a", "token-of-a"}, {"c", "token-of-c"}}));
  EXPECT_FALSE(holds("token-X"));
  EXPECT_EQ(found(), (Tokens{{"a", "token-of-a"}, {"c", "token-of-c"}})) << "nothing was lost by that";
}

// Wherever a process was when it ended: each byte of a place, and of a record, may be missing.
TEST_F(TokenMemoryTest, APlaceThatIsNotWholeDoesNotCount) {
  for (std::size_t cut = 0; cut < kPlace; ++cut) {
    open();
    ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
    const std::string whole = file_.content().substr(kDirectory, kPlace);
    file_.write(kDirectory, whole.substr(0, cut) + std::string(kPlace - cut, '\0'));
    if (file_.content().substr(kDirectory, kPlace) != whole) {
      EXPECT_EQ(found(), Tokens()) << cut;
      EXPECT_FALSE(holds("token-of-a")) << cut;
    }
    file_ = MemoryFile();
  }
}

TEST_F(TokenMemoryTest, ARecordWithoutItsPlaceIsWiped) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  file_.write(kDirectory, std::string(kPlace, '\0'));
  EXPECT_EQ(found(), Tokens());
  EXPECT_FALSE(holds("token-of-a"));
}

TEST_F(TokenMemoryTest, APlaceThatWasCopiedDoesNotCount) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  file_.write(kDirectory + 5 * kPlace, file_.content().substr(kDirectory, kPlace));
  EXPECT_EQ(found(), (Tokens{{"a", "token-of-a"}}));
}

// Somebody who can write the memory can make check sums, too.
struct ForgedPlace {
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  std::uint32_t record_sum = 0;
  std::uint32_t place = 0;
  std::uint32_t reserved = 0;
  std::uint32_t sum = 0;
};

std::string forge(ForgedPlace place) {
  boost::crc_32_type crc;
  crc.process_bytes(&place, kPlace - sizeof place.sum);
  place.sum = crc.checksum();
  std::string bytes(kPlace, '\0');
  std::memcpy(bytes.data(), &place, kPlace);
  return bytes;
}

TEST_F(TokenMemoryTest, PlacesThatShareARecordAreOne) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  ForgedPlace place;
  std::memcpy(&place, file_.content().data() + kDirectory, kPlace);
  for (place.place = 1; place.place < 4; ++place.place) {
    file_.write(kDirectory + place.place * kPlace, forge(place));
  }
  TokenMemory next;
  const auto kept = next.open(file_.descriptor(), kIssuer, now_);
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->size(), 1U);
  next.wipe(kept->front().place);
  EXPECT_EQ(found(), Tokens());
}

TEST_F(TokenMemoryTest, PlacesThatPointElsewhereDoNotCount) {
  const std::uint64_t size = file_.content().size();
  std::uint32_t place = 0;
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{kDirectory}, size - 64, size, size + 64,
                                 ~std::uint64_t{0} - 63, std::uint64_t{1}}) {
    for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, size, ~std::uint64_t{0}}) {
      ForgedPlace forged;
      forged.at = at;
      forged.size = bytes;
      forged.place = ++place;
      file_.write(kDirectory + place * kPlace, forge(forged));
    }
  }
  EXPECT_EQ(found(), (Tokens{{"a", "token-of-a"}}));
}

TEST_F(TokenMemoryTest, WithADamagedHeaderAllOfItIsWiped) {
  for (const std::size_t at : {0U, 8U, 16U, 20U, 24U, 28U}) {
    open();
    ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
    file_.write(at, "\xff");
    EXPECT_EQ(found(), Tokens()) << at;
    EXPECT_FALSE(holds("token-of-a")) << at;
  }
}

TEST_F(TokenMemoryTest, OnceTheFileHasGrownAllOfItIsUsed) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  memory_.note_next_request(SteadyTime(seconds(5)));
  file_.resize(2048UL * 1024);
  EXPECT_EQ(found(), (Tokens{{"a", "token-of-a"}}));
  open();
  EXPECT_EQ(memory_.next_request(), SteadyTime(seconds(5)));
  EXPECT_TRUE(memory_.put(record_of("large", std::string(1500UL * 1024, 'x'))));
  EXPECT_EQ(found().size(), 2U);
}

TEST_F(TokenMemoryTest, WhatWasCutOffIsLostAndTheRestWiped) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  file_.resize(512UL * 1024);
  EXPECT_EQ(found(), Tokens());
  EXPECT_FALSE(holds("token-of-a"));
}

TEST_F(TokenMemoryTest, TokensOfAnotherIssuerAreWiped) {
  open();
  ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
  TokenMemory other;
  const auto kept = other.open(file_.descriptor(), "http://127.0.0.1:8080", now_);
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->empty());
  EXPECT_FALSE(holds("token-of-a"));
  EXPECT_EQ(found(), Tokens());
}

TEST_F(TokenMemoryTest, CannotUseAFileThatIsTooSmallOrNone) {
  for (const std::uint64_t size : {0UL, 4096UL, 100'000UL}) {
    EXPECT_FALSE(memory_.open(MemoryFile(size).descriptor(), kIssuer, now_)) << size;
    EXPECT_FALSE(memory_.put(record_of("a", "token-of-a")));
  }
  EXPECT_FALSE(memory_.open(UniqueFd(), kIssuer, now_));
}

TEST_F(TokenMemoryTest, WithoutAFileNothingIsKept) {
  EXPECT_FALSE(memory_.put(record_of("a", "token-of-a")));
  memory_.note_next_request(SteadyTime(seconds(5)));
  EXPECT_FALSE(memory_.next_request());
  memory_.wipe(0);
}

TEST_F(TokenMemoryTest, WhatHasNoRoomIsNotKept) {
  open();
  std::vector<TokenMemory::Place> places;
  while (const auto place =
             memory_.put(record_of("a" + std::to_string(places.size()), std::string(10'000, 'x')))) {
    places.push_back(*place);
    ASSERT_LT(places.size(), 1000U);
  }
  EXPECT_GT(places.size(), 1024U * 1024 / (10'000 + kOverhead + 64) * 9 / 10)
      << "little is lost to its own order";
  EXPECT_EQ(found().size(), places.size());
  for (const TokenMemory::Place place : places) {
    memory_.wipe(place);
  }
  EXPECT_FALSE(holds("xxx"));
  EXPECT_TRUE(memory_.put(record_of("large", std::string(900'000, 'x')))) << "the pieces are one again";
}

TEST_F(TokenMemoryTest, ManyComeAndGoAndAllThatShouldBeThereIs) {
  std::minstd_rand random{1};
  open();
  std::map<std::string, TokenMemory::Place> places;
  Tokens expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "resource" + std::to_string(random() % 100);
    if (const auto old = places.find(name); old != places.end()) {
      memory_.wipe(old->second);
      places.erase(old);
      expected.erase(name);
    }
    const std::string text = std::to_string(i) + std::string(random() % 3000, 'x');
    if (const auto place = memory_.put(record_of(name, text))) {
      places.emplace(name, *place);
      expected.emplace(name, text);
    }
  }
  EXPECT_EQ(expected.size(), 100U);
  EXPECT_EQ(found(), expected);
}

// Of a forged life: no sum of times overflows, and nobody is told of a time before 1970.
TEST_F(TokenMemoryTest, LivesThatNoTokenCanHaveAreNone) {
  constexpr std::int64_t kLong = 9'000'000'000'000'000'000;
  for (const std::int64_t stated : {std::int64_t{0}, std::int64_t{1'900'000'000}, token::kLastSecond}) {
    for (const std::int64_t length : {std::int64_t{1}, kLong, kLong + 1}) {
      for (const bool believes_wall : {true, false}) {
        const auto life = Life::from(
            {.stated = stated, .asked = 0, .length = length, .believes_wall = believes_wall}, now_);
        if (life && life->left(now_) > nanoseconds(0)) {
          EXPECT_GE(life->expires_on(now_), unix_seconds(now_.wall));
        }
      }
    }
  }
}

TEST_F(TokenMemoryTest, RemembersFromWhenIMDSMayBeAsked) {
  open();
  EXPECT_FALSE(memory_.next_request());
  memory_.note_next_request(SteadyTime(nanoseconds(123'456'789)));
  TokenMemory next;
  ASSERT_TRUE(next.open(file_.descriptor(), kIssuer, now_));
  EXPECT_EQ(next.next_request(), SteadyTime(nanoseconds(123'456'789)));
}

// A caller chooses the text of a resource, and a process may end anywhere.
TEST_F(TokenMemoryTest, NoTextIsTakenForAPlace) {
  open();
  ForgedPlace forged;
  forged.at = 64UL * 1024;
  forged.size = 100;
  std::string resource;
  for (forged.place = 0; forged.place < 100; ++forged.place) {
    resource += forge(forged);
  }
  ASSERT_TRUE(memory_.put(record_of(resource, "token-of-a")));
  file_.write(kDirectory, std::string(kPlace, '\0'));
  EXPECT_EQ(found(), Tokens());
}

TEST_F(TokenMemoryTest, AnyBytesAreReadWithoutHarm) {
  std::minstd_rand random{2};
  for (int round = 0; round < 30; ++round) {
    open();
    ASSERT_TRUE(memory_.put(record_of("a", "token-of-a")));
    std::string noise(64UL * 1024, '\0');
    for (char& byte : noise) {
      byte = static_cast<char>(random());
    }
    file_.write(round % 2 == 0 ? 32 : kDirectory + kPlace, noise);
    (void)found();
    TokenMemory next;
    ASSERT_TRUE(next.open(file_.descriptor(), kIssuer, now_));
    ASSERT_TRUE(next.put(record_of("b", "token-of-b")));
    EXPECT_TRUE(found().contains("b"));
  }
}

}  // namespace
}  // namespace msi2imds::broker
