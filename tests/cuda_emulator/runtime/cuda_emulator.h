// Makes an unmodified .cu file compile as host C++17: build.py puts this header in front of it.
//
// One operating system thread runs the blocks one after another; the threads of a block are fibers
// (host/fiber.h). What is computed here was EMULATED; it never ran on a GPU.
//
//   device/language.h      vector types, qualifiers, built-in variables
//   device/collectives.h   barriers, shuffles, votes, warp reductions
//   device/arithmetic.h    integer, bit, conversion and floating point intrinsics
//   device/half.h          __half and __nv_bfloat16
//   device/atomics.h       read-modify-write, reported to the race checker
//   device/registration.h  kernels by name, with a description of their parameters
#pragma once
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cfloat>
#include <climits>
#include <limits>
#include <type_traits>
#include <utility>

#include "device/language.h"
#include "device/collectives.h"
#include "device/arithmetic.h"
#include "device/half.h"
#include "device/atomics.h"
#include "device/registration.h"

// NVRTC has no host headers. What ours leaked is hidden, so that a kernel which relies on it fails
// here too.
#undef INFINITY
#undef NAN
#undef HUGE_VAL
#undef FLT_MAX
#undef FLT_MIN
#undef FLT_EPSILON
#undef DBL_MAX
#undef DBL_MIN
#undef DBL_EPSILON
#undef INT_MAX
#undef INT_MIN
#undef UINT_MAX
#undef LLONG_MAX
#undef LLONG_MIN
#undef ULLONG_MAX
#undef M_PI

#define __CUDA_ARCH__ 900
#define __CUDACC_RTC__ 1
#define __CUDA_EMULATOR__ 1
