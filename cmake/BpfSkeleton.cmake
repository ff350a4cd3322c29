# bpf_skeleton(NAME [NO_GLOBAL_DATA]): compiles NAME.bpf.c and makes the library bpf_NAME, whose header NAME.skel.h embeds
# the object. NO_GLOBAL_DATA fails the build when the object has any, which kernels before 5.2 refuse.
find_program(BPF_CLANG clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
function(bpf_skeleton name)
  cmake_parse_arguments(arg "NO_GLOBAL_DATA" "" "" ${ARGN})
  set(check)
  if(arg_NO_GLOBAL_DATA)
    set(check COMMAND sh -c "! readelf --sections --wide '${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o' | grep -E ' [.](rodata|data|bss)'")
  endif()
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -g -O2 -Wall -Werror -target bpf -mcpu=v2 -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            ${MSI2IMDS_PREFIX_MAP} -c ${source} -o ${object}
    ${check}
    DEPENDS ${source} ${CMAKE_CURRENT_SOURCE_DIR}/abi.h ${CMAKE_CURRENT_SOURCE_DIR}/connect.h
            ${CMAKE_CURRENT_SOURCE_DIR}/own_namespace.h ${CMAKE_CURRENT_SOURCE_DIR}/task.h
    COMMENT "Compiling ${name}.bpf.c"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
    DEPENDS ${object}
    COMMENT "Generating ${name}.skel.h")
  add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_skeleton)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_include_directories(bpf_${name} INTERFACE ${PROJECT_SOURCE_DIR}/bpf)
  target_link_libraries(bpf_${name} INTERFACE PkgConfig::LIBBPF)
endfunction()
