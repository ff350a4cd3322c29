# Third-party libraries, each as one target msi2imds::NAME whose headers are SYSTEM.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
if(MSI2IMDS_STATIC)
  set(Boost_USE_STATIC_LIBS ON)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  list(APPEND PKG_CONFIG_EXECUTABLE --static)
endif()
find_package(Boost 1.81 CONFIG REQUIRED)
find_package(fmt REQUIRED)
if(MSI2IMDS_TESTS)
  find_package(GTest REQUIRED)
endif()
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(LIBSECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(LIBNL REQUIRED IMPORTED_TARGET libnl-3.0)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)

add_library(msi2imds_asio INTERFACE)
target_link_libraries(msi2imds_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(msi2imds_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_DATE_TIME)

# Debian has no static libspdlog or libfmt, and spdlog's own header-only target links libfmt.so.
add_library(msi2imds_spdlog INTERFACE)
target_compile_definitions(msi2imds_spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
target_link_libraries(msi2imds_spdlog INTERFACE Threads::Threads)

# Compiled by us: of the distribution's library, one file, nothing that is not used could be left out.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/boost_json.cpp CONTENT "#include <boost/json/src.hpp>\n")
add_library(msi2imds_json STATIC ${PROJECT_BINARY_DIR}/boost_json.cpp)
target_link_libraries(msi2imds_json PUBLIC Boost::headers PRIVATE msi2imds_options)
target_compile_options(msi2imds_json PRIVATE $<$<CONFIG:Release>:-Oz>)
