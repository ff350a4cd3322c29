// SPDX-License-Identifier: MIT
#include "http/request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

namespace msi2imds::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::string_view kLastChunk = "0\r\n\r\n";

void assign(std::string& to, boost::beast::string_view from) {
  to.assign(from.data(), from.size());
}

}  // namespace

RequestParser::RequestParser(const Limits& limits, Request& request) : request_(request) {
  header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  body_limit(limits.body_bytes);
}

boost::system::error_code RequestParser::feed(std::string& input, std::size_t most) {
  if (is_header_done() && chunked() && input.size() < kLastChunk.size()) {
    return {};  // Beast takes for granted that it is there; at least so much comes behind whatever came
                // before
  }
  boost::system::error_code ec;
  const std::size_t used = put(boost::asio::buffer(input, most), ec);
  input.erase(0, used);
  if (ec != beast_http::error::need_more) {
    return ec;
  }
  return is_header_done() ? boost::system::error_code() : make_error_code(beast_http::error::bad_version);
}

void RequestParser::on_request_impl(beast_http::verb /*verb*/, Text method, Text target, int version,
                                    ErrorCode& /*ec*/) {
  request_.version = static_cast<unsigned>(version);
  assign(request_.method, method);
  assign(request_.target, target);
  request_.body.clear();
}

void RequestParser::on_response_impl(int /*status*/, Text /*reason*/, int /*version*/, ErrorCode& /*ec*/) {}

void RequestParser::on_field_impl(beast_http::field /*field*/, Text name, Text value, ErrorCode& /*ec*/) {
  if (is_header_done()) {
    return;  // a trailer
  }
  if (headers_ == request_.headers.size()) {
    request_.headers.emplace_back();
  }
  Header& header = request_.headers[headers_++];
  assign(header.name, name);
  assign(header.value, value);
}

void RequestParser::on_header_impl(ErrorCode& /*ec*/) {
  request_.headers.resize(headers_);
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode& /*ec*/) {
  request_.body.reserve(length.value_or(0));  // within the limit
}

std::size_t RequestParser::on_body_impl(Text part, ErrorCode& /*ec*/) {
  request_.body.append(part.data(), part.size());
  return part.size();
}

void RequestParser::on_chunk_header_impl(std::uint64_t /*size*/, Text /*extensions*/, ErrorCode& /*ec*/) {}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t /*rest*/, Text part, ErrorCode& ec) {
  return on_body_impl(part, ec);
}

void RequestParser::on_finish_impl(ErrorCode& /*ec*/) {}

}  // namespace msi2imds::http
