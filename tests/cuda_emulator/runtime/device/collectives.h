// Barriers, fences and warp collectives: each hands its operands and its place to the runtime,
// which suspends the fiber until everybody has come.
#pragma once

#define __syncthreads() emulator_barrier(__FILE__, __LINE__)
#define __syncthreads_count(p) emulator_barrier_vote(0, (p) != 0, __FILE__, __LINE__)
#define __syncthreads_and(p) emulator_barrier_vote(1, (p) != 0, __FILE__, __LINE__)
#define __syncthreads_or(p) emulator_barrier_vote(2, (p) != 0, __FILE__, __LINE__)
#define __activemask() emulator_active_mask()

static inline void __threadfence() { emulator_fence(); }
static inline void __threadfence_system() { emulator_fence(); }
static inline void __threadfence_block() {}
static inline void __nanosleep(unsigned) {}

namespace emulator {

// The order is that of WARP_NAMES in host/block.h.
enum WarpOperation {
  SHUFFLE,
  SHUFFLE_UP,
  SHUFFLE_DOWN,
  SHUFFLE_XOR,
  BALLOT,
  SYNC,
  MATCH_ANY,
  REDUCE_ADD,
  REDUCE_MIN,
  REDUCE_MAX,
  REDUCE_AND,
  REDUCE_OR,
  REDUCE_XOR,
};

struct Place {
  const char* file;
  int line;
};

template <class T>
static inline uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
static inline T from_bits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline void sync_warp(Place at, unsigned mask = 0xffffffffu) {
  emulator_warp(SYNC, mask, 0, 0, 32, at.file, at.line);
}
static inline unsigned ballot(Place at, unsigned mask, int predicate) {
  return (unsigned)emulator_warp(BALLOT, mask, predicate != 0, 0, 32, at.file, at.line);
}
static inline int any(Place at, unsigned mask, int predicate) {
  return ballot(at, mask, predicate) != 0;
}
static inline int all(Place at, unsigned mask, int predicate) {
  return ballot(at, mask, !predicate) == 0;
}

template <WarpOperation operation>
struct Shuffle {
  template <class T>
  static T call(Place at, unsigned mask, T value, int argument, int width = 32) {
    return from_bits<T>(
        emulator_warp(operation, mask, to_bits(value), argument, width, at.file, at.line));
  }
};

template <class T>
static inline unsigned match_any(Place at, unsigned mask, T value) {
  return (unsigned)emulator_warp(MATCH_ANY, mask, to_bits(value), 0, 32, at.file, at.line);
}

template <WarpOperation operation>
struct Reduce {
  template <class T>
  static T call(Place at, unsigned mask, T value) {
    static_assert(std::is_integral<T>::value && sizeof(T) == 4, "__reduce_*: 32-bit integers only");
    return (T)emulator_warp(operation, mask, (uint64_t)(int64_t)value, std::is_signed<T>::value, 32,
                            at.file, at.line);
  }
};

}  // namespace emulator

#define EMULATOR_HERE \
  emulator::Place { __FILE__, __LINE__ }
#define __syncwarp(...) emulator::sync_warp(EMULATOR_HERE, ##__VA_ARGS__)
#define __ballot_sync(...) emulator::ballot(EMULATOR_HERE, __VA_ARGS__)
#define __any_sync(...) emulator::any(EMULATOR_HERE, __VA_ARGS__)
#define __all_sync(...) emulator::all(EMULATOR_HERE, __VA_ARGS__)
#define __shfl_sync(...) emulator::Shuffle<emulator::SHUFFLE>::call(EMULATOR_HERE, __VA_ARGS__)
#define __shfl_up_sync(...) \
  emulator::Shuffle<emulator::SHUFFLE_UP>::call(EMULATOR_HERE, __VA_ARGS__)
#define __shfl_down_sync(...) \
  emulator::Shuffle<emulator::SHUFFLE_DOWN>::call(EMULATOR_HERE, __VA_ARGS__)
#define __shfl_xor_sync(...) \
  emulator::Shuffle<emulator::SHUFFLE_XOR>::call(EMULATOR_HERE, __VA_ARGS__)
#define __match_any_sync(...) emulator::match_any(EMULATOR_HERE, __VA_ARGS__)
#define __reduce_add_sync(...) \
  emulator::Reduce<emulator::REDUCE_ADD>::call(EMULATOR_HERE, __VA_ARGS__)
#define __reduce_min_sync(...) \
  emulator::Reduce<emulator::REDUCE_MIN>::call(EMULATOR_HERE, __VA_ARGS__)
#define __reduce_max_sync(...) \
  emulator::Reduce<emulator::REDUCE_MAX>::call(EMULATOR_HERE, __VA_ARGS__)
#define __reduce_and_sync(...) \
  emulator::Reduce<emulator::REDUCE_AND>::call(EMULATOR_HERE, __VA_ARGS__)
#define __reduce_or_sync(...) \
  emulator::Reduce<emulator::REDUCE_OR>::call(EMULATOR_HERE, __VA_ARGS__)
#define __reduce_xor_sync(...) \
  emulator::Reduce<emulator::REDUCE_XOR>::call(EMULATOR_HERE, __VA_ARGS__)
