// Stands in for libcuda.so.1 of some version.
extern "C" __attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  *version = IBERT_FAKE_VERSION;
  return 0;
}
