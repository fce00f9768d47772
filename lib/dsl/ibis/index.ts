export { createIbisEngine, type IbisEngineOptions } from "./engine.js";
export { lockedWheels, type LockedWheel } from "./wheels.js";
