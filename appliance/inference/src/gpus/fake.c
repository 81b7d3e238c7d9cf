// Two GPUs as NVIDIA's management library tells of them, for tests of the way through dlopen: one that works, and one
// that has fallen off the bus.
#include <string.h>

typedef struct { int lost; } Device;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { Device *device; unsigned long long type, data; unsigned gpu_instance, compute_instance; } Event;

enum { SUCCESS = 0, NOT_SUPPORTED = 3, TOO_SMALL = 7, TIMEOUT = 10, GPU_IS_LOST = 15 };

static Device devices[2] = {{0}, {1}};
static int waits;

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *to, unsigned length) { strncpy(to, "550.1", length); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **to) { *to = &devices[index]; return SUCCESS; }
int nvmlDeviceGetName(Device *d, char *to, unsigned length) { strncpy(to, "Fake H100", length); return SUCCESS; }

int nvmlDeviceGetMemoryInfo_v2(Device *d, Memory *to) {
    if (d->lost) return GPU_IS_LOST;
    to->total = 80ULL << 30; to->used = 6ULL << 30; to->free = 74ULL << 30; to->reserved = 0;
    return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(Device *d, Utilization *to) { to->gpu = 37; to->memory = 12; return SUCCESS; }
int nvmlDeviceGetTemperature(Device *d, int sensor, unsigned *to) { *to = 64; return d->lost ? GPU_IS_LOST : SUCCESS; }
int nvmlDeviceGetTemperatureThreshold(Device *d, int kind, unsigned *to) { *to = kind == 1 ? 87 : 95; return SUCCESS; }
int nvmlDeviceGetPowerUsage(Device *d, unsigned *to) { *to = 212000; return SUCCESS; }
int nvmlDeviceGetEnforcedPowerLimit(Device *d, unsigned *to) { *to = 350000; return SUCCESS; }
int nvmlDeviceGetTotalEccErrors(Device *d, int kind, int counter, unsigned long long *to) {
    *to = kind == 0 ? 5 : 0;
    return counter == 0 ? SUCCESS : NOT_SUPPORTED;
}
// That it runs at the clocks that an administrator has set, which is no slowing down.
int nvmlDeviceGetCurrentClocksThrottleReasons(Device *d, unsigned long long *to) { *to = 2; return SUCCESS; }

static int processes(unsigned *count, Process *to, const Process *from, unsigned number) {
    unsigned room = *count;
    *count = number;
    if (room < number || !to) return number ? TOO_SMALL : SUCCESS;
    memcpy(to, from, number * sizeof(Process));
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Device *d, unsigned *count, Process *to) {
    const Process all[2] = {{4242, 5ULL << 30, -1, -1}, {4243, 1ULL << 20, -1, -1}};
    return processes(count, to, all, 2);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *d, unsigned *count, Process *to) {
    const Process all[1] = {{4242, 1ULL << 30, -1, -1}};
    return processes(count, to, all, 1);
}

int nvmlEventSetCreate(void **to) { *to = &waits; return SUCCESS; }
int nvmlEventSetFree(void *set) { return SUCCESS; }
int nvmlDeviceRegisterEvents(Device *d, unsigned long long types, void *set) {
    return d->lost ? GPU_IS_LOST : types == 8 ? SUCCESS : NOT_SUPPORTED;
}
int nvmlEventSetWait_v2(void *set, Event *to, unsigned timeout) {
    if (++waits != 3) return TIMEOUT;
    to->device = &devices[0]; to->type = 8; to->data = 79;
    return SUCCESS;
}
