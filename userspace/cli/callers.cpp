// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/escape.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/document.hpp"
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

}  // namespace

int callers(const ConfigFile& file, const CallersOptions& options) {
  const auto config = file.load_or_complain();
  if (!config) {
    return kUsage;
  }
  const Result<CallersReport> report = make_report(*config);
  if (!report) {
    return complain(report.error());
  }
  if (!options.page.empty()) {
    const auto written = write_page(options.page, to_page(*report));
    return written ? kGood : complain(written.error());
  }
  if (options.json) {
    print_document(to_json(*report));
  } else {
    fmt::print("{}", to_text(*report, columns_of_output()));
  }
  return kGood;
}

}  // namespace msi2imds::cli
