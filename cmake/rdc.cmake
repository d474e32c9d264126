# Build rules shared by all folders.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)

set(RDC_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize")
option(RDC_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)

find_program(RDC_CCACHE ccache)
if(RDC_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${RDC_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RDC_CCACHE})
endif()

add_compile_definitions(_GNU_SOURCE RDC_VERSION="${PROJECT_VERSION}")
add_compile_options(-fno-omit-frame-pointer -fstack-protector-strong)
# Paths of the build machine stay out of the program and its messages.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(RDC_SANITIZE)
  add_compile_options(-fsanitize=${RDC_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${RDC_SANITIZE})
endif()
if(RDC_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

set(RDC_C_WARNINGS
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-qual -Wcast-align
  -Wpointer-arith -Wdouble-promotion -Wvla -Wformat=2 -Wswitch-enum -Wnull-dereference
  -Wstrict-prototypes -Wmissing-prototypes -Werror)
set(RDC_CXX_WARNINGS
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wpointer-arith -Wvla
  -Wformat=2 -Werror)
if(RDC_SANITIZE)
  # gcc's flow analysis reports false paths through instrumented code.
  list(REMOVE_ITEM RDC_C_WARNINGS -Wnull-dereference)
endif()

# rdc_library(NAME [DEPS ...] [PKG ...]): the static library rdc_NAME from all
# C (and in the shim C++) files of this folder.
function(rdc_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;PKG" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.c *.cc)
  if(NOT sources)
    add_library(rdc_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(rdc_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_compile_options(rdc_${name} PRIVATE
      $<$<COMPILE_LANGUAGE:C>:${RDC_C_WARNINGS}> $<$<COMPILE_LANGUAGE:CXX>:${RDC_CXX_WARNINGS}>)
  endif()
  set(RDC_SCOPE ${scope} PARENT_SCOPE)
  target_include_directories(rdc_${name} ${scope} ${CMAKE_SOURCE_DIR})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(rdc_${name} ${scope} rdc_${dep})
  endforeach()
  foreach(pkg ${ARG_PKG})
    string(MAKE_C_IDENTIFIER ${pkg} id)
    pkg_check_modules(PC_${id} REQUIRED IMPORTED_TARGET GLOBAL ${pkg})
    target_link_libraries(rdc_${name} ${scope} PkgConfig::PC_${id})
  endforeach()
endfunction()

# rdc_simd_sources(TARGET): its files *_simd_VARIANT.c are compiled for that
# processor; elsewhere than on x86-64 they are left out.
function(rdc_simd_sources target)
  set(flags_sse41 -msse4.1)
  set(flags_avx2 -mavx2 -mbmi -mbmi2 -mpclmul)
  set(flags_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512vbmi -mavx512vbmi2 -mbmi -mbmi2 -mpopcnt -mpclmul)
  foreach(variant sse41 avx2 avx512)
    file(GLOB sources CONFIGURE_DEPENDS *_simd_${variant}.c)
    if(sources AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
      set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "${flags_${variant}}")
    elseif(sources)
      set_source_files_properties(${sources} PROPERTIES HEADER_FILE_ONLY ON)
    endif()
  endforeach()
endfunction()
