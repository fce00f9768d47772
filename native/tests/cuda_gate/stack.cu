// For the gate to find: an array that is indexed by what only the running kernel knows.
extern "C" __global__ void __launch_bounds__(32) planted_stack(const int* from, int* to) {
  int values[64] = {};
  for (int i = 0; i < 1000; ++i) values[from[i] & 63] += i;
  to[threadIdx.x] = values[from[threadIdx.x] & 63];
}
