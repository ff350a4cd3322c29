// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>

#include "base/escape.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
#include "cli/fleet.hpp"
#include "cli/silence.hpp"

namespace msi2imds::cli {
namespace {

// Of the terminal, or what COLUMNS says; nothing where a program reads.
std::optional<std::size_t> columns_of_output() {
  const char* const said = std::getenv("COLUMNS");
  const std::string_view text = said != nullptr ? said : "";
  std::size_t columns = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), columns).ec == std::errc() && columns != 0) {
    return columns;
  }
  if (::isatty(STDOUT_FILENO) == 0) {
    return std::nullopt;
  }
  constexpr std::size_t kUsual = 100;
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : kUsual;
}

int complain(const Error& error) {
  fmt::print(stderr, "msi2imds: cannot show callers: {}\n", escape::control_characters(with_advice(error)));
  return kFailed;
}

// A report of this machine or of many, in the form that was asked for; `text` makes the one for people.
template <typename Report>
int show(const Report& report, const CallersOptions& options, auto text) {
  if (!options.page.empty()) {
    const auto page = to_page(report);
    if (!page) {
      return complain(page.error());
    }
    const auto written = write_page(options.page, *page);
    if (!written) {
      fmt::print(stderr, "msi2imds: cannot {}\n", escape::control_characters(written.error().message()));
    }
    return written ? kGood : kFailed;
  }
  if (options.json) {
    print_document(to_json(report));
  } else {
    fmt::print("{}", options.csv ? to_csv(report) : text(report));
  }
  return kGood;
}

// Whatever the form: nobody is to take a part for the whole.
void name_left_out(const std::vector<LeftOut>& reports) {
  constexpr std::size_t kNamed = 20;
  for (const LeftOut& report : std::span(reports).first(std::min(kNamed, reports.size()))) {
    fmt::print(stderr, "msi2imds: left out {}: {}\n", escape::control_characters(report.file),
               escape::control_characters(report.reason));
  }
  if (reports.size() > kNamed) {
    fmt::print(stderr, "msi2imds: left out {} more; --json names each in left_out\n",
               reports.size() - kNamed);
  }
}

int show_fleet(const CallersOptions& options) {
  const Fleet fleet =
      merge_reports(options.merge, std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  const bool is_whole =
      std::ranges::none_of(fleet.left_out, [](const LeftOut& report) { return report.is_missed; });
  name_left_out(fleet.left_out);
  if (fleet.machines.empty()) {
    fmt::print(stderr, "msi2imds: cannot show callers: there is no report of a machine\n");
    return kFailed;
  }
  const int status = show(fleet, options, [](const Fleet& whole) { return to_text(whole); });
  return is_whole ? status : kFailed;
}

}  // namespace

int callers(const ConfigFile& file, const CallersOptions& options) {
  if (!options.merge.empty()) {
    return show_fleet(options);
  }
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  Result<CallersReport> report = make_report(*config);
  if (!report) {
    return complain(report.error());
  }
  if (options.json || options.csv || !options.page.empty()) {  // people know where they are
    report->machine = look_at_machine(*config);
  }
  return show(*report, options, [](const CallersReport& one) { return to_text(one, columns_of_output()); });
}

}  // namespace msi2imds::cli
