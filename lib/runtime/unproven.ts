/** Backends that no hardware of theirs has run. */

/**
 * Why `auto` leaves a backend alone though its library is there; who names it gets it. An entry goes when bench/results has
 * what such hardware gave (scripts/gpu/run-metal.sh), and so do "emulated only" in docs/ and in the doctor.
 */
export const UNPROVEN: Readonly<Record<string, string>> = {
  metal:
    "emulated only: no Apple GPU has run its kernels yet, so auto leaves it alone; --backend metal or IBERT_BACKEND=metal " +
    "takes it",
};
