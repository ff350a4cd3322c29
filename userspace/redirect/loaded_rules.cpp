// SPDX-License-Identifier: MIT
#include "redirect/loaded_rules.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "base/run_to_end.hpp"
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

std::string output_of(CommandRunner& runner, const std::string& tool, std::vector<std::string> arguments) {
  const auto ended = run_to_end(runner.run(tool, std::move(arguments), ""));
  return ended && ended->exit_status == 0 ? ended->output : std::string();
}

}  // namespace

std::string where_ours_are_loaded(CommandRunner& runner, const std::string& proc) {
  const std::string ruleset = output_of(runner, "nft", {"list", "ruleset"});
  for (const std::string_view table : kOfNft) {
    if (has_line(ruleset, table)) {
      return "nftables, " + std::string(table);
    }
  }
  if (has_line(ruleset, "chain MSI2IMDS")) {
    return "iptables, chain MSI2IMDS";
  }
  for (const std::string family : {"ip", "ip6"}) {
    if (has_nat_table(proc, family) &&
        has_line(output_of(runner, family + "tables", {"-w", "5", "-t", "nat", "-S"}), "-N MSI2IMDS")) {
      return family + "tables, chain MSI2IMDS";
    }
  }
  return "";
}

}  // namespace msi2imds::redirect
