// The launch under way: its indices, its failure, its statistics.
#pragma once

struct Index3 {
  unsigned x, y, z;
};
struct Indices {
  Index3 thread, block, block_size, grid_size;
};  // EmulatorIndices of device/language.h
typedef void (*Thunk)(const void* kernel, void** arguments);

extern "C" {
Indices emulator_indices;
}

static volatile int launching = 0;
static bool checking = false;  // is the kernel instrumented?
static int schedule = 0;       // 0: natural order, -1: reversed, > 0: random with this seed
static bool failed = false;
static char message[2048];

// What a kernel did; counted in instrumented kernels only.
struct Statistics {
  uint64_t reads[5], writes[5];  // of global memory, by log2 of their width in bytes
  uint64_t atomics, barriers, warp_operations;
};
static Statistics statistics;

static unsigned random_state = 1;
static inline unsigned random_below(unsigned n) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return n ? random_state % n : 0;
}

static void leave_thread();  // back to the scheduler, for good if the launch has failed

extern "C" const char* emulator_error() { return message; }
extern "C" const Statistics* emulator_statistics() { return &statistics; }

// Ends the launch with this message and the place of the thread that runs.
extern "C" void emulator_fail(const char* format, ...) {
  if (!failed) {
    failed = true;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(message, sizeof message - 128, format, arguments);
    va_end(arguments);
    n = std::min(n, (int)sizeof message - 129);
    const Indices& i = emulator_indices;
    snprintf(message + n, 128, "  [block (%u,%u,%u) thread (%u,%u,%u)]", i.block.x, i.block.y,
             i.block.z, i.thread.x, i.thread.y, i.thread.z);
  }
  if (launching) leave_thread();
  fprintf(stderr, "CUDA emulator: %s\n", message);
  abort();
}
