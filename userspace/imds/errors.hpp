// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

namespace msi2imds::imds {

// The ways in which IMDS can fail to give an answer that a client may see.
enum class Errc {
  cannot_connect = 1,  // not reachable, or refused
  timed_out,           // no whole answer in time
  connection_lost,     // closed or reset before the whole answer was here
  too_large,           // more than kMaxReply
  unavailable,         // 404, 408, 410, 429 or 5xx: an update, a throttle, a fault; may work later
  unexpected_status,   // one that IMDS is not documented to send
  not_json,            // a 200 without a JSON object
  other_identity,      // a token for another client_id than was asked for
  mixed_up,            // over a connection used before, the answer to another question
  bad_token,           // a 200 whose JSON misses a field or has one of the wrong type
};

const boost::system::error_category& error_category();

inline boost::system::error_code make_error_code(Errc errc) {
  return {static_cast<int>(errc), error_category()};
}

}  // namespace msi2imds::imds

template <>
struct boost::system::is_error_code_enum<msi2imds::imds::Errc> : std::true_type {};
