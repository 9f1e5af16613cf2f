// Atomics: one operating system thread, so a plain read-modify-write, told to the checks first.
// Only the overloads that CUDA has, so that atomicAdd(long long*) is refused here as well.
#pragma once

#define EMULATOR_ATOMIC(name, T, expression)                                                  \
  static __attribute__((unused, noinline, no_sanitize_thread, no_sanitize_undefined)) T name( \
      T* p, T value) {                                                                        \
    emulator_atomic(p, sizeof(T), __builtin_return_address(0));                               \
    T old = *p;                                                                               \
    *p = (expression);                                                                        \
    return old;                                                                               \
  }
#define EMULATOR_ATOMIC_CAS(T)                                                               \
  static __attribute__((unused, noinline, no_sanitize_thread)) T atomicCAS(T* p, T expected, \
                                                                           T value) {        \
    emulator_atomic(p, sizeof(T), __builtin_return_address(0));                              \
    T old = *p;                                                                              \
    if (old == expected) *p = value;                                                         \
    return old;                                                                              \
  }

EMULATOR_ATOMIC(atomicAdd, int, (int)((unsigned)old + (unsigned)value))
EMULATOR_ATOMIC(atomicAdd, unsigned, old + value)
EMULATOR_ATOMIC(atomicAdd, unsigned long long, old + value)
EMULATOR_ATOMIC(atomicAdd, float, old + value)
EMULATOR_ATOMIC(atomicAdd, double, old + value)
EMULATOR_ATOMIC(atomicAdd, __half, old + value)
EMULATOR_ATOMIC(atomicAdd, __nv_bfloat16, old + value)
EMULATOR_ATOMIC(atomicAdd, __half2, __hadd2(old, value))
EMULATOR_ATOMIC(atomicAdd, __nv_bfloat162, __hadd2(old, value))
EMULATOR_ATOMIC(atomicSub, int, (int)((unsigned)old - (unsigned)value))
EMULATOR_ATOMIC(atomicSub, unsigned, old - value)
EMULATOR_ATOMIC(atomicInc, unsigned, old >= value ? 0u : old + 1u)
EMULATOR_ATOMIC(atomicDec, unsigned, (old == 0u || old > value) ? value : old - 1u)
EMULATOR_ATOMIC(atomicExch, int, value)
EMULATOR_ATOMIC(atomicExch, unsigned, value)
EMULATOR_ATOMIC(atomicExch, unsigned long long, value)
EMULATOR_ATOMIC(atomicExch, float, value)
EMULATOR_ATOMIC(atomicMin, int, value < old ? value : old)
EMULATOR_ATOMIC(atomicMin, unsigned, value < old ? value : old)
EMULATOR_ATOMIC(atomicMin, long long, value < old ? value : old)
EMULATOR_ATOMIC(atomicMin, unsigned long long, value < old ? value : old)
EMULATOR_ATOMIC(atomicMax, int, value > old ? value : old)
EMULATOR_ATOMIC(atomicMax, unsigned, value > old ? value : old)
EMULATOR_ATOMIC(atomicMax, long long, value > old ? value : old)
EMULATOR_ATOMIC(atomicMax, unsigned long long, value > old ? value : old)
EMULATOR_ATOMIC(atomicAnd, int, old& value)
EMULATOR_ATOMIC(atomicAnd, unsigned, old& value)
EMULATOR_ATOMIC(atomicAnd, unsigned long long, old& value)
EMULATOR_ATOMIC(atomicOr, int, old | value)
EMULATOR_ATOMIC(atomicOr, unsigned, old | value)
EMULATOR_ATOMIC(atomicOr, unsigned long long, old | value)
EMULATOR_ATOMIC(atomicXor, int, old ^ value)
EMULATOR_ATOMIC(atomicXor, unsigned, old ^ value)
EMULATOR_ATOMIC(atomicXor, unsigned long long, old ^ value)
EMULATOR_ATOMIC_CAS(int)
EMULATOR_ATOMIC_CAS(unsigned)
EMULATOR_ATOMIC_CAS(unsigned long long)
EMULATOR_ATOMIC_CAS(unsigned short)
