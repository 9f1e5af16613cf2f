// Stands in for CUDA's cuda_runtime.h: everything it declares is already there.
#include "../cuda_emulator.h"
