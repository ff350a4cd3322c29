# bpf_skeleton(NAME [NO_GLOBAL_DATA] [ATOMICS]): compiles NAME.bpf.c and makes the library bpf_NAME, whose header NAME.skel.h
# embeds the object, but not what NAME.bpf.o has for debuggers. NO_GLOBAL_DATA fails the build when the object has any, which
# kernels before 5.2 refuse. ATOMICS are instructions of Linux 5.12: older kernels take the programs of the object that have
# none.
find_program(BPF_CLANG clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
# The headers are those of the target's libraries; the processor that runs the programs does not matter.
set(BPF_HEADERS -I${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
if(CMAKE_SYSROOT)
  list(PREPEND BPF_HEADERS --sysroot=${CMAKE_SYSROOT})
endif()

function(bpf_skeleton name)
  cmake_parse_arguments(arg "NO_GLOBAL_DATA;ATOMICS" "" "" ${ARGN})
  set(cpu v2)
  if(arg_ATOMICS)
    set(cpu v3)
  endif()
  set(check)
  if(arg_NO_GLOBAL_DATA)
    set(check COMMAND sh -c "! readelf --sections --wide '${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o' | grep -E ' [.](rodata|data|bss)'")
  endif()
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/${name}.embedded.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -g -O2 -Wall -Werror -target bpf -mcpu=${cpu} ${BPF_HEADERS} ${MSI2IMDS_PREFIX_MAP}
            -c ${source} -o ${object}
    ${check}
    DEPENDS ${source} ${CMAKE_CURRENT_SOURCE_DIR}/abi.h ${CMAKE_CURRENT_SOURCE_DIR}/connect.h
            ${CMAKE_CURRENT_SOURCE_DIR}/own_namespace.h ${CMAKE_CURRENT_SOURCE_DIR}/task.h
            ${CMAKE_CURRENT_SOURCE_DIR}/connected.h
    COMMENT "Compiling ${name}.bpf.c"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen object ${embedded} ${object}  # linked: with BTF, without DWARF
    COMMAND ${BPFTOOL} gen skeleton ${embedded} name ${name}_bpf > ${skeleton}
    BYPRODUCTS ${embedded}
    DEPENDS ${object}
    COMMENT "Generating ${name}.skel.h")
  add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_skeleton)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_include_directories(bpf_${name} INTERFACE ${PROJECT_SOURCE_DIR}/bpf)
  target_link_libraries(bpf_${name} INTERFACE PkgConfig::LIBBPF)
endfunction()
