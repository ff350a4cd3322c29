// SPDX-License-Identifier: MIT
#include "cli/callers_page.hpp"

#include <zlib.h>

#include <cerrno>

namespace msi2imds::cli {

Result<std::string> decompress(const CompressedPage& page) {
  constexpr int kGzip = 16 + MAX_WBITS;
  std::string text(page.size, '\0');
  z_stream stream{};
  stream.next_in = const_cast<Bytef*>(page.gzip.data());  // zlib only reads it
  stream.avail_in = static_cast<uInt>(page.gzip.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  if (inflateInit2(&stream, kGzip) != Z_OK) {
    return Error::from_errno(ENOMEM, "decompress the page that this program carries");
  }
  const bool is_whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_out == 0;
  (void)inflateEnd(&stream);  // fails only where there is nothing to free
  if (!is_whole) {
    return Error::from_errno(
        EBADMSG, "decompress the page that this program carries (its file is damaged: install it again)");
  }
  return text;
}

Result<std::string> page_of(std::string_view json) {
  constexpr std::string_view kPlace = "@REPORT@";
  Result<std::string> page = decompress(kCallersPage);
  if (page) {
    // Nothing in the JSON can end the element it stands in: it has no "<".
    page->replace(page->find(kPlace), kPlace.size(), json);
  }
  return page;
}

}  // namespace msi2imds::cli
