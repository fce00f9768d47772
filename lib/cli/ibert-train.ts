#!/usr/bin/env node
import "../runtime/require-node.js";

// Only then the rest, whose own imports an old Node would fail at.
const [{ main }, { setUpTraining }] = await Promise.all([import("./main.js"), import("./train-command.js")]);
await main("ibert-train", setUpTraining);
