// SPDX-License-Identifier: MIT
#include "redirect/nft_text.hpp"

#include <gtest/gtest.h>

#include "unit/redirect/golden.hpp"

namespace msi2imds::redirect {
namespace {

const std::vector<std::uint16_t> kTwoPorts = {50342, 50343};
constexpr std::string_view kNftOwner = "0123abcd";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t place = text.find(what);
  EXPECT_NE(place, std::string::npos) << what;
  return text.replace(place, what.size(), by);
}

std::optional<std::string> missing_in(const std::string& listing) {
  return missing_in_nft_table(kIpv4, kTwoPorts, 342, kNftOwner, listing);
}

TEST(NftTextTest, ReplacesATable) {
  EXPECT_EQ(nft_table_text(kIpv4, kTwoPorts, 342, kNftOwner), golden("table_ip.nft"));
  EXPECT_EQ(nft_table_text(kIpv6, kTwoPorts, 342, kNftOwner), golden("table_ip6.nft"));
}

TEST(NftTextTest, RefillsATable) {
  EXPECT_EQ(nft_refill_text(kIpv4, kTwoPorts, 342, kNftOwner, {"89abcdef"}), golden("refill_ip.nft"));
}

TEST(NftTextTest, ClosesATable) {
  EXPECT_EQ(nft_closing_text(kIpv4, kNftOwner), golden("closing_ip.nft"));
  EXPECT_EQ(nft_closing_text(kIpv6, kNftOwner), golden("closing_ip6.nft"));
}

TEST(NftTextTest, RemovesTables) {
  EXPECT_EQ(nft_removal_text(kIpv6.nft_name, {kNftTable, kNftClosingTable}), golden("removal_ip6.nft"));
}

TEST(NftTextTest, IsContentWithWhatNftLists) {
  EXPECT_EQ(missing_in(golden("listed_by_nft_1.0.6")), std::nullopt);
  EXPECT_EQ(missing_in(golden("listed_in_old_spelling")), std::nullopt);
  EXPECT_EQ(missing_in_nft_table(kIpv6, kTwoPorts, 342, kNftOwner, golden("listed_ip6_by_nft_1.0.6")),
            std::nullopt);
}

TEST(NftTextTest, NoticesWhatIsMissing) {
  const std::string listing = golden("listed_by_nft_1.0.6");
  const std::string rule = "\t\tip daddr 127.0.0.0/8 tcp dport 50343 redirect to :342\n";
  EXPECT_EQ(missing_in(replaced(listing, rule, "")),
            "the rule 'ip daddr 127.0.0.0/8 tcp dport 50343 redirect to :342' is missing");
  EXPECT_TRUE(missing_in(replaced(listing, "50343 redirect to :342", "50343 redirect to :343")));
  EXPECT_TRUE(missing_in(replaced(listing, rule, rule + "\t\ttcp dport 1 drop\n")));
  EXPECT_TRUE(missing_in(replaced(listing, rule, rule + rule)));
  EXPECT_TRUE(missing_in(replaced(listing, "hook output", "hook prerouting")));
  EXPECT_TRUE(missing_in(replaced(listing, "chain legacy_ports", "chain others")));
  EXPECT_TRUE(missing_in(replaced(listing, "{\n", "{\n\tflags dormant\n")));
  EXPECT_TRUE(missing_in(replaced(listing, "return\n", "accept\n")));
}

TEST(NftTextTest, NoticesWhoseATableIs) {
  const std::string listing = golden("listed_by_nft_1.0.6");
  EXPECT_EQ(nft_owners(listing), std::vector<std::string>{"0123abcd"});
  EXPECT_EQ(missing_in(replaced(listing, "owner_0123abcd", "owner_89abcdef")), "it is not marked as ours");
  const std::string mark = "\tchain owner_0123abcd {\n\t}\n";
  EXPECT_TRUE(missing_in(replaced(listing, mark, ""))) << "put by a version that left no mark";
  EXPECT_TRUE(missing_in(replaced(listing, mark, mark + "\tchain owner_89abcdef {\n\t}\n")));
  EXPECT_TRUE(nft_owners("\tchain owner_of_something {\n").empty());
}

TEST(NftTextTest, KnowsWhereATableLeads) {
  EXPECT_EQ(port_of_nft_table(golden("listed_by_nft_1.0.6")), 342);
  EXPECT_EQ(port_of_nft_table("table ip msi2imds {\n"), std::nullopt);
  EXPECT_EQ(port_of_nft_table("ip daddr 127.0.0.0/8 tcp dport 50342 redirect to :99999\n"), std::nullopt);
}

// A client that is exempt from tracking would otherwise wait for a minute.
TEST(NftTextTest, DropsNothingThatIsExemptFromTracking) {
  const std::string listing = golden("listed_by_nft_1.0.6");
  EXPECT_TRUE(missing_in(replaced(listing, "\t\tct state 0x40 return\n", "")));
  EXPECT_TRUE(missing_in(replaced(listing, "ct state 0x40 return", "ct state 0x40 drop")));
}

TEST(NftTextTest, SurvivesDamagedListings) {
  EXPECT_TRUE(missing_in(""));
  EXPECT_TRUE(missing_in("table ip msi2imds {"));
  const std::string listing = golden("listed_by_nft_1.0.6");
  for (std::size_t size = 0; size < listing.find("50343"); ++size) {
    EXPECT_TRUE(missing_in(listing.substr(0, size)));
  }
}

TEST(NftTextTest, KnowsItsOwnTables) {
  const std::string listing =
      "table ip nat\ntable ip msi2imds\ntable inet msi2imds\ntable ip msi2imds_2\n"
      "table ip6 msi2imds_closing\n";
  EXPECT_EQ(our_nft_tables(kIpv4, listing), std::vector<std::string>{"nftables: table ip msi2imds"});
  EXPECT_EQ(our_nft_tables(kIpv6, listing), std::vector<std::string>{"nftables: table ip6 msi2imds_closing"});
}

}  // namespace
}  // namespace msi2imds::redirect
