# msi2imds_join(RESULT NAME SOURCES...): where a module is compiled at once, one file that includes the sources, by names
# from the root userspace/ or tests/; else the sources. CMake's own joining file would have the checkout's directory in it:
# no other checkout could use what was compiled, and the debug information would have a check sum of it.
function(msi2imds_join result name)
  set(sources ${ARGN})
  if(MSI2IMDS_JOIN)
    cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE folder)
    string(REGEX REPLACE "^(userspace|tests)/" "" folder ${folder})
    set(includes "")
    set(alone "")
    foreach(source ${ARGN})
      get_source_file_property(is_alone ${source} MSI2IMDS_ALONE)
      if(is_alone OR IS_ABSOLUTE ${source})
        list(APPEND alone ${source})
      else()
        string(APPEND includes "#include \"${folder}/${source}\"\n")
      endif()
    endforeach()
    set(joined ${CMAKE_CURRENT_BINARY_DIR}/${name}_joined.cpp)
    file(CONFIGURE OUTPUT ${joined} CONTENT "${includes}")
    set(sources ${joined} ${alone})
  endif()
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

# msi2imds_module(NAME [SMALL] SOURCES... FAST... DEPENDS...): userspace/NAME as one static library.
# DEPENDS names what its headers may include; PRIVATE what only its .cpp files use. SMALL: a request that is answered from
# memory spends little or no time in it, so that a release has it compiled for size; but FAST files, each by itself.
function(msi2imds_module name)
  cmake_parse_arguments(arg "SMALL" "" "SOURCES;FAST;DEPENDS;PRIVATE" ${ARGN})
  if(arg_FAST)
    set_source_files_properties(${arg_FAST} PROPERTIES
      MSI2IMDS_ALONE ON COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
    list(APPEND arg_SOURCES ${arg_FAST})
  endif()
  msi2imds_join(sources ${name} ${arg_SOURCES})
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/userspace)
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS} PRIVATE msi2imds_options ${arg_PRIVATE})
  set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY "${MSI2IMDS_CLANG_TIDY}")
  msi2imds_precompiled_headers(${name} module_headers)
  if(arg_SMALL)
    msi2imds_compile_for_size(${name})
  endif()
endfunction()

function(msi2imds_compile_for_size target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Oz>)
endfunction()

add_custom_target(unit_tests)

# msi2imds_test(MODULE SOURCES...): tests/unit/MODULE as one GoogleTest program, run unprivileged and offline. Target
# unit_tests is all of them.
function(msi2imds_test module)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  msi2imds_join(sources ${module}_test ${arg_SOURCES})
  add_executable(${module}_test ${sources})
  target_link_libraries(${module}_test PRIVATE ${module} ${arg_DEPENDS} msi2imds_options GTest::gtest_main)
  target_include_directories(${module}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  msi2imds_precompiled_headers(${module}_test test_headers)
  add_dependencies(unit_tests ${module}_test)
  gtest_discover_tests(${module}_test TEST_PREFIX "${module}." DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
