// SPDX-License-Identifier: MIT
#include "control/message.hpp"

#include <gtest/gtest.h>

#include <string>

namespace msi2imds::control {
namespace {

TEST(MessageTest, GivesBackItsText) {
  Message message;
  message.set_text("sk_lookup\nnot attached");
  EXPECT_EQ(message.get_text(), "sk_lookup\nnot attached");
}

TEST(MessageTest, CutsATextThatDoesNotFitAndKeepsTheClosingNul) {
  Message message;
  message.set_text(std::string(1000, 'x'));
  EXPECT_EQ(message.get_text(), std::string(999, 'x'));
  EXPECT_EQ(message.text.back(), '\0');
}

TEST(MessageTest, EndsATextAtItsFirstNul) {
  Message message;
  message.set_text(std::string_view("ab\0cd", 5));
  EXPECT_EQ(message.get_text(), "ab");
}

TEST(MessageTest, LeavesNothingOfAnEarlierText) {
  Message message;
  message.set_text("a long text");
  message.set_text("b");
  EXPECT_EQ(std::string_view(message.text.data(), message.text.size()), "b" + std::string(999, '\0'));
}

TEST(MessageTest, ReadsATextWithoutClosingNulToItsEnd) {
  Message message;
  message.text.fill('x');
  EXPECT_EQ(message.get_text().size(), 1000U);
}

}  // namespace
}  // namespace msi2imds::control
