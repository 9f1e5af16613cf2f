// Kernels register themselves by name, with a description of their parameters and a function that
// calls them from an array of pointers to arguments: C++ templates derive both, no C++ is parsed.
//
// A description is a list such as "Pcf4,Pf4,i8,f4,": P pointer (PP a table of them), c const, then
// a kind and a size in bytes: f float, e half, E bfloat16, i signed, u unsigned, b bool, v
// anything, s a struct. A vector type carries its number of lanes: f4x4.
#pragma once

typedef void (*EmulatorThunk)(const void* kernel, void** arguments);

namespace emulator {

template <class T>
struct Code {
  static void write(char*& out) { out += sprintf(out, "s%zu", sizeof(T)); }
};
#define EMULATOR_CODE(T, text)                                         \
  template <>                                                          \
  struct Code<T> {                                                     \
    static void write(char*& out) { out += sprintf(out, "%s", text); } \
  };
EMULATOR_CODE(void, "v0")
EMULATOR_CODE(bool, "b1")
EMULATOR_CODE(char, "i1")
EMULATOR_CODE(signed char, "i1")
EMULATOR_CODE(unsigned char, "u1")
EMULATOR_CODE(short, "i2")
EMULATOR_CODE(unsigned short, "u2")
EMULATOR_CODE(int, "i4")
EMULATOR_CODE(unsigned, "u4")
EMULATOR_CODE(long, "i8")
EMULATOR_CODE(unsigned long, "u8")
EMULATOR_CODE(long long, "i8")
EMULATOR_CODE(unsigned long long, "u8")
EMULATOR_CODE(float, "f4")
EMULATOR_CODE(double, "f8")
EMULATOR_CODE(__half, "e2")
EMULATOR_CODE(__nv_bfloat16, "E2")
EMULATOR_CODE(__half2, "e2x2")
EMULATOR_CODE(__nv_bfloat162, "E2x2")
EMULATOR_CODE(float2, "f4x2")
EMULATOR_CODE(float4, "f4x4")
EMULATOR_CODE(double2, "f8x2")
EMULATOR_CODE(int2, "i4x2")
EMULATOR_CODE(int4, "i4x4")
EMULATOR_CODE(uint2, "v0x8")
EMULATOR_CODE(uint4, "v0x16")
EMULATOR_CODE(ulonglong2, "v0x16")

template <class T>
struct Parameter {
  static void write(char*& out) { Code<typename std::remove_cv<T>::type>::write(out); }
};
template <class T>
struct Parameter<T*> {
  static void write(char*& out) {
    *out++ = 'P';
    if (std::is_const<T>::value) *out++ = 'c';
    Parameter<typename std::remove_cv<T>::type>::write(out);
  }
};
template <class T>
struct Parameter<T* __restrict> : Parameter<T*> {};
template <class T>
struct Parameter<T* const> : Parameter<T*> {};

struct Entry {
  const char* name;
  const void* kernel;
  EmulatorThunk thunk;
  int parameters;
  int max_threads;  // of __launch_bounds__; 0: not given
  char description[768];
};

// In .data and on the heap, not in .bss: there a stray write beside a __shared__ array could hit
// it.
__attribute__((section(".data.emulator"))) static Entry* entries = nullptr;
__attribute__((section(".data.emulator"))) static int entry_count = 0;

template <class... A>
struct Call {
  template <size_t... I>
  static void unpack(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*(typename std::remove_cv<A>::type*)arguments[I]...);
  }
  static void thunk(const void* kernel, void** arguments) {
    unpack((void (*)(A...))kernel, arguments, std::make_index_sequence<sizeof...(A)>());
  }
};

template <class... A>
static int enter(const char* name, void (*kernel)(A...), int max_threads) {
  entries = (Entry*)realloc((void*)entries, (entry_count + 1) * sizeof(Entry));
  Entry& e = entries[entry_count++];
  e = Entry{name, (const void*)kernel, &Call<A...>::thunk, (int)sizeof...(A), max_threads, ""};
  char* out = e.description;
  int expand[] = {0, (Parameter<A>::write(out), *out++ = ',', *out = 0, 0)...};
  (void)expand;
  return 0;
}

}  // namespace emulator

// The .bss section holds the __shared__ arrays, which build.py has made static.
extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));
extern "C" __attribute__((visibility("default"), used)) emulator::Entry* emulator_entries(
    int* count, char** shared_begin, char** shared_end) {
  *count = emulator::entry_count;
  *shared_begin = __bss_start;
  *shared_end = _end;
  return emulator::entries;
}
