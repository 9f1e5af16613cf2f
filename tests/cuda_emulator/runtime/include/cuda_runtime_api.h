// Stands in for CUDA's cuda_runtime_api.h: everything it declares is already there.
#include "../cuda_emulator.h"
