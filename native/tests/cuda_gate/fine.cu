// For the gate to pass.
extern "C" __global__ void __launch_bounds__(256) planted_fine(const float* from, float* to) {
  to[threadIdx.x] = 2 * from[threadIdx.x];
}
