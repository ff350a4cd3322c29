// SPDX-License-Identifier: MIT
#include "broker/life.hpp"

#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

const Moment kAsked{.boot = BootTime(hours(1)), .wall = WallTime(seconds(1'800'000'000))};

Moment after(nanoseconds duration) {
  return {.boot = kAsked.boot + duration, .wall = kAsked.wall + duration};
}

Moment with_wall_moved(Moment moment, nanoseconds by) {
  moment.wall += by;
  return moment;
}

// A token that ends so long after kAsked by its expires_on.
Life life_of(seconds expires_on, std::optional<seconds> expires_in, std::optional<seconds> not_before = {}) {
  const WallTime begin = not_before ? kAsked.wall + *not_before : WallTime();
  return {*make_token_with(kAsked.wall + expires_on, expires_in, begin), kAsked};
}

// What a client is told, seen from this machine's clock.
seconds told(const Life& life, const Moment& now) {
  return seconds(life.expires_on(now) - unix_seconds(now.wall));
}

TEST(LifeTest, ClocksThatAgreeTellTheTokensOwnEnd) {
  const Life life = life_of(seconds(3600), seconds(3599), seconds(-300));
  EXPECT_EQ(life.length(), seconds(3599));
  EXPECT_EQ(told(life, after(seconds(0))), seconds(3600));
  EXPECT_EQ(told(life, after(seconds(600))), seconds(3000));
}

TEST(LifeTest, AClockThatIsBehindDoesNotKeepADeadTokenAlive) {
  const Life life = life_of(seconds(3620), seconds(20));
  EXPECT_EQ(life.left(after(seconds(0))), seconds(20));
  EXPECT_EQ(told(life, after(seconds(5))), seconds(15));
  EXPECT_LE(life.left(after(seconds(20))), nanoseconds(0));
}

TEST(LifeTest, AClockThatIsAheadEndsATokenEarlyButNotBeforeItWasGivenOut) {
  EXPECT_EQ(life_of(seconds(600), seconds(4200)).length(), seconds(600));
  const Life life = life_of(seconds(-600), seconds(3000), seconds(-900 - 3600));
  EXPECT_EQ(life.left(after(seconds(0))), seconds(3000));
  EXPECT_EQ(told(life, after(seconds(100))), seconds(2900));
  EXPECT_LE(life.left(after(seconds(3000))), nanoseconds(0));
}

TEST(LifeTest, ImdsWhoseClockIsBehindIsNotBelieved) {
  EXPECT_EQ(life_of(seconds(3600), seconds(7200)).length(), seconds(3600));
  EXPECT_LE(life_of(seconds(-10), seconds(7190), seconds(-10 - 3900)).length(), nanoseconds(0))
      << "it sees more left than the token's whole life";
}

TEST(LifeTest, ImdsWhoseClockIsAheadIsBelieved) {
  EXPECT_EQ(life_of(seconds(3600), seconds(10)).length(), seconds(10));
}

TEST(LifeTest, NothingLeftIsNothing) {
  EXPECT_LE(life_of(seconds(3600), seconds(0)).length(), nanoseconds(0));
  EXPECT_LE(life_of(seconds(-1), seconds(0)).length(), nanoseconds(0));
}

TEST(LifeTest, WithoutExpiresInThisMachinesClockDecides) {
  EXPECT_EQ(life_of(seconds(3600), std::nullopt).length(), seconds(3600));
  EXPECT_LE(life_of(seconds(-1), std::nullopt).length(), nanoseconds(0));
  EXPECT_LE(life_of(seconds(0), std::nullopt).length(), nanoseconds(0));
}

TEST(LifeTest, HasNoMoreLeftThanItEverHad) {
  EXPECT_EQ(life_of(seconds(7200), std::nullopt, seconds(3300)).length(), seconds(3900));
}

TEST(LifeTest, AHugeRestIsNone) {
  constexpr seconds kHuge(253402300799);
  EXPECT_EQ(life_of(seconds(3600), kHuge).length(), seconds(3600));
  EXPECT_LE(life_of(seconds(-1), kHuge).length(), nanoseconds(0));
  EXPECT_LE(life_of(seconds(-1), kHuge, seconds(-4000)).length(), nanoseconds(0));
}

TEST(LifeTest, ATokenThatEndsBeforeItBeginsNeverLived) {
  EXPECT_LE(life_of(seconds(3600), seconds(3600), seconds(3700)).length(), nanoseconds(0));
  EXPECT_LE(life_of(seconds(-1), seconds(3600), seconds(10)).length(), nanoseconds(0));
}

TEST(LifeTest, AgesWhileTheMachineSleeps) {
  const Life life = life_of(seconds(3600), seconds(3600));
  Moment woken = kAsked;
  woken.boot += minutes(50);  // the wall clock is put right later
  EXPECT_EQ(life.left(woken), minutes(10));
}

TEST(LifeTest, AgesWhileAVirtualMachineIsPaused) {
  const Life life = life_of(seconds(3600), seconds(3600));
  EXPECT_EQ(life.left(with_wall_moved(kAsked, minutes(50))), minutes(10)) << "no clock of its own went on";
}

TEST(LifeTest, AClockThatIsPutRightLeavesATokenWhatItHas) {
  const Life behind = life_of(seconds(3600 + 7200), seconds(3600));
  const Moment righted = with_wall_moved(after(seconds(600)), seconds(7200));
  EXPECT_EQ(behind.left(righted), seconds(3000));
  EXPECT_EQ(told(behind, righted), seconds(3000));

  const Life ahead = life_of(seconds(3600 - 7200), seconds(3600));
  const Moment back = with_wall_moved(after(seconds(600)), seconds(-7200));
  EXPECT_EQ(ahead.left(back), seconds(3000));
  EXPECT_EQ(told(ahead, back), seconds(3000));
}

TEST(LifeTest, AClockSetBackDoesNotProlongIt) {
  const Life life = life_of(seconds(3600), seconds(3600));
  const Moment back = with_wall_moved(after(seconds(600)), -hours(1000));
  EXPECT_EQ(life.left(back), seconds(3000));
  EXPECT_EQ(told(life, back), seconds(3000));
}

}  // namespace
}  // namespace msi2imds::broker
