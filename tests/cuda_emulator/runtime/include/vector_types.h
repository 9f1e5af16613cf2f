// Stands in for CUDA's vector_types.h: everything it declares is already there.
#include "../cuda_emulator.h"
