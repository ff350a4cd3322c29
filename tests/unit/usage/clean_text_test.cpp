// SPDX-License-Identifier: MIT
#include "usage/clean_text.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "requests.hpp"

namespace msi2imds::usage {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(CleanTextTest, LeavesGoodTextAsItIs) {
  for (const std::string& text :
       {std::string(), std::string("plain"), std::string("Grüße, 世界 😀"), std::string("line\n\x1b"),
        std::string(kMaxText, 'x'), std::string(3, '\0')}) {
    EXPECT_EQ(CleanText(text).view(), text);
    EXPECT_TRUE(is_clean(text));
  }
}

TEST(CleanTextTest, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(CleanText("a\xff"
                      "b")
                .view(),
            "a\xef\xbf\xbd"
            "b");
  for (const char* text : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                           "\xf8", "\xf0\x9f\x98"}) {
    EXPECT_FALSE(is_clean(text)) << as_json(text);
    EXPECT_TRUE(is_clean(CleanText(text).view())) << as_json(text);
  }
}

// At every place of the words in which it is looked at.
TEST(CleanTextTest, FindsWhatIsNoUtf8WhereverItStands) {
  for (std::size_t size = 1; size <= 24; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'x');
      text[at] = '\xff';
      EXPECT_FALSE(is_clean(text)) << size << ' ' << at;
      EXPECT_EQ(CleanText(text).view(), text.substr(0, at) + "\xef\xbf\xbd" + text.substr(at + 1));
      text.replace(at, 1, "ü");
      EXPECT_TRUE(is_clean(text)) << size << ' ' << at;
    }
  }
}

TEST(CleanTextTest, DoesNotCopyWhatIsClean) {
  const std::string text = "/usr/bin/python3.11";
  EXPECT_EQ(CleanText(text).view().data(), text.data());
}

TEST(CleanTextTest, CutsBetweenCharacters) {
  for (std::size_t offset = 0; offset < 4; ++offset) {
    std::string text(offset, 'x');
    for (int i = 0; i < 200; ++i) {
      text += "😀";
    }
    const CleanText clean(text);
    EXPECT_LE(clean.view().size(), kMaxText);
    EXPECT_GE(clean.view().size(), kMaxText - 4);
    EXPECT_TRUE(clean.view().ends_with("😀...")) << clean.view();
    EXPECT_TRUE(is_clean(clean.view()));
  }
}

TEST(CleanTextTest, JsonIsPrintableAsciiWithoutMarkup) {
  const std::string json = as_json(CleanText(kHostile).view());
  for (const char c : json) {
    EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  }
  EXPECT_EQ(json.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(as_json("\n\"\\<😀\xe2\x80\xa8"), R"("\u000a\"\\\u003c\ud83d\ude00\u2028")");
}

}  // namespace
}  // namespace msi2imds::usage
