# Where MSI2IMDS_PCH is on, the headers that most files include are parsed once: for modules, and with GoogleTest for tests.
# It helps who builds one tree again and again. A precompiled header holds paths, so that ccache finds nothing of another
# checkout's.
set(MSI2IMDS_COMMON_HEADERS
  <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/generic/stream_protocol.hpp>
  <boost/asio/io_context.hpp> <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>
  <boost/beast/core.hpp> <boost/beast/http.hpp>
  <boost/json.hpp>
  <boost/system/result.hpp>
  <fmt/core.h>
  <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <string> <unordered_map> <variant> <vector>)

if(MSI2IMDS_PCH)
  file(CONFIGURE OUTPUT headers.cpp CONTENT "int main() {}\n")
  set(source ${CMAKE_CURRENT_BINARY_DIR}/headers.cpp)
  # Libraries and programs differ in their position-independent code, which a precompiled header takes part in.
  add_library(module_headers OBJECT ${source})
  target_precompile_headers(module_headers PRIVATE ${MSI2IMDS_COMMON_HEADERS})
  add_executable(test_headers ${source})
  target_precompile_headers(test_headers PRIVATE <gtest/gtest.h> ${MSI2IMDS_COMMON_HEADERS})
  target_link_libraries(test_headers PRIVATE GTest::gtest)
  foreach(target module_headers test_headers)
    target_link_libraries(${target} PRIVATE Boost::headers msi2imds_asio msi2imds_spdlog msi2imds_options)
  endforeach()
endif()

# msi2imds_precompiled_headers(TARGET module_headers|test_headers)
function(msi2imds_precompiled_headers target headers)
  if(MSI2IMDS_PCH)
    target_precompile_headers(${target} REUSE_FROM ${headers})
  endif()
endfunction()
