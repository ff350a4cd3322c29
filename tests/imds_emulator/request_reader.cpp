// SPDX-License-Identifier: MIT
#include "imds_emulator/request_reader.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>

namespace msi2imds::emulator {
namespace {

namespace beast_http = boost::beast::http;
using BeastString = boost::beast::string_view;

constexpr std::uint32_t kHeaderLimit = 64U * 1024;
constexpr std::uint64_t kBodyLimit = 1024UL * 1024;

}  // namespace

// Writes straight into a Request; Beast's own message would allocate for each header.
class RequestReader::Parser final : public beast_http::basic_parser<true> {
 public:
  explicit Parser(Request& request) : request_(request) {
    eager(true);
    header_limit(kHeaderLimit);
    body_limit(kBodyLimit);
    request_.headers.clear();
    request_.body.clear();
  }

 private:
  using error_code = boost::beast::error_code;

  void on_request_impl(beast_http::verb /*method*/, BeastString method, BeastString target, int /*version*/,
                       error_code& /*ec*/) override {
    request_.method.assign(method.data(), method.size());
    request_.target.assign(target.data(), target.size());
  }
  void on_response_impl(int /*code*/, BeastString /*reason*/, int /*version*/, error_code& /*ec*/) override {}
  void on_field_impl(beast_http::field /*name*/, BeastString name, BeastString value,
                     error_code& /*ec*/) override {
    Header& header = request_.headers.emplace_back();
    header.name.assign(name.data(), name.size());
    header.value.assign(value.data(), value.size());
  }
  void on_header_impl(error_code& /*ec*/) override {
    request_.chunked = chunked();
    request_.keep_alive = keep_alive();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/, error_code& /*ec*/) override {}
  std::size_t on_body_impl(BeastString body, error_code& /*ec*/) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t /*size*/, BeastString /*extensions*/, error_code& /*ec*/) override {
  }
  std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, BeastString body, error_code& /*ec*/) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(error_code& /*ec*/) override {}

  Request& request_;
};

asio::awaitable<RequestReader::Outcome> RequestReader::read() {
  Parser parser(request_);
  while (true) {
    if (begin_ < end_) {
      boost::beast::error_code ec;
      const std::size_t start = begin_;
      begin_ += parser.put(asio::const_buffer(input_.data() + begin_, end_ - begin_), ec);
      if (parser.is_done()) {
        co_return Outcome::request;
      }
      if (ec && ec != beast_http::error::need_more) {
        failure_ = "The request is not valid HTTP/1.1: " + ec.message();
        begin_ = start;
        remember_first_line();
        co_return Outcome::malformed;
      }
    }
    const bool received = co_await receive();
    if (!received) {
      co_return Outcome::closed;
    }
  }
}

asio::awaitable<bool> RequestReader::receive() {
  make_room();
  const auto [ec, count] =
      co_await socket_.async_read_some(asio::buffer(input_.data() + end_, input_.size() - end_), kAsTuple);
  end_ += count;
  co_return !ec;
}

void RequestReader::make_room() {
  if (begin_ > 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == input_.size()) {
    input_.resize(input_.size() * 2);  // the parser's header limit ends this
  }
}

void RequestReader::remember_first_line() {
  const std::string_view rest = std::string_view(input_).substr(begin_, end_ - begin_);
  first_line_ = rest.substr(0, rest.find_first_of("\r\n"));
}

}  // namespace msi2imds::emulator
