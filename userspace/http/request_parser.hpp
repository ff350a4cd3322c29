// SPDX-License-Identifier: MIT
#pragma once

#include <boost/beast/core/string_type.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/optional/optional.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/limits.hpp"
#include "http/message.hpp"

namespace msi2imds::http {

// Parses one request straight into a Request, whose memory is used again: Beast's own message would have each
// header twice, and allocate for each. Trailers are read and left out.
class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  // `request` must outlive it.
  RequestParser(const Limits& limits, Request& request);

  // Consumes what it can of the first `most` bytes of `input`. "Needs more" is no error behind the head,
  // which is there as a whole: within it, the request line ends too early.
  boost::system::error_code feed(std::string& input, std::size_t most = std::string::npos);

 private:
  using Text = boost::beast::string_view;
  using ErrorCode = boost::system::error_code;

  void on_request_impl(boost::beast::http::verb verb, Text method, Text target, int version,
                       ErrorCode& ec) override;
  void on_response_impl(int status, Text reason, int version, ErrorCode& ec) override;
  void on_field_impl(boost::beast::http::field field, Text name, Text value, ErrorCode& ec) override;
  void on_header_impl(ErrorCode& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode& ec) override;
  std::size_t on_body_impl(Text part, ErrorCode& ec) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, ErrorCode& ec) override;
  std::size_t on_chunk_body_impl(std::uint64_t rest, Text part, ErrorCode& ec) override;
  void on_finish_impl(ErrorCode& ec) override;

  Request& request_;
  std::size_t headers_ = 0;  // of this request, so far
};

}  // namespace msi2imds::http
