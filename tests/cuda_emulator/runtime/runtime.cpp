// The emulator's runtime: device memory, fibers, the scheduler of a block, and the hooks that the
// compiler's -fsanitize=thread,undefined instrumentation calls. One translation unit, so that the
// checks inline into the hooks. Nothing here is linked to libtsan, libubsan or libasan.
//
//   host/state.h    the launch under way, and how it fails
//   host/arena.h    device memory with exact bounds
//   host/fiber.h    stacks, and the switch between them
//   host/block.h    the threads of a block: barriers and warp collectives
//   host/source.h   an address in a kernel -> file and line
//   host/shadow.h   who read and wrote each word: races, uninitialised reads
//   host/hooks.h    __tsan_* and __ubsan_*
//   host/launch.h   the grid
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "host/state.h"
#include "host/arena.h"
#include "host/fiber.h"
#include "host/block.h"
#include "host/source.h"
#include "host/shadow.h"
#include "host/hooks.h"
#include "host/launch.h"
