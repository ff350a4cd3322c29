set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(launcher ${CCACHE})
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # With a base directory, ccache makes the compiler's paths relative, and they get into the debug information: a release
    # has to be the same bytes with and without ccache.
    set(launcher env CCACHE_BASEDIR= ${CCACHE})
  endif()
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

if(MSI2IMDS_JOIN AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)  # takes a module's files for headers
endif()

# The compiler knows its directory without symbolic links.
file(REAL_PATH ${PROJECT_SOURCE_DIR} real_source)
set(MSI2IMDS_PREFIX_MAP -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
if(NOT real_source STREQUAL PROJECT_SOURCE_DIR)
  list(APPEND MSI2IMDS_PREFIX_MAP -ffile-prefix-map=${real_source}=.)
endif()
if(CMAKE_SYSROOT)  # its headers are where they are on a machine of the target
  list(APPEND MSI2IMDS_PREFIX_MAP -ffile-prefix-map=${CMAKE_SYSROOT}/=/)
endif()

# Warnings and hardening of our own targets: linked by every module and program.
add_library(msi2imds_options INTERFACE)
target_compile_options(msi2imds_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -fstack-protector-strong
  $<$<BOOL:${MSI2IMDS_WERROR}>:-Werror>
  $<$<CONFIG:Release,RelWithDebInfo>:-ffunction-sections -fdata-sections -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>
  "$<$<CONFIG:Release>:${MSI2IMDS_PREFIX_MAP}>")
target_link_options(msi2imds_options INTERFACE
  -Wl,-z,relro,-z,now,-z,noexecstack $<$<CONFIG:Release,RelWithDebInfo>:-Wl,--gc-sections>)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # Asio's and Beast's coroutines gain from it and the binary shrinks.
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
  set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
endif()

if(MSI2IMDS_SANITIZE)
  add_compile_options(-fsanitize=${MSI2IMDS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MSI2IMDS_SANITIZE})
  if(MSI2IMDS_SANITIZE MATCHES undefined AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fno-sanitize=function)  # clang 14 miscompiles coroutines with it
  endif()
endif()

if(MSI2IMDS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # so that the fuzzers see their way through all modules
endif()

if(MSI2IMDS_TIDY)
  find_program(CLANG_TIDY clang-tidy REQUIRED)
  # A module's files are included into one, which is not what that check is about.
  set(MSI2IMDS_CLANG_TIDY
      ${PROJECT_SOURCE_DIR}/cmake/clang-tidy-once ${CLANG_TIDY} --warnings-as-errors=* --quiet
      --checks=-bugprone-suspicious-include)
endif()
