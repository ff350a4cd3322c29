// SPDX-License-Identifier: MIT
#include "redirect/loaded_rules.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "redirect/tool.hpp"

namespace msi2imds::redirect {
namespace {

constexpr std::array kOfNft = {std::string_view("table ip msi2imds"), std::string_view("table ip6 msi2imds")};

bool has_line(std::string_view listing, std::string_view wanted) {
  return std::ranges::any_of(lines_of(listing), [wanted](std::string_view line) {
    line = trim(line);
    return line == wanted || (line.starts_with(wanted) && line.substr(wanted.size()) == " {");
  });
}

// iptables is asked only where there is a nat table of its own, since asking makes one.
bool has_nat_table(const std::string& proc, const std::string& family) {
  std::ifstream file(proc + "/net/" + family + "_tables_names");
  const std::string names(std::istreambuf_iterator<char>(file), {});
  return has_line(names, "nat");
}

}  // namespace

asio::awaitable<std::string> where_ours_are_loaded(CommandRunner& runner, std::string proc) {
  std::vector<std::string> list_all = {"list", "ruleset"};
  const Result<std::string> ruleset = co_await run_tool(runner, "nft", std::move(list_all));
  for (const std::string_view table : kOfNft) {
    if (ruleset && has_line(*ruleset, table)) {
      co_return "nftables, " + std::string(table);
    }
  }
  if (ruleset && has_line(*ruleset, "chain MSI2IMDS")) {
    co_return std::string("iptables, chain MSI2IMDS");
  }
  for (const std::string family : {"ip", "ip6"}) {
    if (!has_nat_table(proc, family)) {
      continue;
    }
    std::vector<std::string> list_nat = {"-w", "5", "-t", "nat", "-S"};
    const Result<std::string> nat = co_await run_tool(runner, family + "tables", std::move(list_nat));
    if (nat && has_line(*nat, "-N MSI2IMDS")) {
      co_return family + "tables, chain MSI2IMDS";
    }
  }
  co_return std::string();
}

}  // namespace msi2imds::redirect
