/* A libcuda.so.1 for machines without a driver: enough for cuDNN to load, and to build plans for a
   device that it is told about. Nothing can run: what would make a thing makes the address of a byte.
   Used by test_cudnn_engines.py. */

static char thing;

#define MAKES(name) int name(void **made) { *made = &thing; return 0; }
#define ANSWERS(name, value) int name(int *answer) { *answer = value; return 0; }
#define DOES_NOTHING(name) int name(void) { return 0; }

ANSWERS(cuDriverGetVersion, 13000)
ANSWERS(cuDeviceGetCount, 1)
ANSWERS(cuDeviceGet, 0)
ANSWERS(cuKernelGetAttribute, 0)
ANSWERS(cuOccupancyMaxPotentialClusterSize, 8)

MAKES(cuCtxGetCurrent)
MAKES(cuCtxPopCurrent)
MAKES(cuModuleLoadData)
MAKES(cuModuleGetFunction)
MAKES(cuLibraryLoadData)
MAKES(cuLibraryLoadFromFile)
MAKES(cuLibraryGetKernel)
MAKES(cuKernelGetFunction)

DOES_NOTHING(cuCtxPushCurrent)
DOES_NOTHING(cuModuleUnload)
DOES_NOTHING(cuLibraryUnload)
DOES_NOTHING(cuKernelSetAttribute)
DOES_NOTHING(cuTensorMapEncodeIm2col)
DOES_NOTHING(cuTensorMapEncodeTiled)
DOES_NOTHING(cuLinkCreate)
DOES_NOTHING(cuLinkAddData)
DOES_NOTHING(cuLinkComplete)
DOES_NOTHING(cuLinkDestroy)
DOES_NOTHING(cuLaunchKernel)
DOES_NOTHING(cuLaunchKernelEx)
DOES_NOTHING(cuLaunchCooperativeKernel)

int cuCtxGetLimit(unsigned long *value) { *value = 1024; return 0; }
int cuStreamGetCtx(void *stream, void **context) { *context = &thing; return 0; }
int cuGetErrorName(int error, const char **text) { *text = "no GPU"; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "no GPU"; return 0; }
