// The functions that instrumented kernels call: before every load and store (-fsanitize=thread),
// and where the language leaves behaviour undefined (-fsanitize=undefined).
#pragma once

#define CALLER __builtin_return_address(0)

extern "C" {

#define TSAN_ACCESS(n)                                                            \
  void __tsan_read##n(void* p) { check({p, n, false, false, CALLER}); }           \
  void __tsan_write##n(void* p) { check({p, n, true, false, CALLER}); }           \
  void __tsan_volatile_read##n(void* p) { check({p, n, false, true, CALLER}); }   \
  void __tsan_volatile_write##n(void* p) { check({p, n, true, true, CALLER}); }   \
  void __tsan_unaligned_read##n(void* p) { check({p, n, false, false, CALLER}); } \
  void __tsan_unaligned_write##n(void* p) { check({p, n, true, false, CALLER}); }
TSAN_ACCESS(1)
TSAN_ACCESS(2)
TSAN_ACCESS(4)
TSAN_ACCESS(8)
TSAN_ACCESS(16)
void __tsan_read_range(void* p, size_t n) { check({p, (unsigned)n, false, false, CALLER}); }
void __tsan_write_range(void* p, size_t n) { check({p, (unsigned)n, true, false, CALLER}); }

// clang calls these instead of the plain functions.
void* __tsan_memcpy(void* to, const void* from, size_t n) {
  check({from, (unsigned)n, false, false, CALLER});
  check({to, (unsigned)n, true, false, CALLER});
  return memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, size_t n) {
  check({from, (unsigned)n, false, false, CALLER});
  check({to, (unsigned)n, true, false, CALLER});
  return memmove(to, from, n);
}
void* __tsan_memset(void* to, int value, size_t n) {
  check({to, (unsigned)n, true, false, CALLER});
  return memset(to, value, n);
}

// Read before the first use of a static array of halves, which g++ believes to need a constructor.
char __tsan_atomic8_load(const volatile char* guard, int) { return *guard; }

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

struct Location {
  const char* file;
  uint32_t line, column;
};

#define UBSAN(name, what, ...)                                                    \
  void __ubsan_handle_##name(Location* at, ##__VA_ARGS__) {                       \
    emulator_fail("ubsan: %s at %s:%u:%u", what, at->file, at->line, at->column); \
  }
UBSAN(out_of_bounds, "array index out of bounds", void*)
UBSAN(shift_out_of_bounds, "shift out of bounds", void*, void*)
UBSAN(add_overflow, "signed addition overflow", void*, void*)
UBSAN(sub_overflow, "signed subtraction overflow", void*, void*)
UBSAN(mul_overflow, "signed multiplication overflow", void*, void*)
UBSAN(negate_overflow, "signed negation overflow", void*)
UBSAN(divrem_overflow, "division by zero or overflow", void*, void*)
UBSAN(pointer_overflow, "pointer arithmetic overflow", void*, void*)
UBSAN(builtin_unreachable, "unreachable code reached")
UBSAN(missing_return, "missing return")
UBSAN(vla_bound_not_positive, "array length not positive", void*)
UBSAN(load_invalid_value, "invalid bool or enum value", void*)
UBSAN(nonnull_arg, "null argument")

struct TypeMismatch {
  Location at;
  void* type;
  uint8_t log2_alignment, kind;
};

void __ubsan_handle_type_mismatch_v1(TypeMismatch* data, void* p) {
  const Location& at = data->at;
  size_t alignment = size_t(1) << data->log2_alignment;
  if (!p) emulator_fail("ubsan: null pointer access at %s:%u", at.file, at.line);
  if ((uintptr_t)p & (alignment - 1))
    emulator_fail(
        "memcheck: misaligned access, %p is not %zu-byte aligned (cudaErrorMisalignedAddress)"
        " at %s:%u",
        p, alignment, at.file, at.line);
  emulator_fail("ubsan: object does not fit its type at %s:%u", at.file, at.line);
}

}  // extern "C"
