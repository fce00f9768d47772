/** What the CUDA library holds code for, as nvcc's options say it. */
export const GENCODE = [
  // No kernel has code of its own for 90, so one pass of the compiler serves both.
  "-gencode=arch=compute_80,code=[sm_80,sm_90,compute_80]",
  "-gencode=arch=compute_120,code=compute_120",
];

/** "sm_80", …: machine code; "compute_80", …: PTX, of which the driver makes code for what came later. */
export const ARCHITECTURES = GENCODE.flatMap((option) => {
  const [, codes] = /,code=\[?([\w,]+)/.exec(option);
  return codes.split(",");
});
